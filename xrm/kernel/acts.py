"""The act: one transaction, one change-set. Writes inside join it; a part may be attempted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from xrm.errors import Conflict, ReadOnly
from xrm.kernel.change import Actor, Change, ChangeSet, uuid7
from xrm.kernel.following import following
from xrm.kernel.history.log import Entry, Log, LogStatements
from xrm.kernel.live import Live, Running

MAX_NESTING = 20  # writes that hooks of writes may make, one inside the other


@dataclass(frozen=True, slots=True)
class Act:
    """One running act: its change-set, and the generation it began on."""

    live: Live
    changes: ChangeSet
    log: Log
    depth: int = 0
    origin: str = ""

    @property
    def actor(self) -> Actor:
        """Who acts."""
        return self.changes.actor


Settle = Callable[[Sequence[Any]], Awaitable[None]]


async def _nothing_waits(_: Sequence[Any]) -> None:
    """Stand in for storing: nothing was made to wait."""


@dataclass(frozen=True, slots=True)
class Why:
    """What an act tells of itself, beside who acts. The attributes are those of `ChangeSet`."""

    reason: str = ""
    idempotency_key: str = ""
    origin: str = ""
    run: UUID | None = None
    undoes: UUID | None = None


NO_REASON = Why()


class Acts:
    """Opens acts. The open one is kept in a context variable: whatever is awaited inside joins it."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._statements = LogStatements(running.store.dialect)
        self._open: ContextVar[Act | None] = ContextVar("xrm_act", default=None)
        self._settle: Settle = _nothing_waits

    @asynccontextmanager
    async def act(self, actor: Actor, why: Why = NO_REASON) -> AsyncIterator[Act]:
        """Open an act, or join the one that is open: its writes take effect together or not at all."""
        running = self._open.get()
        if running is not None and self._running.store.in_transaction:
            await self.settle()
            yield _joined(running, actor)
            return
        live, now = self._running.live, self._running.clock()
        if self._running.read_only:
            raise ReadOnly(self._running.read_only)
        changes = ChangeSet(
            uuid7(int(now.timestamp() * 1000)),
            now,
            actor,
            why.reason,
            why.idempotency_key,
            live.generation,
            why.origin,
            why.run,
            why.undoes,
        )
        act = Act(live, changes, Log(actor))
        async with following(self._running), self._running.store.transaction():
            token = self._open.set(act)
            try:
                yield act
                await self._statements.close(self._running.store, changes, act.log)
            finally:
                self._open.reset(token)
        if act.log.changed:
            self._running.bell.ring()

    @asynccontextmanager
    async def attempt(self, actor: Actor, reason: str = "", origin: str = "") -> AsyncIterator[Act]:
        """Open a part of the running act that may fail without taking the rest along, or an act if none is open.

        `origin` says which part of the source it comes from, such as "row 17".
        """
        running = self._open.get()
        if running is None or not self._running.store.in_transaction:
            async with self.act(actor, Why(reason)), self.part(actor, origin) as act:
                yield act
            return
        await self.settle()
        await self._spill(running)
        log, changes = running.log, running.changes
        entries, count = len(log.entries), len(changes.changes)
        log.attempts += 1
        try:
            async with self._running.store.transaction(), self.part(actor, origin) as act:
                yield act
        except BaseException:
            del log.entries[entries:]
            del changes.changes[count:]
            raise
        finally:
            log.attempts -= 1

    @asynccontextmanager
    async def part(self, actor: Actor, origin: str) -> AsyncIterator[Act]:
        """Say of a part of the act, or of an act if none is open, which part of the source it comes from: "row 17"."""
        async with self.act(actor) as act:
            if not origin:
                yield act
                return
            told = replace(act, origin=origin)
            token = self._open.set(told)
            try:
                yield told
            finally:
                self._open.reset(token)

    def on_settle(self, store: Settle) -> None:
        """Say how new records that wait to be stored are stored."""
        self._settle = store

    async def settle(self) -> None:
        """Store what waits in the open act: whoever reads or writes next must find it."""
        running = self._open.get()
        if running is not None and running.log.waiting:
            waiting = tuple(running.log.waiting)
            running.log.waiting.clear()
            await self._settle(waiting)

    async def note(self, act: Act, change: Change) -> None:
        """Log a record's write."""
        act.log.shown = None
        act.log.entries.append(Entry.of(change, act.actor, act.origin))
        act.changes.changes.append(change)
        await self._spill(act)

    async def _spill(self, act: Act) -> None:
        if act.log.full:
            await self._statements.spill(self._running.store, act.changes, act.log)

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


def _joined(running: Act, actor: Actor) -> Act:
    if running.actor == actor:
        return running
    return replace(running, changes=replace(running.changes, actor=actor, changes=[]))
