"""Amounts in the site's currency: at the rate of their day, exact, kept, computed anew when asked, never guessed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from xrm.builtin.rates import refresh
from xrm.errors import ModelError
from xrm.kernel.change import SYSTEM
from xrm.kernel.query import Query
from xrm.kernel.totals import Totals
from xrm.testing import TestSite, make_site

BILL = """
entity: bill
label: "{name}"
fields:
  name: text
  day: date
  amount: {type: money, required: true, base: true, rate_date: day}
"""
RATES = (Path(__file__).parents[2] / "entities" / "currency_rate.yaml").read_text()
FILES = {"entities/bill.yaml": BILL, "entities/currency_rate.yaml": RATES}


@pytest.fixture
async def site(tmp_path: Path, database_url: str) -> AsyncIterator[TestSite]:
    async with make_site(tmp_path, database_url, FILES) as made:
        for day, rate in (("2026-01-01", "0.925"), ("2026-10-01", "0.90")):
            await made.system.create("currency_rate", {"currency": "USD", "date": day, "rate": rate})
        yield made


async def bill(site: TestSite, amount: str, currency: str, day: str | None = None) -> dict:
    return await site.system.create("bill", {"day": day, "amount": {"amount": amount, "currency": currency}})


async def test_an_amount_has_its_worth_at_the_latest_rate_before_its_day(site: TestSite) -> None:
    assert (await bill(site, "10.00", "EUR"))["amount"] == {"amount": "10.00", "currency": "EUR", "base": "10.00"}
    assert (await bill(site, "0.10", "USD", "2026-03-01"))["amount"]["base"] == "0.09"
    assert (await bill(site, "0.20", "USD", "2026-03-01"))["amount"]["base"] == "0.19"  # 0.185, half up
    assert (await bill(site, "10.00", "USD", "2026-10-01"))["amount"]["base"] == "9.00"
    assert (await bill(site, "10.00", "USD"))["amount"]["base"] == "9.00"
    for day, currency in (("2025-12-31", "USD"), (None, "CHF")):
        async with site.records.act(SYSTEM) as act:
            made = await bill(site, "10.00", currency, day)
        assert made["amount"] == {"amount": "10.00", "currency": currency, "base": None}
        assert [(w.path, w.code) for w in act.changes.changes[0].warnings] == [("amount.base", "no_rate")]


async def test_worth_is_filtered_sorted_and_added_up(site: TestSite) -> None:
    for amount, currency in (("10.00", "EUR"), ("20.00", "USD"), ("1000.00", "JPY")):
        await bill(site, amount, currency)
    page = await site.records.list(
        SYSTEM, "bill", Query("amount.base > 9", sort=("-amount.base",), fields=("amount.base",))
    )
    assert [r["amount.base"] for r in page.records] == ["18.00", "10.00"]
    rows = await site.records.aggregate(SYSTEM, "bill", Totals((), ("sum(amount.base)", "count")))
    assert rows == [{"sum(amount.base)": "28.00", "count": 3}]


async def test_amounts_of_several_currencies_are_never_added_up_as_one(site: TestSite) -> None:
    for amount, currency in (("10.00", "EUR"), ("5.00", "EUR"), ("20.00", "USD")):
        await bill(site, amount, currency)
    values = ("sum(amount)", "avg(amount)", "min(amount.amount)", "max(amount)")
    mixed = await site.records.aggregate(SYSTEM, "bill", Totals((), values))
    assert mixed == [dict.fromkeys(values)]
    own = await site.records.aggregate(SYSTEM, "bill", Totals((), ("sum(amount)",), "amount.currency == 'EUR'"))
    assert own == [{"sum(amount)": "15.00"}]
    each = await site.records.aggregate(SYSTEM, "bill", Totals(("amount.currency",), ("sum(amount)",)))
    assert [r["sum(amount)"] for r in each] == ["15.00", "20.00"]


async def test_worth_is_kept_until_the_amount_its_day_or_somebody_changes_it(site: TestSite) -> None:
    made = await bill(site, "10.00", "USD", "2026-11-01")
    await site.system.create("currency_rate", {"currency": "USD", "date": "2026-10-15", "rate": "0.5"})
    site.clock.forward(timedelta(days=1))
    id = UUID(made["id"])
    same = await site.system.update("bill", id, {"name": "B", "amount": made["amount"]})
    assert same["amount"]["base"] == "9.00"
    moved = await site.system.update("bill", id, {"day": "2026-02-01"})
    assert moved["amount"]["base"] == "9.25"
    await site.system.update("bill", id, {"day": "2026-11-02"})
    await site.system.create("currency_rate", {"currency": "USD", "date": "2026-11-02", "rate": "0.6"})
    entity = site.kernel.model.entities["bill"]
    assert await refresh(site.kernel, entity) == (1, 1)
    assert await refresh(site.kernel, entity) == (1, 0)
    assert (await site.system.get("bill", id))["amount"]["base"] == "6.00"
    history = await site.records.history(SYSTEM, "bill", id)
    assert any(h["after"].get("amount", {}).get("base") == "6.00" for h in history)


async def test_a_site_that_adds_it_later_keeps_its_amounts(tmp_path: Path, database_url: str) -> None:
    plain = BILL.replace(", base: true, rate_date: day", "")
    async with make_site(tmp_path, database_url, {**FILES, "entities/bill.yaml": plain}) as site:
        made = await bill(site, "5.00", "EUR")
        assert made["amount"] == {"amount": "5.00", "currency": "EUR"}
        (tmp_path / "entities/bill.yaml").write_text(BILL)
        await site.kernel.apply(SYSTEM, site.kernel.sources())
        assert (await site.system.get("bill", UUID(made["id"])))["amount"]["base"] is None
        assert await refresh(site.kernel, site.kernel.model.entities["bill"]) == (1, 1)
        assert (await site.system.get("bill", UUID(made["id"])))["amount"]["base"] == "5.00"


@pytest.mark.parametrize(
    "options",
    ["rate_date: day", "base: true, rate_date: name", "base: true, rate_date: no", 'base: true, formula: "amount * 2"'],
)
async def test_options_that_say_nothing_are_refused(tmp_path: Path, options: str) -> None:
    text = BILL + f"  other: {{type: money, {options}}}\n"
    with pytest.raises(ModelError):
        async with make_site(tmp_path, f"sqlite:///{tmp_path}/s.db", {**FILES, "entities/bill.yaml": text}):
            pass
