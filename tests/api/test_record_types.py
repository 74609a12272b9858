"""Record types over HTTP: described as far as the caller may know, and brought by imports like any choice."""

from __future__ import annotations

import pytest

from tests.api.conftest import FILES

TYPES = """
record_types:
  mill: {title: Milling machine, hidden: [shift], required: [place, margin], defaults: {power: 3}}
  other: {description: Whatever else., choices: {kind: [lathe]}}
"""


@pytest.fixture
async def works(site):
    await site.apply({"entities/machine.yaml": FILES["entities/machine.yaml"] + TYPES})
    return site


async def test_types_are_described_and_enforced(works, callers):
    maker = await callers.robot("Maker", "maker")
    made = await maker.post("/api/machine", json={"name": "A", "place": "x", "margin": "1"})
    assert (made.status_code, made.json()["record_type"], made.json()["power"]) == (201, "mill", 3)
    refused = await maker.post("/api/machine", json={"name": "B", "record_type": "other", "kind": "mill"})
    assert refused.status_code == 422
    assert [i["code"] for i in refused.json()["issues"]] == ["choice_not_of_type"]
    reader = await callers.robot("Reader", "reader")
    machine = next(e for e in (await reader.get("/api/model")).json()["entities"] if e["name"] == "machine")
    assert machine["record_types"] == [
        {**EMPTY, "name": "mill", "title": "Milling machine", "hidden": ["shift"], "required": ["place"]},
        {**EMPTY, "name": "other", "title": "Other", "description": "Whatever else.", "choices": {"kind": ["lathe"]}},
    ]
    schema = (await maker.get("/openapi.json")).json()["components"]["schemas"]["machine.create"]
    assert schema["properties"]["record_type"]["enum"] == ["mill", "other", None]
    found = await reader.get("/api/machine", params={"filter": "record_type == 'mill'", "fields": "name"})
    assert [r["name"] for r in found.json()["records"]] == ["A"]


EMPTY = {"hidden": [], "required": [], "choices": {}, "sections": []}


async def test_an_import_brings_types(works, callers):
    admin = await callers.robot("Admin", "admin")
    table = "name,Type,place,margin\nA,Milling machine,x,1\nB,other,,\nC,mill,,\n"
    answer = await admin.post("/api/machine/import", content=table, headers={"content-type": "text/csv"})
    assert answer.status_code == 200, answer.text
    records = (await admin.get("/api/machine", params={"fields": "name,record_type", "sort": "name"})).json()["records"]
    assert [(r["name"], r["record_type"]) for r in records] == [("A", "mill"), ("B", "other")]
