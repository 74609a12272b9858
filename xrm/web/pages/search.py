"""Search across all entities: the page, and what the command palette finds while one types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from litestar import Response

from xrm.kernel.query import Query
from xrm.kernel.records import Record
from xrm.kernel.words import sought_in
from xrm.metadata.model import Entity
from xrm.web.render import Renderer, html, weight
from xrm.web.visit import PageVisit, url

PER_ENTITY = 6
QUICK = 3


@dataclass(frozen=True, slots=True)
class Found:
    """What was found of one entity."""

    entity: Entity
    records: tuple[Record, ...]
    more: bool
    all: str


async def search_page(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Show what fits in every entity the actor may read."""
    words = visit.parameter("q").strip()[:200]
    found = await _search(visit, words, PER_ENTITY)
    return render.page(visit, "search.html", title="Search", words=words, found=found)


async def quick(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Return the records that fit what is typed into the palette."""
    words = visit.parameter("q").strip()[:200]
    return html(render.part(visit, "palette.html", found=await _search(visit, words, QUICK) if len(words) > 1 else []))


async def _search(visit: PageVisit, words: str, limit: int) -> list[Found]:
    if not sought_in(words):
        return []
    found = []
    for entity in visit.live.policy.entities(visit.actor):
        if entity.search and not entity.removed and visit.reads(entity, "label"):
            page = await visit.records.list(
                visit.actor, entity.name, Query(fields=("label", *_hint(visit, entity)), search=words, limit=limit)
            )
            if page.records:
                everything = url(f"/e/{entity.name}", q=words)
                found.append(Found(entity, tuple(page.records), page.next is not None, everything))
    return sorted(found, key=lambda f: -weight(visit, f.entity))


def _hint(visit: PageVisit, entity: Entity) -> tuple[str, ...]:
    """Return a field or two that tell records of the same title apart."""
    names = [
        *(n for n in ("customer", "party", "order", "city") if n in entity.fields),
        *([entity.workflow.field] if entity.workflow else []),
    ]
    return tuple(n for n in names if visit.reads(entity, n))[:2]
