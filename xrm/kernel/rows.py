"""The SQL of single rows: load, insert, update, and the kernel's own log rows. Text is made once, values are bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from xrm.kernel.change import Change, ChangeSet, uuid7
from xrm.kernel.store.codec import Dialect
from xrm.kernel.store.schema import ColumnType, Table
from xrm.kernel.store.sql import quote
from xrm.kernel.store.system import SYSTEM
from xrm.kernel.values import ColumnSpec, columns, pack, to_json, unpack
from xrm.metadata.model import Entity, Field

DERIVED = frozenset(
    {
        "id",
        "version",
        "created_at",
        "created_by",
        "updated_at",
        "updated_by",
        "label",
        "search",
        "deleted_at",
        "deleted_by",
    }
)
Bound = tuple[str, list[Any]]


class RowStatements:
    """Loads and stores rows of one entity as Python values."""

    def __init__(self, entity: Entity, dialect: Dialect) -> None:
        self._dialect = dialect
        self._table = quote(entity.name)
        self._fields: tuple[tuple[Field, tuple[ColumnSpec, ...]], ...] = tuple(
            (f, columns(f)) for f in entity.fields.values() if columns(f) and not f.virtual
        )
        self._specs = {f.name: (f, specs) for f, specs in self._fields}
        self.columns: tuple[ColumnSpec, ...] = tuple(spec for _, specs in self._fields for spec in specs)
        self._decoders = tuple(dialect.decode(spec.type) for spec in self.columns)
        self._updates: dict[tuple[str, ...], str] = {}
        self._insert = self._insert_text()

    def selection(self, alias: str) -> str:
        """Return the columns of a whole row, for a SELECT."""
        return ", ".join(f"{alias}.{quote(spec.name)}" for spec in self.columns)

    def values(self, row: Sequence[Any]) -> dict[str, Any]:
        """Return the Python values of a row selected by `selection`."""
        cells = [
            cell if decode is None or cell is None else decode(cell)
            for cell, decode in zip(row, self._decoders, strict=False)
        ]
        found: dict[str, Any] = {}
        place = 0
        for field, specs in self._fields:
            size = len(specs)
            found[field.name] = cells[place] if size == 1 else unpack(field, tuple(cells[place : place + size]))
            place += size
        return found

    def insert(self, values: Mapping[str, Any]) -> Bound:
        """Return the statement that inserts a whole row."""
        return self._insert, [arg for f, specs in self._fields for arg in self._pack(f, specs, values.get(f.name))]

    def update(self, id: UUID, version: int, values: Mapping[str, Any]) -> Bound:
        """Return the statement that stores `values` if the version is still `version`: it changes one row or none."""
        names = tuple(values)
        text = self._updates.get(names) or self._update_text(names)
        args = [arg for name in names for arg in self._pack(*self._specs[name], values[name])]
        return text, [*args, self._dialect.encode(_UUID, id), version]

    def _pack(self, field: Field, specs: tuple[ColumnSpec, ...], value: Any) -> list[Any]:
        cells = pack(field, value)
        return [self._dialect.encode(spec.type, cell) for spec, cell in zip(specs, cells, strict=True)]

    def _insert_text(self) -> str:
        places = [self._dialect.placeholder(n, spec.type) for n, spec in enumerate(self.columns, 1)]
        names = ", ".join(quote(spec.name) for spec in self.columns)
        return f"INSERT INTO {self._table} ({names}) VALUES ({', '.join(places)})"

    def _update_text(self, names: tuple[str, ...]) -> str:
        specs = [spec for name in names for spec in self._specs[name][1]]
        sets = [f"{quote(s.name)} = {self._dialect.placeholder(n, s.type)}" for n, s in enumerate(specs, 1)]
        key = self._dialect.placeholder(len(specs) + 1, _UUID)
        version = self._dialect.placeholder(len(specs) + 2, _INT)
        text = f'UPDATE {self._table} SET {", ".join(sets)} WHERE "id" = {key} AND "version" = {version}'
        if len(self._updates) > 500:
            self._updates.clear()
        self._updates[names] = text
        return text


_UUID = ColumnType("uuid")
_INT = ColumnType("int")


class LogStatements:
    """Inserts into the kernel's own tables."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._texts = {name: self._text(SYSTEM.tables[name]) for name in ("xrm_changeset", "xrm_change")}

    def _text(self, table: Table) -> str:
        names = ", ".join(quote(c.name) for c in table.columns)
        places = ", ".join(self._dialect.placeholder(n, c.type) for n, c in enumerate(table.columns, 1))
        return f"INSERT INTO {quote(table.name)} ({names}) VALUES ({places})"

    def _bound(self, name: str, *values: Any) -> Bound:
        cells = zip(SYSTEM.tables[name].columns, values, strict=True)
        return self._texts[name], [self._dialect.encode(column.type, value) for column, value in cells]

    def changeset(self, work: ChangeSet) -> Bound:
        """Return the statement that inserts the row of an act."""
        actor = work.actor
        return self._bound(
            "xrm_changeset",
            work.id,
            work.at,
            actor.id,
            actor.name,
            actor.source,
            work.reason or None,
            work.idempotency_key or None,
            work.generation,
        )

    def change(self, work: ChangeSet, change: Change) -> Bound:
        """Return the statement that inserts the row of one record's write: only the fields that differ."""
        names = [n for n in change.changed() if n not in DERIVED]
        before = {n: to_json(change.before.get(n)) for n in names} if change.before else None
        after = {n: to_json(change.after.get(n)) for n in names if change.before or change.after.get(n) is not None}
        return self._bound(
            "xrm_change",
            uuid7(),
            work.id,
            change.entity.name,
            change.id,
            change.after["version"],
            change.kind,
            change.action or None,
            before,
            after,
        )


def stamp(change: Change, user: UUID | None, now: datetime) -> None:
    """Give the system fields of a change their values."""
    after = change.after
    after["id"] = change.id
    after["version"] = int(change.before.get("version") or 0) + 1
    if not change.before:
        after["created_at"], after["created_by"] = now, user
    after["updated_at"], after["updated_by"] = now, user
    if change.kind == "delete":
        after["deleted_at"], after["deleted_by"] = now, user
    elif change.kind == "restore":
        after["deleted_at"], after["deleted_by"] = None, None
