"""Values as the log holds them → Python values: the inverse of `to_json`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from xrm.kernel.store.codec import Dialect
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.values import columns, keys, pack, unpack
from xrm.metadata.model import Field

_READ: Mapping[str, Any] = {
    "decimal": Decimal,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "datetime": datetime.fromisoformat,
    "uuid": UUID,
    "texts": tuple,
}


def from_stored(field: Field, value: Any, dialect: Dialect) -> Any:
    """Return the Python value of a field that the log holds as JSON.

    Raises:
        ValueError: it is a value of another type: the field's type was changed since.
    """
    if value is None:
        return None
    try:
        specs, names = columns(field), keys(field)
        cells = tuple(value.get(name) for name in names) if names else (value,)
        found = unpack(field, tuple(_cell(s.type, c) for s, c in zip(specs, cells, strict=True)))
        for spec, cell in zip(specs, pack(field, found), strict=True):
            dialect.encode(spec.type, cell)
    except (TypeError, ValueError, ArithmeticError, AttributeError, LookupError):
        raise ValueError(field.name) from None
    return found


def _cell(type: ColumnType, value: Any) -> Any:
    read = _READ.get(type.name)
    return value if value is None or read is None else read(value)
