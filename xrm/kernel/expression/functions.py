"""The functions of the language, as a table; a plugin adds to it with `with_functions`.

A `Function` says which values it takes and what comes out, and how it is computed in Python and on PostgreSQL. On
SQLite whatever has no SQL of its own is computed in Python, see sqlite.py. Both ``f(x, y)`` and ``x.f(y)`` call it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from xrm.kernel.expression import functions_sql as sql
from xrm.kernel.expression import letters
from xrm.kernel.expression.arithmetic import bounded_int, days_between, midnight, rounded
from xrm.kernel.expression.date_functions import DATE_FUNCTIONS
from xrm.kernel.expression.function import Function, Mismatch, always, with_functions
from xrm.kernel.expression.functions_sql import Native
from xrm.kernel.expression.text_functions import TEXT_FUNCTIONS
from xrm.kernel.expression.tree import Literal, Node
from xrm.kernel.expression.types import BOOL, DATE, DATETIME, INT, MAX_SCALE, NULL, TEXT, Type, common, decimal

# --- types of results


def _like_first(args: Sequence[Node]) -> Type:
    return args[0].type


def _like_all(args: Sequence[Node]) -> Type:
    found = NULL
    for arg in args:
        found = common(found, arg.type) or found
    return found


def _of_round(args: Sequence[Node]) -> Type:
    if len(args) == 1:
        return INT
    digits = args[1]
    if not isinstance(digits, Literal) or not 0 <= digits.value <= MAX_SCALE:
        raise Mismatch(1, f"the number of digits must be written as a number from 0 to {MAX_SCALE}")
    return args[0].type if args[0].type == INT else decimal(digits.value)


# --- values in Python


def _round(value: Decimal | int, digits: int = -1) -> Decimal | int:
    if isinstance(value, int):
        return value
    return int(rounded(value, 0)) if digits < 0 else rounded(value, digits)


def _coalesce(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _abs(value: Any) -> Any:
    return bounded_int(abs(value)) if isinstance(value, int) else value.copy_abs()  # unlike abs() it does not round


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, (str, tuple, list)) and not value)


def _given() -> None:
    """Stand in for what is never called: now() and today() are given, tests of sets become tests of membership."""


def _floor(value: Decimal | int) -> int:
    return int(Decimal(value).to_integral_value(ROUND_FLOOR))


def _ceil(value: Decimal | int) -> int:
    return int(Decimal(value).to_integral_value(ROUND_CEILING))


def _sign(value: Decimal | int) -> int:
    return (value > 0) - (value < 0)


# --- the table

_TEXT, _NUMBER, _DAY = ("text",), ("int", "decimal"), ("date", "datetime")
_ORDERED = ("int", "decimal", "date", "datetime", "time")
_ANY = ("text", "int", "decimal", "bool", "date", "time", "datetime", "uuid", "null")


MIDNIGHT = Function(
    "midnight",
    "The time at which a date begins, in UTC; so is a date taken beside a time.",
    (("date",),),
    always(DATETIME),
    midnight,
    sql.pg_midnight,
)
_TABLE = (
    MIDNIGHT,
    Function(
        "startsWith",
        "Whether the text begins with the other.",
        (_TEXT, _TEXT),
        always(BOOL),
        str.startswith,
        sql.template("starts_with({0}, {1})"),
        Native(sql.lite_starts_with),
    ),
    Function(
        "endsWith",
        "Whether the text ends with the other.",
        (_TEXT, _TEXT),
        always(BOOL),
        str.endswith,
        sql.template("starts_with(reverse({0}), reverse({1}))"),
        Native(sql.template("(substr({0}, length({0}) - length({1}) + 1) = {1})")),
    ),
    Function(
        "contains",
        "Whether the other is part of the text.",
        (_TEXT, _TEXT),
        always(BOOL),
        str.__contains__,
        sql.template("(strpos({0}, {1}) > 0)"),
        Native(sql.template("(instr({0}, {1}) > 0)")),
    ),
    Function(
        "lower",
        "The text in lower case.",
        (_TEXT,),
        always(TEXT),
        letters.lower,
        sql.pg_case("lower", letters.USUAL, letters.UPPER, letters.LOWER),
    ),
    Function(
        "upper",
        "The text in upper case.",
        (_TEXT,),
        always(TEXT),
        letters.upper,
        sql.pg_case("upper", letters.upper(letters.USUAL), letters.LOWER, letters.UPPER),
    ),
    Function(
        "size",
        "Number of characters of a text, of texts in a set, or of records in a list (in filters only).",
        (("text", "texts"),),
        always(INT),
        len,
        sql.pg_size,
        Native(sql.template("length({0})"), sql.of_text),
    ),
    Function(
        "isEmpty",
        "Whether there is no value, no character or no text in the set.",
        ((*_ANY, "texts"),),
        always(BOOL),
        _is_empty,
        sql.pg_is_empty,
        Native(sql.is_empty, sql.not_of_texts),
        nulls="given",
    ),
    Function(
        "coalesce",
        "The first of the values that is not null.",
        (_ANY, _ANY),
        _like_all,
        _coalesce,
        sql.coalesce,
        Native(sql.coalesce, sql.of_one_type),
        repeated=True,
        nulls="given",
    ),
    Function(
        "min",
        "The smallest of the values; null when one of them is.",
        (_ORDERED, _ORDERED),
        _like_all,
        min,
        sql.pg_extreme("min"),
        repeated=True,
    ),
    Function(
        "max",
        "The largest of the values; null when one of them is.",
        (_ORDERED, _ORDERED),
        _like_all,
        max,
        sql.pg_extreme("max"),
        repeated=True,
    ),
    Function("abs", "The number without its sign.", (_NUMBER,), _like_first, _abs, sql.pg_abs),
    Function(
        "round",
        "The number with so many digits after the point (none: a whole number), half away from zero.",
        (_NUMBER, ("int",)),
        _of_round,
        _round,
        sql.pg_round,
        optional=1,
    ),
    Function("floor", "The whole number below, or equal.", (_NUMBER,), always(INT), _floor, sql.pg_whole("floor")),
    Function("ceil", "The whole number above, or equal.", (_NUMBER,), always(INT), _ceil, sql.pg_whole("ceil")),
    Function(
        "sign",
        "1, 0 or -1: whether it is above, at or below zero.",
        (_NUMBER,),
        always(INT),
        _sign,
        sql.pg_whole("sign"),
    ),
    Function(
        "containsAny",
        "Whether any of the values is in the set.",
        (("texts",), _TEXT),
        always(BOOL),
        _given,
        sql.template(""),
        repeated=True,
        members="||",
    ),
    Function(
        "containsAll",
        "Whether all of the values are in the set.",
        (("texts",), _TEXT),
        always(BOOL),
        _given,
        sql.template(""),
        repeated=True,
        members="&&",
    ),
    Function(
        "under",
        "Whether a record (a relation to one, or `id`) is the given one or below it in its hierarchy. In filters only.",
        (("uuid",), ("uuid",)),
        always(BOOL),
        _given,
        sql.template(""),
        members="under",
    ),
    Function(
        "days",
        "Days from the second date to the first; of a time its date in UTC.",
        (_DAY, _DAY),
        always(INT),
        days_between,
        sql.pg_days,
    ),
    Function(
        "year",
        "The year of a date; of a time in UTC.",
        (_DAY,),
        always(INT),
        lambda value: value.year,
        sql.pg_part("YEAR"),
    ),
    Function(
        "month",
        "The month of a date, 1 to 12; of a time in UTC.",
        (_DAY,),
        always(INT),
        lambda value: value.month,
        sql.pg_part("MONTH"),
    ),
    Function("today", "The date of the evaluation.", (), always(DATE), _given, sql.template(""), moment="today"),
    Function("now", "The time of the evaluation.", (), always(DATETIME), _given, sql.template(""), moment="now"),
)

FUNCTIONS: Mapping[str, Function] = with_functions({}, (*_TABLE, *TEXT_FUNCTIONS, *DATE_FUNCTIONS))

__all__ = ["FUNCTIONS", "MIDNIGHT", "Function", "Mismatch", "with_functions"]
