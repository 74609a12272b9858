"""Reading as of a moment: records, lists, relations, links and totals as they were, with today's rights."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from xrm.errors import Invalid, Malformed, NotFound
from xrm.kernel.history import then
from xrm.kernel.query import Query
from xrm.kernel.totals import Totals
from xrm.testing import TestSite, make_site

FILES = {
    "entities/deal.yaml": """
entity: party
label: "{name}"
fields: {name: {type: text, required: true}}
---
entity: deal
uses: [owned]
label: "{name} ({customer})"
fields:
  name: {type: text, required: true}
  customer: {type: relation, to: party, inverse: deals}
  about: {type: relation, to: "*"}
  price: {type: money}
  share: {type: decimal, scale: 3}
  tags: tags
  details: json
  seen: datetime
  day: date
  sure: boolean
  code: {type: text, unique: true}
  twice: {type: decimal, scale: 3, formula: "share * 2"}
  helpers: {type: relation, to: party, many: true}
  margin: {type: integer, class: confidential}
""",
    "entities/roles.yaml": """
role: boss
grants: [{entity: "*", actions: [read, create, update, delete, restore]}]
---
role: rep
grants:
  - {entity: deal, actions: [read, update], rows: own}
  - {entity: deal, actions: [read], fields: {read: ["+name", "+code"], write: []}, rows: {where: "name == 'open'"}}
  - {entity: party, actions: [read]}
""",
}
FULL = {
    "price": {"amount": "12.30", "currency": "EUR"},
    "share": "0.125",
    "tags": ["x", "y"],
    "details": {"a": [1, 2.5, None]},
    "seen": "2026-01-02T03:04:05Z",
    "day": "2026-01-02",
    "sure": True,
    "code": "A",
    "margin": 4,
}


@pytest.fixture
async def site(tmp_path: Path, database_url: str) -> AsyncIterator[TestSite]:
    async with make_site(tmp_path, database_url, FILES) as made:
        await made.person("Boss", "boss")
        await made.person("Rep", "rep")
        yield made


def later(site: TestSite) -> datetime:
    """Let an hour pass; return the moment in the middle of it."""
    site.clock.forward(timedelta(hours=1))
    return site.clock.now - timedelta(minutes=30)


async def make(site: TestSite, entity: str, **values: Any) -> UUID:
    return UUID((await site.records.create(site.people["Boss"], entity, values))["id"])


async def change(site: TestSite, entity: str, id: UUID, **values: Any) -> None:
    await site.records.update(site.people["Boss"], entity, id, values)


async def test_a_record_is_as_it_was_at_each_moment(site: TestSite) -> None:
    boss = site.people["Boss"]
    acme, other = await make(site, "party", name="Acme"), await make(site, "party", name="Other")
    before = later(site)
    id = await make(site, "deal", name="Lathe", customer=str(acme), helpers=[str(acme)], **FULL)
    states = [(later(site), await site.records.get(boss, "deal", id))]
    empty = dict.fromkeys(FULL)
    for values in (
        {**empty, "name": "Mill", "customer": str(other), "about": {"entity": "party", "id": str(acme)}},
        {"helpers": [str(other)], "price": {"amount": "7.00", "currency": "USD"}},
        {"customer": None, "about": None, "share": "9.999"},
    ):
        await change(site, "deal", id, **values)
        states.append((later(site), await site.records.get(boss, "deal", id)))
    for moment, state in states:
        assert await site.records.get_as_of(moment, boss, "deal", id) == state
    with pytest.raises(NotFound):
        await site.records.get_as_of(before, boss, "deal", id)
    await change(site, "party", acme, name="Acme & Sons")
    shown = await site.records.get_as_of(states[0][0], boss, "deal", id)
    assert (shown["customer"]["label"], shown["helpers"][0]["label"]) == ("Acme", "Acme")
    await site.records.delete(boss, "deal", id)
    gone = later(site)
    assert (await site.records.get_as_of(states[1][0], boss, "deal", id))["name"] == "Mill"
    with pytest.raises(NotFound):
        await site.records.get_as_of(gone, boss, "deal", id)


async def test_lists_and_totals_are_those_of_then(site: TestSite) -> None:
    boss = site.people["Boss"]
    acme = await make(site, "party", name="Acme")
    ids = [await make(site, "deal", name=f"D{n}", share=f"{n}.000", customer=str(acme)) for n in range(5)]
    query = Query(filter="share >= 2 && customer.name == 'Acme'", sort=("-share",), fields=("name", "share"), limit=2)
    totals = Totals(("customer.name",), ("count", "sum(share)"), "size(helpers) == 0", "", 10)

    async def look(moment: datetime | None) -> Any:
        records = site.records
        if moment is None:
            page, count = await records.list(boss, "deal", query), await records.count(boss, "deal", query)
            return page, count, await records.aggregate(boss, "deal", totals)
        page = await records.list_as_of(moment, boss, "deal", query)
        count = await records.count_as_of(moment, boss, "deal", query)
        return page, count, await records.aggregate_as_of(moment, boss, "deal", totals)

    then_seen, moment = await look(None), later(site)
    await change(site, "deal", ids[4], share="0.000")
    await change(site, "deal", ids[0], share="8.000", helpers=[str(acme)])
    await site.records.delete(boss, "deal", ids[3])
    await make(site, "deal", name="New", share="7.000", customer=str(acme))
    middle_seen, middle = await look(None), later(site)
    await change(site, "party", acme, name="Acme & Sons")
    assert (await look(None))[1].value == 0
    assert await look(moment) == then_seen
    assert await look(middle) == middle_seen
    further = Query(query.filter, query.sort, limit=2, after=then_seen[0].next or "")
    page = await site.records.list_as_of(moment, boss, "deal", further)
    assert [record["name"] for record in page.records] == ["D2"]


async def test_todays_rights_hold_for_the_past(site: TestSite) -> None:
    rep, boss = site.people["Rep"], site.people["Boss"]
    mine = await make(site, "deal", name="mine", owner=str(rep.id), share="1.000")
    was_mine = await make(site, "deal", name="was mine", owner=str(rep.id))
    opened = await make(site, "deal", name="closed", share="5.000", owner=str(boss.id))
    kept = await make(site, "deal", name="gone", owner=str(rep.id))
    moment = later(site)
    await change(site, "deal", mine, name="still mine")
    await change(site, "deal", was_mine, owner=str(boss.id))
    await change(site, "deal", opened, name="open")
    await site.records.delete(boss, "deal", kept)
    page = await site.records.list_as_of(moment, rep, "deal", Query(sort=("name",)))
    assert [record["name"] for record in page.records] == ["mine"]
    for id in (was_mine, opened, kept):
        with pytest.raises(NotFound):
            await site.records.get_as_of(moment, rep, "deal", id)
    told = await site.records.aggregate_as_of(moment, rep, "deal", Totals((), ("count", "sum(share)"), "", "", 10))
    assert told == [{"count": 1, "sum(share)": "1.000"}]
    now = later(site)
    await change(site, "deal", opened, share="6.000")
    shown = await site.records.get_as_of(now, rep, "deal", opened)
    assert ("share" in shown["_masked"], shown["share"]) == (True, None)
    filtered = await site.records.list_as_of(now, rep, "deal", Query(filter="share == 5"))
    assert filtered.records == []


async def test_what_cannot_be_answered_is_refused(site: TestSite, monkeypatch: pytest.MonkeyPatch) -> None:
    boss = site.people["Boss"]
    moment = later(site)
    for number in range(3):
        await make(site, "deal", name=f"D{number}")
    with pytest.raises(Malformed, match="search"):
        await site.records.list_as_of(moment, boss, "deal", Query(search="D1"))
    with pytest.raises(Invalid, match="yet to come"):
        await site.records.list_as_of(site.clock.now + timedelta(seconds=1), boss, "deal", Query())
    monkeypatch.setattr(then, "MOST", 2)
    with pytest.raises(Invalid, match="later moment"):
        await site.records.list_as_of(moment, boss, "deal", Query())
