"""A change of schema as SQL, for SQLite and PostgreSQL.

PostgreSQL alters what is there. SQLite can add, rename and drop a column, but neither change its type, default or NOT
NULL nor a key of a table that exists: then the table is rebuilt (https://www.sqlite.org/lang_altertable.html §7: make
the new table, copy, drop, rename), with foreign keys off around the transaction. Values of another type are not left
to either database: each is read, converted in Python and written (`Convert`), so both give the same result.

The order is the same on both, so that names and keys are free when they are needed: drop keys and indexes, drop tables
and columns, rename, create, add and fill columns, alter or rebuild, then indexes and keys.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from xrm.kernel import conditions
from xrm.kernel.migration.diff import SchemaChange, TableChange, compare
from xrm.kernel.migration.direct import direct
from xrm.kernel.migration.physical import SYSTEM_PREFIX, base_id, plain
from xrm.kernel.migration.word_index import create_on_postgresql, create_on_sqlite, drop_on_sqlite
from xrm.kernel.store.codec import Dialect
from xrm.kernel.store.schema import Column, ColumnType, ForeignKey, Index, Schema, Table
from xrm.kernel.store.sql import quote

_LONGEST = 60  # PostgreSQL cuts names at 63 bytes


@dataclass(frozen=True, slots=True)
class Run:
    """One statement."""

    sql: str

    def __str__(self) -> str:
        return f"{self.sql};"


@dataclass(frozen=True, slots=True)
class Convert:
    """Fill column `target` with the values of `source`, converted in Python."""

    table: str
    key: Column
    source: str
    target: str
    old: ColumnType
    new: ColumnType

    def __str__(self) -> str:
        return f"-- {self.table}.{self.target} := {self.source}, converted from {self.old.name} to {self.new.name}"


Operation = Run | Convert


def operations(
    old: Schema, new: Schema, dialect: Dialect, late: frozenset[tuple[str, str]] = frozenset()
) -> tuple[Operation, ...]:
    """Return what turns a database of schema `old` into one of schema `new`, in order.

    `late` names, as (table id, index id), indexes of tables that stay which are not made now.
    """
    writer = _Sqlite if dialect.name == "sqlite" else _Postgres
    return tuple(writer(compare(old, new), new, dialect, late).write())


def create_index(table: Table, index: Index, schema: Schema, dialect: Dialect) -> tuple[str, ...]:
    """Return the statements that make one index of a database of schema `schema`."""
    writer = _Sqlite if dialect.name == "sqlite" else _Postgres
    made = writer(compare(schema, schema), schema, dialect).index(table, index)
    return tuple(one.sql for one in made if isinstance(one, Run))


def index_name(table: str, index: Index) -> str:
    """Return the name an index has in the database; made of ids, so it survives renames."""
    return _name(table, index.id)


def key_name(table: str, key: ForeignKey) -> str:
    """Return the name a foreign key has in the database."""
    return _name(table, key.id)


def _name(*ids: str) -> str:
    name = "_".join(plain(id) for id in ids)
    if not name.startswith(SYSTEM_PREFIX):
        name = SYSTEM_PREFIX + name  # indexes and tables share their names, and no entity's name begins like this
    if len(name) <= _LONGEST:
        return name
    return f"{name[: _LONGEST - 9]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"


class _Writer:
    """What both databases do alike. `change` is by id; names are those at the moment a statement runs."""

    def __init__(
        self,
        change: SchemaChange,
        new: Schema,
        dialect: Dialect,
        late: frozenset[tuple[str, str]] = frozenset(),
    ) -> None:
        self.change, self.new, self.dialect, self.late = change, new, dialect, late

    # -- pieces

    def column(self, column: Column) -> str:
        """Return a column's definition without keys."""
        parts = [quote(column.name), self.dialect.column_type(column.type)]
        if not column.null:
            parts.append("NOT NULL")
        if column.default is not None:
            parts.append(f"DEFAULT {self.dialect.literal(column.default, column.type)}")
        return " ".join(parts)

    def primary(self, table: Table) -> str:
        names = ", ".join(quote(c.name) for c in table.columns if c.primary)
        return f"CONSTRAINT {quote(_name(table.id, 'pkey'))} PRIMARY KEY ({names})"

    def reference(self, key: ForeignKey) -> str:
        """Return the part of a key that says where it points."""
        target = self.new.tables[key.table]
        primary = next(c for c in target.columns if c.primary)
        return f"REFERENCES {quote(target.name)} ({quote(primary.name)}) DEFERRABLE INITIALLY IMMEDIATE"

    def index(self, table: Table, index: Index) -> Iterator[Operation]:
        """Yield what makes an index."""
        if index.kind == "words":
            create = create_on_sqlite if self.dialect.name == "sqlite" else create_on_postgresql
            yield from map(Run, create(table.name, index_name(table.id, index)))
        else:
            yield self._plain_index(table, index)

    def drop_index(self, table: Table, index: Index) -> Iterator[Operation]:
        """Yield what drops an index."""
        if index.kind == "words" and self.dialect.name == "sqlite":
            yield from map(Run, drop_on_sqlite(index_name(table.id, index)))
        else:
            # On PostgreSQL it may be one that is made afterwards (later.py) and is not there yet.
            there = "IF EXISTS " if self.dialect.name == "postgresql" else ""
            yield Run(f"DROP INDEX {there}{quote(index_name(table.id, index))}")

    def _plain_index(self, table: Table, index: Index) -> Run:
        names = {c.id: c for c in table.columns}
        columns = [names[id] for id in index.columns]
        where = [f"{quote('deleted_at')} IS NULL"] if index.live else []
        if index.where:
            where.append(conditions.sql(index.where, self.dialect, lambda id: (quote(names[id].name), names[id].type)))
        live = f" WHERE {' AND '.join(where)}" if where else ""
        unique = "UNIQUE " if index.unique else ""
        name = quote(index_name(table.id, index))
        # A set of texts is asked for what it contains; only PostgreSQL has an index that answers.
        a_set = len(columns) == 1 and columns[0].type.name == "texts" and not index.unique
        method = "USING gin " if a_set and self.dialect.name == "postgresql" else ""
        listed = ", ".join(self._indexed(c, index) + self._null_order(c, method) for c in columns)
        return Run(f"CREATE {unique}INDEX {name} ON {quote(table.name)} {method}({listed}){live}")

    def _indexed(self, column: Column, index: Index) -> str:
        folded = index.ignore and column.type.name == "text"
        return self.dialect.fold(quote(column.name)) if folded else quote(column.name)

    def _null_order(self, column: Column, method: str) -> str:
        """Null is the least value in lists, as SQLite has it; an index must say so on PostgreSQL to serve them."""
        return " NULLS FIRST" if self.dialect.name == "postgresql" and not method and column.name != "id" else ""

    # -- steps that both databases take

    def rename_tables(self) -> Iterator[Operation]:
        pairs = {c.old.name: c.new.name for c in self.change.changed if c.moved}
        for old, new in in_order(pairs):
            yield Run(f"ALTER TABLE {quote(old)} RENAME TO {quote(new)}")

    def rename_columns(self, change: TableChange) -> Iterator[Operation]:
        for old, new in in_order({a.name: b.name for a, b in change.renamed}):
            yield Run(f"ALTER TABLE {quote(change.new.name)} RENAME COLUMN {quote(old)} TO {quote(new)}")

    def fill(self, change: TableChange, names: Mapping[str, str]) -> Iterator[Operation]:
        """Give existing rows their backfill. `names` tells a column's name at this moment, by id."""
        yield from self._take(change, names)
        for column in change.added:
            if column.backfill is not None:
                yield self._update(change, column, names, _with_base(column, names))
        for _, column in change.tightened:
            if column.backfill is not None or column.default is not None:
                here = quote(names[column.id])
                yield self._update(change, column, names, [f"{here} IS NULL", *_with_base(column, names)])

    def _take(self, change: TableChange, names: Mapping[str, str]) -> Iterator[Operation]:
        """Fill columns with the values that were laid down, one statement per field."""
        for scratch in dict.fromkeys(c.taken for c in change.taken):
            columns = [c for c in change.taken if c.taken == scratch]
            listed = ", ".join(f"{quote(names[c.id])} = xrm_laid.{quote(plain(c.id))}" for c in columns)
            table, key = quote(change.new.name), quote(next(c for c in change.new.columns if c.primary).name)
            where = f'xrm_laid."id" = {table}.{key}'
            yield Run(f"UPDATE {table} SET {listed} FROM {quote(scratch)} AS xrm_laid WHERE {where}")

    def _update(self, change: TableChange, column: Column, names: Mapping[str, str], where: list[str]) -> Run:
        value = column.backfill if column.backfill is not None else column.default
        condition = f" WHERE {' AND '.join(where)}" if where else ""
        literal = self.dialect.literal(value, column.type)
        return Run(f"UPDATE {quote(change.new.name)} SET {quote(names[column.id])} = {literal}{condition}")

    def convert(self, change: TableChange, names: dict[str, str]) -> Iterator[Operation]:
        """Add a column beside each that changes its type and fill it; `names` then tells the new one."""
        key = next(c for c in change.new.columns if c.primary)
        for old, new in change.retyped:
            if in_place := list(self.in_place(change, old, new)):
                yield from in_place
                continue
            beside, table = f"xrm_new_{plain(new.id)}", change.new.name
            yield Run(f"ALTER TABLE {quote(table)} ADD COLUMN {quote(beside)} {self.dialect.column_type(new.type)}")
            if not new.taken:
                yield Convert(table, key, names[new.id], beside, old.type, new.type)
            names[new.id] = beside

    def in_place(self, change: TableChange, old: Column, new: Column) -> Iterator[Operation]:
        """Yield what changes a column's type where it stands; nothing where that is not possible."""
        yield from ()


def _with_base(column: Column, names: Mapping[str, str]) -> list[str]:
    """Return the condition that the field has a value at all, for its second column (a currency needs an amount)."""
    base = base_id(column.id)
    return [f"{quote(names[base])} IS NOT NULL"] if base != column.id else []


def in_order(pairs: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield renames so that each new name is free when its turn comes; what goes round in a circle takes a detour."""
    waiting = dict(pairs)
    while waiting:
        ready = [old for old, new in waiting.items() if new not in waiting]
        if not ready:
            old = next(iter(waiting))
            yield old, f"xrm_moved_{old}"
            waiting[f"xrm_moved_{old}"] = waiting.pop(old)
        for old in ready:
            yield old, waiting.pop(old)


def _names_now(change: TableChange) -> dict[str, str]:
    return {c.id: c.name for c in change.new.columns}


def _touching(change: TableChange) -> set[str]:
    """Return the ids of columns whose indexes and keys cannot stay in place."""
    return {c.id for c in change.dropped} | {new.id for _, new in change.retyped}


def _indexes_to_drop(change: TableChange) -> Iterator[Index]:
    ids = _touching(change)
    return (i for i in change.old.indexes if i in change.indexes_dropped or ids & _used(i))


def indexes_to_create(change: TableChange) -> Iterator[Index]:
    """Yield the indexes of a changed table that are new, or stand on columns that are made anew."""
    ids = _touching(change)
    return (i for i in change.new.indexes if i in change.indexes_added or ids & _used(i))


def _used(index: Index) -> set[str]:
    return {*index.columns, *conditions.columns_of(index.where)}


class _Postgres(_Writer):
    def write(self) -> Iterator[Operation]:
        yield from self._remove()
        yield from self.rename_tables()
        for change in self.change.changed:
            yield from self.rename_columns(change)
        for table in self.change.created:
            yield Run(f"CREATE TABLE {quote(table.name)} ({self._body(table)})")
        for change in self.change.changed:
            yield from self._alter(change)
        yield from self._complete()

    def _remove(self) -> Iterator[Operation]:
        changed, dropped = self.change.changed, self.change.dropped
        for change in changed:
            yield from self._drop_keys(change.old, self._keys_to_drop(change))
            yield from (run for i in _indexes_to_drop(change) for run in self.drop_index(change.old, i))
        for table in dropped:
            yield from self._drop_keys(table, table.foreign_keys)
        yield from (Run(f"DROP TABLE {quote(table.name)}") for table in dropped)
        for change in changed:
            yield from self._drop_columns(change)

    def _complete(self) -> Iterator[Operation]:
        """Add indexes and keys, when all tables are there."""
        for table in self.change.created:
            yield from (run for i in table.indexes for run in self.index(table, i))
        for change in self.change.changed:
            made_now = (i for i in indexes_to_create(change) if (change.new.id, i.id) not in self.late)
            yield from (run for i in made_now for run in self.index(change.new, i))
        for table in self.change.created:
            yield from self._add_keys(table, table.foreign_keys)
        for change in self.change.changed:
            yield from self._add_keys(change.new, self._keys_to_add(change))

    def _body(self, table: Table) -> str:
        return ", ".join([*(self.column(c) for c in table.columns), self.primary(table)])

    def _drop_keys(self, table: Table, keys: Iterable[ForeignKey]) -> Iterator[Operation]:
        for key in keys:
            yield Run(f"ALTER TABLE {quote(table.name)} DROP CONSTRAINT {quote(key_name(table.id, key))}")

    def _add_keys(self, table: Table, keys: Iterable[ForeignKey]) -> Iterator[Operation]:
        for key in keys:
            column = next(c for c in table.columns if c.id == key.column)
            name, points = quote(key_name(table.id, key)), self.reference(key)
            what = f"ADD CONSTRAINT {name} FOREIGN KEY ({quote(column.name)}) {points}"
            yield Run(f"ALTER TABLE {quote(table.name)} {what}")

    def _keys_to_drop(self, change: TableChange) -> Iterator[ForeignKey]:
        ids = _touching(change)
        return (k for k in change.old.foreign_keys if k in change.keys_dropped or k.column in ids)

    def _keys_to_add(self, change: TableChange) -> Iterator[ForeignKey]:
        ids = _touching(change)
        return (k for k in change.new.foreign_keys if k in change.keys_added or k.column in ids)

    def _drop_columns(self, change: TableChange) -> Iterator[Operation]:
        for column in change.dropped:
            yield Run(f"ALTER TABLE {quote(change.old.name)} DROP COLUMN {quote(column.name)}")

    def _alter(self, change: TableChange) -> Iterator[Operation]:
        names = _names_now(change)
        for column in change.added:
            yield self._add_column(change, column)
        yield from self.convert(change, names)
        yield from self.fill(change, names)
        for _, new in change.retyped:
            if names[new.id] != new.name:
                yield from self._replace(change, new, names[new.id])
        yield from self._constrain(change)

    def in_place(self, change: TableChange, old: Column, new: Column) -> Iterator[Operation]:
        """Let the database convert the values itself: the table is written anew once, or not at all."""
        how = None if new.taken else direct(self.dialect, old.type, new.type, quote(new.name))
        if how is not None:
            yield self._alter_column(change, new, "DROP DEFAULT")
            yield self._alter_column(change, new, f"TYPE {self.dialect.column_type(new.type)} USING {how.value}")

    def _add_column(self, change: TableChange, column: Column) -> Run:
        """Add a column; one that is required but has no default gets NOT NULL when it is filled."""
        late = not column.null and column.default is None
        shown = f"{quote(column.name)} {self.dialect.column_type(column.type)}" if late else self.column(column)
        return Run(f"ALTER TABLE {quote(change.new.name)} ADD COLUMN {shown}")

    def _replace(self, change: TableChange, column: Column, beside: str) -> Iterator[Operation]:
        table, name = quote(change.new.name), quote(column.name)
        yield Run(f"ALTER TABLE {table} DROP COLUMN {name}")
        yield Run(f"ALTER TABLE {table} RENAME COLUMN {quote(beside)} TO {name}")

    def _constrain(self, change: TableChange) -> Iterator[Operation]:
        replaced = [new for _, new in change.retyped]
        fresh = [c for c in change.added if not c.null and c.default is None]
        for column in [*(c for _, c in change.redefaulted if c not in replaced), *replaced]:
            yield self._alter_column(change, column, self._default(column))
        for column in [*(c for _, c in change.tightened if c not in replaced), *fresh, *replaced]:
            if not column.null:
                yield self._alter_column(change, column, "SET NOT NULL")
        for _, column in change.relaxed:
            if column not in replaced:
                yield self._alter_column(change, column, "DROP NOT NULL")

    def _alter_column(self, change: TableChange, column: Column, what: str) -> Run:
        return Run(f"ALTER TABLE {quote(change.new.name)} ALTER COLUMN {quote(column.name)} {what}")

    def _default(self, column: Column) -> str:
        if column.default is None:
            return "DROP DEFAULT"
        return f"SET DEFAULT {self.dialect.literal(column.default, column.type)}"


class _Sqlite(_Writer):
    def write(self) -> Iterator[Operation]:
        changed = self.change.changed
        altered = [c for c in changed if not _needs_rebuild(c)]
        rebuilt = [c for c in changed if _needs_rebuild(c)]
        for change in changed:
            yield from (run for i in _indexes_to_drop(change) for run in self.drop_index(change.old, i))
        for table in self.change.dropped:
            yield from (run for i in table.indexes if i.kind for run in self.drop_index(table, i))
            yield Run(f"DROP TABLE {quote(table.name)}")
        for change in altered:
            for column in change.dropped:
                yield Run(f"ALTER TABLE {quote(change.old.name)} DROP COLUMN {quote(column.name)}")
        yield from self.rename_tables()
        for table in self.change.created:
            yield from self._create(table, table.name)
        for change in altered:
            yield from self._alter(change)
        for change in rebuilt:
            yield from self._rebuild(change)

    def _create(self, table: Table, name: str) -> Iterator[Operation]:
        columns = [self._full_column(table, c) for c in table.columns]
        yield Run(f"CREATE TABLE {quote(name)} ({', '.join([*columns, self.primary(table)])}) STRICT")
        if name == table.name:
            yield from (run for i in table.indexes for run in self.index(table, i))

    def _full_column(self, table: Table, column: Column) -> str:
        """Return a column with its key beside it: only so may a column with a key be added later."""
        key = next((k for k in table.foreign_keys if k.column == column.id), None)
        if key is None:
            return self.column(column)
        return f"{self.column(column)} CONSTRAINT {quote(key_name(table.id, key))} {self.reference(key)}"

    def _alter(self, change: TableChange) -> Iterator[Operation]:
        yield from self.rename_columns(change)
        for column in change.added:
            shown = self._full_column(change.new, column)
            yield Run(f"ALTER TABLE {quote(change.new.name)} ADD COLUMN {shown}")
        yield from self.fill(change, _names_now(change))
        yield from (run for i in indexes_to_create(change) for run in self.index(change.new, i))

    def _rebuild(self, change: TableChange) -> Iterator[Operation]:
        table, beside = change.new, f"xrm_new_{change.new.id}"
        names = {c.id: c.name for c in change.old.columns}
        yield from self._add_beside(change, names)
        yield from self.convert(change, names)
        yield from self.fill(change, names)
        yield from self._create(table, beside)
        into = ", ".join(quote(c.name) for c in table.columns)
        taken = ", ".join(quote(names[c.id]) for c in table.columns)
        yield Run(f"INSERT INTO {quote(beside)} ({into}) SELECT {taken} FROM {quote(table.name)}")
        yield Run(f"DROP TABLE {quote(table.name)}")
        yield Run(f"ALTER TABLE {quote(beside)} RENAME TO {quote(table.name)}")
        yield from (run for i in table.indexes for run in self.index(table, i))

    def _add_beside(self, change: TableChange, names: dict[str, str]) -> Iterator[Operation]:
        """Add new columns to the old table under names that are free, so that they can be filled before the copy."""
        for column in change.added:
            names[column.id] = f"xrm_new_{plain(column.id)}"
            shown = [quote(names[column.id]), self.dialect.column_type(column.type)]
            if column.default is not None:
                shown.append(f"DEFAULT {self.dialect.literal(column.default, column.type)}")
            yield Run(f"ALTER TABLE {quote(change.new.name)} ADD COLUMN {' '.join(shown)}")


def _needs_rebuild(change: TableChange) -> bool:
    added = {c.id for c in change.added}
    return bool(
        change.retyped
        or change.tightened
        or change.relaxed
        or change.redefaulted
        or change.keys_dropped
        or any(k.column not in added for k in change.keys_added)
        or any(not c.null and c.default is None for c in change.added)
        or any(c.primary for c in change.dropped)
    )
