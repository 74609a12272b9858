"""Work on kept values that is too much for one act: a job per entity, done in chunks, continued after a crash.

It is asked for in the act that makes the values stale. One chunk is one short transaction: its records, and how far it
is. Whoever asks again while it runs gets another job that begins after it, so nothing is missed; doing it twice changes
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from xrm.kernel.jobs.kind import JobKind, NewJob
from xrm.kernel.jobs.table import JobTable
from xrm.kernel.migration.journal import generation_number
from xrm.kernel.store.errors import OtherGeneration
from xrm.kernel.store.store import Store

if TYPE_CHECKING:
    from xrm.kernel.jobs.run import JobRun
    from xrm.kernel.live import Live

KIND = "computed.renew"
_CURSOR, _COUNT = "cursor", "count"  # what a job remembers: records up to this id are done, and how many that were
_FIRST = UUID(int=0)


async def enqueue(store: Store, live: Live, entity: str, at: datetime) -> None:
    """Ask for all kept values of an entity, in the transaction that is open."""
    key = f"{KIND}:{entity}"
    await JobTable(store).enqueue(NewJob(KIND, {"entity": entity}, unique=key, serial=key), at)


async def pending(store: Store) -> Mapping[str, datetime]:
    """Return the entities whose kept values may be stale, with the time since when."""
    found: dict[str, datetime] = {}
    for job in await JobTable(store).waiting(KIND):
        found.setdefault(job.payload["entity"], job.created_at)
    return found


async def renew_all(run: JobRun) -> None:
    """Compute all kept values of an entity anew, chunk by chunk."""
    while await _chunk(run, str(run.payload["entity"])):
        pass


async def _chunk(run: JobRun, entity: str) -> bool:
    """Do one chunk; return whether there may be more."""
    from xrm.kernel.recompute import renew_chunk  # noqa: PLC0415 - it is made of this room, too

    await run.kernel.refresh()
    live, store = run.kernel.live, run.kernel.store
    if entity not in live.entities:
        return False
    async with run.part():
        after: Any = run.memory.get(_CURSOR)
        chunk = await renew_chunk(store, live, entity, UUID(after) if after else _FIRST)
        if chunk.stale:
            for name in _following(live, entity):
                await enqueue(store, live, name, run.now)
        count = run.memory.get(_COUNT, 0) + chunk.records
        await run.progress(count, note=entity)
        await run.remember(_COUNT, count)
        if chunk.last is not None:
            await run.remember(_CURSOR, str(chunk.last))
        if await generation_number(store) != live.generation:  # the values are those of a former model
            raise OtherGeneration
    return chunk.last is not None


def _following(live: Live, entity: str) -> list[str]:
    """Return the entities whose kept values are made of those of `entity`."""
    return sorted({d.dependent for d in live.dependencies.get(entity, ()) if d.dependent != entity})


RENEW = JobKind(KIND, "Compute values anew", renew_all, queue=KIND, at_once=1, attempts=20)
