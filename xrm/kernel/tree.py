"""Hierarchies: no record is above itself, on any path, and none too deep; and what is above and below a record."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from uuid import UUID

from xrm.errors import Issue
from xrm.kernel.acts import Act
from xrm.kernel.change import Actor, Change
from xrm.kernel.live import Live, Running
from xrm.kernel.policy import visibility
from xrm.kernel.reading import Reading
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.sql import Binder, Statement, Var, quote
from xrm.metadata.model import Entity, Field

UUID_TYPE = ColumnType("uuid")
MAX_LEVELS = 64  # of a hierarchy, the top being the first
LOCK = 0x7872_6D74  # first key of the advisory locks of hierarchies


class Trees:
    """Keeps hierarchies free of cycles, and walks them."""

    def __init__(self, running: Running, reading: Reading) -> None:
        self._running, self._reading = running, reading

    async def check(self, act: Act, change: Change, field: Field, above: UUID) -> Issue | None:
        """Return what is wrong with putting the changed record below `above`, or None.

        One hierarchy is changed by one transaction at a time: two moves that are fine alone may make a cycle together.
        SQLite has one writer anyway; on PostgreSQL a lock is held to the end of the transaction.
        """
        await self._lock(change.entity, field)
        chain = await self._walk(act.live, change.entity, field, above, "up")
        if change.id in {id for id, _ in chain}:
            return Issue(field.name, "cycle", f"{field.title}: the record would be above itself.")
        height = 1
        if change.kind != "create":
            height = max(level for _, level in await self._walk(act.live, change.entity, field, change.id, "down"))
        if len(chain) + height > MAX_LEVELS:
            message = f"{field.title}: the hierarchy would have more than {MAX_LEVELS} levels."
            return Issue(field.name, "too_deep", message)
        return None

    async def above(self, actor: Actor, entity: str, field: str, id: UUID) -> Sequence[tuple[str, str]]:
        """Return id and label of the records above one, the top first; it ends where the actor may read no further."""
        live = self._running.live
        access = live.policy.access(actor, entity, "read")
        if access is None or visibility(access, field) is None:
            return ()
        record = await self._reading.get(actor, entity, id, (field,))
        first = record.get(field)
        if not isinstance(first, dict) or "id" not in first:
            return ()
        chain = await self._walk(live, access.entity, access.entity.fields[field], UUID(first["id"]), "up")
        labels = await self._reading.visible_ids(actor, entity, [id for id, _ in chain])
        found: list[tuple[str, str]] = []
        for one, _ in chain:
            if str(one) not in labels:
                break
            found.append((str(one), labels[str(one)]))
        return found[::-1]

    async def _lock(self, entity: Entity, field: Field) -> None:
        if self._running.store.dialect.name == "postgresql":
            key = zlib.crc32(f"{entity.name}.{field.name}".encode()) - 2**31
            await self._running.store.fetch(f"SELECT pg_advisory_xact_lock({LOCK}, {key})", [])

    async def _walk(self, live: Live, entity: Entity, field: Field, start: UUID, way: str) -> list[tuple[UUID, int]]:
        """Return ids and levels (from 1) from `start` on, up or down; also in the trash, from where they may return."""
        statement: Statement = live.cached(
            ("walk", way, entity.name, field.name), lambda: _walk_statement(live, entity, field, way)
        )
        rows = await self._running.store.fetch(statement.text, statement.arguments(live.dialect, {"id": start}))
        decode = live.dialect.decode(UUID_TYPE)
        return [(decode(row[0]) if decode else row[0], row[1]) for row in rows]


def _walk_statement(live: Live, entity: Entity, field: Field, way: str) -> Statement:
    binder = Binder(live.dialect)
    start = binder.bind(Var("id", UUID_TYPE), UUID_TYPE)
    table, pointer = quote(entity.name), f"t.{quote(field.name)}"
    if way == "up":
        step = f'SELECT {pointer}, w."n" + 1 FROM w JOIN {table} t ON t."id" = w."id" WHERE {pointer} IS NOT NULL'
        tail = 'SELECT "id", "n" FROM w ORDER BY "n"'
    else:
        step = f'SELECT t."id", w."n" + 1 FROM w JOIN {table} t ON {pointer} = w."id" WHERE 1 = 1'
        tail = 'SELECT "id", "n" FROM w ORDER BY "n" DESC LIMIT 1'
    first = f"SELECT {start}, 1"
    bound = f' AND w."n" <= {MAX_LEVELS}'
    return binder.statement(f'WITH RECURSIVE w("id", "n") AS ({first} UNION ALL {step}{bound}) {tail}')
