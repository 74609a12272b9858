"""Many new records at once: each passes the seven stations as one alone does, but they are stored and checked in sets.

A record waits to be stored until its set is full or somebody looks: whatever reads or writes in the act has those that
wait stored first (`Acts.settle`), so hooks of one row see the rows before it. What the values of other records are made
of is looked at once per set. Where hooks follow the write, records are made one by one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any
from uuid import UUID

from xrm.errors import Forbidden
from xrm.kernel import query as q
from xrm.kernel.acts import Act
from xrm.kernel.change import Actor, Change, uuid7
from xrm.kernel.history.log import Known
from xrm.kernel.live import Live, Running
from xrm.kernel.loading import OUT_OF_REACH
from xrm.kernel.policy import Access, roles_key
from xrm.kernel.reading import demand
from xrm.kernel.rows import stamp
from xrm.kernel.store.errors import UniqueViolation
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.sql import Binder, Statement, Var, quote
from xrm.kernel.visible import Visible
from xrm.metadata.model import Entity

if TYPE_CHECKING:
    from xrm.kernel.writing import Writing

SET = 500  # records stored by one statement
TEXTS = ColumnType("texts")
IDS = Var("ids", TEXTS)

Row = Mapping[str, Any]


class Many:
    """Creates records in sets."""

    def __init__(self, running: Running, writing: Writing) -> None:
        self._running, self._writing = running, writing
        writing.acts.on_settle(self._store)

    async def create(self, actor: Actor, entity: str, rows: Sequence[Row], origins: Sequence[str] = ()) -> list[UUID]:
        """Create records in one act, all or none, and return their ids.

        Args:
            actor: Who creates them.
            entity: Of what.
            rows: Their values as JSON data.
            origins: Which part of the source each comes from, such as "row 17"; none, or one per row.
        """
        async with self._writing.acts.act(actor) as act:
            access = demand(act.live, actor, entity, "create")
            named = [(row, origins[number] if origins else "") for number, row in enumerate(rows)]
            if act.live.handlers.get("after", entity):  # a hook after a write may look for what comes next
                return [await self._alone(act, entity, row, origin) for row, origin in named]
            made: list[UUID] = []
            for part in _parts(named):
                made += await self._set(act, access, part)
            return made

    async def _alone(self, act: Act, entity: str, row: Row, origin: str) -> UUID:
        async with self._writing.acts.part(act.actor, origin):
            return await self._writing.create(act.actor, entity, row)

    async def _set(self, act: Act, access: Access, rows: Sequence[tuple[Row, str]]) -> list[UUID]:
        changes: list[Change] = []
        try:
            act.log.known = await self._known(act, access.entity, [row for row, _ in rows])
            for row, origin in rows:
                if _points_home(access.entity, row):
                    await self._writing.acts.settle()
                change = Change(access.entity, "create", uuid7(), {}, {})
                links = await self._writing.ready(act, change, access, access.rules, row)
                stamp(change, act.actor.id, act.changes.at)
                act.log.waiting.append((replace(act, origin=origin) if origin else act, access, change))
                changes.append(change)
                if links:
                    await self._writing.acts.settle()
                    await self._writing.link(act, change.id, links)
            await self._writing.acts.settle()
        finally:
            act.log.waiting.clear()
            act.log.known = None
        await self._writing.spread(act, changes)
        return [change.id for change in changes]

    async def _store(self, waiting: Sequence[tuple[Act, Access, Change]]) -> None:
        """Store the records that wait: all of one entity, by one actor."""
        act, access, _ = waiting[0]
        prepared = act.live.entities[access.entity.name]
        statements = [prepared.rows.insert(change.after) for _, _, change in waiting]
        try:
            await self._running.store.execute_many(statements[0][0], [args for _, args in statements])
        except UniqueViolation as error:
            raise self._writing.taken(act, prepared, error) from None
        await self._permit(act, access, [change.id for _, _, change in waiting])
        for told, _, change in waiting:
            await self._writing.acts.note(told, change)

    async def _permit(self, act: Act, access: Access, ids: Sequence[UUID]) -> None:
        """Refuse the set if a row of it is not one that the actor's rules cover (policy, after-write check)."""
        if access.unchecked:
            return
        live, name = act.live, access.entity.name
        statement: Statement = live.cached(
            ("check set", name, roles_key(act.actor), access.action), lambda: _covered(live, act.actor, access)
        )
        rows = await self._fetch(act, statement, ids)
        if rows[0][0] != len(ids):
            raise Forbidden(OUT_OF_REACH)

    async def _known(self, act: Act, entity: Entity, rows: Sequence[Row]) -> Known:
        """Return what is asked once for all rows: which records they point to, and their numbers."""
        known = Known(await self._seen(act, entity, rows))
        for field in entity.fields.values():
            if field.type == "auto_number" and not field.removed:
                name, numbers = await self._writing.numbers.several(act, entity, field, len(rows))
                known.numbers[name] = deque(numbers)
        return known

    async def _seen(self, act: Act, entity: Entity, rows: Sequence[Row]) -> set[tuple[str, UUID]]:
        """Return those of the records the rows point to by id that exist for the actor; they are held there."""
        found: set[tuple[str, UUID]] = set()
        for target, ids in _pointed(entity, rows).items():
            if act.live.policy.access(act.actor, target, "read") is None:
                continue
            statement: Statement = act.live.cached(
                ("exist", target, roles_key(act.actor)), lambda t=target: _exist(act.live, act.actor, t)
            )
            decode = act.live.dialect.decode(ColumnType("uuid"))
            cells = [row[0] for row in await self._fetch(act, statement, sorted(ids))]
            found |= {(target, decode(cell) if decode else cell) for cell in cells}
        return found

    async def _fetch(self, act: Act, statement: Statement, ids: Sequence[UUID]) -> Sequence[Any]:
        known = {**q.variables(act.actor, act.changes.at), "ids": [str(id) for id in ids]}
        return await self._running.store.fetch(statement.text, statement.arguments(act.live.dialect, known))


def _parts(rows: Sequence[tuple[Row, str]]) -> Iterator[list[tuple[Row, str]]]:
    source = iter(rows)
    while part := list(islice(source, SET)):
        yield part


def _points_home(entity: Entity, row: Row) -> bool:
    """Whether a row names a record of its own entity by a key: it may be one that waits."""
    return any(
        isinstance(row.get(field.name), (Mapping, list)) and entity.name in (*field.to, *_far(field))
        for field in entity.fields.values()
        if field.type == "relation"
    )


def _far(field: Any) -> tuple[str, ...]:
    return tuple(field.to) if field.through else ()


def _pointed(entity: Entity, rows: Sequence[Row]) -> dict[str, set[UUID]]:
    """Return what rows point to by id: entity → ids."""
    found: dict[str, set[UUID]] = {}
    for field in entity.relations():
        if field.polymorphic or field.system or field.through:
            continue
        ids = (_id(row.get(field.name)) for row in rows)
        if known := {id for id in ids if id is not None}:
            found.setdefault(field.to[0], set()).update(known)
    return found


def _id(value: Any) -> UUID | None:
    if isinstance(value, UUID):
        return value
    try:
        return UUID(value) if isinstance(value, str) and len(value) == 36 else None
    except ValueError:
        return None


def _among(binder: Binder) -> str:
    given = binder.bind(IDS, TEXTS)
    listed = binder.dialect.name == "sqlite"
    return f"IN (SELECT value FROM json_each({given}))" if listed else f"= ANY({given}::uuid[])"


def _covered(live: Live, actor: Actor, access: Access) -> Statement:
    binder = Binder(live.dialect)
    rows = Visible(live, actor, binder).checked(access.rules, access.entity, "t")
    return binder.statement(
        f'SELECT count(*) FROM {quote(access.entity.name)} t WHERE t."id" {_among(binder)} AND {rows}'
    )


def _exist(live: Live, actor: Actor, target: str) -> Statement:
    binder = Binder(live.dialect)
    rows = Visible(live, actor, binder).joined(live.model.entities[target], "t", 't."id"')
    lock = " FOR SHARE OF t" if live.dialect.name == "postgresql" else ""
    where = f't."deleted_at" IS NULL AND t."id" {_among(binder)} AND {rows}'
    return binder.statement(f'SELECT t."id" FROM {quote(target)} t WHERE {where}{lock}')
