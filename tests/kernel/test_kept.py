"""Computed values that are kept and made of other records: kept up on every write, never stale, proved to be so."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from xrm.builtin.computed.verify import verify
from xrm.errors import Invalid, NotFound
from xrm.kernel.change import SYSTEM
from xrm.kernel.computed import spread
from xrm.kernel.computed.background import pending
from xrm.kernel.query import Query
from xrm.kernel.recompute import FIRST, examine, mend
from xrm.testing import TestSite, make_site

MODEL = """
entity: buyer
label: "{name}"
fields:
  name: {type: text, class: public}
  rebate: {type: percent, class: confidential}
  spent: {type: rollup, of: baskets, compute: sum, field: total, stored: true, index: true}
---
entity: basket
label: "{buyer} {number}"
fields:
  number:  {type: text, class: public}
  buyer:   {type: relation, to: buyer, inverse: baskets, on_delete: clear, class: public}
  sum:     {type: rollup, of: lines, compute: sum, field: amount, stored: true, class: public}
  pieces:  {type: rollup, of: lines, where: "!free", stored: true, class: public}
  total:   {type: money, formula: "sum * (100 - rebate) / 100", class: public}
  rebate:  {type: percent, formula: "coalesce(buyer.rebate, 0)", stored: true, class: public}
  owner:   {type: lookup, of: buyer.name, stored: true, class: public}
checks:
  - {require: "pieces == null || pieces < 5", message: Too many lines., severity: block}
---
entity: line
label: "{text}"
fields:
  text:   {type: text, class: public}
  basket: {type: relation, to: basket, inverse: lines, on_delete: cascade, class: public}
  price:  {type: money, class: public}
  count:  {type: integer, default: 1, class: public}
  free:   {type: boolean, default: false, class: public}
  amount: {type: money, formula: "price * count", class: public}
"""
ROLES = """
role: partial
grants:
  - {entity: basket, actions: [read]}
  - {entity: buyer, actions: [read], fields: {read: [public]}}
  - {entity: line, actions: [read], rows: {where: "!free"}}
---
role: complete
grants:
  - {entity: basket, actions: [read]}
  - {entity: buyer, actions: [read], fields: {read: [public]}}
  - {entity: line, actions: [read]}
"""


@pytest.fixture
async def site(tmp_path: Path, database_url: str) -> AsyncIterator[TestSite]:
    files = {"entities/m.yaml": MODEL, "entities/r.yaml": ROLES}
    async with make_site(tmp_path, database_url, files, currency="EUR") as made:
        yield made


async def fill(site: TestSite, lines: int = 2) -> dict[str, Any]:
    """Make a buyer with a rebate, a basket of theirs, and lines of 10.00 each."""
    buyer = await site.system.create("buyer", {"name": "Ann", "rebate": "10"})
    basket = await site.system.create("basket", {"number": "1", "buyer": buyer["id"]})
    made = [
        await site.system.create("line", {"text": f"l{n}", "basket": basket["id"], "price": "10"}) for n in range(lines)
    ]
    return {"buyer": buyer["id"], "basket": basket["id"], "lines": made}


async def shown(site: TestSite, id: str) -> tuple[Any, ...]:
    basket = await site.system.get("basket", id)
    amounts = (basket[name] and basket[name]["amount"] for name in ("sum", "total"))
    return (*amounts, basket["pieces"], basket["rebate"], basket["owner"], basket["label"])


async def fresh(site: TestSite) -> bool:
    """Whether no kept value of the site is stale."""
    for entity in ("buyer", "basket", "line"):
        chunk = await examine(site.kernel.store, site.kernel.live, entity, FIRST)
        if chunk.stale:
            return False
    return True


async def test_they_follow_every_write(site: TestSite) -> None:
    made = await fill(site)
    assert await shown(site, made["basket"]) == ("20.00", "18.00", 2, "10.00", "Ann", "Ann 1")
    assert (await site.system.get("buyer", made["buyer"]))["spent"]["amount"] == "18.00"
    first = made["lines"][0]["id"]
    await site.system.update("line", first, {"count": 3})
    assert (await shown(site, made["basket"]))[:3] == ("40.00", "36.00", 2)
    await site.system.update("line", first, {"free": True})
    assert (await shown(site, made["basket"]))[:3] == ("40.00", "36.00", 1)
    await site.system.delete("line", first)
    assert (await shown(site, made["basket"]))[:3] == ("10.00", "9.00", 1)
    await site.records.restore(SYSTEM, "line", UUID(first))
    assert (await shown(site, made["basket"]))[:3] == ("40.00", "36.00", 1)
    await site.system.update("buyer", made["buyer"], {"rebate": "50", "name": "Bea"})
    assert await shown(site, made["basket"]) == ("40.00", "20.00", 1, "50.00", "Bea", "Bea 1")
    assert (await site.system.get("buyer", made["buyer"]))["spent"]["amount"] == "20.00"
    assert await fresh(site)


async def test_what_moves_is_taken_from_one_and_added_to_another(site: TestSite) -> None:
    made, other = await fill(site), await fill(site, lines=1)
    await site.system.update("line", made["lines"][0]["id"], {"basket": other["basket"]})
    assert (await shown(site, made["basket"]))[0] == "10.00"
    assert (await shown(site, other["basket"]))[0] == "20.00"
    await site.system.update("basket", made["basket"], {"buyer": other["buyer"]})
    assert (await site.system.get("buyer", made["buyer"]))["spent"] is None
    assert (await site.system.get("buyer", other["buyer"]))["spent"]["amount"] == "27.00"
    await site.system.update("line", made["lines"][1]["id"], {"basket": None})
    assert (await shown(site, made["basket"]))[:3] == (None, None, 0)
    assert await fresh(site)


async def test_it_is_the_systems_work_in_the_same_change_set(site: TestSite) -> None:
    made = await fill(site)
    changes = await site.records.history(SYSTEM, "basket", UUID(made["basket"]))
    assert changes[0]["after"]["sum"] == {"amount": "20.00", "currency": "EUR"}
    line = await site.records.history(SYSTEM, "line", UUID(made["lines"][1]["id"]))
    assert changes[0]["changeset"] == line[0]["changeset"]


async def test_a_label_follows_without_a_change(site: TestSite) -> None:
    made = await fill(site)
    plain = await site.system.create("basket", {"number": "2", "buyer": made["buyer"]})
    await site.system.update("line", made["lines"][0]["id"], {"text": "renamed"})
    before = len(await site.records.history(SYSTEM, "basket", UUID(plain["id"])))
    await site.system.update("buyer", made["buyer"], {"name": "Cleo"})
    assert (await site.system.get("basket", plain["id"]))["label"] == "Cleo 2"
    assert len(await site.records.history(SYSTEM, "basket", UUID(plain["id"]))) == before + 1, "its lookup changed"


async def test_a_rule_of_the_other_record_refuses_the_write(site: TestSite) -> None:
    made = await fill(site, lines=4)
    with pytest.raises(Invalid, match="Basket") as caught:
        await site.system.create("line", {"text": "fifth", "basket": made["basket"], "price": "1"})
    assert caught.value.issues[0].message == "Basket: Too many lines."
    assert (await shown(site, made["basket"]))[:3] == ("40.00", "36.00", 4)
    assert await fresh(site)


async def test_one_value_for_all_is_for_those_who_may_read_all(site: TestSite) -> None:
    made = await fill(site)
    partial, complete = await site.person("P", "partial"), await site.person("C", "complete")
    seen = await site.records.get(complete, "basket", UUID(made["basket"]))
    assert seen["sum"]["amount"] == "20.00"
    assert "rebate" not in seen, "made of a confidential field of the buyer"
    assert "total" not in seen, "made of rebate"
    seen = await site.records.get(partial, "basket", UUID(made["basket"]))
    assert not {"sum", "pieces", "total"} & seen.keys()
    for filter in ("sum > 1", "pieces == 2", "total > 1"):
        with pytest.raises(Invalid):
            await site.records.list(partial, "basket", Query(filter))


async def test_many_wait_for_the_background(site: TestSite, monkeypatch: pytest.MonkeyPatch) -> None:
    made = await fill(site)
    for number in range(2, 6):
        await site.system.create("basket", {"number": str(number), "buyer": made["buyer"]})
    monkeypatch.setattr(spread, "FEW", 3)
    site.kernel.live.statements.clear()
    await site.system.update("buyer", made["buyer"], {"rebate": "20", "name": "Dora"})
    assert set(await pending(site.kernel.store)) == {"basket"}
    assert (await shown(site, made["basket"]))[1] == "18.00", "stale, and known to be"
    assert await site.kernel.catch_up() >= 2, "baskets, then the buyers made of them"
    assert await pending(site.kernel.store) == {}
    assert await shown(site, made["basket"]) == ("20.00", "16.00", 2, "20.00", "Dora", "Dora 1")
    assert (await site.system.get("buyer", made["buyer"]))["spent"]["amount"] == "16.00"
    assert await fresh(site)


async def test_the_background_goes_on_where_it_was_killed(site: TestSite, monkeypatch: pytest.MonkeyPatch) -> None:
    made = await fill(site)
    for number in range(2, 8):
        await site.system.create("basket", {"number": str(number), "buyer": made["buyer"]})
    monkeypatch.setattr(spread, "FEW", 3)
    monkeypatch.setattr("xrm.kernel.recompute.CHUNK", 2)
    site.kernel.live.statements.clear()
    await site.system.update("buyer", made["buyer"], {"name": "Eve"})
    store, mended = site.kernel.store, []

    async def killed_at_the_second(*args: Any) -> None:
        if mended:
            raise Killed
        mended.append(args)
        await mend(*args)

    monkeypatch.setattr("xrm.kernel.recompute.mend", killed_at_the_second)
    with pytest.raises(Killed):
        await site.kernel.catch_up()
    assert mended
    assert "basket" in await pending(store)
    monkeypatch.setattr("xrm.kernel.recompute.mend", mend)
    assert await site.kernel.catch_up() == 0, "whoever was killed may be alive for all that others know"
    site.clock.forward(timedelta(minutes=1))
    await site.kernel.catch_up()
    assert await pending(store) == {}
    assert {r["owner"] for r in (await site.system.list("basket")).records} == {"Eve"}
    assert await fresh(site)


class Killed(BaseException):
    """What no work catches."""


async def test_a_new_definition_reaches_the_records_that_are_there(site: TestSite) -> None:
    made = await fill(site)
    changed = MODEL.replace('formula: "price * count"', 'formula: "price * count * 2"')
    await site.apply({"entities/m.yaml": changed})
    assert (await shown(site, made["basket"]))[:2] == ("40.00", "36.00")
    assert (await site.system.get("buyer", made["buyer"]))["spent"]["amount"] == "36.00"
    assert await fresh(site)


async def test_of_large_tables_it_waits_for_the_background(site: TestSite, monkeypatch: pytest.MonkeyPatch) -> None:
    made = await fill(site)
    monkeypatch.setattr("xrm.kernel.recompute.MOST_AT_ONCE", 1)
    changed = MODEL.replace('formula: "price * count"', 'formula: "price * count * 2"')
    await site.apply({"entities/m.yaml": changed})
    assert "line" in await pending(site.kernel.store)
    line = (await site.system.list("line")).records[0]
    assert line["_stale"] == ["amount"]
    assert "_stale" not in await site.system.get("buyer", made["buyer"])
    await site.kernel.catch_up()
    assert "_stale" not in await site.system.get("line", line["id"])
    assert (await shown(site, made["basket"]))[:2] == ("40.00", "36.00")
    assert await fresh(site)


@pytest.mark.parametrize(
    "fields",
    [
        "a: {type: boolean, formula: 'd < today()', stored: true}, d: date",
        "a: {type: boolean, formula: 'o == user.id', stored: true}, o: {type: relation, to: user}",
        "a: {type: lookup, of: u.b, stored: true}, b: {type: date, formula: 'today()'}, u: {type: relation, to: x}",
    ],
)
async def test_what_changes_by_itself_is_not_kept(site: TestSite, fields: str) -> None:
    review = site.kernel.review(
        [*site.kernel.sources(), *_source(f"entity: x\nlabel: x {{id}}\nfields: {{{fields}}}\n")]
    )
    assert [issue.code for issue in review.issues] == ["option_conflict"], review.issues


def _source(text: str) -> list[Any]:
    from xrm.metadata.model import Source

    return [Source("site", "entities/x.yaml", text)]


async def test_verify_finds_what_raw_sql_made_stale_and_repairs_it(site: TestSite) -> None:
    made = await fill(site)
    assert [one.stale for one in await verify(site.kernel, "basket")] == [0]
    await site.kernel.store.execute('UPDATE "basket" SET "pieces" = 77, "label" = \'wrong\'')
    (found,) = await verify(site.kernel, "basket")
    assert (found.records, found.stale) == (1, 1)
    assert found.samples[0].values == {"pieces": (77, 2), "label": ("wrong", "Ann 1")}
    assert not await fresh(site)
    version = (await site.system.get("basket", made["basket"]))["version"]
    assert sum(one.stale for one in await verify(site.kernel, mode="repair")) == 1
    assert await fresh(site)
    assert (await site.system.get("basket", made["basket"]))["version"] == version, "no change of the record"
    with pytest.raises(NotFound):
        await verify(site.kernel, "nothing")


async def test_random_writes_leave_nothing_stale(site: TestSite) -> None:
    draw = random.Random(7)
    buyers = [(await site.system.create("buyer", {"name": n, "rebate": "5"}))["id"] for n in "ABC"]
    baskets = [(await site.system.create("basket", {"number": str(n), "buyer": buyers[n % 3]}))["id"] for n in range(5)]
    lines: list[str] = []
    refusals: set[str] = set()
    for _ in range(80):
        action = draw.choice(("line", "line", "move", "edit", "drop", "rebate", "name", "buyer", "back"))
        try:
            await _act(site, draw, action, buyers, baskets, lines)
        except Invalid as refused:
            refusals.add(refused.issues[0].message)
    assert refusals <= {"Basket: Too many lines."}
    assert await fresh(site)


async def _act(
    site: TestSite, draw: random.Random, action: str, buyers: list[str], baskets: list[str], lines: list[str]
) -> None:
    if action == "line" or not lines:
        values = {"text": "x", "basket": draw.choice([*baskets, None]), "price": str(draw.randint(1, 99))}
        lines.append((await site.system.create("line", values))["id"])
    elif action == "move":
        await site.system.update("line", draw.choice(lines), {"basket": draw.choice([*baskets, None])})
    elif action == "edit":
        await site.system.update("line", draw.choice(lines), {"count": draw.randint(1, 9), "free": draw.random() < 0.5})
    elif action == "drop":
        await site.system.delete("line", lines.pop(draw.randrange(len(lines))))
    elif action == "rebate":
        await site.system.update("buyer", draw.choice(buyers), {"rebate": str(draw.randint(0, 90))})
    elif action == "name":
        await site.system.update("buyer", draw.choice(buyers), {"name": draw.choice("DEFGH")})
    elif action == "buyer":
        await site.system.update("basket", draw.choice(baskets), {"buyer": draw.choice([*buyers, None])})
    else:
        id = draw.choice(baskets)
        await site.system.delete("basket", id)
        await site.records.restore(SYSTEM, "basket", UUID(id))
        lines[:] = [r["id"] for r in (await site.system.list("line", limit=1000)).records]


async def test_writes_at_the_same_time_are_all_counted(site: TestSite) -> None:
    made = await fill(site, lines=0)
    free = {"basket": made["basket"], "price": "10", "free": True}
    await asyncio.gather(*(site.system.create("line", {"text": str(n), **free}) for n in range(12)))
    assert (await shown(site, made["basket"]))[:3] == ("120.00", "108.00", 0)
    assert (await site.system.get("buyer", made["buyer"]))["spent"]["amount"] == "108.00"
    assert await fresh(site)
