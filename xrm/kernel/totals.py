"""Aggregates: count, sum, avg, min and max per group, over what the actor may read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from xrm.errors import Invalid, Issue
from xrm.kernel.cursor import PYTHON_TYPES
from xrm.kernel.paths import Path, resolve
from xrm.kernel.query import INT, TEXT, Query, Selection, Selector, Slot
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.visible import readable

_VALUE = re.compile(r"(count)|(sum|avg|min|max)\(([a-z_][a-z0-9_.]*)\)")
UNORDERED = frozenset(
    {"uuid", "bool", "json", "texts", "sealed"}
)  # kinds of columns without a least and a greatest value
_BUCKETS = {  # of dates: as PostgreSQL writes them
    "year": "YYYY",
    "quarter": 'YYYY-"Q"Q',
    "month": "YYYY-MM",
    "week": 'IYYY-"W"IW',
    "day": "YYYY-MM-DD",
}
BUCKET_FUNCTION = "xrm_bucket"
_HAVING = re.compile(r"\s*([a-z_]+(?:\([a-z_0-9.]+\))?)\s*(==|!=|>=|<=|>|<)\s*('[^']*'|-?[0-9][0-9.]*)\s*")
_AVERAGE = ColumnType("decimal", 18, 6)
MAX_SORT = 5
MAX_HAVING = 10


@dataclass(frozen=True, slots=True)
class Totals:
    """What to add up.

    Attributes:
        group: Field paths; of a date also ``close_date.year``, ``.quarter``, ``.month``, ``.week`` (ISO 8601) or
            ``.day``; of a time in the site's time zone.
        values: ``count``, ``sum(amount)``, ``avg(…)``, ``min(…)``, ``max(…)``. Of amounts in several currencies none:
            group by ``amount.currency``, or ask for ``sum(amount.base)``.
        filter: As in `Query`.
        search: As in `Query`.
        limit: Groups at most.
        having: What must hold for a group: ``count > 5 && sum(amount) >= 1000``.
        sort: Groups and values, "-" in front for descending; the groups are the last keys.
    """

    group: tuple[str, ...] = ()
    values: tuple[str, ...] = ("count",)
    filter: str = ""
    search: str = ""
    limit: int = 1000
    having: str = ""
    sort: tuple[str, ...] = ()


def totals_selection(selector: Selector, totals: Totals, words: int) -> Selection:
    """Return the statement of an aggregate.

    Raises:
        Invalid: a group or value is unknown.
    """
    slots: list[Slot] = []
    groups: list[str] = []
    for name in totals.group:
        slot, sql = _group(selector, name)
        slots.append(slot)
        groups.append(sql)
    slots.extend(_value(selector, text)[0] for text in totals.values)
    where = selector.conditions(Query(filter=totals.filter), words)
    tail = f" GROUP BY {', '.join(groups)}" if groups else ""
    if totals.having.strip():
        tail += f" HAVING {' AND '.join(_having(selector, text) for text in _terms(totals.having))}"
    if groups:
        order = ", ".join([*_order(selector, totals, groups), *groups])
        tail += f" ORDER BY {order} LIMIT {selector.binder.bind(totals.limit, INT)}"
    return Selection(selector.statement(where, tail), tuple(slots))


def _order(selector: Selector, totals: Totals, groups: Sequence[str]) -> list[str]:
    """Return the terms of the order asked for; nothing is the least value, on both databases."""
    if len(totals.sort) > MAX_SORT:
        raise Invalid("The totals are not valid", [Issue("sort", "too_many", f"At most {MAX_SORT} sort keys.")])
    found = []
    for key in totals.sort:
        name = key.lstrip("-")
        if name not in (*totals.group, *totals.values):
            hint = "a group or a value that is asked for"
            raise Invalid("The totals are not valid", [Issue("sort", "unknown_value", f"{name[:60]!r} is none.", hint)])
        sql = groups[totals.group.index(name)] if name in totals.group else _value(selector, name)[1]
        nulls = "" if selector.live.dialect.name == "sqlite" else f" NULLS {'LAST' if key[0] == '-' else 'FIRST'}"
        found.append(sql + (" DESC" if key.startswith("-") else "") + nulls)
    return found


def _terms(having: str) -> Sequence[str]:
    terms = having.split("&&")
    if len(terms) > MAX_HAVING:
        raise Invalid("The totals are not valid", [Issue("having", "too_many", f"At most {MAX_HAVING} conditions.")])
    return terms


def _having(selector: Selector, text: str) -> str:
    match = _HAVING.fullmatch(text)
    if match is None:
        hint = "like count > 5 && sum(amount) >= 1000"
        raise Invalid(
            "The totals are not valid", [Issue("having", "syntax", f"{text.strip()[:80]!r} is no condition.", hint)]
        )
    slot, sql, kind = _value(selector, match[1])
    operator = {"==": "=", "!=": "<>"}.get(match[2], match[2])
    try:
        wanted: Any = msgspec.convert(match[3].strip("'"), PYTHON_TYPES[kind.name], strict=False)
        if isinstance(wanted, Decimal):
            wanted = wanted.quantize(Decimal(1).scaleb(-kind.scale)) if match[1].startswith("avg") else wanted
        mark = selector.binder.bind(wanted, kind)
    except (ArithmeticError, ValueError, TypeError, LookupError, msgspec.MsgspecError):
        raise Invalid(
            "The totals are not valid", [Issue("having", "bad_value", f"{match[3][:40]} does not fit {slot.name}.")]
        ) from None
    if match[1].startswith("avg") and selector.live.dialect.name == "sqlite":
        mark = f"{mark} / 1000000.0"
    return f"{sql} {operator} {mark}"


def _group(selector: Selector, name: str) -> tuple[Slot, str]:
    stem, _, bucket = name.rpartition(".")
    if bucket in _BUCKETS and stem:
        path, sql = _aggregated(selector, stem, "group")
        if path.kind.name in ("date", "datetime"):
            sql = _bucket(selector, path.kind, sql, bucket)
            return Slot(name, selector.select(sql), None), sql
    path, sql = _aggregated(selector, name, "group")
    return Slot(name, selector.select(sql), selector.live.dialect.jsonable(path.kind)), sql


def _bucket(selector: Selector, kind: ColumnType, sql: str, bucket: str) -> str:
    zone = selector.live.parsing.time_zone if kind.name == "datetime" else "UTC"
    if selector.live.dialect.name == "sqlite":
        return f"{BUCKET_FUNCTION}({sql}, '{bucket}', {selector.live.dialect.literal(zone, TEXT)})"
    local = f" AT TIME ZONE {selector.live.dialect.literal(zone, TEXT)}" if kind.name == "datetime" else ""
    return f"to_char({sql}{local}, '{_BUCKETS[bucket]}')"


@lru_cache(maxsize=8192)
def bucket_of(stored: object, bucket: str, zone: str) -> str | None:
    """Return the year, quarter, month, week or day of a stored date or time, as PostgreSQL's to_char writes it."""
    if not isinstance(stored, str):
        return None
    try:
        day = date.fromisoformat(stored) if len(stored) == len("2026-01-31") else _day(stored, zone)
    except ValueError:
        return None
    if bucket == "week":
        year, week, _ = day.isocalendar()
        return f"{year:04}-W{week:02}"
    if bucket == "quarter":
        return f"{day.year:04}-Q{(day.month + 2) // 3}"
    return day.isoformat()[: {"year": 4, "month": 7, "day": 10}[bucket]]


def _day(stored: str, zone: str) -> date:
    return datetime.fromisoformat(stored).astimezone(UTC if zone == "UTC" else ZoneInfo(zone)).date()


def _value(selector: Selector, text: str) -> tuple[Slot, str, ColumnType]:
    """Return a total: how it is shown, its SQL, and the type of what it gives."""
    match = _VALUE.fullmatch(text)
    if match is None:
        raise Invalid(
            "The totals are not valid",
            [
                Issue(
                    "values",
                    "unknown_value",
                    f"{text!r} is not a total.",
                    "count, sum(field), avg(field), min(field) or max(field)",
                )
            ],
        )
    if match[1]:
        return Slot(text, selector.select("count(*)"), None), "count(*)", INT
    path, sql = _aggregated(selector, match[3], "values")
    kind = path.kind
    numeric = kind.name in ("int", "decimal")
    if match[2] in ("sum", "avg") and not numeric:
        raise Invalid("The totals are not valid", [Issue("values", "not_a_number", f"{match[3]!r} is not a number.")])
    alone = _of_one_currency(selector, path, match[3])
    if match[2] == "avg":
        total = alone.format(_average(selector, sql, kind))
        return Slot(text, selector.select(total), lambda value: f"{value:.6f}"), total, _AVERAGE
    if kind.name in UNORDERED:
        raise Invalid("The totals are not valid", [Issue("values", "not_sortable", f"{match[3]!r} has no order.")])
    show = selector.live.dialect.jsonable(kind)
    if match[2] == "sum" and kind.name == "int":
        return Slot(text, selector.select(f"sum({sql})"), int), f"sum({sql})", INT
    total = alone.format(f"{match[2]}({sql})")
    return Slot(text, selector.select(total), show), total, kind


def _of_one_currency(selector: Selector, path: Path, name: str) -> str:
    """Return what a total is put into: amounts of several currencies have none, for nobody could say what it is."""
    if path.field.type != "money" or path.field.virtual or path.part not in ("", "amount"):
        return "{}"
    parts = tuple(name.removesuffix(".amount").split("."))
    currency = selector.visible.value(selector.entity, "t", (*parts, "currency"))
    return f"CASE WHEN min({currency}) = max({currency}) THEN {{}} END"


def _average(selector: Selector, sql: str, kind: ColumnType) -> str:
    if selector.live.dialect.name == "sqlite":
        return f"avg({sql}) / {10**kind.scale}.0"
    return f"avg({sql})"


def _aggregated(selector: Selector, name: str, where: str) -> tuple[Path, str]:
    parts = tuple(name.split("."))
    path = resolve(selector.live.model, selector.entity, parts)
    if path is None or path.field.through or not readable(selector.live, selector.actor, selector.entity, path):
        raise Invalid("The totals are not valid", [Issue(where, "unknown_field", f"There is no field {name!r}.")])
    if path.kind.name == "sealed":
        raise Invalid("The totals are not valid", [Issue(where, "not_sortable", f"{name!r} is encrypted.")])
    return path, selector.visible.value(selector.entity, "t", parts)
