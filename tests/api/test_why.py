"""Why, over HTTP: for those who look after rights, and no way around what they may read."""

from __future__ import annotations

import pytest

from xrm.kernel.query import Query

ROLES = """
role: guard
grants:
  - {entity: machine, actions: [read], rows: {where: "place == 'hall'"}, fields: {read: [internal], write: []}}
  - {entity: user, actions: [read], rows: {where: "name != 'Boss'"}, fields: {read: ["*"], write: []}}
capabilities: [security.read]
"""


@pytest.fixture
async def guard(lite, lite_callers):
    await lite.apply({"entities/guard.yaml": ROLES})
    return await lite_callers.robot("Guard", "guard")


async def test_it_is_told_to_those_who_look_after_rights(lite, lite_callers, guard) -> None:
    maker = await lite.person("Mia", "maker")
    mine = await lite.records.create(maker, "machine", {"name": "Mine", "place": "hall"})
    asked = {"actor": "mia@example.com", "action": "update", "entity": "machine", "id": mine["id"]}
    found = await guard.get("/api/why", params=asked)
    assert (found.status_code, found.json()["allowed"]) == (200, True)
    assert "grant 1 of the role maker" in found.json()["because"]
    fixed = await guard.get("/api/why", params={**asked, "actor": str(maker.id), "field": "double"})
    assert (fixed.json()["allowed"], fixed.json()["changes"]) == (False, [])
    for client in (await lite_callers.robot("Max", "maker"), await lite_callers.robot("Des", "designer")):
        assert (await client.get("/api/why", params=asked)).status_code == 403
    assert (await (await lite_callers.anybody()).get("/api/why", params=asked)).status_code == 401


async def test_it_is_no_way_to_see_more(lite, guard) -> None:
    maker = await lite.person("Mia", "maker")
    await lite.person("Boss", "admin")
    hidden = await lite.records.create(maker, "machine", {"name": "Hidden", "place": "cellar"})
    asked = {"actor": "mia@example.com", "action": "update", "entity": "machine"}
    never = "01975f0e-0000-7000-8000-000000000000"
    answers = [await guard.get("/api/why", params={**asked, "id": id}) for id in (hidden["id"], never)]
    assert [a.status_code for a in answers] == [404, 404]
    assert answers[0].json()["detail"] == answers[1].json()["detail"]
    people = [await guard.get("/api/why", params={**asked, "actor": f"{n}@example.com"}) for n in ("boss", "nobody")]
    assert [p.status_code for p in people] == [404, 404]
    fields = [await guard.get("/api/why", params={**asked, "field": name}) for name in ("margin", "nothing")]
    assert [f.status_code for f in fields] == [422, 422]
    assert (await guard.get("/api/why", params={**asked, "entity": "secret_plan"})).status_code == 404


async def test_a_bad_question_says_what_is_missing(guard) -> None:
    answer = await guard.get("/api/why", params={"actor": "guard@example.com"})
    assert answer.status_code == 400
    assert {issue["path"] for issue in answer.json()["issues"]} == {"action", "entity"}
    asked = {"actor": "guard@example.com", "entity": "machine"}
    unknown = await guard.get("/api/why", params={**asked, "action": "fly"})
    assert unknown.json()["issues"][0]["code"] == "unknown_action"
    assert (await guard.get("/api/why", params={**asked, "action": "read", "id": "7"})).status_code == 404
    odd = {**asked, "actor": "a\"b\\'@example.com", "action": "read"}
    assert (await guard.get("/api/why", params=odd)).status_code == 404


async def test_what_new_roles_would_change_is_told_to_those_who_may_change_them(lite, lite_callers) -> None:
    root = await lite_callers.robot("Root", "admin")
    maker = await lite.person("Mia", "maker")
    await lite.records.create(maker, "machine", {"name": "Mine"})
    roles = "role: maker\ngrants:\n  - {entity: machine, actions: [read], rows: {where: \"name != 'Mine'\"}}\n"
    sent = {"files": {"entities/roles.yaml": roles + "---\nrole: reader\n---\nrole: designer\n"}}
    found = await root.post("/api/model/what-if", json=sent)
    assert found.status_code == 200, found.text
    effects = {(e["person"], e["entity"], e["action"]): e for e in found.json()["effects"]}
    assert effects["Mia", "machine", "read"]["loses"]["samples"] == ["Mine"]
    assert effects["Mia", "machine", "delete"]["loses"]["action"] is True
    assert (await lite.records.list(maker, "machine", Query())).records[0]["name"] == "Mine"  # nothing was applied
    broken = await root.post("/api/model/what-if", json={"files": {"entities/roles.yaml": "role: maker\ngrants: 7\n"}})
    assert broken.status_code == 422
    for client in (await lite_callers.robot("Des", "designer"), await lite_callers.robot("Max", "maker")):
        assert (await client.post("/api/model/what-if", json=sent)).status_code == 403
