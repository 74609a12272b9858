"""The OpenAPI document: valid, true to the roles, and what the API really answers."""

from __future__ import annotations

import json
import re

import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

ODATA = ("/odata", "/odata/$metadata", "/odata/{set}", "/odata/{set}/$count")


async def document(client):
    answer = await client.get("/openapi.json")
    assert answer.status_code == 200
    return answer.json()


def validator(doc, schema):
    resource = Resource.from_contents(doc, DRAFT202012)
    registry = Registry().with_resource("urn:doc", resource)
    located = json.loads(json.dumps(schema).replace('"#/', '"urn:doc#/'))
    return jsonschema.Draft202012Validator(located, registry=registry, format_checker=jsonschema.FormatChecker())


async def test_it_is_valid_for_everybody(lite_callers):
    for client in (
        await lite_callers.robot("Admin", "admin"),
        await lite_callers.robot("Maker", "maker"),
        await lite_callers.robot("None"),
    ):
        doc = await document(client)
        OpenAPIV31SpecValidator(doc).validate()
        ids = [op["operationId"] for path in doc["paths"].values() for op in path.values()]
        assert len(ids) == len(set(ids))


async def test_it_shows_what_one_may_do_and_nothing_else(lite_callers):
    stranger = await (await lite_callers.anybody()).get("/openapi.json")
    assert (stranger.status_code, stranger.json()["code"]) == (401, "unauthenticated")
    reader = await document(await lite_callers.robot("Reader", "reader"))
    own = {path: set(ops) for path, ops in reader["paths"].items() if path.startswith("/api/machine")}
    assert own == {
        "/api/machine": {"get"},
        "/api/machine/query": {"post"},
        "/api/machine/aggregate": {"get"},
        "/api/machine/{id}": {"get"},
        "/api/machine/{id}/history": {"get"},
        "/api/machine/{id}/blame": {"get"},
        "/api/machine/{id}/fields/{field}/history": {"get"},
    }
    text = json.dumps(reader)
    assert "margin" not in text
    assert "secret_plan" not in text
    maker = await document(await lite_callers.robot("Maker", "maker"))
    assert set(maker["paths"]["/api/machine/{id}"]) == {"get", "patch", "delete"}
    assert "/api/machine/{id}/actions/start" in maker["paths"]
    assert "/api/machine/by/serial/{value}" in maker["paths"]
    sent = maker["components"]["schemas"]["machine.create"]
    assert sent["required"] == ["name"]
    assert not {"double", "number", "id", "version", "created_at"} & set(sent["properties"])


async def test_it_follows_the_model_and_is_made_once(lite_callers):
    admin = await lite_callers.robot("Admin", "admin")
    first = await admin.get("/openapi.json")
    again = await admin.get("/openapi.json", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    await lite_callers.site.apply({"entities/tool.yaml": "entity: tool\nfields: {name: text}\n"})
    changed = await admin.get("/openapi.json", headers={"if-none-match": first.headers["etag"]})
    assert changed.status_code == 200
    assert "/api/tool" in changed.json()["paths"]


async def test_every_path_of_it_leads_somewhere_and_every_route_is_in_it(lite_callers):
    admin = await lite_callers.robot("Admin", "admin")
    doc = await document(admin)
    for path, operations in doc["paths"].items():
        url = path.replace("{id}", "00000000-0000-0000-0000-000000000000").replace("{value}", "x")
        for method in operations:
            answer = await admin.request(method, url, json={})
            assert answer.status_code != 405, (method, path)
            assert not (answer.status_code == 404 and "this address" in answer.json().get("detail", "")), (method, path)
    routes = {
        (re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path), method.lower())
        for route in lite_callers.app.app._app.routes
        for method in route.methods
        if method not in ("OPTIONS", "HEAD")
    }
    named = {(p.replace("/api/machine", "/api/{entity}"), m) for p, ops in doc["paths"].items() for m in ops}
    named |= {
        ("/api/{entity}/by", "put"),  # where an entity has a key of several fields
        ("/api/{entity}/by/{field}/{value}", "put"),
        ("/api/{entity}/{id}/actions/{action}", "post"),
        ("/api/{entity}/{id}/files/{field}", "get"),
        ("/api/{entity}/{id}/files/{field}/thumbnail", "get"),
        ("/docs", "get"),
        *((path, "get") for path in ODATA),  # described by /odata/$metadata
        ("/metrics", "get"),  # no JSON, and no interface of the site's own
        ("/docs/{name}", "get"),
    }
    assert routes - named == set()


@pytest.fixture
async def filled(lite_callers):
    admin = await lite_callers.robot("Admin", "admin")
    other = (await admin.post("/api/machine", json={"name": "Other"})).json()
    await admin.post(
        "/api/machine",
        json={
            "name": "Lathe",
            "serial": "L-1",
            "price": "1200.50",
            "margin": "0.25",
            "power": 7,
            "weight": "12.5",
            "share": "33.3",
            "bought": "2026-02-28",
            "shift": "06:30",
            "contact": "a@example.com",
            "checked_at": "2026-10-25T02:30:00+02:00",
            "site": "https://example.com/x",
            "kind": "mill",
            "extras": ["robot"],
            "tags": ["new"],
            "details": [1, None],
            "part_of": other["id"],
            "about": {"entity": "machine", "id": other["id"]},
        },
    )
    return admin


async def test_answers_are_as_it_says(lite_callers, filled):
    doc = await document(filled)
    records = (await filled.get("/api/machine")).json()["records"]
    for path, method, answer in (
        ("/api/machine", "get", await filled.get("/api/machine?count=true")),
        ("/api/machine/{id}", "get", await filled.get(f"/api/machine/{records[0]['id']}")),
        ("/api/machine/{id}", "get", await filled.get(f"/api/machine/{records[1]['id']}")),
        ("/api/machine/{id}/history", "get", await filled.get(f"/api/machine/{records[1]['id']}/history")),
        ("/api/machine", "post", await filled.post("/api/machine", json={"name": "New", "price": "2"})),
        ("/api/machine", "post", await filled.post("/api/machine", json={"nmae": "New"})),
        ("/api/machine/bulk", "post", await filled.post("/api/machine/bulk", json={"create": [{"name": "B"}]})),
        (
            "/api/machine/bulk",
            "post",
            await filled.post("/api/machine/bulk", json={"mode": "partial", "create": [{"power": "B"}]}),
        ),
        ("/api/me", "get", await filled.get("/api/me")),
        ("/api/search", "get", await filled.get("/api/search?q=lathe")),
        ("/api/model", "get", await filled.get("/api/model")),
        ("/api/model/plan", "post", await filled.post("/api/model/plan", json={})),
        ("/api/model/history", "get", await filled.get("/api/model/history")),
        ("/health/ready", "get", await filled.get("/health/ready")),
    ):
        responses = doc["paths"][path][method]["responses"]
        found = responses.get(str(answer.status_code)) or responses[f"{answer.status_code // 100}XX"]
        if "$ref" in found:
            found = doc["components"]["responses"]["Problem"]
        media = answer.headers["content-type"]
        validator(doc, found["content"][media]["schema"]).validate(answer.json())


async def test_the_pages_of_the_documentation_come_from_here(lite_callers):
    stranger = await (await lite_callers.anybody()).get("/docs")
    assert (stranger.status_code, stranger.headers["location"]) == (303, "/sign-in?next=%2Fdocs")
    client = await lite_callers.robot("Reader", "reader")
    page = await client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "//" not in page.text.replace("<!doctype", "")
    assert "unsafe-inline" not in page.headers["content-security-policy"]
    assert "<script>" not in page.text
    for name in re.findall(r'(?:src|href)="(/docs/[^"]+)"', page.text):
        file = await client.get(name)
        assert file.status_code == 200, name
        assert len(file.content) > 50
    assert (await client.get("/docs/other.js")).status_code == 404
    assert (await client.get("/docs/..%2Fpyproject.toml")).status_code == 404
