"""A day at work: what each role of this site sees and may do."""

from __future__ import annotations

from uuid import UUID

import pytest

from xrm import SYSTEM, Actor, Forbidden, NotFound, XrmError
from xrm.kernel.query import Query


@pytest.fixture
async def people(site):
    """Two teams with a manager and a rep, and a reader; all by name."""
    door = site.records.bound(SYSTEM)
    found = {}
    for name, role, team in (
        ("north", "sales_manager", "North"),
        ("rep", "sales_rep", "North"),
        ("south", "sales_rep", "South"),
        ("reader", "reader", ""),
        ("agent", "service_agent", ""),
    ):
        user = await door.create("user", {"name": name, "email": f"{name}@example.com", "roles": [role]})
        if team:
            group = await door.find("team", f"name == '{team}'") or await door.create("team", {"name": team})
            await door.create("team_member", {"team": group["id"], "member": user["id"]})
        id = UUID(user["id"])
        found[name] = Actor(id, name, frozenset({role}), user={"id": id, "email": user["email"], "teams": ()})
    return found


@pytest.fixture
async def work(site, people):
    """Each rep made a customer and a deal; all by name."""
    made = {}
    for name in ("rep", "south"):
        door = site.records.bound(people[name])
        party = await door.create(
            "party", {"name": f"Customer of {name}", "credit_limit": {"amount": "9", "currency": "EUR"}}
        )
        made[name] = party, await door.create("deal", {"name": f"Deal of {name}", "customer": party["id"]})
    return made


async def names(site, actor, entity):
    page = await site.records.list(actor, entity, Query(sort=("name",)))
    return [record["name"] for record in page.records]


async def test_what_a_rep_makes_is_theirs(site, people, work):
    party, deal = work["rep"]
    assert party["owner"]["id"] == deal["owner"]["id"] == str(people["rep"].id)


@pytest.mark.parametrize(
    ("actor", "deals"),
    [
        ("rep", ["Deal of rep"]),
        ("south", ["Deal of south"]),
        ("north", ["Deal of rep"]),
        ("reader", ["Deal of rep", "Deal of south"]),
    ],
)
async def test_reps_see_their_deals_and_managers_those_of_their_team(site, people, work, actor, deals):
    assert await names(site, people[actor], "deal") == deals


async def test_everybody_sees_the_parties_but_confidential_figures_only_of_their_own(site, people, work):
    for actor in people.values():
        assert await names(site, actor, "party") == ["Customer of rep", "Customer of south"]
    page = await site.records.list(people["rep"], "party", Query(sort=("name",)))
    own, other = page.records
    assert (own["credit_limit"]["amount"], other["credit_limit"]) == ("9.00", None)
    assert "credit_limit" in other["_masked"]
    assert "credit_limit" not in (await site.records.list(people["reader"], "party", Query())).records[0]


async def test_a_rep_changes_own_parties_only(site, people, work):
    door = site.records.bound(people["rep"])
    assert (await door.update("party", work["rep"][0]["id"], {"rating": "a"}))["rating"] == "a"
    with pytest.raises(Forbidden):
        await door.update("party", work["south"][0]["id"], {"rating": "a"})
    with pytest.raises(Forbidden):
        await door.delete("party", work["rep"][0]["id"])


async def test_contact_points_may_be_added_to_any_party_and_changed_on_own_ones(site, people, work):
    door = site.records.bound(people["rep"])
    made = {n: await door.create("contact_point", {"party": work[n][0]["id"], "value": "a@b.example"}) for n in work}
    await door.update("contact_point", made["rep"]["id"], {"preferred": True})
    with pytest.raises(Forbidden):
        await door.update("contact_point", made["south"]["id"], {"preferred": True})


async def test_an_order_with_its_lines_is_the_reps_own(site, people, work):
    door = site.records.bound(people["rep"])
    order = await door.create("order", {"customer": work["rep"][0]["id"]})
    line = {"order": order["id"], "price": {"amount": "5", "currency": "EUR"}, "quantity": "2"}
    await door.create("order_line", line)
    assert (await door.get("order", order["id"]))["total"]["amount"] == "10.00"
    others = site.records.bound(people["south"])
    with pytest.raises(NotFound):
        await others.get("order", order["id"])
    assert (await others.list("order_line")).records == []


async def test_a_deal_moves_and_its_follow_up_is_in_the_reps_list(site, people, work):
    door = site.records.bound(people["rep"])
    await door.run("deal", work["rep"][1]["id"], "qualify", {})
    assert [a["subject"] for a in (await door.list("activity")).records] == ["Prepare the proposal"]
    assert (await site.records.bound(people["south"]).list("activity")).records == []


async def test_only_a_manager_reopens_a_deal(site, people, work):
    door = site.records.bound(people["rep"])
    await door.run("deal", work["rep"][1]["id"], "lose", {"lost_reason": "price", "lost_note": "Too dear."})
    with pytest.raises(XrmError) as refused:
        await door.run("deal", work["rep"][1]["id"], "reopen", {})
    assert "transition_not_permitted" in {issue.code for issue in refused.value.issues}
    reopened = await site.records.bound(people["north"]).run("deal", work["rep"][1]["id"], "reopen", {})
    assert reopened["state"] == "qualified"


@pytest.mark.parametrize("entity", ["party", "deal", "lead", "activity", "order", "ticket", "user", "product"])
async def test_a_reader_makes_nothing(site, people, entity):
    with pytest.raises((NotFound, Forbidden)):
        await site.records.create(people["reader"], entity, {})


@pytest.mark.parametrize("actor", ["north", "rep", "reader", "agent"])
async def test_nobody_gives_themselves_a_role(site, people, actor):
    me = people[actor]
    with pytest.raises((NotFound, Forbidden)):
        await site.records.update(me, "user", me.id, {"roles": ["admin"]})


async def test_an_agent_answers_tickets_of_any_customer(site, people, work):
    door = site.records.bound(people["agent"])
    queue = await site.records.create(SYSTEM, "queue", {"name": "First line"})
    ticket = await door.create("ticket", {"subject": "Broken", "party": work["rep"][0]["id"], "queue": queue["id"]})
    done = await door.run("ticket", ticket["id"], "resolve", {"resolution": "Mended."})
    assert done["state"] == "resolved"
    assert await names(site, people["reader"], "queue") == ["First line"]
