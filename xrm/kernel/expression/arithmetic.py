"""What `+ - * / %` do: the types of their results, and their values in Python.

The rules, the same on both databases (a is the left operand, scale = digits after the point):

    + -    exact; scale: the larger of the two
    *      scale: the sum of the two, at most 12 (or that of the operand, if larger), rounded
    /      scale: 6, or the larger of the two if that is more; rounded; also of whole numbers; by zero it is null
    %      what is left of a division without fraction, with the sign of a; by zero it is null

Rounding is half away from zero. A whole number beyond 64 bits and a decimal of 10^18 or more are null, so nothing
overflows. A result that leaves the expression has at most 18 digits, else it is null.

A date or time that would lie outside the years 1 to 9999 is null; so is the very first and the very last microsecond of
these years, which no column takes.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from types import MappingProxyType
from typing import Any

from xrm.kernel.expression.types import (
    DATE,
    DATETIME,
    INT,
    MAX_DIGITS,
    MAX_SCALE,
    MIN_QUOTIENT_SCALE,
    TEXT,
    Type,
    decimal,
)

Operation = Callable[[Any, Any], Any]

INT_LIMIT = 2**63  # exclusive, on both sides of zero
DECIMAL_LIMIT = Decimal(10**18)  # exclusive, on both sides of zero
ENDS_OF_TIME = frozenset({datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)})  # no column takes them

# 100 digits hold a product of two operands (30 digits each) exactly, and a quotient so far that rounding it again to
# 12 digits is right: two decimals of 30 digits cannot have a quotient nearer to a half than 10^-55.
_CONTEXT = Context(prec=100, rounding=ROUND_HALF_UP, traps=[])


def result_type(sign: str, left: Type, right: Type) -> Type | None:
    """Return the type of ``left sign right``, or None when there is no such operation."""
    if left.numeric and right.numeric:
        return _number_type(sign, left, right)
    if sign == "+" and left == right == TEXT:
        return TEXT
    if sign in "+-" and left in (DATE, DATETIME) and right == INT:
        return left
    if sign == "-" and left == right == DATE:
        return INT
    return None


def _number_type(sign: str, left: Type, right: Type) -> Type:
    most = max(left.scale, right.scale)
    if sign == "/":
        return decimal(max(MIN_QUOTIENT_SCALE, most))
    if left == right == INT:
        return INT
    return decimal(max(most, min(left.scale + right.scale, MAX_SCALE)) if sign == "*" else most)


def operation(sign: str, left: Type, right: Type, result: Type) -> Operation:
    """Return the function that computes ``left sign right`` of two values that are not None; it may return None."""
    if result == TEXT:
        return operator.add
    if result == INT:
        return days_between if left == DATE else _INT_OPERATIONS[sign]
    if result.name == "decimal":
        return _decimal_operation(sign, left.scale + right.scale, result.scale)
    return _later if sign == "+" else _earlier


def bounded_int(value: int) -> int | None:
    """Return `value`, or None when it is beyond 64 bits."""
    return value if -INT_LIMIT < value < INT_LIMIT else None


def bounded_decimal(value: Decimal) -> Decimal | None:
    """Return `value`, or None when it is 10^18 or more."""
    return value if -DECIMAL_LIMIT < value < DECIMAL_LIMIT else None


def rounded(value: Decimal | int, scale: int) -> Decimal:
    """Return `value` with exactly `scale` digits after the point, half away from zero."""
    return Decimal(value).quantize(Decimal((0, (1,), -scale)), ROUND_HALF_UP, _CONTEXT)


def fitted(value: Decimal | int | None, scale: int) -> Decimal | None:
    """Return `value` as a result: `scale` digits after the point and at most 18 in all, else None."""
    if value is None:
        return None
    found = rounded(value, scale)
    if not found:
        return found.copy_abs()  # there is no negative zero in a database
    return found if found.adjusted() < MAX_DIGITS - scale else None


# --- whole numbers


def _int_remainder(a: int, b: int) -> int | None:
    if b == 0:
        return None
    rest = abs(a) % abs(b)
    return -rest if a < 0 else rest


_INT_OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {
        "+": lambda a, b: bounded_int(a + b),
        "-": lambda a, b: bounded_int(a - b),
        "*": lambda a, b: bounded_int(a * b),
        "%": _int_remainder,
    }
)


# --- decimals; operands may be int


def _decimal_operation(sign: str, exact: int, scale: int) -> Operation:
    if sign == "/":
        return _quotient(scale)
    if sign == "*":
        return _product(scale) if exact > scale else lambda a, b: bounded_decimal(_CONTEXT.multiply(a, b))
    if sign == "%":
        return lambda a, b: _CONTEXT.remainder(a, b) if b else None
    if sign == "+":
        return lambda a, b: bounded_decimal(_CONTEXT.add(a, b))
    return lambda a, b: bounded_decimal(_CONTEXT.subtract(a, b))


def _quotient(scale: int) -> Operation:
    def divide(a: Any, b: Any) -> Decimal | None:
        return bounded_decimal(rounded(_CONTEXT.divide(a, b), scale)) if b else None

    return divide


def _product(scale: int) -> Operation:
    def multiply(a: Any, b: Any) -> Decimal | None:
        return bounded_decimal(rounded(_CONTEXT.multiply(a, b), scale))

    return multiply


# --- dates; also of datetime, which stays in its zone, UTC


def midnight(value: date) -> datetime | None:
    """Return the moment at which a date begins, in UTC."""
    return None if value == date.min else datetime.combine(value, time(), UTC)


def day_of(value: date) -> date:
    """Return a date, or the date of a time."""
    return value.date() if isinstance(value, datetime) else value


def days_between(a: date, b: date) -> int:
    """Return the number of days from `b` to `a`, of times that from date to date."""
    return (day_of(a) - day_of(b)).days


def _later(a: date, days: int) -> date | None:
    try:
        moved = a + timedelta(days=days)
    except OverflowError:
        return None
    return None if moved in ENDS_OF_TIME else moved


def _earlier(a: date, days: int) -> date | None:
    return _later(a, -days)
