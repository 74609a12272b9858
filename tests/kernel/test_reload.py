"""A reload makes anew only what changed, and lets go of what was."""

from __future__ import annotations

import gc
import weakref
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from piccolo import table as piccolo_table

from benchmarks.models import Size, entity_text, model_sources, name
from xrm.kernel.change import SYSTEM
from xrm.kernel.kernel import Kernel
from xrm.kernel.query import Query
from xrm.testing import TestSite, make_site

SIZE = Size(entities=12, fields=12, roles=2)


@pytest.fixture
async def site(tmp_path: Path, database_url: str) -> AsyncIterator[TestSite]:
    files = {source.file: source.text for source in model_sources(SIZE)}
    async with make_site(tmp_path, database_url, files, plugins=[]) as made:
        yield made


def _titled(number: int, title: str) -> dict[str, str]:
    text = entity_text(number, SIZE).replace(f"title: Kind {number}\n", f"title: {title}\n")
    return {f"entities/{name(number)}.yaml": text}


async def test_entities_that_did_not_change_are_not_compiled_again(site: TestSite) -> None:
    other = await Kernel.open(site.kernel.settings)
    try:
        before = [dict(kernel.live.entities) for kernel in (site.kernel, other)]
        await site.apply(_titled(3, "Third"))
        await other.refresh()
        for kernel, known in zip((site.kernel, other), before, strict=True):
            anew = {n for n, made in kernel.live.entities.items() if made.rows is not known[n].rows}
            assert anew == {name(3)}
            assert kernel.live.entities[name(3)].entity.title == "Third"
    finally:
        await other.close()


async def test_what_looks_into_a_changed_entity_is_compiled_again(site: TestSite) -> None:
    far = f"""
entity: far
label: "{{id}}"
fields:
  hub: {{type: relation, to: {name(0)}}}
  near: {{type: integer, formula: "size(hub.code)"}}
"""
    await site.apply({"entities/far.yaml": far})
    known = site.kernel.live.entities["far"].virtual["near"]
    await site.apply(_titled(3, "Third"))
    assert site.kernel.live.entities["far"].virtual["near"] is known
    text = entity_text(0, SIZE).replace("  code: text", "  code: {type: text, max: 40}")
    await site.apply({f"entities/{name(0)}.yaml": text})
    assert site.kernel.live.entities["far"].virtual["near"] is not known


async def test_a_generation_that_was_is_let_go(site: TestSite) -> None:
    other = await Kernel.open(site.kernel.settings)
    try:
        await other.records.list(SYSTEM, name(1), Query(filter="hub.name == 'x'"))
        lives = [weakref.ref(kernel.live) for kernel in (site.kernel, other)]
        models = [weakref.ref(kernel.model) for kernel in (site.kernel, other)]
        registered = len(piccolo_table.TABLE_REGISTRY)
        await site.apply(_titled(3, "Third"))
        await other.refresh()
        gc.collect()
        assert [ref() for ref in (*lives, *models)] == [None] * 4
        assert len(piccolo_table.TABLE_REGISTRY) == registered
    finally:
        await other.close()


async def test_memory_does_not_grow_with_reloads(site: TestSite) -> None:
    other = await Kernel.open(site.kernel.settings)
    counted: list[int] = []
    try:
        for round_ in range(100):
            await site.apply(_titled(round_ % 4, f"Round {round_:03d}"))
            await other.refresh()
            await other.records.list(SYSTEM, name(round_ % 4), Query())
            if round_ % 5 == 4:
                gc.collect()
                counted.append(len(gc.get_objects()))
    finally:
        await other.close()
    # Files that were read before are remembered for a while, so it goes up and down.
    assert max(counted[-7:]) < max(counted[3:10]) + 500
