"""The records door, on both databases: what a write passes, what it leaves, what a read shows."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from xrm.errors import Conflict, Forbidden, Invalid, Malformed, NotFound, Precondition
from xrm.kernel.change import SYSTEM
from xrm.kernel.query import Query
from xrm.kernel.totals import Totals
from xrm.testing import TestSite, make_site

FILES = {
    "entities/party.yaml": """
entity: party
label: "{name|email}"
uses: [owned]
search: [name, email, phone]
fields:
  name: {type: text, max: 80}
  email: {type: email, unique: true}
  phone: phone
  country: {type: choice, choices: [DE, FR, BR]}
  kind: {type: choice, choices: [person, organisation], default: organisation}
  tags: tags
  since: date
  parent: {type: relation, to: party, inverse: children, on_delete: clear}
checks:
  - {require: "name != null || email != null", message: A party needs a name or an e-mail address., field: name}
""",
    "entities/deal.yaml": """
entity: deal
label: "{name}"
uses: [owned]
fields:
  number: {type: auto_number, number: "D-{0000}"}
  name: {type: text, required: true}
  customer: {type: relation, to: party, required: true, inverse: deals}
  amount: money
  probability: {type: percent, default: 10}
  weighted: {type: money, formula: "amount * probability / 100"}
  lost_reason: {type: choice, choices: [price, timing]}
  closed_on: date
checks:
  - {when: "state == 'lost'", require: "lost_reason != null", message: A lost deal needs a reason.}
  - {require: "amount == null || amount >= 0", message: Negative amounts are unusual., severity: warn, field: amount}
workflow:
  states: {new: {}, proposal: {}, won: {final: won}, lost: {final: lost}}
  transitions:
    propose: {from: new, to: proposal, guard: "amount != null"}
    win: {from: proposal, to: won, roles: [boss], set: {probability: "100", closed_on: "today()"}}
    lose: {from: "*", to: lost, ask: [lost_reason], set: {closed_on: "today()"}}
---
entity: line
label: "{text}"
fields:
  deal: {type: relation, to: deal, required: true, inverse: lines, on_delete: cascade}
  text: text
---
entity: note
label: "{text}"
fields:
  text: text
  regarding: {type: relation, to: "*"}
---
role: rep
grants:
  - {entity: [party], actions: [read, create, update]}
  - {entity: user, actions: [read]}
  - {entity: [deal, line, note], actions: [read, create, update, delete, restore], rows: own}
---
role: keeper
grants:
  - {entity: [deal, party], actions: [read]}
  - {entity: deal, actions: [restore], rows: own}
---
role: boss
grants:
  - {entity: "*", actions: ["*"]}
""",
}


@pytest.fixture
async def site(tmp_path: Path, database_url: str) -> AsyncIterator[TestSite]:
    async with make_site(tmp_path, database_url, FILES) as made:
        await made.person("Rep", "rep")
        await made.person("Boss", "boss")
        yield made


async def _deal(site: TestSite, **values: object) -> dict[str, object]:
    rep = site.people["Rep"]
    acme = await site.system.find("party", "name == 'Acme'") or await site.records.create(
        rep, "party", {"name": "Acme"}
    )
    return await site.records.create(rep, "deal", {"name": "Lathe", "customer": acme["id"], **values})


def _id(record: dict[str, object]) -> UUID:
    return UUID(str(record["id"]))


async def test_a_created_record_has_defaults_formulas_numbers_and_an_owner(site: TestSite) -> None:
    made = await _deal(site, amount={"amount": "1000.50", "currency": "EUR"})
    assert made["number"] == "D-0001"
    assert made["probability"] == "10.00"
    assert made["weighted"] == {"amount": "100.05", "currency": "EUR"}
    assert made["state"] == "new"
    assert made["owner"] == {"id": str(site.people["Rep"].id), "label": "Rep"}
    assert made["created_at"] == "2026-11-02T09:00:00.000000Z"
    assert made["customer"]["label"] == "Acme"  # type: ignore[index]  # a relation is shown with its label


async def test_all_problems_are_told_at_once_and_nothing_is_stored(site: TestSite) -> None:
    rep = site.people["Rep"]
    wrong = {
        "amount": "12.345",
        "customer": str(uuid4()),
        "nme": "x",
        "number": "D-1",
        "closed_on": "2026-02-30",
        "id": "1",
    }
    with pytest.raises(Invalid) as caught:
        await site.records.create(rep, "deal", wrong)
    assert {(i.path, i.code) for i in caught.value.issues} == {
        ("amount", "too_precise"),
        ("customer", "no_such_record"),
        ("nme", "unknown_field"),
        ("number", "read_only"),
        ("closed_on", "not_date"),
        ("id", "read_only"),
        ("name", "required"),
    }
    assert (await site.system.count("deal")).value == 0


async def test_a_stale_version_is_refused(site: TestSite) -> None:
    rep = site.people["Rep"]
    made = await _deal(site)
    await site.records.update(rep, "deal", _id(made), {"name": "A"}, version=1)
    with pytest.raises(Precondition):
        await site.records.update(rep, "deal", _id(made), {"name": "B"}, version=1)
    assert (await site.records.get(rep, "deal", _id(made)))["name"] == "A"


async def test_an_update_that_changes_nothing_leaves_no_trace(site: TestSite) -> None:
    rep = site.people["Rep"]
    made = await _deal(site)
    again = await site.records.update(rep, "deal", _id(made), {"name": "Lathe"})
    assert again["version"] == 1
    assert len(await site.records.history(rep, "deal", _id(made))) == 1


async def test_history_says_who_what_and_from_what_to_what(site: TestSite) -> None:
    rep = site.people["Rep"]
    made = await _deal(site)
    async with site.records.act(rep, reason="asked by phone"):
        await site.records.update(rep, "deal", _id(made), {"amount": "5"})
    newest = (await site.records.history(rep, "deal", _id(made)))[0]
    assert newest["actor"] == {"id": str(rep.id), "label": "Rep"}
    assert newest["reason"] == "asked by phone"
    assert newest["before"] == {"amount": None, "weighted": None}
    assert newest["after"]["amount"] == {"amount": "5.00", "currency": "EUR"}


async def test_transitions_follow_the_workflow(site: TestSite) -> None:
    rep, boss = site.people["Rep"], site.people["Boss"]
    deal = _id(await _deal(site))
    with pytest.raises(Invalid, match="not possible"):  # the guard wants an amount
        await site.records.run(rep, "deal", deal, "propose", {})
    with pytest.raises(Conflict):  # winning starts from a proposal
        await site.records.run(boss, "deal", deal, "win", {})
    await site.records.run(rep, "deal", deal, "propose", {"amount": "10"})
    with pytest.raises(Invalid, match="may not move"):
        await site.records.run(rep, "deal", deal, "win", {})
    won = await site.records.run(boss, "deal", deal, "win", {})
    assert (won["state"], won["probability"], won["closed_on"]) == ("won", "100.00", "2026-11-02")
    assert won["weighted"] == {"amount": "10.00", "currency": "EUR"}


async def test_setting_the_state_is_the_same_as_the_transition(site: TestSite) -> None:
    rep = site.people["Rep"]
    deal = _id(await _deal(site))
    with pytest.raises(Invalid) as caught:
        await site.records.update(rep, "deal", deal, {"state": "lost"})
    assert [(i.path, i.code) for i in caught.value.issues] == [("lost_reason", "required")]
    with pytest.raises(Invalid) as caught:
        await site.records.update(rep, "deal", deal, {"state": "won"})
    assert caught.value.issues[0].code == "transition_not_allowed"
    lost = await site.records.update(rep, "deal", deal, {"state": "lost", "lost_reason": "price"})
    assert lost["closed_on"] == "2026-11-02"


async def test_a_check_of_severity_block_refuses(site: TestSite) -> None:
    with pytest.raises(Invalid) as caught:
        await site.records.create(site.people["Rep"], "party", {"country": "DE"})
    assert [(i.path, i.message) for i in caught.value.issues] == [
        ("name", "A party needs a name or an e-mail address.")
    ]


async def test_a_check_of_severity_warn_lets_through(site: TestSite) -> None:
    assert (await _deal(site, amount="-5"))["amount"] == {"amount": "-5.00", "currency": "EUR"}


async def test_unique_values_collide_with_a_name(site: TestSite) -> None:
    rep = site.people["Rep"]
    await site.records.create(rep, "party", {"email": "a@example.com"})
    with pytest.raises(Conflict) as caught:
        await site.records.create(rep, "party", {"email": "a@example.com"})
    assert [(i.path, i.code) for i in caught.value.issues] == [("email", "not_unique")]


async def test_a_relation_can_be_given_by_a_unique_key(site: TestSite) -> None:
    rep = site.people["Rep"]
    party = await site.records.create(rep, "party", {"email": "a@example.com"})
    made = await site.records.create(rep, "deal", {"name": "x", "customer": {"email": "a@example.com"}})
    assert made["customer"] == {"id": party["id"], "label": "a@example.com"}
    with pytest.raises(Invalid, match="no Party with this Email"):
        await site.records.create(rep, "deal", {"name": "x", "customer": {"email": "b@example.com"}})


async def test_delete_refuses_clears_or_takes_along(site: TestSite) -> None:
    boss = site.people["Boss"]
    deal = await _deal(site)
    acme = UUID(deal["customer"]["id"])  # type: ignore[index]  # a relation
    child = await site.system.create("party", {"name": "Child", "parent": str(acme)})
    line = await site.system.create("line", {"deal": deal["id"], "text": "a"})
    with pytest.raises(Conflict, match="still point"):
        await site.records.delete(boss, "party", acme)
    await site.records.delete(boss, "deal", _id(deal))
    for entity, id in (("deal", _id(deal)), ("line", _id(line))):
        with pytest.raises(NotFound):
            await site.records.get(boss, entity, id)
    await site.records.delete(boss, "party", acme)
    assert (await site.system.get("party", child["id"]))["parent"] is None


async def test_the_trash_gives_back(site: TestSite) -> None:
    rep = site.people["Rep"]
    deal = _id(await _deal(site))
    await site.records.delete(rep, "deal", deal)
    assert [r["id"] for r in (await site.records.list(rep, "deal", Query(trash="deleted"))).records] == [str(deal)]
    assert (await site.records.restore(rep, "deal", deal))["version"] == 3
    assert (await site.records.list(rep, "deal", Query())).records


async def test_polymorphic_relations_point_to_any_entity(site: TestSite) -> None:
    rep = site.people["Rep"]
    deal = await _deal(site)
    note = await site.records.create(rep, "note", {"text": "n", "regarding": {"entity": "deal", "id": deal["id"]}})
    assert note["regarding"] == {"entity": "deal", "id": deal["id"], "label": "Lathe"}
    with pytest.raises(Invalid):
        await site.records.create(rep, "note", {"regarding": {"entity": "deal", "id": str(uuid4())}})
    with pytest.raises(Invalid):
        await site.records.create(rep, "note", {"regarding": {"entity": "xrm_session", "id": str(uuid4())}})


async def test_an_act_takes_effect_as_a_whole(site: TestSite) -> None:
    rep = site.people["Rep"]

    async def two() -> None:
        async with site.records.act(rep):
            await site.records.create(rep, "party", {"name": "Gone"})
            await site.records.create(rep, "party", {})

    with pytest.raises(Invalid):
        await two()
    assert await site.system.find("party", "name == 'Gone'") is None
    async with site.records.act(rep) as act:
        one = await site.records.create(rep, "party", {"name": "One"})
        await site.records.update(rep, "party", _id(one), {"country": "DE"})
    changes = await site.records.history(rep, "party", _id(one))
    assert {c["changeset"] for c in changes} == {str(act.changes.id)}


async def test_concurrent_updates_lose_nothing(site: TestSite) -> None:
    rep = site.people["Rep"]
    party = _id(await site.records.create(rep, "party", {"name": "P"}))

    async def tag(word: str) -> None:
        while True:
            now = await site.records.get(rep, "party", party)
            tags = [*(now["tags"] or ()), word]
            with contextlib.suppress(Precondition):
                await site.records.update(rep, "party", party, {"tags": tags}, version=now["version"])
                return

    await asyncio.gather(*(tag(f"t{n}") for n in range(12)))
    assert sorted((await site.records.get(rep, "party", party))["tags"]) == sorted(f"t{n}" for n in range(12))


async def test_numbers_are_gapless_under_concurrency(site: TestSite) -> None:
    await _deal(site)
    made = await asyncio.gather(*(_deal(site) for _ in range(8)))
    assert sorted(str(m["number"]) for m in made) == [f"D-{n:04d}" for n in range(2, 10)]


@pytest.mark.parametrize(
    "sort", [("name",), ("-name",), ("country", "-name"), ("-country", "name"), ("owner", "-since")]
)
async def test_keyset_pages_cover_every_record_once(site: TestSite, sort: tuple[str, ...]) -> None:
    rep = site.people["Rep"]
    countries = ["DE", None, "FR", None, "BR"]
    await site.records.create_many(
        rep,
        "party",
        [
            {"name": f"P{n % 7}" if n % 5 else None, "email": f"p{n}@example.com", "country": countries[n % 5]}
            for n in range(23)
        ],
    )
    whole = await site.records.list(rep, "party", Query(sort=sort, limit=100))
    seen, after = [], ""
    while True:
        page = await site.records.list(rep, "party", Query(sort=sort, limit=4, after=after))
        seen += [r["id"] for r in page.records]
        if page.next is None:
            break
        after = page.next
    assert seen == [r["id"] for r in whole.records]
    assert len(set(seen)) == 23


async def test_lists_filter_search_and_cross_relations(site: TestSite) -> None:
    rep = site.people["Rep"]
    await site.records.create(rep, "party", {"name": "Ångström & Straße", "phone": "+49 (30) 123-456", "country": "DE"})
    await _deal(site, name="One", amount="10")

    async def names(entity: str, **query: object) -> list[str]:
        page = await site.records.list(rep, entity, Query(**query))  # type: ignore[arg-type]  # test parameters
        return [r["label"] for r in page.records]

    assert await names("party", search="angstrom STRASSE") == ["Ångström & Straße"]
    assert await names("party", search="030 123456") == ["Ångström & Straße"]
    assert await names("party", search="100%") == []
    assert await names("deal", filter="customer.name == 'Acme' && amount >= 10") == ["One"]
    assert await names("deal", filter="customer.country == 'DE'") == []


@pytest.mark.parametrize(
    ("query", "error"),
    [
        (Query(filter="nme == 'x'"), Invalid),
        (Query(filter="name"), Invalid),
        (Query(sort=("nope",)), Invalid),
        (Query(sort=("tags",)), Invalid),
        (Query(fields=("search",)), Invalid),
        (Query(filter="search == 'x'"), Invalid),
        (Query(limit=0), Malformed),
        (Query(limit=10**6), Malformed),
        (Query(after="!!"), Malformed),
        (Query(after="WzFd"), Malformed),
        (Query(offset=-1), Malformed),
    ],
)
async def test_wrong_queries_are_refused(site: TestSite, query: Query, error: type[Exception]) -> None:
    with pytest.raises(error):
        await site.records.list(site.people["Rep"], "party", query)


async def test_totals_per_group(site: TestSite) -> None:
    boss = site.people["Boss"]
    await _deal(site, amount="10")
    await _deal(site, amount={"amount": "2.50", "currency": "USD"})
    await _deal(site, amount="5.25", state="lost", lost_reason="price")
    rows = await site.records.aggregate(boss, "deal", Totals(("state", "amount.currency"), ("count", "sum(amount)")))
    assert {(r["state"], r["amount.currency"]): (r["count"], r["sum(amount)"]) for r in rows} == {
        ("lost", "EUR"): (1, "5.25"),
        ("new", "EUR"): (1, "10.00"),
        ("new", "USD"): (1, "2.50"),
    }
    values = ("avg(amount)", "min(amount)")
    months = await site.records.aggregate(
        boss, "deal", Totals(("created_at.month",), values, "amount.currency == 'EUR'")
    )
    assert months == [{"created_at.month": "2026-11", "avg(amount)": "7.625000", "min(amount)": "5.25"}]
    mixed = await site.records.aggregate(boss, "deal", Totals(("created_at.month",), values))
    assert mixed == [{"created_at.month": "2026-11", "avg(amount)": None, "min(amount)": None}]


async def test_counting_is_capped(site: TestSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xrm.kernel.query.MAX_COUNT", 3)
    await site.records.create_many(SYSTEM, "party", [{"name": str(n)} for n in range(6)])
    found = await site.records.count(site.people["Rep"], "party", Query())
    assert (found.value, found.exact) == (3, False)


async def test_what_is_not_granted_does_not_exist(site: TestSite) -> None:
    rep = site.people["Rep"]
    stranger = await site.person("Stranger")
    deal = await _deal(site)
    for actor in (stranger, await site.person("Other", "rep")):
        with pytest.raises(NotFound):
            await site.records.get(actor, "deal", _id(deal))
    with pytest.raises(NotFound):
        await site.records.list(stranger, "deal", Query())
    with pytest.raises(Forbidden):  # a party can be read, not deleted
        await site.records.delete(rep, "party", UUID(deal["customer"]["id"]))  # type: ignore[index]  # a relation


async def _withheld(site: TestSite) -> tuple[dict[str, object], dict[str, object], str]:
    """Return a note and a line of the rep that are about a deal which is the boss's now, and the deal's id."""
    rep, boss, deal = site.people["Rep"], site.people["Boss"], await _deal(site)
    id = str(deal["id"])
    note = await site.records.create(rep, "note", {"text": "a", "regarding": {"entity": "deal", "id": id}})
    line = await site.records.create(rep, "line", {"text": "a", "deal": id})
    await site.records.update(boss, "deal", _id(deal), {"owner": str(boss.id)})
    return note, line, id


async def test_past_values_do_not_name_records_that_are_withheld(site: TestSite) -> None:
    rep, boss = site.people["Rep"], site.people["Boss"]
    note, line, id = await _withheld(site)
    for entity, record, name in (("note", note, "regarding"), ("line", line, "deal")):
        assert (await site.records.get(rep, entity, _id(record)))[name] == {"_restricted": True}
        assert (await site.records.history(rep, entity, _id(record)))[0]["after"][name] == {"_restricted": True}
        assert id in str((await site.records.history(boss, entity, _id(record)))[0]["after"][name])


async def test_past_values_name_records_in_the_trash(site: TestSite) -> None:
    rep, deal = site.people["Rep"], await _deal(site)
    line = await site.records.create(rep, "line", {"text": "a", "deal": str(deal["id"])})
    other = await _deal(site)
    await site.records.update(rep, "line", _id(line), {"deal": str(other["id"])})
    await site.records.delete(rep, "deal", _id(deal))
    assert (await site.records.history(rep, "line", _id(line)))[-1]["after"]["deal"] == str(deal["id"])


async def test_totals_and_cursors_do_not_name_records_that_are_withheld(site: TestSite) -> None:
    rep, boss = site.people["Rep"], site.people["Boss"]
    _, _, id = await _withheld(site)
    for entity, name in (("note", "regarding"), ("line", "deal")):
        assert await site.records.aggregate(rep, entity, Totals((name,))) == [{name: None, "count": 1}]
        assert await site.records.aggregate(boss, entity, Totals((name,))) == [{name: id, "count": 1}]
        with pytest.raises(Invalid) as caught:
            await site.records.aggregate(rep, entity, Totals((), (f"max({name})",)))
        assert [i.code for i in caught.value.issues] == ["not_sortable"]
    await site.records.create(rep, "note", {"text": "b"})
    cursor = (await site.records.list(rep, "note", Query(sort=("-regarding",), limit=1))).next
    assert cursor is not None
    assert id.encode() not in base64.urlsafe_b64decode(cursor + "===")
    seen = (await site.records.list(boss, "note", Query(sort=("-regarding",), limit=1))).next
    assert seen is not None
    assert id.encode() in base64.urlsafe_b64decode(seen + "===")


async def test_the_label_of_a_relation_too_far_away_is_no_sort_key(site: TestSite) -> None:
    with pytest.raises(Invalid) as caught:
        await site.records.list(SYSTEM, "line", Query(sort=("deal.owner.manager.manager",)))
    assert [(i.path, i.code) for i in caught.value.issues] == [("sort", "unknown_field")]


async def test_the_trash_counts_what_it_shows(site: TestSite) -> None:
    keeper = await site.person("Keeper", "keeper")
    await site.records.delete(site.people["Boss"], "deal", _id(await _deal(site)))
    trash = Query(trash="deleted")
    assert (await site.records.list(keeper, "deal", trash)).records == []
    assert (await site.records.count(keeper, "deal", trash)).value == 0
    assert (await site.records.count(site.people["Boss"], "deal", trash)).value == 1
