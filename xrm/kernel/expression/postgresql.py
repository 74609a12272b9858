"""Typed tree → SQL of PostgreSQL: all of it, nothing is computed elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from xrm.kernel.expression.postgresql_numbers import arithmetic, reversible, within
from xrm.kernel.expression.sql import Writer
from xrm.kernel.expression.tree import Arithmetic, Call, Compare, Field, If, Literal, Negate, Node, Within
from xrm.kernel.expression.types import INT, MAX_DIGITS, NULL, TEXT, TEXTS, Type

_NULLS: Mapping[str, str] = MappingProxyType(
    {
        "text": "text",
        "int": "bigint",
        "decimal": "numeric",
        "bool": "boolean",
        "date": "date",
        "time": "time",
        "datetime": "timestamptz",
        "uuid": "uuid",
        "json": "jsonb",
        "texts": "text[]",
        "null": "text",
    }
)


class PostgresWriter(Writer):
    """Writes an expression for PostgreSQL."""

    def compared(self, node: Compare) -> str:
        """Return a comparison; texts are ordered by code point."""
        left, right = self.value(node.left), self.value(node.right)
        if node.operator == "!=" and isinstance(node.right, Literal):
            return f"({left} IS DISTINCT FROM {right})"
        ordered = f'({left}) COLLATE "C"' if node.operator not in ("==", "!=") and node.left.type == TEXT else left
        return self.compared_as(node, (left, right), ordered)

    def member(self, node: Within) -> str:
        """Return containment, which a GIN index serves, or membership in a list."""
        if node.container.type != TEXTS:
            return self.listed(node)
        column = self.field(node.container)
        sql = f"{column} @> ARRAY[{self.value(node.item)}]"
        return self.two_valued(sql, [(node.container, column)])

    def is_true(self, sql: str) -> str:
        """Return the condition that a yes/no value is yes."""
        return f"({sql} IS TRUE)"

    def called(self, node: Call, args: list[str]) -> str:
        """Return the function's own SQL."""
        return node.function.postgresql(node, args, self.bind)

    def computed(self, node: If | Arithmetic | Negate) -> str:
        """Return a choice, a number, a text or a date."""
        match node:
            case If():
                return f"({self.case(node, self.value)})"
            case Negate():
                return reversible(f"-({self.value(node.operand)})::numeric", node.type)
            case Arithmetic():
                return arithmetic(node, self.value(node.left), self.value(node.right))

    def result(self, node: Node, type: Type) -> str:
        """Return the value with the digits of its type, NULL when they do not fit."""
        if node.type == NULL:
            return f"NULL::{_NULLS[type.name]}"
        sql = self.value(node)
        if not type.numeric or (isinstance(node, Field) and node.type == type):
            return sql
        if type == INT:
            return f"({sql})::bigint"
        return within(f"round(({sql})::numeric, {type.scale})", 10 ** (MAX_DIGITS - type.scale))
