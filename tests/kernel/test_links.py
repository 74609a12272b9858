"""Relations to many records: written as lists, kept by a link entity, read for whole pages, on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from xrm.errors import Conflict, Forbidden, Invalid, ModelError, Unavailable
from xrm.kernel.change import SYSTEM
from xrm.kernel.query import Query
from xrm.testing import TestSite, make_site

FILES = {
    "entities/party.yaml": """
entity: party
label: "{name}"
uses: [owned]
fields:
  name: {type: text, required: true}
  code: {type: text, unique: true}
  partners: {type: relation, to: party, many: true, inverse: partner_of}
  source: {type: relation, to: deal, inverse: owned}
  holder: {type: relation, to: [deal, user], inverse: held}
""",
    "entities/deal.yaml": """
entity: deal
label: "{name}"
fields:
  name: {type: text, required: true}
  competitors:
    type: relation
    to: party
    many: true
    inverse: competes_in
    through: {entity: deal_competitor, fields: {note: {type: text, max: 20}, strength: {type: integer, min: 1}}}
  team: {type: relation, to: user, many: true, through: membership, required: true}
---
entity: membership
label: "{deal}"
fields:
  deal: {type: relation, to: deal, required: true, on_delete: cascade}
  who: {type: relation, to: user, required: true, on_delete: cascade}
  function: text
unique: [[deal, who]]
---
role: seller
grants:
  - {entity: [deal, membership], actions: ["*"]}
  - {entity: party, actions: [read, create], rows: own}
  - {entity: user, actions: [read]}
  - {entity: deal_competitor, actions: [read, create, update]}
---
role: guest
grants:
  - {entity: [deal, party, user, membership], actions: [read, create, update]}
---
role: boss
grants: [{entity: "*", actions: ["*"]}]
""",
}


@pytest.fixture
async def site(tmp_path: Path, database_url: str) -> AsyncIterator[TestSite]:
    async with make_site(tmp_path, database_url, FILES) as site:
        await site.person("Boss", "boss")
        await site.person("Seller", "seller")
        await site.person("Guest", "guest")
        yield site


async def _parties(site: TestSite, *names: str) -> list[str]:
    return [(await site.system.create("party", {"name": n, "code": n.lower()}))["id"] for n in names]


async def _deal(site: TestSite, **values: Any) -> dict[str, Any]:
    team = [str(site.people["Boss"].id)]
    return await site.records.create(site.people["Boss"], "deal", {"name": "D", "team": team, **values})


def _names(links: Any) -> list[str]:
    return sorted(link["label"] for link in links)


async def test_links_are_written_with_the_record_read_back_and_kept_as_records_of_their_own(site: TestSite) -> None:
    a, b, _ = await _parties(site, "A", "B", "C")
    made = await _deal(site, competitors=[a, {"id": b, "note": "cheap", "strength": 3}, {"code": "c"}])
    assert _names(made["competitors"]) == ["A", "B", "C"]
    second = next(link for link in made["competitors"] if link["id"] == b)
    assert {n: second["link"][n] for n in ("note", "strength")} == {"note": "cheap", "strength": 3}
    link = await site.system.get("deal_competitor", second["link"]["id"])
    assert (link["deal"]["id"], link["party"]["id"], link["note"], link["label"]) == (made["id"], b, "cheap", "D – B")
    history = await site.records.history(SYSTEM, "deal_competitor", UUID(link["id"]))
    assert [h["kind"] for h in history] == ["create"]
    assert history[0]["changeset"] == (await site.records.history(SYSTEM, "deal", UUID(made["id"])))[0]["changeset"]
    party = await site.system.get("party", b)
    assert [(one["id"], one["label"], one["link"]["note"]) for one in party["competes_in"]] == [
        (made["id"], "D", "cheap")
    ]


async def test_a_list_replaces_the_set_and_add_and_remove_change_it(site: TestSite) -> None:
    boss = site.people["Boss"]
    a, b, c = await _parties(site, "A", "B", "C")
    made = await _deal(site, competitors=[a, b])
    id = UUID(made["id"])
    kept = next(link["link"]["id"] for link in made["competitors"] if link["id"] == b)

    async def now(competitors: Any) -> Any:
        return (await site.records.update(boss, "deal", id, {"competitors": competitors}))["competitors"]

    replaced = await now([b, c])
    assert _names(replaced) == ["B", "C"]
    assert next(link["link"]["id"] for link in replaced if link["id"] == b) == kept
    assert _names(await now({"add": [{"id": a, "note": "back"}]})) == ["A", "B", "C"]
    assert _names(await now({"remove": [b, {"code": "c"}, str(uuid4())], "add": [a]})) == ["A"]
    as_read = (await site.system.get("deal", id))["competitors"]
    assert as_read[0]["link"]["note"] == "back"
    assert await now(as_read) == as_read  # what was read may be sent back
    assert await now([]) == []
    assert (await site.system.count("deal_competitor")).value == 0
    assert _names(await now([a])) == ["A"]
    other = await site.records.update(boss, "party", UUID(b), {"competes_in": [{"id": made["id"], "note": "x"}]})
    assert other["competes_in"][0]["link"]["note"] == "x"
    assert _names((await site.system.get("deal", id))["competitors"]) == ["A", "B"]


@pytest.mark.parametrize(
    ("sent", "path", "code"),
    [
        ("x", "competitors", "not_links"),
        ({"put": []}, "competitors", "not_links"),
        (["x"], "competitors", "not_id"),
        ([str(UUID(int=5))], "competitors", "no_such_record"),
        ([{"code": "nobody"}], "competitors", "no_such_record"),
        ([{"name": "A"}], "competitors", "not_unique_key"),
        ([{"code": {}}], "competitors", "not_relation"),
        ([{"id": "A", "colour": 1}], "competitors", "unknown_field"),
        ([{"id": "A", "note": "x" * 21}], "competitors.0.note", "too_long"),
        (["A", {"id": "A", "strength": 0}], "competitors", "duplicate"),
        ([{"id": "A", "strength": 0}], "competitors.0.strength", "too_small"),
        (["A"] * 1001, "competitors", "too_many"),
    ],
)
async def test_bad_lists_are_refused_and_nothing_is_written(site: TestSite, sent: Any, path: str, code: str) -> None:
    (a,) = await _parties(site, "A")

    def real(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: real(v) for k, v in value.items()}
        return [real(v) for v in value] if isinstance(value, list) else a if value == "A" else value

    wanted = sent if sent == [{"name": "A"}] else real(sent)
    with pytest.raises(Invalid) as refused:
        await _deal(site, competitors=wanted)
    assert [(i.path, i.code) for i in refused.value.issues] == [(path, code)]
    assert (await site.system.count("deal")).value == 0


async def test_a_required_relation_to_many_needs_a_link(site: TestSite) -> None:
    boss = site.people["Boss"]
    for team in ({}, {"team": []}, {"team": None}):
        with pytest.raises(Invalid) as refused:
            await site.records.create(boss, "deal", {"name": "D", **team})
        assert [(i.path, i.code) for i in refused.value.issues] == [("team", "required")]
    made = await _deal(site)
    for team in ([], {"remove": [str(boss.id)]}):
        with pytest.raises(Invalid) as refused:
            await site.records.update(boss, "deal", UUID(made["id"]), {"team": team})
        assert [(i.path, i.code) for i in refused.value.issues] == [("team", "required")]
    assert (await site.system.get("deal", made["id"]))["team"][0]["label"] == "Boss"


async def test_links_and_records_the_actor_may_not_read_are_left_out_and_left_alone(site: TestSite) -> None:
    seller, guest = site.people["Seller"], site.people["Guest"]
    hidden, _ = await _parties(site, "Hidden", "Other")
    own = (await site.records.create(seller, "party", {"name": "Own"}))["id"]
    made = await _deal(site, competitors=[hidden, own])
    id = UUID(made["id"])
    assert _names((await site.records.get(seller, "deal", id))["competitors"]) == ["Own"]
    page = await site.records.list(seller, "deal", Query(fields=("competitors",)))
    assert _names(page.records[0]["competitors"]) == ["Own"]
    found = await site.records.list(seller, "deal", Query(f"'{hidden}' in competitors"))
    assert found.records == []
    assert len((await site.records.list(seller, "deal", Query(f"'{own}' in competitors"))).records) == 1
    await site.records.update(seller, "deal", id, {"competitors": {"add": [{"id": own, "note": "seen"}]}})
    with pytest.raises(Forbidden):  # no right to delete links
        await site.records.update(seller, "deal", id, {"competitors": []})
    with pytest.raises(Invalid):
        await site.records.update(seller, "deal", id, {"competitors": {"add": [hidden]}})
    assert _names((await site.system.get("deal", id))["competitors"]) == ["Hidden", "Own"]
    seen = await site.records.get(guest, "deal", id)  # may not read links at all
    assert "competitors" not in seen
    with pytest.raises(Invalid):
        await site.records.list(guest, "deal", Query(f"'{own}' in competitors"))
    with pytest.raises(Forbidden):
        await site.records.update(guest, "deal", id, {"competitors": [own]})


async def test_a_page_takes_one_statement_per_relation(site: TestSite, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = await _parties(site, "A", "B")
    for _ in range(12):
        await _deal(site, competitors=[a, b])
    asked: list[str] = []
    store = site.kernel.store
    fetch = type(store).fetch

    async def counted(self: Any, text: str, *args: Any) -> Any:
        asked.append(text)
        return await fetch(self, text, *args)

    monkeypatch.setattr(type(store), "fetch", counted)
    page = await site.records.list(site.people["Boss"], "deal", Query(fields=("name", "competitors", "team")))
    assert [len(r["competitors"]) for r in page.records] == [2] * 12
    assert len(asked) == 3


async def test_what_links_lead_to_takes_them_along_when_it_is_deleted(site: TestSite) -> None:
    boss = site.people["Boss"]
    a, b = await _parties(site, "A", "B")
    made = await _deal(site, competitors=[a, b])
    await site.records.delete(boss, "party", UUID(a))
    assert _names((await site.system.get("deal", made["id"]))["competitors"]) == ["B"]
    await site.records.delete(boss, "deal", UUID(made["id"]))
    assert (await site.system.count("deal_competitor")).value == 0
    assert (await site.system.get("party", b))["competes_in"] == []


async def test_records_of_one_entity_are_linked_with_each_other(site: TestSite) -> None:
    a, b = await _parties(site, "A", "B")
    made = await site.system.update("party", a, {"partners": [b]})
    assert _names(made["partners"]) == ["B"]
    assert made["partner_of"] == []
    assert _names((await site.system.get("party", b))["partner_of"]) == ["A"]
    assert (await site.system.list("party_partners")).records[0]["other"]["id"] == b


@pytest.mark.parametrize(
    ("field", "code"),
    [
        ("{type: relation, many: true}", "missing_option"),
        ("{type: relation, to: [party, deal], many: true}", "bad_option"),
        ('{type: relation, to: "*", many: true}', "bad_option"),
        ("{type: relation, to: party, many: true, unique: true}", "option_not_for_type"),
        ("{type: relation, to: party, many: true, on_delete: clear}", "option_not_for_type"),
        ("{type: relation, to: party, many: true, through: deal}", "wrong_field"),
        ("{type: relation, to: party, many: true, inverse: name}", "name_clash"),
        ("{type: text, many: true}", "option_not_for_type"),
        ("{type: relation, to: party, through: {entity: x}}", "option_not_for_type"),
        ("{type: relation, to: party, many: true, through: {colour: x}}", "unknown_key"),
    ],
)
async def test_definitions_that_make_no_sense_are_refused(tmp_path: Path, field: str, code: str) -> None:
    files = {**FILES, "entities/x.yaml": f"entity: thing\nlabel: '{{name}}'\nfields:\n  name: text\n  links: {field}\n"}
    with pytest.raises(ModelError) as refused:
        async with make_site(tmp_path, f"sqlite:///{tmp_path}/x.db", files):
            pass
    assert code in {issue.code for issue in refused.value.issues}


async def test_lists_are_counted_and_looked_into_in_filters(site: TestSite) -> None:
    boss, seller = site.people["Boss"], site.people["Seller"]
    a, b = await _parties(site, "A", "B")
    one, two = await _deal(site, competitors=[a, b]), await _deal(site, competitors=[a])
    await _deal(site)

    async def count(entity: str, filter: str, actor: Any = boss) -> int:
        return (await site.records.count(actor, entity, Query(filter))).value

    assert await count("deal", "size(competitors) == 2") == 1
    assert await count("deal", "competitors.isEmpty()") == 1
    assert await count("deal", "!isEmpty(competitors) && size(team) == 1") == 2
    assert await count("party", "size(competes_in) >= 1 && size(partners) == 0") == 2
    await site.system.update("party", a, {"source": one["id"], "holder": {"entity": "deal", "id": two["id"]}})
    assert await count("deal", f"'{a}' in owned") == 1
    assert await count("deal", "size(owned) == 1") == 1
    assert await count("deal", "size(held) == 1 && size(owned) == 0") == 1
    assert await count("deal", "size(competitors) > 0 || size(owned) > 0", seller) == 0  # may read none of the parties
    for bad in ("size(nothing) > 0", "owned == 1", "size(owned.name) > 0"):
        with pytest.raises(Invalid):
            await count("deal", bad)


async def test_the_same_link_made_by_many_at_once_is_one(site: TestSite) -> None:
    boss = site.people["Boss"]
    for _ in range(5):
        (a,) = [(await site.system.create("party", {"name": "A"}))["id"]]
        id = UUID((await _deal(site))["id"])
        wanted = [{"competitors": {"add": [{"id": a, "note": str(n)}]}} for n in range(8)]
        done = await asyncio.gather(*(site.records.update(boss, "deal", id, w) for w in wanted), return_exceptions=True)
        assert [d for d in done if isinstance(d, BaseException) and not isinstance(d, Unavailable)] == []
        links = (await site.system.get("deal", id))["competitors"]
        assert [link["id"] for link in links] == [a]


async def test_links_live_through_changes_of_the_model(site: TestSite) -> None:
    (a,) = await _parties(site, "A")
    made = await _deal(site, competitors=[a])
    deal, party = FILES["entities/deal.yaml"], FILES["entities/party.yaml"]
    deal = deal.replace("strength: {type: integer, min: 1}", "rank: integer, strength: {type: integer, min: 1}")
    await site.apply(
        {"entities/deal.yaml": deal, "entities/party.yaml": party.replace("  code:", "  town: text\n  code:")}
    )
    ranked = await site.system.update("deal", made["id"], {"competitors": [{"id": a, "rank": 3}]})
    assert ranked["competitors"][0]["link"]["rank"] == 3
    deal = deal.replace("  competitors:\n", "  rivals:\n    was: competitors\n")
    party = party.replace("  partners: {", "  allies: {was: partners, ")  # its link entity is called after the field
    await site.system.update("party", a, {"partners": [a]})
    await site.apply({"entities/deal.yaml": deal, "entities/party.yaml": party})
    assert _names((await site.system.get("deal", made["id"]))["rivals"]) == ["A"]
    assert _names((await site.system.get("party", a))["allies"]) == ["A"]
    gone = deal.replace("    was: competitors\n", "    removed: true\n")
    gone = gone.replace("  - {entity: deal_competitor, actions: [read, create, update]}\n", "")
    with pytest.raises(Conflict) as asked:
        await site.apply({"entities/deal.yaml": gone})
    assert [i.path for i in asked.value.issues] == ["deal_competitor"]
    await site.apply(consent=asked.value.details["steps"])
    assert "rivals" not in await site.system.get("deal", made["id"])
    assert "competes_in" not in await site.system.get("party", a)


async def test_a_restored_record_has_the_links_that_went_with_it(site: TestSite) -> None:
    system, seller = site.system, site.people["Seller"]
    parties = [(await system.create("party", {"name": name}))["id"] for name in ("Ann", "Bob", "Cid")]
    users = [str(site.people[name].id) for name in ("Boss", "Guest")]
    deal = await system.create("deal", {"name": "x", "competitors": parties, "team": users})
    await system.update("deal", deal["id"], {"competitors": {"remove": [parties[0]]}})
    await site.records.delete(seller, "deal", UUID(deal["id"]))
    assert (await system.count("deal_competitor")).value == 0
    await system.delete("party", parties[2])
    back = await site.records.restore(seller, "deal", UUID(deal["id"]))
    assert {one["id"] for one in back["team"]} == set(users)
    shown = await system.get("deal", deal["id"])
    assert [one["label"] for one in shown["competitors"]] == ["Bob"], "Ann was taken away before, Cid is in the trash"


async def test_a_link_made_anew_meanwhile_does_not_stop_a_restore(site: TestSite) -> None:
    system = site.system
    ann, bob = [(await system.create("party", {"name": name}))["id"] for name in ("Ann", "Bob")]
    await system.update("party", ann, {"partners": [bob]})
    await system.delete("party", bob)
    await site.records.restore(SYSTEM, "party", UUID(bob))
    assert [one["id"] for one in (await system.get("party", ann))["partners"]] == [bob]
    await system.delete("party", bob)
    await site.records.restore(SYSTEM, "party", UUID(bob))
    assert [one["id"] for one in (await system.get("party", ann))["partners"]] == [bob]
