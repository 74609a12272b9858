"""The act: one transaction, one change-set. Writes inside join it; a part may be attempted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

from xrm.errors import Conflict
from xrm.kernel.change import Actor, ChangeSet, uuid7
from xrm.kernel.following import following
from xrm.kernel.live import Live, Running
from xrm.kernel.rows import LogStatements

MAX_NESTING = 20  # writes that hooks of writes may make, one inside the other


@dataclass(frozen=True, slots=True)
class Act:
    """One running act: its change-set, and the generation it began on."""

    live: Live
    changes: ChangeSet
    depth: int = 0

    @property
    def actor(self) -> Actor:
        """Who acts."""
        return self.changes.actor


class Acts:
    """Opens acts. The open one is kept in a context variable: whatever is awaited inside joins it."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._log = LogStatements(running.store.dialect)
        self._open: ContextVar[Act | None] = ContextVar("xrm_act", default=None)

    @asynccontextmanager
    async def act(self, actor: Actor, reason: str = "", idempotency_key: str = "") -> AsyncIterator[Act]:
        """Open an act, or join the one that is open: its writes take effect together or not at all."""
        running = self._open.get()
        if running is not None and self._running.store.in_transaction:
            yield await self._join(running, actor)
            return
        live = self._running.live
        changes = ChangeSet(uuid7(), self._running.clock(), actor, reason, idempotency_key, live.generation)
        async with following(self._running), self._running.store.transaction():
            token = self._open.set(Act(live, changes))
            try:
                yield Act(live, changes)
            finally:
                self._open.reset(token)

    @asynccontextmanager
    async def attempt(self, actor: Actor, reason: str = "") -> AsyncIterator[Act]:
        """Open a part of the running act that may fail without taking the rest along, or an act if none is open."""
        running = self._open.get()
        if running is None or not self._running.store.in_transaction:
            async with self.act(actor, reason) as act:
                yield act
            return
        changes = running.changes
        stored, count = changes.stored, len(changes.changes)
        try:
            async with self._running.store.transaction():
                yield await self._join(running, actor)
        except BaseException:
            changes.stored = stored
            del changes.changes[count:]
            raise

    async def _join(self, running: Act, actor: Actor) -> Act:
        if running.actor == actor:
            return running
        joined = ChangeSet(
            running.changes.id, running.changes.at, actor, running.changes.reason, generation=running.live.generation
        )
        joined.stored = 1  # its row is there, or comes with the act it joined
        if not running.changes.stored:
            await self._store(running)
        return Act(running.live, joined, running.depth)

    @contextmanager
    def deeper(self, act: Act) -> Iterator[None]:
        """Count how deep writes made by hooks of writes are nested."""
        if act.depth >= MAX_NESTING:
            raise Conflict("Hooks of this record write without end.")
        token = self._open.set(replace(act, depth=act.depth + 1))
        try:
            yield
        finally:
            self._open.reset(token)

    async def _store(self, act: Act) -> None:
        text, args = self._log.changeset(act.changes)
        await self._running.store.execute(text, args)
        act.changes.stored += 1
