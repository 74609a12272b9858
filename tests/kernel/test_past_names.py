"""The history of a record follows the renames of its fields and its entity."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest

from xrm.kernel.change import SYSTEM
from xrm.testing import TestSite, make_site

FILE = "entities/deal.yaml"
DEAL = """
entity: deal
fields:
  name: text
  place: text
  number: {type: auto_number, number: "D-{0000}"}
"""


@pytest.fixture
async def site(tmp_path: Path, database_url: str) -> AsyncIterator[TestSite]:
    async with make_site(tmp_path, database_url, {FILE: DEAL}) as made:
        yield made


async def history(site: TestSite, entity: str, id: UUID) -> list[tuple[dict[str, object], dict[str, object]]]:
    found = await site.kernel.records.history(SYSTEM, entity, id)
    shown = ("name", "place", "title", "where")
    return [tuple({n: v for n, v in c[side].items() if n in shown} for side in ("before", "after")) for c in found]


async def test_values_stand_under_the_name_of_today(site: TestSite) -> None:
    made = await site.system.create("deal", {"name": "Lathe", "place": "Ost"})
    id = UUID(str(made["id"]))
    await site.apply({FILE: DEAL.replace("  place: text", "  title: {type: text, was: place}")})
    swapped = DEAL.replace("  place: text", "  title: text").replace("  name: text", "  place: {type: text, was: name}")
    await site.apply({FILE: swapped})
    await site.system.update("deal", id, {"place": "Mill"})
    moved = swapped.replace("entity: deal", "entity: sale\nwas: deal")
    moved = moved.replace("title: text", "where: {type: text, was: title}")
    await site.apply({FILE: moved})
    assert await history(site, "sale", id) == [
        ({"place": "Lathe"}, {"place": "Mill"}),
        ({}, {"place": "Lathe", "where": "Ost"}),
    ]
    assert (await site.system.create("sale", {"place": "Saw"}))["number"] == "D-0002"


async def test_a_new_field_does_not_show_what_a_dropped_one_of_its_name_held(site: TestSite) -> None:
    made = await site.system.create("deal", {"name": "Lathe", "place": "secret"})
    id = UUID(str(made["id"]))
    gone = {FILE: DEAL.replace("place: text", "place: {type: text, removed: true}")}
    await site.write(gone)
    lost = (await site.kernel.plan(site.kernel.sources())).destructive
    await site.apply(gone, [step.id for step in lost])
    await site.apply({FILE: DEAL})
    assert await history(site, "deal", id) == [({}, {"name": "Lathe"})]
    await site.system.update("deal", id, {"place": "West"})
    assert (await history(site, "deal", id))[0] == ({"place": None}, {"place": "West"})
    lost = (await site.kernel.plan_rollback(1)).destructive
    done = await site.kernel.rollback(SYSTEM, 1, frozenset(step.id for step in lost))
    assert done.generation.number == 4
    assert (await history(site, "deal", id))[-1] == ({}, {"name": "Lathe", "place": "secret"})
