"""What must hold when users are written: nobody gives what they do not hold, somebody stays in charge."""

from __future__ import annotations

import pytest

from xrm.errors import Conflict, Forbidden, Invalid


async def test_addresses_are_kept_in_lower_case(site):
    made = await site.system.create("user", {"name": "Ann", "email": "Ann.Miller@Example.COM"})
    assert made["email"] == "ann.miller@example.com"
    with pytest.raises(Conflict):
        await site.system.create("user", {"name": "Twin", "email": "ANN.miller@example.com"})


async def test_a_role_must_exist(site):
    with pytest.raises(Invalid) as refused:
        await site.system.create("user", {"name": "Ann", "email": "a@example.com", "roles": ["clark"]})
    assert [(i.path, i.code, i.hint) for i in refused.value.issues] == [
        ("roles", "unknown_role", "did you mean 'clerk'?")
    ]


async def test_nobody_gives_a_role_they_do_not_hold(site):
    keeper, writer, admin = [await site.person(role.title(), role) for role in ("keeper", "writer", "admin")]
    people = site.records
    new = {"name": "New", "email": "new@example.com"}
    for actor, roles in ((keeper, ["admin"]), (keeper, ["clerk"]), (writer, ["writer"]), (keeper, ["keeper", "admin"])):
        with pytest.raises(Forbidden):
            await people.create(actor, "user", {**new, "roles": roles})
        with pytest.raises(Forbidden):
            await people.update(actor, "user", actor.id, {"roles": [*actor.roles, *roles, "admin"]})
    made = await people.create(keeper, "user", {**new, "roles": ["keeper"]})
    assert made["roles"] == ["keeper"]
    await people.create(writer, "user", {"name": "Plain", "email": "plain@example.com"})
    await people.create(admin, "user", {"name": "Second", "email": "second@example.com", "roles": ["admin", "clerk"]})


async def test_who_stands_above_is_not_changed_deleted_or_brought_back(site):
    keeper, admin, clerk = [await site.person(role.title(), role) for role in ("keeper", "admin", "clerk")]
    await site.person("Other", "admin")
    people = site.records
    for values in ({"roles": []}, {"active": False}, {"email": "mine@example.com"}):
        for target in (admin, clerk):
            with pytest.raises(Forbidden):
                await people.update(keeper, "user", target.id, values)
    await people.update(keeper, "user", admin.id, {"phone": "+49 30 1234"})
    with pytest.raises(Forbidden):
        await people.delete(keeper, "user", admin.id)
    await people.delete(admin, "user", clerk.id)
    with pytest.raises(Forbidden):
        await people.restore(keeper, "user", clerk.id)


async def test_one_may_change_ones_own_address_and_give_up_a_role(site):
    writer = await site.person("Writer", "writer", "clerk")
    changed = await site.records.update(writer, "user", writer.id, {"email": "New@example.com", "roles": ["writer"]})
    assert (changed["email"], changed["roles"]) == ("new@example.com", ["writer"])


async def test_the_last_administrator_stays(site):
    first, second = await site.person("First", "admin"), await site.person("Second", "admin")
    people = site.records
    await people.update(first, "user", second.id, {"active": False})
    for attempt in (
        people.update(first, "user", first.id, {"active": False}),
        people.update(first, "user", first.id, {"roles": ["clerk"]}),
        people.delete(first, "user", first.id),
        site.system.update("user", first.id, {"roles": []}),
    ):
        with pytest.raises(Conflict) as refused:
            await attempt
        assert refused.value.issues[0].code == "last_administrator"
    await people.update(first, "user", second.id, {"active": True})
    await people.delete(first, "user", first.id)
