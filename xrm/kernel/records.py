"""Records: the one door through which every read and write passes.

A write is taken through seven stations (writing.py): receive (the edge), open, permit, parse, consult, check, store.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

from xrm.kernel.acts import NO_REASON, Act, Why
from xrm.kernel.buttons import Press, opened
from xrm.kernel.change import Actor
from xrm.kernel.consequences import Consequences
from xrm.kernel.following import again
from xrm.kernel.history.asof import AsOf
from xrm.kernel.history.past import Past
from xrm.kernel.history.since import Merging
from xrm.kernel.history.undo import Undo
from xrm.kernel.live import Running
from xrm.kernel.many import Many
from xrm.kernel.query import Count, Page, Query
from xrm.kernel.reading import Reading
from xrm.kernel.totals import Totals
from xrm.kernel.tree import Trees
from xrm.kernel.writing import Writing

Record = dict[str, Any]
P = ParamSpec("P")
T = TypeVar("T")


class Records:
    """Every read and write of records, for any actor. Values go in and come out as the API's JSON data."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._reading = Reading(running)
        self._writing = Writing(running, self._reading, self.bound)
        self._many = Many(running, self._writing)
        self.get = self._followed(self._reading.get)
        self.find_by = self._followed(self._reading.find_by)
        self.list = self._followed(self._reading.list)
        self.count = self._followed(self._reading.count)
        self.aggregate = self._followed(self._reading.aggregate)
        undo = Undo(running, self._writing)
        self.undo = self._followed(undo.undo)
        self.preview_undo = self._followed(undo.preview)
        then = AsOf(running)
        self.get_as_of = self._followed(then.get)
        self.list_as_of = self._followed(then.list)
        self.count_as_of = self._followed(then.count)
        self.aggregate_as_of = self._followed(then.aggregate)
        self._merging = Merging(running, self._writing)
        past = Past(running)
        self.history = self._followed(past.history)
        self.field_history = self._followed(past.field_history)
        self.blame = self._followed(past.blame)
        self.visible_ids = self._followed(self._reading.visible_ids)
        self.permitted = self._followed(self._reading.permitted)
        self.delete = self._followed(self._writing.delete)
        self.context = self._writing.context
        self.consequences = self._followed(Consequences(running, self._reading).of)
        self.above = self._followed(Trees(running, self._reading).above)

    async def close(self) -> None:
        """Let what runs in the background end; the database closes after it."""
        await self._writing.close()

    def _followed(self, work: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
        """Return `work`, done once more if the tables changed under it."""

        async def done(*args: P.args, **kwargs: P.kwargs) -> T:
            await self._writing.acts.settle()
            return await again(self._running, lambda: work(*args, **kwargs))

        return done

    def act(self, actor: Actor, reason: str = "", why: Why = NO_REASON) -> AbstractAsyncContextManager[Act]:
        """Return a context whose writes make one change-set and take effect together or not at all.

        `why` is what else the act tells of itself.
        """
        return self._writing.acts.act(actor, replace(why, reason=reason) if reason else why)

    def attempt(self, actor: Actor, reason: str = "", origin: str = "") -> AbstractAsyncContextManager[Act]:
        """Return a context for a part of an act that may fail without taking the rest of the act along."""
        return self._writing.acts.attempt(actor, reason, origin)

    def part(self, actor: Actor, origin: str) -> AbstractAsyncContextManager[Act]:
        """Return a context whose writes are told to come from a part of the source, such as "row 17"."""
        return self._writing.acts.part(actor, origin)

    async def create(self, actor: Actor, entity: str, values: Mapping[str, Any]) -> Record:
        """Create a record and return it as the actor sees it.

        Raises:
            NotFound: no such entity for the actor, or they may not create one.
            Invalid: values are refused; all of them at once.
            Conflict: a unique value is there already.
            Forbidden: the actor's rules do not cover the new record.
        """

        async def work() -> Record:
            async with self._writing.acts.act(actor) as act:
                return await self._shown(act, actor, entity, await self._writing.create(actor, entity, values))

        return await again(self._running, work)

    async def update(
        self, actor: Actor, entity: str, id: UUID, values: Mapping[str, Any], version: int | None = None
    ) -> Record:
        """Change some fields of a record and return it.

        Raises:
            Precondition: `version` is given and is not the record's.
            NotFound, Forbidden, Invalid, Conflict: as in `create`.
        """

        async def work() -> Record:
            async with self._writing.acts.act(actor) as act:
                await self._writing.update(actor, entity, id, values, version)
                return await self._shown(act, actor, entity, id)

        return await again(self._running, work)

    async def merge_update(
        self, actor: Actor, entity: str, id: UUID, values: Mapping[str, Any], version: int
    ) -> Record:
        """Change some fields of a record as of `version`, and return it.

        Others may have changed other fields since: these stay, and stand in ``_merged``.

        Raises:
            Precondition: the same fields were changed since; ``conflicts`` says to what, and by whom.
            NotFound, Forbidden, Invalid, Conflict: as in `create`.
        """

        async def work() -> Record:
            async with self._writing.acts.act(actor) as act:
                merged = await self._merging.update(actor, entity, id, values, version)
                record = await self._shown(act, actor, entity, id)
                kept = [name for name in merged if name in record and name not in record.get("_masked", ())]
                return {**record, "_merged": kept} if kept else record

        return await again(self._running, work)

    async def clone(self, actor: Actor, entity: str, id: UUID, values: Mapping[str, Any]) -> Record:
        """Create a record with the values and links of another, `values` instead of its own, and return it.

        Not taken over are values of unique keys, the state, and what the actor may not read there or write here.
        """

        async def work() -> Record:
            async with self._writing.acts.act(actor) as act:
                return await self._shown(act, actor, entity, await self._writing.clone(actor, entity, id, values))

        return await again(self._running, work)

    async def restore(self, actor: Actor, entity: str, id: UUID) -> Record:
        """Take a record out of the trash and return it."""

        async def work() -> Record:
            async with self._writing.acts.act(actor) as act:
                await self._writing.restore(actor, entity, id)
                return await self._shown(act, actor, entity, id)

        return await again(self._running, work)

    async def run(
        self, actor: Actor, entity: str, id: UUID, action: str, values: Mapping[str, Any], version: int | None = None
    ) -> Record:
        """Make a transition, press a button or run a plugin's action, and return the record.

        Of a button that opens a web address, `_open` is the address, made of what the actor may read.
        """

        async def work() -> Record:
            async with self._writing.acts.act(actor) as act:
                await self._writing.run(actor, entity, id, action, values, version)
                record = await self._shown(act, actor, entity, id)
                offer = act.live.entities[entity].actions.get(action)
                if isinstance(offer, Press) and offer.address is not None:
                    record["_open"] = opened(offer, record, actor, act.live.parsing, act.changes.at)
                return record

        return await again(self._running, work)

    async def create_many(
        self, actor: Actor, entity: str, rows: Iterable[Mapping[str, Any]], origins: Sequence[str] = ()
    ) -> Sequence[UUID]:
        """Create records in one act, all or none, and return their ids.

        `origins` say which part of the source each comes from, such as "row 17": none, or one per row.
        """
        known = list(rows)
        return await again(self._running, lambda: self._many.create(actor, entity, known, origins))

    async def hold(self, name: str) -> None:
        """Hold a lock against all processes until the act that is open ends; see `Bound.hold`."""
        await self._running.store.lock(f"xrm.records.{name}")

    async def again(self, work: Callable[[], Awaitable[T]]) -> T:
        """Return what `work` returns: acts of a caller's own, done once more if the tables changed under them."""
        return await again(self._running, work)

    def bound(self, actor: Actor) -> Bound:
        """Return this door for one actor, as plugins get it."""
        return Bound(self, actor)

    async def _shown(self, act: Act, actor: Actor, entity: str, id: UUID) -> Record:
        """Return a record that was just written: as its last write showed it, or read anew."""
        shown = act.log.shown
        if shown is None or shown.id != id or shown.actor != actor:
            return await self.get(actor, entity, id)
        known = act.live.model.entities[entity]
        return await self._reading.shown(act.live, actor, known, shown.selection, shown.row)


@dataclass(frozen=True, slots=True)
class Bound:
    """The records door for one actor: what plugins work with. Joins the act it is used in."""

    door: Records
    actor: Actor

    def attempt(self, reason: str = "") -> AbstractAsyncContextManager[Act]:
        """Return a context whose writes take effect together or not at all; it may fail without the rest of the act."""
        return self.door.attempt(self.actor, reason)

    async def hold(self, name: str) -> None:
        """Hold a lock of this name against all processes until the act ends: for what must be true of many records."""
        await self.door.hold(name)

    async def get(self, entity: str, id: UUID | str) -> Record:
        """Return one record."""
        return await self.door.get(self.actor, entity, _id(id))

    async def list(
        self,
        entity: str,
        filter: str = "",
        sort: tuple[str, ...] = (),
        limit: int = 50,
        after: str = "",
        search: str = "",
    ) -> Page:
        """Return one page of records."""
        return await self.door.list(self.actor, entity, Query(filter, sort, (), search, limit, after))

    async def find(self, entity: str, filter: str) -> Record | None:
        """Return the first record for which `filter` holds, or None."""
        page = await self.list(entity, filter, limit=1)
        return page.records[0] if page.records else None

    async def count(self, entity: str, filter: str = "") -> Count:
        """Return how many records there are for which `filter` holds."""
        return await self.door.count(self.actor, entity, Query(filter))

    async def aggregate(self, entity: str, totals: Totals) -> Sequence[Record]:
        """Return totals per group."""
        return await self.door.aggregate(self.actor, entity, totals)

    async def create(self, entity: str, values: Mapping[str, Any]) -> Record:
        """Create a record and return it."""
        return await self.door.create(self.actor, entity, values)

    async def create_many(self, entity: str, rows: Iterable[Mapping[str, Any]]) -> Sequence[UUID]:
        """Create records, all or none, and return their ids."""
        return await self.door.create_many(self.actor, entity, rows)

    async def update(self, entity: str, id: UUID | str, values: Mapping[str, Any]) -> Record:
        """Change some fields of a record and return it."""
        return await self.door.update(self.actor, entity, _id(id), values)

    async def delete(self, entity: str, id: UUID | str) -> None:
        """Put a record into the trash."""
        await self.door.delete(self.actor, entity, _id(id))

    async def run(self, entity: str, id: UUID | str, action: str, values: Mapping[str, Any]) -> Record:
        """Make a transition or run an action, and return the record."""
        return await self.door.run(self.actor, entity, _id(id), action, values)


def _id(id: UUID | str) -> UUID:
    return id if isinstance(id, UUID) else UUID(id)
