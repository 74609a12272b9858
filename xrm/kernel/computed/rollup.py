"""Rollups as SQL: one correlated subselect over the listed records, served by the index of their relation.

A sum is exact, and null from 10^18 units on; a sum of amounts in several currencies is null, since there is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xrm.kernel.expression import INT, Names, Type, compile, decimal
from xrm.kernel.expression.postgresql_numbers import within
from xrm.kernel.expression.types import MAX_DIGITS
from xrm.kernel.paths import resolve, type_of
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.sql import quote
from xrm.metadata.computed import Listed, listed
from xrm.metadata.model import Entity, Field

if TYPE_CHECKING:
    from xrm.kernel.visible import Visible

MAX_LISTED = 200  # texts in a list
_TEXT = ColumnType("text")
_BILLION = 10**9  # sums are kept in two halves on SQLite, whose own sum() fails when 64 bits are exceeded


@dataclass(frozen=True, slots=True)
class _Source:
    """The listed records as SQL: their alias, FROM with WHERE, the value taken of each, and its currency."""

    sqlite: bool
    alias: str
    rows: str
    value: str = ""
    currency: str = ""


def rollup(eyes: Visible, entity: Entity, alias: str, field: Field, part: str) -> str:
    """Return the SQL of a rollup of the row `alias`.

    Raises:
        LookupError: there is no such list for the reader.
    """
    found = listed(eyes.live.model, entity, field)
    if found is None or (part and part != "currency"):
        raise LookupError(field.name)
    source = _source(eyes, entity, alias, field, found)
    if field.compute == "count":
        return f"(SELECT count({source.value or '*'}) {source.rows})"
    if field.compute == "list":
        return _list(source)
    return _currency(source) if part else _number(eyes, source, field, _type(eyes, found, field))


def _source(eyes: Visible, entity: Entity, alias: str, field: Field, found: Listed) -> _Source:
    inner, child = eyes.alias(), found.child
    access = eyes.access(child)
    if access is None:
        raise LookupError(child.name)
    relation = found.relation
    pointer = eyes.value(entity, alias, found.hops) if found.hops else f'{alias}."id"'
    where = [f"{eyes.column(access, inner, relation.name, relation.name)} = {pointer}", f'{inner}."deleted_at" IS NULL']
    if relation.polymorphic:
        kind = eyes.column(access, inner, relation.name, f"{relation.name}_entity")
        where.append(f"{kind} = {eyes.binder.bind(found.anchor.name, _TEXT)}")
    where += filter(None, [eyes.rows(access.rules, child, inner)])
    if field.where:
        condition = eyes.live.entities[entity.name].virtual[field.name]
        where.append(condition.sql(eyes.binder, lambda path: eyes.path(child, inner, path)))
    over = tuple(field.over.split(".")) if field.over else ()
    value = eyes.path(child, inner, over) if over else ""
    currency = eyes.path(child, inner, (*over, "currency")) if over and field.type == "money" else ""
    rows = f"FROM {quote(child.name)} {inner} WHERE {' AND '.join(where)}"
    return _Source(eyes.live.dialect.name == "sqlite", inner, rows, value, currency)


def _type(eyes: Visible, found: Listed, field: Field) -> Type:
    """Return the type of the values taken."""
    end = resolve(eyes.live.model, found.child, tuple(field.over.split(".")))
    if end is None:
        raise LookupError(field.over)
    return type_of(end.field, end.part)


def _list(source: _Source) -> str:
    """Return the different texts, in order."""
    binary = "" if source.sqlite else ' COLLATE "C"'
    inner = f"SELECT DISTINCT {source.value}{binary} AS v {source.rows} AND {source.value} IS NOT NULL"
    ordered = f"{inner} ORDER BY v LIMIT {MAX_LISTED}"
    if source.sqlite:
        return f"(SELECT NULLIF(json_group_array(v), '[]') FROM ({ordered}) q)"
    return f"(SELECT array_agg(v ORDER BY v) FROM ({ordered}) q)"


def _currency(source: _Source) -> str:
    """Return the one currency of the amounts, or null when there are several."""
    return f"(SELECT {_single('c')} FROM ({_cells(source)}) q)"


def _cells(source: _Source) -> str:
    currency = f", {source.currency} AS c" if source.currency else ""
    return f"SELECT {source.value} AS v{currency} {source.rows} AND {source.value} IS NOT NULL"


def _single(shown: str) -> str:
    return f"CASE WHEN min(c) = max(c) THEN {'min(c)' if shown == 'c' else shown} END"


def _number(eyes: Visible, source: _Source, field: Field, type: Type) -> str:
    """Return the sum, average, least or greatest of the values."""
    if field.compute in ("min", "max"):
        shown = f"{field.compute}(v)"
        return f"(SELECT {_single(shown) if source.currency else shown} FROM ({_cells(source)}) q)"
    halves = f"sum(v / {_BILLION}) AS hi, sum(v % {_BILLION}) AS lo" if source.sqlite else "sum(v) AS total"
    one = f", {_single('1')} AS one" if source.currency else ", 1 AS one"
    sums = f"SELECT {halves}, count(v) AS n{one} FROM ({_cells(source)}) q"
    total = f"SELECT {_total(source, type)} AS total, n, one FROM ({sums}) s"
    shown = "total" if field.compute == "sum" else _average(eyes, field, type)
    return f"(SELECT CASE WHEN one = 1 THEN {shown} END FROM ({total}) r)"


def _total(source: _Source, type: Type) -> str:
    limit = 10**MAX_DIGITS
    if source.sqlite:
        whole = f"hi * {_BILLION} + lo"
        return f"CASE WHEN abs(hi) < {2 * _BILLION} AND abs({whole}) < {limit} THEN {whole} END"
    return within("total", limit // 10**type.scale) + ("::bigint" if type == INT else "")


def _average(eyes: Visible, field: Field, type: Type) -> str:
    """Return total / n, by the rules of the expression language."""
    average = compile("total / n", Names({"total": type, "n": INT}), decimal(field.scale))
    return average.sql(eyes.binder, lambda path: quote(path[0]))
