"""An expression explained: its typed tree, what each part gives for one record, and the SQL of it.

Everything is looked at with one actor's eyes: a field they may not read is unknown, a value withheld from them is null.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from xrm.errors import NotFound
from xrm.kernel.change import Actor
from xrm.kernel.derive import reader
from xrm.kernel.expression import Expression, Path, compile
from xrm.kernel.expression.python import Read, closure
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
    children,
)
from xrm.kernel.kernel import Kernel
from xrm.kernel.live import Live
from xrm.kernel.query import variables
from xrm.kernel.reading import demand
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.sql import Binder, Var, quote
from xrm.kernel.values import to_json
from xrm.kernel.visible import ReadableScope, Visible
from xrm.metadata.model import Entity

_UUID = ColumnType("uuid")
_ID = Var("id", _UUID)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of an expression.

    Attributes:
        text: What it is, in a few characters: a sign, a path, a constant, a function.
        type: What it gives, in words.
        position: Where it is written, counted from 0.
        known: Whether there is a record to compute it for; then `value` is what it gives, as JSON.
        parts: What it is made of.
    """

    text: str
    type: str
    position: int
    known: bool
    value: Any = None
    parts: tuple[Part, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        shown: dict[str, Any] = {"text": self.text, "type": self.type, "position": self.position}
        if self.known:
            shown["value"] = self.value
        return {**shown, "parts": [part.to_dict() for part in self.parts]}


@dataclass(frozen=True, slots=True)
class Explained:
    """An expression explained; `sql` is for the database of this site, with its parameters."""

    source: str
    type: str
    tree: Part
    sql: str
    parameters: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "expression": self.source,
            "type": self.type,
            "tree": self.tree.to_dict(),
            "sql": self.sql,
            "parameters": list(self.parameters),
        }


async def explain(kernel: Kernel, actor: Actor, entity: str, source: str, id: UUID | None = None) -> Explained:
    """Return how an expression over an entity's records is understood, and what it gives for the record `id`.

    Raises:
        ExpressionError: it cannot be understood, or names what the actor may not read.
        NotFound: no such entity, or no such record, for the actor.
    """
    live = kernel.live
    access = demand(live, actor, entity, "read")
    expression = compile(source, ReadableScope(live, access.entity, actor))
    now = kernel.clock()
    read = await _values(kernel, live, actor, access.entity, expression, id) if id is not None else None
    sql, parameters = _sql(live, actor, access.entity, expression)
    tree = _part(expression.tree, read, now)
    return Explained(source, str(expression.type), tree, sql, parameters)


def _sql(live: Live, actor: Actor, entity: Entity, expression: Expression) -> tuple[str, tuple[str, ...]]:
    binder = Binder(live.dialect)
    visible = Visible(live, actor, binder)
    sql = expression.sql(binder, lambda path: visible.path(entity, "t", path))
    shown = (f"<{p.name}>" if isinstance(p, Var) else str(p) for p in binder.params)
    return sql, tuple(shown)


async def _values(kernel: Kernel, live: Live, actor: Actor, entity: Entity, expression: Expression, id: UUID) -> Read:
    """Return what reads the paths of an expression for one record, fetched by one statement."""
    binder = Binder(live.dialect)
    visible = Visible(live, actor, binder)
    scope = ReadableScope(live, entity, actor)
    kinds = {p: t for p in sorted(expression.paths) if p[0] != "user" and (t := scope.type_of(p)) is not None}
    cells = ['t."id"', *(visible.path(entity, "t", path) for path in kinds)]
    row = visible.joined(entity, "t", binder.bind(_ID, _UUID))
    text = f'SELECT {", ".join(cells)} FROM {quote(entity.name)} t WHERE t."deleted_at" IS NULL AND {row}'
    statement = binder.statement(text)
    known = {**variables(actor, kernel.clock()), "id": id}
    rows = await kernel.store.fetch(statement.text, statement.arguments(live.dialect, known))
    if not rows:
        raise NotFound(f"There is no {entity.title} with this id.")
    values: dict[Path, Any] = {}
    for cell, (path, kind) in zip(rows[0][1:], kinds.items(), strict=True):
        decode = live.dialect.decode(kind.column)
        values[path] = cell if cell is None or decode is None else decode(cell)
    user = reader({}, actor)
    return lambda path: values[path] if path in values else user(path)


def _part(node: Node, read: Read | None, now: datetime) -> Part:
    value = to_json(closure(node)(read, now)) if read is not None else None
    parts = tuple(_part(child, read, now) for child in children(node) if not _listing(child))
    return Part(_text(node), str(node.type), node.position, read is not None and not _listing(node), value, parts)


def _listing(node: Node) -> bool:
    """Whether a node is a list, which has no value of its own."""
    return isinstance(node, Field) and node.type.name == "list"


_SIGNS: Mapping[type, str] = {Not: "!", Negate: "-", OneOf: "in", Within: "in", If: "? :"}


def _text(node: Node) -> str:
    match node:
        case Literal():
            return repr(to_json(node.value)) if isinstance(node.value, str) else str(to_json(node.value))
        case Field():
            return ".".join(node.path)
        case Join() | Compare() | Arithmetic():
            return node.operator
        case Call():
            return f"{node.function.name}()"
        case Within():
            return f"in {'.'.join(node.container.path)}"
        case _:
            return _SIGNS[type(node)]
