"""Records as rows of cells: which columns a field has in a table, and what stands in them.

Money has a column for its currency, a relation one for the id and one for the label; lists are joined by semicolons, so
that `shaping` reads them again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from xrm.kernel.paths import resolve
from xrm.kernel.values import TYPES, columns, keys
from xrm.metadata.model import Entity, Field, Model

DATED = ("datetime", "date", "date_range")
"""Types of fields that say when something is."""

KINDS = frozenset({"int", "decimal", "bool", "date", "time", "datetime"})
"""Kinds of cells that are not text, named as the column types of the store."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes:
        name: Its header.
        path: Whose value it shows, as in a record of the records door.
        kind: text, or one of KINDS.
        cell: That value → what stands in the cell, as in JSON: text, whole number, true or false, or None.
    """

    name: str
    path: str
    kind: str
    cell: Callable[[Any], Any]


def table_columns(model: Model, entity: Entity, paths: Sequence[str]) -> tuple[Column, ...]:
    """Return the columns that show these field paths."""
    return tuple(column for path in paths for column in _of_path(model, entity, path))


def _of_path(model: Model, entity: Entity, path: str) -> Iterator[Column]:
    found = resolve(model, entity, tuple(path.split(".")))
    if found is None:
        return
    if found.part:
        yield Column(path, path, _kind(found.kind.name), _same)
        return
    for name, kind, cell in _of_field(path, found.field):
        yield Column(name, path, kind, cell)


def _of_field(path: str, field: Field) -> Iterator[tuple[str, str, Callable[[Any], Any]]]:
    if field.type == "relation":
        yield path, "text", partial(_key, "id")
        yield f"{path}.label", "text", partial(_key, "label")
        if field.polymorphic:
            yield f"{path}.entity", "text", partial(_key, "entity")
    elif field.through is not None:
        yield path, "text", partial(_keys, "id")
        yield f"{path}.label", "text", partial(_keys, "label")
    elif parts := keys(field):
        for key, spec, name in zip(parts, columns(field), (path, *(f"{path}_{p}" for p in parts[1:])), strict=True):
            yield name, _kind(spec.type.name), partial(_key, key)
    elif field.type in ("choices", "tags"):
        yield path, "text", _joined
    elif field.type == "json":
        yield path, "text", _as_json
    else:
        textual = TYPES[field.type].expression == "text"
        yield path, "text" if textual else _kind(columns(field)[0].type.name), _same


def _kind(name: str) -> str:
    return name if name in KINDS else "text"


def _same(value: Any) -> Any:
    return value


def _key(key: str, value: Any) -> Any:
    return value.get(key) if value else None


def _keys(key: str, value: Any) -> Any:
    return "; ".join(str(one.get(key) or "") for one in value) if value else None


def _joined(value: Any) -> Any:
    return "; ".join(value) if value else None


def _as_json(value: Any) -> Any:
    return None if value is None else json.dumps(value, ensure_ascii=False, default=str)
