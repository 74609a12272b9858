"""Undo: whatever an act did is taken back, and nothing that was done since is lost."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from xrm.errors import Conflict, Forbidden, NotFound
from xrm.kernel.acts import Why
from xrm.kernel.change import Actor, uuid7
from xrm.kernel.query import Query
from xrm.testing import TestSite, make_site

FILES = {
    "entities/party.yaml": """
entity: party
label: "{name}"
fields:
  name: {type: text, required: true}
  since: date
---
entity: deal
label: "{name}"
fields:
  name: {type: text, required: true}
  code: {type: text, unique: true}
  customer: {type: relation, to: party, inverse: deals, on_delete: clear}
  price: {type: money}
  share: {type: decimal, scale: 3}
  tags: tags
  details: json
  seen: datetime
  margin: {type: integer, class: confidential}
  twice: {type: decimal, scale: 3, formula: "share * 2"}
  helpers: {type: relation, to: party, many: true}
  closed_at: {type: datetime}
  note: {type: encrypted_text}
workflow:
  field: state
  states: {open: {}, won: {final: won}}
  transitions:
    win: {from: open, to: won, set: {closed_at: now()}, roles: [rep, boss]}
---
entity: line
fields:
  deal: {type: relation, to: deal, required: true, on_delete: cascade, inverse: lines}
  text: text
---
entity: task
fields: {about: text, deal: {type: relation, to: deal, on_delete: cascade}}
""",
    "entities/roles.yaml": """
role: boss
grants: [{entity: "*", actions: [read, create, update, delete, restore]}]
---
role: rep
grants:
  - entity: "*"
    actions: [read, create, update, delete, restore]
    fields: {read: [internal], write: [internal, -closed_at]}
---
role: clerk
grants:
  - {entity: deal, actions: [read, update], fields: {read: [internal], write: [+name]}}
  - {entity: party, actions: [read]}
""",
    "plugins/tasks/plugin.yaml": "plugin: tasks\n",
    "plugins/tasks/__init__.py": """
import xrm


async def plan(context, change):
    if change.changes("state") and change.after.get("state") == "won":
        await context.system.create("task", {"about": "deliver", "deal": str(change.id)})


@xrm.hookimpl
def handlers(registry):
    registry.after_write("deal", plan)
""",
}


@pytest.fixture
async def site(tmp_path: Path, database_url: str) -> AsyncIterator[TestSite]:
    async with make_site(tmp_path, database_url, FILES) as made:
        for name in ("Boss", "Rep", "Clerk"):
            await made.person(name, name.lower())
        yield made


class Doing:
    """One actor on a site."""

    def __init__(self, site: TestSite, actor: Actor) -> None:
        self.site, self.actor, self.records = site, actor, site.records

    async def create(self, entity: str, **values: Any) -> UUID:
        return UUID((await self.records.create(self.actor, entity, values))["id"])

    async def get(self, entity: str, id: UUID) -> dict[str, Any]:
        return await self.records.get(self.actor, entity, id)

    async def last(self) -> UUID:
        news = await self.site.kernel.feed.read(self.actor, max(0, await self.site.kernel.feed.end() - 1))
        return UUID(news.changes[-1]["id"])

    async def undo(self, id: UUID | None = None, **how: str) -> Any:
        return await self.records.undo(self.actor, id or await self.last(), **how)


@pytest.fixture
def boss(site: TestSite) -> Doing:
    return Doing(site, site.people["Boss"])


@pytest.fixture
def rep(site: TestSite) -> Doing:
    return Doing(site, site.people["Rep"])


FULL = {
    "name": "Lathe",
    "code": "A",
    "price": {"amount": "12.30", "currency": "EUR"},
    "share": "0.125",
    "tags": ["x", "y"],
    "details": {"a": [1, 2.5]},
    "seen": "2026-01-02T03:04:05Z",
    "note": "hush",
}


def plain(record: dict[str, Any]) -> dict[str, Any]:
    return {n: v for n, v in record.items() if n not in ("version", "updated_at", "updated_by")}


async def test_an_update_is_taken_back_with_values_of_every_kind_and_again_brought_back(boss: Doing) -> None:
    acme, other = await boss.create("party", name="Acme"), await boss.create("party", name="Other")
    id = await boss.create("deal", **FULL, customer=str(acme), helpers=[str(acme)])
    before = plain(await boss.get("deal", id))
    changed = {
        "name": "Mill",
        "code": None,
        "price": {"amount": "7.00", "currency": "USD"},
        "share": None,
        "tags": ["z"],
        "details": None,
        "seen": None,
        "note": "other",
        "customer": str(other),
        "helpers": [str(other)],
    }
    await boss.records.update(boss.actor, "deal", id, changed)
    act, after = await boss.last(), plain(await boss.get("deal", id))
    done = await boss.undo(act)
    assert _links_aside(plain(await boss.get("deal", id))) == _links_aside(before)
    told = next(c for c in done.changes if c["entity"] == "deal")
    assert (told["fields"]["note"], told["fields"]["share"]) == (
        {"from": "other", "to": "hush"},
        {"from": None, "to": "0.125"},
    )
    assert "twice" not in told["fields"]
    with pytest.raises(Conflict, match="already, by Boss"):
        await boss.undo(act)
    await boss.undo(done.changeset)
    assert _links_aside(plain(await boss.get("deal", id))) == _links_aside(after)
    await boss.undo(act)
    assert _links_aside(plain(await boss.get("deal", id))) == _links_aside(before)


def _links_aside(record: dict[str, Any]) -> dict[str, Any]:
    return {**record, "helpers": [link["label"] for link in record["helpers"]]}


async def test_what_was_created_goes_and_what_was_deleted_comes_back_with_all_that_went_along(boss: Doing) -> None:
    acme = await boss.create("party", name="Acme")
    async with boss.records.act(boss.actor):
        deal = await boss.create("deal", name="Lathe", customer=str(acme))
        lines = [await boss.create("line", deal=str(deal), text=str(n)) for n in range(3)]
    made = await boss.last()
    await boss.records.delete(boss.actor, "deal", deal)
    gone = await boss.last()
    await boss.undo(gone)
    assert (await boss.get("line", lines[2]))["deal"]["label"] == "Lathe"
    await boss.records.delete(boss.actor, "party", acme)
    assert (await boss.get("deal", deal))["customer"] is None
    await boss.undo()
    assert (await boss.get("deal", deal))["customer"]["label"] == "Acme"
    await boss.create("task", deal=str(deal))
    await boss.records.update(boss.actor, "line", lines[0], {"text": "newer"})
    with pytest.raises(Conflict) as refused:
        await boss.undo(made)
    assert {issue.code for issue in refused.value.issues} == {"changed_since", "in_use"}
    fresh = await boss.create("deal", name="New")
    await boss.undo()
    with pytest.raises(NotFound):
        await boss.get("deal", fresh)


async def test_what_was_changed_since_is_named_and_kept(boss: Doing, rep: Doing) -> None:
    id = await boss.create("deal", name="Lathe", tags=["a"])
    await boss.records.update(boss.actor, "deal", id, {"name": "Mill", "tags": ["b"], "share": "1.000"})
    act = await boss.last()
    await rep.records.update(rep.actor, "deal", id, {"name": "Saw"})
    later = await rep.last()
    before = await boss.get("deal", id)
    preview = await boss.records.preview_undo(boss.actor, act)
    (conflict,) = preview.conflicts
    assert [conflict[n] for n in ("code", "field", "then", "now")] == ["changed_since", "name", "Lathe", "Saw"]
    assert (conflict["by"]["actor"]["label"], conflict["by"]["changeset"]) == ("Rep", str(later))
    assert preview.changes[0]["fields"] == {
        "tags": {"from": ["b"], "to": ["a"]},
        "share": {"from": "1.000", "to": None},
    }
    with pytest.raises(Conflict, match="nothing was changed"):
        await boss.undo(act)
    assert await boss.get("deal", id) == before
    await boss.undo(act, keep="newer")
    found = await boss.get("deal", id)
    assert (found["name"], found["tags"], found["share"]) == ("Saw", ["a"], None)


async def test_a_transition_goes_back_with_what_it_set_and_what_its_hooks_made(rep: Doing) -> None:
    id = await rep.create("deal", name="Lathe")
    await rep.records.run(rep.actor, "deal", id, "win", {})
    assert (await rep.get("deal", id))["closed_at"] is not None
    (task,) = (await rep.records.list(rep.actor, "task", Query())).records
    await rep.undo()
    found = await rep.get("deal", id)
    assert (found["state"], found["closed_at"]) == ("open", None)
    with pytest.raises(NotFound):
        await rep.get("task", UUID(task["id"]))


async def test_rights_count_as_in_any_write(site: TestSite, boss: Doing, rep: Doing) -> None:
    clerk = Doing(site, site.people["Clerk"])
    id = await boss.create("deal", name="Lathe")
    await boss.records.update(boss.actor, "deal", id, {"name": "Mill", "margin": 5})
    act = await boss.last()
    with pytest.raises(Conflict) as refused:
        await rep.undo(act)
    assert "argin" not in str(refused.value.details) + str(refused.value.issues)
    assert (await boss.get("deal", id))["margin"] == 5
    await boss.records.update(boss.actor, "deal", id, {"name": "Saw", "share": "1"})
    with pytest.raises(Conflict) as second:
        await clerk.undo()
    assert [issue.code for issue in second.value.issues] == ["not_permitted"]
    await boss.records.run(boss.actor, "deal", id, "win", {})
    with pytest.raises(Forbidden, match="may not see"):
        await clerk.undo()  # the task a hook made is of no concern of theirs
    nobody = replace(clerk.actor, roles=frozenset())
    with pytest.raises(NotFound):
        await clerk.records.undo(nobody, act)
    with pytest.raises(NotFound):
        await boss.undo(uuid7())


async def test_all_of_a_run_is_taken_back_at_once(boss: Doing) -> None:
    old = await boss.create("party", name="Old", since="2020-01-01")
    run = uuid7()
    for number in range(3):
        async with boss.records.act(boss.actor, why=Why("import", run=run)):
            await boss.create("party", name=f"New {number}")
            await boss.records.update(boss.actor, "party", old, {"since": f"2021-01-0{number + 1}"})
    preview = await boss.records.preview_undo(boss.actor, run)
    assert ([c["kind"] for c in preview.changes], preview.conflicts) == (["update", "delete", "delete", "delete"], [])
    done = await boss.undo(run)
    assert (await boss.get("party", old))["since"] == "2020-01-01"
    assert [r["name"] for r in (await boss.records.list(boss.actor, "party", Query())).records] == ["Old"]
    await boss.undo(done.changeset)
    assert (await boss.records.count(boss.actor, "party", Query())).value == 4


async def _state(boss: Doing) -> dict[str, list[dict[str, Any]]]:
    found = {}
    for entity in ("party", "deal", "line"):
        for trash in ("live", "deleted"):
            page = await boss.records.list(boss.actor, entity, Query(sort=("id",), trash=trash, limit=1000))
            records = [plain(r) for r in page.records]
            found[f"{entity} {trash}"] = [_links_aside(r) for r in records] if entity == "deal" else records
    return found


async def _random_act(boss: Doing, chance: random.Random) -> None:
    async with boss.records.act(boss.actor):
        for _ in range(chance.randint(1, 5)):
            await _random_write(boss, chance)


async def _some(boss: Doing, entity: str, chance: random.Random, trash: str = "live") -> UUID | None:
    page = await boss.records.list(boss.actor, entity, Query(trash=trash, sort=("id",), limit=1000))
    return UUID(chance.choice(page.records)["id"]) if page.records else None


async def _random_write(boss: Doing, chance: random.Random) -> None:
    kind = chance.choice(["create", "create", "change", "change", "delete", "restore", "line", "party"])
    party, deal = await _some(boss, "party", chance), await _some(boss, "deal", chance)
    pointer = str(party) if party else None
    if kind == "create":
        await boss.create("deal", name=f"d{chance.random()}", customer=pointer, helpers=[pointer] if pointer else [])
    elif kind == "change" and deal:
        values = {"name": f"n{chance.random()}", "share": f"{chance.random():.3f}", "customer": pointer}
        chosen = dict(chance.sample(list(values.items()), 2))
        await boss.records.update(boss.actor, "deal", deal, chosen)
    elif kind == "delete" and (deal or party):
        entity, id = chance.choice([(e, i) for e, i in (("deal", deal), ("party", party)) if i])
        await boss.records.delete(boss.actor, entity, id)
    elif kind == "restore" and (gone := await _some(boss, "party", chance, "deleted")):
        await boss.records.restore(boss.actor, "party", gone)
    elif kind == "line" and deal:
        await boss.create("line", deal=str(deal), text="x")
    else:
        await boss.create("party", name=f"p{chance.random()}")


@pytest.mark.parametrize("seed", range(int(os.environ.get("XRM_UNDO_SEEDS", "3"))))
async def test_random_acts_undone_in_turn_give_exactly_the_former_states(boss: Doing, seed: int) -> None:
    chance = random.Random(seed)
    states, acts = [await _state(boss)], []
    while len(acts) < 10:
        end = await boss.site.kernel.feed.end()
        await _random_act(boss, chance)
        if await boss.site.kernel.feed.end() > end:
            acts.append(await boss.last())
            states.append(await _state(boss))
    for act, state in zip(reversed(acts), reversed(states[:-1]), strict=True):
        await boss.undo(act)
        now = await _state(boss)
        live = {name: records for name, records in now.items() if name.endswith("live")}
        assert live == {name: records for name, records in state.items() if name.endswith("live")}
