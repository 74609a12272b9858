"""What new roles would change is what they then do change."""

from __future__ import annotations

from pathlib import Path

import pytest

from xrm.builtin.decisions.what_if import lines, what_if
from xrm.errors import Invalid
from xrm.kernel.change import SYSTEM, Actor
from xrm.kernel.query import Query
from xrm.testing import TestSite, make_site

MODEL = """
entity: tool
label: "{name}"
uses: [owned]
fields:
  name: {type: text, class: public}
  price: {type: integer, class: confidential}
"""
BEFORE = """
role: rep
grants:
  - {entity: tool, actions: [read, update], rows: own}
  - {entity: tool, actions: [read], rows: {where: "price < 5"}, fields: {read: [public]}}
---
role: other
grants: [{entity: tool, actions: [read]}]
"""
AFTER = """
role: rep
grants:
  - {entity: tool, actions: [read], rows: own, fields: {read: [public]}}
  - {entity: tool, actions: [read, delete], rows: {where: "price >= 5"}, fields: {read: [public]}}
---
role: other
title: Other
grants: [{entity: tool, actions: [read]}]
"""


async def seen(site: TestSite, actor: Actor) -> set[str]:
    return {record["name"] for record in (await site.records.list(actor, "tool", Query(limit=100))).records}


async def test_what_it_says_is_what_happens(tmp_path: Path, database_url: str) -> None:
    async with make_site(tmp_path, database_url, {"entities/t.yaml": MODEL, "entities/r.yaml": BEFORE}) as site:
        rep, other = await site.person("Rita", "rep"), await site.person("Olaf", "other")
        for number in range(10):
            owner = str(rep.id) if number % 3 == 0 else None
            await site.system.create("tool", {"name": f"T{number}", "price": number or None, "owner": owner})
        before = await seen(site, rep)
        await site.write({"entities/r.yaml": AFTER})
        proposed = site.kernel.read_model(site.kernel.sources())
        found = await what_if(site.kernel, site.accounts, SYSTEM, proposed)
        assert (found.complete, {effect.person for effect in found.effects}) == (True, {"Rita"})
        told = {effect.action: effect for effect in found.effects}
        assert await seen(site, rep) == before  # nothing was applied
        await site.apply()
        after = await seen(site, rep)
        assert after - before
        assert before - after
        assert told["read"].gains.records == len(after - before)
        assert told["read"].loses.records == len(before - after)
        assert set(told["read"].gains.samples) <= after - before
        assert set(told["read"].loses.samples) <= before - after
        assert told["read"].loses.fields == ("owner", "price", "unit")
        assert (told["update"].loses.whole, told["update"].loses.records) == (True, 4)
        assert (told["delete"].gains.whole, told["delete"].gains.records) == (True, 5)
        assert told.keys() == {"read", "update", "delete"}
        assert any(line.startswith("Rita gains delete tool: 5 records (T") for line in lines(found))
        assert await seen(site, other) == {f"T{n}" for n in range(10)}
        same = await what_if(site.kernel, site.accounts, SYSTEM, site.kernel.model)
        assert list(lines(same)) == ["Nothing changes for the 2 people of this site."]


async def test_restrictions_count_and_what_is_not_there_yet_is_said(tmp_path: Path, database_url: str) -> None:
    async with make_site(tmp_path, database_url, {"entities/t.yaml": MODEL, "entities/r.yaml": BEFORE}) as site:
        await site.person("Olaf", "other")
        for number in range(4):
            await site.system.create("tool", {"name": f"T{number}", "price": number})
        limited = MODEL + 'restrict:\n  - {where: "price > 1"}\n'
        await site.write({"entities/t.yaml": limited})
        found = await what_if(site.kernel, site.accounts, SYSTEM, site.kernel.read_model(site.kernel.sources()))
        assert [(e.action, e.loses.records, e.gains.records) for e in found.effects] == [("read", 2, 0)]
        wider = MODEL + "  size: {type: integer}\n"
        roles = 'role: other\ngrants: [{entity: tool, actions: [read], rows: {where: "size > 1"}}]\n'
        await site.write({"entities/t.yaml": wider, "entities/r.yaml": roles})
        with pytest.raises(Invalid, match="not there yet"):
            await what_if(site.kernel, site.accounts, SYSTEM, site.kernel.read_model(site.kernel.sources()))
