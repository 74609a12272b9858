"""People among the records: which record is one, and what else is kept of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from xrm.errors import Conflict, Issue, NotFound
from xrm.kernel.change import Actor
from xrm.kernel.kernel import Kernel
from xrm.kernel.query import MAX_PAGE, Query
from xrm.metadata.model import Entity, Field, Model

REPORT, ERASE = "privacy.report", "privacy.erase"


@dataclass(frozen=True, slots=True)
class End:
    """A relation of another entity by which its records belong to a person."""

    entity: Entity
    field: Field

    def filter(self, subject: str, id: UUID) -> str:
        """Return the filter that finds the records which belong to a person."""
        kind = f" && {self.field.name}.entity == '{subject}'" if self.field.polymorphic else ""
        return f"{self.field.name} == '{id}'{kind}"


def ends(model: Model, entity: Entity) -> Iterator[End]:
    """Yield the relations that lead to the records of an entity; what only says who wrote a record is none."""
    for end in model.inverses.get(entity.name, ()):
        other = model.entities[end.entity]
        field = other.fields[end.field]
        if not field.system and not other.removed:
            yield End(other, field)


async def the_subject(kernel: Kernel, actor: Actor, entity: str, id: UUID, trash: str = "live") -> dict[str, Any]:
    """Return the record of a person.

    Raises:
        NotFound: there is no such record for the actor.
        Conflict: it is not one of a person.
    """
    known = kernel.model.entity(entity)
    found = await _first(kernel, actor, entity, Query(filter=f"id == '{id}'", limit=1, trash=trash))
    if known is None or found is None:
        raise NotFound("There is no such record.")
    rule = known.privacy.subject
    is_one = rule and await _first(
        kernel, actor, entity, Query(filter=f"id == '{id}' && ({rule})", limit=1, trash=trash, fields=("id",))
    )
    if not is_one:
        hint = f"the condition is {rule}" if rule else "say in its `privacy` which records are people"
        message = f"This {known.title} is not a person."
        raise Conflict(message, [Issue("", "not_a_subject", message, hint)])
    return found


async def _first(kernel: Kernel, actor: Actor, entity: str, query: Query) -> dict[str, Any] | None:
    page = await kernel.records.list(actor, entity, query)
    return page.records[0] if page.records else None


async def every(kernel: Kernel, actor: Actor, entity: str, query: Query) -> AsyncIterator[dict[str, Any]]:
    """Yield all records that a query finds, page by page."""
    query = replace(query, limit=MAX_PAGE)
    while True:
        page = await kernel.records.list(actor, entity, query)
        for record in page.records:
            yield record
        if page.next is None:
            return
        query = replace(query, after=page.next)
