"""Records over HTTP, on both databases."""

from __future__ import annotations

from uuid import uuid4

import pytest


@pytest.fixture
async def admin(callers):
    return await callers.robot("Admin", "admin")


async def make(client, **values):
    answer = await client.post("/api/machine", json={"name": "Lathe", **values})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_every_type_goes_in_and_comes_out(admin):
    other = await make(admin, name="Other")
    sent = {
        "name": "Lathe",
        "serial": "L-1",
        "price": {"amount": "1200.50", "currency": "CHF"},
        "margin": "0.25",
        "power": 7,
        "weight": 12.5,
        "share": "33.3",
        "bought": "2026-02-28",
        "shift": "06:30",
        "contact": "a@example.com",
        "checked_at": "2026-10-25T02:30:00+02:00",
        "site": "https://example.com/x",
        "kind": "mill",
        "extras": ["robot", "cooling"],
        "tags": ["new", "big"],
        "details": {"a": [1, {"b": None}]},
        "part_of": {"id": other["id"]},
        "about": {"entity": "machine", "id": other["id"]},
    }
    made = await admin.post("/api/machine", json=sent)
    assert made.status_code == 201
    assert made.headers["etag"] == '"1"'
    assert made.headers["location"] == f"/api/machine/{made.json()['id']}"
    shown = (await admin.get(made.headers["location"])).json()
    expected = sent | {
        "margin": "0.25",
        "weight": "12.500",
        "share": "33.30",
        "shift": "06:30:00",
        "extras": ["cooling", "robot"],
        "checked_at": "2026-10-25T00:30:00.000000Z",
        "number": "M-0002",
        "double": 14,
        "state": "new",
        "version": 1,
        "part_of": {"id": other["id"], "label": "Other"},
        "about": {"entity": "machine", "id": other["id"], "label": "Other"},
        "label": "Lathe",
    }
    assert {name: shown[name] for name in expected} == expected
    assert shown == made.json()


async def test_all_that_is_wrong_is_said_at_once(admin):
    answer = await admin.post("/api/machine", json={"power": "much", "kind": "saw", "nmae": "x", "bought": "tomorrow"})
    problem = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert (problem["code"], problem["type"], problem["status"]) == ("invalid", "urn:xrm:problem:invalid", 422)
    assert {(i["path"], i["code"]) for i in problem["issues"]} == {
        ("power", "not_integer"),
        ("kind", "not_a_choice"),
        ("nmae", "unknown_field"),
        ("bought", "not_date"),
        ("name", "required"),
    }
    blocked = await admin.post("/api/machine", json={"name": "Strong", "power": 5000})
    assert [i["message"] for i in blocked.json()["issues"]] == ["Too strong."]


async def test_warnings_are_told_and_let_through(admin):
    made = await make(admin, price="12.00")
    assert [w["message"] for w in made["_warnings"]] == ["Say what it is."]
    assert made["price"] == {"amount": "12.00", "currency": "EUR"}


async def test_a_change_names_the_version_it_is_based_on(admin):
    made = await make(admin)
    path = f"/api/machine/{made['id']}"
    missing = await admin.patch(path, json={"name": "Mill"})
    assert (missing.status_code, missing.json()["code"]) == (428, "version_required")
    first = await admin.patch(path, json={"name": "Mill"}, headers={"if-match": '"1"'})
    assert (first.status_code, first.headers["etag"], first.json()["name"]) == (200, '"2"', "Mill")
    late = await admin.patch(path, json={"name": "Saw"}, headers={"if-match": '"1"'})
    assert (late.status_code, late.json()["code"], late.json()["version"]) == (412, "version_mismatch", 2)
    weak = await admin.patch(path, json={"name": "Saw"}, headers={"if-match": 'W/"2"'})
    assert weak.status_code == 412
    for bad in ("2", "'2'", '"2', ",", '"a" "b"'):
        assert (await admin.patch(path, json={"name": "Saw"}, headers={"if-match": bad})).status_code == 400, bad
    several = await admin.patch(path, json={"name": "Saw"}, headers={"if-match": '"1", "2"'})
    assert (several.status_code, several.headers["etag"]) == (200, '"3"')
    other = await admin.patch(path, json={"name": "Saw"}, headers={"if-match": '"8", "9"'})
    assert (other.status_code, other.json()["version"]) == (412, 3)
    anyhow = await admin.patch(path, json={"name": "Drill"}, headers={"if-match": "*"})
    assert (anyhow.status_code, anyhow.json()["name"]) == (200, "Drill")


async def test_what_is_at_hand_is_not_sent_again(admin):
    made = await make(admin)
    path = f"/api/machine/{made['id']}"
    same = await admin.get(path, headers={"if-none-match": '"1"'})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", '"1"')
    await admin.patch(path, json={"name": "Mill"}, headers={"if-match": '"1"'})
    assert (await admin.get(path, headers={"if-none-match": '"1"'})).status_code == 200


async def test_into_the_trash_and_back(admin):
    made = await make(admin)
    path = f"/api/machine/{made['id']}"
    assert (await admin.delete(path)).status_code == 428
    assert (await admin.delete(path, headers={"if-match": '"7"'})).status_code == 412
    gone = await admin.delete(path, headers={"if-match": '"1"'})
    assert (gone.status_code, gone.content) == (204, b"")
    assert (await admin.get(path)).status_code == 404
    assert (await admin.get("/api/machine?trash=deleted")).json()["records"][0]["id"] == made["id"]
    back = await admin.post(f"{path}/restore")
    assert (back.status_code, back.headers["etag"]) == (200, '"3"')
    changes = (await admin.get(f"{path}/history")).json()["changes"]
    assert [change["kind"] for change in changes] == ["restore", "delete", "create"]


async def test_lists_filter_sort_page_count_and_choose(admin):
    for number in range(7):
        await make(admin, name=f"M{number}", power=number % 3, place="Ost" if number % 2 else "West")
    query = {"filter": "power > 0 && place == 'West'", "sort": "-power,name", "fields": "name,power", "count": "true"}
    page = (await admin.get("/api/machine", params=query)).json()
    assert [(r["name"], r["power"]) for r in page["records"]] == [("M2", 2), ("M4", 1)]
    assert set(page["records"][0]) == {"id", "version", "name", "power"}
    assert page["count"] == {"value": 2, "exact": True}
    assert page["next"] is None
    names, after = [], ""
    for _ in range(4):
        page = (await admin.get("/api/machine", params={"sort": "name", "limit": 2, "after": after})).json()
        names += [r["name"] for r in page["records"]]
        after = page["next"]
    assert names == [f"M{n}" for n in range(7)]
    assert after is None
    found = (await admin.get("/api/machine", params={"search": "m3 ost"})).json()["records"]
    assert [r["name"] for r in found] == ["M3"]
    skipped = (await admin.get("/api/machine", params={"sort": "name", "offset": 5})).json()["records"]
    assert [r["name"] for r in skipped] == ["M5", "M6"]


async def test_totals_per_group(admin):
    for power, place in ((1, "Ost"), (2, "Ost"), (5, "West")):
        await make(admin, power=power, place=place)
    answer = await admin.get("/api/machine/aggregate", params={"group": "place", "values": "count,sum(power)"})
    assert answer.json()["groups"] == [
        {"place": "Ost", "count": 2, "sum(power)": 3},
        {"place": "West", "count": 1, "sum(power)": 5},
    ]


async def test_transitions_are_actions(admin):
    made = await make(admin)
    path = f"/api/machine/{made['id']}/actions"
    asked = await admin.post(f"{path}/start", json={})
    assert (asked.status_code, asked.json()["issues"][0]["path"]) == (422, "place")
    done = await admin.post(f"{path}/start", json={"place": "Ost"}, headers={"if-match": '"1"'})
    assert (done.status_code, done.json()["state"]) == (200, "running")
    assert (await admin.post(f"{path}/start", json={"place": "Ost"})).status_code == 409
    assert (await admin.post(f"{path}/scrap", headers={"if-match": '"1"'})).status_code == 412
    assert (await admin.post(f"{path}/scrap")).json()["state"] == "gone"
    assert (await admin.post(f"{path}/fly")).status_code == 404


async def test_a_unique_field_names_a_record(admin):
    made = await admin.put("/api/machine/by/serial/A 1%2F2", json={"name": "Lathe"})
    assert (made.status_code, made.json()["serial"]) == (201, "A 1/2")
    changed = await admin.put("/api/machine/by/serial/A 1%2F2", json={"name": "Mill", "serial": "A 1/2"})
    assert (changed.status_code, changed.json()["id"], changed.json()["version"]) == (200, made.json()["id"], 2)
    stale = await admin.put("/api/machine/by/serial/A 1%2F2", json={"name": "Saw"}, headers={"if-match": '"1"'})
    assert stale.status_code == 412
    assert (await admin.put("/api/machine/by/serial/X", json={"name": "Saw", "serial": "Y"})).status_code == 422
    assert (await admin.put("/api/machine/by/place/X", json={"name": "Saw"})).status_code == 422
    assert (await admin.put("/api/machine/by/nothing/X", json={"name": "Saw"})).status_code == 404


async def test_the_history_says_who_when_from_where_and_why(admin, callers):
    made = await make(admin)
    await admin.patch(
        f"/api/machine/{made['id']}",
        json={"place": "Ost"},
        headers={"if-match": '"1"', "change-reason": "moved%20in%20M%C3%A4rz"},
    )
    latest = (await admin.get(f"/api/machine/{made['id']}/history")).json()["changes"][0]
    assert (latest["source"], latest["reason"], latest["version"]) == ("api", "moved in März", 2)
    assert latest["actor"] == {"id": str(callers.site.people["Admin"].id), "label": "Admin"}
    assert (latest["before"], latest["after"]) == ({"place": None}, {"place": "Ost"})


async def test_everybody_sees_their_part(callers, admin):
    maker, reader = await callers.robot("Maker", "maker"), await callers.robot("Reader", "reader")
    mine, theirs = await make(maker, margin="1.50"), await make(admin, margin="2.50")
    assert [r["id"] for r in (await maker.get("/api/machine")).json()["records"]] == [mine["id"]]
    assert (await maker.get(f"/api/machine/{theirs['id']}")).status_code == 404
    seen = (await reader.get(f"/api/machine/{theirs['id']}")).json()
    assert "margin" not in seen
    for path in (f"/api/machine/{mine['id']}",):
        assert (await reader.patch(path, json={"name": "x"}, headers={"if-match": "*"})).status_code == 403
        assert (await reader.delete(path, headers={"if-match": "*"})).status_code == 403
    history = (await reader.get(f"/api/machine/{mine['id']}/history")).json()["changes"]
    assert "margin" not in history[0]["after"]


async def test_search_looks_everywhere_one_may_read(callers, admin):
    maker = await callers.robot("Maker", "maker")
    await make(admin, name="Turbo One")
    await make(maker, name="Turbo Two")
    await admin.post("/api/secret_plan", json={"name": "Turbo Plan"})
    found = (await admin.get("/api/search", params={"q": "turbo"})).json()["results"]
    assert {r["entity"]: len(r["records"]) for r in found} == {"machine": 2, "secret_plan": 1}
    mine = (await maker.get("/api/search", params={"q": "turbo"})).json()["results"]
    assert [(r["entity"], [x["label"] for x in r["records"]]) for r in mine] == [("machine", ["Turbo Two"])]
    assert (await maker.get("/api/search", params={"q": "t"})).status_code == 400


async def test_what_there_is_not(admin):
    for path in (f"/api/machine/{uuid4()}", "/api/machine/not-an-id", "/api/nothing", f"/api/nothing/{uuid4()}"):
        answer = await admin.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path


async def test_changes_of_different_fields_are_merged(admin):
    made = (await admin.post("/api/machine", json={"name": "Lathe", "place": "Ost", "power": 1})).json()
    path = f"/api/machine/{made['id']}"
    await admin.patch(path, json={"place": "West"}, headers={"if-match": '"1"'})
    merged = await admin.patch(path, json={"power": 9, "name": "Lathe"}, headers={"if-match": '"1"'})
    assert (merged.status_code, merged.headers["etag"], merged.json()["_merged"]) == (200, '"3"', ["place"])
    assert [merged.json()[n] for n in ("name", "place", "power")] == ["Lathe", "West", 9]
    same = await admin.patch(path, json={"place": "West", "kind": "mill"}, headers={"if-match": '"1"'})
    assert (same.status_code, same.json()["kind"]) == (200, "mill")
    both = {"place": "Nord", "name": "Mill"}
    refused = await admin.patch(path, json=both, headers={"if-match": '"1"'})
    assert (refused.status_code, refused.json()["version"]) == (412, 4)
    (conflict,) = refused.json()["conflicts"]
    assert [conflict[n] for n in ("field", "base", "theirs", "yours")] == ["place", "Ost", "West", "Nord"]
    assert conflict["by"]["actor"]["label"] == "Admin"
    assert [issue["path"] for issue in refused.json()["issues"]] == ["place"]
    assert (await admin.get(path)).json()["name"] == "Lathe"
    await admin.patch(path, json={"place": "Ost"}, headers={"if-match": "*"})
    back = await admin.patch(path, json={"place": "Nord"}, headers={"if-match": '"1"'})
    assert (back.status_code, back.json()["place"]) == (200, "Nord")  # changed and changed back is no conflict


async def test_a_conflict_tells_nothing_that_may_not_be_read(callers, admin):
    maker = await callers.robot("Maker2", "designer")
    made = (await admin.post("/api/machine", json={"name": "Lathe", "margin": "1"})).json()
    path = f"/api/machine/{made['id']}"
    await admin.patch(path, json={"margin": "2", "place": "x"}, headers={"if-match": '"1"'})
    clerk = await callers.robot("Reader2", "reader")
    assert (await clerk.patch(path, json={"name": "B"}, headers={"if-match": '"1"'})).status_code == 403
    ok = await maker.patch(path, json={"name": "B"}, headers={"if-match": '"1"'})
    assert set(ok.json()["_merged"]) == {"margin", "place"}


async def test_a_record_is_made_of_another(callers, admin):
    first = (await admin.post("/api/machine", json={"name": "Part"})).json()
    values = {"name": "Lathe", "serial": "S1", "price": {"amount": "5.00", "currency": "EUR"}, "margin": "2"}
    values |= {"part_of": first["id"], "tags": ["a"], "details": {"x": 1}, "place": "Ost", "kind": "mill"}
    made = (await admin.post("/api/machine", json=values)).json()
    path = f"/api/machine/{made['id']}"
    await admin.post(f"{path}/actions/start", json={})
    answer = await admin.post(f"{path}/clone", json={"name": "Copy"})
    assert answer.status_code == 201, answer.text
    copy = answer.json()
    same = ("price", "margin", "part_of", "tags", "details", "place", "kind")
    assert {n: copy[n] for n in same} == {n: made[n] for n in same}
    assert [copy[n] for n in ("name", "serial", "state", "number", "version")] == ["Copy", None, "new", "M-0003", 1]
    assert copy["id"] != made["id"]
    designer = await callers.robot("Designer", "designer")
    theirs = await designer.post(f"{path}/clone")
    assert (theirs.status_code, theirs.json()["owner"]) == (201, {"_restricted": True})
    reader = await callers.robot("Reader", "reader")
    assert (await reader.post(f"{path}/clone")).status_code == 404
    maker = await callers.robot("Maker", "maker")
    assert (await maker.post(f"{path}/clone")).status_code == 404  # not theirs
    assert (await admin.post(f"{path}/clone", json={"nothing": 1})).status_code == 422
