"""Ranges of dates: from a day to a day, both included."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, NamedTuple

from xrm.kernel.fieldtypes.base import FieldType, Parsing, Part, Refused, constant, register, shape
from xrm.kernel.fieldtypes.compound import only_known
from xrm.kernel.fieldtypes.moments import parse_date
from xrm.kernel.store.schema import ColumnType
from xrm.metadata.model import Field

OPEN = frozenset({"", ".."})  # how ISO 8601-2 writes an end that is not known, and one that is open


class DateRange(NamedTuple):
    """The days from `start` to `end`; None = without that end."""

    start: date | None
    end: date | None

    @property
    def leading(self) -> date | None:
        """The first day."""
        return self.start


def _parse_range(field: Field, value: Any, parsing: Parsing) -> DateRange | None:
    if isinstance(value, DateRange):
        return value
    given = _interval(value) if isinstance(value, str) else value
    if not isinstance(given, Mapping):
        raise Refused("not_range", "This is not a range of dates.", 'like {"start": "2026-01-01", "end": "2026-03-31"}')
    only_known(given, ("start", "end"), "A range of dates")
    start, end = (_day(field, given, name, parsing) for name in ("start", "end"))
    if start is None and end is None:
        return None
    if not field.open_ends and (start is None or end is None):
        raise Refused("open_range", "Both ends are needed.", part="start" if start is None else "end")
    if start is not None and end is not None and end < start:
        raise Refused("ends_before_start", "The end is before the start.", part="end")
    return DateRange(start, end)


def _interval(text: str) -> Mapping[str, Any]:
    """Return the ends of an interval of ISO 8601: ``2026-01-01/2026-03-31``, an open end as ``..``."""
    start, sign, end = text.strip().partition("/")
    if not sign:
        raise Refused("not_range", "This is not a range of dates.", "like 2026-01-01/2026-03-31")
    return {name: None if day.strip() in OPEN else day for name, day in (("start", start), ("end", end))}


def _day(field: Field, given: Mapping[str, Any], name: str, parsing: Parsing) -> date | None:
    value = given.get(name)
    if value is None or value == "":
        return None
    try:
        return parse_date(field, value, parsing)
    except Refused as refused:
        raise Refused(refused.code, str(refused), refused.hint, name) from None


def _one_line(field: Field, value: Mapping[str, Any]) -> str:
    return f"{value.get('start') or '…'} – {value.get('end') or '…'}"


_DAY = {"type": ["string", "null"], "format": "date"}

register(
    FieldType(
        "date_range",
        constant("date"),
        _parse_range,
        shape(type="object", properties={"start": _DAY, "end": _DAY}),
        "date",
        "parts",
        first="start",
        parts=(Part("end", ColumnType("date"), title="To"),),
        make=DateRange,
        whole=False,
        holds="the days from one to another, both included; an end may be open where `open_ends` says so",
        leading=Part("start", ColumnType("date"), title="From"),
        text=_one_line,
        accepts=("string",),
    )
)
