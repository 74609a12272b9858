"""The physical schema: what tables, columns, indexes and foreign keys a model asks for, by stable id.

A `Schema` is plain data. The planner compares two of them; the journal keeps one per generation as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, slots=True)
class ColumnType:
    """What a column holds, independent of the database.

    Names: text, int, decimal (with precision and scale), bool, date, time, datetime (aware, UTC), uuid, json,
    texts (a set of short texts), sealed (an encrypted text). How each is stored is said in store/codec.py.
    """

    name: str
    precision: int = 0
    scale: int = 0


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `default` and `backfill` are Python values of the column's type, never SQL.

    `taken` is the table in which a plan lays its values down (see kernel/carry), or empty.
    """

    id: str
    name: str
    type: ColumnType
    null: bool = True
    primary: bool = False
    default: Any = None
    backfill: Any = None
    taken: str = ""


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """Columns that point to the `id` of another table (named by id). `on_delete`: restrict | clear | cascade."""

    id: str
    column: str  # column id
    table: str  # table id
    on_delete: str = "restrict"


@dataclass(frozen=True, slots=True)
class Index:
    """An index over columns (by id); `live` limits it to rows that are not in the trash.

    `where` is a condition (kernel/conditions.py), and `ignore: case` takes texts in their folded form. The kind "words"
    is that of the words records are found by (migration/word_index.py).
    """

    id: str
    columns: tuple[str, ...]
    unique: bool = False
    live: bool = False
    where: str = ""
    ignore: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """One table with everything on it."""

    id: str
    name: str
    columns: tuple[Column, ...]
    indexes: tuple[Index, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()


@dataclass(frozen=True, slots=True)
class Schema:
    """All tables of a site's records, by id."""

    tables: Mapping[str, Table] = field(default_factory=lambda: MappingProxyType({}))
