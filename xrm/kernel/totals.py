"""Aggregates: count, sum, avg, min and max per group, over what the actor may read."""

from __future__ import annotations

import re
from dataclasses import dataclass

from xrm.errors import Invalid, Issue
from xrm.kernel.paths import Path, resolve
from xrm.kernel.query import INT, Query, Selection, Selector, Slot
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.visible import readable

_VALUE = re.compile(r"(count)|(sum|avg|min|max)\(([a-z_][a-z0-9_.]*)\)")
UNORDERED = frozenset(
    {"uuid", "bool", "json", "texts", "sealed"}
)  # kinds of columns without a least and a greatest value
_BUCKETS = {"year": ("%Y", "YYYY"), "month": ("%Y-%m", "YYYY-MM"), "day": ("%Y-%m-%d", "YYYY-MM-DD")}


@dataclass(frozen=True, slots=True)
class Totals:
    """What to add up.

    Attributes:
        group: Field paths; of a date also ``close_date.month``, ``.year`` or ``.day``.
        values: ``count``, ``sum(amount)``, ``avg(…)``, ``min(…)``, ``max(…)``. Of amounts in several currencies none:
            group by ``amount.currency``, or ask for ``sum(amount.base)``.
        filter: As in `Query`.
        search: As in `Query`.
    """

    group: tuple[str, ...] = ()
    values: tuple[str, ...] = ("count",)
    filter: str = ""
    search: str = ""
    limit: int = 1000


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
    slots.extend(_value(selector, text) for text in totals.values)
    where = selector.conditions(Query(filter=totals.filter), words)
    tail = ""
    if groups:
        terms = ", ".join(groups)
        tail = f" GROUP BY {terms} ORDER BY {terms} LIMIT {selector.binder.bind(totals.limit, INT)}"
    return Selection(selector.statement(where, tail), tuple(slots))


def _group(selector: Selector, name: str) -> tuple[Slot, str]:
    stem, _, bucket = name.rpartition(".")
    if bucket in _BUCKETS and stem:
        path, sql = _aggregated(selector, stem, "group")
        if path.kind.name in ("date", "datetime"):
            sql = _bucket(selector.live.dialect.name, path.kind, sql, bucket)
            return Slot(name, selector.select(sql), None), sql
    path, sql = _aggregated(selector, name, "group")
    return Slot(name, selector.select(sql), selector.live.dialect.jsonable(path.kind)), sql


def _bucket(dialect: str, kind: ColumnType, sql: str, bucket: str) -> str:
    sqlite, postgres = _BUCKETS[bucket]
    if dialect == "sqlite":
        return f"strftime('{sqlite}', {sql})"
    zone = " AT TIME ZONE 'UTC'" if kind.name == "datetime" else ""
    return f"to_char({sql}{zone}, '{postgres}')"


def _value(selector: Selector, text: str) -> Slot:
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
        return Slot(text, selector.select("count(*)"), None)
    path, sql = _aggregated(selector, match[3], "values")
    kind = path.kind
    numeric = kind.name in ("int", "decimal")
    if match[2] in ("sum", "avg") and not numeric:
        raise Invalid("The totals are not valid", [Issue("values", "not_a_number", f"{match[3]!r} is not a number.")])
    alone = _of_one_currency(selector, path, match[3])
    if match[2] == "avg":
        return Slot(text, selector.select(alone.format(_average(selector, sql, kind))), lambda value: f"{value:.6f}")
    if kind.name in UNORDERED:
        raise Invalid("The totals are not valid", [Issue("values", "not_sortable", f"{match[3]!r} has no order.")])
    show = selector.live.dialect.jsonable(kind)
    if match[2] == "sum" and kind.name == "int":
        return Slot(text, selector.select(f"sum({sql})"), int)
    return Slot(text, selector.select(alone.format(f"{match[2]}({sql})")), show)


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
