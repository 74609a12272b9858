"""What an actor may do with one record: the question a page asks before it shows a button.

The answer is advice for the screen; each write asks the policy again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from xrm.kernel.change import Actor
from xrm.kernel.policy import Access
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.sql import Binder, Statement, Var, quote
from xrm.kernel.visible import Visible

if TYPE_CHECKING:
    from xrm.kernel.live import Live

ID = Var("id", ColumnType("uuid"))
RECORD_ACTIONS = ("update", "delete", "restore", "export", "share")


def accesses(live: Live, actor: Actor, entity: str) -> tuple[Access, ...]:
    """Return what the actor may do with some record of an entity, by each action that is about one record."""
    names = (*RECORD_ACTIONS, *(f"run:{name}" for name in live.entities[entity].actions))
    found = (live.policy.access(actor, entity, name) for name in names)
    return tuple(access for access in found if access is not None)


def statement(live: Live, actor: Actor, reading: Access, asked: tuple[Access, ...]) -> Statement:
    """Return the statement that says for one record which rules of each action hold for it."""
    binder = Binder(live.dialect)
    visible = Visible(live, actor, binder)
    entity = reading.entity
    held = [visible.rows((rule,), entity, "t") or "1 = 1" for access in asked for rule in access.rules]
    flags = ", ".join(f"CASE WHEN {condition} THEN 1 ELSE 0 END" for condition in held) or "1"
    where = [f't."id" = {binder.bind(ID, ID.type)}']
    if rows := visible.rows(reading.rules, entity, "t"):
        where.append(rows)
    return binder.statement(f"SELECT {flags} FROM {quote(entity.name)} t WHERE {' AND '.join(where)}")


def granted(asked: tuple[Access, ...], row: Any) -> Mapping[str, frozenset[str]]:
    """Return action → the fields that may be written by it, for the actions at least one rule of which holds."""
    found: dict[str, frozenset[str]] = {}
    place = 0
    for access in asked:
        holding = [rule for number, rule in enumerate(access.rules) if row[place + number]]
        place += len(access.rules)
        if holding:
            found[access.action] = frozenset().union(*(rule.write for rule in holding))
    return found


def variables(id: UUID) -> Mapping[str, Any]:
    """Return the values the statement needs besides those of the actor."""
    return {ID.name: id}
