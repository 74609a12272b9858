"""One search across all entities the actor may read."""

from __future__ import annotations

from typing import Any

from litestar import get

from xrm.errors import Issue, Malformed
from xrm.http.answers import Answer, answer
from xrm.http.caller import signed_in
from xrm.http.reading import AnyRequest, read_query, whole
from xrm.kernel.change import Actor
from xrm.kernel.policy import visibility
from xrm.kernel.query import Query
from xrm.metadata.model import Entity
from xrm.site import Site

PER_ENTITY = 5  # records of one entity
MAX_PER_ENTITY = 20
MAX_ENTITIES = 100


class SearchRoutes:
    """The route /api/search."""

    def __init__(self, site: Site) -> None:
        self._kernel = site.kernel

    def handlers(self) -> list[Any]:
        """Return the Litestar handlers."""
        return [get("/api/search")(self.search)]

    async def search(self, request: AnyRequest) -> Answer:
        """Answer with the first records of each entity in which all words occur."""
        actor = signed_in(request)
        given = read_query(request, frozenset({"q", "limit"}))
        text, limit = given.get("q", "").strip(), whole(given, "limit", PER_ENTITY)
        if not 2 <= len(text) <= 200:
            raise Malformed(issues=[Issue("q", "too_short", "Search for 2 to 200 characters.")])
        if not 1 <= limit <= MAX_PER_ENTITY:
            raise Malformed(issues=[Issue("limit", "out_of_range", f"It is from 1 to {MAX_PER_ENTITY}.")])
        found = []
        for entity in self._searched(actor):
            query = Query(search=text, fields=("label",), limit=limit)
            page = await self._kernel.records.list(actor, entity.name, query)
            if page.records:
                records = [{"id": r["id"], "label": r["label"]} for r in page.records]
                found.append(
                    {
                        "entity": entity.name,
                        "title": entity.plural,
                        "records": records,
                        "more": page.next is not None,
                    }
                )
        return answer({"results": found})

    def _searched(self, actor: Actor) -> list[Entity]:
        """Return the entities that are searched: those that say where, and whose labels the actor may read."""
        policy = self._kernel.live.policy
        found = [
            entity
            for entity in policy.entities(actor)
            if entity.search
            and (access := policy.access(actor, entity.name, "read"))
            and visibility(access, "label") is not None
        ]
        return found[:MAX_ENTITIES]
