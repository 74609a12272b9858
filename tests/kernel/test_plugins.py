"""Plugins join at named moments; a broken one is reported and left out whole."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest

from xrm.errors import Conflict, Forbidden, Invalid, NotFound
from xrm.kernel.kernel import BUILTIN
from xrm.testing import make_site

MACHINE = """
entity: machine
label: "{name}"
fields: {name: {type: text, required: true}, size: integer, note: text}
"""
ROLES = """
role: worker
grants:
  - {entity: [machine, note], actions: [read, create, update]}
---
role: chief
grants:
  - {entity: "*", actions: ["*"]}
---
entity: note
label: "{text}"
fields: {text: text, machine: {type: relation, to: machine, inverse: notes}}
"""
CODE = """
import xrm


async def double(context, change):
    if change.changes("size") and change.after.get("size"):
        change.set("note", f"twice {change.after['size'] * 2}")
    if change.after.get("name") == "forbidden":
        raise xrm.Invalid(issues=[xrm.Issue("name", "bad_name", "Not this name.")])


async def tell(context, change):
    if change.kind == "create":
        await context.records.create("note", {"text": f"made {change.after['name']}", "machine": str(change.id)})


async def grow(context, record, values):
    await context.records.update("machine", record["id"], {"size": (record["size"] or 0) + values["by"]})


@xrm.hookimpl
def handlers(registry):
    registry.before_write("machine", double)
    registry.after_write("machine", tell)


@xrm.hookimpl
def actions():
    by = xrm.Field("by", "integer", "By", required=True, min=1)
    return [xrm.Action("machine", "grow", "Grow", grow, (by,), when="size != 99")]
"""


def plugin(name: str, code: str = "", requires: str = "[]") -> dict[str, str]:
    files = {f"plugins/{name}/plugin.yaml": f"plugin: {name}\nrequires: {requires}\n"}
    return files | ({f"plugins/{name}/__init__.py": code} if code else {})


OURS = [path.parent.name for path in BUILTIN.glob("*/plugin.yaml")]
FILES = {"entities/roles.yaml": ROLES, "plugins/shop/entities/machine.yaml": MACHINE, **plugin("shop", CODE)}


async def test_hooks_set_refuse_and_add_in_the_same_change_set(tmp_path: Path, database_url: str) -> None:
    async with make_site(tmp_path, database_url, FILES) as site:
        worker = await site.person("W", "worker")
        made = await site.records.create(worker, "machine", {"name": "Lathe", "size": 4})
        assert made["note"] == "twice 8"
        note = await site.system.find("note", "text == 'made Lathe'")
        assert note is not None
        machine_change = (await site.records.history(worker, "machine", UUID(made["id"])))[0]
        note_change = (await site.records.history(worker, "note", UUID(note["id"])))[0]
        assert machine_change["changeset"] == note_change["changeset"]
        with pytest.raises(Invalid, match="Not this name"):
            await site.records.create(worker, "machine", {"name": "forbidden"})
        assert (await site.system.count("machine")).value == 1


async def test_actions_need_their_right_their_values_and_their_condition(tmp_path: Path, database_url: str) -> None:
    async with make_site(tmp_path, database_url, FILES) as site:
        worker, chief = await site.person("W", "worker"), await site.person("C", "chief")
        machine = UUID((await site.system.create("machine", {"name": "Lathe", "size": 1}))["id"])
        assert (await site.records.run(chief, "machine", machine, "grow", {"by": 98}))["size"] == 99
        with pytest.raises(Conflict):
            await site.records.run(chief, "machine", machine, "grow", {"by": 1})
        await site.records.update(chief, "machine", machine, {"size": 1})
        with pytest.raises(Invalid) as caught:
            await site.records.run(chief, "machine", machine, "grow", {"by": 0, "other": 1})
        assert {i.code for i in caught.value.issues} == {"too_small", "unknown_field"}
        with pytest.raises(Forbidden):
            await site.records.run(worker, "machine", machine, "grow", {"by": 1})
        with pytest.raises(NotFound):
            await site.records.run(chief, "machine", machine, "shrink", {})


async def test_a_hook_that_writes_itself_for_ever_is_stopped(tmp_path: Path, database_url: str) -> None:
    endless = """
import xrm


async def again(context, change):
    await context.records.create("machine", {"name": "n"})


@xrm.hookimpl
def handlers(registry):
    registry.after_write("machine", again)
"""
    async with make_site(tmp_path, database_url, {**FILES, **plugin("shop", endless)}) as site:
        with pytest.raises(Conflict, match="without end"):
            await site.system.create("machine", {"name": "first"})
        assert (await site.system.count("machine")).value == 0


@pytest.mark.parametrize(
    ("files", "code"),
    [
        (plugin("bad", "import xrm\nraise RuntimeError('broken')\n"), "plugin_broken"),
        (plugin("bad", "import xrm\n\n\n@xrm.hookimpl\ndef no_such_hook():\n    pass\n"), "plugin_broken"),
        (plugin("bad", "syntax error here"), "plugin_broken"),
        (plugin("bad", "", "[missing]"), "plugin_requires"),
        ({**plugin("bad", "", "[worse]"), **plugin("worse", "", "[bad]")}, "plugin_cycle"),
        ({"plugins/bad/plugin.yaml": "plugin: other\n"}, "plugin_unnamed"),
        ({"plugins/bad/plugin.yaml": "plugin: [unclosed\n"}, "plugin_unreadable"),
    ],
)
async def test_a_broken_plugin_is_reported_and_the_others_run(tmp_path: Path, files: dict[str, str], code: str) -> None:
    async with make_site(tmp_path, f"sqlite:///{tmp_path}/x.db", {**FILES, **files}) as site:
        assert code in {issue.code for issue in site.kernel.plugins.issues}
        assert sorted(m.name for m in site.kernel.plugins.manifests) == sorted([*OURS, "shop"])
        assert await site.system.create("machine", {"name": "Lathe"})
