"""The databases of the three worlds, with a handful of records for tests of single rules."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.kernel.expression.samples import ROWS
from tests.kernel.expression.worlds import World


@pytest.fixture
def far_postgres_url(postgres_server) -> Iterator[str]:
    """The URL of a PostgreSQL database in another time zone than ours."""
    name = postgres_server.create()
    postgres_server.run(f"ALTER DATABASE {name} SET timezone = 'America/New_York'")
    yield postgres_server.url(name)
    postgres_server.drop(name)


@pytest.fixture(params=["sqlite", "postgresql"])
async def world(request: pytest.FixtureRequest, tmp_path) -> AsyncIterator[World]:
    """The sample records in each database."""
    lite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path}/t.db" if lite else request.getfixturevalue("far_postgres_url")
    opened = await World.open(url, ROWS)
    yield opened
    await opened.close()


async def _with_indexes(world: World) -> World:
    for name in ("amount", "qty", "name", "state", "active", "due", "at", "owner"):
        await world.store.execute(f'CREATE INDEX "ix_{name}" ON "t" ("{name}")')
    return world


@pytest.fixture
async def lite_world(tmp_path) -> AsyncIterator[World]:
    """The sample records in SQLite, with indexes."""
    opened = await World.open(f"sqlite:///{tmp_path}/lite.db", ROWS)
    yield await _with_indexes(opened)
    await opened.close()


@pytest.fixture
async def far_world(far_postgres_url) -> AsyncIterator[World]:
    """The sample records in PostgreSQL, with indexes."""
    opened = await World.open(far_postgres_url, ROWS)
    yield await _with_indexes(opened)
    await opened.close()
