"""The model over HTTP."""

from __future__ import annotations

import pytest

from tests.api.conftest import FILES, digest
from xrm.kernel.change import SYSTEM
from xrm.kernel.computed import background
from xrm.kernel.migration.apply import Progress
from xrm.metadata.model import Source

TOOL = """# tools, as the studio writes them
entity: tool
fields:
  name: {type: text, required: true}
  machine: {type: relation, to: machine}
"""
CAR, CAR_TEXT = "entities/car.yaml", "entity: car\nfields: {name: text}\n"


@pytest.fixture
async def admin(callers):
    return await callers.robot("Admin", "admin")


async def test_one_sees_what_one_may_read(callers, admin):
    full = (await admin.get("/api/model")).json()
    assert {"machine", "secret_plan", "user"} <= {e["name"] for e in full["entities"]}
    assert {r["name"] for r in full["roles"]} >= {"admin", "maker"}
    assert {s["file"] for s in full["sources"]} >= {"entities/machine.yaml"}
    assert full["layers"][-1] == "site"
    reader = await callers.robot("Reader", "reader")
    part = (await reader.get("/api/model")).json()
    assert [e["name"] for e in part["entities"]] == ["machine"]
    assert not {"roles", "sources", "layers", "traits"} & set(part)
    fields = {f["name"]: f for f in part["entities"][0]["fields"]}
    assert "margin" not in fields
    assert "formula" not in fields["double"]
    assert fields["owner"]["to"] == []  # users are not theirs to read
    assert not any(f["create"] or f["update"] for f in fields.values())
    assert "secret_plan" not in str(part)


async def test_a_model_at_hand_is_not_sent_again(admin):
    first = await admin.get("/api/model")
    again = await admin.get("/api/model", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_check_says_what_is_wrong_and_where(admin):
    good = await admin.post("/api/model/check", json={"files": {"entities/tool.yaml": TOOL}})
    assert good.json() == {"valid": True, "issues": []}
    bad = await admin.post(
        "/api/model/check", json={"files": {"entities/tool.yaml": TOOL.replace("machine}", "machin}")}}
    )
    (issue,) = bad.json()["issues"]
    assert not bad.json()["valid"]
    assert issue["path"].startswith("entities/tool.yaml:5:")
    assert "machine" in issue["hint"]


async def test_a_plan_is_shown_and_nothing_happens(callers, admin):
    before = await digest(callers.site)
    answer = await admin.post("/api/model/plan", json={"files": {"entities/tool.yaml": TOOL}})
    plan = answer.json()
    assert plan["steps"][0]["severity"] == "safe"
    assert plan["diffs"]["entities/tool.yaml"].count("\n+") == 6
    assert not plan["empty"]
    assert await digest(callers.site) == before
    assert not (callers.site.kernel.settings.folder / "entities/tool.yaml").exists()
    wrong = await admin.post("/api/model/plan", json={"files": {"entities/tool.yaml": "entity: tool\nfeilds: {}\n"}})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "model_invalid")


async def test_apply_puts_it_in_force_and_then_writes_the_files(callers, admin):
    files = {"entities/tool.yaml": TOOL}
    plan = (await admin.post("/api/model/plan", json={"files": files})).json()
    answer = await admin.post("/api/model/apply", json={"files": files, "hash": plan["hash"]})
    done = answer.json()
    assert (answer.status_code, done["generation"], done["written"], done["issues"]) == (
        200,
        2,
        ["entities/tool.yaml"],
        [],
    )
    folder = callers.site.kernel.settings.folder
    assert (folder / "entities/tool.yaml").read_text() == TOOL
    assert not list(folder.rglob("*.tmp"))
    assert (await admin.post("/api/tool", json={"name": "Hammer"})).status_code == 201
    history = (await admin.get("/api/model/history")).json()["generations"]
    assert [(g["generation"], g["actor"]["label"]) for g in history] == [(2, "Admin"), (1, "System")]
    stale = await admin.post("/api/model/apply", json={"files": {CAR: CAR_TEXT}, "hash": plan["hash"]})
    assert stale.status_code == 409
    assert not (folder / CAR).exists()


async def test_values_are_lost_with_consent_only(callers, admin):
    await admin.post("/api/machine", json={"name": "Lathe", "place": "Ost"})
    files = {
        "entities/machine.yaml": FILES["entities/machine.yaml"]
        .replace("  place: text\n", "  place: {type: text, removed: true}\n")
        .replace("search: [name, place]", "search: [name]")
        .replace(", ask: [place]", "")
    }
    refused = await admin.post("/api/model/apply", json={"files": files})
    assert refused.status_code == 409
    steps = refused.json()["steps"]
    folder = callers.site.kernel.settings.folder
    assert "removed" not in (folder / "entities/machine.yaml").read_text()
    done = await admin.post("/api/model/apply", json={"files": files, "consent": steps})
    assert done.status_code == 200, done.text
    assert "removed" in (folder / "entities/machine.yaml").read_text()


async def test_an_empty_text_deletes_the_file(callers, admin):
    await admin.post(
        "/api/model/apply", json={"files": {"entities/sub/note.yaml": "trait: noted\nfields: {note: text}\n"}}
    )
    path = callers.site.kernel.settings.folder / "entities/sub/note.yaml"
    assert path.exists()
    done = await admin.post("/api/model/apply", json={"files": {"entities/sub/note.yaml": ""}})
    assert done.status_code == 200
    assert not path.exists()


async def test_a_disk_that_does_not_take_the_files_is_told(callers, admin, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("xrm.api.files.os.fsync", full)
    done = (await admin.post("/api/model/apply", json={"files": {CAR: CAR_TEXT}})).json()
    assert (done["written"], [i["code"] for i in done["issues"]]) == ([], ["not_written"])
    monkeypatch.undo()
    assert not list(callers.site.kernel.settings.folder.rglob("*.tmp"))
    assert (await admin.get("/api/car")).status_code == 200


@pytest.mark.parametrize(
    "name",
    [
        "../evil.yaml",
        "entities/../xrm.yaml",
        "/etc/evil.yaml",
        "entities/a.yml",
        "entities/.hidden.yaml",
        "xrm.yaml",
        "entities//a.yaml",
        "entities/a\x00.yaml",
        "entities/a b.yaml",
        "entities/x.yaml/../../y.yaml",
        "Entities/a.yaml",
        "entities/link/a.yaml",
        "plugins/p/entities/a.yaml",
        "entities/a.yaml\n",
    ],
)
async def test_only_definition_files_of_the_site_are_written(lite_callers, name):
    admin = await lite_callers.robot("Admin", "admin")
    folder = lite_callers.site.kernel.settings.folder
    outside = folder.parent / f"{folder.name}-outside"
    outside.mkdir()
    (folder / "entities/link").symlink_to(outside, target_is_directory=True)
    before = sorted(p.name for p in folder.parent.rglob("*.yaml"))
    for verb in ("check", "plan", "apply"):
        answer = await admin.post(f"/api/model/{verb}", json={"files": {name: "entity: car\n"}})
        assert (answer.status_code, answer.json()["issues"][0]["code"]) == (422, "bad_file_name")
    assert sorted(p.name for p in folder.parent.rglob("*.yaml")) == before


async def test_rights_are_needed_and_roles_are_the_administrators(lite_callers):
    maker = await lite_callers.robot("Maker", "maker")
    for verb in ("check", "plan", "apply"):
        assert (await maker.post(f"/api/model/{verb}", json={"files": {}})).status_code == 403
    assert (await maker.get("/api/model/history")).status_code == 403
    designer = await lite_callers.robot("Designer", "designer")
    before = await digest(lite_callers.site)
    more = "  - {entity: '*', actions: ['*']}\ncapabilities: ['*']\n"
    for files in (
        {"entities/roles.yaml": FILES["entities/roles.yaml"].replace("capabilities: [model.read, model.edit]\n", more)},
        {"entities/new.yaml": "role: boss\ncapabilities: ['*']\n"},
    ):
        refused = await designer.post("/api/model/apply", json={"files": files})
        assert (refused.status_code, refused.json()["issues"][0]["code"]) == (403, "role_changed"), refused.text
    assert await digest(lite_callers.site) == before
    good = await designer.post("/api/model/apply", json={"files": {"entities/tool.yaml": TOOL}})
    assert good.status_code == 200


async def test_an_expression_is_explained(callers, admin):
    made = (await admin.post("/api/machine", json={"name": "Lathe", "power": 6, "margin": "1.5"})).json()
    ask = {"entity": "machine", "expression": "power * 2 > 10 && margin != null", "id": made["id"]}
    found = (await admin.post("/api/model/expression", json=ask)).json()
    assert (found["type"], found["tree"]["text"], found["tree"]["value"]) == ("a condition", "&&", True)
    product = found["tree"]["parts"][0]["parts"][0]
    assert (product["text"], product["type"], product["value"]) == ("*", "a whole number", 12)
    assert [part["value"] for part in product["parts"]] == [6, 2]
    assert "power" in found["sql"]
    plain = (await admin.post("/api/model/expression", json={**ask, "id": ""})).json()
    assert "value" not in plain["tree"]


async def test_an_explanation_tells_no_more_than_one_may_read(callers, admin):
    made = (await admin.post("/api/machine", json={"name": "Lathe", "power": 6, "margin": "1.5"})).json()
    reader = await callers.robot("Reader", "reader")
    ask = {"entity": "machine", "expression": "power > 1", "id": made["id"]}
    found = (await reader.post("/api/model/expression", json=ask)).json()
    assert found["tree"]["value"] is True
    assert "sql" not in found
    hidden = await reader.post("/api/model/expression", json={**ask, "expression": "margin > 1"})
    nothing = await reader.post("/api/model/expression", json={**ask, "expression": "margim > 1"})
    assert (hidden.status_code, nothing.status_code) == (400, 400)
    assert hidden.json()["issues"][0]["code"] == nothing.json()["issues"][0]["code"] == "expression_unknown_field"
    for wrong in ({"id": "x"}, {"entity": "secret_plan"}, {"expression": ""}, {"id": made["id"][:-4] + "ffff"}):
        assert (await reader.post("/api/model/expression", json={**ask, **wrong})).status_code in (400, 404, 422)


async def test_an_error_points_at_its_place(admin):
    ask = {"entity": "machine", "expression": "power >\n  poower"}
    bad = (await admin.post("/api/model/expression", json=ask)).json()
    assert bad["detail"].splitlines() == ["2:3: unknown field 'poower' (did you mean 'power'?)", "    poower", "    ^"]


async def test_it_says_who_set_what(callers, admin):
    answer = await admin.get("/api/model/explain?path=machine.name")
    (required,) = [row for row in answer.json()["properties"] if row["property"] == "required"]
    assert (required["value"], required["layer"], required["file"], required["line"]) == (
        True, "site", "entities/machine.yaml", 8,
    )  # fmt: skip
    assert (await admin.get("/api/model/explain?path=machine.nme")).status_code == 404
    assert (await admin.get("/api/model/explain")).status_code == 400
    reader = await callers.robot("Reader", "reader")
    assert (await reader.get("/api/model/explain?path=machine.name")).status_code == 403


async def test_progress_tells_the_step_and_what_waits(callers, admin, monkeypatch):
    assert (await admin.get("/api/model/progress")).json() == {"applying": None, "waiting": []}
    kernel = callers.site.kernel
    kernel.progress = Progress(2, 5, "ALTER TABLE …", 1000, 4000)
    await background.enqueue(kernel.store, kernel.live, "machine", kernel.clock())
    told = (await admin.get("/api/model/progress")).json()
    assert told["applying"] == {"step": 2, "steps": 5, "rows": 1000, "of": 4000}
    assert [(w["title"], w["entity"], w["state"]) for w in told["waiting"]] == [
        ("Compute values anew", "machine", "waiting")
    ]
    reader = await callers.robot("Reader", "reader")
    assert (await reader.get("/api/model/progress")).status_code == 403


async def test_progress_is_over_when_the_change_is(callers, admin):
    heard = []
    kernel = callers.site.kernel
    sources = (*kernel.sources(), Source("site", CAR, CAR_TEXT))
    await kernel.apply(SYSTEM, sources, tell=lambda now: heard.append(kernel.progress == now))
    assert heard
    assert all(heard)
    assert kernel.progress is None
