"""Totals: buckets of dates in the site's time zone, conditions on groups, their order; both databases alike."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from xrm.errors import Invalid, TooExpensive
from xrm.kernel.change import SYSTEM
from xrm.kernel.query import Query
from xrm.kernel.store.store import Store
from xrm.kernel.totals import Totals
from xrm.testing import TestSite, make_site

FILES = {
    "entities/sale.yaml": """
entity: shop
label: "{name}"
fields: {name: text}
---
entity: sale
fields:
  at: datetime
  day: date
  amount: {type: decimal, scale: 2}
  pieces: integer
  shop: {type: relation, to: shop}
"""
}


@pytest.fixture
async def site(tmp_path, database_url) -> AsyncIterator[TestSite]:
    async with make_site(tmp_path, database_url, FILES, time_zone="Europe/Berlin") as made:
        shops = [(await made.records.create(SYSTEM, "shop", {"name": n}))["id"] for n in ("North", "South")]
        for at, day, amount, shop in (
            ("2026-12-31T22:30:00Z", "2026-12-31", "10.10", 0),
            ("2026-12-31T23:30:00Z", "2026-12-31", "20.20", 0),  # in Berlin the year after
            ("2026-03-31T22:30:00Z", "2026-03-31", "5.00", 1),  # in Berlin the first of April: summer time
            ("2026-07-06T12:00:00Z", "2026-07-06", "1.00", 1),
            (None, None, None, None),
        ):
            values = {"at": at, "day": day, "amount": amount, "pieces": 2}
            await made.records.create(SYSTEM, "sale", values | ({} if shop is None else {"shop": shops[shop]}))
        yield made


async def groups(site: TestSite, group: str, **more: object) -> dict[object, object]:
    rows = await site.records.aggregate(SYSTEM, "sale", Totals((group,), ("count",), **more))  # type: ignore[arg-type]
    return {row[group]: row["count"] for row in rows}


async def test_times_belong_to_the_days_of_the_site(site):
    assert await groups(site, "at.year") == {None: 1, "2026": 3, "2027": 1}
    assert await groups(site, "at.quarter") == {None: 1, "2026-Q2": 1, "2026-Q3": 1, "2026-Q4": 1, "2027-Q1": 1}
    assert await groups(site, "at.month") == {None: 1, "2026-04": 1, "2026-07": 1, "2026-12": 1, "2027-01": 1}
    assert await groups(site, "at.week") == {None: 1, "2026-W14": 1, "2026-W28": 1, "2026-W53": 2}
    assert await groups(site, "at.day") == {
        None: 1,
        "2026-04-01": 1,
        "2026-07-06": 1,
        "2026-12-31": 1,
        "2027-01-01": 1,
    }
    assert await groups(site, "day.quarter") == {None: 1, "2026-Q1": 1, "2026-Q3": 1, "2026-Q4": 2}


async def test_groups_have_conditions_and_an_order(site):
    values = ("count", "sum(amount)", "avg(amount)", "max(day)")

    async def names(having: str, sort: tuple[str, ...]) -> list[object]:
        totals = Totals(("shop.name",), values, "", "", 100, having, sort)
        return [row["shop.name"] for row in await site.records.aggregate(SYSTEM, "sale", totals)]

    assert await names("", ("-sum(amount)",)) == ["North", "South", None]
    assert await names("", ("sum(amount)",)) == [None, "South", "North"]
    assert await names("", ("-count", "-shop.name")) == ["South", "North", None]
    assert await names("count >= 2 && sum(amount) > 6", ()) == ["North"]
    assert await names("sum(amount) == 30.30", ()) == ["North"]
    assert await names("avg(amount) < 3.5", ()) == ["South"]
    assert await names("max(day) > '2026-08-01'", ()) == ["North"]
    assert await names("sum(pieces) != 4", ()) == [None]


@pytest.mark.parametrize(
    ("having", "sort"),
    [("count > x", ()), ("sum(nothing) > 1", ()), ("sum(amount) > 1.005", ()), ("max(day) > 5", ()), ("1 = 1", ()),
     ("", ("x",))],
)  # fmt: skip
async def test_what_is_no_condition_is_refused(site, having, sort):
    with pytest.raises(Invalid):
        await site.records.aggregate(SYSTEM, "sale", Totals(("day",), ("count",), "", "", 100, having, sort))


async def test_a_query_that_takes_too_long_is_given_up(site, monkeypatch):
    slow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000) SELECT count(*) FROM n"
    store, plain = site.kernel.store, type(site.kernel.store).fetch
    object.__setattr__(store, "_options", type(store._options)(read_timeout=0.2))

    async def fetch(self: Store, sql: str, args: object = ()) -> object:
        return await (plain(self, slow) if "sale" in sql else plain(self, sql, args))  # type: ignore[arg-type]

    monkeypatch.setattr(type(store), "fetch", fetch)
    with pytest.raises(TooExpensive) as caught:
        await site.records.list(SYSTEM, "sale", Query())
    assert (caught.value.code, caught.value.status) == ("query_too_expensive", 422)
    monkeypatch.undo()
    object.__setattr__(store, "_options", type(store._options)())
    assert len((await site.records.list(SYSTEM, "sale", Query())).records) == 5
