"""What an actor may see of the past: today's rights on the values of then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from xrm.kernel import query as q
from xrm.kernel.change import Actor
from xrm.kernel.live import Live, Running
from xrm.kernel.policy import Access, Rule, roles_key, visibility
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.sql import Binder, Statement, Var, quote
from xrm.kernel.visible import Visible
from xrm.metadata.model import Entity, Field

UUID_TYPE = ColumnType("uuid")
MAX_IDS = 100  # records asked for at once


@dataclass(frozen=True, slots=True)
class Seen:
    """A record the actor may read today.

    Attributes:
        fields: The fields of it they may read.
        deleted: Whether it is in the trash.
        restorable: Whether they may look at it there.
    """

    fields: frozenset[str]
    deleted: bool
    restorable: bool

    @property
    def open(self) -> bool:
        """Whether its values may be told."""
        return not self.deleted or self.restorable


@dataclass(frozen=True, slots=True)
class _Glance:
    statement: Statement
    always: frozenset[str]
    masks: tuple[tuple[str, ...], ...]


class Sight:
    """Looks up what an actor may see of records, many at a time."""

    def __init__(self, running: Running) -> None:
        self._running = running

    async def of(self, actor: Actor, entity: str, ids: Sequence[UUID]) -> Mapping[str, Seen]:
        """Return, by id as text, what the actor may see of those of `ids` they may read, in the trash or not."""
        live = self._running.live
        access = live.policy.access(actor, entity, "read")
        if access is None:
            return {}
        glance: _Glance = live.cached(("sight", entity, roles_key(actor)), lambda: _glance(live, actor, access))
        rows = await self._rows(live, actor, glance.statement, ids)
        return {str(row[0]): _seen(glance, row) for row in rows}

    async def readable_ids(self, actor: Actor, entity: str, ids: Sequence[UUID]) -> frozenset[str]:
        """Return those of `ids`, as text, that are not of records withheld from the actor; also in the trash."""
        live = self._running.live
        access = live.policy.access(actor, entity, "read")
        if access is None:
            return frozenset()
        if access.unconditional:
            return frozenset(map(str, ids))
        statement = live.cached(("readable", entity, roles_key(actor)), lambda: _ids_statement(live, actor, access))
        return frozenset(str(row[0]) for row in await self._rows(live, actor, statement, ids))

    async def withhold(self, actor: Actor, entity: Entity, states: Sequence[dict[str, Any]]) -> None:
        """Take the ids of records that the actor may not read out of past values, as out of present ones."""
        relations = [field for field in entity.fields.values() if field.type == "relation"]
        past = [(s, f.name, p) for s in states for f in relations if (p := pointed(f, s.get(f.name))) is not None]
        wanted: dict[str, set[UUID]] = {}
        for _, _, (target, id) in past:
            wanted.setdefault(target, set()).add(id)
        seen = {target: await self.readable_ids(actor, target, sorted(ids)) for target, ids in wanted.items()}
        for state, name, (target, id) in past:
            if str(id) not in seen[target]:
                state[name] = q.RESTRICTED

    async def _rows(self, live: Live, actor: Actor, statement: Statement, ids: Sequence[UUID]) -> list[Any]:
        found: list[Any] = []
        known = q.variables(actor, self._running.clock())
        for start in range(0, len(ids), MAX_IDS):
            part = ids[start : start + MAX_IDS]
            padded = [*part, *([part[0]] * (MAX_IDS - len(part)))]
            values = {**known, **{f"id.{n}": id for n, id in enumerate(padded)}}
            found += await self._running.store.fetch(statement.text, statement.arguments(live.dialect, values))
        return found


def pointed(field: Field, value: Any) -> tuple[str, UUID] | None:
    """Return the entity and id of the record a past value of a relation names; None for what is none."""
    target, id = (value.get("entity"), value.get("id")) if isinstance(value, Mapping) else (field.to[0], value)
    try:
        return str(target), UUID(str(id))
    except ValueError:
        return None


def _seen(glance: _Glance, row: Sequence[Any]) -> Seen:
    given = (name for names, held in zip(glance.masks, row[3:], strict=True) if held for name in names)
    return Seen(glance.always.union(given), bool(row[1]), bool(row[2]))


def _glance(live: Live, actor: Actor, access: Access) -> _Glance:
    binder = Binder(live.dialect)
    visible = Visible(live, actor, binder)
    groups: dict[tuple[Rule, ...], list[str]] = {}
    for name in access.entity.fields:
        giving = visibility(access, name)
        if giving is not None:
            groups.setdefault(giving, []).append(name)
    always = frozenset(groups.pop((), ()))
    shown = [_held(visible, rules, access.entity) for rules in groups]
    restoring = live.policy.access(actor, access.entity.name, "restore")
    restorable = _held(visible, restoring.rules, access.entity) if restoring else "0"
    columns = ", ".join(['t."id"', 'CASE WHEN t."deleted_at" IS NULL THEN 0 ELSE 1 END', restorable, *shown])
    text = _among(f"SELECT {columns}", visible, access)
    return _Glance(binder.statement(text), always, tuple(map(tuple, groups.values())))


def _held(visible: Visible, rules: tuple[Rule, ...], entity: Entity) -> str:
    condition = visible.rows(rules, entity, "t")
    return f"CASE WHEN {condition} THEN 1 ELSE 0 END" if condition else "1"


def _ids_statement(live: Live, actor: Actor, access: Access) -> Statement:
    binder = Binder(live.dialect)
    return binder.statement(_among('SELECT t."id"', Visible(live, actor, binder), access))


def _among(select: str, visible: Visible, access: Access) -> str:
    ids = ", ".join(visible.binder.bind(Var(f"id.{n}", UUID_TYPE), UUID_TYPE) for n in range(MAX_IDS))
    rows = visible.rows(access.rules, access.entity, "t")
    text = f'{select} FROM {quote(access.entity.name)} t WHERE t."id" IN ({ids})'
    return f"{text} AND {rows}" if rows else text
