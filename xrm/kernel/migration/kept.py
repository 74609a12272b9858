"""Values that a change of the model would lose are kept in tables of the kernel until they are purged.

A dropped table is renamed to ``xrm_gone_<generation>_<table id>``: nothing is copied. Of a table that stays, the values
of dropped columns, and those that a new type, a backfill or a data step changes, are copied to
``xrm_kept_<generation>_<table id>``: the record's id, and per column its value before and (``xrm_after_…``) after.
Both are part of the journal's schema, so they are made, compared and dropped as every other table, and a rollback
finds them there.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from xrm.kernel.migration.diff import TableChange, compare
from xrm.kernel.migration.physical import SYSTEM_PREFIX, plain
from xrm.kernel.migration.retype import reversible
from xrm.kernel.store.schema import Column, ColumnType, Schema, Table
from xrm.kernel.store.sql import quote
from xrm.kernel.store.store import Store

KEPT, GONE = "xrm_kept_", "xrm_gone_"
RECORD = "xrm_record"  # the column of a kept table that says whose values they are
_NAME = re.compile(r"xrm_(?:kept|gone)_(\d+)_(.+)")
_SAME_AS_TEXT = frozenset({"int", "date"})  # what a text becomes that reads alike, and back


@dataclass(frozen=True, slots=True)
class Keeping:
    """What one plan keeps of one table that stays.

    Attributes:
        table: The table as it is before.
        new: The table as it will be.
        kept: Where the values go.
        dropped: Columns that go.
        changed: Columns whose values change, before and after.
    """

    table: Table
    new: Table
    kept: Table
    dropped: tuple[Column, ...]
    changed: tuple[tuple[Column, Column], ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """Everything one plan keeps: tables as they go, and values of tables that stay."""

    gone: tuple[Table, ...]
    values: tuple[Keeping, ...]
    generation: int

    def begin(self, old: Schema) -> Schema:
        """Return the schema in which the values can be copied: dropped tables stand aside, kept tables are there."""
        aside = {t.id: self._aside(t) for t in self.gone}
        return Schema({**old.tables, **aside, **self.tables})

    def settled(self, schema: Schema) -> Schema:
        """Return a schema with the tables that stand aside under the ids they are kept by."""
        ids = {t.id for t in self.gone}
        stay = {id: table for id, table in schema.tables.items() if id not in ids}
        return Schema({**stay, **self.gone_tables})

    def added(self, new: Schema) -> Schema:
        """Return the schema a plan ends with, and what it keeps."""
        return Schema({**new.tables, **self.tables, **self.gone_tables})

    @property
    def tables(self) -> dict[str, Table]:
        """The tables of kept values, by id."""
        return {keeping.kept.id: keeping.kept for keeping in self.values}

    @property
    def gone_tables(self) -> dict[str, Table]:
        """The dropped tables as they are kept, by id."""
        aside = [self._aside(t) for t in self.gone]
        return {t.name: dataclasses.replace(t, id=t.name) for t in aside}

    def _aside(self, table: Table) -> Table:
        name = f"{GONE}{self.generation}_{plain(table.id)}"
        columns = tuple(dataclasses.replace(c, backfill=None) for c in table.columns)
        return dataclasses.replace(table, name=name, columns=columns, indexes=(), foreign_keys=())


def origin(table_id: str) -> tuple[int, str] | None:
    """Return the generation that kept a table and the id of the table it stems from; None for any other table."""
    found = _NAME.fullmatch(table_id)
    return (int(found[1]), found[2]) if found else None


def after_id(column_id: str) -> str:
    """Return the id of the column that holds what a kept value became."""
    return f"xrm_after_{plain(column_id)}"


def keeping(old: Schema, new: Schema, generation: int, rewritten: Iterable[tuple[str, str]] = ()) -> Kept:
    """Return what is to be kept when `old` becomes `new` with `generation`.

    Args:
        old: The schema in force.
        new: The one that comes.
        generation: The number it will have.
        rewritten: (table id, column id) of columns whose values other steps change.
    """
    change = compare(old, new)
    touched: dict[str, set[str]] = {}
    for table, column in rewritten:
        touched.setdefault(table, set()).add(column)
    changes = {c.old.id: c for c in change.changed}
    unchanged = (compare_same(old.tables[id], new.tables[id]) for id in touched if id not in changes)
    found = (
        _keeping(one, touched.get(one.old.id, set()), generation)
        for one in (*changes.values(), *unchanged)
        if not one.old.id.startswith(SYSTEM_PREFIX)
    )
    gone = tuple(t for t in change.dropped if not t.id.startswith(SYSTEM_PREFIX))
    return Kept(gone, tuple(one for one in found if one), generation)


def compare_same(old: Table, new: Table) -> TableChange:
    """Return the (empty) difference of a table that changes in its values only."""
    return TableChange(old, new, *((),) * 12)


def _keeping(change: TableChange, touched: set[str], generation: int) -> Keeping | None:
    before = {c.id: c for c in change.old.columns}
    pairs = {old.id: (old, new) for old, new in change.retyped if not reversible(old.type, new.type)}
    pairs |= {
        old.id: (old, new) for old, new in change.tightened if new.backfill is not None or new.default is not None
    }
    pairs |= {c.id: (before[c.id], c) for c in change.new.columns if c.id in touched and c.id in before}
    if not pairs and not change.dropped:
        return None
    key = next(c for c in change.old.columns if c.primary)
    columns = [Column(RECORD, RECORD, key.type, null=False, primary=True)]
    columns += [Column(c.id, plain(c.id), c.type) for c in (*change.dropped, *(old for old, _ in pairs.values()))]
    columns += [Column(after_id(new.id), after_id(new.id), new.type) for _, new in pairs.values()]
    name = f"{KEPT}{generation}_{plain(change.old.id)}"
    kept = Table(name, name, tuple(columns))
    return Keeping(change.old, change.new, kept, change.dropped, tuple(pairs.values()))


# --- at work -----------------------------------------------------------------------------------------------------


async def copy(store: Store, kept: Kept) -> None:
    """Copy the values as they are now; the kept tables are there and empty."""
    for one in kept.values:
        columns = [*one.dropped, *(old for old, _ in one.changed)]
        key = next(c for c in one.table.columns if c.primary)
        into = ", ".join(quote(n) for n in (RECORD, *(plain(c.id) for c in columns)))
        taken = ", ".join(quote(c.name) for c in (key, *columns))
        await store.execute(
            f"INSERT INTO {quote(one.kept.name)} ({into}) SELECT {taken} FROM {quote(one.table.name)}{_where(one)}"
        )


def _where(one: Keeping) -> str:
    """Return the condition of what may be lost at all. Of a dropped field also the nulls are told from no record."""
    if one.dropped:
        return ""
    terms = []
    for old, new in one.changed:
        if old.type != new.type:
            terms.append(f"{quote(old.name)} IS NOT NULL")
        elif old.null and not new.null:
            terms.append(f"{quote(old.name)} IS NULL")
        else:
            return ""
    return f" WHERE {' OR '.join(terms)}"


async def compare_kept(store: Store, kept: Kept) -> Kept:
    """Note what the values became and forget those that stayed as they were; return what is kept for good."""
    stay = []
    for one in kept.values:
        if one.changed:
            await _note(store, one)
        found = await store.fetch(f"SELECT 1 FROM {quote(one.kept.name)} LIMIT 1")
        if found:
            stay.append(one)
        else:
            await store.execute(f"DROP TABLE {quote(one.kept.name)}")
    return dataclasses.replace(kept, values=tuple(stay))


async def _note(store: Store, one: Keeping) -> None:
    key = next(c for c in one.new.columns if c.primary)
    name, source = quote(one.kept.name), quote(one.new.name)
    sets = ", ".join(f"{quote(after_id(new.id))} = xrm_now.{quote(new.name)}" for _, new in one.changed)
    await store.execute(
        f"UPDATE {name} SET {sets} FROM {source} AS xrm_now WHERE xrm_now.{quote(key.name)} = {name}.{quote(RECORD)}"
    )
    if not one.dropped:
        same = [_unchanged(store, old, new) for old, new in one.changed]
        if all(same):
            await store.execute(f"DELETE FROM {name} WHERE {' AND '.join(same)}")


def _unchanged(store: Store, old: Column, new: Column) -> str:
    """Return the condition that a kept value needs no keeping; empty if that cannot be said in SQL."""
    before, after = quote(plain(old.id)), quote(after_id(new.id))
    if old.type == new.type:
        return same(store, before, after)
    if old.type.name == "text" and new.type.name in _SAME_AS_TEXT:
        return same(store, before, f"CAST({after} AS text)")
    return ""


def same(store: Store, one: str, other: str) -> str:
    """Return SQL that compares two terms; null is equal to null."""
    return f"{one} IS {other}" if store.dialect.name == "sqlite" else f"{one} IS NOT DISTINCT FROM {other}"


# --- what there is --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Holding:
    """Kept values of one column, or a whole kept table.

    Attributes:
        generation: The one that dropped or changed them.
        kept: Id of the kernel's table.
        table: Id of the table they stem from.
        column: Id of the column; empty for a whole table.
        count: How many values, or records.
    """

    generation: int
    kept: str
    table: str
    column: str
    count: int


def kept_tables(schema: Schema) -> Iterator[tuple[int, str, Table]]:
    """Yield (generation, table id it stems from, table) of all that is kept, the oldest first."""
    found = [(where, table) for id, table in schema.tables.items() if (where := origin(id))]
    for (generation, id), table in sorted(found, key=lambda one: one[0]):
        yield generation, id, table


def kept_columns(table: Table) -> Mapping[str, Column]:
    """Return the columns of a kept table that hold values as they were, by the id of the column they stem from."""
    return {c.id: c for c in table.columns if c.id != RECORD and not c.id.startswith("xrm_after_")}


def is_gone(table: Table) -> bool:
    """Whether it is a dropped table as a whole."""
    return table.id.startswith(GONE)


async def holdings(store: Store, schema: Schema) -> list[Holding]:
    """Return what is kept, counted."""
    found = []
    for generation, id, table in kept_tables(schema):
        name = quote(table.name)
        if is_gone(table):
            rows = await store.fetch(f"SELECT count(*) FROM {name}")
            found.append(Holding(generation, table.id, id, "", int(rows[0][0])))
            continue
        after = {c.id for c in table.columns}
        for column in kept_columns(table).values():
            counted = f"count({quote(column.name)})" if after_id(column.id) not in after else "count(*)"
            rows = await store.fetch(f"SELECT {counted} FROM {name}")
            found.append(Holding(generation, table.id, id, column.id, int(rows[0][0])))
    return found


def sql_type(store: Store, type: ColumnType) -> str:
    """Return a column type as CAST wants it."""
    return store.dialect.column_type(type).removesuffix(' COLLATE "C"')
