"""Typed tree → Python function, by putting small functions into one another; no source text is ever executed.

A function takes `read` (path → value) and the moment of the evaluation. Conditions give True or False, never None; a
yes/no *value* (a field) may be None, and counts as false where a condition is wanted.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from xrm.kernel.expression.arithmetic import bounded_int, operation
from xrm.kernel.expression.tree import (
    Arithmetic,
    Call,
    Compare,
    Field,
    If,
    Join,
    Literal,
    Negate,
    Node,
    Not,
    OneOf,
    Within,
    literal_null,
)
from xrm.kernel.expression.types import BOOL, INT, Path

Read = Callable[[Path], Any]
Compiled = Callable[[Read, Any], Any]  # (read, moment) → value; a moment may be None if it is not asked for


def closure(node: Node) -> Compiled:
    """Return the function that computes `node`."""
    return _MAKERS[type(node)](node)


# --- leaves


def _literal(node: Literal) -> Compiled:
    value = node.value
    return lambda read, now: value


def _field(node: Field) -> Compiled:
    path = node.path
    return lambda read, now: read(path)


# --- conditions


def _join(node: Join) -> Compiled:
    terms = tuple(map(closure, node.terms))
    return _all(terms) if node.operator == "&&" else _any(terms)


def _all(terms: tuple[Compiled, ...]) -> Compiled:
    def every(read: Read, now: Any) -> bool:
        for term in terms:
            if not term(read, now):
                return False
        return True

    return every


def _any(terms: tuple[Compiled, ...]) -> Compiled:
    def some(read: Read, now: Any) -> bool:
        for term in terms:
            if term(read, now):
                return True
        return False

    return some


def _not(node: Not) -> Compiled:
    term = closure(node.term)
    return lambda read, now: not term(read, now)


def _if(node: If) -> Compiled:
    condition, then, other = closure(node.condition), closure(node.then), closure(node.other)
    return _decimal(node, lambda read, now: then(read, now) if condition(read, now) else other(read, now))


_ORDER: Mapping[str, Callable[[Any, Any], Any]] = MappingProxyType(
    {
        "==": operator.eq,
        "!=": operator.eq,
        "<": operator.lt,
        "<=": operator.le,
        ">": operator.gt,
        ">=": operator.ge,
    }
)


def _compare(node: Compare) -> Compiled:
    if literal_null(node.left) or literal_null(node.right):
        return _null_test(node)
    test = _ORDER[node.operator]
    if node.operator == "!=":
        return _negated(_ordered(node, test))
    return _ordered(node, test)


def _null_test(node: Compare) -> Compiled:
    other = closure(node.left if literal_null(node.right) else node.right)
    if node.operator == "==":
        return lambda read, now: other(read, now) is None
    return lambda read, now: other(read, now) is not None


def _negated(test: Compiled) -> Compiled:
    return lambda read, now: not test(read, now)


def _ordered(node: Compare, test: Callable[[Any, Any], Any]) -> Compiled:
    if isinstance(node.left, Field) and isinstance(node.right, Literal):
        return _field_test(node.left.path, test, node.right.value)
    left, right = closure(node.left), closure(node.right)

    def compare(read: Read, now: Any) -> bool:
        a = left(read, now)
        if a is None:
            return False
        b = right(read, now)
        return b is not None and test(a, b)

    return compare


def _field_test(path: Path, test: Callable[[Any, Any], Any], constant: Any) -> Compiled:
    """Return the commonest comparison with fewer calls."""

    def compare(read: Read, now: Any) -> bool:
        value = read(path)
        return value is not None and test(value, constant)

    return compare


def _one_of(node: OneOf) -> Compiled:
    item = closure(node.item)
    if all(isinstance(choice, Literal) for choice in node.choices):
        known = frozenset(choice.value for choice in node.choices if isinstance(choice, Literal))
        return lambda read, now: item(read, now) in known  # None is in no list
    return _one_of_computed(item, tuple(map(closure, node.choices)))


def _one_of_computed(item: Compiled, choices: tuple[Compiled, ...]) -> Compiled:
    def find(read: Read, now: Any) -> bool:
        value = item(read, now)
        return value is not None and any(choice(read, now) == value for choice in choices)

    return find


def _within(node: Within) -> Compiled:
    item, path = closure(node.item), node.container.path

    def find(read: Read, now: Any) -> bool:
        value = item(read, now)
        return value is not None and value in (read(path) or ())

    return find


# --- values


def _arithmetic(node: Arithmetic) -> Compiled:
    left, right = closure(node.left), closure(node.right)
    compute = operation(node.operator, node.left.type, node.right.type, node.type)

    def evaluate(read: Read, now: Any) -> Any:
        a = left(read, now)
        if a is None:
            return None
        b = right(read, now)
        return None if b is None else compute(a, b)

    return evaluate


def _negate(node: Negate) -> Compiled:
    operand = closure(node.operand)
    change: Callable[[Any], Any] = (lambda value: bounded_int(-value)) if node.type == INT else _minus

    def evaluate(read: Read, now: Any) -> Any:
        value = operand(read, now)
        return None if value is None else change(value)

    return evaluate


def _minus(value: Any) -> Decimal:
    return Decimal(value).copy_negate()  # unlike -value this does not round


def _call(node: Call) -> Compiled:
    if node.function.moment:
        return _MOMENTS[node.function.moment]
    function, args = node.function.python, tuple(map(closure, node.args))
    if node.function.nulls == "given":
        return _decimal(node, lambda read, now: function(*[arg(read, now) for arg in args]))
    compute = _strict_one(function, args[0]) if len(args) == 1 else _strict(function, args)
    return (lambda read, now: compute(read, now) or False) if node.type == BOOL else _decimal(node, compute)


def _decimal(node: Node, compute: Compiled) -> Compiled:
    """Return `compute`, giving a Decimal if that is the type of `node`, also when a whole number was picked."""

    def convert(read: Read, now: Any) -> Any:
        value = compute(read, now)
        return Decimal(value) if isinstance(value, int) else value

    return convert if node.type.name == "decimal" else compute


def _strict_one(function: Callable[..., Any], arg: Compiled) -> Compiled:
    def call(read: Read, now: Any) -> Any:
        value = arg(read, now)
        return None if value is None else function(value)

    return call


def _strict(function: Callable[..., Any], args: tuple[Compiled, ...]) -> Compiled:
    def call(read: Read, now: Any) -> Any:
        values = [arg(read, now) for arg in args]
        return None if None in values else function(*values)

    return call


def _now(read: Read, now: datetime) -> datetime:
    return now.astimezone(UTC)


def _today(read: Read, now: datetime) -> date:
    return now.date()


_MOMENTS: Mapping[str, Compiled] = MappingProxyType({"now": _now, "today": _today})
_MAKERS: Mapping[type, Callable[[Any], Compiled]] = MappingProxyType(
    {
        Literal: _literal,
        Field: _field,
        Join: _join,
        Not: _not,
        Compare: _compare,
        OneOf: _one_of,
        Within: _within,
        If: _if,
        Arithmetic: _arithmetic,
        Negate: _negate,
        Call: _call,
    }
)
