"""What tables, columns, indexes and keys a database really has, as it tells itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from xrm.kernel.store.store import Store

_SHORT = MappingProxyType({"timestamp with time zone": "timestamptz", "time without time zone": "time"})


@dataclass(frozen=True, slots=True)
class FoundColumn:
    """A column: its type as the database writes it, and whether it may be empty."""

    kind: str
    null: bool


@dataclass(frozen=True, slots=True)
class FoundTable:
    """A table: its columns by name, the names of its indexes, and (column, table it points to) of its keys."""

    columns: Mapping[str, FoundColumn]
    indexes: frozenset[str]
    keys: frozenset[tuple[str, str]]


async def introspect(store: Store) -> dict[str, FoundTable]:
    """Return the tables of the database (PostgreSQL: of the schema new tables go to), by name."""
    return await (_sqlite(store) if store.dialect.name == "sqlite" else _postgres(store))


async def _sqlite(store: Store) -> dict[str, FoundTable]:
    columns = await store.fetch(
        'SELECT s.name, c.name, c.type, c."notnull" FROM sqlite_schema s, pragma_table_info(s.name) c'
        " WHERE s.type = 'table' AND s.name NOT LIKE 'sqlite%'"
    )
    indexes = await store.fetch(
        "SELECT tbl_name, name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL"
        " OR type = 'trigger' AND name IN (SELECT name FROM sqlite_schema WHERE type = 'table')"  # an index of words
    )
    keys = await store.fetch(
        'SELECT s.name, k."from", k."table" FROM sqlite_schema s, pragma_foreign_key_list(s.name) k'
        " WHERE s.type = 'table'"
    )
    return _together([(t, c, kind, not needed) for t, c, kind, needed in columns], indexes, keys)


async def _postgres(store: Store) -> dict[str, FoundTable]:
    here = "relnamespace = current_schema()::regnamespace"
    columns = await store.fetch(
        "SELECT relname, attname, format_type(atttypid, atttypmod), NOT attnotnull FROM pg_class"
        f" JOIN pg_attribute ON attrelid = pg_class.oid WHERE relkind = 'r' AND {here}"
        " AND attnum > 0 AND NOT attisdropped"
    )
    indexes = await store.fetch(
        "SELECT t.relname, i.relname FROM pg_index JOIN pg_class i ON i.oid = indexrelid"
        " JOIN pg_class t ON t.oid = indrelid"
        " WHERE t.relnamespace = current_schema()::regnamespace AND NOT indisprimary AND indisvalid"
    )
    keys = await store.fetch(
        "SELECT a.relname, attname, b.relname FROM pg_constraint JOIN pg_class a ON a.oid = conrelid"
        " JOIN pg_class b ON b.oid = confrelid JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1]"
        " WHERE contype = 'f' AND a.relnamespace = current_schema()::regnamespace"
    )
    return _together([(t, c, _SHORT.get(kind, kind), null) for t, c, kind, null in columns], indexes, keys)


def _together(columns: Iterable[Any], indexes: Sequence[Any], keys: Sequence[Any]) -> dict[str, FoundTable]:
    tables: dict[str, dict[str, FoundColumn]] = {}
    for table, name, kind, null in columns:
        tables.setdefault(table, {})[name] = FoundColumn(kind, bool(null))
    return {
        name: FoundTable(
            found,
            frozenset(i for t, i in indexes if t == name),
            frozenset((c, to) for t, c, to in keys if t == name),
        )
        for name, found in tables.items()
    }
