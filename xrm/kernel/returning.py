"""A record comes out of the trash: the links that went into it along with the record come back with it.

Which those are is told by the log: they were deleted in the same act. Links whose other record is in the trash itself
stay there; they come back with that one, if it was deleted in that act too.
"""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from xrm.kernel.acts import Act
from xrm.kernel.live import Running
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.sql import Binder, quote
from xrm.kernel.values import MAX_LINKS
from xrm.metadata.model import Entity, Field

_UUID = ColumnType("uuid")


class Returning:
    """Finds what comes back with a record."""

    def __init__(self, running: Running) -> None:
        self._running = running

    async def links(self, act: Act, entity: Entity, id: UUID) -> list[tuple[str, UUID]]:
        """Return the links, as (entity, id), that were deleted in the act in which record `id` was deleted last."""
        ends = list(_link_ends(act, entity))
        if not ends:
            return []
        deletion = await self._deletion(id)
        if deletion is None:
            return []
        found: list[tuple[str, UUID]] = []
        for link, near in ends:
            found += [(link.name, one) for one in await self._of(link, near, id, deletion)]
        return list(dict.fromkeys(found))

    async def _deletion(self, id: UUID) -> UUID | None:
        """Return the act that deleted a record last."""
        sql = Binder(self._running.store.dialect)
        text = (
            f'SELECT "changeset" FROM "xrm_change" WHERE "record" = {sql.bind(id, _UUID)} AND "kind" = \'delete\''
            ' ORDER BY "version" DESC LIMIT 1'
        )
        rows = await self._running.store.fetch(text, sql.params)
        return self._id(rows[0][0]) if rows else None

    async def _of(self, link: Entity, near: Field, id: UUID, deletion: UUID) -> list[UUID]:
        sql = Binder(self._running.store.dialect)
        ends = (f for f in link.fields.values() if f.type == "relation" and f.required and not f.polymorphic)
        there = [
            f'EXISTS (SELECT 1 FROM {quote(f.to[0])} x WHERE x."id" = l.{quote(f.name)} AND x."deleted_at" IS NULL)'
            for f in ends
            if not f.system and f.name != near.name
        ]
        same = f'c."record" = l."id" AND c."kind" = \'delete\' AND c."changeset" = {sql.bind(deletion, _UUID)}'
        where = [f"l.{quote(near.name)} = {sql.bind(id, _UUID)}", 'l."deleted_at" IS NOT NULL', *there]
        text = (
            f'SELECT l."id" FROM {quote(link.name)} l JOIN "xrm_change" c ON {same} WHERE {" AND ".join(where)}'
            f' ORDER BY l."id" LIMIT {MAX_LINKS}'
        )
        return [self._id(row[0]) for row in await self._running.store.fetch(text, sql.params)]

    def _id(self, cell: UUID | str) -> UUID:
        return cell if isinstance(cell, UUID) else UUID(str(cell))


def _link_ends(act: Act, entity: Entity) -> Iterator[tuple[Entity, Field]]:
    """Yield the link entities that lead to an entity, each with the relation by which it does."""
    model = act.live.model
    named = {field.through.entity for field in entity.fields.values() if field.through is not None}
    for end in model.inverses.get(entity.name, ()):
        link = model.entities[end.entity]
        if link.link or link.name in named:
            yield link, link.fields[end.field]
