"""What is wrong with a site's jobs: dead letters, kinds that nobody knows, and work that nobody does."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from xrm.errors import Issue
from xrm.kernel.jobs.jobs import Jobs
from xrm.kernel.jobs.kind import FAILED, WAITING

LATE = timedelta(minutes=10)  # after which a job that nobody begins is told of


async def find_stuck(jobs: Jobs, now: datetime) -> list[Issue]:
    """Return what is to be looked at, kind by kind."""
    found: list[Issue] = []
    for (kind, state), count in sorted((await jobs.table.counts()).items()):
        if state == FAILED:
            hint = "`xrm jobs list --state failed` says why; `xrm jobs retry ID` starts one anew"
            found.append(Issue(kind, "jobs_failed", f"{_many(count)} failed for good.", hint, severity="warning"))
        elif kind not in jobs.kinds:
            hint = "bring its plugin back, or end the jobs: `xrm jobs cancel ID`"
            found.append(Issue(kind, "jobs_unknown", f"{_many(count)} of a kind that nothing here does.", hint))
        elif state == WAITING:
            found += await _late(jobs, kind, now)
    return found


async def _late(jobs: Jobs, kind: str, now: datetime) -> Iterable[Issue]:
    late = [job for job in await jobs.table.waiting(kind) if job.state == WAITING and job.run_at < now - LATE]
    if not late:
        return ()
    hint = "start `xrm serve` or `xrm work`"
    return (Issue(kind, "jobs_late", f"{_many(len(late))} should have begun long ago: nobody does them.", hint),)


def _many(count: int) -> str:
    return "1 job" if count == 1 else f"{count:,} jobs"
