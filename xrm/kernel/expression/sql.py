"""Typed tree → SQL: what both databases have in common.

Two kinds of SQL are written. `condition` gives a condition that is true or false and never NULL, whatever is null in
the record, so that it can be negated and combined; `value` gives a value that may be NULL. A comparison of a column
with a constant stays one: ``("amount" > $1 AND "amount" IS NOT NULL)`` is two-valued and an index serves it.

Values go through the Binder, column names come from the caller; nothing else of the author's text gets into SQL.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from types import MappingProxyType
from typing import Any

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
    constant,
    literal_null,
    moment,
)
from xrm.kernel.expression.types import BOOL, DATE, DATETIME, INT, MAX_DIGITS, Path, Type
from xrm.kernel.store.sql import Binder, Var

Column = Callable[[Path], str]
Operand = tuple[Node, str]  # a node and its SQL

_PLAIN = re.compile(r'(\w+\.|"\w+"\.)?"\w+"|[?$]\d+(::[\w\[\]]+)?')  # a column or a parameter
_WORDS: Mapping[str, str] = MappingProxyType({"&&": "AND", "||": "OR"})
_FLIPPED: Mapping[str, str] = MappingProxyType({"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="})
_EXACT = Context(prec=64)
_CHUNK = 8  # operands of AND and OR beside one another; more become a balanced tree, for SQLite's depth limit


class Writer(ABC):
    """Writes the SQL of one expression for one database."""

    TRUE = "TRUE"
    FALSE = "FALSE"

    def __init__(self, binder: Binder, column: Column, now: datetime | None) -> None:
        self._binder, self._column, self._now = binder, column, now
        self._columns: dict[Path, str] = {}
        self._moments: dict[str, str] = {}

    # --- conditions

    def condition(self, node: Node) -> str:
        """Return SQL that is true or false, never NULL."""
        match node:
            case Literal():
                return self.truth(node.value)
            case Join():
                return balanced([self.condition(term) for term in node.terms], _WORDS[node.operator])
            case Not():
                return f"(NOT {self.condition(node.term)})"
            case If():
                return f"({self.case(node, self.condition)})"
            case Compare():
                return self.comparison(node)
            case OneOf():
                return self.one_of(node)
            case Within():
                return self.member(node)
            case Call() if node.function.nulls == "strict":
                return self.test(node)
            case _:
                return self.is_true(self.value(node))

    def truth(self, value: object) -> str:
        """Return the condition that always or never holds."""
        return self.TRUE if value else self.FALSE

    def case(self, node: If, branch: Callable[[Node], str]) -> str:
        """Return the choice between two branches."""
        condition = self.condition(node.condition)
        return f"CASE WHEN {condition} THEN {branch(node.then)} ELSE {branch(node.other)} END"

    def comparison(self, node: Compare) -> str:
        """Return a comparison."""
        if literal_null(node.left) or literal_null(node.right):
            return self.null_test(node, node.left if literal_null(node.right) else node.right)
        fitted = constant_fitted(node, self.stored)
        return self.truth(node.operator == "!=") if fitted is None else self.compared(fitted)

    def null_test(self, node: Compare, other: Node) -> str:
        """Return the test whether `other` is null."""
        if literal_null(other):
            return self.truth(node.operator == "==")
        return f"({self.value(other)} IS {'' if node.operator == '==' else 'NOT '}NULL)"

    def compared_as(self, node: Compare, sides: tuple[str, str], left: str) -> str:
        """Return a comparison of two `sides`, the left one written as `left`; ``!=`` is the negation of ``==``."""
        sign = "=" if node.operator in ("==", "!=") else node.operator
        sql = self.two_valued(f"{left} {sign} {sides[1]}", [(node.left, sides[0]), (node.right, sides[1])])
        return f"(NOT {sql})" if node.operator == "!=" else sql

    def two_valued(self, sql: str, operands: Sequence[Operand]) -> str:
        """Return `sql`, which is NULL only when one of `operands` is, as a condition that is then false.

        What an index may serve is left as it is, and tests for NULL are added to it. That repeats the SQL of a constant
        beside a column, but not more than once: there is no column in a constant.
        """
        columns = {sql: None for node, sql in operands if isinstance(node, Field)}
        others = {sql: None for node, sql in operands if not isinstance(node, (Field, Literal)) and not moment(node)}
        served = any(isinstance(node, Field) and not node.parameter for node, _ in operands)
        repeatable = not others or (served and all(isinstance(node, Field) or constant(node) for node, _ in operands))
        if not repeatable or not all(map(_PLAIN.fullmatch, columns)):
            return f"COALESCE({sql}, {self.FALSE})"
        return "(" + " AND ".join([sql, *(f"{guard} IS NOT NULL" for guard in columns | others)]) + ")"

    def one_of(self, node: OneOf) -> str:
        """Return ``x IN (…)``; choices that may be null are compared one by one."""
        choices = self.fitting_choices(node)
        if not choices:
            return self.FALSE
        if isinstance(node.item, Field) and not all(isinstance(choice, Literal) for choice in choices):
            return balanced([self.compared(Compare("==", node.item, choice)) for choice in choices], "OR")
        return self.listed_choices(node, choices)

    def fitting_choices(self, node: OneOf) -> tuple[Node, ...]:
        """Return the choices that the item can be equal to, numbers among the constants being of its type."""
        if isinstance(node.item, Literal):
            return node.choices
        found = (constant_fitted(Compare("==", node.item, choice), self.stored) for choice in node.choices)
        return tuple(compare.right for compare in found if compare is not None)

    def listed_choices(self, node: OneOf, choices: Sequence[Node]) -> str:
        """Return ``x IN (…)`` of at least one choice."""
        item = self.value(node.item)
        sql = f"{item} IN ({', '.join(map(self.value, choices))})"
        if all(isinstance(choice, Literal) for choice in choices):
            return self.two_valued(sql, [(node.item, item)])
        return f"COALESCE({sql}, {self.FALSE})"

    def listed(self, node: Within) -> str:
        """Return the test for membership in a list, whose SQL is what stands in the parentheses of IN."""
        item = self.value(node.item)
        return self.two_valued(f"{item} IN ({self.field(node.container)})", [(node.item, item)])

    def test(self, node: Call) -> str:
        """Return a function that is a condition and null-strict."""
        args = [self.value(arg) for arg in node.args]
        return self.two_valued(self.called(node, args), list(zip(node.args, args, strict=True)))

    def stored(self, node: Node) -> bool:
        """Whether the value of `node` comes from a column as it is."""
        return isinstance(node, Field)

    @abstractmethod
    def compared(self, node: Compare) -> str:
        """Return a comparison of two operands of which none is the literal null; a constant is on the right."""

    @abstractmethod
    def member(self, node: Within) -> str:
        """Return the test for membership in a set of texts or a list."""

    @abstractmethod
    def is_true(self, sql: str) -> str:
        """Return the condition that a yes/no value is yes."""

    # --- values

    def value(self, node: Node) -> str:
        """Return SQL of the value, NULL for null."""
        match node:
            case Literal():
                return "NULL" if node.value is None else self.bind(node.value, node.type)
            case Field():
                return self.field(node)
            case Call() if node.function.moment:
                return self.moment(node.function.moment)
            case Call() if node.type != BOOL or node.function.nulls == "given":
                return self.called(node, [self.value(arg) for arg in node.args])
            case If() | Arithmetic() | Negate():
                return self.computed(node)
            case _:
                return self.condition(node)

    def bind(self, value: Any, type: Type) -> str:
        """Bind a Python value, and return its placeholder."""
        return self._binder.bind(value, type.column)

    def field(self, node: Field) -> str:
        """Return the caller's SQL of a path, asked for once; what is not a mere column gets parentheses."""
        if node.path not in self._columns:
            sql = self._column(node.path)
            bare = node.type.item is not None or _PLAIN.fullmatch(sql)  # of a list they would make one value
            self._columns[node.path] = sql if bare else f"({sql})"
        return self._columns[node.path]

    def moment(self, name: str) -> str:
        """Return now() or today(): a parameter of the statement, or the moment that was given."""
        if name not in self._moments:
            type = DATE if name == "today" else DATETIME
            self._moments[name] = self.bind(self._known_moment(name) or Var(name, type.column), type)
        return self._moments[name]

    def _known_moment(self, name: str) -> Any:
        if self._now is None:
            return None
        return self._now.date() if name == "today" else self._now.astimezone(UTC)

    @abstractmethod
    def called(self, node: Call, args: list[str]) -> str:
        """Return the SQL of a function, NULL when it is null."""

    @abstractmethod
    def computed(self, node: If | Arithmetic | Negate) -> str:
        """Return the SQL of what is neither a column, a constant nor a function."""

    @abstractmethod
    def result(self, node: Node, type: Type) -> str:
        """Return the SQL of the whole expression, which is no condition, as a value of `type`."""


def balanced(parts: Sequence[str], word: str) -> str:
    """Return `parts` joined by AND or OR."""
    if len(parts) <= _CHUNK:
        return "(" + f" {word} ".join(parts) + ")"
    middle = len(parts) // 2
    return f"({balanced(parts[:middle], word)} {word} {balanced(parts[middle:], word)})"


# --- constants beside columns


def constant_fitted(node: Compare, stored: Callable[[Node], bool]) -> Compare | None:
    """Return `node` with a constant on the right and, if a column of numbers is on the left, of its type.

    ``qty > 2.5`` is the same as ``qty > 2`` when qty is a whole number; so the column is compared as it is stored.
    None: the two are never equal.
    """
    if isinstance(node.left, Literal) and not isinstance(node.right, Literal):
        node = replace(node, operator=_FLIPPED[node.operator], left=node.right, right=node.left)
    fixed = node.left.type == INT or (node.left.type.numeric and stored(node.left))
    if not isinstance(node.right, Literal) or not fixed:
        return node
    fitted = _fitted(node.operator, node.right.value, node.left.type)
    if fitted is None:
        return None
    return replace(node, operator=fitted[0], right=replace(node.right, type=node.left.type, value=fitted[1]))


def _fitted(sign: str, value: Decimal | int, type: Type) -> tuple[str, Decimal | int] | None:
    """Return the comparison with a value of `type` that gives the same answers; None: equal to no value of it."""
    units = _EXACT.scaleb(Decimal(value), type.scale)
    whole = int(units.to_integral_value(ROUND_CEILING if sign in ("<", ">=") else ROUND_FLOOR))
    low, high = (-(2**63), 2**63 - 1) if type == INT else (1 - 10**MAX_DIGITS, 10**MAX_DIGITS - 1)
    if sign in ("==", "!=") and (whole != units or not low <= whole <= high):
        return None
    if whole > high:
        sign, whole = ("<=" if sign[0] == "<" else ">"), high
    elif whole < low:
        sign, whole = (">=" if sign[0] == ">" else "<"), low
    return sign, whole if type == INT else _EXACT.scaleb(Decimal(whole), -type.scale)
