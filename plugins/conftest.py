"""A running site for the tests of plugins: this repository's own, on SQLite, with a clock that stands still."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from xrm.kernel.change import SYSTEM
from xrm.kernel.kernel import Kernel
from xrm.settings import Settings

ROOT = Path(__file__).parent.parent
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def open_site(database: Path) -> Awaitable[Kernel]:
    return Kernel.open(Settings(folder=ROOT, database=f"sqlite:///{database}"), clock=lambda: NOW)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the site's tables and nothing in them."""
    path = tmp_path_factory.mktemp("site") / "site.db"

    async def make() -> None:
        kernel = await open_site(path)
        await kernel.apply(SYSTEM, kernel.sources())
        await kernel.close()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, make()).result()
    return path


@pytest.fixture
async def site(empty_database: Path, tmp_path: Path) -> AsyncIterator[Kernel]:
    """The running site, empty."""
    for file in empty_database.parent.glob(f"{empty_database.name}*"):
        shutil.copy(file, tmp_path / file.name)
    kernel = await open_site(tmp_path / empty_database.name)
    yield kernel
    await kernel.close()


@pytest.fixture
def now() -> datetime:
    """The moment at which the site's clock stands."""
    return NOW
