"""A shared record is given as its share says: no sooner, no longer, no further, and never beyond its giver."""

from __future__ import annotations

import random
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.builtin.sharing.conftest import Sharing
from xrm.errors import Forbidden, Invalid, NotFound, XrmError
from xrm.kernel.change import SYSTEM, Actor
from xrm.kernel.query import Query
from xrm.kernel.totals import Totals
from xrm.testing import TestSite


async def names(site: TestSite, actor: Actor, query: Query | None = None) -> set[str]:
    try:
        page = await site.records.list(actor, "plan", query or Query())
    except NotFound:
        return set()
    return {record["id"] for record in page.records}


async def refusal(work: Awaitable[object]) -> type[XrmError]:
    with pytest.raises(XrmError) as caught:
        await work
    return type(caught.value)


async def test_a_shared_record_is_there_from_the_next_request_until_it_is_taken_back(site, sharing: Sharing) -> None:
    ann, bob = await site.person("Ann", "planner"), await site.person("Bob", "crowd")
    plan, other = await sharing.plan(ann, name="A", note="n", cost=7), await sharing.plan(ann, name="B", note="n")
    assert await names(site, await sharing.now(bob)) == set()
    share = await sharing.give(ann, plan, bob, reason="for advice")
    reader = await sharing.now(bob)
    assert await names(site, reader) == {str(plan)}
    record = await site.records.get(reader, "plan", plan)
    assert (record["name"], record["note"], record["label"]) == ("A", "n", "A")
    assert not {"cost", "twice"} & record.keys()
    assert (await site.records.count(reader, "plan", Query())).value == 1
    assert await names(site, reader, Query(search="n")) == {str(plan)}
    assert {e.name for e in site.kernel.live.policy.entities(reader)} == {"plan", "user"}
    assert await refusal(site.records.get(reader, "plan", other)) is NotFound
    assert await refusal(site.records.update(reader, "plan", plan, {"name": "X"})) is Forbidden
    assert await refusal(site.records.list(reader, "plan", Query(filter="cost > 1"))) is Invalid
    await sharing.shares.take_back(ann, "plan", plan, share)
    assert await names(site, reader) == set()  # even one who was known as somebody with shares
    assert (await sharing.now(bob)).shared == frozenset()
    assert await refusal(sharing.shares.take_back(ann, "plan", plan, share)) is NotFound


async def test_it_ends_when_it_says_and_with_the_team(site, sharing: Sharing) -> None:
    ann = await site.person("Ann", "planner")
    bob, cy = await site.person("Bob", team="Red"), await site.person("Cy", team="Red")
    plan = await sharing.plan(ann, name="A")
    soon = site.clock() + timedelta(hours=1)
    await sharing.give(ann, plan, cy, expires_at=soon.isoformat())
    team = (await site.system.find("team", "name == 'Red'"))["id"]
    await sharing.shares.give(ann, "plan", plan, {"team": team})
    bob, cy = await sharing.now(bob), await sharing.now(cy)
    assert await names(site, bob) == await names(site, cy) == {str(plan)}
    for member in (await site.system.list("team_member")).records:
        await site.system.delete("team_member", member["id"])
    assert await names(site, bob) == set()
    assert await names(site, cy) == {str(plan)}
    site.clock.forward(timedelta(hours=1))
    assert await names(site, cy) == set()
    past = {"person": str(bob.id), "expires_at": site.clock().isoformat()}
    assert await refusal(sharing.shares.give(ann, "plan", plan, past)) is Invalid


async def test_a_level_says_what_may_be_done(site, sharing: Sharing) -> None:
    ann = await site.person("Ann", "planner")
    levels = {}
    for level in ("read", "update", "full"):
        person = await site.person(level.title(), "crowd")
        plan = await sharing.plan(ann, name="A", cost=1)
        await sharing.give(ann, plan, person, level=level)
        actor = await sharing.now(person)
        may = await site.records.permitted(actor, "plan", plan)
        levels[level] = set(may)
        for action, work in (
            ("update", site.records.update(actor, "plan", plan, {"note": "mine"})),
            ("share", sharing.give(actor, plan, ann)),
            ("delete", site.records.delete(actor, "plan", plan)),
        ):
            if action in may:
                await work
            else:
                assert await refusal(work) is Forbidden
        if level == "update":
            assert await refusal(site.records.update(actor, "plan", plan, {"cost": 2})) is Invalid
    assert levels == {"read": set(), "update": {"update"}, "full": {"update", "delete", "share"}}


async def test_named_fields_are_given_on_that_record_only(site, sharing: Sharing) -> None:
    ann, bob = await site.person("Ann", "planner"), await site.person("Bob", "crowd")
    a, b = await sharing.plan(ann, name="A", cost=5), await sharing.plan(ann, name="B", note="n", cost=9)
    await sharing.give(ann, a, bob, fields=["cost", "twice"], level="update")
    await sharing.give(ann, b, bob)
    reader = await sharing.now(bob)
    page = await site.records.list(reader, "plan", Query(sort=("created_at",)))
    shown = [{n: record.get(n) for n in ("name", "note", "cost", "twice")} for record in page.records]
    assert shown[0] == {
        "name": None,
        "note": None,
        "cost": 5,
        "twice": None,
    }  # `twice` is made of `cost`: another share
    assert shown[1] == {"name": "B", "note": "n", "cost": None, "twice": None}
    assert page.records[0]["label"] is None
    assert await names(site, reader, Query(filter="cost != null")) == {str(a)}
    assert await names(site, reader, Query(filter="name != null")) == {str(b)}
    assert await names(site, reader, Query(search="A")) == set()
    totals = await site.records.aggregate(reader, "plan", Totals((), ("sum(cost)", "max(name)")))
    assert (totals[0]["sum(cost)"], totals[0]["max(name)"]) == (5, "B")
    await site.records.update(reader, "plan", a, {"cost": 6})
    assert await refusal(site.records.update(reader, "plan", a, {"name": "X"})) is Invalid
    assert await refusal(site.records.update(reader, "plan", b, {"cost": 6})) is Forbidden


async def test_nobody_shares_more_than_they_hold(site, sharing: Sharing) -> None:
    wim, bob = await site.person("Wim", "writer"), await site.person("Bob", "crowd")
    plan, foreign = await sharing.plan(wim, name="A", place="P", note="n", cost=5), await sharing.plan(bob, name="B")
    to = {"person": str(bob.id)}
    give = sharing.shares.give
    assert await refusal(give(wim, "plan", foreign, to)) is NotFound
    assert await refusal(give(wim, "plan", plan, {**to, "level": "full"})) is Forbidden
    assert await refusal(give(wim, "plan", plan, {**to, "fields": ["note"]})) is Invalid
    assert await refusal(give(wim, "plan", plan, {**to, "level": "update", "fields": ["cost"]})) is Invalid
    assert await refusal(give(wim, "plan", plan, {"team": str(bob.id)})) is Invalid
    assert await refusal(give(wim, "plan", plan, {})) is Invalid
    assert await refusal(give(wim, "plan", plan, {**to, "record": str(foreign)})) is Invalid
    assert await refusal(give(bob, "plan", foreign, to)) is NotFound
    made = await give(wim, "plan", plan, to)
    assert made["fields"] == ["name", "parent", "place"]  # of the usual ones those Wim reads
    record = await site.records.get(await sharing.now(bob), "plan", plan)
    assert (record["name"], record["note"]) == ("A", None)
    assert (await give(wim, "plan", plan, {**to, "level": "update"}))["fields"] == ["name"]
    reader = await sharing.now(bob)
    await site.records.update(reader, "plan", plan, {"name": "X"})
    assert await refusal(site.records.update(reader, "plan", plan, {"place": "Q"})) is Invalid
    assert await refusal(sharing.shares.list(reader, "plan", plan)) is Forbidden


async def test_shares_as_records_are_no_way_around(site, sharing: Sharing) -> None:
    """Whoever may write shares directly gives no more either; and whose own they are, sees no others."""
    wim, bob = await site.person("Wim", "writer", "sharer"), await site.person("Bob", "crowd", "sharer")
    plan, foreign = await sharing.plan(wim, name="A", cost=5), await sharing.plan(await site.person("Ann"), name="B")
    values = {"person": str(bob.id), "record": {"entity": "plan", "id": str(plan)}}
    create = site.records.create
    assert await refusal(create(wim, "share", {**values, "level": "full"})) is Forbidden
    assert await refusal(create(wim, "share", {**values, "fields": ["note"]})) is Invalid
    assert await refusal(create(wim, "share", {**values, "record": {"entity": "plan", "id": str(foreign)}})) is NotFound
    assert await refusal(create(wim, "share", {**values, "record": None})) is Invalid
    made = await create(wim, "share", values)
    assert (await site.records.list(wim, "share", Query())).records[0]["id"] == made["id"]
    assert (await site.records.list(await sharing.now(bob), "share", Query())).records == []


async def test_shares_go_with_their_record_and_their_person(site, sharing: Sharing) -> None:
    ann, bob, cy = await site.person("Ann", "planner"), await site.person("Bob"), await site.person("Cy", "staff")
    a, b = await sharing.plan(ann, name="A"), await sharing.plan(ann, name="B")
    for plan in (a, b):
        await sharing.give(ann, plan, bob)
    preview = await site.records.consequences(ann, "plan", a)
    assert (preview["possible"], preview["effects"]) == (True, [])
    await site.records.delete(ann, "plan", a)
    assert await names(site, await sharing.now(bob)) == {str(b)}
    await site.system.door.restore(SYSTEM, "plan", a)
    assert await names(site, await sharing.now(bob)) == {str(a), str(b)}
    await site.records.delete(cy, "user", bob.id)
    assert (await site.system.list("share")).records == []


async def test_what_is_given_by_way_of_a_record_is_so_by_a_share_of_it(site, sharing: Sharing) -> None:
    ann, bob = await site.person("Ann", "planner"), await site.person("Bob", "planner")
    plan = await sharing.plan(ann, name="A")
    task = UUID((await site.system.create("task", {"name": "T", "plan": str(plan)}))["id"])
    assert await refusal(site.records.get(bob, "task", task)) is NotFound
    await sharing.give(ann, plan, bob)
    reader = await sharing.now(bob)
    assert (await site.records.get(reader, "task", task))["plan"]["label"] == "A"
    assert await refusal(site.records.update(reader, "task", task, {"name": "U"})) is Forbidden
    await sharing.give(ann, plan, bob, level="update")
    await site.records.update(await sharing.now(bob), "task", task, {"name": "U"})


async def test_a_restriction_holds_for_what_is_shared(site, sharing: Sharing) -> None:
    ann, bob = await site.person("Ann", "planner"), await site.person("Bob", "crowd")
    for fields in ([], ["name", "note"]):
        plan = await sharing.plan(ann, name="A", place="hall")
        await sharing.give(ann, plan, bob, level="update", fields=fields)
        reader = await sharing.now(bob)
        assert await names(site, reader) == {str(plan)}
        assert await refusal(site.records.update(reader, "plan", plan, {"place": "vault"})) in (Forbidden, Invalid)
        await site.system.update("plan", plan, {"place": "vault"})
        assert await names(site, reader) == set()
        assert await refusal(site.records.update(reader, "plan", plan, {"name": "X"})) is NotFound


USUAL, ALL = frozenset({"name", "place", "note"}), frozenset({"name", "place", "note", "cost"})


@pytest.mark.parametrize("seed", range(3))
async def test_shares_agree_with_an_oracle(site, sharing: Sharing, seed: int) -> None:
    """Random shares of random records: what is seen is, row by row, what the shares say."""
    chance = random.Random(seed)
    ann, bob = await site.person("Ann", "planner"), await site.person("Bob", "crowd", team="Red")
    team = (await site.system.find("team", "name == 'Red'"))["id"]
    given: dict[str, set[str]] = {}
    values: dict[str, dict[str, Any]] = {}
    for number in range(10):
        row = {n: chance.choice([None, f"{n}{number}"]) for n in USUAL} | {"cost": chance.choice([None, 1, 2, 3])}
        plan = await sharing.plan(ann, **row)
        values[str(plan)] = row
        for _ in range(chance.choice([0, 1, 1, 2])):
            fields = chance.sample(sorted(ALL), chance.randint(0, 2))
            level = chance.choice(["read", "update", "full"])
            to = chance.choice([{"person": str(bob.id)}, {"team": team}])
            await sharing.shares.give(ann, "plan", plan, {**to, "level": level, "fields": fields})
            given.setdefault(str(plan), set()).update(fields or USUAL)
    reader = await sharing.now(bob)
    page = await site.records.list(reader, "plan", Query(limit=100))
    shown = {r["id"]: {n: r.get(n) for n in ALL} for r in page.records}
    assert shown == {id: {n: values[id][n] if n in names_ else None for n in ALL} for id, names_ in given.items()}
    for name in ALL & frozenset(page.records[0]):
        found = await names(site, reader, Query(filter=f"{name} != null", limit=100))
        assert found == {id for id, row in shown.items() if row[name] is not None}
        ordered = await site.records.list(reader, "plan", Query(sort=(name, "id"), limit=100))
        keys = [(shown[r["id"]][name] is not None, shown[r["id"]][name] or "", r["id"]) for r in ordered.records]
        assert keys == sorted(keys) if name != "cost" else True
