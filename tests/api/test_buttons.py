"""Buttons over HTTP: pressed by POST, described in the model and in OpenAPI as far as the caller may."""

from __future__ import annotations

import pytest

from tests.api.conftest import FILES

BUTTONS = """
buttons:
  inspect: {title: Inspect, icon: search, confirm: Sure?, set: {checked_at: now(), place: "'hall'"}}
  scrapped: {move: scrap}
  find: {open: "https://find.example.com/{name}?k={kind}"}
"""


@pytest.fixture
async def works(site):
    roles = FILES["entities/roles.yaml"].replace(
        "rows: own}", "rows: own}\n  - {entity: machine, actions: ['run:*'], rows: own}"
    )
    await site.apply({"entities/machine.yaml": FILES["entities/machine.yaml"] + BUTTONS, "entities/roles.yaml": roles})
    return site


async def test_a_button_is_pressed_by_a_post(works, callers):
    maker, reader = await callers.robot("Maker", "maker"), await callers.robot("Reader", "reader")
    made = (await maker.post("/api/machine", json={"name": "A/B C"})).json()
    path = f"/api/machine/{made['id']}/actions"
    pressed = await maker.post(f"{path}/inspect", headers={"if-match": '"1"'})
    assert pressed.status_code == 200, pressed.text
    assert (pressed.json()["place"], pressed.json()["version"]) == ("hall", 2)
    assert (await maker.post(f"{path}/inspect", headers={"if-match": '"1"'})).status_code == 412
    assert (await maker.post(f"{path}/inspect", json={"place": "x"})).status_code == 422
    assert (await reader.post(f"{path}/inspect")).status_code == 403
    opened = await maker.post(f"{path}/find")
    assert opened.json()["_open"] == "https://find.example.com/A%2FB%20C?k="
    moved = await maker.post(f"{path}/scrapped")
    assert moved.json()["state"] == "gone"
    assert (await maker.post(f"{path}/scrapped")).status_code == 409
    assert (await maker.post(f"{path}/nothing")).status_code == 404


async def test_a_button_is_described_to_whoever_may_press_it(works, callers):
    maker, reader = await callers.robot("Maker", "maker"), await callers.robot("Reader", "reader")
    described = next(e for e in (await maker.get("/api/model")).json()["entities"] if e["name"] == "machine")
    inspect = next(a for a in described["actions"] if a["name"] == "inspect")
    assert inspect == {"name": "inspect", "title": "Inspect", "icon": "search", "confirm": "Sure?", "fields": []}
    paths = (await maker.get("/openapi.json")).json()["paths"]
    for name in ("inspect", "scrapped", "find"):
        assert f"/api/machine/{{id}}/actions/{name}" in paths
    told = (await reader.get("/openapi.json")).text + (await reader.get("/api/model")).text
    assert "inspect" not in told
