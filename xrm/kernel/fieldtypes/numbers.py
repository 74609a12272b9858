"""Whole numbers, exact decimals, truth."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

from xrm.kernel.fieldtypes.base import FieldType, Parsing, Refused, constant, register, shape
from xrm.kernel.store.schema import ColumnType
from xrm.metadata.model import Field

INT64 = 2**63


@cache
def _limit(written: float | str) -> Decimal:
    """Return a limit as it is written: 0.1 is a tenth, not the binary number next to it, and may stand in quotes."""
    return Decimal(str(written))


def in_range(field: Field, number: Any) -> Any:
    """Return the number; raises `Refused` when it is outside the field's `min` and `max`."""
    if field.min is not None and number < _limit(field.min):
        raise Refused("too_small", f"This must be at least {field.min}.")
    if field.max is not None and number > _limit(field.max):
        raise Refused("too_large", f"This must be at most {field.max}.")
    return number


def parse_integer(field: Field, value: Any, parsing: Parsing) -> int:
    """Return a whole number of 64 bits; raises `Refused`."""
    if isinstance(value, str) and re.fullmatch(r"[+-]?\d{1,19}", value.strip()):
        value = int(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Refused("not_integer", "This must be a whole number.")
    if not -INT64 <= value < INT64:
        raise Refused("too_large", "This number is too large.")
    return int(in_range(field, value))


def parse_decimal(value: Any, precision: int, scale: int) -> Decimal:
    """Return an exact decimal with exactly `scale` digits after the point.

    Raises:
        Refused: not a number, or it has more digits than the field keeps (never rounded silently).
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str, Decimal)):
        raise Refused("not_number", "This must be a number.")
    text = repr(value) if isinstance(value, float) else str(value).strip()
    if len(text) > 60 or not re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?", text):
        raise Refused("not_number", "This must be a number.", "like 1234.50")
    try:
        number = Decimal(text)
        exact = number.quantize(Decimal(1).scaleb(-scale))
    except InvalidOperation:
        raise Refused("too_large", "This number is too large.") from None
    if exact != number:
        raise Refused("too_precise", f"At most {scale} digits after the point are kept.")
    if exact and exact.adjusted() + 1 > precision - scale:
        raise Refused("too_large", f"At most {precision - scale} digits before the point are kept.")
    return exact


def _parse_decimal(field: Field, value: Any, parsing: Parsing) -> Decimal:
    return Decimal(in_range(field, parse_decimal(value, field.precision, field.scale)))


def _parse_boolean(field: Field, value: Any, parsing: Parsing) -> bool:
    words = {True: True, False: False, "true": True, "false": False}
    if isinstance(value, (bool, str)) and value in words:
        return words[value]
    raise Refused("not_boolean", "This must be true or false.")


def numeric(field: Field) -> ColumnType:
    """Return the column type of a decimal field."""
    return ColumnType("decimal", field.precision, field.scale)


def integer_shape(field: Field) -> Mapping[str, Any]:
    """Return the JSON Schema of a whole number."""
    bounds = {"minimum": field.min, "maximum": field.max}
    return {"type": "integer", "format": "int64", **{k: v for k, v in bounds.items() if v is not None}}


def _decimal_shape(field: Field) -> Mapping[str, Any]:
    return {"type": "string", "format": "decimal", "examples": [str(Decimal(0).scaleb(-field.scale))]}


_INT = constant("int")

register(
    FieldType(
        "integer",
        _INT,
        parse_integer,
        integer_shape,
        "int",
        "integer",
        cell="number",
        holds="a whole number of 64 bits",
    ),
    FieldType(
        "duration",
        _INT,
        parse_integer,
        integer_shape,
        "int",
        "duration",
        cell="number",
        holds="a length of time in minutes",
    ),
    FieldType(
        "decimal",
        numeric,
        _parse_decimal,
        _decimal_shape,
        "decimal",
        "decimal",
        cell="number",
        holds="an exact number, with `precision` digits of which `scale` after the point",
    ),
    FieldType(
        "percent",
        numeric,
        _parse_decimal,
        _decimal_shape,
        "decimal",
        "percent",
        cell="number",
        holds="a number of hundredths",
    ),
    FieldType(
        "boolean", constant("bool"), _parse_boolean, shape(type="boolean"), "bool", "checkbox", holds="yes or no"
    ),
)
