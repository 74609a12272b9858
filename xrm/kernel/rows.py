"""The SQL of single rows: load, insert, update. Text is made once, values are bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from xrm.kernel.change import Change
from xrm.kernel.store.codec import Dialect
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.sql import quote
from xrm.kernel.values import ColumnSpec, columns, keys, unpack
from xrm.metadata.model import Entity, Field

Bound = tuple[str, list[Any]]


class _Packer:
    """Turns values of one field into the cells of its columns, as `pack` and `Dialect.encode` do."""

    __slots__ = ("_empty", "_encoders", "_names")

    def __init__(self, field: Field, specs: tuple[ColumnSpec, ...], dialect: Dialect) -> None:
        self._names = keys(field)
        self._encoders = tuple(dialect.encoder(spec.type) for spec in specs)
        self._empty = (None,) * len(specs)

    def add(self, value: Any, cells: list[Any]) -> None:
        """Add the cells of a value to those of a row."""
        if value is None:
            cells += self._empty
        elif not self._names:
            cells.append(self._encoders[0](value))
        else:
            for name, encode in zip(self._names, self._encoders, strict=True):
                part = getattr(value, name)
                cells.append(None if part is None else encode(part))


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
        self._packers = {f.name: _Packer(f, specs, dialect) for f, specs in self._fields}
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
        args: list[Any] = []
        for name, packer in self._packers.items():
            packer.add(values.get(name), args)
        return self._insert, args

    def update(self, id: UUID, version: int, values: Mapping[str, Any]) -> Bound:
        """Return the statement that stores `values` if the version is still `version`: it changes one row or none."""
        names = tuple(values)
        text = self._updates.get(names) or self._update_text(names)
        args: list[Any] = []
        for name in names:
            self._packers[name].add(values[name], args)
        return text, [*args, self._dialect.encode(_UUID, id), version]

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
