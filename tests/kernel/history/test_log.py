"""What an act leaves in the log, and databases that were made before it held as much."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from xrm.errors import Invalid, Unavailable
from xrm.kernel.acts import Why
from xrm.kernel.kernel import Kernel
from xrm.kernel.store.schema import ColumnType
from xrm.testing import TestSite, make_site

FILES = {
    "entities/order.yaml": """
entity: order
label: "{name}"
fields:
  name: {type: text, required: true}
  place: {type: text, default: Ost}
  lines: {type: integer, max: 2000}
  size: {type: integer, formula: "lines * 2"}
""",
    "entities/line.yaml": """
entity: line
fields:
  order: {type: relation, to: order, required: true}
""",
    "entities/roles.yaml": """
role: rep
grants: [{entity: order, actions: [read, create, update, delete, restore]}]
""",
    "plugins/lines/plugin.yaml": "plugin: lines\n",
    "plugins/lines/__init__.py": """
import xrm


async def add_lines(context, change):
    for _ in range((change.after.get("lines") or 0) if change.kind == "create" else 0):
        await context.system.create("line", {"order": str(change.id)})


@xrm.hookimpl
def handlers(registry):
    registry.after_write("order", add_lines)
""",
}


@pytest.fixture
async def site(tmp_path: Path, database_url: str) -> AsyncIterator[TestSite]:
    async with make_site(tmp_path, database_url, FILES) as made:
        await made.person("Rep", "rep")
        yield made


async def rows(site: TestSite, table: str, *names: str, where: str = "") -> list[tuple[Any, ...]]:
    listed = ", ".join(f'"{name}"' for name in names)
    order = ' ORDER BY "number"' if table == "xrm_change" else ' ORDER BY "at"'
    found = await site.kernel.store.fetch_named(f'SELECT {listed} FROM "{table}"{where}{order}')
    return [tuple(_read(row[name]) for name in names) for row in found]


def _read(cell: Any) -> Any:
    return json.loads(cell) if isinstance(cell, str) and cell.startswith(("{", "[")) else cell


async def test_an_act_tells_who_for_whom_why_and_from_what(site: TestSite) -> None:
    boss, run = uuid4(), uuid4()
    actor = replace(site.people["Rep"], source="ai", behalf=boss, behalf_name="Boss")
    async with site.records.act(actor, why=Why("asked", "k1", "assistant", run)), site.records.part(actor, "turn 3"):
        made = await site.records.create(actor, "order", {"name": "A"})
    names = ("actor_name", "actor_kind", "source", "reason", "idempotency_key", "origin", "behalf_name", "generation")
    assert await rows(site, "xrm_changeset", *names, where=" WHERE \"source\" = 'ai'") == [
        ("Rep", "person", "ai", "asked", "k1", "assistant", "Boss", 1)
    ]
    ((on_behalf, of_run),) = await rows(site, "xrm_changeset", "behalf", "run", where=" WHERE \"source\" = 'ai'")
    assert (UUID(str(on_behalf)), UUID(str(of_run))) == (boss, run)
    shown = ("origin", "after", "derived", "source")
    assert await rows(site, "xrm_change", *shown, where=f" WHERE \"record\" = '{made['id']}'") == [
        ("turn 3", {"name": "A", "place": "Ost"}, ["place"], None)
    ]


async def test_work_of_the_system_inside_an_act_is_told_in_order(site: TestSite) -> None:
    rep = site.people["Rep"]
    await site.records.create(rep, "order", {"name": "A", "lines": 600})
    where = " WHERE \"entity\" IN ('order', 'line')"
    found = await rows(site, "xrm_change", "number", "entity", "actor_name", "source", where=where)
    assert found[0] == (0, "order", None, None)
    assert found[1:] == [(number, "line", "System", "system") for number in range(1, 601)]
    assert len(await rows(site, "xrm_changeset", "id", where=" WHERE \"actor_name\" = 'Rep'")) == 1


async def test_a_part_that_failed_leaves_no_trace_also_in_a_large_act(site: TestSite) -> None:
    rep = site.people["Rep"]
    async with site.records.act(rep):
        await site.records.create_many(rep, "order", [{"name": str(n)} for n in range(501)])
        with pytest.raises(Invalid):
            await _fail(site)
        await site.records.create(rep, "order", {"name": "last"})
    found = await rows(site, "xrm_change", "number", "after", where=" WHERE \"entity\" = 'order'")
    assert [(number, after["name"]) for number, after in found] == [
        *((n, str(n)) for n in range(501)),
        (501, "last"),
    ]


async def _fail(site: TestSite) -> None:
    rep = site.people["Rep"]
    async with site.records.attempt(rep):
        await site.records.create_many(rep, "order", [{"name": "gone"}] * 600)
        await site.records.create(rep, "order", {"name": ""})


async def test_an_act_that_changed_nothing_leaves_no_row(site: TestSite) -> None:
    rep = site.people["Rep"]
    made = await site.records.create(rep, "order", {"name": "A"})
    before = len(await rows(site, "xrm_changeset", "id"))
    await site.records.update(rep, "order", UUID(made["id"]), {"name": "A"})
    assert len(await rows(site, "xrm_changeset", "id")) == before


async def test_a_database_of_an_earlier_version_asks_for_apply_and_keeps_its_log(site: TestSite) -> None:
    rep = site.people["Rep"]
    made = await site.records.create(rep, "order", {"name": "A"})
    await _make_older(site)
    kernel = await Kernel.open(site.kernel.settings)
    try:
        with pytest.raises(Unavailable, match="xrm apply"):
            await kernel.records.history(rep, "order", UUID(made["id"]))
        assert kernel.lacking == ("xrm_changeset", "xrm_change")
        await kernel.apply(rep, kernel.sources())
        await kernel.records.update(rep, "order", UUID(made["id"]), {"name": "B"})
        told = await kernel.records.history(rep, "order", UUID(made["id"]))
        assert [change["after"]["name"] for change in told] == ["B", "A"]
    finally:
        await kernel.close()


async def _make_older(site: TestSite) -> None:
    """Take away what an earlier version did not have, from the tables and from the journal."""
    gone = {
        "xrm_changeset": ("actor_kind", "behalf", "behalf_name", "origin", "run", "undoes", "place", "seq", "hash"),
        "xrm_change": ("number", "actor_name", "source", "origin", "derived"),
    }
    store = site.kernel.store
    ((stored,),) = await store.fetch('SELECT "schema" FROM "xrm_journal"')
    schema = json.loads(stored)
    for table, names in gone.items():
        shape = schema[table]
        for index in [i for i in shape["indexes"] if set(i["columns"]) & set(names)]:
            shape["indexes"].remove(index)
            await store.execute(f'DROP INDEX "{table}_{index["id"]}"')
        for name in names:
            await store.execute(f'ALTER TABLE "{table}" DROP COLUMN "{name}"')
        shape["columns"] = [c for c in shape["columns"] if c["name"] not in names]
    mark = store.dialect.placeholder(1, ColumnType("json"))
    await store.execute(f'UPDATE "xrm_journal" SET "schema" = {mark}', [json.dumps(schema)])
