"""A database as it is at one moment, read table by table while others write."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from xrm.errors import Unavailable
from xrm.kernel.migration.journal import JOURNAL, schema_from_json
from xrm.kernel.store.codec import Dialect
from xrm.kernel.store.schema import ColumnType, Schema, Table
from xrm.kernel.store.sql import quote
from xrm.kernel.store.store import Store

ROWS = 1_000  # read at a time
_SQLITE = "sqlite:///"


class Snapshot(ABC):
    """One moment of a database."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect

    @abstractmethod
    async def fetch(self, sql: str) -> Sequence[Sequence[Any]]:
        """Return all rows of a statement, as stored."""

    @abstractmethod
    def rows(self, sql: str) -> AsyncIterator[Sequence[Sequence[Any]]]:
        """Yield the rows of a statement, some at a time."""

    async def generation(self) -> tuple[int, Schema, list[list[str]]]:
        """Return the generation in force: its number, its tables with the kernel's own, its definitions."""
        found = await self.fetch(
            f'SELECT "generation", "schema", "sources" FROM {quote(JOURNAL.name)} ORDER BY "generation" DESC LIMIT 1'
        )
        if not found:
            raise Unavailable("No model is in force yet: there is nothing to keep.")
        decode = self.dialect.decode(ColumnType("json"))
        schema, sources = (decode(cell) if decode else cell for cell in found[0][1:])
        return found[0][0], schema_from_json(schema), sources

    def table(self, table: Table) -> AsyncIterator[Sequence[Sequence[Any]]]:
        """Yield the rows of a table, some at a time."""
        names = ", ".join(quote(column.name) for column in table.columns)
        return self.rows(f"SELECT {names} FROM {quote(table.name)}{self._order(table)}")

    def _order(self, table: Table) -> str:
        """Return the order in which acts happened, which what is not sealed yet is still to be put in."""
        if table.name != "xrm_changeset":
            return ""
        by = "rowid" if self.dialect.name == "sqlite" else '"seq" NULLS LAST, "place" NULLS FIRST, "at", "id"'
        return f" ORDER BY {by}"


class _Sqlite(Snapshot):
    def __init__(self, dialect: Dialect, database: sqlite3.Connection) -> None:
        super().__init__(dialect)
        self._database = database

    async def fetch(self, sql: str) -> Sequence[Sequence[Any]]:
        return await asyncio.to_thread(lambda: self._database.execute(sql).fetchall())

    async def rows(self, sql: str) -> AsyncIterator[Sequence[Sequence[Any]]]:
        found = await asyncio.to_thread(self._database.execute, sql)
        while rows := await asyncio.to_thread(found.fetchmany, ROWS):
            yield rows


class _Postgres(Snapshot):
    def __init__(self, store: Store) -> None:
        super().__init__(store.dialect)
        self._store = store

    async def fetch(self, sql: str) -> Sequence[Sequence[Any]]:
        return await self._store.fetch(sql)

    def rows(self, sql: str) -> AsyncIterator[Sequence[Sequence[Any]]]:
        return by_cursor(self._store, sql)


async def by_cursor(store: Store, sql: str) -> AsyncIterator[Sequence[Sequence[Any]]]:
    """Yield the rows of a statement, some at a time, in the open transaction of a PostgreSQL store.

    Each statement has a cursor of its own name, since what is prepared for one does not fit the columns of another.
    """
    name = f"xrm_{hashlib.sha256(sql.encode()).hexdigest()[:24]}"
    await store.execute(f"DECLARE {name} NO SCROLL CURSOR FOR {sql}")
    while rows := await store.fetch(f"FETCH FORWARD {ROWS} FROM {name}"):
        yield rows
    await store.execute(f"CLOSE {name}")


@asynccontextmanager
async def snapshot(store: Store, url: str) -> AsyncIterator[Snapshot]:
    """Hold a database as it is at this moment; nobody waits for it.

    Args:
        store: The open store of the database.
        url: Its URL.
    """
    if store.dialect.name == "sqlite":
        database = await asyncio.to_thread(_opened, url.removeprefix(_SQLITE))
        try:
            yield _Sqlite(store.dialect, database)
        finally:
            await asyncio.to_thread(database.close)
        return
    async with store.transaction():
        await store.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        await store.execute("SET LOCAL statement_timeout = 0")
        yield _Postgres(store)


def _opened(path: str) -> sqlite3.Connection:
    """Open a file and begin to read: in WAL mode that stops no writer."""
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    database.execute("BEGIN")
    database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return database
