"""A value of one column type as a value of another: exactly, or not at all.

Nothing is rounded, cut or guessed. What cannot be said in the new type is `Unconvertible`; the planner counts such
values before anything is touched. Every type becomes text in one canonical form and can be read back from it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from uuid import UUID

from xrm.kernel.store.schema import ColumnType
from xrm.kernel.values import INT64, Refused, parse_decimal


class Unconvertible(ValueError):
    """The value has no equal in the new type."""


def convertible(old: ColumnType, new: ColumnType) -> bool:
    """Whether some values of type `old` have an equal in type `new`."""
    return (old.name, new.name) in _CONVERSIONS or (new.name == "decimal" and old.name in _NUMBERS)


def reversible(old: ColumnType, new: ColumnType) -> bool:
    """Whether every value of type `old` that becomes `new` comes back exactly as it was."""
    if new.name == "decimal" == old.name:
        return new.scale >= old.scale and new.precision - new.scale >= old.precision - old.scale
    return (old.name, new.name) in _REVERSIBLE


def convert(value: Any, old: ColumnType, new: ColumnType) -> Any:
    """Return the Python value `value` of type `old` as type `new`; None stays None.

    Raises:
        Unconvertible: it cannot be said in the new type without loss.
    """
    if value is None:
        return None
    try:
        if new.name == "decimal":
            return parse_decimal(value, new.precision, new.scale)
        return _CONVERSIONS[old.name, new.name](value)
    except (Refused, ValueError, ArithmeticError) as error:
        raise Unconvertible(str(value)) from error


def _no(value: Any) -> Any:
    raise Unconvertible(str(value))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Decimal):
        return format(value, "f")
    return value.isoformat() if isinstance(value, (date, time)) else str(value)


def _whole(value: Decimal) -> int:
    whole = value == value.to_integral_value() and -INT64 <= value < INT64
    return int(value) if whole else _no(value)


def _whole_text(text: str) -> int:
    return _whole(parse_decimal(text, 19, 0))


def _bool(text: str) -> bool:
    word = text.strip().lower()
    return word == "true" if word in {"true", "false"} else _no(text)


def _date(text: str) -> date:
    day = date.fromisoformat(text.strip())
    return day if day.isoformat() == text.strip() else _no(text)  # not 20260131, which may be a number


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text.strip())
    return moment.astimezone(UTC) if moment.tzinfo else _no(text)


def _clock(text: str) -> time:
    moment = time.fromisoformat(text.strip())
    return _no(text) if moment.tzinfo else moment


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _day(moment: datetime) -> date:
    utc = moment.astimezone(UTC)
    return utc.date() if utc.time() == time() else _no(moment)


def _only(values: tuple[str, ...]) -> str | None:
    if len(values) > 1:
        _no(values)
    return values[0] if values else None


def _list(value: Any) -> tuple[str, ...]:
    good = isinstance(value, list) and all(isinstance(inner, str) for inner in value)
    return tuple(value) if good else _no(value)


def _truth(number: int) -> bool:
    return bool(number) if number in {0, 1} else _no(number)


def _json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _same(value: Any) -> Any:
    return value


_NUMBERS = frozenset({"text", "int", "decimal"})  # what may become a decimal
_CONVERSIONS: Mapping[tuple[str, str], Callable[[Any], Any]] = MappingProxyType(
    {
        **{(name, "text"): _text for name in ("int", "decimal", "bool", "date", "time", "datetime", "uuid")},
        ("json", "text"): _json_text,
        ("texts", "text"): _only,
        ("text", "int"): _whole_text,
        ("text", "bool"): _bool,
        ("text", "date"): _date,
        ("text", "time"): _clock,
        ("text", "datetime"): _moment,
        ("text", "uuid"): UUID,
        ("text", "texts"): lambda text: (text,),
        ("text", "json"): _same,
        ("decimal", "int"): _whole,
        ("int", "bool"): _truth,
        ("bool", "int"): int,
        ("date", "datetime"): _midnight,
        ("datetime", "date"): _day,
        ("texts", "json"): list,
        ("json", "texts"): _list,
    }
)
_REVERSIBLE = frozenset(
    {
        *((name, "text") for name in ("int", "decimal", "bool", "date", "time", "datetime", "uuid")),
        ("int", "decimal"),
        ("bool", "int"),
        ("date", "datetime"),
        ("text", "texts"),
        ("texts", "json"),
    }
)
