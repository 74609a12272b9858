"""Typed tree → SQL of SQLite.

What SQLite does as we do, it does itself: comparisons of columns with constants and with one another, and, or, not,
membership, tests of texts. Whatever has to be *computed* (numbers, dates, letters) is one call of the function
``xrm_value``: it gets the text of that part of the expression and the columns in it, and evaluates it with the code
of python.py. So 64-bit overflow, rounding and the calendar need no second implementation.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from xrm.kernel.expression.json_form import Json, render, to_json
from xrm.kernel.expression.sql import Column, Writer
from xrm.kernel.expression.sqlite_functions import CONDITION, FUNCTION, program
from xrm.kernel.expression.tree import (
    Arithmetic,
    Call,
    Compare,
    Field,
    If,
    Literal,
    Negate,
    Node,
    OneOf,
    Within,
    constant,
    moment,
)
from xrm.kernel.expression.types import BOOL, DATE, DATETIME, NULL, TEXT, TEXTS, Type
from xrm.kernel.store.sql import Binder

_NATIVE_DEPTH = 8  # conditions within one another; SQLite's parser has a stack of 100 and needs up to 5 for each


class SqliteWriter(Writer):
    """Writes an expression for SQLite: conditions as SQL, computations as calls."""

    TRUE = "1"
    FALSE = "0"

    def __init__(self, binder: Binder, column: Column, now: datetime | None) -> None:
        super().__init__(binder, column, now)
        self._depth = 0

    def condition(self, node: Node) -> str:
        """Return SQL that is 1 or 0; what is nested deeply is computed."""
        if self._depth >= _NATIVE_DEPTH and not isinstance(node, (Literal, Within)):
            return self._program(node, CONDITION)
        self._depth += 1
        sql = super().condition(node)
        self._depth -= 1
        return sql

    def stored(self, node: Node) -> bool:
        """Whether SQLite has the value of `node` as a column keeps it."""
        return _native(node)

    def compared(self, node: Compare) -> str:
        """Return a comparison, computed if the operands are not kept in the same form."""
        if not _comparable(node.left, node.right):
            return self._program(node, CONDITION)
        left, right = self.value(node.left), self.value(node.right)
        if node.operator == "!=" and isinstance(node.right, Literal):
            return f"({left} IS NOT {right})"
        return self.compared_as(node, (left, right), left)

    def null_test(self, node: Compare, other: Node) -> str:
        """Return the test whether a value is null; numbers are not taken out of their computation for it."""
        if other.type.numeric and not _native(other):
            return self._program(node, CONDITION)
        return super().null_test(node, other)

    def listed_choices(self, node: OneOf, choices: Sequence[Node]) -> str:
        """Return ``x IN (…)``, computed if an operand has to be."""
        if not all(_comparable(node.item, choice) for choice in choices):
            return self._program(node, CONDITION)
        return super().listed_choices(node, choices)

    def member(self, node: Within) -> str:
        """Return membership in a list; that in a set of texts is computed."""
        return self._program(node, CONDITION) if node.container.type == TEXTS else self.listed(node)

    def is_true(self, sql: str) -> str:
        """Return the condition that a yes/no value is yes."""
        return f"({sql} IS 1)"

    def test(self, node: Call) -> str:
        """Return a function that is a condition, in SQL if it has any."""
        return super().test(node) if _native_call(node) else self._program(node, CONDITION)

    def called(self, node: Call, args: list[str]) -> str:
        """Return a function in SQL; see `value` for those that have none."""
        native = node.function.sqlite
        return self._program(node, node.type) if native is None else native.write(node, args, self.bind)

    def value(self, node: Node) -> str:
        """Return SQL of the value, NULL for null."""
        if isinstance(node, Call) and not moment(node) and not _native_call(node):
            return self._program(node, node.type)
        return super().value(node)

    def computed(self, node: If | Arithmetic | Negate) -> str:
        """Return a call that computes `node`."""
        return self._program(node, node.type)

    def result(self, node: Node, type: Type) -> str:
        """Return the value as it is stored in a column of `type`."""
        if node.type == NULL:
            return "NULL"
        if not type.numeric or (isinstance(node, Field) and node.type == type):
            return self.value(node)
        return self._program(node, type)

    def _program(self, node: Node, type: Type) -> str:
        """Return the call that computes `node`, its columns being the arguments."""
        slots = _Slots(self)
        text = render(to_json(node, slots.replace))
        place = self.bind(program(text, slots.types, type), TEXT)
        return f"{FUNCTION}({', '.join([place, *slots.arguments])})"


class _Slots:
    """The arguments of a computation: columns, moments and tests for membership in lists."""

    def __init__(self, writer: SqliteWriter) -> None:
        self._writer = writer
        self._index: dict[str, int] = {}
        self.arguments: list[str] = []
        self.types: list[Type] = []

    def replace(self, node: Node) -> Json:
        """Return the name of the argument that stands for `node`, or None."""
        if isinstance(node, Field):
            return self._slot(self._writer.field(node), node.type)
        if isinstance(node, Within) and node.container.type != TEXTS:
            return self._slot(self._writer.listed(node), BOOL)
        if isinstance(node, Call) and moment(node):
            return self._slot(self._writer.value(node), DATE if node.function.moment == "today" else DATETIME)
        return None

    def _slot(self, sql: str, type: Type) -> Json:
        index = self._index.setdefault(sql, len(self.arguments))
        if index == len(self.arguments):
            self.arguments.append(sql)
            self.types.append(type)
        return {"field": f"_{index}"}


def _leaf(node: Node) -> bool:
    return isinstance(node, (Field, Literal)) or moment(node)


def _native(node: Node) -> bool:
    """Whether SQLite has the value as it is stored, without computing."""
    return _leaf(node) or node.type == BOOL or (isinstance(node, Call) and _native_call(node))


def _native_call(node: Call) -> bool:
    native = node.function.sqlite
    return native is not None and all(map(_leaf, node.args)) and native.when(node)


def _comparable(left: Node, right: Node) -> bool:
    """Whether SQLite compares the two as they are stored."""
    if left.type.numeric:
        return _native(left) and _native(right) and left.type == right.type
    return all(_native(node) or constant(node) for node in (left, right))
