"""Retention: records whose time is over are erased or deleted, as their entity says; and the ledger done again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import Any
from uuid import UUID

from xrm.builtin.privacy.erasure import Part, erase_parts, preview, replacements
from xrm.builtin.privacy.subjects import ERASE, every
from xrm.errors import XrmError
from xrm.kernel.change import SYSTEM, Actor
from xrm.kernel.history.erasing import LEDGER, changes_that_hold
from xrm.kernel.kernel import Kernel
from xrm.kernel.query import Query
from xrm.metadata.model import Entity


@dataclass(frozen=True, slots=True)
class Due:
    """A record whose time is over, and what became of it: due, erased, deleted, or kept (why says by what)."""

    entity: str
    id: UUID
    label: str
    outcome: str
    why: str = ""


async def due(kernel: Kernel, actor: Actor) -> AsyncIterator[tuple[Entity, UUID, str]]:
    """Yield the records whose time to be kept is over, with their labels.

    Raises:
        Forbidden: the actor may not erase.
    """
    kernel.live.policy.authorise(actor, ERASE)
    done = {UUID(r["record"]) async for r in every(kernel, SYSTEM, LEDGER, Query(fields=("record",)))}
    for entity in kernel.model.entities.values():
        if not entity.privacy.keep or entity.removed or kernel.live.policy.access(actor, entity.name, "read") is None:
            continue
        async for record in every(
            kernel, actor, entity.name, Query(filter=_over(kernel, entity), fields=("id", "label"))
        ):
            id = UUID(record["id"])
            if entity.privacy.then == "delete" or id not in done:
                yield entity, id, record["label"] or ""


def _over(kernel: Kernel, entity: Entity) -> str:
    privacy = entity.privacy
    since = entity.fields[privacy.since or "updated_at"]
    before = kernel.clock().astimezone(UTC) - timedelta(days=privacy.keep)
    text = before.date().isoformat() if since.type == "date" else before.isoformat(timespec="seconds")
    condition = f"{since.name} < '{text}'"
    return f"{condition} && ({privacy.subject})" if privacy.subject else condition


async def retain(kernel: Kernel, actor: Actor) -> AsyncIterator[Due]:
    """Erase or delete the records whose time is over, each in an act of its own; what cannot be is told and stays."""
    waiting = [one async for one in due(kernel, actor)]  # a list: what is done changes what is found
    for entity, id, label in waiting:
        try:
            outcome = await _end(kernel, actor, entity, id)
            yield Due(entity.name, id, label, outcome)
        except XrmError as error:
            yield Due(entity.name, id, label, "kept", "; ".join(i.message for i in error.issues) or error.message)


async def _end(kernel: Kernel, actor: Actor, entity: Entity, id: UUID) -> str:
    if entity.privacy.then == "delete":
        await kernel.records.delete(actor, entity.name, id)
        return "deleted"
    found = await preview(kernel, actor, entity.name, id)
    if found.holds:
        raise XrmError("; ".join(found.holds))
    await erase_parts(kernel, actor, id, found.parts, "retention")
    return "erased"


async def replay(kernel: Kernel, actor: Actor, ledger: Iterable[Mapping[str, Any]]) -> AsyncIterator[Due]:
    """Erase again what a ledger says was erased: after a backup from before was restored.

    `ledger` are records of the entity ``erasure``, as an export gives them. What is no more is passed over.
    """
    kernel.live.policy.authorise(actor, ERASE)
    for told in ledger:
        entity, id = kernel.model.entity(str(told["kind"])), UUID(str(told["record"]))
        if entity is None:
            continue
        page = await kernel.records.list(actor, entity.name, Query(filter=f"id == '{id}'", limit=1))
        if page.records:
            values = replacements(entity, id)
            held = await changes_that_hold(kernel.store, kernel.live, entity.name, id, frozenset(values))
            part = Part(entity, id, "", values, len(held), deleted=False)
            await erase_parts(kernel, actor, UUID(str(told["subject"])), [part], "replay")
            yield Due(entity.name, id, "", "erased")
