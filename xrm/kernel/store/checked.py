"""Is a value of a column's type? The plain value if so; else TypeError (another kind) or ValueError (does not fit)."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Any
from uuid import UUID

from xrm.kernel.store.schema import ColumnType

MAX_PRECISION = 18  # digits of a decimal: what a 64-bit integer holds whatever the digits are

EXACT = Context(prec=64, traps=[Inexact, InvalidOperation])
JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))

_ENDS_OF_TIME = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))  # infinity to asyncpg


def checked_text(value: Any) -> str:
    """Return a text that both databases can keep: no NUL, no lone surrogate."""
    if not isinstance(value, str):
        raise TypeError(f"text wanted, not {type(value).__name__}")
    if "\0" in value:
        raise ValueError("text may not hold the NUL character")
    if not value.isascii():
        value.encode()  # a lone surrogate is a UnicodeEncodeError, which is a ValueError
    return value if type(value) is str else str.__str__(value)


def checked_int(value: Any) -> int:
    """Return a whole number of 64 bits; a boolean is none."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"integer wanted, not {type(value).__name__}")
    if not -(2**63) <= value < 2**63:
        raise ValueError("integer does not fit into 64 bits")
    return int(value)


def checked_precision(column: ColumnType) -> int:
    """Return how many digits a decimal column has; raises ValueError if that is more than both databases keep."""
    precision = column.precision or MAX_PRECISION
    if precision > MAX_PRECISION or not 0 <= column.scale <= precision:
        raise ValueError(f"decimal({precision},{column.scale}): at most {MAX_PRECISION} digits, scale within them")
    return precision


def checked_units(value: Any, column: ColumnType) -> int:
    """Return a decimal as the whole number of its smallest units, exactly."""
    if not isinstance(value, (Decimal, int)) or isinstance(value, bool):
        raise TypeError(f"decimal wanted, not {type(value).__name__}")
    number = Decimal(value)
    whole = checked_precision(column) - column.scale
    if not number.is_finite() or (number and number.adjusted() >= whole):
        raise ValueError(f"decimal does not fit: at most {whole} digits before the point")
    try:
        shifted = EXACT.scaleb(number, column.scale)
    except (Inexact, InvalidOperation):
        shifted = None
    units = 0 if shifted is None else int(shifted)
    if units != shifted:
        raise ValueError(f"decimal does not fit: at most {column.scale} digits after the point")
    return units


def checked_decimal(value: Any, column: ColumnType) -> Decimal:
    """Return a decimal with exactly the column's digits after the point."""
    return EXACT.scaleb(Decimal(checked_units(value, column)), -column.scale)


def checked_bool(value: Any) -> bool:
    """Return a boolean; 0 and 1 are none."""
    if not isinstance(value, bool):
        raise TypeError(f"boolean wanted, not {type(value).__name__}")
    return value


def checked_date(value: Any) -> date:
    """Return a date; a date with a time is none."""
    if not isinstance(value, date) or isinstance(value, datetime):
        raise TypeError(f"date wanted, not {type(value).__name__}")
    return value


def checked_time(value: Any) -> time:
    """Return a time of day."""
    if not isinstance(value, time):
        raise TypeError(f"time wanted, not {type(value).__name__}")
    if value.tzinfo is not None:
        raise ValueError("a time of day has no time zone")
    return value


def checked_datetime(value: Any) -> datetime:
    """Return a date and time in UTC."""
    if not isinstance(value, datetime):
        raise TypeError(f"date and time wanted, not {type(value).__name__}")
    if value.utcoffset() is None:
        raise ValueError("date and time need a time zone")
    try:
        utc = value if value.tzinfo is UTC else value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("date and time out of range") from error
    if utc in _ENDS_OF_TIME:
        raise ValueError("date and time out of range")
    return utc


def checked_uuid(value: Any) -> UUID:
    """Return a UUID; its text is none."""
    if not isinstance(value, UUID):
        raise TypeError(f"UUID wanted, not {type(value).__name__}")
    return value


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_holds_nul(key) or _holds_nul(inner) for key, inner in value.items())
    return isinstance(value, (list, tuple)) and any(map(_holds_nul, value))


def json_text(value: Any) -> str:
    """Return a JSON value as text."""
    try:
        text = JSON.encode(value)
    except RecursionError as error:
        raise ValueError("JSON is nested too deeply") from error
    if "\\u0000" in text and _holds_nul(value):
        raise ValueError("JSON may not hold the NUL character")
    if not text.isascii():
        text.encode()
    return text


def checked_texts(value: Any) -> list[str]:
    """Return a list of texts; a text is none."""
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"list of texts wanted, not {type(value).__name__}")
    return [checked_text(inner) for inner in value]
