"""Packages over HTTP: a plan and files to apply, for whoever may edit the model; roles for administrators only."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.api.conftest import digest
from tests.builtin.packages.test_archive import HOSTILE
from xrm.builtin.packages.archive import pack
from xrm.builtin.packages.manifest import Needs, Package

TOOL = "entity: tool\nfields: {name: text}\n"
EDITOR = "role: modeller\ntitle: Modeller\ncapabilities: [model.edit, model.read]\n"


def package(files: dict[str, str]) -> dict[str, Any]:
    return {"import": base64.b64encode(pack(Package("tools", "Tools", "1.0", Needs(), files).written())).decode()}


@pytest.fixture
async def admin(callers):
    return await callers.robot("Admin", "admin")


async def test_a_package_is_planned_and_applied(callers, admin):
    before = await digest(callers.site)
    answer = (await admin.post("/api/model/package", json=package({"entities/tool.yaml": TOOL}))).json()
    assert answer["plan"]["steps"][0]["description"] == "Create tool."
    assert answer["files"] == {"entities/tool.yaml": TOOL}
    assert await digest(callers.site) == before
    done = await admin.post("/api/model/apply", json={"files": answer["files"], "hash": answer["plan"]["hash"]})
    assert done.json()["written"] == ["entities/tool.yaml"]
    out = (await admin.post("/api/model/package", json={"export": {"entities": ["tool"]}})).json()
    assert out["coverage"]["exported"] == [{"file": "entities/tool.yaml", "kind": "entity", "name": "tool"}]
    again = (await admin.post("/api/model/package", json={"import": out["package"]})).json()
    assert (again["new"], again["unchanged"]) == ([], ["entities/tool.yaml"])


async def test_nobody_brings_roles_they_do_not_hold(callers, admin):
    await callers.site.apply({"entities/modeller.yaml": EDITOR})
    modeller = await callers.robot("Modeller", "modeller")
    before = callers.site.kernel.live.generation
    assert (await modeller.post("/api/model/package", json=package({"entities/tool.yaml": TOOL}))).status_code == 200
    role = package({"entities/r.yaml": "role: modeller2\ngrants: [{entity: machine, actions: [read]}]\n"})
    refused = await modeller.post("/api/model/package", json=role)
    assert (refused.status_code, refused.json()["issues"][0]["code"]) == (403, "role_changed")
    assert (await admin.post("/api/model/package", json=role)).status_code == 200
    reader = await callers.robot("Reader", "reader")
    for body in (role, {"export": {}}):
        assert (await reader.post("/api/model/package", json=body)).status_code == 403
    assert callers.site.kernel.live.generation == before
    assert not (callers.site.kernel.settings.folder / "entities/r.yaml").exists()


@pytest.mark.parametrize("name", [name for name in HOSTILE if name != "large"])
async def test_hostile_packages_change_nothing(callers, admin, name):
    before = await digest(callers.site)
    content = base64.b64encode(HOSTILE[name][0]()).decode()
    answer = await admin.post("/api/model/package", json={"import": content})
    assert answer.status_code == 422
    assert HOSTILE[name][1] in {issue["code"] for issue in answer.json()["issues"]}
    assert await digest(callers.site) == before


@pytest.mark.parametrize("body", [
    {}, {"import": "%%%"}, {"import": 1}, {"import": "", "export": {}}, {"export": {"file": "x"}}, {"export": []},
])  # fmt: skip
async def test_bodies_that_cannot_be_read(admin, body):
    assert (await admin.post("/api/model/package", json=body)).status_code == 400


async def test_what_does_not_fit_is_told(admin):
    for files, code in (
        ({"entities/machine.yaml": "entity: other\nfields: {}\n"}, "file_exists"),
        ({"entities/m.yaml": "entity: machine\nfields: {}\n"}, "duplicate_definition"),
        ({"plugins/p/plugin.yaml": "plugin: p\n", "plugins/p/entities/a.yaml": "entity: a\nfields: {}\n"},
         "plugin_by_http"),
    ):  # fmt: skip
        answer = await admin.post("/api/model/package", json=package(files))
        assert answer.status_code == 422
        assert code in {issue["code"] for issue in answer.json()["issues"]}
    asked = await admin.post("/api/model/package", json={"export": {"name": "a\nb: c"}})
    assert asked.json()["issues"][0]["code"] == "bad_name"
