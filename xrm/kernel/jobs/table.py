"""The table of jobs: asking for one, taking those that are due, and what becomes of them. All SQL of jobs is here.

A job is taken with a lease and a fence. Whoever holds it must renew the lease; when it ran out, another may take the
job, and the fence counts up, so that whatever the earlier holder still writes is refused in its own transaction.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from xrm.kernel.change import uuid7
from xrm.kernel.jobs.kind import CANCELLED, DONE, FAILED, RUNNING, WAITING, Job, NewJob
from xrm.kernel.store.sql import Binder
from xrm.kernel.store.store import Store
from xrm.kernel.store.system import SYSTEM

_COLUMNS = {column.name: column.type for column in SYSTEM.tables["xrm_job"].columns}
_NAMES = tuple(f.name for f in fields(Job))
_SELECTED = ", ".join(f"j.{name}" for name in _NAMES)
_IS_WAITING, _IS_RUNNING = f"state = '{WAITING}'", f"state = '{RUNNING}'"
LANE = 2  # jobs of one lane that run at the same time
MOST_ERROR = 2_000  # characters of an error that are kept


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which jobs a list shows; empty = all."""

    state: str = ""
    kind: str = ""
    actor: UUID | None = None


class JobTable:
    """Reads and writes jobs of one database."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._decode = tuple(store.dialect.decode(_COLUMNS[name]) for name in _NAMES)

    # --- asking for one ---

    async def enqueue(self, job: NewJob, now: datetime) -> UUID:
        """Keep a job in the transaction that is open, and tell all processes with its commit; return its id.

        While one with the same `unique` waits, that one is kept, and locked: it begins only after this transaction.
        """
        id = _ordered_id()
        run_at = job.run_at or now
        row: dict[str, Any] = {
            "id": id,
            "kind": job.kind,
            "payload": dict(job.payload),
            "state": WAITING,
            "priority": job.priority,
            "run_at": run_at,
            "unique_key": job.unique or None,
            "serial_key": job.serial or None,
            "lane": job.lane or None,
            "actor": job.actor,
            "attempts": 0,
            "fence": 0,
            "memory": {},
            "done": 0,
            "total": job.total,
            "created_at": now,
        }
        binder = Binder(self._store.dialect)
        places = ", ".join(binder.bind(value, _COLUMNS[name]) for name, value in row.items())
        text = (
            f"INSERT INTO xrm_job ({', '.join(row)}) VALUES ({places}) ON CONFLICT (unique_key) DO UPDATE"
            " SET run_at = CASE WHEN excluded.run_at < xrm_job.run_at THEN excluded.run_at ELSE xrm_job.run_at END"
        )
        await self._store.execute(text, binder.params)
        if run_at <= now:
            await self._store.announce()
        return id

    # --- taking those that are due ---

    async def is_due(self, kinds: Collection[str], now: datetime) -> bool:
        """Return whether any job waits that may begin, or was left by whoever held it."""
        if not kinds:
            return False
        binder = Binder(self._store.dialect)
        names, moment = _several(binder, "kind", kinds), binder.bind(now, _COLUMNS["run_at"])
        waiting = f"SELECT 1 FROM xrm_job WHERE {_IS_WAITING} AND run_at <= {moment} AND kind IN ({names})"
        left = f"SELECT 1 FROM xrm_job WHERE {_IS_RUNNING} AND lease_until < {moment}"
        text = f"SELECT EXISTS ({waiting}) OR EXISTS ({left})"
        return bool((await self._store.fetch(text, binder.params))[0][0])

    async def claim(
        self, runner: str, kinds: Mapping[str, tuple[str, int]], most: int, now: datetime, lease: timedelta
    ) -> list[Job]:
        """Take up to `most` jobs that are due, for `runner`; each is then held by nobody else.

        Args:
            runner: Who takes them.
            kinds: The kinds the runner knows: name → (queue, most at the same time of that queue).
            most: How many it has room for.
            now: The time.
            lease: How long they are its own without a sign of life.
        """
        async with self._store.transaction():
            await self._store.lock("xrm.jobs")
            free = await self._free(kinds)
            found = await self._candidates([k for k, (queue, _) in kinds.items() if free[queue] > 0], now)
            taken = _fitting(found, {name: queue for name, (queue, _) in kinds.items()}, free, most)
            if taken:
                await self._take([job.id for job in taken], runner, now + lease)
        return [_begun(job, runner) for job in taken]

    async def _free(self, kinds: Mapping[str, tuple[str, int]]) -> dict[str, int]:
        free: dict[str, int] = {}
        for queue, most in kinds.values():
            free[queue] = min(free.get(queue, most), most)
        running_now = f"SELECT kind, count(*) FROM xrm_job WHERE {_IS_RUNNING} GROUP BY kind"
        for kind, running in await self._store.fetch(running_now):
            if kind in kinds:
                free[kinds[kind][0]] -= running
        return free

    async def _candidates(self, kinds: Sequence[str], now: datetime) -> list[Job]:
        if not kinds:
            return []
        binder = Binder(self._store.dialect)
        moment = binder.bind(now, _COLUMNS["run_at"])
        before = (
            "SELECT 1 FROM xrm_job e WHERE e.serial_key = j.serial_key"
            f" AND (e.{_IS_RUNNING} OR (e.{_IS_WAITING} AND e.id < j.id))"
        )
        beside = f"SELECT count(*) FROM xrm_job e WHERE e.lane = j.lane AND e.{_IS_RUNNING}"
        lock = " FOR UPDATE SKIP LOCKED" if self._store.dialect.name == "postgresql" else ""
        text = (
            f"SELECT {_SELECTED} FROM xrm_job j WHERE j.{_IS_WAITING} AND j.run_at <= {moment}"
            f" AND j.kind IN ({_several(binder, 'kind', kinds)})"
            f" AND (j.serial_key IS NULL OR NOT EXISTS ({before}))"
            f" AND (j.lane IS NULL OR ({beside}) < {LANE})"
            f" ORDER BY j.priority DESC, j.run_at, j.id LIMIT 50{lock}"
        )
        return self._jobs(await self._store.fetch(text, binder.params))

    async def _take(self, ids: Sequence[UUID], runner: str, until: datetime) -> None:
        changes = {"state": RUNNING, "runner": runner, "lease_until": until, "unique_key": None}
        more = "fence = fence + 1, attempts = attempts + 1"
        await self._set(changes, {"id": ids}, more)

    async def take_back(self, most_attempts: Mapping[str, int], now: datetime) -> None:
        """Let jobs be taken anew whose holder showed no life; one that had all its attempts is a dead letter."""
        binder = Binder(self._store.dialect)
        moment = binder.bind(now, _COLUMNS["lease_until"])
        text = f"SELECT id, kind, attempts FROM xrm_job WHERE {_IS_RUNNING} AND lease_until < {moment}"
        if not await self._store.fetch(text, binder.params):
            return
        async with self._store.transaction():
            await self._store.lock("xrm.jobs")
            for id, kind, attempts in await self._store.fetch(text, binder.params):
                worn = attempts >= most_attempts.get(kind, attempts + 1)
                changes = {"state": FAILED if worn else WAITING, "lease_until": None, "runner": None}
                told = {"error": "Whoever ran it ended in the middle.", **({"finished_at": now} if worn else {})}
                await self._set({**changes, **told}, {"id": [self._uuid(id)]})

    async def runners(self) -> list[str]:
        """Return who holds jobs."""
        text = f"SELECT DISTINCT runner FROM xrm_job WHERE {_IS_RUNNING}"
        return [row[0] for row in await self._store.fetch(text) if row[0]]

    async def give_up(self, runner: str, now: datetime) -> None:
        """End the leases of a runner that is known to be no more."""
        past = now - timedelta(seconds=1)
        await self._set({"lease_until": past}, {"runner": [runner], "state": [RUNNING]})

    # --- while it runs, and after ---

    async def renew(self, runner: str, until: datetime) -> dict[UUID, int]:
        """Renew all leases of a runner; return the jobs it still holds, with their fences."""
        await self._set({"lease_until": until}, {"runner": [runner], "state": [RUNNING]})
        binder = Binder(self._store.dialect)
        where = self._where(binder, {"runner": [runner], "state": [RUNNING]})
        rows = await self._store.fetch(f"SELECT id, fence FROM xrm_job WHERE {where}", binder.params)
        return {self._uuid(id): fence for id, fence in rows}

    async def hold(self, job: Job, changes: Mapping[str, Any]) -> bool:
        """Write to a job that is still held as it was taken; return whether it is. The row stays locked meanwhile."""
        return await self._set(changes, {"id": [job.id], "fence": [job.fence], "state": [RUNNING]}) == 1

    async def finish(self, job: Job, now: datetime) -> None:
        """Note that a job is done."""
        await self.hold(job, {"state": DONE, "finished_at": now, "lease_until": None, "error": None})

    async def fail(self, job: Job, error: str, now: datetime) -> None:
        """Make a job a dead letter."""
        ended = {"state": FAILED, "finished_at": now, "lease_until": None}
        await self.hold(job, {**ended, "error": error[:MOST_ERROR]})

    async def postpone(self, job: Job, until: datetime, error: str = "", attempts: int | None = None) -> None:
        """Let a job wait until a moment; `attempts` are as they were unless given."""
        changes = {"state": WAITING, "run_at": until, "lease_until": None, "runner": None}
        counted = {} if attempts is None else {"attempts": attempts}
        await self.hold(job, {**changes, **counted, "error": error[:MOST_ERROR] or None})

    # --- for people ---

    async def find(self, id: UUID) -> Job | None:
        """Return one job, or None."""
        binder = Binder(self._store.dialect)
        where = self._where(binder, {"id": [id]})
        rows = await self._store.fetch(f"SELECT {_SELECTED} FROM xrm_job j WHERE {where}", binder.params)
        return self._jobs(rows)[0] if rows else None

    async def page(self, wanted: Wanted, before: UUID | None = None, limit: int = 50) -> list[Job]:
        """Return jobs, the newest first; `before` is the last id of the page before."""
        binder = Binder(self._store.dialect)
        terms = {n: [v] for n, v in (("state", wanted.state), ("kind", wanted.kind), ("actor", wanted.actor)) if v}
        where = [self._where(binder, terms)] if terms else []
        if before is not None:
            where.append(f"j.id < {binder.bind(before, _COLUMNS['id'])}")
        text = f"SELECT {_SELECTED} FROM xrm_job j WHERE {' AND '.join(where) or '1 = 1'}"
        rows = await self._store.fetch(f"{text} ORDER BY j.id DESC LIMIT {int(limit)}", binder.params)
        return self._jobs(rows)

    async def waiting(self, kind: str) -> Sequence[Job]:
        """Return the jobs of a kind that are not over, the oldest first."""
        binder = Binder(self._store.dialect)
        where = self._where(binder, {"kind": [kind], "state": [WAITING, RUNNING]})
        text = f"SELECT {_SELECTED} FROM xrm_job j WHERE {where} ORDER BY j.id"
        return self._jobs(await self._store.fetch(text, binder.params))

    async def counts(self) -> dict[tuple[str, str], int]:
        """Return how many jobs there are by (kind, state), of those that are not done or cancelled."""
        open_ones = f"'{WAITING}', '{RUNNING}', '{FAILED}'"
        text = f"SELECT kind, state, count(*) FROM xrm_job WHERE state IN ({open_ones}) GROUP BY kind, state"
        return {(kind, state): count for kind, state, count in await self._store.fetch(text)}

    async def retry(self, id: UUID, now: datetime) -> bool:
        """Start a job anew that is a dead letter, was cancelled, or waits for its next attempt; return whether it was.

        What it remembers of steps that were done is kept: they are not done again.
        """
        changes = {"state": WAITING, "run_at": now, "attempts": 0, "finished_at": None, "runner": None}
        async with self._store.transaction():
            done = await self._set(changes, {"id": [id], "state": [FAILED, CANCELLED, WAITING]})
            await self._store.announce()
        return done == 1

    async def cancel(self, id: UUID, now: datetime) -> bool:
        """End a job that waits or runs, or a dead letter; return whether there was one. A running one is stopped."""
        changes = {"state": CANCELLED, "finished_at": now, "lease_until": None, "unique_key": None}
        done = await self._set(changes, {"id": [id], "state": [WAITING, RUNNING, FAILED]}, "fence = fence + 1")
        return done == 1

    async def forget(self, states: Sequence[str], before: datetime) -> int:
        """Delete jobs that ended before a moment; return how many."""
        binder = Binder(self._store.dialect)
        where = self._where(binder, {"state": states})
        moment = binder.bind(before, _COLUMNS["finished_at"])
        text = f"DELETE FROM xrm_job WHERE {where} AND finished_at < {moment}"
        return await self._store.execute(text, binder.params)

    # --- within ---

    async def _set(self, changes: Mapping[str, Any], where: Mapping[str, Sequence[Any]], more: str = "") -> int:
        binder = Binder(self._store.dialect)
        sets = [f"{name} = {binder.bind(value, _COLUMNS[name])}" for name, value in changes.items()]
        text = f"UPDATE xrm_job SET {', '.join([*sets, *([more] if more else [])])}"
        return await self._store.execute(f"{text} WHERE {self._where(binder, where)}", binder.params)

    @staticmethod
    def _where(binder: Binder, where: Mapping[str, Sequence[Any]]) -> str:
        return " AND ".join(f"{name} IN ({_several(binder, name, values)})" for name, values in where.items())

    def _jobs(self, rows: Sequence[Sequence[Any]]) -> list[Job]:
        found = [[d(v) if d else v for d, v in zip(self._decode, row, strict=True)] for row in rows]
        return [Job(**dict(zip(_NAMES, cells, strict=True))) for cells in found]

    def _uuid(self, stored: Any) -> UUID:
        decode = self._store.dialect.decode(_COLUMNS["id"])
        found: UUID = decode(stored) if decode else stored
        return found


def _ordered_id() -> UUID:
    """Return an id that sorts after those made before it in this process (RFC 9562 §6.2, method 3)."""
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    fraction = rest * 4096 // 1_000_000
    return UUID(int=uuid7(milliseconds).int & ~(0xFFF << 64) | fraction << 64)


def _fitting(found: Sequence[Job], queues: Mapping[str, str], free: dict[str, int], most: int) -> list[Job]:
    """Return those that there is room for, one at a time of each lane; `free` is what is left of each queue."""
    taken: list[Job] = []
    lanes: set[str] = set()
    for job in found:
        queue = queues[job.kind]
        if len(taken) < most and free[queue] > 0 and job.lane not in lanes:
            free[queue] -= 1
            taken.append(job)
            if job.lane is not None:
                lanes.add(job.lane)
    return taken


def _several(binder: Binder, name: str, values: Collection[Any]) -> str:
    return ", ".join(binder.bind(value, _COLUMNS[name]) for value in values)


def _begun(job: Job, runner: str) -> Job:
    cells = {name: getattr(job, name) for name in _NAMES}
    return Job(**{**cells, "state": RUNNING, "runner": runner, "fence": job.fence + 1, "attempts": job.attempts + 1})
