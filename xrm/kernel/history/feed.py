"""The feed: all that happened, in the order it took effect, as one actor may see it; a cursor misses nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from xrm.errors import Malformed, NotFound
from xrm.kernel.change import Actor
from xrm.kernel.history.rows import SET_COLUMNS, ChangeRow, Reader, SetRow, Telling
from xrm.kernel.history.seal import COUNT, Sealing, bounded, changes_of
from xrm.kernel.live import Live, Running
from xrm.kernel.reading import demand
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.sql import Binder

LIMIT = 200  # change-sets one look takes
LOOKED = 1_000  # change-sets a page looks through for those the actor may see
MANY = 2_000  # changes, likewise; a change-set that has more by itself is still told whole
_INT, _UUID = ColumnType("int"), ColumnType("uuid")


@dataclass(frozen=True, slots=True)
class News:
    """One page of the feed.

    Attributes:
        changes: Change-sets with their changes, oldest first; each with its ``cursor``.
        cursor: Where to go on; nothing before it comes any more.
        more: Whether there is more already.
    """

    changes: tuple[dict[str, Any], ...]
    cursor: int
    more: bool


class Feed:
    """Reads what happened."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self.sealing = Sealing(running.store)
        self._telling = Telling(running)
        self._reader = Reader(running.store.dialect)

    async def read(self, actor: Actor, after: int, limit: int = 50, entity: str = "") -> News:
        """Return what happened after a cursor; 0 is the beginning. `entity` leaves out what is about others.

        Raises:
            NotFound: no such entity for the actor.
        """
        if not 1 <= limit <= LIMIT or not 0 <= after < 2**62:
            raise Malformed(f"`limit` is from 1 to {LIMIT}, and `after` a cursor that a page gave.")
        if entity:
            demand(self._running.live, actor, entity, "read")
        await self.sealing.catch_up()
        found: list[dict[str, Any]] = []
        looked, weight = 0, 0
        while looked < LOOKED and weight < MANY:
            sets, changes = await self._bounded(after, limit)
            looked, weight = looked + len(sets), weight + changes
            for told in await self.tell(actor, sets, entity):
                found.append(told)
                if len(found) == limit:
                    last = found[-1]["cursor"]
                    return News(tuple(found), last, more=await self._beyond(last))
            if not sets:
                return News(tuple(found), after, more=False)
            after = sets[-1].seq or after
        return News(tuple(found), after, more=await self._beyond(after))

    async def end(self) -> int:
        """Return the cursor behind all that happened so far."""
        await self.sealing.catch_up()
        return (await self.sealing.head()).seq

    async def find(self, actor: Actor, id: UUID) -> dict[str, Any]:
        """Return one change-set as the actor may see it.

        Raises:
            NotFound: there is none, or they may see nothing of it.
        """
        told = await self.tell(actor, await self._sets("id", id, 1))
        if not told:
            raise NotFound("There is no change-set with this id.")
        return told[0]

    async def tell(self, actor: Actor, sets: Sequence[SetRow], entity: str = "") -> list[dict[str, Any]]:
        """Return change-sets with those of their changes that the actor may see; those without any are left out."""
        live = self._running.live
        changes = await changes_of(self._running.store, [one.id for one in sets])
        pairs = [(change, one.generation) for one in sets for change in changes.get(one.id, ())]
        told = await self._told(live, actor, [p for p in pairs if not entity or p[0].entity == entity])
        shown = ((one, [told[c.id] for c in changes.get(one.id, ()) if c.id in told]) for one in sets)
        return [{"cursor": one.seq, **one.told(), "changes": visible} for one, visible in shown if visible]

    async def _told(
        self, live: Live, actor: Actor, pairs: Iterable[tuple[ChangeRow, int]]
    ) -> Mapping[UUID, dict[str, Any]]:
        by_entity: dict[str, list[tuple[ChangeRow, int]]] = {}
        for pair in pairs:
            by_entity.setdefault(pair[0].entity, []).append(pair)
        found: dict[UUID, dict[str, Any]] = {}
        for name, rows in by_entity.items():
            known = live.model.entity(name)
            if known is not None and live.policy.access(actor, name, "read"):
                told = await self._telling.tell(live, actor, known, rows)
                found |= {row.id: change for (row, _), change in zip(rows, told, strict=True) if change}
        return found

    async def _bounded(self, after: int, limit: int) -> tuple[list[SetRow], int]:
        """Return the next change-sets that have not too many changes together, and how many these are."""
        binder = Binder(self._running.store.dialect)
        text = (
            f'SELECT {SET_COLUMNS}, {COUNT} FROM "xrm_changeset" s'
            f' WHERE s."seq" > {binder.bind(after, _INT)} ORDER BY s."seq" LIMIT {limit}'
        )
        rows = bounded(await self._running.store.fetch(text, binder.params), MANY)
        return [self._reader.set_of(row[:-1]) for row in rows], sum(row[-1] for row in rows)

    async def _beyond(self, after: int) -> bool:
        return bool(await self._sets("seq", after, 1))

    async def _sets(self, by: str, value: Any, limit: int) -> list[SetRow]:
        binder = Binder(self._running.store.dialect)
        where = f's."seq" > {binder.bind(value, _INT)}' if by == "seq" else f's."id" = {binder.bind(value, _UUID)}'
        text = f'SELECT {SET_COLUMNS} FROM "xrm_changeset" s WHERE {where} ORDER BY s."seq" LIMIT {limit}'
        return [self._reader.set_of(row) for row in await self._running.store.fetch(text, binder.params)]
