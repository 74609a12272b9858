"""Arithmetic in SQL of PostgreSQL, with the rules of arithmetic.py.

Whole numbers are computed as numeric, so that nothing overflows. SQL of an operand is never written twice, else that
of nested expressions would grow exponentially; hence bounds are kept by ``NULLIF(LEAST(x, limit), limit)``: LEAST and
GREATEST pass over NULL, so NULL becomes the limit, and then NULL again.
"""

from __future__ import annotations

from xrm.kernel.expression.arithmetic import DECIMAL_LIMIT, INT_LIMIT
from xrm.kernel.expression.tree import Arithmetic
from xrm.kernel.expression.types import DATE, INT, TEXT, Type

_DAYS = 3652059  # from 0001-01-01 to 9999-12-31, both included
_FIRST_DAY = "DATE '0001-01-01'"
_FIRST = "TIMESTAMPTZ '0001-01-01 00:00:00+00'"
_LAST = "TIMESTAMPTZ '9999-12-31 23:59:59.999999+00'"
_SHIFT = "INTERVAL '96000000 hours'"  # more than _DAYS


def within(sql: str, limit: int) -> str:
    """Return the number `sql` if it is less than `limit` away from zero, else NULL."""
    return _between(sql, f"-{limit}", str(limit))


def reversible(sql: str, type: Type) -> str:
    """Return a number whose sign was changed: only the smallest whole number has no counterpart, it gives NULL."""
    return within(sql, INT_LIMIT) if type == INT else sql


def midnight(sql: str) -> str:
    """Return the moment at which the date `sql` begins, in UTC."""
    return f"NULLIF(({sql})::timestamp AT TIME ZONE 'UTC', {_FIRST})"


def arithmetic(node: Arithmetic, left: str, right: str) -> str:
    """Return the SQL of ``left operator right``, with the types of `node`."""
    if node.type == TEXT:
        return f"({left} || {right})"
    if node.left.type.numeric:
        return _number(node, f"({left})::numeric", f"({right})::numeric")
    if node.type == INT:
        return f"({left} - {right})::bigint"
    move = _date_moved if node.type == DATE else _time_moved
    return move(left, node.operator, f"({right})::numeric")


def _between(sql: str, low: str, high: str) -> str:
    """Return `sql` if it lies between `low` and `high`, both excluded, else NULL."""
    return f"NULLIF(GREATEST(NULLIF(LEAST({sql}, {high}), {high}), {low}), {low})"


def _number(node: Arithmetic, left: str, right: str) -> str:
    if node.operator == "%":
        return f"({left} % NULLIF({right}, 0))"
    sql = f"{left} {node.operator} {right}"
    if node.operator == "/":  # 70 digits after the point: rounding them again is right, see arithmetic.py
        sql = f"round({left}::numeric(100, 70) / NULLIF({right}, 0), {node.type.scale})"
    elif node.operator == "*" and node.left.type.scale + node.right.type.scale > node.type.scale:
        sql = f"round({sql}, {node.type.scale})"
    return within(sql, INT_LIMIT if node.type == INT else int(DECIMAL_LIMIT))


def _date_moved(date: str, sign: str, days: str) -> str:
    number = _between(f"({date} - {_FIRST_DAY})::numeric {sign} {days}", "-1", str(_DAYS))
    return f"({_FIRST_DAY} + {number}::integer)"


def _time_moved(moment: str, sign: str, days: str) -> str:
    """Move by days of 24 hours, whatever the session's time zone; later by _SHIFT, as years BC do not go far enough."""
    moved = f"{moment} + {_SHIFT} {sign} {within(days, _DAYS)}::double precision * INTERVAL '24 hours'"
    return f"({_between(moved, f'({_FIRST} + {_SHIFT})', f'({_LAST} + {_SHIFT})')} - {_SHIFT})"
