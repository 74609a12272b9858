"""Hierarchies, on both databases: no cycle on any path, also not by two at once; what is above and below a record."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from xrm.errors import Invalid, ModelError, XrmError
from xrm.kernel.change import SYSTEM
from xrm.kernel.query import Query
from xrm.kernel.tree import MAX_LEVELS
from xrm.testing import TestSite, make_site

FILES = {
    "entities/place.yaml": """
entity: place
label: "{name}"
uses: [owned]
fields:
  name: {type: text, required: true}
  parent: {type: relation, to: place, hierarchy: true, inverse: parts, on_delete: clear}
views:
  near: {kind: list, filter: "under(parent, user.unit)"}
---
entity: machine
label: "{name}"
fields:
  name: {type: text, required: true}
  place: {type: relation, to: place}
  unit: {type: relation, to: unit}
---
role: boss
grants: [{entity: "*", actions: ["*"]}]
---
role: local
grants:
  - {entity: machine, actions: [read], rows: {where: "under(unit, user.unit)"}}
  - {entity: unit, actions: [read]}
---
role: owner
grants:
  - {entity: place, actions: [read, update], rows: own}
"""
}


@pytest.fixture
async def site(tmp_path: Path, database_url: str) -> AsyncIterator[TestSite]:
    async with make_site(tmp_path, database_url, FILES) as site:
        yield site


async def _chain(site: TestSite, *names: str) -> list[str]:
    ids: list[str] = []
    for name in names:
        made = await site.system.create("place", {"name": name, "parent": ids[-1] if ids else None})
        ids.append(made["id"])
    return ids


async def _found(site: TestSite, filter: str, entity: str = "place", actor: Any = SYSTEM) -> str:
    page = await site.records.list(actor, entity, Query(filter, ("name",), ("name",)))
    return "".join(r["name"] for r in page.records)


def _codes(error: pytest.ExceptionInfo[Invalid]) -> list[tuple[str, str]]:
    return [(i.path, i.code) for i in error.value.issues]


async def test_no_record_is_above_itself(site: TestSite) -> None:
    a, b, c = await _chain(site, "A", "B", "C")
    for below in (a, b, c):
        with pytest.raises(Invalid) as refused:
            await site.system.update("place", a, {"parent": below})
        assert _codes(refused) == [("parent", "cycle")]
    await site.system.update("place", c, {"parent": a})
    await site.system.update("place", b, {"parent": c})
    assert await _found(site, f"under(parent, '{a}')") == "BC"


async def test_a_restored_record_makes_no_cycle(site: TestSite) -> None:
    a, b = await _chain(site, "A", "B")
    await site.system.delete("place", b)
    await site.system.update("place", a, {"name": "A2"})
    with pytest.raises(Invalid):  # B is in the trash, and may come back
        await site.system.update("place", a, {"parent": b})
    restored = await site.records.restore(SYSTEM, "place", UUID(b))
    assert restored["parent"]["id"] == a


async def test_a_hierarchy_has_a_greatest_depth(site: TestSite) -> None:
    ids = await _chain(site, *(f"{n:02}" for n in range(MAX_LEVELS)))
    with pytest.raises(Invalid) as refused:
        await site.system.create("place", {"name": "X", "parent": ids[-1]})
    assert _codes(refused) == [("parent", "too_deep")]
    (top,) = await _chain(site, "Top")
    with pytest.raises(Invalid) as refused:
        await site.system.update("place", ids[0], {"parent": top})
    assert _codes(refused) == [("parent", "too_deep")]


async def test_under_finds_a_record_and_all_below_it(site: TestSite) -> None:
    a, b, c, _ = await _chain(site, "A", "B", "C", "D")
    await site.system.create("place", {"name": "E", "parent": a})
    await site.system.create("place", {"name": "F"})
    assert await _found(site, f"under(id, '{b}')") == "BCD"
    assert await _found(site, f"under(parent, '{a}')") == "BCDE"
    assert await _found(site, f"!under(parent, '{a}')") == "AF"
    assert await _found(site, f"under(parent.parent, '{b}') || name == 'F'") == "DF"
    for name, place in (("1", a), ("2", c), ("3", None)):
        await site.system.create("machine", {"name": name, "place": place})
    assert await _found(site, f"under(place, '{b}')", "machine") == "2"
    assert await _found(site, f"under(place.parent, '{a}')", "machine") == "2"
    assert await _found(site, f"under(place, '{a}') && under(place, '{UUID(int=7)}')", "machine") == ""


@pytest.mark.parametrize(
    "filter",
    ["under(name, 'x')", "under(parent)", "under(parent, 'x')", "under(owner, user.id)", "under(parent, parent)"],
)
async def test_what_is_no_place_in_a_hierarchy_is_refused(site: TestSite, filter: str) -> None:
    with pytest.raises(Invalid) as refused:
        await site.records.list(SYSTEM, "place", Query(filter))
    assert refused.value.issues[0].path == "filter"


async def test_rows_are_granted_by_a_place_in_a_hierarchy(site: TestSite) -> None:
    units: list[str] = []
    for name in ("Top", "Mid", "Low"):
        made = await site.system.create("unit", {"name": name, "parent": units[-1] if units else None})
        units.append(made["id"])
        await site.system.create("machine", {"name": name[0], "unit": made["id"]})
    await site.system.create("machine", {"name": "X"})
    mid = await site.person("Mia", "local", unit="Mid")
    nobody = await site.person("Nick", "local")
    assert await _found(site, "", "machine", mid) == "LM"
    assert await _found(site, "", "machine", nobody) == ""
    assert await _found(site, f"under(unit, '{units[2]}')", "machine", mid) == "L"


async def test_only_what_the_actor_may_read_counts(site: TestSite) -> None:
    owner = await site.person("Olga", "owner")
    a, b, c = await _chain(site, "A", "B", "C")
    for id in (a, c):
        await site.system.update("place", id, {"owner": str(owner.id)})
    assert await _found(site, f"under(parent, '{a}')", actor=owner) == ""  # the way leads over B
    assert await site.records.above(owner, "place", "parent", UUID(c)) == ()
    await site.system.update("place", b, {"owner": str(owner.id)})
    assert await _found(site, f"under(parent, '{a}')", actor=owner) == "BC"
    assert await site.records.above(owner, "place", "parent", UUID(c)) == [(a, "A"), (b, "B")]


async def test_two_moves_at_once_make_no_cycle(site: TestSite) -> None:
    """Each alone is fine, both together would be a ring: one of the two is refused, in every round."""
    for _ in range(12):
        a, b = [(await site.system.create("place", {"name": n}))["id"] for n in "AB"]
        c, d = [(await site.system.create("place", {"name": n, "parent": p}))["id"] for n, p in (("C", a), ("D", b))]
        moves = [site.system.update("place", a, {"parent": d}), site.system.update("place", b, {"parent": c})]
        done = await asyncio.gather(*moves, return_exceptions=True)
        refused = [e for e in done if isinstance(e, BaseException)]
        assert len(refused) == 1, done
        assert isinstance(refused[0], XrmError), refused
        assert len(await _found(site, f"under(id, '{a}') || under(id, '{b}')")) == 4
        for id in (a, b, c, d):
            await site.system.update("place", id, {"parent": None})
        for id in (a, b, c, d):
            await site.system.delete("place", id)


@pytest.mark.parametrize(
    ("field", "code"),
    [
        ("{type: relation, to: machine, hierarchy: true}", "bad_option"),
        ("{type: relation, to: [place, machine], hierarchy: true}", "bad_option"),
        ("{type: text, hierarchy: true}", "option_not_for_type"),
    ],
)
async def test_a_hierarchy_is_one_of_one_entity(tmp_path: Path, field: str, code: str) -> None:
    text = FILES["entities/place.yaml"].replace("fields:\n  name", f"fields:\n  up: {field}\n  name", 1)
    with pytest.raises(ModelError) as refused:
        async with make_site(tmp_path, f"sqlite:///{tmp_path}/x.db", {"entities/place.yaml": text}):
            pass
    assert code in {issue.code for issue in refused.value.issues}
