"""Conditions of partial unique keys: what of an expression an index of both databases can hold.

A condition is kept in the schema as JSON text over column ids, so that it survives renames; SQL is made of it when the
index is. Comparisons of own fields with constants, joined by ``&&``, ``||`` and ``!``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date, datetime, time
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from uuid import UUID

from xrm.kernel.expression import compile as compile_expression
from xrm.kernel.expression import types
from xrm.kernel.expression.error import ExpressionError
from xrm.kernel.expression.tree import Compare, Field, Join, Literal, Node, Not, OneOf
from xrm.kernel.paths import OwnScope
from xrm.kernel.store.codec import Dialect
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.values import to_json
from xrm.metadata.model import Entity, Model

_READ: MappingProxyType[str, Callable[[Any], Any]] = MappingProxyType(
    {
        "decimal": lambda v: Decimal(str(v)),
        "date": date.fromisoformat,
        "time": time.fromisoformat,
        "datetime": datetime.fromisoformat,
        "uuid": UUID,
    }
)
_FLIPPED = MappingProxyType({"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="})
Column = Callable[[tuple[str, ...]], str]


def condition(model: Model, entity: Entity, source: str, column: Column) -> str:
    """Return the JSON text of a key's condition.

    Args:
        model: The model.
        entity: Whose key it is.
        source: The expression.
        column: Path → column id.

    Raises:
        ExpressionError: it cannot be understood, or an index cannot hold it.
    """
    tree = compile_expression(source, OwnScope(model, entity), types.BOOL).tree
    return json.dumps(_form(tree, source, column), separators=(",", ":"), ensure_ascii=False)


def _form(node: Node, source: str, column: Column) -> Any:
    match node:
        case Join():
            return [node.operator, *(_form(term, source, column) for term in node.terms)]
        case Not():
            return ["!", _form(node.term, source, column)]
        case Field() if node.type == types.BOOL and not node.parameter:
            return ["==", column(node.path), True]
        case Compare(sign, Literal() as left, Field() as right):
            return _compared(_FLIPPED[sign], right, left, source, column)
        case Compare(sign, Field() as left, Literal() as right):
            return _compared(sign, left, right, source, column)
        case OneOf(Field() as item, choices) if all(isinstance(choice, Literal) for choice in choices):
            forms = [_compared("==", item, c, source, column) for c in choices if isinstance(c, Literal)]
            return ["||", *forms]
    return _refuse(node, source)


def _compared(sign: str, left: Field, right: Literal, source: str, column: Column) -> Any:
    if left.parameter or left.type.item or (left.type == types.TEXT and sign not in ("==", "!=")):
        return _refuse(left, source)
    return [sign, column(left.path), to_json(right.value)]


def _refuse(node: Node, source: str) -> Any:
    hint = "compare fields of the record with constants: state != 'lost' && active"
    raise ExpressionError("an index cannot hold this condition", source, node.position, "type", hint)


def columns_of(text: str) -> Iterator[str]:
    """Yield the ids of the columns a condition is about."""
    return _columns(json.loads(text)) if text else iter(())


def _columns(form: Any) -> Iterator[str]:
    if form[0] in ("&&", "||", "!"):
        for part in form[1:]:
            yield from _columns(part)
    else:
        yield form[1]


def sql(text: str, dialect: Dialect, column: Callable[[str], tuple[str, ColumnType]]) -> str:
    """Return a condition as SQL, true or false; `column` gives the SQL and the type of a column by its id."""
    return _sql(json.loads(text), dialect, column)


def _sql(form: Any, dialect: Dialect, column: Callable[[str], tuple[str, ColumnType]]) -> str:
    sign, *rest = form
    if sign in ("&&", "||"):
        word = " AND " if sign == "&&" else " OR "
        return "(" + word.join(_sql(part, dialect, column) for part in rest) + ")"
    if sign == "!":
        return f"(NOT {_sql(rest[0], dialect, column)})"
    name, type = column(rest[0])
    if rest[1] is None:
        return f"({name} IS {'NOT ' if sign == '!=' else ''}NULL)"
    read = _READ.get(type.name)
    literal = dialect.literal(read(rest[1]) if read else rest[1], type)
    test = f"({name} {'=' if sign in ('==', '!=') else sign} {literal} AND {name} IS NOT NULL)"
    return f"(NOT {test})" if sign == "!=" else test
