"""One attempt of a job, as its work gets it: what was asked for, what is done already, and how to do each part once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from xrm.kernel.change import SYSTEM, Actor
from xrm.kernel.jobs.kind import Job, Later, LeaseLost
from xrm.kernel.jobs.table import JobTable

if TYPE_CHECKING:
    from xrm.kernel.hooks import Context
    from xrm.kernel.kernel import Kernel
    from xrm.kernel.records import Bound


class JobRun:
    """An attempt of a job.

    Work may be called again from the start: after a crash, a restart, an error. So it does its parts through `once`
    (what it writes to this site, exactly once) and `step` (what it does elsewhere, at least once; `key` lets the other
    side tell a repetition).

    Attributes:
        kernel: The running site.
    """

    def __init__(self, kernel: Kernel, table: JobTable, job: Job) -> None:
        self.kernel, self._table, self._job = kernel, table, job
        self._memory: dict[str, Any] = dict(job.memory)

    @property
    def id(self) -> UUID:
        """The job's id."""
        return self._job.id

    @property
    def payload(self) -> Mapping[str, Any]:
        """What it is about, as it was asked for."""
        return self._job.payload

    @property
    def attempt(self) -> int:
        """The number of this attempt, from 1."""
        return self._job.attempts

    @property
    def asked_by(self) -> UUID | None:
        """The user who asked for it; None = the system."""
        return self._job.actor

    @property
    def created_at(self) -> datetime:
        """When it was asked for."""
        return self._job.created_at

    @property
    def now(self) -> datetime:
        """The time."""
        return self.kernel.clock()

    @property
    def memory(self) -> Mapping[str, Any]:
        """What is kept from one attempt to the next, by name."""
        return self._memory

    @property
    def actor(self) -> Actor:
        """The system, as the history shows it for this job."""
        return replace(SYSTEM, source=f"job:{self._job.kind}")

    @property
    def records(self) -> Bound:
        """The records door for the system; use it within `once`."""
        return self.kernel.records.bound(self.actor)

    @property
    def context(self) -> Context:
        """What plugins' code is given, for the system."""
        return self.kernel.records.context(self.actor)

    def key(self, step: str) -> str:
        """Return the idempotency key of a step: the same in every attempt, and of no other job."""
        return f"{self._job.id}:{step}"

    # --- doing parts once ---

    @asynccontextmanager
    async def once(self, step: str, actor: Actor | None = None) -> AsyncIterator[bool]:
        """Open an act for a part that writes to this site; gives False when it was done already.

        What is written inside and the memory of it take effect together, and only while this job is still held.

        Raises:
            LeaseLost: it is held by another now; nothing is written.
        """
        if step in self._memory:
            yield False
            return
        before = dict(self._memory)
        try:
            async with self.kernel.records.act(actor or self.actor):
                await self.remember(step, True)  # noqa: FBT003 - what is remembered
                yield True
        except BaseException:
            self._memory = before
            raise

    @asynccontextmanager
    async def part(self) -> AsyncIterator[None]:
        """Open a transaction that takes effect only while this job is still held; `remember` joins it."""
        before = dict(self._memory)
        try:
            async with self.kernel.store.transaction():
                await self._hold({})
                yield
        except BaseException:
            self._memory = before
            raise

    async def step(self, name: str, work: Callable[[], Awaitable[Any]]) -> Any:
        """Do something outside of this site, and keep its (JSON) result: a later attempt gets it without doing it.

        A crash between the two repeats it, so give the other side `key(name)`.
        """
        if name not in self._memory:
            await self.remember(name, await work())
        return self._memory[name]

    async def remember(self, name: str, value: Any) -> None:
        """Keep a JSON value for later attempts, in the transaction that is open if there is one.

        Raises:
            LeaseLost: the job is held by another now.
        """
        self._memory[name] = value
        await self._hold({"memory": self._memory})

    async def progress(self, done: int, total: int = 0, note: str = "") -> None:
        """Say how far it is.

        Raises:
            LeaseLost: the job is held by another now.
        """
        await self._hold({"done": done, "total": total, "note": note[:200] or None})

    async def sleep(self, name: str, pause: timedelta) -> None:
        """Go on only after `pause`, counted from the first time this is reached; restarts do not matter."""
        if name not in self._memory:
            await self.remember(name, (self.now + pause).isoformat())
        left = datetime.fromisoformat(self._memory[name]) - self.now
        if left > timedelta():
            raise Later(left)

    async def _hold(self, changes: Mapping[str, Any]) -> None:
        if not await self._table.hold(self._job, changes or {"fence": self._job.fence}):
            raise LeaseLost
