"""Conversions that the database does by itself, in one statement and exactly: between kinds of numbers, and to text.

All others are done in Python (`retype`), so that both databases give the same result.
"""

from __future__ import annotations

from dataclasses import dataclass

from xrm.kernel.store.codec import Dialect
from xrm.kernel.store.schema import ColumnType

_NUMBERS = frozenset({"int", "decimal"})
_INT_DIGITS = 19  # of the largest number that a column of whole numbers holds
_LIMIT = 2**63


@dataclass(frozen=True, slots=True)
class Direct:
    """A conversion as SQL: the new value of a column, and the condition of values that have none."""

    value: str
    unfit: str


def direct(dialect: Dialect, old: ColumnType, new: ColumnType, sql: str) -> Direct | None:
    """Return how the database converts `sql`, a column of type `old`, to `new`; None where Python must."""
    if (old.name, new.name) == ("int", "text"):
        return Direct(f"CAST({sql} AS text)", "")
    if not {old.name, new.name} <= _NUMBERS:
        return None
    unfit = (_scaled if dialect.name == "sqlite" else _exact)(old, new, sql)
    return Direct(_number(dialect, old, new, sql), " OR ".join(unfit))


def _number(dialect: Dialect, old: ColumnType, new: ColumnType, sql: str) -> str:
    if dialect.name != "sqlite":
        return f"CAST({sql} AS {dialect.column_type(new)})"
    more = new.scale - old.scale
    return f"{sql} * {10**more}" if more >= 0 else f"{sql} / {10**-more}"


def _scaled(old: ColumnType, new: ColumnType, sql: str) -> list[str]:
    """Return the conditions of a number that does not fit, where decimals are kept as whole numbers of their unit."""
    found = [f"{sql} % {10 ** (old.scale - new.scale)} <> 0"] if new.scale < old.scale else []
    limit = 10 ** (_before_point(new) + old.scale)
    if _before_point(old) > _before_point(new) and limit < _LIMIT:
        found.append(f"{sql} >= {limit} OR {sql} <= -{limit}")
    return found


def _exact(old: ColumnType, new: ColumnType, sql: str) -> list[str]:
    found = [f"trunc({sql}, {new.scale}) <> {sql}"] if new.scale < old.scale else []
    if _before_point(old) > _before_point(new):
        found.append(f"abs({sql}::numeric) >= {10 ** _before_point(new)}")
    return found


def _before_point(type: ColumnType) -> int:
    return type.precision - type.scale if type.name == "decimal" else _INT_DIGITS
