"""Drift: where the database differs from what the journal says it is, and how that is repaired.

Somebody may have changed tables by hand, or restored half a backup. `examine` looks and counts; it changes nothing.
What can be repaired without losing a value is repaired by the planner's own operations: from the schema as it was found
to the schema of the journal, in one transaction.
"""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, replace

from xrm.errors import Issue
from xrm.kernel.migration.apply import LOCK, perform_all
from xrm.kernel.migration.ddl import index_name, key_name, operations
from xrm.kernel.migration.impact import scan
from xrm.kernel.migration.introspect import FoundTable, introspect
from xrm.kernel.migration.journal import current
from xrm.kernel.migration.kept import sql_type
from xrm.kernel.migration.later import is_waiting
from xrm.kernel.migration.physical import SYSTEM_PREFIX
from xrm.kernel.store.schema import Column, ForeignKey, Schema, Table
from xrm.kernel.store.sql import quote
from xrm.kernel.store.store import Store

_MAY_BE_DAMAGED = frozenset({"date", "time", "datetime", "uuid", "json", "texts"})  # text on SQLite


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found.

    Attributes:
        findings: One for each difference or damage, with how it is repaired.
        found: The journal's schema as far as the database has it.
        wanted: The journal's schema.
        stray: Names of indexes that look like the kernel's and are not in the journal.
    """

    findings: tuple[Issue, ...]
    found: Schema
    wanted: Schema
    stray: tuple[str, ...]

    def repairs(self, store: Store) -> tuple[str, ...]:
        """Return the statements that `repair` would run."""
        drops = (f"DROP INDEX {quote(name)};" for name in self.stray)
        return (*drops, *map(str, operations(self.found, self.wanted, store.dialect)))


async def examine(store: Store) -> Diagnosis:
    """Compare the database with its journal, and count damaged cells and references that point nowhere."""
    generation = await current(store)
    wanted = generation.full_schema if generation else Schema()
    there = await introspect(store)
    examiner = _Examiner(store, wanted, there)
    tables = {t.id: found async for t in _each(wanted) if (found := await examiner.table(t)) is not None}
    lost = [i async for i in _dangling(store, wanted, there)]
    damaged = [i async for i in _damaged(store, wanted, there)]
    known = {t.name for t in wanted.tables.values()}
    extra = [_extra_table(name) for name in sorted(there.keys() - known) if not name.startswith(_beside(wanted))]
    told = [_awaited(i) for i in examiner.findings] if await is_waiting(store, there) else examiner.findings
    findings = (*told, *extra, *lost, *damaged)
    return Diagnosis(findings, _without_keys_to_nowhere(tables), wanted, tuple(examiner.stray))


def _awaited(issue: Issue) -> Issue:
    """Return a finding about an index as one about an index that a job will make; a unique one is never put off."""
    if issue.code != "drift_missing_index" or issue.message.startswith("The unique"):
        return issue
    text = issue.message.replace("is missing", "is missing: a job is asked to make it")
    return replace(issue, message=text, hint="wait for it, see `xrm jobs list`", severity="warning")


async def repair(store: Store) -> Diagnosis:
    """Repair what can be repaired without losing a value; return what there is to find afterwards.

    Raises:
        Unavailable: the database is busy; nothing was changed.
        ForeignKeyViolation, UniqueViolation: records stand in the way of a key; nothing was changed.
    """
    async with store.schema_transaction():
        await store.lock(LOCK)
        found = await examine(store)
        for name in found.stray:
            await store.execute(f"DROP INDEX {quote(name)}")
        await perform_all(store, found.found, found.wanted)
    await store.tables_changed()
    return await examine(store)


async def _each(schema: Schema) -> AsyncIterator[Table]:
    for table in schema.tables.values():
        yield table


def _beside(schema: Schema) -> tuple[str, ...]:
    """Return how the tables are called that belong to an index of words."""
    return tuple(index_name(t.id, i) for t in schema.tables.values() for i in t.indexes if i.kind == "words")


def _extra_table(name: str) -> Issue:
    return Issue(name, "drift_extra_table", f"The database has a table {name} that is not in the journal.", _BY_HAND)


_BY_HAND = "look what it is; move or drop it by hand"
_REPAIRED = "`xrm doctor --repair` does it"


class _Examiner:
    """One table after the other: what is different, and the table as the database has it."""

    def __init__(self, store: Store, wanted: Schema, there: dict[str, FoundTable]) -> None:
        self.store, self.wanted, self.there = store, wanted, there
        self.findings: list[Issue] = []
        self.stray: list[str] = []

    async def table(self, table: Table) -> Table | None:
        found = self.there.get(table.name)
        if found is None:
            self._tell(table.name, "drift_missing_table", f"The table {table.name} is missing.", f"{_REPAIRED}; empty")
            return None
        columns = [c for column in table.columns if (c := await self._column(table, found, column)) is not None]
        for name in sorted(found.columns.keys() - {c.name for c in table.columns}):
            self._tell(f"{table.name}.{name}", "drift_extra_column", "It is not in the journal.", _BY_HAND)
        ids = {c.id for c in columns}
        indexes = tuple(i for i in table.indexes if set(i.columns) <= ids and index_name(table.id, i) in found.indexes)
        keys = tuple(k for k in table.foreign_keys if k.column in ids and self._has_key(table, found, k))
        self._tell_missing(table, indexes, keys)
        self._strays(table, found)
        return dataclasses.replace(table, columns=tuple(columns), indexes=indexes, foreign_keys=keys)

    async def _column(self, table: Table, found: FoundTable, column: Column) -> Column | None:
        path, here = f"{table.name}.{column.name}", found.columns.get(column.name)
        if here is None:
            can = column.null or column.default is not None
            hint = f"{_REPAIRED}; without the values" if can else "restore the table from a backup"
            self._tell(path, "drift_missing_column", "The column is missing.", hint)
            return None if can else column
        if here.kind != sql_type(self.store, column.type):
            text = f"The column is of type {here.kind}, not {sql_type(self.store, column.type)}."
            self._tell(path, "drift_type", text, "change its type back by hand")
        if here.null == column.null:
            return column
        if column.null:
            self._tell(path, "drift_null", "The column refuses to be empty, although the field may be.", _REPAIRED)
            return dataclasses.replace(column, null=False)
        empty = await self.store.fetch(f"SELECT count(*) FROM {quote(table.name)} WHERE {quote(column.name)} IS NULL")
        count = int(empty[0][0])
        hint = f"fill the {count} empty values first" if count else _REPAIRED
        self._tell(path, "drift_null", "The column may be empty, although the field is required.", hint)
        return column if count else dataclasses.replace(column, null=True, default=column.default)

    def _has_key(self, table: Table, found: FoundTable, key: ForeignKey) -> bool:
        column = next(c for c in table.columns if c.id == key.column)
        return (column.name, self.wanted.tables[key.table].name) in found.keys

    def _tell_missing(self, table: Table, indexes: tuple[object, ...], keys: tuple[object, ...]) -> None:
        for index in table.indexes:
            if index not in indexes:
                what = "unique index" if index.unique else "index"
                text = f"The {what} {index_name(table.id, index)} is missing."
                self._tell(table.name, "drift_missing_index", text, _REPAIRED)
        for key in table.foreign_keys:
            if key not in keys:
                text = f"The key {key_name(table.id, key)} is missing: references are not protected."
                self._tell(table.name, "drift_missing_key", text, _REPAIRED)

    def _strays(self, table: Table, found: FoundTable) -> None:
        known = {index_name(table.id, i) for i in table.indexes}
        for name in sorted(found.indexes - known):
            ours = name.startswith(SYSTEM_PREFIX)
            hint = f"{_REPAIRED}: drops it" if ours else "drop it, unless you made it to speed something up"
            self._tell(table.name, "drift_extra_index", f"The index {name} is not in the journal.", hint)
            if ours:
                self.stray.append(name)

    def _tell(self, path: str, code: str, message: str, hint: str) -> None:
        self.findings.append(Issue(path, code, message, hint))


def _without_keys_to_nowhere(tables: dict[str, Table]) -> Schema:
    kept = {
        id: dataclasses.replace(t, foreign_keys=tuple(k for k in t.foreign_keys if k.table in tables))
        for id, t in tables.items()
    }
    return Schema(kept)


# --- the records -----------------------------------------------------------------------------------------------------


def _present(schema: Schema, there: dict[str, FoundTable]) -> Iterator[tuple[Table, list[Column]]]:
    """Yield the tables that are there, with those of their columns that are."""
    for table in schema.tables.values():
        if found := there.get(table.name):
            yield table, [c for c in table.columns if c.name in found.columns]


async def _dangling(store: Store, schema: Schema, there: dict[str, FoundTable]) -> AsyncIterator[Issue]:
    """Yield a finding per relation whose values point to records that do not exist."""
    for table, columns in _present(schema, there):
        for key in table.foreign_keys:
            column = next((c for c in columns if c.id == key.column), None)
            target = schema.tables[key.table]
            if column is None or target.name not in there:
                continue
            primary = next(c for c in target.columns if c.primary)
            rows = await store.fetch(
                f"SELECT count(*) FROM {quote(table.name)} AS a WHERE a.{quote(column.name)} IS NOT NULL AND NOT EXISTS"
                f" (SELECT 1 FROM {quote(target.name)} AS b WHERE b.{quote(primary.name)} = a.{quote(column.name)})"
            )
            if count := int(rows[0][0]):
                text = f"{count} of them point to a {target.name} that does not exist."
                yield Issue(f"{table.name}.{column.name}", "dangling", text, "empty or correct these values")


async def _damaged(store: Store, schema: Schema, there: dict[str, FoundTable]) -> AsyncIterator[Issue]:
    """Yield a finding per column with cells that cannot be read; only SQLite takes such."""
    if store.dialect.name != "sqlite":
        return
    for table, columns in _present(schema, there):
        key = next((c for c in columns if c.primary), None)
        for column in columns if key else ():
            if column.type.name not in _MAY_BE_DAMAGED or key is None or column.primary:
                continue
            bad = 0
            async for page in scan(store, table.name, key, column.name, column.type):
                bad += sum(value is None and stored != "null" for _, stored, value in page)
            if bad:
                text = f"{bad} cells hold what is no {column.type.name}; they are shown as empty."
                yield Issue(f"{table.name}.{column.name}", "damaged_cell", text, "write these values again")


async def reindex(store: Store, names: Iterable[str]) -> int:
    """Make the indexes of words of some tables anew, by the tables' names; return how many there were.

    Raises:
        Unavailable: the database is busy; nothing was changed.
    """
    generation, wanted = await current(store), frozenset(names)
    tables = generation.schema.tables if generation else {}
    without = {id: _without_words(table) if table.name in wanted else table for id, table in tables.items()}
    done = sum(without[id] is not table for id, table in tables.items())
    async with store.schema_transaction():
        await store.lock(LOCK)
        await perform_all(store, Schema(tables), Schema(without))
        await perform_all(store, Schema(without), Schema(tables))
    await store.tables_changed()
    return done


def _without_words(table: Table) -> Table:
    kept = tuple(index for index in table.indexes if index.kind != "words")
    return table if kept == table.indexes else dataclasses.replace(table, indexes=kept)
