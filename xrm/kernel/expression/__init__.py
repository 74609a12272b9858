"""The expression language: one typed tree, evaluated in Python or compiled to SQL, with the same answer everywhere.

    expression = compile("amount > 1000 && state in ['new', 'proposal']", scope, BOOL)
    expression.evaluate(read, now)         # read(("amount",)) → Decimal or None
    expression.sql(binder, column)         # column(("amount",)) → '"amount"'

It is total: a compiled expression never fails at run time. A comparison with null is false, except ``== null`` and
``!= null``; ``!=`` is the exact negation of ``==``. What cannot be computed (null, division by zero, overflow) is null.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from xrm.kernel.expression.arithmetic import fitted
from xrm.kernel.expression.check import Checker
from xrm.kernel.expression.error import ExpressionError
from xrm.kernel.expression.functions import FUNCTIONS, Function, with_functions
from xrm.kernel.expression.json_form import render, to_json
from xrm.kernel.expression.parse import parse, parse_rendered
from xrm.kernel.expression.postgresql import PostgresWriter
from xrm.kernel.expression.python import Compiled, Read, closure
from xrm.kernel.expression.sql import Column
from xrm.kernel.expression.sqlite import SqliteWriter
from xrm.kernel.expression.sqlite_functions import sqlite_functions
from xrm.kernel.expression.tree import Field, Node, Syntax, walk
from xrm.kernel.expression.types import (
    BOOL,
    DATE,
    DATETIME,
    INT,
    JSON,
    MIN_QUOTIENT_SCALE,
    NULL,
    TEXT,
    TEXTS,
    TIME,
    UUID,
    Names,
    Path,
    Scope,
    Type,
    decimal,
    list_of,
    of_column,
)
from xrm.kernel.store.sql import Binder


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked expression.

    Attributes:
        source: Its text.
        type: The type of what it gives; a decimal has at most 6 digits after the point unless more were expected.
        tree: The typed tree.
        paths: The paths it reads.
    """

    source: str
    type: Type
    tree: Node
    paths: frozenset[Path]
    _compute: Compiled = field(repr=False, compare=False)

    def evaluate(self, read: Read, now: datetime) -> Any:
        """Return the value for one record.

        Args:
            read: The value at a path, of the type the scope said (times in UTC), or None.
            now: An aware time; today() is its date in its own time zone.

        Returns:
            True or False for a condition; else a value of `type`, or None.
        """
        value = self._compute(read, now)
        if self.type.name == "bool":
            return bool(value)
        return fitted(value, self.type.scale) if self.type.name == "decimal" else value

    def sql(self, binder: Binder, column: Column, now: datetime | None = None) -> str:
        """Return SQL for the dialect of `binder`.

        A condition is true or false, never NULL. A value is in the form a column of `type` keeps it, or NULL.

        Args:
            binder: Takes the constants.
            column: The SQL of a path: a column, a placeholder or any expression in the form a column of its type is
                kept. For a path of type list what stands in the parentheses of ``x IN (…)``: a subselect of one
                column, or placeholders; it must not be empty text and not give NULL.
            now: The moment; left out, it is the parameters ``Var("now")`` and ``Var("today")``.
        """
        writer = (SqliteWriter if binder.dialect.name == "sqlite" else PostgresWriter)(binder, column, now)
        return writer.condition(self.tree) if self.type == BOOL else writer.result(self.tree, self.type)

    def tree_json(self) -> Any:
        """Return the JSON form (see json_form.py), which `from_json` takes back."""
        return to_json(self.tree)


def compile(
    source: str, scope: Scope, expected: Type | None = None, functions: Mapping[str, Function] = FUNCTIONS
) -> Expression:
    """Return the expression that `source` is, giving a value of the type `expected` if there is one.

    Raises:
        ExpressionError: it cannot be understood, or gives something else.
    """
    return _checked(source, parse(source), Checker(source, scope, functions), expected)


def from_json(
    form: Any, scope: Scope, expected: Type | None = None, functions: Mapping[str, Function] = FUNCTIONS
) -> Expression:
    """Return the expression that a JSON form is; as `compile`, but lists in it may be long.

    Raises:
        ExpressionError: it is not of the form, cannot be understood, or gives something else.
    """
    source = render(form)
    return _checked(source, parse_rendered(source), Checker(source, scope, functions), expected)


def _checked(source: str, syntax: Syntax, checker: Checker, expected: Type | None) -> Expression:
    tree = checker.check(syntax, expected)
    paths = frozenset(part.path for part in walk(tree) if isinstance(part, Field))
    return Expression(source, expected or _result_type(tree.type), tree, paths, closure(tree))


def _result_type(type: Type) -> Type:
    return decimal(min(type.scale, MIN_QUOTIENT_SCALE)) if type.name == "decimal" else type


__all__ = [
    "BOOL",
    "DATE",
    "DATETIME",
    "FUNCTIONS",
    "INT",
    "JSON",
    "NULL",
    "TEXT",
    "TEXTS",
    "TIME",
    "UUID",
    "Column",
    "Expression",
    "ExpressionError",
    "Function",
    "Names",
    "Path",
    "Read",
    "Scope",
    "Type",
    "compile",
    "decimal",
    "from_json",
    "list_of",
    "of_column",
    "sqlite_functions",
    "with_functions",
]
