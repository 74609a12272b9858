"""Texts taken as dates, times and ids: what ``close_date < '2026-01-31'`` means."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from types import MappingProxyType
from typing import Any
from uuid import UUID

from xrm.kernel.expression.arithmetic import ENDS_OF_TIME

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(r"[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?")
_DATETIME = re.compile(rf"{_DATE.pattern}[T ]{_TIME.pattern}(Z|[+-][0-9]{{2}}:[0-9]{{2}})")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    moment = found.replace(tzinfo=UTC) if _DATE.fullmatch(text) else found.astimezone(UTC)
    if moment in ENDS_OF_TIME:
        raise ValueError("no column takes this time")
    return moment


_READERS: Mapping[str, tuple[str, str, Callable[[str], Any]]] = MappingProxyType(
    {
        "date": (_DATE.pattern, "2026-01-31", date.fromisoformat),
        "time": (_TIME.pattern, "13:05", time.fromisoformat),
        "datetime": (f"{_DATETIME.pattern}|{_DATE.pattern}", "2026-01-31T13:05:00Z", _moment),
        "uuid": (_UUID.pattern, "0196f0c4-7d5e-7000-8000-000000000000", UUID),
    }
)


def readable(type_name: str) -> bool:
    """Return whether constants of that type are written as texts."""
    return type_name in _READERS


def example(type_name: str) -> str:
    """Return how a constant of that type is written."""
    return _READERS[type_name][1]


def read(text: str, type_name: str) -> Any:
    """Return the value that `text` stands for.

    Raises:
        ValueError: it stands for none.
    """
    pattern, _, reader = _READERS[type_name]
    if not re.fullmatch(pattern, text):
        raise ValueError(f"not of the form {example(type_name)}")
    try:
        return reader(text)
    except OverflowError as error:
        raise ValueError("out of range") from error
