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
from xrm.kernel.words import excerpt
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
            looked = self._looked_into(actor, entity)
            query = Query(search=text, fields=("label", *looked), limit=limit)
            page = await self._kernel.records.list(actor, entity.name, query)
            if page.records:
                records = [_hit(entity, looked, record, text) for record in page.records]
                found.append(
                    {
                        "entity": entity.name,
                        "title": entity.plural,
                        "records": records,
                        "more": page.next is not None,
                    }
                )
        return answer({"results": found})

    def _looked_into(self, actor: Actor, entity: Entity) -> tuple[str, ...]:
        access = self._kernel.live.policy.access(actor, entity.name, "read")
        return tuple(n for n in entity.search if access and n != "label" and visibility(access, n) is not None)

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


def _hit(entity: Entity, looked: tuple[str, ...], record: dict[str, Any], text: str) -> dict[str, Any]:
    """Return a record as a search shows it, with the parts of fields beside its label in which words were found."""
    found = []
    for name in looked:
        value = record.get(name)
        if value is not None and (part := excerpt(_shown(value), text)):
            found.append({"field": name, "title": entity.fields[name].title, "text": part})
    label = record["label"]
    return {"id": record["id"], "label": label, "found_in": [f for f in found if f["text"] not in label]}


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(str(part) for part in value.values() if part)
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
