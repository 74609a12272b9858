"""The functions of dates. Of a time its date in UTC is taken; what lies outside the years 1 to 9999 is null."""

from __future__ import annotations

import calendar
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from xrm.kernel.expression import functions_sql as sql
from xrm.kernel.expression.arithmetic import ENDS_OF_TIME, day_of
from xrm.kernel.expression.function import Function, always
from xrm.kernel.expression.functions_sql import Bind
from xrm.kernel.expression.tree import Call, Node
from xrm.kernel.expression.types import DATE, DATETIME, INT, TEXT, Type

_MONTHS = 12 * 9999  # more are outside the years there are
_FIRST_MONTH, _AFTER_LAST = 12, 12 * 10_000  # counted from the year 0
_FIRST = "TIMESTAMPTZ '0001-01-01 00:00:00+00'"
_LAST = "TIMESTAMPTZ '9999-12-31 23:59:59.999999+00'"


def _months_later(value: date, months: int) -> date | None:
    count = value.year * 12 + value.month - 1 + months
    if not _FIRST_MONTH <= count < _AFTER_LAST:
        return None
    year, month = divmod(count, 12)
    moved = value.replace(year=year, month=month + 1, day=min(value.day, calendar.monthrange(year, month + 1)[1]))
    return None if moved in ENDS_OF_TIME else moved


def _years_later(value: date, years: int) -> date | None:
    return _months_later(value, years * 12)


def _pg_moved(factor: int) -> sql.Writer:
    """Return the writer of addMonths() or addYears(): `factor` months each."""
    months = f"LEAST(GREATEST(b, -{_MONTHS}), {_MONTHS})::integer * {factor}"

    def write(call: Call, args: Sequence[str], bind: Bind) -> str:
        timed = call.type == DATETIME
        local = "(a AT TIME ZONE 'UTC')" if timed else "a::timestamp"
        count = f"(EXTRACT(YEAR FROM {local}) * 12 + EXTRACT(MONTH FROM {local}) - 1 + b::numeric * {factor})"
        moved = f"({local} + make_interval(months => {months}))"
        shown = f"NULLIF(NULLIF({moved} AT TIME ZONE 'UTC', {_FIRST}), {_LAST})" if timed else f"{moved}::date"
        inside = f"CASE WHEN {count} >= {_FIRST_MONTH} AND {count} < {_AFTER_LAST} THEN {shown} END"
        return sql.pg_over(inside)(call, args, bind)

    return write


def _like_first(args: Sequence[Node]) -> Type:
    return args[0].type


def _end_of_month(value: date) -> date:
    day = day_of(value)
    return day.replace(day=calendar.monthrange(day.year, day.month)[1])


def _start_of_week(value: date) -> date | None:
    day = day_of(value)
    return day - timedelta(days=day.weekday())


def _whole(unit: timedelta) -> Callable[[datetime, datetime], int]:
    return lambda a, b: (a - b) // unit


def _pg_whole(seconds: int) -> sql.Writer:
    return sql.template(f"floor(EXTRACT(EPOCH FROM ({{0}}) - ({{1}})) / {seconds})::bigint")


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def _pg_text(call: Call, args: Sequence[str], bind: Bind) -> str:
    return f"to_char({args[0]}, 'YYYY-MM-DD')" if call.args[0].type == DATE else f"trunc(({args[0]})::numeric)::text"


_DAY, _TIME = ("date", "datetime"), ("datetime",)
_QUARTER = "date_trunc('quarter', ({0})::timestamp)::date"


def _part(name: str, summary: str, python: Callable[[Any], int], postgresql: sql.Writer) -> Function:
    return Function(name, summary, (_DAY,), always(INT), python, postgresql)


def _bound(name: str, summary: str, python: Callable[[Any], Any], text: str) -> Function:
    return Function(name, summary, (_DAY,), always(DATE), python, sql.pg_of_day(text))


DATE_FUNCTIONS = (
    Function(
        "addMonths",
        "So many months later, on the last day of the month where it has no such day; of a time too.",
        (_DAY, ("int",)),
        _like_first,
        _months_later,
        _pg_moved(1),
    ),
    Function(
        "addYears",
        "So many years later; the 29th of February becomes the 28th.",
        (_DAY, ("int",)),
        _like_first,
        _years_later,
        _pg_moved(12),
    ),
    _part("day", "The day of the month.", lambda value: value.day, sql.pg_part("DAY")),
    _part("quarter", "The quarter of the year, 1 to 4.", lambda v: (v.month + 2) // 3, sql.pg_part("QUARTER")),
    _part("weekday", "The day of the week, 1 (Monday) to 7.", lambda v: v.isoweekday(), sql.pg_part("ISODOW")),
    _part("week", "The week of the year (ISO 8601), 1 to 53.", lambda v: v.isocalendar()[1], sql.pg_part("WEEK")),
    _bound("date", "The date of a time, in UTC.", day_of, "{0}"),
    _bound(
        "startOfMonth",
        "The first day of the month.",
        lambda value: day_of(value).replace(day=1),
        "date_trunc('month', ({0})::timestamp)::date",
    ),
    _bound(
        "endOfMonth",
        "The last day of the month.",
        _end_of_month,
        "(date_trunc('month', ({0})::timestamp) + INTERVAL '1 month' - INTERVAL '1 day')::date",
    ),
    _bound(
        "startOfQuarter",
        "The first day of the quarter.",
        lambda value: day_of(value).replace(month=(value.month - 1) // 3 * 3 + 1, day=1),
        _QUARTER,
    ),
    _bound(
        "startOfYear",
        "The first day of the year.",
        lambda value: day_of(value).replace(month=1, day=1),
        "date_trunc('year', ({0})::timestamp)::date",
    ),
    _bound("startOfWeek", "The Monday of the week.", _start_of_week, "date_trunc('week', ({0})::timestamp)::date"),
    Function(
        "hour",
        "The hour of a time, 0 to 23, in UTC.",
        (_TIME,),
        always(INT),
        lambda value: value.hour,
        sql.pg_of_time("EXTRACT(HOUR FROM {0})::bigint"),
    ),
    Function(
        "minute",
        "The minute of a time, 0 to 59, in UTC.",
        (_TIME,),
        always(INT),
        lambda value: value.minute,
        sql.pg_of_time("EXTRACT(MINUTE FROM {0})::bigint"),
    ),
    Function(
        "hours",
        "Whole hours from the second time to the first, rounded down.",
        (_TIME, _TIME),
        always(INT),
        _whole(timedelta(hours=1)),
        _pg_whole(3600),
    ),
    Function(
        "minutes",
        "Whole minutes from the second time to the first, rounded down.",
        (_TIME, _TIME),
        always(INT),
        _whole(timedelta(minutes=1)),
        _pg_whole(60),
    ),
    Function(
        "text",
        "A whole number or a date (2026-01-31) as a text.",
        (("int", "date"),),
        always(TEXT),
        _text,
        _pg_text,
    ),
)
