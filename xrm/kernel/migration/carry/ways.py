"""Ways to read, for every record of a table, what a field of it will get: as SQL over the tables as they are.

In all of them ``t`` is the record. What is *shown* is what a person knows the value by, for samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from xrm.kernel.expression import Expression
from xrm.kernel.paths import Path, resolve
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.sql import Binder, quote
from xrm.metadata.model import Entity, Model

UUID, TEXT = ColumnType("uuid"), ColumnType("text")


class Cell(NamedTuple):
    """SQL of a value, and its type."""

    sql: str
    type: ColumnType


@dataclass(frozen=True, slots=True)
class Reading:
    """What is read of each record.

    Attributes:
        shown: What was there.
        cells: What is to become of it: the columns of one value.
        joins: Further tables.
        where: Which records are meant; empty = all.
    """

    shown: Cell
    cells: tuple[Cell, ...]
    joins: str = ""
    where: str = ""


class Way(Protocol):
    """One way of reading."""

    @property
    def whole(self) -> bool:
        """Whether a value that was shown but gives none is lost; else no value is an answer."""

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables it reads besides the record's own."""

    def read(self, binder: Binder) -> Reading:
        """Return what to select."""


@dataclass(frozen=True, slots=True)
class Own:
    """What the field holds now. `columns`: its columns, first to last, by name and type."""

    columns: tuple[tuple[str, ColumnType], ...]
    whole: bool = False
    tables: tuple[str, ...] = ()

    def read(self, binder: Binder) -> Reading:
        """Return what to select."""
        cells = tuple(Cell(f"t.{quote(name)}", type) for name, type in self.columns)
        return Reading(cells[0], cells)


@dataclass(frozen=True)
class Computed:
    """What an expression gives.

    Attributes:
        expression: It.
        type: The column type of what it gives.
        model: In whose words it is written.
        entity: Over whose records.
        names: Column name in those words → column name now, or None where there is none yet; by table.
        at: What it takes for the current time.
        own: The field's own column, which the value replaces, and its type; None where there is none.
        only_empty: Whether it must be empty.
    """

    expression: Expression
    type: ColumnType
    model: Model
    entity: Entity
    names: Names
    at: datetime
    own: tuple[str, ColumnType] | None = None
    only_empty: bool = False
    whole: bool = False

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables it reads besides the record's own."""
        found = [resolve(self.model, self.entity, path) for path in sorted(self.expression.paths)]
        targets = [target.name for path in found if path for _, target in path.hops]
        return tuple(name for target in dict.fromkeys(targets) if (name := self.names.table(target)))

    def read(self, binder: Binder) -> Reading:
        """Return what to select."""
        sql = self.expression.sql(binder, self._column, self.at)
        if self.type.name == "bool":
            sql = f"({sql})"
        value = Cell(sql, self.type)
        if self.own is None:
            return Reading(value, (value,))
        own = f"t.{quote(self.own[0])}"
        return Reading(Cell(own, self.own[1]), (value,), where=f"{own} IS NULL" if self.only_empty else "")

    def _column(self, path: tuple[str, ...]) -> str:
        found = resolve(self.model, self.entity, path)
        if found is None:
            raise LookupError(".".join(path))
        return across(found, self.entity, self.names, "t")


class Names(Protocol):
    """What tables and columns are called now."""

    def table(self, entity: str) -> str | None:
        """Return the table of an entity, or None when there is none yet."""

    def column(self, entity: str, column: str) -> str | None:
        """Return a column of an entity's table, or None when there is none yet."""


def across(path: Path, entity: Entity, names: Names, alias: str) -> str:
    """Return SQL for the value at the end of a path; no value where it cannot be reached."""
    return _across([(hop.name, target.name) for hop, target in path.hops], path.column, entity.name, names, alias)


def _across(hops: Sequence[tuple[str, str]], column: str, entity: str, names: Names, alias: str) -> str:
    own = names.column(entity, hops[0][0] if hops else column)
    if own is None:
        return "NULL"
    if not hops:
        return f"{alias}.{quote(own)}"
    target, inner = names.table(hops[0][1]), f"{alias}{len(hops)}"
    if target is None:
        return "NULL"
    value = _across(hops[1:], column, hops[0][1], names, inner)
    return f'(SELECT {value} FROM {quote(target)} {inner} WHERE {inner}."id" = {alias}.{quote(own)})'


@dataclass(frozen=True, slots=True)
class Matched:
    """A value names a record by one of its fields: a text by an e-mail address, or by what the record is called.

    Attributes:
        column: The value.
        type: Its type.
        target: Table of the records.
        key: Their column.
    """

    column: str
    type: ColumnType
    target: str
    key: str
    whole: bool = True

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables it reads besides the record's own."""
        return (self.target,)

    def read(self, binder: Binder) -> Reading:
        """Return what to select; a name that several records have names none of them."""
        key = quote(self.key)
        joins = (
            f' LEFT JOIN (SELECT {key} AS xrm_key, min(CAST("id" AS text)) AS xrm_id FROM {quote(self.target)}'
            f' WHERE "deleted_at" IS NULL GROUP BY {key} HAVING count(*) = 1) m'
            f" ON m.xrm_key = t.{quote(self.column)}"
        )
        return Reading(Cell(f"t.{quote(self.column)}", self.type), (Cell(_uuid(binder, "m.xrm_id"), UUID),), joins)


@dataclass(frozen=True, slots=True)
class Found:
    """The one record that has a value in a unique field.

    Attributes:
        target: Table of the records.
        key: Their column.
        type: Its type.
        value: The value.
        only_empty: Column that must be empty, or "".
    """

    target: str
    key: str
    type: ColumnType
    value: object
    only_empty: str = ""
    whole: bool = True

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables it reads besides the record's own."""
        return (self.target,)

    def read(self, binder: Binder) -> Reading:
        """Return what to select."""
        value = binder.bind(self.value, self.type)
        theirs = f'm.{quote(self.key)} = {value} AND m."deleted_at" IS NULL'
        sql = f'(SELECT m."id" FROM {quote(self.target)} m WHERE {theirs})'
        where = f"t.{quote(self.only_empty)} IS NULL" if self.only_empty else ""
        return Reading(Cell(value, self.type), (Cell(sql, UUID),), where=where)


@dataclass(frozen=True, slots=True)
class Labelled:
    """What the record is called that a relation points to.

    Attributes:
        column: The pointer.
        targets: Entity as stored, and its table.
        entity: The column that says where it points, of a relation to several.
    """

    column: str
    targets: tuple[tuple[str, str], ...]
    entity: str = ""
    whole: bool = True

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables it reads besides the record's own."""
        return tuple(table for _, table in self.targets)

    def read(self, binder: Binder) -> Reading:
        """Return what to select."""
        pointer = f"t.{quote(self.column)}"

        def label(table: str) -> str:
            return f'(SELECT m."label" FROM {quote(table)} m WHERE m."id" = {pointer})'

        if self.entity:
            cases = [
                f"WHEN t.{quote(self.entity)} = {binder.bind(name, TEXT)} THEN {label(table)}"
                for name, table in self.targets
            ]
            sql = f"CASE {' '.join(cases)} END"
        else:
            sql = label(self.targets[0][1])
        return Reading(Cell(pointer, UUID), (Cell(sql, TEXT),))


@dataclass(frozen=True, slots=True)
class Rekeyed:
    """A relation changes its target: the record of the new one that has the same value in a field; none without it."""

    column: str
    old: str
    new: str
    key: str  # a column of both, or "" = nothing is found
    whole: bool = True

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables it reads besides the record's own."""
        return (self.old, self.new)

    def read(self, binder: Binder) -> Reading:
        """Return what to select."""
        shown = Cell(f'(SELECT o."label" FROM {quote(self.old)} o WHERE o."id" = t.{quote(self.column)})', TEXT)
        if not self.key:
            return Reading(shown, (Cell(_uuid(binder, "NULL"), UUID),))
        key = quote(self.key)
        joins = (
            f' LEFT JOIN {quote(self.old)} o1 ON o1."id" = t.{quote(self.column)}'
            f' LEFT JOIN (SELECT {key} AS xrm_key, min(CAST("id" AS text)) AS xrm_id FROM {quote(self.new)}'
            f' WHERE "deleted_at" IS NULL GROUP BY {key} HAVING count(*) = 1) m ON m.xrm_key = o1.{key}'
        )
        return Reading(shown, (Cell(_uuid(binder, "m.xrm_id"), UUID),), joins)


@dataclass(frozen=True, slots=True)
class Narrowed:
    """A relation to several entities may point to fewer: those stay.

    Attributes:
        column: The pointer.
        entity: Says where it points.
        stay: The entities that may still be pointed to, as stored.
        single: Whether the relation keeps no second column.
    """

    column: str
    entity: str
    stay: tuple[str, ...]
    single: bool
    whole: bool = True
    tables: tuple[str, ...] = ()

    def read(self, binder: Binder) -> Reading:
        """Return what to select."""
        kept = ", ".join(binder.bind(name, TEXT) for name in self.stay)
        where = f"t.{quote(self.entity)} IN ({kept})" if kept else "1 = 0"
        cells = [Cell(f"CASE WHEN {where} THEN t.{quote(self.column)} END", UUID)]
        if not self.single:
            cells.append(Cell(f"CASE WHEN {where} THEN t.{quote(self.entity)} END", TEXT))
        return Reading(Cell(f"t.{quote(self.entity)}", TEXT), tuple(cells))


@dataclass(frozen=True, slots=True)
class Copied:
    """A field of the record that a relation points to."""

    relation: str
    target: str
    columns: tuple[tuple[str, ColumnType], ...]
    whole: bool = False

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables it reads besides the record's own."""
        return (self.target,)

    def read(self, binder: Binder) -> Reading:
        """Return what to select."""
        joins = f' LEFT JOIN {quote(self.target)} m ON m."id" = t.{quote(self.relation)}'
        cells = tuple(Cell(f"m.{quote(name)}", type) for name, type in self.columns)
        return Reading(cells[0], cells, joins)


@dataclass(frozen=True, slots=True)
class Gathered:
    """A field of the records that point here; `take` says which of several values, empty = they must agree."""

    source: str
    relation: str
    columns: tuple[tuple[str, ColumnType], ...]
    take: str = ""
    whole: bool = True

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables it reads besides the record's own."""
        return (self.source,)

    def read(self, binder: Binder) -> Reading:
        """Return what to select."""
        first = quote(self.columns[0][0])
        theirs = (
            f'FROM {quote(self.source)} m WHERE m.{quote(self.relation)} = t."id"'
            f' AND m."deleted_at" IS NULL AND m.{first} IS NOT NULL'
        )
        down = " DESC" if self.take in ("last", "max") else ""
        by = f"m.{first}{down}, " if self.take in ("min", "max") else ""
        order = f'ORDER BY {by}m."created_at"{down}, m."id"{down} LIMIT 1'
        picked = [(f"(SELECT m.{quote(name)} {theirs} {order})", type) for name, type in self.columns]
        differ = f"(SELECT count(DISTINCT m.{first}) {theirs}) > 1"
        cells = [Cell(sql if self.take else f"CASE WHEN {differ} THEN NULL ELSE {sql} END", t) for sql, t in picked]
        return Reading(Cell(*picked[0]), tuple(cells))


def _uuid(binder: Binder, sql: str) -> str:
    return f"CAST({sql} AS uuid)" if binder.dialect.name == "postgresql" else sql
