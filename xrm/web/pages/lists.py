"""The list of an entity's records, and the suggestions of relation inputs."""

from __future__ import annotations

from typing import Any

from litestar import Response

from xrm.builtin.transfer.exporting import FORMATS
from xrm.builtin.transfer.flat import DATED
from xrm.errors import Invalid, Issue, Malformed, TooExpensive
from xrm.kernel.query import Count, Page, Query
from xrm.kernel.store.folding import fold
from xrm.web import listing
from xrm.web.columns import cells, choosable, rows_template
from xrm.web.facets import chips, offers
from xrm.web.listing import Asked
from xrm.web.render import Renderer, html, kept_cookie
from xrm.web.visit import PageVisit, url

REMEMBER_SECONDS = 365 * 86_400
SUGGESTIONS = 8
CANDIDATES = 60  # found records from which the nearest are suggested


async def list_page(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Show a list, or only its table where htmx asks for that."""
    asked = listing.read_list(visit)
    page, count, issue = await _find(visit, asked)
    shown = {
        "asked": asked,
        "entity": asked.entity,
        "page": page,
        "count": count,
        "issue": issue,
        "first": (asked.page - 1) * asked.size + 1,
        "rows": _rows(visit, render, asked, page),
        "chips": await chips(visit, asked.facets),
        "may": {name for name in ("create", "update", "delete", "restore") if visit.may(asked.entity.name, name)},
        "exports": _exports(visit, asked),
    }
    status = 422 if issue else 200
    if visit.partial:
        answer = html(render.part(visit, "list_part.html", **shown), status, hx_push_url=asked.url)
    else:
        more = {"offers": await offers(visit, asked.facets), "choosable": choosable(visit, asked.entity)}
        answer = render.page(visit, "list.html", status, title=asked.entity.plural, **shown, **more)
    _remember(visit, asked, answer)
    return answer


async def _find(visit: PageVisit, asked: Asked) -> tuple[Page, Count, Issue | None]:
    try:
        query = listing.query(visit, asked)
        page = await visit.records.list(visit.actor, asked.entity.name, query)
        return page, await visit.records.count(visit.actor, asked.entity.name, query), None
    except (Invalid, TooExpensive) as error:
        return Page([]), Count(0, exact=True), listing.filter_issue(error)
    except Malformed as error:
        return Page([]), Count(0, exact=True), Issue("page", error.code, error.message)


def _rows(visit: PageVisit, render: Renderer, asked: Asked, page: Page) -> str:
    template = rows_template(visit, render.environment, asked.entity, asked.shown, "full")
    return template.render(records=page.records, **cells(visit.show, asked.shown))


def _exports(visit: PageVisit, asked: Asked) -> list[tuple[str, str]]:
    """Return what each format of export is called and where it is fetched: the records and columns of the list.

    Address books and calendars take what they need of all fields.
    """
    if not visit.may(asked.entity.name, "export"):
        return []
    shown = {f.type for f in asked.entity.fields.values() if not f.system and visit.reads(asked.entity, f.name)}
    query = {
        "filter": listing.condition(visit, asked),
        "search": asked.search,
        "sort": ",".join(asked.order),
    }
    columns = ",".join(c.path for c in asked.shown)
    offered = [("csv", columns), ("xlsx", columns)]
    offered += [("vcf", "")] if shown & {"email", "phone"} else []
    offered += [("ics", "")] if shown & set(DATED) else []
    path = f"/api/{asked.entity.name}/export"
    return [(FORMATS[name].title, url(path, format=name, fields=fields, **query)) for name, fields in offered]


def _remember(visit: PageVisit, asked: Asked, answer: Response[Any]) -> None:
    """Keep the columns of the URL for the next time the list is opened."""
    if visit.parameters("cols"):
        kept = listing.remembered(asked)
        seconds = REMEMBER_SECONDS if kept else 0
        answer.set_cookie(kept_cookie(visit, listing.cookie(asked.view), kept, asked.path, seconds))


async def lookup(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Return the records that fit what is typed into a relation's input, as the options of its list."""
    entity = visit.entity
    typed = visit.parameter("q").strip()[:200]
    fields = ("label", *(["email"] if "email" in entity.search and visit.reads(entity, "email") else []))
    sort = ("label",) if visit.reads(entity, "label") else ()
    query = Query(search=typed, sort=sort, fields=fields if sort else (), limit=CANDIDATES)
    found = (await visit.records.list(visit.actor, entity.name, query)).records
    records = sorted(found, key=lambda r: _distance(str(r.get("label") or ""), typed))[:SUGGESTIONS]
    return html(render.part(visit, "lookup.html", entity=entity, records=records, typed=typed))


def _distance(label: str, typed: str) -> int:
    """Return how far a title is from what was typed: 0 begins so, 1 a word of it does, 2 has it, 3 found otherwise."""
    title, words = fold(label) or "", fold(typed) or ""
    if title.startswith(words):
        return 0
    return 1 if f" {words}" in title else 2 if words in title else 3
