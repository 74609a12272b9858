"""The lists of a record's page: records of other entities that point to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from jinja2 import Environment

from xrm.kernel.query import Query
from xrm.metadata.model import Entity, Field, Inverse
from xrm.web.columns import Column, cells, default_columns, rows_template
from xrm.web.facets import quoted
from xrm.web.timeline import ACTIVITY
from xrm.web.visit import PageVisit, url

SHOWN = 5  # records per list
FIRST, COLUMNS = 3, 5  # columns taken as they come, and in all: among the rest amounts go first


@dataclass(frozen=True, slots=True)
class Related:
    """One list of records that point to a record.

    Attributes:
        entity: What they are.
        field: The relation that points here.
        title: The list's heading.
        rows: Its rows, rendered.
        columns: Its columns.
        count: How many are shown.
        more: Whether there are more than are shown.
        all: Path of the whole list.
        new: Path of the form of a new one that points here; empty where the actor may not create one.
    """

    entity: Entity
    field: Field
    title: str
    rows: str
    columns: tuple[Column, ...]
    count: int
    more: bool
    all: str
    new: str


async def related(visit: PageVisit, environment: Environment, entity: Entity, id: UUID) -> list[Related]:
    """Return the lists of what points to a record, the fullest first; empty ones with a way to add are at the end."""
    found = []
    for inverse in visit.live.model.inverses.get(entity.name, ()):
        if _shown(visit, entity, inverse):
            found.append(await _list(visit, environment, entity, id, inverse))
    return sorted(found, key=lambda r: (not r.count, not r.entity.timeline, r.title))


def _shown(visit: PageVisit, entity: Entity, inverse: Inverse) -> bool:
    """Whether the list is one for people: it has a name (or is of a polymorphic relation) and may be read."""
    other = visit.live.model.entity(inverse.entity)
    if other is None or not visit.may(inverse.entity, "read") or not visit.reads(other, inverse.field):
        return False
    polymorphic = other.fields[inverse.field].polymorphic
    in_timeline = inverse.entity == ACTIVITY and entity.timeline and inverse.field not in ("owner", "unit")
    return not in_timeline and (bool(inverse.name) or polymorphic)


async def _list(visit: PageVisit, environment: Environment, entity: Entity, id: UUID, inverse: Inverse) -> Related:
    other = visit.live.model.entities[inverse.entity]
    field = other.fields[inverse.field]
    named = other.views.get(inverse.name)  # how the list looks from this side
    view = named or next((v for v in other.views.values() if v.kind == "list"), None)
    columns = _columns(tuple(c for c in default_columns(visit, other, view) if c.path != field.name))
    condition = f"{field.name} == {quoted(str(id))}"
    fields = tuple(dict.fromkeys([*(c.path for c in columns), *(["label"] if visit.reads(other, "label") else [])]))
    page = await visit.records.list(
        visit.actor, other.name, Query(condition, view.sort if view else (), fields, limit=SHOWN)
    )
    template = rows_template(visit, environment, other, columns, "small")
    new: dict[str, Any] = {field.name: str(id), "_next": f"/e/{entity.name}/{id}"}
    if field.polymorphic:
        new[f"{field.name}.entity"] = entity.name
    return Related(
        other,
        field,
        named.title if named and named.title else _title(inverse, other),
        template.render(records=page.records, **cells(visit.show, columns)),
        columns,
        len(page.records),
        page.next is not None,
        url(f"/e/{other.name}", **{f"f.{field.name}": str(id)})
        if not field.polymorphic
        else url(f"/e/{other.name}", filter=condition),
        url(f"/e/{other.name}/new", **new) if visit.may(other.name, "create") else "",
    )


def _columns(found: tuple[Column, ...]) -> tuple[Column, ...]:
    rest = sorted(found[FIRST:], key=lambda c: c.field.type != "money")
    chosen = (*found[:FIRST], *rest)[:COLUMNS]
    return tuple(c for c in found if c in chosen)


def _title(inverse: Inverse, other: Entity) -> str:
    """Return the heading: the name the relation gives its far end, else the other entity's plural."""
    words = inverse.name.replace("_", " ")
    return words[:1].upper() + words[1:] or other.plural
