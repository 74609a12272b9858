"""Cursors of keyset paging: the sort values of a page's last row, as an opaque text."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from uuid import UUID

import msgspec

from xrm.errors import Malformed
from xrm.kernel.store.codec import Dialect
from xrm.kernel.store.schema import ColumnType

MAX_CURSOR = 4000  # characters

PYTHON_TYPES: Mapping[str, Any] = MappingProxyType(
    {
        "text": str,
        "int": int,
        "bool": bool,
        "date": date,
        "time": time,
        "datetime": datetime,
        "uuid": UUID,
        "decimal": Decimal,
    }
)


def write_cursor(dialect: Dialect, cells: Sequence[tuple[ColumnType, Any]]) -> str:
    """Return the place of a row in its list: its stored sort values, the id last."""
    shown = [_json(dialect, kind, cell) for kind, cell in cells]
    return base64.urlsafe_b64encode(msgspec.json.encode(shown)).decode().rstrip("=")


def _json(dialect: Dialect, kind: ColumnType, cell: Any) -> Any:
    convert = dialect.jsonable(kind)
    return cell if cell is None or convert is None else convert(cell)


def read_cursor(dialect: Dialect, text: str, kinds: Sequence[ColumnType]) -> list[Any]:
    """Return the values of a cursor as Python values.

    Raises:
        Malformed: it is not a cursor of this list.
    """
    try:
        values = _decode(text)
        read = [
            msgspec.convert(value, PYTHON_TYPES[kind.name] | None, strict=False)
            for value, kind in zip(values, kinds, strict=True)
        ]
        for value, kind in zip(read, kinds, strict=True):
            dialect.encode(kind, value)  # a value no column could hold
    except (ValueError, TypeError, msgspec.MsgspecError, RecursionError):
        raise Malformed("`after` is not a cursor of this list", hint="use `next` of the page before") from None
    return read


def _decode(text: str) -> list[Any]:
    if len(text) > MAX_CURSOR:
        raise ValueError("too long")
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise ValueError("not base64") from error
    return msgspec.json.decode(raw, type=list[Any])
