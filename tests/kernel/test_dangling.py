"""No pointer to a record that is gone: many at once, of every rule, on both databases; and what finds others'."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from xrm.errors import Conflict, Invalid, NotFound, Unavailable
from xrm.kernel.change import SYSTEM
from xrm.kernel.dangling import TEXT, UUID_TYPE, dangling
from xrm.testing import TestSite, make_site

ROUNDS = 15
FILES = {
    "entities/all.yaml": """
entity: target
label: "{name}"
fields: {name: text, above: {type: relation, to: target, hierarchy: true, on_delete: clear}}
---
entity: other
fields: {name: text}
---
entity: pointer
fields:
  one: {type: relation, to: target, on_delete: clear}
  restrict: {type: relation, to: "*", on_delete: restrict}
  clear: {type: relation, to: [target, other], on_delete: clear}
  cascade: {type: relation, to: [target, other], on_delete: cascade}
"""
}


@pytest.fixture
async def site(tmp_path: Path, database_url: str) -> AsyncIterator[TestSite]:
    async with make_site(tmp_path, database_url, FILES) as site:
        yield site


async def _dangling(site: TestSite) -> list[tuple[str, str, int]]:
    return [(d.field, d.kind, d.count) for d in await dangling(site.kernel.store, site.kernel.model)]


@pytest.mark.parametrize("field", ["restrict", "clear", "cascade"])
async def test_a_target_is_deleted_while_pointers_to_it_are_made(site: TestSite, field: str) -> None:
    done: dict[str, int] = {}
    for turn in range(ROUNDS):
        target = (await site.system.create("target", {"name": "T"}))["id"]
        there = (await site.system.create("pointer", {}))["id"]
        gone = (await site.system.create("pointer", {field: {"entity": "target", "id": target}}))["id"]
        await site.system.delete("pointer", gone)
        value = {field: {"entity": "target", "id": target}}
        work: list[Any] = [
            site.system.create("pointer", value),
            site.system.update("pointer", there, value),
            site.system.delete("target", target),
            site.records.restore(SYSTEM, "pointer", UUID(gone)),
            site.system.create("pointer", value),
        ]
        for outcome in await asyncio.gather(*work[turn % 5 :], *work[: turn % 5], return_exceptions=True):
            if isinstance(outcome, BaseException):
                assert isinstance(outcome, (Conflict, Invalid, NotFound, Unavailable)), repr(outcome)
                done[type(outcome).__name__] = done.get(type(outcome).__name__, 0) + 1
        assert await _dangling(site) == []
    assert done  # some were refused: the race took place


async def test_pointers_that_others_left_are_found(site: TestSite) -> None:
    store = site.kernel.store
    a, b, c = [(await site.system.create("target", {"name": n}))["id"] for n in "ABC"]
    value = {"clear": {"entity": "target", "id": a}, "one": a}
    ids = [(await site.system.create("pointer", value))["id"] for _ in range(5)]
    assert await _dangling(site) == []

    async def damage(text: str, *args: Any) -> None:
        kinds = [UUID_TYPE if isinstance(arg, UUID) else TEXT for arg in args]
        marks = [store.dialect.placeholder(n, kind) for n, kind in enumerate(kinds, 1)]
        cells = [store.dialect.encode(kind, arg) for kind, arg in zip(kinds, args, strict=True)]
        await store.execute(text.format(*marks), cells)

    await damage('UPDATE "pointer" SET "clear" = {} WHERE "id" = {}', UUID(int=7), UUID(ids[0]))
    await damage('UPDATE "pointer" SET "clear_entity" = {} WHERE "id" = {}', "gone", UUID(ids[1]))
    await damage('UPDATE "pointer" SET "clear_entity" = NULL WHERE "id" = {}', UUID(ids[2]))
    await damage('UPDATE "target" SET "deleted_at" = "created_at" WHERE "id" = {}', UUID(a))
    await damage('UPDATE "target" SET "above" = {} WHERE "id" = {}', UUID(c), UUID(b))
    await damage('UPDATE "target" SET "above" = {} WHERE "id" = {}', UUID(b), UUID(c))
    assert sorted(await _dangling(site)) == [
        ("above", "cycle", 2),
        ("clear", "entity", 1),
        ("clear", "half", 1),
        ("clear", "missing", 1),
        ("clear", "trash", 2),
        ("one", "trash", 5),
    ]
    first = (await dangling(store, site.kernel.model))[0]
    assert str(first) == f"target.above: 2 is above itself, such as {min(b, c)}"
