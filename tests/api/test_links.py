"""Relations to many over HTTP: read and written, described, imported and exported, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.api.conftest import Callers
from xrm.testing import make_site

FILES = {
    "entities/deal.yaml": """
entity: deal
label: "{name}"
fields:
  name: {type: text, required: true, unique: true}
  competitors:
    type: relation
    to: party
    many: true
    inverse: competes_in
    through: {entity: deal_competitor, fields: {note: text}}
---
entity: party
label: "{name}"
fields: {name: {type: text, required: true}, code: {type: text, unique: true}}
---
role: seller
grants: [{entity: "*", actions: ["*"]}]
capabilities: [model.read]
"""
}


@pytest.fixture
async def calls(tmp_path: Path, database_url: str) -> AsyncIterator[Callers]:
    async with make_site(tmp_path, database_url, FILES, allowed_hosts=("test",)) as site, AsyncExitStack() as stack:
        yield Callers(site, stack)


async def test_links_over_http(calls: Callers) -> None:
    client = await calls.robot("Seller", "seller")
    a, b = [(await client.post("/api/party", json={"name": n, "code": n})).json()["id"] for n in ("A", "B")]
    made = await client.post("/api/deal", json={"name": "D", "competitors": [a, {"code": "B", "note": "n"}]})
    assert made.status_code == 201, made.text
    path = f"/api/deal/{made.json()['id']}"
    assert [(c["id"], c["link"].get("note")) for c in made.json()["competitors"]] == [(a, None), (b, "n")]
    tag = made.headers["etag"]
    removed = await client.patch(path, json={"competitors": {"remove": [a]}}, headers={"if-match": tag})
    assert [c["id"] for c in removed.json()["competitors"]] == [b]
    again = await client.get(path, headers={"if-none-match": tag})  # links change without the record's version
    assert (again.status_code, [c["id"] for c in again.json()["competitors"]]) == (200, [b])
    found = (await client.get("/api/deal", params={"filter": f"'{b}' in competitors", "fields": "competitors"})).json()
    assert [c["label"] for c in found["records"][0]["competitors"]] == ["B"]
    assert (await client.get("/api/deal", params={"filter": f"'{a}' in competitors"})).json()["records"] == []
    for query in ("sort=competitors", "fields=competitors.name", "filter=competitors == 1"):
        assert (await client.get(f"/api/deal?{query}")).status_code == 422, query
    assert (await client.get("/api/deal/aggregate?group=competitors")).status_code == 422
    bad = await client.patch(path, json={"competitors": "B"}, headers={"if-match": "*"})
    assert (bad.status_code, bad.json()["issues"][0]["code"]) == (422, "not_links")


async def test_links_are_described(calls: Callers) -> None:
    client = await calls.robot("Seller", "seller")
    model = (await client.get("/api/model")).json()
    deal = next(e for e in model["entities"] if e["name"] == "deal")
    field = next(f for f in deal["fields"] if f["name"] == "competitors")
    assert (field["type"], field["many"], field["to"]) == ("relation", True, ["party"])
    assert field["through"] == {"entity": "deal_competitor", "near": "deal", "far": "party", "fields": ["note"]}
    document = (await client.get("/openapi.json")).json()
    text = str(document["components"]["schemas"])
    assert "The whole set." in text
    assert "/api/deal_competitor" in document["paths"]


async def test_links_go_out_and_come_in_again(calls: Callers) -> None:
    client = await calls.robot("Seller", "seller")
    for name in ("A", "B"):
        await client.post("/api/party", json={"name": name, "code": name})
    await client.post("/api/deal", json={"name": "D", "competitors": [{"code": "A"}, {"code": "B"}]})
    text = (await client.get("/api/deal/export?format=csv&fields=name,competitors")).text
    assert "A; B" in text
    media = {"content-type": "text/csv"}
    same = (await client.post("/api/deal/import", content=text, headers=media)).json()
    assert (same["unchanged"], same["updated"], same["refused"]) == (1, 0, 0), same
    mapped = "name,competitors.code\r\nD,B\r\nE,A;B\r\nF,A;X\r\n"
    report = (await client.post("/api/deal/import", content=mapped, headers=media)).json()
    assert (report["updated"], report["created"], report["refused"]) == (1, 1, 1), report
    assert report["problems"][0]["issues"][0]["path"] == "competitors"
    shown = (await client.get("/api/deal?fields=name,competitors&sort=name")).json()["records"]
    assert [(r["name"], [c["label"] for c in r["competitors"]]) for r in shown] == [("D", ["B"]), ("E", ["A", "B"])]
