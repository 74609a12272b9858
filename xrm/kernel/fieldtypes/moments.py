"""Dates, times of day, moments."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from typing import Any

from xrm.kernel.fieldtypes.base import FieldType, Parsing, Refused, constant, register, shape
from xrm.kernel.fieldtypes.text import clean_text
from xrm.metadata.model import Field


def parse_date(field: Field, value: Any, parsing: Parsing) -> date:
    """Return a day (ISO 8601); raises `Refused`."""
    text = clean_text(value, 40).strip()
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        raise Refused("not_date", "This is not a date.", "like 2026-12-31")
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise Refused("not_date", "There is no such day.", "like 2026-12-31") from None
    _in_range_text(field, text)
    return day


def _in_range_text(field: Field, text: str) -> None:
    if field.min is not None and text < str(field.min):
        raise Refused("too_small", f"This must not be before {field.min}.")
    if field.max is not None and text > str(field.max):
        raise Refused("too_large", f"This must not be after {field.max}.")


def _parse_time(field: Field, value: Any, parsing: Parsing) -> time:
    text = clean_text(value, 40).strip()
    if not re.fullmatch(r"\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?", text):
        raise Refused("not_time", "This is not a time of day.", "like 14:30")
    try:
        return time.fromisoformat(text)
    except ValueError:
        raise Refused("not_time", "There is no such time of day.", "like 14:30") from None


def _parse_datetime(field: Field, value: Any, parsing: Parsing) -> datetime:
    text = clean_text(value, 60).strip()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Refused("not_datetime", "This is not a date and time.", "like 2026-12-31T14:30:00+01:00") from None
    if moment.tzinfo is None:
        raise Refused("no_time_zone", "This time has no time zone.", "end it with Z or an offset like +01:00")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise Refused("not_datetime", "This date is out of range.") from None


def _parse_month(field: Field, value: Any, parsing: Parsing) -> str:
    text = clean_text(value, 40).strip()
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", text):
        raise Refused("not_month", "This is not a month of a year.", "like 2026-11")
    _in_range_text(field, text)
    return text


register(
    FieldType(
        "year_month",
        constant("text"),
        _parse_month,
        shape(type="string", pattern=r"^\d{4}-(0[1-9]|1[0-2])$"),
        "text",
        "month",
        holds="a month of a year, as 2026-11",
    ),
    FieldType("date", constant("date"), parse_date, shape(type="string", format="date"), "date", "date", holds="a day"),
    FieldType(
        "time",
        constant("time"),
        _parse_time,
        shape(type="string", format="time"),
        "time",
        "time",
        holds="a time of day",
    ),
    FieldType(
        "datetime",
        constant("datetime"),
        _parse_datetime,
        shape(type="string", format="date-time"),
        "datetime",
        "datetime",
        holds="a moment, kept in UTC",
    ),
)
