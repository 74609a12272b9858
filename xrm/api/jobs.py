"""Jobs over HTTP: what waits, runs and failed; starting one anew, ending one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from litestar import get, post

from xrm.errors import Conflict, Forbidden, Invalid, Issue, NotFound
from xrm.http.answers import Answer, answer
from xrm.http.caller import signed_in
from xrm.http.reading import AnyRequest, read_optional_object, read_query, record_id, take, whole
from xrm.kernel.change import Actor
from xrm.kernel.jobs.kind import STATES, Job
from xrm.kernel.jobs.table import Wanted
from xrm.site import Site

OPERATE = "site.operate"
MAX_JOBS = 200


class JobRoutes:
    """The routes below /api/jobs. Who may not run the site knows of the jobs they asked for, and no other."""

    def __init__(self, site: Site) -> None:
        self._kernel, self._jobs = site.kernel, site.kernel.jobs

    def handlers(self) -> list[Any]:
        """Return the Litestar handlers."""
        return [
            get("/api/jobs")(self.list),
            get("/api/jobs/{id:str}")(self.get),
            post("/api/jobs/{id:str}/retry")(self.retry),
            post("/api/jobs/{id:str}/cancel")(self.cancel),
        ]

    async def list(self, request: AnyRequest) -> Answer:
        """Answer with jobs, the newest first."""
        actor = signed_in(request)
        query = read_query(request, frozenset({"state", "kind", "limit", "after"}))
        state, limit = query.get("state", ""), min(whole(query, "limit", 50), MAX_JOBS)
        if state and state not in STATES:
            raise Invalid(issues=[Issue("state", "unknown_choice", f"One of: {', '.join(STATES)}.")])
        wanted = Wanted(state, query.get("kind", ""), None if self._operates(actor) else actor.id)
        found = await self._jobs.table.page(wanted, _after(query.get("after", "")), limit)
        more = str(found[-1].id) if limit and len(found) == limit else None
        return answer({"jobs": [self._shown(job) for job in found], "next": more})

    async def get(self, request: AnyRequest) -> Answer:
        """Answer with one job: how far it is, and why it failed."""
        read_query(request)
        return answer(self._shown(await self._find(request)))

    async def retry(self, request: AnyRequest) -> Answer:
        """Start a dead letter, an ended job or one that waits, now."""
        job = await self._find(request)
        take(await read_optional_object(request))
        self._kernel.live.policy.authorise(signed_in(request), OPERATE)
        if not await self._jobs.retry(job.id):
            raise Conflict("This job runs, or is done.")
        return answer(self._shown(await self._find(request)))

    async def cancel(self, request: AnyRequest) -> Answer:
        """End a job that waits, runs or failed; whoever asked for it may, too."""
        job = await self._find(request)
        take(await read_optional_object(request))
        if not await self._jobs.cancel(job.id):
            raise Conflict("This job is over.")
        return answer(self._shown(await self._find(request)))

    def _operates(self, actor: Actor) -> bool:
        try:
            self._kernel.live.policy.authorise(actor, OPERATE)
        except Forbidden:
            return False
        return True

    async def _find(self, request: AnyRequest) -> Job:
        actor = signed_in(request)
        job = await self._jobs.table.find(record_id(request))
        if job is None or (job.actor != actor.id and not self._operates(actor)):
            raise NotFound("There is no such job.")
        return job

    def _shown(self, job: Job) -> dict[str, Any]:
        kind = self._jobs.kinds.get(job.kind)
        return {**job.to_dict(), "title": kind.title if kind else job.kind}


def _after(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        raise Invalid(issues=[Issue("after", "wrong_format", "This is no id of a job.")]) from None
