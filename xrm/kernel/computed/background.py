"""Work on kept values that is too much for one act: durable rows, done in chunks, continued after a crash.

A row says of which entity all kept values are computed anew, and up to which id that is done; it is written in the act
that makes them stale. One chunk is one short transaction: its records, and the cursor. Whoever asks again while it runs
sets the cursor back, so nothing is missed; doing it twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.store import Store

if TYPE_CHECKING:
    from xrm.kernel.live import Live

_TEXT = ColumnType("text")
_UUID = ColumnType("uuid")
_MOMENT = ColumnType("datetime")
_FIRST = UUID(int=0)


async def enqueue(store: Store, live: Live, entity: str, at: datetime) -> None:
    """Ask for all kept values of an entity, in the transaction that is open."""
    mark, encode = live.dialect.placeholder, live.dialect.encode
    text = (
        'INSERT INTO "xrm_recompute" ("entity", "cursor", "asked_at")'
        f" VALUES ({mark(1, _TEXT)}, {mark(2, _UUID)}, {mark(3, _MOMENT)})"
        ' ON CONFLICT ("entity") DO UPDATE SET "cursor" = excluded."cursor", "asked_at" = excluded."asked_at"'
    )
    await store.execute(text, [entity, encode(_UUID, _FIRST), encode(_MOMENT, at)])


async def pending(store: Store) -> Mapping[str, datetime]:
    """Return the entities whose kept values may be stale, with the time since when."""
    rows = await store.fetch('SELECT "entity", "asked_at" FROM "xrm_recompute" ORDER BY "asked_at", "entity"')
    decode = store.dialect.decode(_MOMENT)
    return {row[0]: decode(row[1]) if decode else row[1] for row in rows}


async def work(store: Store, live: Live, now: datetime) -> bool:
    """Do one chunk of what waits; return whether there was any."""
    from xrm.kernel.recompute import renew_chunk  # noqa: PLC0415 - it is made of this room, too

    async with store.transaction():
        row = await _next(store)
        if row is None:
            return False
        entity, cursor = row
        if entity not in live.entities:
            await _finish(store, entity)
            return True
        chunk = await renew_chunk(store, live, entity, cursor)
        if chunk.stale:
            for name in _following(live, entity):
                await enqueue(store, live, name, now)
        await (_finish(store, entity) if chunk.last is None else _move(store, entity, chunk.last))
    return True


def _following(live: Live, entity: str) -> list[str]:
    """Return the entities whose kept values are made of those of `entity`."""
    return sorted({d.dependent for d in live.dependencies.get(entity, ()) if d.dependent != entity})


async def _next(store: Store) -> tuple[str, UUID] | None:
    lock = " FOR UPDATE SKIP LOCKED" if store.dialect.name == "postgresql" else ""
    rows = await store.fetch(
        f'SELECT "entity", "cursor" FROM "xrm_recompute" ORDER BY "asked_at", "entity" LIMIT 1{lock}'
    )
    if not rows:
        return None
    decode = store.dialect.decode(_UUID)
    cursor: Any = rows[0][1]
    return rows[0][0], decode(cursor) if decode else cursor


async def _move(store: Store, entity: str, last: UUID) -> None:
    mark, encode = store.dialect.placeholder, store.dialect.encode
    text = f'UPDATE "xrm_recompute" SET "cursor" = {mark(1, _UUID)} WHERE "entity" = {mark(2, _TEXT)}'
    await store.execute(text, [encode(_UUID, last), entity])


async def _finish(store: Store, entity: str) -> None:
    mark = store.dialect.placeholder(1, _TEXT)
    await store.execute(f'DELETE FROM "xrm_recompute" WHERE "entity" = {mark}', [entity])
