"""Indexes of big tables on PostgreSQL are made after the change, by a job that a kill does not end for good."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from xrm.kernel.migration import later
from xrm.kernel.migration.drift import examine
from xrm.kernel.migration.journal import current
from xrm.testing import TestSite, make_site

FILE = "entities/deal.yaml"
DEAL = "entity: deal\nlabel: '{name}'\nfields:\n  name: text\n  code: text\n"
INDEXED = DEAL.replace("code: text", "code: {type: text, index: true}")


@pytest.fixture
async def site(tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TestSite]:
    monkeypatch.setattr(later, "BIG", 3)
    async with make_site(tmp_path, postgres_url, {FILE: DEAL}) as made:
        await made.system.create_many("deal", [{"name": str(n), "code": str(n)} for n in range(5)])
        yield made


async def lacking(site: TestSite) -> list[str]:
    generation = await current(site.kernel.store)
    assert generation is not None
    return [table.name for table, _ in await later.missing(site.kernel.store, generation.full_schema)]


async def test_it_is_made_by_a_job(site: TestSite) -> None:
    await site.apply({FILE: INDEXED})
    assert await lacking(site) == ["deal"]
    await site.kernel.catch_up()
    assert await lacking(site) == []


async def test_what_a_killed_process_left_half_made_is_made_again(site: TestSite) -> None:
    await site.apply({FILE: INDEXED})
    await site.kernel.catch_up()
    half = "UPDATE pg_index SET indisvalid = false WHERE indexrelid::regclass::text LIKE '%ix_f%'"
    half += " AND indrelid = 'deal'::regclass"
    assert await site.kernel.store.execute(half) == 1
    assert await lacking(site) == ["deal"]
    async with site.kernel.store.transaction():
        await later.ask_for(site.kernel.store, frozenset({("deal", "code")}), site.kernel.clock())
    await site.kernel.catch_up()
    assert await lacking(site) == []


async def test_one_that_is_not_there_yet_goes_with_its_field_or_moves_with_its_table(site: TestSite) -> None:
    await site.apply({FILE: INDEXED})
    await site.apply({FILE: INDEXED.replace("entity: deal", "entity: chance\nwas: deal")})
    await site.kernel.catch_up()
    assert await lacking(site) == []
    await site.apply({FILE: INDEXED.replace("entity: deal", "entity: chance").replace("code: {", "mark: {was: code, ")})
    await site.apply({FILE: DEAL.replace("entity: deal", "entity: chance").replace("code: text", "mark: text")})
    await site.kernel.catch_up()
    assert await lacking(site) == []


async def test_a_unique_one_is_made_at_once(site: TestSite) -> None:
    await site.apply({FILE: DEAL.replace("code: text", "code: {type: text, unique: true}")})
    assert await lacking(site) == []


async def test_doctor_tells_of_one_that_waits(site: TestSite) -> None:
    await site.apply({FILE: INDEXED})
    found = (await examine(site.kernel.store)).findings
    assert [(i.code, i.severity) for i in found] == [("drift_missing_index", "warning")]
    assert "a job is asked to make it" in found[0].message
    await site.kernel.catch_up()
    assert (await examine(site.kernel.store)).findings == ()


async def test_small_tables_do_not_wait(site: TestSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(later, "BIG", 5)
    await site.apply({FILE: INDEXED})
    assert await lacking(site) == []
