"""A backup, or another database → an empty database, all or nothing, checked row by row."""

from __future__ import annotations

import asyncio
import hashlib
import json
import zipfile
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from xrm.builtin.backup.archive import DEFINITIONS, KEYS, SCHEMA, BackupInvalid, Manifest, damaged, reading
from xrm.builtin.backup.cells import Rows, Sum
from xrm.builtin.backup.saving import Tell, kept_tables, table_lines, unsealed
from xrm.builtin.backup.snapshot import ROWS, by_cursor, snapshot
from xrm.errors import Issue
from xrm.kernel.migration import journal
from xrm.kernel.migration.ddl import Run, operations
from xrm.kernel.migration.journal import schema_from_json
from xrm.kernel.store.schema import Schema, Table
from xrm.kernel.store.sql import quote
from xrm.kernel.store.store import Store
from xrm.settings import Settings

Lines = AsyncIterator[list[bytes]]
PIECE = 1_000_000  # bytes of a content copied at a time


async def check(path: Path) -> Manifest:
    """Read a whole backup and return what it says of itself, which is then true.

    Raises:
        BackupInvalid: it is damaged.
    """
    with reading(path) as (archive, manifest):
        schema = _schema(archive)
        for table in kept_tables(schema):
            sum = Sum()
            async for lines in _lines(archive, table):
                for line in lines:
                    sum.add(line)
            _same(table, sum, manifest)
        for digest in manifest.files:
            await asyncio.to_thread(_content, archive, digest, None)
    return manifest


async def restore(
    store: Store, settings: Settings, path: Path, passphrase: str = "", tell: Tell = lambda _: None
) -> Manifest:
    """Put a backup back into an empty site and return what it says of itself.

    Raises:
        BackupInvalid: the site is not empty, the backup is damaged, or the passphrase is another one.
    """
    await _empty(store)
    with reading(path) as (archive, manifest):
        keys = _keys(archive, manifest, settings, passphrase)
        schema = _schema(archive)
        for digest in manifest.files:
            await asyncio.to_thread(_content, archive, digest, settings.files_folder)
        async with store.schema_transaction():
            await _take(
                store,
                schema,
                lambda table: _lines(archive, table),
                lambda table, sum: _same(table, sum, manifest),
                tell,
            )
        await store.execute("ANALYZE")
        _write_keys(settings, keys)
        _write_definitions(archive, settings.folder)
    return manifest


async def copy(source: Store, url: str, target: Store, tell: Tell = lambda _: None) -> dict[str, Sum]:
    """Copy a database into an empty one of either kind; return what each table holds, the same in both.

    Args:
        source: The database; others may go on writing to it, but what they write later does not come along.
        url: Its URL.
        target: The empty one.
        tell: Hears which table is copied.

    Raises:
        BackupInvalid: the target is not empty, or a table is not the same there.
    """
    await _empty(target)
    sums: dict[str, Sum] = {}

    def same(table: Table, sum: Sum) -> None:
        if (sum.rows, sum.digest) != (sums[table.name].rows, sums[table.name].digest):
            raise damaged(table.name, "This table is not the same in the copy.")

    async with snapshot(source, url) as moment:
        _, schema, _ = await moment.generation()

        def lines(table: Table) -> Lines:
            sums[table.name] = Sum()
            return table_lines(moment, table, sums[table.name])

        async with target.schema_transaction():
            await _take(target, schema, lines, same, tell)
    await target.execute("ANALYZE")
    return sums


async def _take(
    store: Store, schema: Schema, lines: Callable[[Table], Lines], same: Callable[[Table, Sum], None], tell: Tell
) -> None:
    """Make the tables, fill them and compare them, in the transaction that is open."""
    await _make_tables(store, schema)
    for table in kept_tables(schema):
        tell(table.name)
        await _fill(store, table, lines(table))
    for table in kept_tables(schema):
        sum = Sum()
        async for some in _read_back(store, table):
            await asyncio.to_thread(_count, Rows(table, store.dialect), some, sum)
        same(table, sum)


async def _empty(store: Store) -> None:
    if await journal.table_names(store):
        found = Issue("database", "not_empty", "There are tables already.", "use a new folder, or an empty database")
        raise BackupInvalid("Only an empty site can be filled.", [found])


async def _make_tables(store: Store, schema: Schema) -> None:
    for operation in operations(Schema(), schema, store.dialect):
        if isinstance(operation, Run):
            await store.execute(operation.sql)
    if store.dialect.name == "postgresql":
        await store.execute("SET CONSTRAINTS ALL DEFERRED")


async def _fill(store: Store, table: Table, lines: Lines) -> None:
    rows = Rows(table, store.dialect)
    names = ", ".join(quote(column.name) for column in table.columns)
    places = ", ".join(store.dialect.placeholder(n, column.type) for n, column in enumerate(table.columns, 1))
    text = f"INSERT INTO {quote(table.name)} ({names}) VALUES ({places})"
    async for some in lines:
        try:
            ready = await asyncio.to_thread(rows.stored, some)
        except (ValueError, TypeError) as error:
            raise damaged(table.name, f"A row cannot be read ({type(error).__name__}).") from None
        await store.execute_many(text, ready)


async def _read_back(store: Store, table: Table) -> AsyncIterator[Sequence[Sequence[Any]]]:
    """Yield the rows that were written, some at a time."""
    names = ", ".join(quote(column.name) for column in table.columns)
    if store.dialect.name == "postgresql":
        async for rows in by_cursor(store, f"SELECT {names} FROM {quote(table.name)}"):
            yield rows
        return
    last = 0
    text = f"SELECT {names}, rowid FROM {quote(table.name)} WHERE rowid > ?1 ORDER BY rowid LIMIT {ROWS}"
    while rows := await store.fetch(text, [last]):
        last = rows[-1][-1]
        yield [row[:-1] for row in rows]


def _count(rows: Rows, some: Sequence[Sequence[Any]], sum: Sum) -> None:
    for _ in rows.lines(some, sum):
        pass


def _same(table: Table, sum: Sum, manifest: Manifest) -> None:
    told = manifest.tables.get(table.name)
    if told is None or (told.rows, told.digest) != (sum.rows, sum.digest):
        raise damaged(table.name, "Its rows are not those that were kept.")


def _schema(archive: zipfile.ZipFile) -> Schema:
    try:
        return schema_from_json(json.loads(archive.read(SCHEMA)))
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(SCHEMA, f"This is no schema ({type(error).__name__}).") from None


async def _lines(archive: zipfile.ZipFile, table: Table) -> Lines:
    try:
        file = archive.open(f"tables/{table.name}.jsonl")
    except KeyError:
        raise damaged(table.name, "This table is missing.") from None
    with file:
        while some := await asyncio.to_thread(lambda: list(islice(file, ROWS))):
            yield [line.rstrip(b"\n") for line in some]


def _content(archive: zipfile.ZipFile, digest: str, folder: Path | None) -> None:
    """Check one content, and write it into the folder of files if one is given."""
    found = hashlib.sha256()
    target = None if folder is None else folder / digest[:2] / digest
    part = None if target is None else target.with_name(f"{digest}.part")
    try:
        if part is not None:
            part.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(f"files/{digest}") as file:
            out = part.open("wb") if part is not None else None
            while piece := file.read(PIECE):
                found.update(piece)
                if out is not None:
                    out.write(piece)
            if out is not None:
                out.close()
    except KeyError:
        raise damaged(f"files/{digest}", "This content is missing.") from None
    if found.hexdigest() != digest:
        raise damaged(f"files/{digest}", "This content is not what its name says.")
    if part is not None and target is not None:
        part.replace(target)


def _keys(archive: zipfile.ZipFile, manifest: Manifest, settings: Settings, passphrase: str) -> str:
    if not manifest.sealed_keys or not passphrase:
        return ""
    if settings.key_file.exists():
        found = Issue(str(settings.key_file), "exists", "There is a file of keys already.")
        raise BackupInvalid("The keys were not put back.", [found])
    return unsealed(archive.read(KEYS).decode(), passphrase)


def _write_keys(settings: Settings, keys: str) -> None:
    if keys:
        settings.key_file.touch(0o600, exist_ok=False)
        settings.key_file.write_text(keys + "\n", "utf-8")


def _write_definitions(archive: zipfile.ZipFile, folder: Path) -> None:
    """Write the site's own definitions where there are none: plugins bring theirs."""
    entities = folder / "entities"
    if entities.is_dir() and any(entities.rglob("*.yaml")):
        return
    for layer, file, text in json.loads(archive.read(DEFINITIONS)):
        target = (folder / file).resolve()
        if layer == "site" and target.is_relative_to(entities.resolve()):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, "utf-8")
