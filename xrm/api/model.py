"""The model over HTTP: read it, check definitions, plan and apply them, see what was applied before."""

from __future__ import annotations

import asyncio
import zlib
from typing import Any
from uuid import UUID

import msgspec
from litestar import get, post

from xrm.api.describe import READ, describe
from xrm.api.files import diffs, site_sources, write_sources
from xrm.builtin.computed.explain import explain
from xrm.errors import Forbidden, Invalid, Issue, Malformed
from xrm.http.answers import Answer, answer
from xrm.http.caller import signed_in
from xrm.http.reading import AnyRequest, read_object, read_query, take, unchanged, whole
from xrm.kernel.change import Actor
from xrm.kernel.computed.background import RENEW
from xrm.kernel.jobs.kind import Job
from xrm.kernel.kernel import Kernel
from xrm.kernel.migration.journal import Generation
from xrm.kernel.migration.later import INDEXES
from xrm.kernel.policy import roles_key
from xrm.kernel.values import to_json
from xrm.metadata.explain import explain_json
from xrm.metadata.model import Model, Source
from xrm.site import Site

EDIT = "model.edit"
MAX_HISTORY = 100
MAX_PATH = 300  # characters


class ModelRoutes:
    """The routes below /api/model."""

    def __init__(self, site: Site) -> None:
        self._kernel, self._folder = site.kernel, site.settings.folder

    def handlers(self) -> list[Any]:
        """Return the Litestar handlers."""
        return [
            get("/api/model")(self.read),
            get("/api/model/history")(self.history),
            get("/api/model/explain")(self.explain),
            get("/api/model/progress")(self.progress),
            post("/api/model/check")(self.check),
            post("/api/model/plan")(self.plan),
            post("/api/model/apply")(self.apply),
            post("/api/model/expression")(self.expression),
        ]

    async def read(self, request: AnyRequest) -> Answer:
        """Answer with the definitions the actor may know of."""
        actor = signed_in(request)
        read_query(request)
        live = self._kernel.live
        body: bytes = live.cached(("api.model", roles_key(actor)), lambda: msgspec.json.encode(describe(live, actor)))
        tag = f'"{live.generation}-{zlib.crc32(body):08x}"'
        if unchanged(request, tag):
            return Answer(status=304, headers={"etag": tag})
        return Answer(body, headers={"etag": tag})

    async def explain(self, request: AnyRequest) -> Answer:
        """Answer with who set each property of a part of the model in force, and where."""
        actor = signed_in(request)
        path = read_query(request, frozenset({"path"})).get("path", "")
        live = self._kernel.live
        live.policy.authorise(actor, READ)
        if not path:
            raise Malformed(issues=[Issue("path", "required", "Say what to explain.", "such as path=deal.amount")])
        whole = await asyncio.to_thread(
            live.cached, ("api.explained",), lambda: self._kernel.read_model(live.model.sources)
        )
        return answer({"path": path, "properties": explain_json(whole, path[:MAX_PATH])})

    async def check(self, request: AnyRequest) -> Answer:
        """Answer with the findings about definitions: those on disk, with the files sent in their place."""
        _, _, sources = await self._sent(request)
        found = await asyncio.to_thread(self._kernel.review, self._kernel.sources(sources))
        return answer({"valid": found.valid, "issues": [issue.to_dict() for issue in found.issues]})

    async def plan(self, request: AnyRequest) -> Answer:
        """Answer with what applying them would do, and what would change in the files."""
        _, _, sources = await self._sent(request)
        everything = self._kernel.sources(sources)
        plan = await self._kernel.plan(everything)
        warnings = (await asyncio.to_thread(self._kernel.review, everything)).issues
        return answer(
            {
                **plan.to_dict(),
                "empty": plan.empty,
                "warnings": [issue.to_dict() for issue in warnings],
                "diffs": diffs(self._folder, sources),
            }
        )

    async def apply(self, request: AnyRequest) -> Answer:
        """Put them in force; then write the files that were sent."""
        actor, body, sources = await self._sent(request)
        everything = self._kernel.sources(sources)
        nobody_gives_more(self._kernel, actor, everything)
        applied = await self._kernel.apply(actor, everything, frozenset(body["consent"]), body["hash"])
        issues = await asyncio.to_thread(write_sources, self._folder, sources)
        return answer(
            {
                "generation": applied.generation.number,
                "changed": applied.changed,
                "steps": [step.to_dict() for step in applied.steps],
                "written": [] if issues else [source.file for source in sources],
                "issues": [issue.to_dict() for issue in (*issues, *applied.notices)],
            }
        )

    async def progress(self, request: AnyRequest) -> Answer:
        """Answer with how far the change of the model is that this process carries out, and what waits after it."""
        actor = signed_in(request)
        read_query(request)
        self._kernel.live.policy.authorise(actor, READ)
        now, jobs = self._kernel.progress, self._kernel.jobs
        waiting = [job for kind in (RENEW.name, INDEXES.name) for job in await jobs.table.waiting(kind)]
        shown = None if now is None else {"step": now.step, "steps": now.steps, "rows": now.rows, "of": now.of}
        return answer({"applying": shown, "waiting": [_waiting(job, jobs.kinds[job.kind].title) for job in waiting]})

    async def expression(self, request: AnyRequest) -> Answer:
        """Answer with how an expression is understood, and what it gives for a record as the actor sees it."""
        actor = signed_in(request)
        read_query(request)
        sent = take(await read_object(request), entity=(str, ""), expression=(str, ""), id=(str, ""))
        found = await explain(self._kernel, actor, sent["entity"], sent["expression"], _id(sent["id"]))
        shown = found.to_dict()
        if not self._kernel.live.policy.may(actor, READ):  # the SQL tells the rules of roles
            del shown["sql"], shown["parameters"]
        return answer(shown)

    async def history(self, request: AnyRequest) -> Answer:
        """Answer with the generations, newest first."""
        actor = signed_in(request)
        limit = whole(read_query(request, frozenset({"limit"})), "limit", 20)
        self._kernel.live.policy.authorise(actor, READ)
        found = (await self._kernel.history())[: min(limit, MAX_HISTORY)]
        return answer({"generations": [generation_to_json(generation) for generation in found]})

    async def _sent(self, request: AnyRequest) -> tuple[Actor, dict[str, Any], tuple[Source, ...]]:
        """Return who asks, the body, and the files in it."""
        actor = signed_in(request)
        read_query(request)
        self._kernel.live.policy.authorise(actor, EDIT)
        body = take(await read_object(request), files=(dict[str, str], {}), consent=(list[str], []), hash=(str, ""))
        return actor, body, site_sources(self._folder, body["files"])


def _waiting(job: Job, title: str) -> dict[str, Any]:
    about = job.payload.get("entity", "")
    return {"kind": job.kind, "title": title, "entity": about, "done": job.done, "total": job.total, "state": job.state}


def nobody_gives_more(kernel: Kernel, actor: Actor, sources: tuple[Source, ...]) -> None:
    """Refuse a change of roles by whoever does not hold every capability: they could give themselves any.

    Raises:
        Forbidden: a role would change.
    """
    if kernel.live.policy.may(actor, "*"):
        return
    changed = changed_roles(kernel.model, kernel.read_model(sources))
    if changed:
        raise Forbidden(
            "Roles are changed by administrators only.",
            [Issue(name, "role_changed", f"The role {name!r} would change.") for name in changed],
        )


def _id(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        raise Invalid(issues=[Issue("id", "not_id", "This is not the id of a record.")]) from None


def changed_roles(old: Model, new: Model) -> list[str]:
    """Return the names of the roles that differ between two models."""
    return sorted(name for name in {*old.roles, *new.roles} if old.roles.get(name) != new.roles.get(name))


def generation_to_json(generation: Generation) -> dict[str, Any]:
    """Return who, when and what of a generation as JSON data."""
    actor = {"id": to_json(generation.actor), "label": generation.actor_name}
    return {
        "generation": generation.number,
        "at": to_json(generation.at),
        "actor": actor,
        "hash": generation.hash,
        "steps": list(generation.steps),
    }
