"""The model's past over HTTP: the way back, what is kept, the purge."""

from __future__ import annotations

import pytest

from tests.api.conftest import FILES

MACHINE = "entities/machine.yaml"
GONE = (
    FILES[MACHINE]
    .replace("  place: text\n", "  place: {type: text, removed: true}\n")
    .replace("search: [name, place]", "search: [name]")
    .replace(", ask: [place]", "")
)


@pytest.fixture
async def admin(callers):
    return await callers.robot("Admin", "admin")


async def drop_place(admin) -> None:
    made = await admin.post("/api/machine", json={"name": "Lathe", "place": "Ost"})
    assert made.status_code == 201
    steps = (await admin.post("/api/model/apply", json={"files": {MACHINE: GONE}})).json()["steps"]
    done = await admin.post("/api/model/apply", json={"files": {MACHINE: GONE}, "consent": steps})
    assert done.status_code == 200


async def test_a_rollback_is_shown_and_done_and_writes_the_files(callers, admin):
    await drop_place(admin)
    plan = (await admin.post("/api/model/rollback", json={"generation": 1, "dry_run": True})).json()
    assert [(s["kind"], s["field"], s["affected"]) for s in plan["steps"]] == [("restore_field", "place", 1)]
    assert "+  place: text" in plan["diffs"][MACHINE]
    done = await admin.post("/api/model/rollback", json={"generation": 1, "hash": plan["hash"]})
    assert done.status_code == 200, done.text
    assert (done.json()["generation"], done.json()["written"]) == (3, [MACHINE])
    assert (callers.site.kernel.settings.folder / MACHINE).read_text() == FILES[MACHINE]
    records = (await admin.get("/api/machine?fields=name,place")).json()["records"]
    assert [(r["name"], r["place"]) for r in records] == [("Lathe", "Ost")]
    one = (await admin.get("/api/model/history/3")).json()
    assert (one["actor"]["label"], one["steps"][0]["kind"]) == ("Admin", "restore_field")
    assert FILES[MACHINE] in [s["text"] for s in one["sources"]]
    again = await admin.post("/api/model/rollback", json={"generation": 1, "hash": plan["hash"]})
    assert again.status_code == 409


async def test_what_would_be_lost_now_needs_consent(admin):
    await admin.post("/api/model/apply", json={"files": {"entities/tool.yaml": "entity: tool\nfields: {name: text}\n"}})
    refused = await admin.post("/api/model/rollback", json={"generation": 1})
    assert refused.status_code == 409
    steps = refused.json()["steps"]
    done = await admin.post("/api/model/rollback", json={"generation": 1, "consent": steps})
    assert (done.status_code, done.json()["generation"]) == (200, 3)
    assert (await admin.get("/api/tool")).status_code == 404


async def test_kept_values_are_listed_and_purged(admin):
    await drop_place(admin)
    kept = (await admin.get("/api/model/kept")).json()["kept"]
    assert [(k["generation"], k["entity"], k["field"], k["count"]) for k in kept] == [(2, "machine", "place", 1)]
    shown = (await admin.post("/api/model/purge", json={"dry_run": True})).json()
    assert shown == {"purged": kept, "dry_run": True}
    assert (await admin.post("/api/model/purge", json={"older_than": 1})).json()["purged"] == []
    assert (await admin.post("/api/model/purge", json={"generation": 2})).json()["purged"] == kept
    assert (await admin.get("/api/model/kept")).json()["kept"] == []
    plan = (await admin.post("/api/model/rollback", json={"generation": 1, "dry_run": True})).json()
    assert "its 1 values were purged" in plan["steps"][0]["description"]


@pytest.mark.parametrize("number", ["0", "99", "-1", "x", "9" * 30, "%00"])
async def test_no_such_generation(admin, number):
    assert (await admin.get(f"/api/model/history/{number}")).status_code in (400, 404)


@pytest.mark.parametrize(
    ("path", "sent", "status"),
    [
        ("rollback", {}, 400),
        ("rollback", {"generation": "1"}, 400),
        ("rollback", {"generation": -1}, 404),
        ("rollback", {"generation": 2**80}, 404),
        ("purge", {"generation": 2**80}, 422),
        ("purge", {"older_than": 2**40}, 422),
        ("purge", {"what": 1}, 400),
    ],
)
async def test_a_bad_request_is_told(admin, path, sent, status):
    assert (await admin.post(f"/api/model/{path}", json=sent)).status_code == status


async def test_only_who_may_edit_the_model_goes_back(callers):
    maker = await callers.robot("Maker", "maker")
    for path in ("rollback", "purge"):
        assert (await maker.post(f"/api/model/{path}", json={"generation": 1})).status_code == 403
    for path in ("kept", "history/1"):
        assert (await maker.get(f"/api/model/{path}")).status_code == 403
