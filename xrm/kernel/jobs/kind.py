"""What a job is made of: its kind, how it is asked for, and how its work says that it cannot go on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from xrm.metadata.model import empty

if TYPE_CHECKING:
    from xrm.kernel.jobs.run import JobRun
    from xrm.kernel.kernel import Kernel

WAITING, RUNNING, DONE, FAILED, CANCELLED = "waiting", "running", "done", "failed", "cancelled"
STATES = (WAITING, RUNNING, DONE, FAILED, CANCELLED)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class JobKind:
    """A kind of work for later.

    Attributes:
        name: Identifier, such as ``files.sweep``; jobs keep it, so it does not change.
        title: As people read it.
        run: ``async (run) -> None``, given a `JobRun`. It may be called again after a crash: see `JobRun.once`.
        queue: Kinds of one queue share `at_once`.
        at_once: Most jobs of the queue that run at the same time, over all processes.
        attempts: After so many it is a dead letter, which people can see and start again.
        first_wait: Seconds before the second attempt; doubled for each further one.
        longest_wait: Seconds between two attempts at most.
        every: How often it is done by itself; None when it is only asked for.
        follows: Whether it is asked for, told of changes: then it is done a moment after records were written.
        after: How long after each full `every` (counted from midnight, UTC) it is done.
    """

    name: str
    title: str
    run: Callable[[JobRun], Awaitable[None]]
    queue: str = "default"
    at_once: int = 4
    attempts: int = 8
    first_wait: float = 5.0
    longest_wait: float = 3600.0
    follows: Callable[[Kernel], Awaitable[bool]] | None = None
    every: timedelta | None = None
    after: timedelta = timedelta()

    def wait(self, attempt: int, jitter: float) -> timedelta:
        """Return how long to wait after the attempt of this number (from 1); `jitter` spreads it, about 1."""
        return timedelta(seconds=min(self.longest_wait, self.first_wait * 2 ** min(attempt - 1, 30)) * jitter)

    def next_time(self, now: datetime) -> datetime:
        """Return when it is due next by itself, after `now`; the same for every process.

        Raises:
            ValueError: it is not done by itself.
        """
        if self.every is None:
            raise ValueError(f"{self.name} has no schedule")
        return _EPOCH + ((now - _EPOCH - self.after) // self.every + 1) * self.every + self.after


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job asked for.

    Attributes:
        kind: Name of its kind.
        payload: What it is about, JSON.
        unique: While one with this text waits, asking again adds none.
        serial: Jobs with this text run one after the other, in the order they were asked for.
        lane: Of jobs with this text at most two run at the same time, so that one slow server holds up no other.
        run_at: Not before this moment; None = at once.
        priority: Higher ones begin first.
        actor: The user who asked for it, and who may watch it; None = the system.
        total: How many steps it will have, if that is known.
    """

    kind: str
    payload: Mapping[str, Any] = field(default_factory=empty)
    unique: str = ""
    serial: str = ""
    lane: str = ""
    run_at: datetime | None = None
    priority: int = 0
    actor: UUID | None = None
    total: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it is kept.

    Attributes:
        id: Its id, also the key by which others tell a repeated effect of it from a new one.
        attempts: How often it was begun.
        fence: Counts who holds it: what an earlier holder still writes is refused.
        memory: What it did already, by name of the step.
        done, total: How far it is; total 0 = not known.
        note: How far it is, in words.
        error: Why the last attempt failed.
    """

    id: UUID
    kind: str
    payload: Mapping[str, Any]
    state: str
    priority: int
    run_at: datetime
    attempts: int
    fence: int
    runner: str | None
    serial_key: str | None
    lane: str | None
    actor: UUID | None
    memory: Mapping[str, Any]
    done: int
    total: int
    note: str | None
    error: str | None
    created_at: datetime
    finished_at: datetime | None

    def to_dict(self) -> dict[str, Any]:
        """Return the job as the command line and the API show it; what it is about stays with the site."""
        return {
            "id": str(self.id),
            "kind": self.kind,
            "state": self.state,
            "attempts": self.attempts,
            "run_at": self.run_at.isoformat(),
            "done": self.done,
            "total": self.total,
            "note": self.note,
            "error": self.error,
            "created_at": self.created_at.isoformat(),
            "finished_at": self.finished_at.isoformat() if self.finished_at else None,
        }


class Later(Exception):
    """Raised by a job's work: go on after `pause`; this does not count as a failed attempt."""

    def __init__(self, pause: timedelta, why: str = "") -> None:
        super().__init__(why)
        self.pause = pause


class Hopeless(Exception):
    """Raised by a job's work: it will never succeed, so it is a dead letter at once."""


class LeaseLost(Exception):
    """Somebody else holds the job now, or it was cancelled: nothing more may be done for it."""
