"""What goes with a record when it is deleted: told before, done after, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from xrm.errors import Conflict, Forbidden, NotFound
from xrm.kernel import references
from xrm.kernel.change import SYSTEM
from xrm.testing import TestSite, make_site

FILES = {
    "entities/deal.yaml": """
entity: party
label: "{name}"
fields:
  name: text
  parent: {type: relation, to: party, on_delete: cascade}
  twin: {type: relation, to: party, on_delete: cascade}
  favourite: {type: relation, to: deal, on_delete: cascade}
---
entity: deal
label: "{name}"
fields:
  name: text
  customer: {type: relation, to: party, on_delete: cascade}
  keeper: {type: relation, to: party, on_delete: restrict}
---
entity: line
label: "{name}"
fields:
  name: text
  deal: {type: relation, to: deal, on_delete: cascade}
---
entity: note
label: "{name}"
fields:
  name: text
  about: {type: relation, to: "*", on_delete: clear}
---
entity: secret
label: "{name}"
fields: {name: text, deal: {type: relation, to: deal, on_delete: restrict}}
---
role: boss
grants:
  - {entity: [party, deal], actions: ["*"]}
  - {entity: line, actions: ["*"], rows: own}
  - {entity: note, actions: [read]}
"""
}


@pytest.fixture
async def site(tmp_path: Path, database_url: str) -> AsyncIterator[TestSite]:
    async with make_site(tmp_path, database_url, FILES) as site:
        await site.person("Boss", "boss")
        yield site


async def _make(site: TestSite, entity: str, name: str, **values: object) -> str:
    return (await site.system.create(entity, {"name": name, **values}))["id"]


async def test_what_a_delete_does_is_told_before(site: TestSite) -> None:
    p = await _make(site, "party", "P")
    deals = [await _make(site, "deal", f"D{n}", customer=p) for n in range(7)]
    await _make(site, "line", "L", deal=deals[0])
    await _make(site, "note", "N", about={"entity": "deal", "id": deals[1]})
    told = await site.records.consequences(SYSTEM, "party", UUID(p))
    shown = [(e["entity"], e["field"], e["rule"], e["count"], e["more"], len(e["samples"])) for e in told["effects"]]
    assert sorted(shown) == [
        ("deal", "customer", "cascade", 7, False, 5),
        ("line", "deal", "cascade", 1, False, 1),
        ("note", "about", "clear", 1, False, 1),
    ]
    assert (told["possible"], told["complete"]) == (True, True)
    boss = await site.records.consequences(site.people["Boss"], "party", UUID(p))
    assert [(e["count"], e["more"]) for e in boss["effects"] if e["entity"] == "line"] == [(0, True)]
    with pytest.raises(Forbidden, match="Lines along"):
        await site.records.delete(site.people["Boss"], "party", UUID(p))
    await site.records.delete(SYSTEM, "party", UUID(p))
    for entity, left in (("deal", 0), ("line", 0), ("note", 1)):
        assert (await site.system.count(entity)).value == left
    assert (await site.system.list("note")).records[0]["about"] is None
    with pytest.raises(NotFound):
        await site.records.consequences(SYSTEM, "party", uuid4())


async def test_what_holds_a_record_is_told_also_where_it_may_not_be_seen(site: TestSite) -> None:
    p = await _make(site, "party", "P")
    d = await _make(site, "deal", "D", customer=p)
    s = await _make(site, "secret", "S", deal=d)
    told = await site.records.consequences(site.people["Boss"], "party", UUID(p))
    assert told["possible"] is False
    hidden = next(e for e in told["effects"] if e["rule"] == "restrict")
    assert hidden == {"rule": "restrict", "title": "records you may not see", "count": 0, "more": True, "samples": []}
    assert s not in str(told)
    with pytest.raises(Conflict):
        await site.records.delete(SYSTEM, "party", UUID(p))
    assert (await site.system.count("deal")).value == 1


async def test_what_goes_along_itself_holds_nothing(site: TestSite) -> None:
    p = await _make(site, "party", "P")
    await _make(site, "deal", "D", customer=p, keeper=p)
    assert (await site.records.consequences(SYSTEM, "party", UUID(p)))["possible"] is True
    await site.records.delete(SYSTEM, "party", UUID(p))
    assert (await site.system.count("deal")).value == 0


async def test_rings_and_double_ways_go_along_once(site: TestSite) -> None:
    a = await _make(site, "party", "A")
    d = await _make(site, "deal", "D", customer=a)
    await site.system.update("party", a, {"favourite": d})  # a ring: each takes the other along
    b = await _make(site, "party", "B", parent=a)
    await _make(site, "party", "C", parent=a, twin=b)  # two ways to the same record
    told = await site.records.consequences(SYSTEM, "party", UUID(a))
    assert sum(e["count"] for e in told["effects"]) == 3
    await site.records.delete(SYSTEM, "party", UUID(a))
    assert (await site.system.count("party")).value == 0
    assert (await site.system.count("deal")).value == 0


async def test_too_much_at_once_is_refused(site: TestSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "MAX_RELEASE", 3)
    p = await _make(site, "party", "P")
    for n in range(3):
        for _ in range(2):
            await _make(site, "line", "L", deal=await _make(site, "deal", f"D{n}", customer=p) if n else None)
    with pytest.raises(Conflict) as refused:
        await site.system.delete("party", p)
    assert [i.code for i in refused.value.issues] == ["too_many_go_along"]
    assert (await site.system.count("party")).value == 1
