"""The SQL of the functions of functions.py.

On PostgreSQL an argument is written once: SQL that repeats it grows exponentially with nesting. On SQLite the
arguments are columns and constants only, so there they may be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from xrm.kernel.expression.postgresql_numbers import midnight, reversible
from xrm.kernel.expression.tree import Call, Literal, Node
from xrm.kernel.expression.types import DATETIME, TEXT, Type

Bind = Callable[[Any, Type], str]
Writer = Callable[[Call, Sequence[str], Bind], str]  # (call, SQL of its arguments, bind) → SQL


@dataclass(frozen=True, slots=True)
class Native:
    """The SQL that SQLite has for a function, and for which calls."""

    write: Writer
    when: Callable[[Call], bool] = lambda call: True


def template(text: str) -> Writer:
    """Return a writer that puts the arguments into ``{0}``, ``{1}`` and so on."""
    return lambda call, args, bind: text.format(*args)


def coalesce(call: Call, args: Sequence[str], bind: Bind) -> str:
    """Write COALESCE of any number of arguments."""
    return f"COALESCE({', '.join(args)})"


def of_one_type(call: Call) -> bool:
    """Whether all arguments are of the type of the result, and so stored alike."""
    return all(arg.type == call.type for arg in call.args)


def of_text(call: Call) -> bool:
    """Whether the first argument is a text."""
    return call.args[0].type == TEXT


def not_of_texts(call: Call) -> bool:
    """Whether the first argument is not a set of texts."""
    return call.args[0].type.name != "texts"


def is_empty(call: Call, args: Sequence[str], bind: Bind) -> str:
    """Write isEmpty() of anything but a set of texts."""
    return f"(COALESCE({args[0]}, '') = '')" if of_text(call) else f"({args[0]} IS NULL)"


# --- PostgreSQL


def pg_case(change: str, usual: str, source: str, target: str) -> Writer:
    """Return the writer of lower() or upper(): ASCII by collation, the other letters by a table.

    translate() searches its list from the front for each character: those that usually occur, and stay as they are,
    come first. That is 20 times faster.
    """
    source, target = usual + source, usual + target

    def write(call: Call, args: Sequence[str], bind: Bind) -> str:
        return f'translate({change}({args[0]} COLLATE "C"), {bind(source, TEXT)}, {bind(target, TEXT)})'

    return write


def pg_extreme(aggregate: str) -> Writer:
    """Return the writer of min() or max(), which unlike LEAST and GREATEST give NULL for NULL."""

    def write(call: Call, args: Sequence[str], bind: Bind) -> str:
        rows = ", ".join(f"({arg})" for arg in args)
        return f"(SELECT CASE WHEN count(v) = count(*) THEN {aggregate}(v) END FROM (VALUES {rows}) AS q(v))"

    return write


def pg_whole(function: str) -> Writer:
    """Return the writer of floor(), ceil() or sign()."""
    return lambda call, args, bind: f"{function}(({args[0]})::numeric)"


def pg_over(text: str) -> Writer:
    """Return a writer that names the arguments a, b, c: each is written once, and null gives null."""

    def write(call: Call, args: Sequence[str], bind: Bind) -> str:
        names = "abcdefgh"[: len(args)]
        row = ", ".join(f"({arg})" for arg in args)
        return (
            f"(SELECT CASE WHEN num_nulls({', '.join(names)}) = 0 THEN {text} END"
            f" FROM (VALUES ({row})) AS q({', '.join(names)}))"
        )

    return write


def pg_of_day(text: str) -> Writer:
    """Return a writer that puts the date of the first argument into ``{0}``, of a time that in UTC."""
    return lambda call, args, bind: text.format(_pg_day(call.args[0], args[0]))


def pg_of_time(text: str) -> Writer:
    """Return a writer that puts the first argument, a time in UTC without its zone, into ``{0}``."""
    return lambda call, args, bind: text.format(f"(({args[0]}) AT TIME ZONE 'UTC')")


def pg_size(call: Call, args: Sequence[str], bind: Bind) -> str:
    """Write size() of a text or a set of texts."""
    return f"{'char_length' if of_text(call) else 'cardinality'}({args[0]})::bigint"


def pg_abs(call: Call, args: Sequence[str], bind: Bind) -> str:
    """Write abs()."""
    return reversible(f"abs(({args[0]})::numeric)", call.type)


def pg_round(call: Call, args: Sequence[str], bind: Bind) -> str:
    """Write round(); numeric is rounded half away from zero."""
    digits = f"({args[1]})::integer" if len(args) > 1 else "0"
    return f"round(({args[0]})::numeric, {digits})"


def pg_days(call: Call, args: Sequence[str], bind: Bind) -> str:
    """Write days()."""
    a, b = map(_pg_day, call.args, args)
    return f"({a} - {b})::bigint"


def pg_midnight(call: Call, args: Sequence[str], bind: Bind) -> str:
    """Write midnight()."""
    return midnight(args[0])


def pg_part(part: str) -> Writer:
    """Return the writer of year(), month() and other parts of a date."""
    return lambda call, args, bind: f"EXTRACT({part} FROM {_pg_day(call.args[0], args[0])})::bigint"


def _pg_day(node: Node, sql: str) -> str:
    return f"(({sql}) AT TIME ZONE 'UTC')::date" if node.type == DATETIME else f"({sql})"


def pg_is_empty(call: Call, args: Sequence[str], bind: Bind) -> str:
    """Write isEmpty() of anything."""
    return is_empty(call, args, bind) if not_of_texts(call) else f"(COALESCE(cardinality({args[0]}), 0) = 0)"


# --- SQLite


def lite_starts_with(call: Call, args: Sequence[str], bind: Bind) -> str:
    """Write startsWith(): for a constant a range of texts, so that an index is used."""
    prefix = call.args[1]
    if not isinstance(prefix, Literal):
        return f"(substr({args[0]}, 1, length({args[1]})) = {args[1]})"
    after = _successor(prefix.value)
    return f"({args[0]} >= {args[1]}" + (f" AND {args[0]} < {bind(after, TEXT)})" if after else ")")


def _successor(prefix: str) -> str:
    """Return the first text, by code point, after all that begin with `prefix`; empty when there is none."""
    rest = prefix.rstrip("\U0010ffff")
    if not rest:
        return ""
    following = ord(rest[-1]) + 1
    return rest[:-1] + chr(0xE000 if following == 0xD800 else following)  # surrogates are no characters
