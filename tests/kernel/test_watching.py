"""A process hears of a new generation at once, and finds out by itself when it could not hear."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from xrm.kernel import kernel as kernels
from xrm.kernel.kernel import Kernel
from xrm.testing import TestSite, make_site

DEAL = "entity: deal\nfields:\n  name: text\n"


@pytest.fixture
async def site(tmp_path: Path, database_url: str) -> AsyncIterator[TestSite]:
    async with make_site(tmp_path, database_url, {"entities/deal.yaml": DEAL}) as made:
        yield made


@pytest.fixture
async def other(site: TestSite) -> AsyncIterator[Kernel]:
    kernel = await Kernel.open(site.kernel.settings)
    kernel.watch()
    await asyncio.sleep(0.3)  # it listens
    yield kernel
    await kernel.close()


async def _swapped(kernel: Kernel, generation: int) -> bool:
    ends = time.monotonic() + 10
    while kernel.live.generation != generation and time.monotonic() < ends:  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(0.01)
    return kernel.live.generation == generation


async def test_it_hears_of_it(site: TestSite, other: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "WATCH_SECONDS", 3600)
    await site.apply({"entities/deal.yaml": DEAL + "  code: text\n"})  # what is waited for now ends by itself
    assert await _swapped(other, 2)
    for generation in (3, 4):
        await site.apply({"entities/deal.yaml": DEAL + f"  code_{generation}: text\n"})
        assert await _swapped(other, generation)


async def test_without_hearing_it_looks(site: TestSite, other: Kernel) -> None:
    async def deaf(_: asyncio.Event) -> None:
        await asyncio.Event().wait()

    third = await Kernel.open(site.kernel.settings)
    third.store.listen = deaf  # type: ignore[method-assign]
    third.watch()
    await site.apply({"entities/deal.yaml": DEAL + "  code: text\n"})
    assert await _swapped(third, 2)
    await third.close()


async def test_a_lost_connection_is_made_anew(tmp_path: Path, postgres_url: str) -> None:
    async with make_site(tmp_path, postgres_url, {"entities/deal.yaml": DEAL}) as site:
        store = site.kernel.store
        heard = asyncio.Event()
        listening = asyncio.create_task(store.listen(heard))
        await asyncio.wait_for(heard.wait(), 10)
        heard.clear()
        await store.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'xrm listen' AND datname = current_database()"
        )
        await asyncio.wait_for(heard.wait(), 10)  # something may have been missed
        heard.clear()
        async with store.transaction():
            await store.announce()
        await asyncio.wait_for(heard.wait(), 10)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def test_what_was_rolled_back_is_not_announced(tmp_path: Path, postgres_url: str) -> None:
    async with make_site(tmp_path, postgres_url, {"entities/deal.yaml": DEAL}) as site:
        store, heard = site.kernel.store, asyncio.Event()
        listening = asyncio.create_task(store.listen(heard))
        await asyncio.wait_for(heard.wait(), 10)
        heard.clear()
        with suppress(LookupError):
            async with store.transaction():
                await store.announce()
                raise LookupError
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(heard.wait(), 0.3)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
