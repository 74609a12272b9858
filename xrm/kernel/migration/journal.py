"""The journal: one row per generation of the model, with everything it can be rebuilt and compared from.

`current` says what the database holds; `generation_number` is cheap enough to be asked by every process each second.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from uuid import UUID

from xrm.kernel.migration.ddl import index_name
from xrm.kernel.migration.physical import SYSTEM_PREFIX, EntityIds, Ids
from xrm.kernel.store.schema import Column, ColumnType, ForeignKey, Index, Schema, Table
from xrm.kernel.store.sql import Binder, quote
from xrm.kernel.store.store import Store
from xrm.kernel.store.system import SYSTEM
from xrm.metadata.model import Source

JOURNAL = SYSTEM.tables["xrm_journal"]
_COLUMNS = MappingProxyType({c.name: c for c in JOURNAL.columns})


@dataclass(frozen=True, slots=True)
class Generation:
    """One row of the journal: a model that was put in force.

    Attributes:
        number: 1 for the first.
        at: When (UTC).
        actor: Id of the user who did it; None for the system.
        actor_name: As people read it.
        hash: Of the sources.
        sources: The definitions, as text.
        ids: Stable ids of entities and fields.
        full_schema: All tables, the kernel's own included.
        steps: What was done, as JSON data.
    """

    number: int
    at: datetime
    actor: UUID | None
    actor_name: str
    hash: str
    sources: tuple[Source, ...]
    ids: Ids
    full_schema: Schema
    steps: tuple[Mapping[str, Any], ...]

    @property
    def schema(self) -> Schema:
        """The tables of records."""
        tables = self.full_schema.tables
        return Schema({id: table for id, table in tables.items() if not id.startswith(SYSTEM_PREFIX)})

    @property
    def unique_indexes(self) -> Iterator[tuple[Table, Index]]:
        """The unique indexes of the tables of records."""
        return ((table, index) for table in self.schema.tables.values() for index in table.indexes if index.unique)


@dataclass(frozen=True, slots=True)
class UniqueKey:
    """A unique index: of which table (its id and its name) and over which columns, by name."""

    table: str
    index: Index
    name: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InForce:
    """What a process needs of a generation to run it."""

    number: int
    sources: tuple[Source, ...]
    unique: tuple[UniqueKey, ...]
    words: Mapping[str, str] = field(default_factory=dict)  # name of a table → of its index of words
    lacking: tuple[str, ...] = ()  # the platform's own tables it has not, or without a column they need today

    @classmethod
    def of(cls, generation: Generation) -> InForce:
        """Return it of a whole generation."""
        keys = [_unique_key(t.id, i, t.name, {c.id: c.name for c in t.columns}) for t, i in generation.unique_indexes]
        words = _word_indexes(schema_to_json(generation.schema))
        return cls(generation.number, generation.sources, tuple(keys), words)


# --- reading and writing -------------------------------------------------------------------------------------------


async def exists(store: Store) -> bool:
    """Whether the database has a journal."""
    return JOURNAL.name in await table_names(store)


async def table_names(store: Store) -> frozenset[str]:
    """Return the names of all tables of the database (PostgreSQL: of the schema new tables go to)."""
    if store.dialect.name == "sqlite":
        rows = await store.fetch("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')", [])
    else:
        rows = await store.fetch("SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace", [])
    return frozenset(row[0] for row in rows)


async def generation_number(store: Store) -> int:
    """Return the number of the generation in force; 0 before the first. The journal must exist."""
    rows = await store.fetch(f"SELECT max({quote('generation')}) FROM {quote(JOURNAL.name)}", [])
    return rows[0][0] or 0


async def current(store: Store) -> Generation | None:
    """Return the generation in force, or None in a database without one."""
    if not await exists(store):
        return None
    found = await _read(store, f"ORDER BY {quote('generation')} DESC LIMIT 1")
    return found[0] if found else None


async def in_force(store: Store) -> InForce | None:
    """Return what a process needs of the newest generation to run it: a tenth of the work of `current`."""
    names = ("generation", "sources", "schema")
    listed, last = ", ".join(map(quote, names)), f"ORDER BY {quote('generation')} DESC LIMIT 1"
    rows = await store.fetch(f"SELECT {listed} FROM {quote(JOURNAL.name)} {last}", [])
    if not rows:
        return None
    decoders = [store.dialect.decode(_COLUMNS[name].type) for name in names]
    number, sources, schema = (d(cell) if d else cell for d, cell in zip(decoders, rows[0], strict=True))
    return InForce(
        number,
        tuple(Source(*parts) for parts in sources),
        _unique_keys(schema),
        _word_indexes(schema),
        _lacking(schema),
    )


def _lacking(schema: Mapping[str, Any]) -> tuple[str, ...]:
    known = {id: {column["id"] for column in table["columns"]} for id, table in schema.items()}
    return tuple(t.name for t in SYSTEM.tables.values() if not {c.id for c in t.columns} <= known.get(t.id, set()))


def _unique_keys(schema: Mapping[str, Any]) -> tuple[UniqueKey, ...]:
    found = []
    for id, table in schema.items():
        unique = [i for i in table["indexes"] if i["unique"]]
        names = {c["id"]: c["name"] for c in table["columns"]} if unique else {}
        for i in unique:
            index = Index(i["id"], tuple(i["columns"]), unique=True, live=i["live"])
            found.append(_unique_key(id, index, table["name"], names))
    return tuple(found)


def _word_indexes(schema: Mapping[str, Any]) -> dict[str, str]:
    found = ((id, table, i) for id, table in schema.items() for i in table["indexes"] if i.get("kind") == "words")
    return {table["name"]: index_name(id, Index(i["id"], tuple(i["columns"]))) for id, table, i in found}


def _unique_key(id: str, index: Index, table: str, names: Mapping[str, str]) -> UniqueKey:
    return UniqueKey(id, index, table, tuple(names[c] for c in index.columns))


async def history(store: Store) -> list[Generation]:
    """Return all generations, the newest first."""
    return await _read(store, f"ORDER BY {quote('generation')} DESC") if await exists(store) else []


async def find(store: Store, number: int) -> Generation | None:
    """Return one generation, or None."""
    found = await _read(store, f"WHERE {quote('generation')} = {int(number)}") if await exists(store) else []
    return found[0] if found else None


async def ids_of(store: Store, number: int) -> Ids | None:
    """Return the ids of one generation, or None."""
    rows = await store.fetch(
        f"SELECT {quote('ids')} FROM {quote(JOURNAL.name)} WHERE {quote('generation')} = {int(number)}", []
    )
    decode = store.dialect.decode(_COLUMNS["ids"].type)
    return ids_from_json(decode(rows[0][0]) if decode else rows[0][0]) if rows else None


async def write(store: Store, generation: Generation) -> None:
    """Add a row to the journal."""
    cells: dict[str, Any] = {
        "generation": generation.number,
        "at": generation.at,
        "actor": generation.actor,
        "actor_name": generation.actor_name,
        "hash": generation.hash,
        "sources": [[s.layer, s.file, s.text] for s in generation.sources],
        "ids": ids_to_json(generation.ids),
        "schema": schema_to_json(generation.full_schema),
        "steps": [dict(step) for step in generation.steps],
    }
    binder = Binder(store.dialect)
    places = [binder.bind(value, _COLUMNS[name].type) for name, value in cells.items()]
    names = ", ".join(map(quote, cells))
    await store.execute(f"INSERT INTO {quote(JOURNAL.name)} ({names}) VALUES ({', '.join(places)})", binder.params)


async def _read(store: Store, tail: str) -> list[Generation]:
    names = ", ".join(map(quote, _COLUMNS))
    rows = await store.fetch(f"SELECT {names} FROM {quote(JOURNAL.name)} {tail}", [])
    return [_generation(store, row) for row in rows]


def _generation(store: Store, row: Sequence[Any]) -> Generation:
    cells: dict[str, Any] = {}
    for column, stored in zip(JOURNAL.columns, row, strict=True):
        decode = store.dialect.decode(column.type)
        cells[column.name] = decode(stored) if decode else stored
    return Generation(
        cells["generation"],
        cells["at"],
        cells["actor"],
        cells["actor_name"] or "",
        cells["hash"],
        tuple(Source(*parts) for parts in cells["sources"]),
        ids_from_json(cells["ids"]),
        schema_from_json(cells["schema"]),
        tuple(cells["steps"]),
    )


def sources_hash(sources: Iterable[Source]) -> str:
    """Return a SHA-256 (hex) over layer, file and text of all sources, in order."""
    text = json.dumps([[s.layer, s.file, s.text] for s in sources])
    return hashlib.sha256(text.encode()).hexdigest()


# --- as JSON -------------------------------------------------------------------------------------------------------


def ids_to_json(ids: Ids) -> dict[str, Any]:
    """Return ids as JSON data."""
    entities = {
        name: {"id": entity.id, "fields": dict(entity.fields), "kept": sorted(entity.kept)}
        for name, entity in ids.entities.items()
    }
    return {"entities": entities, "kept": sorted(ids.kept), "last": ids.last}


def ids_from_json(data: Mapping[str, Any]) -> Ids:
    """Return what `ids_to_json` wrote."""
    entities = {
        name: EntityIds(entity["id"], entity["fields"], frozenset(entity["kept"]))
        for name, entity in data["entities"].items()
    }
    return Ids(entities, frozenset(data["kept"]), data["last"])


def schema_to_json(schema: Schema) -> dict[str, Any]:
    """Return a schema as JSON data, without backfills: they belong to the step that used them."""
    return {id: _table_to_json(table) for id, table in schema.tables.items()}


def schema_from_json(data: Mapping[str, Any]) -> Schema:
    """Return what `schema_to_json` wrote."""
    return Schema({id: _table_from_json(id, table) for id, table in data.items()})


def _table_to_json(table: Table) -> dict[str, Any]:
    return {
        "name": table.name,
        "columns": [_column_to_json(c) for c in table.columns],
        "indexes": [
            {
                "id": i.id,
                "columns": list(i.columns),
                "unique": i.unique,
                "live": i.live,
                **{name: text for name, text in (("where", i.where), ("ignore", i.ignore), ("kind", i.kind)) if text},
            }
            for i in table.indexes
        ],
        "keys": [
            {"id": k.id, "column": k.column, "table": k.table, "on_delete": k.on_delete} for k in table.foreign_keys
        ],
    }


def _table_from_json(id: str, data: Mapping[str, Any]) -> Table:
    return Table(
        id,
        data["name"],
        tuple(_column_from_json(c) for c in data["columns"]),
        tuple(
            Index(
                i["id"],
                tuple(i["columns"]),
                i["unique"],
                i["live"],
                i.get("where", ""),
                i.get("ignore", ""),
                i.get("kind", ""),
            )
            for i in data["indexes"]
        ),
        tuple(ForeignKey(k["id"], k["column"], k["table"], k["on_delete"]) for k in data["keys"]),
    )


def _column_to_json(column: Column) -> dict[str, Any]:
    data: dict[str, Any] = {"id": column.id, "name": column.name, "type": column.type.name, "null": column.null}
    if column.type.name == "decimal":
        data |= {"precision": column.type.precision, "scale": column.type.scale}
    if column.primary:
        data["primary"] = True
    if column.default is not None:
        data["default"] = _value_to_json(column.default)
    return data


def _column_from_json(data: Mapping[str, Any]) -> Column:
    type = ColumnType(data["type"], data.get("precision", 0), data.get("scale", 0))
    default = _value_from_json(data.get("default"), type)
    return Column(data["id"], data["name"], type, data["null"], data.get("primary", False), default)


def _value_to_json(value: Any) -> Any:
    if isinstance(value, (date, time)):  # a datetime is a date
        return value.isoformat()
    if isinstance(value, (Decimal, UUID)):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


_READERS: Mapping[str, Any] = MappingProxyType(
    {
        "decimal": Decimal,
        "date": date.fromisoformat,
        "time": time.fromisoformat,
        "datetime": lambda text: datetime.fromisoformat(text).astimezone(UTC),
        "uuid": UUID,
        "texts": tuple,
    }
)


def _value_from_json(value: Any, type: ColumnType) -> Any:
    read = _READERS.get(type.name)
    return read(value) if read and value is not None else value
