"""One change for all records a filter finds."""

from __future__ import annotations

import pytest

from tests.api.conftest import digest


@pytest.fixture
async def admin(callers):
    client = await callers.robot("Admin", "admin")
    rows = [{"name": f"M{n}", "power": n, "place": "Ost" if n % 2 else "West"} for n in range(6)]
    assert (await client.post("/api/machine/bulk", json={"create": rows})).status_code == 200
    return client


async def test_it_is_looked_at_done_and_taken_back(callers, admin):
    asked = {"filter": "place == 'Ost'", "set": {"place": "Nord", "kind": "mill"}}
    before = await digest(callers.site)
    shown = (await admin.post("/api/machine/edit", json={**asked, "dry_run": True})).json()
    assert await digest(callers.site) == before
    assert [shown[n] for n in ("found", "changed", "refused")] == [3, 3, []]
    assert {s["label"]: s["fields"]["place"] for s in shown["samples"]} == {
        f"M{n}": {"from": "Ost", "to": "Nord"} for n in (1, 3, 5)
    }
    refused = await admin.post("/api/machine/edit", json={**asked, "expected": 2})
    assert (refused.status_code, await digest(callers.site)) == (409, before)
    done = await admin.post("/api/machine/edit", json={**asked, "expected": 3})
    assert (done.status_code, done.json()["changed"]) == (200, 3)
    count = "/api/machine?filter=place == 'Nord'&fields=name"
    assert len((await admin.get(count)).json()["records"]) == 3
    again = (await admin.post("/api/machine/edit", json={"filter": "place == 'Nord'", "set": {"place": "Nord"}})).json()
    assert (again["found"], again["changed"]) == (3, 0)
    assert (await admin.post(f"/api/changes/{done.headers['change-set']}/undo")).status_code == 200
    assert (await admin.get(count)).json()["records"] == []


async def test_what_is_refused_is_told_and_only_partly_done_where_that_was_asked(callers, admin):
    asked = {"filter": "true", "set": {"serial": "S1"}}
    before = await digest(callers.site)
    refused = await admin.post("/api/machine/edit", json=asked)
    assert (refused.status_code, len(refused.json()["issues"])) == (422, 5)
    assert await digest(callers.site) == before
    partly = (await admin.post("/api/machine/edit", json={**asked, "mode": "partial"})).json()
    assert (partly["changed"], len(partly["refused"])) == (1, 5)
    assert partly["refused"][0]["issues"][0]["code"] == "not_unique"


@pytest.mark.parametrize(
    "body",
    [{}, {"filter": " ", "set": {"place": "x"}}, {"filter": "true", "set": {}}, {"filter": "true"}],
)
async def test_it_says_which_and_what(callers, admin, body):
    assert (await admin.post("/api/machine/edit", json=body)).status_code == 400


async def test_rights_count(callers, admin):
    maker = await callers.robot("Maker", "maker")
    own = await maker.post("/api/machine", json={"name": "mine", "place": "Ost"})
    done = (await maker.post("/api/machine/edit", json={"filter": "true", "set": {"place": "x"}})).json()
    assert (done["found"], [s["id"] for s in done["samples"]]) == (1, [own.json()["id"]])
    reader = await callers.robot("Reader", "reader")
    told = await reader.post("/api/machine/edit", json={"filter": "true", "set": {"place": "x"}})
    assert told.status_code == 422
    assert (
        await reader.post("/api/secret_plan/edit", json={"filter": "true", "set": {"name": "x"}})
    ).status_code == 404
