"""Jobs: the door to work for later, and the runner that does it in this process."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import random
import time
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from xrm.errors import XrmError
from xrm.kernel.jobs.kind import CANCELLED, DONE, FAILED, Hopeless, Job, JobKind, Later, LeaseLost, NewJob
from xrm.kernel.jobs.neighbours import is_gone, own_name
from xrm.kernel.jobs.run import JobRun
from xrm.kernel.jobs.table import JobTable
from xrm.kernel.store.errors import TablesChanged, met_other_tables

if TYPE_CHECKING:
    from xrm.kernel.kernel import Kernel

LEASE = timedelta(seconds=30)
BEAT = 6.0  # seconds between two signs of life
POLL = 1.0  # seconds between two looks for jobs that are due, when nobody tells of one
FOLLOW = 0.3  # seconds after a write in which further ones are waited for
UPKEEP = 20.0  # seconds between two looks for schedules and for runners that ended
KEPT_DAYS, KEPT_LETTERS = 7, 90  # days that jobs are kept that ended well, or did not
_jitter = random.SystemRandom()

log = logging.getLogger("xrm.jobs")


class Jobs:
    """The jobs of a site.

    Args:
        kernel: The site.
        builtin: Kinds of the kernel itself; plugins add theirs.
    """

    def __init__(self, kernel: Kernel, builtin: Sequence[JobKind]) -> None:
        self._kernel, self._builtin = kernel, (*builtin, TIDY)
        self.table = JobTable(kernel.store)
        self.name = own_name()
        self._kinds: tuple[int, Mapping[str, JobKind]] = (-1, {})
        self._wake = asyncio.Event()
        self._running: dict[UUID, tuple[Job, asyncio.Task[None]]] = {}
        self._loops: list[asyncio.Task[None]] = []
        self._looked = 0.0

    @property
    def kinds(self) -> Mapping[str, JobKind]:
        """The kinds there are, by name; collected once per generation."""
        number = self._kernel.live.generation
        if self._kinds[0] != number:
            found = (*self._builtin, *self._kernel.plugins.collect("jobs"))
            self._kinds = number, {kind.name: kind for kind in found}
        return self._kinds[1]

    @property
    def running(self) -> int:
        """How many jobs this process runs now."""
        return len(self._running)

    async def enqueue(self, job: NewJob) -> UUID:
        """Ask for a job in the act that is open, or at once; return its id.

        Raises:
            KeyError: there is no such kind.
        """
        if job.kind not in self.kinds:
            raise KeyError(f"There is no kind of jobs {job.kind!r}.")
        if self._kernel.store.in_transaction:
            return await self.table.enqueue(job, self._kernel.clock())
        async with self._kernel.store.transaction():
            return await self.table.enqueue(job, self._kernel.clock())

    async def cancel(self, id: UUID) -> bool:
        """End a job; return whether it waited, ran or was a dead letter. One that runs elsewhere ends in a moment."""
        done = await self.table.cancel(id, self._kernel.clock())
        if done and id in self._running:
            self._running[id][1].cancel()
        return done

    async def retry(self, id: UUID) -> bool:
        """Start a dead letter, a cancelled job, or one that waits, now; return whether it was one."""
        return await self.table.retry(id, self._kernel.clock())

    # --- the runner ---

    def start(self, at_once: int) -> None:
        """Do what is due, up to `at_once` jobs at the same time, until `stop`; 0: only ask for what follows changes."""
        if not self._loops:
            made = (self._follow(), self._look_after(at_once), self._beat()) if at_once else (self._follow(),)
            self._loops = [asyncio.create_task(work, context=contextvars.Context()) for work in made]

    def wake(self) -> None:
        """Look for jobs that are due now."""
        self._wake.set()

    async def stop(self, grace: float = 0.0) -> None:
        """Begin no more, let those that run end within `grace` seconds, and give the others back."""
        loops, self._loops = self._loops, []
        beat = loops.pop() if len(loops) > 1 else None  # leases are renewed to the end
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
        tasks = [task for _, task in self._running.values()]
        if tasks and grace:
            await asyncio.wait(tasks, timeout=grace)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if beat is not None:
            beat.cancel()
            await asyncio.gather(beat, return_exceptions=True)

    async def work_off(self) -> int:
        """Do everything that is due, one after the other, and what that asks for; return how many jobs were run."""
        count = 0
        while self._kernel.ready:
            await self.table.take_back(self._most_attempts(), self._kernel.clock())
            taken = await self._claim(1)
            if not taken:
                break
            await asyncio.create_task(self._run(taken[0]), context=contextvars.Context())
            count += 1
        return count

    async def _look_after(self, at_once: int) -> None:
        while True:
            try:
                await self._round(at_once)
            except Exception as error:  # noqa: BLE001 - the database may be away, or older than this program
                self._tell_of(error)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), POLL)
            self._wake.clear()

    async def _round(self, at_once: int) -> None:
        if not self._kernel.ready or self._kernel.read_only:
            return
        if time.monotonic() - self._looked > UPKEEP:
            await self._upkeep()
            self._looked = time.monotonic()
        free = at_once - len(self._running)
        if free <= 0 or not await self.table.is_due(self.kinds, self._kernel.clock()):
            return
        await self.table.take_back(self._most_attempts(), self._kernel.clock())
        for job in await self._claim(free):
            task = asyncio.create_task(self._run(job), context=contextvars.Context())
            self._running[job.id] = job, task
            task.add_done_callback(partial(self._ended, job.id))
            self._wake.set()  # there may be more

    def _ended(self, id: UUID, _: asyncio.Task[None]) -> None:
        self._running.pop(id, None)
        self._wake.set()

    async def _claim(self, most: int) -> list[Job]:
        known = {kind.name: (kind.queue, kind.at_once) for kind in self.kinds.values()}
        return await self.table.claim(self.name, known, most, self._kernel.clock(), LEASE)

    def _most_attempts(self) -> dict[str, int]:
        return {kind.name: kind.attempts for kind in self.kinds.values()}

    async def _upkeep(self) -> None:
        """Ask for what is done by itself, and take over from runners of this machine that ended."""
        now = self._kernel.clock()
        for name in await self.table.runners():
            if is_gone(name, self.name):
                await self.table.give_up(name, now)
        for kind in self.kinds.values():
            if kind.every is not None and not await self.table.waiting(kind.name):
                own = f"every:{kind.name}"
                await self.enqueue(NewJob(kind.name, unique=own, serial=own, run_at=kind.next_time(now)))

    async def _follow(self) -> None:
        """Ask for what follows changes, a moment after records were written: not in the act, where all would wait."""
        while True:
            await self._kernel.bell.wait(UPKEEP)
            await asyncio.sleep(FOLLOW)
            try:
                await self.follow()
            except Exception as error:  # noqa: BLE001 - as above
                self._tell_of(error)

    async def follow(self) -> None:
        """Ask for the jobs that follow changes."""
        if not self._kernel.ready or self._kernel.read_only:
            return
        for kind in self.kinds.values():
            if kind.follows is not None and await kind.follows(self._kernel):
                await self.enqueue(NewJob(kind.name, unique=kind.name, serial=kind.name))

    async def _beat(self) -> None:
        """Renew the leases, and stop what this process no longer holds."""
        while True:
            await asyncio.sleep(BEAT)
            if not self._running:
                continue
            try:
                held = await self.table.renew(self.name, self._kernel.clock() + LEASE)
            except Exception as error:  # noqa: BLE001 - as above; the leases last for a while
                self._tell_of(error)
                continue
            for id, (job, task) in list(self._running.items()):
                if held.get(id) != job.fence:
                    task.cancel()

    # --- one attempt ---

    async def _run(self, job: Job) -> None:
        """Run one attempt and note what became of it; whatever the work raises ends here."""
        kind = self.kinds.get(job.kind)
        if kind is None:  # the model was reloaded without its plugin
            await self.table.postpone(job, self._kernel.clock() + LEASE, attempts=job.attempts - 1)
            return
        try:
            await kind.run(JobRun(self._kernel, self.table, job))
        except asyncio.CancelledError:
            await self._given_back(job)
            raise
        except LeaseLost:
            log.info("job=%s kind=%s is held by another now", job.id, job.kind)
        except Exception as error:  # noqa: BLE001 - whatever a job's work raises is noted with the job
            await self._noted(self._failed(kind, job, error))
        else:
            await self._noted(self.table.finish(job, self._kernel.clock()))

    async def _failed(self, kind: JobKind, job: Job, error: Exception) -> None:
        now = self._kernel.clock()
        if isinstance(error, (Later, TablesChanged)):
            pause = error.pause if isinstance(error, Later) else timedelta()
            await self.table.postpone(job, now + pause, str(error), job.attempts - 1)
            return
        told = error.message if isinstance(error, XrmError) else f"{type(error).__name__}: {error}"
        defect = None if isinstance(error, (XrmError, Hopeless)) else error
        name = type(error).__name__
        log.warning("job=%s kind=%s attempt=%d failed: %s", job.id, job.kind, job.attempts, name, exc_info=defect)
        if isinstance(error, Hopeless) or job.attempts >= kind.attempts:
            await self.table.fail(job, str(error) if isinstance(error, Hopeless) else told, now)
        else:
            await self.table.postpone(job, now + kind.wait(job.attempts, _jitter.uniform(0.8, 1.2)), told)

    async def _given_back(self, job: Job) -> None:
        """Let another take it at once, when this process ends; nothing, when it was taken away."""
        await self._noted(self.table.postpone(job, self._kernel.clock(), attempts=job.attempts - 1))

    async def _noted(self, work: Awaitable[None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - the lease runs out by itself, and the job is done again
            self._tell_of(error)

    def _tell_of(self, error: Exception) -> None:
        if met_other_tables(error):
            log.warning("Jobs wait: the database is not of this version. Run `xrm apply`.")
        else:
            log.warning("Jobs wait: %s", error if isinstance(error, XrmError) else type(error).__name__)


async def _tidy(run: JobRun) -> None:
    table = run.kernel.jobs.table
    await table.forget([DONE], run.now - timedelta(days=KEPT_DAYS))
    await table.forget([FAILED, CANCELLED], run.now - timedelta(days=KEPT_LETTERS))


TIDY = JobKind("jobs.tidy", "Forget old jobs", _tidy, every=timedelta(hours=1), after=timedelta(minutes=7))
