"""What the tests of plan and apply share: small models, a few rows, and a look at what the database really has."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import UUID

from xrm.kernel.migration.ddl import index_name
from xrm.kernel.migration.journal import Generation, current
from xrm.kernel.store.schema import Column, Schema, Table
from xrm.kernel.store.sql import Binder, quote
from xrm.kernel.store.store import Store
from xrm.metadata.model import Entity, Field, Model, Source

_NUMBERS = count(1)  # ids in the order of insertion, also within a millisecond
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
_SYSTEM = {
    "id": "uuid",
    "version": "integer",
    "created_at": "datetime",
    "created_by": "relation",
    "updated_at": "datetime",
    "updated_by": "relation",
    "deleted_at": "datetime",
    "deleted_by": "relation",
    "label": "text",
    "search": "long_text",
}


def field(name: str, kind: str = "text", **options: Any) -> Field:
    """Return a field; `to` may be one name."""
    to = options.pop("to", ())
    return Field(name, kind, name.title(), to=(to,) if isinstance(to, str) else tuple(to), **options)


def entity(name: str, *fields: Field, **options: Any) -> Entity:
    """Return an entity with the system fields behind its own, as the merge makes it."""
    system = [
        Field(n, t, n, system=True, read_only=True, to=("user",) if t == "relation" else ()) for n, t in _SYSTEM.items()
    ]
    return Entity(name, name.title(), name.title() + "s", {f.name: f for f in (*fields, *system)}, **options)


def model(*entities: Entity) -> Model:
    """Return a model; its one source is a text that tells models apart."""
    return Model(entities={e.name: e for e in entities}, sources=(Source("site", "entities/all.yaml", repr(entities)),))


def one(*fields: Field, **options: Any) -> Model:
    """Return a model with the entity `thing` and these fields."""
    return model(entity("thing", *fields, **options))


# --- rows ----------------------------------------------------------------------------------------------------------


def table_of(generation: Generation, name: str) -> Table:
    return next(t for t in generation.schema.tables.values() if t.name == name)


async def put(store: Store, generation: Generation, name: str, /, **cells: Any) -> UUID:
    """Insert a row of Python values; return its id."""
    cells = {"id": UUID(int=next(_NUMBERS)), "created_at": NOW, "updated_at": NOW, **cells}
    types = {c.name: c.type for c in table_of(generation, name).columns}
    binder = Binder(store.dialect)
    places = [binder.bind(value, types[column]) for column, value in cells.items()]
    listed = ", ".join(map(quote, cells))
    await store.execute(f"INSERT INTO {quote(name)} ({listed}) VALUES ({', '.join(places)})", binder.params)
    return cells["id"]


async def cells(store: Store, generation: Generation, name: str, *columns: str) -> list[Any]:
    """Return the Python values of one column, or tuples of several, in the order of insertion."""
    types = {c.name: c.type for c in table_of(generation, name).columns}
    listed = ", ".join(map(quote, columns))
    rows = await store.fetch(f"SELECT {listed} FROM {quote(name)} ORDER BY {quote('id')}")
    decoded = []
    for row in rows:
        decoders = [store.dialect.decode(types[c]) or (lambda cell: cell) for c in columns]
        decoded.append(tuple(decode(cell) for decode, cell in zip(decoders, row, strict=True)))
    return [row[0] for row in decoded] if len(columns) == 1 else decoded


# --- what the database has -----------------------------------------------------------------------------------------


async def look(store: Store) -> dict[str, Any]:
    """Return the database's own account of its tables, in the form of `expected`."""
    return await (_look_sqlite(store) if store.dialect.name == "sqlite" else _look_postgres(store))


async def expected(schema: Schema, store: Store) -> dict[str, Any]:
    """Return what `look` must find in a database of this schema."""
    found = {}
    for table in schema.tables.values():
        names = {c.id: c.name for c in table.columns}
        columns = {
            c.name: (_kind(store, c), c.null, await _evaluated(store, _default(store, c), _kind(store, c)), c.primary)
            for c in table.columns
        }
        indexes = {index_name(table.id, i): ([names[c] for c in i.columns], i.unique, i.live) for i in table.indexes}
        keys = {(names[k.column], schema.tables[k.table].name) for k in table.foreign_keys}
        found[table.name] = {"columns": columns, "indexes": indexes, "keys": keys}
    return found


def _kind(store: Store, column: Column) -> str:
    return store.dialect.column_type(column.type).removesuffix(' COLLATE "C"')


def _default(store: Store, column: Column) -> str | None:
    return None if column.default is None else store.dialect.literal(column.default, column.type)


async def _evaluated(store: Store, expression: str | None, kind: str) -> Any:
    """Return a default as the database reads it: how it writes it down is its own affair."""
    if expression is None:
        return None
    return (await store.fetch(f"SELECT CAST(CAST(({expression}) AS {kind}) AS text)"))[0][0]


async def _look_sqlite(store: Store) -> dict[str, Any]:
    found = {}
    for (table,) in await store.fetch("SELECT name FROM sqlite_schema WHERE type = 'table'"):
        info = await store.fetch(f"SELECT name, type, \"notnull\", dflt_value, pk FROM pragma_table_info('{table}')")
        columns = {
            name: (kind, not needed, await _evaluated(store, default, kind), bool(primary))
            for name, kind, needed, default, primary in info
        }
        indexes = {}
        for index, unique, partial in await store.fetch(
            f"SELECT name, \"unique\", partial FROM pragma_index_list('{table}') WHERE origin = 'c'"
        ):
            parts = await store.fetch(f"SELECT name FROM pragma_index_info('{index}') ORDER BY seqno")
            indexes[index] = ([row[0] for row in parts], bool(unique), bool(partial))
        keys = await store.fetch(f'SELECT "from", "table" FROM pragma_foreign_key_list(\'{table}\')')
        found[table] = {"columns": columns, "indexes": indexes, "keys": {tuple(row) for row in keys}}
    return found


async def _look_postgres(store: Store) -> dict[str, Any]:
    tables = await store.fetch(
        "SELECT relname, oid::bigint FROM pg_class"
        " WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace"
    )
    return {name: await _look_table(store, oid) for name, oid in tables}


async def _look_table(store: Store, oid: int) -> dict[str, Any]:
    info = await store.fetch(
        "SELECT attname, format_type(atttypid, atttypmod), NOT attnotnull, pg_get_expr(adbin, adrelid),"
        " EXISTS (SELECT 1 FROM pg_index WHERE indrelid = attrelid AND indisprimary AND attnum = ANY(indkey))"
        " FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum"
        f" WHERE attrelid = {oid} AND attnum > 0 AND NOT attisdropped"
    )
    indexes = await store.fetch(
        "SELECT relname, indisunique, indpred IS NOT NULL, (SELECT array_agg(attname::text ORDER BY place)"
        " FROM unnest(indkey::int[]) WITH ORDINALITY AS k(number, place)"
        " JOIN pg_attribute ON attrelid = indrelid AND attnum = k.number)"
        f" FROM pg_index JOIN pg_class ON oid = indexrelid WHERE indrelid = {oid} AND NOT indisprimary"
    )
    keys = await store.fetch(
        "SELECT attname, confrelid::regclass::text FROM pg_constraint"
        " JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1]"
        f" WHERE contype = 'f' AND conrelid = {oid}"
    )
    short = {"timestamp with time zone": "timestamptz", "time without time zone": "time"}
    return {
        "columns": {
            name: (short.get(kind, kind), null, await _evaluated(store, default, kind), primary)
            for name, kind, null, default, primary in info
        },
        "indexes": {name: (list(columns or ()), unique, partial) for name, unique, partial, columns in indexes},
        "keys": {(column, table.strip('"')) for column, table in keys},
    }


async def agree(store: Store) -> None:
    """See that the database is what its journal says."""
    found = await current(store)
    assert found is not None
    assert await look(store) == await expected(found.full_schema, store)
