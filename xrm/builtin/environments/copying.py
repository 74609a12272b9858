"""A database of a running site → another one, as it was at one moment, while others write."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, urlsplit, urlunsplit

import asyncpg

from xrm.errors import Conflict, Invalid, Issue, Unavailable
from xrm.kernel.migration import journal
from xrm.kernel.migration.ddl import Run, operations
from xrm.kernel.store.schema import Schema
from xrm.kernel.store.sql import quote
from xrm.kernel.store.store import Store, open_store

SQLITE = "sqlite:///"
SECRETS = ("xrm_session", "xrm_api_key", "xrm_link", "xrm_attempt", "xrm_security", "xrm_idempotency")
"""Tables that do not go along: who is signed in at the site, and its keys, must not be at the copy."""

_TRIES = 3
_CHUNKS = 8  # of a table that wait to be written

_COLUMNS = """SELECT attname AS name, format_type(atttypid, atttypmod) AS type, attnotnull AS needed FROM pg_attribute
WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"""
_KEYS = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = $1::regclass AND contype = 'p'"


def is_sqlite(url: str) -> bool:
    """Return whether a URL names an SQLite file."""
    return "://" not in url or url.startswith(SQLITE)


async def copy_database(source: str, target: str) -> None:
    """Copy a database to a new one, as it was at one moment; what is in `SECRETS` stays behind.

    Args:
        source: URL of the site's database; others may go on writing to it.
        target: URL of a file that does not exist, or of an empty PostgreSQL database.

    Raises:
        Invalid: the two are of different kinds, or the target is not empty.
        Unavailable: a database cannot be reached.
    """
    if is_sqlite(source) != is_sqlite(target):
        message = "The copy must be of the same kind: SQLite or PostgreSQL."
        raise Invalid("The site was not copied", [Issue("database", "other_kind", message)])
    if is_sqlite(source):
        await asyncio.to_thread(_copy_file, Path(source.removeprefix(SQLITE)), Path(target.removeprefix(SQLITE)))
    else:
        await _copy_postgres(source, target)


def _copy_file(source: Path, target: Path) -> None:
    """Copy by the backup interface: one read transaction, which in WAL mode stops no writer."""
    if target.exists():
        raise Invalid("The site was not copied", [Issue(str(target), "exists", "This file exists.")])
    target.parent.mkdir(parents=True, exist_ok=True)
    read, write = sqlite3.connect(source), sqlite3.connect(target, isolation_level=None)
    try:
        read.backup(write)
        write.execute("PRAGMA secure_delete=ON")
        for table in SECRETS:
            write.execute(f"DELETE FROM {quote(table)}")
        write.execute("VACUUM")  # no page that held them is left
    except sqlite3.Error as error:
        raise Unavailable(f"The database could not be copied: {error}.") from None
    finally:
        read.close()
        write.close()


def beside(url: str, name: str) -> str:
    """Return the URL of another database on the same PostgreSQL server: the site's name and `name`."""
    parts = urlsplit(url)
    database = f"{parts.path.lstrip('/')[:20]}_{name}"
    return urlunsplit(parts._replace(path=f"/{quote_plus(database)}"))


async def create_postgres(source: str, target: str) -> None:
    """Create the target's database, from a connection to the source's.

    Raises:
        Conflict: there is one of this name.
        Unavailable: the server does not let this user create databases.
    """
    async with _connected(source) as connection:
        try:
            await connection.execute(f"CREATE DATABASE {quote(_name(target))} TEMPLATE template0 ENCODING 'UTF8'")
        except asyncpg.DuplicateDatabaseError:
            raise Conflict(f"There is a database {_name(target)!r} already.") from None
        except asyncpg.InsufficientPrivilegeError:
            message = "This user may not create databases; make an empty one, and name it with --database."
            raise Unavailable(message) from None


async def drop_postgres(source: str, target: str) -> None:
    """Drop the target's database, from a connection to the source's; it may be gone already."""
    async with _connected(source) as connection:
        await connection.execute(f"DROP DATABASE IF EXISTS {quote(_name(target))} WITH (FORCE)")


def _name(url: str) -> str:
    return urlsplit(url).path.lstrip("/")


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[Any]:
    try:
        connection = await asyncpg.connect(url)
    except (OSError, asyncpg.PostgresError, ValueError):
        raise Unavailable("The database cannot be reached.") from None
    try:
        yield connection
    finally:
        await connection.close()


async def _copy_postgres(source: str, target: str) -> None:
    async with _connected(source) as read, _connected(target) as write:
        if await write.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()"):
            message = "The database to copy into is not empty."
            raise Invalid("The site was not copied", [Issue("database", "not_empty", message)])
        async with _snapshot(read, source) as schema:
            await _make_tables(target, schema)
            async with write.transaction():
                await write.execute("SET CONSTRAINTS ALL DEFERRED")
                for table in schema.tables.values():
                    if table.name not in SECRETS:
                        await _copy_table(read, write, table.name, [column.name for column in table.columns])
                await _copy_others(read, write, {table.name for table in schema.tables.values()})
        await write.execute("ANALYZE")


@asynccontextmanager
async def _snapshot(read: Any, source: str) -> AsyncIterator[Schema]:
    """Hold the database as it is at one moment, and yield its tables; the model may change while one looks."""
    store = open_store(source)
    await store.start()
    try:
        for _ in range(_TRIES):
            generation = await journal.current(store)
            async with read.transaction(isolation="repeatable_read", readonly=True):
                now = await read.fetchval('SELECT max("generation") FROM "xrm_journal"')
                if generation is not None and now == generation.number:
                    yield generation.full_schema
                    return
    finally:
        await store.close()
    raise Conflict("The model changed again and again while the site was to be copied.")


async def _make_tables(target: str, schema: Schema) -> None:
    store: Store = open_store(target)
    await store.start()  # makes the functions that indexes need
    try:
        async with store.schema_transaction():
            for operation in operations(Schema(), schema, store.dialect):
                if isinstance(operation, Run):
                    await store.execute(operation.sql)
    finally:
        await store.close()


async def _copy_others(read: Any, write: Any, known: set[str]) -> None:
    """Copy the tables that no model tells of: values kept from before a change, until they are purged."""
    rows = await read.fetch("SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1")
    for name in (row[0] for row in rows if row[0] not in known):
        columns = await read.fetch(_COLUMNS, quote(name))
        parts = [f"{quote(c['name'])} {c['type']}{' NOT NULL' if c['needed'] else ''}" for c in columns]
        parts += [row[0] for row in await read.fetch(_KEYS, quote(name))]
        await write.execute(f"CREATE TABLE {quote(name)} ({', '.join(parts)})")
        await _copy_table(read, write, name, [c["name"] for c in columns])


async def _copy_table(read: Any, write: Any, table: str, names: Sequence[str]) -> None:
    """Stream a table from one server to the other, a few chunks at a time."""
    chunks: asyncio.Queue[bytes | None] = asyncio.Queue(_CHUNKS)

    async def out() -> None:
        try:
            await read.copy_from_query(_query(table, names), output=chunks.put, format="binary")
        finally:
            await chunks.put(None)

    async def into() -> AsyncIterator[bytes]:
        while (chunk := await chunks.get()) is not None:
            yield chunk

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(out())
        tasks.create_task(write.copy_to_table(table, source=into(), columns=names, format="binary"))


def _query(table: str, columns: Sequence[str]) -> str:
    return f"SELECT {', '.join(map(quote, columns))} FROM {quote(table)}"
