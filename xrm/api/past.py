"""The model's past over HTTP: one generation, the way back to it, what is kept of dropped values, and its purge."""

from __future__ import annotations

import asyncio
from typing import Any

from litestar import get, post

from xrm.api.describe import READ
from xrm.api.files import diffs, files_of, write_sources
from xrm.api.model import EDIT, generation_to_json, nobody_gives_more
from xrm.errors import Invalid, Issue, NotFound
from xrm.http.answers import Answer, answer
from xrm.http.caller import signed_in
from xrm.http.reading import AnyRequest, read_object, read_query, take
from xrm.kernel.migration.journal import Generation
from xrm.kernel.migration.purge import KeptValues, Selection
from xrm.metadata.model import Source
from xrm.site import Site

LATEST = 2**31  # no journal gets there, and both databases can look for it


class PastRoutes:
    """The routes below /api/model that look or go back."""

    def __init__(self, site: Site) -> None:
        self._kernel, self._folder = site.kernel, site.settings.folder

    def handlers(self) -> list[Any]:
        """Return the Litestar handlers."""
        return [
            get("/api/model/history/{number:str}")(self.generation),
            post("/api/model/rollback")(self.rollback),
            get("/api/model/kept")(self.kept),
            post("/api/model/purge")(self.purge),
        ]

    async def generation(self, request: AnyRequest) -> Answer:
        """Answer with one generation: who, when, what, and its definitions."""
        actor = signed_in(request)
        read_query(request)
        self._kernel.live.policy.authorise(actor, READ)
        found = await self._find(request.path_params["number"])
        files = [{"layer": s.layer, "file": s.file, "text": s.text} for s in found.sources]
        return answer({**generation_to_json(found), "sources": files})

    async def rollback(self, request: AnyRequest) -> Answer:
        """Go back to a generation and write its files; with `dry_run`, answer with the plan only."""
        actor = signed_in(request)
        read_query(request)
        self._kernel.live.policy.authorise(actor, EDIT)
        body = take(
            await read_object(request), generation=int, dry_run=(bool, False), consent=(list[str], []), hash=(str, "")
        )
        target = await self._find(str(body["generation"]))
        nobody_gives_more(self._kernel, actor, target.sources)
        sources = files_of(self._kernel.sources(), target.sources)
        if body["dry_run"]:
            return await self._plan(target, sources)
        done = await self._kernel.rollback(actor, target.number, frozenset(body["consent"]), body["hash"])
        issues = await asyncio.to_thread(write_sources, self._folder, sources) if done.changed else []
        return answer(
            {
                "generation": done.generation.number,
                "changed": done.changed,
                "steps": [step.to_dict() for step in done.steps],
                "written": [] if issues or not done.changed else [source.file for source in sources],
                "issues": [issue.to_dict() for issue in issues],
            }
        )

    async def _plan(self, target: Generation, sources: tuple[Source, ...]) -> Answer:
        plan = await self._kernel.plan_rollback(target.number)
        return answer({**plan.to_dict(), "empty": plan.empty, "diffs": diffs(self._folder, sources)})

    async def kept(self, request: AnyRequest) -> Answer:
        """Answer with what is kept of dropped and changed values."""
        actor = signed_in(request)
        read_query(request)
        self._kernel.live.policy.authorise(actor, READ)
        return answer({"kept": _listed(await self._kernel.kept(Selection()))})

    async def purge(self, request: AnyRequest) -> Answer:
        """Remove kept values for good; with `dry_run`, answer with what would go."""
        actor = signed_in(request)
        read_query(request)
        self._kernel.live.policy.authorise(actor, EDIT)
        body = take(await read_object(request), generation=(int, 0), older_than=(int, -1), dry_run=(bool, False))
        if body["older_than"] > 100_000 or abs(body["generation"]) > LATEST:
            raise Invalid(issues=[Issue("older_than", "too_large", "This is no time ago that could be.")])
        days = body["older_than"] if body["older_than"] >= 0 else None
        selection = Selection.of(body["generation"] or None, days, self._kernel.clock())
        found = await (self._kernel.kept(selection) if body["dry_run"] else self._kernel.purge(actor, selection))
        return answer({"purged": _listed(found), "dry_run": body["dry_run"]})

    async def _find(self, number: str) -> Generation:
        known = number.isascii() and number.isdigit() and int(number) <= LATEST if len(number) < 12 else False
        found = await self._kernel.generation(int(number)) if known else None
        if found is None:
            raise NotFound(f"There is no generation {number[:20]}.")
        return found


def _listed(values: list[KeptValues]) -> list[dict[str, Any]]:
    return [one.to_dict() for one in values]
