"""Queries over HTTP: relations shown along level by level, long queries as a body, filters as JSON; both databases."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from tests.api.conftest import Callers
from xrm.kernel.change import SYSTEM
from xrm.testing import make_site

FILES = {
    "entities/all.yaml": """
entity: country
label: "{name}"
fields: {name: text, rank: integer}
---
entity: party
label: "{name}"
uses: [owned]
fields:
  name: {type: text, required: true}
  secret: {type: text, class: confidential}
  country: {type: relation, to: country, inverse: parties}
  partners: {type: relation, to: party, many: true, inverse: partner_of}
---
entity: deal
label: "{name}"
fields:
  name: {type: text, required: true}
  amount: integer
  customer: {type: relation, to: party, inverse: deals}
  about: {type: relation, to: [party, country], inverse: told_of}
  closed: date
  seen: datetime
---
role: rep
grants:
  - {entity: [deal, country, party_partners], actions: [read]}
  - {entity: party, actions: [read], rows: own, fields: {read: [public, internal]}}
---
role: stranger
grants:
  - {entity: deal, actions: [read]}
"""
}


@pytest.fixture
async def callers(tmp_path, database_url) -> AsyncIterator[Callers]:
    async with make_site(tmp_path, database_url, FILES, allowed_hosts=("test",)) as site, AsyncExitStack() as stack:
        yield Callers(site, stack)


@pytest.fixture
async def world(callers):
    """Two countries, three parties of which a rep owns two, six deals."""
    rep = await callers.site.person("Rep", "rep")
    records = callers.site.kernel.records

    async def make(entity, **values):
        return (await records.create(SYSTEM, entity, values))["id"]

    chile = await make("country", name="Chile", rank=1)
    peru = await make("country", name="Peru", rank=2)
    mine = {"owner": str(rep.id)}
    acme = await make("party", name="Acme", country=chile, secret="s1", **mine)
    beta = await make("party", name="Beta", country=peru, secret="s2", partners=[acme], **mine)
    gamma = await make("party", name="Gamma", country=peru, secret="s3")
    for number, customer in enumerate((acme, acme, acme, beta, gamma, None)):
        await make(
            "deal", name=f"D{number}", amount=number * 10, customer=customer, about={"entity": "party", "id": acme}
        )
    return {"rep": await callers.with_key(rep), "acme": acme, "beta": beta, "gamma": gamma, "chile": chile}


async def listed(client, entity, **params):
    answer = await client.get(f"/api/{entity}", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()["records"]


async def test_relations_are_shown_along_level_by_level(world):
    deals = await listed(world["rep"], "deal", expand="customer.country,about", sort="name", fields="name")
    first = deals[0]
    assert (first["name"], first["customer"]["name"], first["customer"]["label"]) == ("D0", "Acme", "Acme")
    assert (first["customer"]["country"]["name"], first["customer"]["country"]["rank"]) == ("Chile", 1)
    assert (first["about"]["entity"], first["about"]["name"]) == ("party", "Acme")
    assert "secret" not in first["customer"]
    assert deals[4]["customer"] == {"_restricted": True}
    assert deals[5]["customer"] is None
    one = await world["rep"].get(f"/api/party/{world['beta']}?expand=partners.country,deals&fields=name")
    beta = one.json()
    assert [p["name"] for p in beta["partners"]] == ["Acme"]
    assert beta["partners"][0]["country"]["name"] == "Chile"
    assert "id" in beta["partners"][0]["link"]
    assert [d["name"] for d in beta["deals"]] == ["D3"]


async def test_lists_are_filtered_sorted_and_cut_as_asked(world):
    body = {
        "fields": ["name"],
        "sort": "name",
        "expand": {
            "parties": {
                "fields": "name",
                "sort": "-name",
                "expand": {"deals": {"fields": ["name"], "filter": "amount >= 10", "sort": ["-amount"], "limit": 1}},
            }
        },
        "count": True,
    }
    answer = await world["rep"].post("/api/country/query", json=body)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["count"] == {"value": 2, "exact": True}
    chile, peru = found["records"]
    assert [p["name"] for p in chile["parties"]] == ["Acme"]
    assert [p["name"] for p in peru["parties"]] == ["Beta"]  # not Gamma, who is another's
    assert [d["name"] for d in chile["parties"][0]["deals"]] == ["D2"]
    assert chile["parties"][0]["_more"] == ["deals"]
    assert "_more" not in peru["parties"][0]


async def test_what_a_level_may_not_read_is_as_unknown_as_what_is_not_there(callers, world):
    stranger = await callers.robot("Stranger", "stranger")
    for name in ("customer", "nothing", "name", "customer.country"):
        answer = await stranger.get("/api/deal", params={"expand": name})
        path = name.split(".")[0]
        assert answer.status_code == 422, name
        assert answer.json()["issues"] == [
            {"path": "expand", "code": "unknown_field", "message": f"There is no relation {path!r}."}
        ]
    hidden = await world["rep"].post("/api/country/query", json={"expand": {"parties": {"filter": "secret == 's1'"}}})
    assert (hidden.status_code, hidden.json()["issues"][0]["code"]) == (422, "expression_unknown_field")
    hidden = await world["rep"].post("/api/country/query", json={"expand": {"parties": {"fields": ["secret"]}}})
    assert hidden.status_code == 422


async def test_a_page_of_many_records_takes_a_statement_per_relation(callers, world, monkeypatch):
    store, made = callers.site.kernel.store, []
    plain = type(store).fetch

    async def counting(self, sql, args=()):
        made.append(sql)
        return await plain(self, sql, args)

    admin = await callers.robot("Admin", "admin")
    await listed(admin, "deal", expand="customer.country", limit="1")
    monkeypatch.setattr(type(store), "fetch", counting)
    counts = []
    for limit in ("1", "6"):
        made.clear()
        await listed(admin, "deal", expand="customer.country", limit=limit, sort="name")
        counts.append(len(made))
    assert counts[0] == counts[1]


async def test_too_much_at_once_is_refused_with_a_reason(world):
    deep = ".".join(["customer", "deals"] * 3)
    answer = await world["rep"].get("/api/deal", params={"expand": deep})
    assert (answer.status_code, answer.json()["code"]) == (422, "query_too_expensive")
    assert answer.json()["issues"][0]["hint" if "hint" in answer.json()["issues"][0] else "message"]
    bad = (
        {"expand": {"customer": {"limit": 5, "sort": "name"}}},
        {"expand": {"about": {"fields": ["name"]}}},
        {"expand": {"customer": {"limit": 0}}},
    )
    for body in bad:
        assert (await world["rep"].post("/api/deal/query", json=body)).status_code == 422, body
    for body in ({"expand": {"customer": None}}, {"expand": {"customer": {"nope": 1}}}, {"limit": "5"}, {"x": 1}):
        assert (await world["rep"].post("/api/deal/query", json=body)).status_code == 400, body


async def test_a_filter_is_an_expression_or_its_json_form(world):
    rep, form = world["rep"], {"op": ">=", "args": [{"field": "amount"}, 30]}
    as_text = await listed(rep, "deal", filter="amount >= 30", sort="name")
    assert [d["name"] for d in as_text] == ["D3", "D4", "D5"]
    assert await listed(rep, "deal", filter=json.dumps(form), sort="name") == as_text
    sent = await rep.post("/api/deal/query", json={"filter": form, "sort": ["name"]})
    assert sent.json()["records"] == as_text
    many = {"op": "in", "args": [{"field": "name"}, [f"D{n}" for n in range(900)]]}
    sent = await rep.post("/api/deal/query", json={"filter": many, "limit": 3, "sort": "-customer.country.name,name"})
    assert (sent.status_code, len(sent.json()["records"])) == (200, 3)
    for bad in ('{"op": ', '{"op": "drop", "args": []}', '{"field": "secret"}', "{}"):
        answer = await rep.get("/api/deal", params={"filter": bad})
        assert (answer.status_code, answer.json()["issues"][0]["path"]) == (422, "filter"), bad
