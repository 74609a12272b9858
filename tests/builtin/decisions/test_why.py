"""What is said about a decision is what the doors then do, and what is said to change it does."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from xrm.builtin.decisions.decision import Question
from xrm.builtin.decisions.why import why
from xrm.builtin.sharing.door import Shares
from xrm.errors import Forbidden, Invalid, NotFound, XrmError
from xrm.kernel.change import SYSTEM, Actor
from xrm.testing import TestSite, make_site

FILES = {
    "entities/tool.yaml": """
entity: room
label: "{name}"
uses: [owned]
fields: {name: {type: text, class: public}}
---
entity: tool
label: "{name}"
uses: [owned]
fields:
  name: {type: text, class: public}
  price: {type: integer, class: confidential}
  stage: {type: choice, choices: [a, b], class: public}
  room: {type: relation, to: room, class: public}
  double: {type: integer, formula: "price * 2", class: confidential}
workflow:
  field: state
  states: {new: {}, gone: {final: done}}
  transitions: {scrap: {from: new, to: gone, roles: [owner]}}
""",
    "entities/roles.yaml": """
role: looker
grants:
  - {entity: tool, actions: [read], rows: {where: "stage == 'a'"}, fields: {read: [public]}}
  - {entity: room, actions: [read]}
---
role: owner
grants:
  - {entity: tool, actions: [read, update, delete], rows: own, fields: {read: ["*"], write: [public, +state]}}
---
role: mate
grants:
  - {entity: tool, actions: [read, update], rows: team}
---
role: local
grants:
  - {entity: room, actions: [read, update], rows: {where: "name == 'A'"}}
  - {entity: tool, actions: [read, update], rows: {via: room}}
---
role: maker
grants: [{entity: tool, actions: [create]}]
---
role: stranger
grants: []
""",
}
ROLES = ((), ("looker",), ("owner",), ("mate",), ("local",), ("looker", "owner"), ("admin",))


async def refused(work: Awaitable[object]) -> bool:
    try:
        await work
    except (Forbidden, Invalid, NotFound):
        return True
    return False


async def happens(site: TestSite, actor: Actor, question: Question) -> bool:
    """Ask the doors; what they changed does not matter to what is asked next."""
    assert question.id is not None
    door, entity, id = site.records, question.entity, question.id
    if question.action == "read":
        try:
            record = await door.get(actor, entity, id)
        except NotFound:
            return False
        return not question.field or (question.field in record and question.field not in record.get("_masked", ()))
    if question.action == "update":
        value = 7 if question.field == "price" else "a"
        return not await refused(door.update(actor, entity, id, {question.field: value}))
    if question.action == "run:scrap":
        return not await refused(door.run(actor, entity, id, "scrap", {}))
    return not await refused(door.delete(actor, entity, id))


async def fill(site: TestSite, me: Actor, mate: Actor) -> list[UUID]:
    rooms = [(await site.system.create("room", {"name": name}))["id"] for name in ("A", "B")]
    made = []
    for number, (owner, stage) in enumerate([(me, "a"), (mate, "a"), (mate, "b"), (None, "a"), (None, "b")]):
        values = {"name": f"T{number}", "price": 1, "stage": stage, "room": rooms[number % 2]}
        tool = await site.system.create("tool", {**values, "owner": str(owner.id) if owner else None})
        made.append(UUID(tool["id"]))
    return made


QUESTIONS = (
    ("read", ""),
    ("read", "price"),
    ("read", "name"),
    ("update", "name"),
    ("update", "price"),
    ("update", "double"),
    ("run:scrap", ""),
    ("delete", ""),
)


@pytest.mark.parametrize("roles", ROLES, ids="+".join)
async def test_the_decision_is_what_happens(tmp_path: Path, database_url: str, roles: tuple[str, ...]) -> None:
    async with make_site(tmp_path, database_url, FILES) as site:
        me = await site.person("Ann", *roles, team="One")
        mate = await site.person("Bob", team="One")
        for id in await fill(site, me, mate):
            for action, field in QUESTIONS:
                question = Question(action, "tool", id, field)
                said = await why(site.kernel, SYSTEM, me, question)
                assert said.allowed == await happens(site, me, question), (said.because, question)
                assert said.allowed == (not said.changes) or field == "double"


async def test_what_is_said_to_change_it_does(tmp_path: Path, database_url: str) -> None:
    async with make_site(tmp_path, database_url, FILES) as site:
        me = await site.person("Ann", "looker", "owner", team="One")
        mate = await site.person("Bob", team="One")
        ids = await fill(site, me, mate)
        said = await why(site.kernel, SYSTEM, me, Question("update", "tool", ids[1], "price"))
        assert not said.allowed
        assert said.because == "The grants of Ann to update do not cover this Tool."
        assert said.facts["owner"]["label"] == "Bob"
        offered = {change for change in said.changes if change.startswith("give Ann the role")}
        assert offered == {f"give Ann the role {title}" for title in ("Administrator (admin)", "Mate (mate)")}
        for role in ("admin", "mate"):
            assert (await why(site.kernel, SYSTEM, replace(me, roles=me.roles | {role}), said.question)).allowed
        assert any("make Ann its owner, so that grant 1 of the role owner" in change for change in said.changes)
        assert "share it with Ann at the level update, naming price" in said.changes
        shares, admin = Shares(site.kernel), await site.person("Root", "admin")
        sent = {"person": str(me.id), "level": "update", "fields": ["price"]}
        await shares.give(admin, "tool", ids[1], sent)
        shared = await site.accounts.actor_for(me.id)
        given = await why(site.kernel, SYSTEM, shared, said.question)
        assert given.because == "Ann may update this Tool: a share of the record gives it."
        assert await happens(site, shared, said.question)
        name = Question("update", "tool", ids[1], "name")
        assert not (await why(site.kernel, SYSTEM, shared, name)).allowed
        assert not await happens(site, shared, name)
        own = await why(site.kernel, SYSTEM, me, Question("update", "tool", ids[0], "price"))
        assert "does not give 'price' to write" in own.because
        assert any("add +price to its fields" in change for change in own.changes)
        other = await why(site.kernel, SYSTEM, me, Question("read", "tool", ids[4]))
        assert any("let it meet the condition stage == 'a'" in change for change in other.changes)


async def test_without_a_record_it_says_who_may_at_all(tmp_path: Path, database_url: str) -> None:
    async with make_site(tmp_path, database_url, FILES) as site:
        me = await site.person("Ann", "owner")
        some = await why(site.kernel, SYSTEM, me, Question("update", "tool"))
        assert some.allowed
        assert some.because.startswith("Ann may update some Tools: grant 1 of the role owner (entities/roles.yaml:")
        none = await why(site.kernel, SYSTEM, me, Question("create", "tool"))
        assert not none.allowed
        assert none.because == "No role of Ann gives the right to create Tools."
        assert "give Ann the role Maker (maker)" in none.changes
        move = await why(site.kernel, SYSTEM, await site.person("Cy", "mate"), Question("run:scrap", "tool"))
        assert move.changes == ("give Cy one of the roles owner",)
        for question in (Question("fly", "tool"), Question("read", "tool", None, "nmae")):
            with pytest.raises(Invalid):
                await why(site.kernel, SYSTEM, me, question)
        with pytest.raises(XrmError, match="no entity"):
            await why(site.kernel, SYSTEM, me, Question("read", "tol"))


async def test_whoever_asks_learns_nothing_they_may_not_read(tmp_path: Path, database_url: str) -> None:
    async with make_site(tmp_path, database_url, FILES) as site:
        me, mate = await site.person("Ann", "admin"), await site.person("Bob")
        asker = await site.person("Kim", "looker")
        ids = await fill(site, me, mate)
        assert (await why(site.kernel, asker, me, Question("read", "tool", ids[0]))).allowed
        assert "owner" not in (await why(site.kernel, asker, me, Question("read", "tool", ids[0]))).facts
        with pytest.raises(NotFound):
            await why(site.kernel, asker, me, Question("read", "tool", ids[2]))
        with pytest.raises(Invalid):
            await why(site.kernel, asker, me, Question("read", "tool", ids[0], "price"))
