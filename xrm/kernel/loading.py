"""A record as it is before a write, and whether the actor may do this with it: as SQL, by the same policy as reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from xrm.errors import Forbidden, NotFound
from xrm.kernel import query as q
from xrm.kernel.acts import Act
from xrm.kernel.change import Actor, Change
from xrm.kernel.live import Live, Running, check_generation
from xrm.kernel.policy import Access, Rule, roles_key
from xrm.kernel.reading import ID, UUID_TYPE, Reading, demand
from xrm.kernel.store.sql import Binder, Statement, quote
from xrm.kernel.store.system import IN_FORCE
from xrm.kernel.visible import Visible

OUT_OF_REACH = "You may not leave the record like this: it would be out of your reach."


@dataclass(frozen=True, slots=True)
class Loaded:
    """A record as it was, and the rules of the action that hold for it."""

    values: dict[str, Any]
    holding: tuple[Rule, ...]


class Loading:
    """Loads records for writing."""

    def __init__(self, running: Running, reading: Reading) -> None:
        self._running, self._reading = running, reading

    async def load(self, act: Act, entity: str, id: UUID, action: str) -> tuple[Access, Loaded]:
        """Return a record as it is and the rules of `action` that hold for it.

        Raises:
            NotFound: none, or the actor may not read it.
            Forbidden: the actor may read it but not do this with it.
        """
        live, actor = act.live, act.actor
        reading = demand(live, actor, entity, "read")
        access = live.policy.access(actor, entity, action)
        if access is None:
            await self._reading.get(actor, entity, id, ("id",))
            raise Forbidden(f"You may not {action.removeprefix('run:')} this {reading.entity.title}.")
        statement = live.cached(
            ("load", entity, roles_key(actor), action), lambda: _load_statement(live, actor, reading, access)
        )
        known = {**q.variables(actor, act.changes.at), "id": id}
        rows = await self._running.store.fetch(statement.text, statement.arguments(live.dialect, known))
        if not rows:
            raise NotFound(f"There is no {reading.entity.title} with this id.")
        check_generation(live, rows)
        holding = tuple(rule for rule, held in zip(access.rules, rows[0], strict=False) if held)
        if not holding:
            raise Forbidden(f"You may not {action.removeprefix('run:')} this {reading.entity.title}.")
        return access, Loaded(live.entities[entity].rows.values(rows[0][len(access.rules) :]), holding)

    async def permit_new_row(self, act: Act, access: Access, change: Change) -> None:
        """Refuse a write whose new row the actor's rules no longer cover (policy, after-write check)."""
        if access.unchecked or change.kind == "delete":
            return
        statement = act.live.cached(
            ("check", access.entity.name, roles_key(act.actor), access.action),
            lambda: _row_statement(act.live, act.actor, access),
        )
        known = {**q.variables(act.actor, act.changes.at), "id": change.id}
        if not await self._running.store.fetch(statement.text, statement.arguments(act.live.dialect, known)):
            raise Forbidden(OUT_OF_REACH)


def _load_statement(live: Live, actor: Actor, reading: Access, access: Access) -> Statement:
    binder = Binder(live.dialect)
    visible = Visible(live, actor, binder)
    entity = access.entity
    held = [visible.rows((rule,), entity, "t") or "1 = 1" for rule in access.rules]
    flags = ", ".join(f"CASE WHEN {condition} THEN 1 ELSE 0 END" for condition in held)
    where = [
        f't."id" = {binder.bind(ID, UUID_TYPE)}',
        f't."deleted_at" IS {"NOT " if access.action == "restore" else ""}NULL',
    ]
    if rows := visible.rows(reading.rules, entity, "t"):
        where.append(rows)
    lock = " FOR UPDATE OF t" if live.dialect.name == "postgresql" else ""
    columns = live.entities[entity.name].rows.selection("t")
    return binder.statement(
        f"SELECT {flags}, {columns}, {IN_FORCE} FROM {quote(entity.name)} t WHERE {' AND '.join(where)}{lock}"
    )


def _row_statement(live: Live, actor: Actor, access: Access) -> Statement:
    binder = Binder(live.dialect)
    rows = Visible(live, actor, binder).checked(access.rules, access.entity, "t")
    key = binder.bind(ID, UUID_TYPE)
    return binder.statement(f'SELECT 1 FROM {quote(access.entity.name)} t WHERE t."id" = {key} AND {rows}')
