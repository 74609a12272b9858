"""Values of fields, whatever their type: from JSON to Python to columns and back. Asks the registered types.

`columns`, `pack` and `unpack` are the only places that know a field may have more than one column, or none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from xrm.kernel import fieldtypes  # noqa: F401  # registers the platform's own types
from xrm.kernel.fieldtypes.base import (
    KEEP,
    TYPES,
    ColumnSpec,
    Compound,
    FieldType,
    Parsing,
    Part,
    Refused,
    register,
)
from xrm.kernel.fieldtypes.links import MAX_LINKS, LinkChange, Wanted
from xrm.kernel.fieldtypes.money import Money
from xrm.kernel.fieldtypes.numbers import INT64, parse_decimal
from xrm.kernel.fieldtypes.pointers import ENTITY, Lookup, Ref
from xrm.kernel.store.schema import ColumnType
from xrm.metadata.model import Entity, Field

__all__ = [
    "INT64",
    "KEEP",
    "MAX_LINKS",
    "TYPES",
    "ColumnSpec",
    "Compound",
    "FieldType",
    "LinkChange",
    "Lookup",
    "Money",
    "Parsing",
    "Part",
    "Ref",
    "Refused",
    "Wanted",
    "all_parts",
    "asked",
    "column_at",
    "columns",
    "keys",
    "one_line",
    "pack",
    "parse",
    "parse_decimal",
    "parts",
    "register",
    "reveal",
    "revealing",
    "to_json",
    "unpack",
]

_ANY = ColumnType("text")


def parts(field: Field) -> tuple[Part, ...]:
    """Return the further columns of a field; a relation to several entities also keeps which."""
    if field.polymorphic:
        return (ENTITY,)
    return tuple(part for part in TYPES[field.type].parts if part.when is None or part.when(field))


def keys(field: Field) -> tuple[str, ...]:
    """Return the JSON names of the columns of a compound field, the first included; () of a plain one."""
    further = parts(field)
    return (TYPES[field.type].first, *(part.name for part in further)) if further else ()


def all_parts(field: Field) -> tuple[Part, ...]:
    """Return the columns of a compound field as parts, the first included; () of a plain one."""
    further = parts(field)
    type = TYPES[field.type]
    if not further or type.column is None:
        return ()
    return (replace(type.leading or Part("", _ANY), name=type.first, column=type.column(field)), *further)


def asked(field: Field, held: Mapping[str, Any]) -> tuple[Part, ...]:
    """Return the parts a form asks for, in order; `held` are the parts it holds already."""
    found = {part.name: part for part in all_parts(field) if part.written}
    order = TYPES[field.type].order
    return tuple(found[name] for name in order(field, held)) if order else tuple(found.values())


def one_line(field: Field, value: Any) -> str:
    """Return the JSON value of a compound field as one line of text, for labels, lists and search."""
    text = TYPES[field.type].text
    if text is not None:
        return text(field, value)
    return " ".join(str(part) for part in value.values() if part is not None)


def columns(field: Field) -> tuple[ColumnSpec, ...]:
    """Return the columns that hold a field: one, several of a compound type, none of a type without a value."""
    column = TYPES[field.type].column
    if column is None:
        return ()
    further = (ColumnSpec(f"{field.name}_{part.name}", part.column) for part in parts(field))
    return (ColumnSpec(field.name, column(field)), *further)


def column_at(field: Field, part: str = "") -> ColumnType:
    """Return the type of a field's first column, or of the part that is named.

    Raises:
        LookupError: it has no such column.
    """
    name = f"{field.name}_{part}" if part not in ("", TYPES[field.type].first) else field.name
    for spec in columns(field):
        if spec.name == name:
            return spec.type
    raise LookupError(name)


def pack(field: Field, value: Any) -> tuple[Any, ...]:
    """Return the column values of a Python value, in the order of `columns`."""
    names = keys(field)
    if names:
        return tuple(None if value is None else getattr(value, name) for name in names)
    return (value,) if TYPES[field.type].column is not None else ()


def unpack(field: Field, cells: tuple[Any, ...]) -> Any:
    """Return the Python value of column values: the inverse of `pack`. Half a value reads as none."""
    type = TYPES[field.type]
    names = keys(field)
    if not names or type.make is None:
        return cells[0] if cells else None
    needed = (True, *(not part.optional for part in parts(field)))
    lacking = [need for need, cell in zip(needed, cells, strict=True) if cell is None]
    if len(lacking) == len(cells) or (any(lacking) and type.whole):
        return None
    return type.make(**dict(zip(names, cells, strict=True)))


def parse(field: Field, value: Any, parsing: Parsing) -> Any:
    """Return the Python value of a JSON value; null, empty text and an empty list mean "no value".

    Raises:
        Refused: the value does not fit the field.
    """
    if value is None or value == "" or value == []:
        return None
    return TYPES[field.type].parse(field, value, parsing)


def revealing(field: Field, plain: Callable[[Any], Any] | None, parsing: Parsing) -> Callable[[Any], Any] | None:
    """Return what makes a cell of a field into JSON: `plain`, unless the cell is encrypted."""
    made = TYPES[field.type].reveal
    return plain if made is None else lambda cell: made(cell, parsing)


def reveal(entity: Entity, values: Mapping[str, Any], parsing: Parsing) -> dict[str, Any]:
    """Return JSON values of a change row as they are read: what is encrypted in it decrypted, or withheld."""
    shown = dict(values)
    for name, value in values.items():
        field = entity.fields.get(name)
        made = TYPES[field.type].reveal if field is not None and field.type in TYPES else None
        if made is not None and value is not None:
            shown[name] = made(str(value), parsing)
    return shown


def to_json(value: Any) -> Any:
    """Return a Python value as JSON data, as change rows and API answers hold it (without relation labels)."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, tuple):
        return (
            {name: to_json(part) for name, part in value._asdict().items()}
            if isinstance(value, Compound)
            else list(value)
        )
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, (date, time)):
        return value.isoformat()
    return str(value) if isinstance(value, (Decimal, UUID)) else value
