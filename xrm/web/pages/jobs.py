"""Jobs: what waits, runs and failed, for whoever runs the site; and buttons to start one anew or end it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from litestar import Response

from xrm.errors import Malformed, NotFound
from xrm.kernel.jobs.kind import FAILED, RUNNING, STATES, WAITING
from xrm.kernel.jobs.table import Wanted
from xrm.web.render import Notice, Renderer, go
from xrm.web.visit import PageVisit

OPERATE = "site.operate"
PER_PAGE = 50


async def jobs_page(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Show jobs, the newest first."""
    _authorise(visit)
    state = visit.parameter("state")
    if state and state not in STATES:
        raise Malformed("There is no such state of jobs.")
    table = visit.kernel.jobs.table
    found = await table.page(Wanted(state), _after(visit.parameter("after")), PER_PAGE + 1)
    counts = await table.counts()
    shown: dict[str, Any] = {
        "title": "Jobs",
        "jobs": found[:PER_PAGE],
        "next": str(found[PER_PAGE - 1].id) if len(found) > PER_PAGE else "",
        "state": state,
        "states": STATES,
        "counts": {s: sum(n for (_, at), n in counts.items() if at == s) for s in (WAITING, RUNNING, FAILED)},
        "kinds": visit.kernel.jobs.kinds,
    }
    return render.page(visit, "jobs.html", **shown)


async def retry(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Start a job anew."""
    _authorise(visit)
    done = await visit.kernel.jobs.retry(visit.id)
    return go(visit, "/jobs", Notice("success", "The job begins anew.") if done else _over())


async def cancel(visit: PageVisit, render: Renderer) -> Response[Any]:
    """End a job."""
    _authorise(visit)
    done = await visit.kernel.jobs.cancel(visit.id)
    return go(visit, "/jobs", Notice("success", "The job was ended.") if done else _over())


def _over() -> Notice:
    return Notice("warning", "Meanwhile this job is over, or runs.")


def _authorise(visit: PageVisit) -> None:
    """For whoever does not run the site there is no such page."""
    if not visit.live.policy.may(visit.actor, OPERATE):
        raise NotFound("There is no such page.")


def _after(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        raise Malformed("This is no id of a job.") from None
