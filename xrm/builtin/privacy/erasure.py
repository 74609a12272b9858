"""Erasing a person (Art. 17 GDPR): the data of people in their record, in what belongs to it, and in the log of both.

What stays is what the business needs without the person: orders keep their amounts. A field that must not be empty, or
that a record is called by, gets a name that says nothing. The ledger (entity ``erasure``) says which records were
erased, so that it can be done again after a backup was restored.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from xrm.builtin.privacy.subjects import ERASE, ends, every, the_subject
from xrm.errors import Conflict, Issue
from xrm.kernel.change import Actor
from xrm.kernel.history.erasing import LEDGER, changes_that_hold, erase
from xrm.kernel.history.seal import Sealing
from xrm.kernel.kernel import Kernel
from xrm.kernel.policy import label_fields
from xrm.kernel.query import Query
from xrm.metadata.model import Entity

TEXTS = ("text", "long_text")


@dataclass(frozen=True, slots=True)
class Part:
    """One record that holds data of the person.

    Attributes:
        entity: Its entity.
        id: Its id.
        label: What it is called now.
        values: Field → what it will hold.
        changes: How many changes in the log hold values of these fields.
        deleted: Whether it is in the trash.
    """

    entity: Entity
    id: UUID
    label: str
    values: Mapping[str, Any]
    changes: int
    deleted: bool

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "entity": self.entity.name,
            "id": str(self.id),
            "label": self.label,
            "fields": sorted(self.values),
            "changes": self.changes,
            "deleted": self.deleted,
        }


@dataclass(frozen=True, slots=True)
class Preview:
    """What erasing a person would do, and what stands against it."""

    parts: tuple[Part, ...]
    holds: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {"records": [part.to_dict() for part in self.parts], "holds": list(self.holds)}


async def preview(kernel: Kernel, actor: Actor, entity: str, id: UUID) -> Preview:
    """Return what erasing a person would do.

    Raises:
        Forbidden: the actor may not erase.
        NotFound, Conflict: there is no such person.
    """
    kernel.live.policy.authorise(actor, ERASE)
    await the_subject(kernel, actor, entity, id)
    parts = [part async for part in _parts(kernel, actor, kernel.model.entities[entity], id)]
    holds = [hold for part in parts for hold in await _holds(kernel, actor, part)]
    return Preview(tuple(parts), tuple(holds))


async def erase_person(kernel: Kernel, actor: Actor, entity: str, id: UUID, reason: str = "") -> dict[str, Any]:
    """Erase a person and return the certificate: what was erased, when and by whom, and the head of the log after it.

    It is safe to do again, and must be when it was interrupted.

    Raises:
        Forbidden: the actor may not erase, or not change one of the records.
        NotFound: there is no such person.
        Conflict: it is not a person, or a legal hold stands against it.
        Invalid: a record cannot be without what is to be erased.
    """
    found = await preview(kernel, actor, entity, id)
    if found.holds:
        message = "A legal hold keeps this from being erased."
        raise Conflict(message, [Issue("", "legal_hold", message, hold) for hold in found.holds])
    await erase_parts(kernel, actor, id, found.parts, reason)
    sealing = Sealing(kernel.store)
    await sealing.catch_up()
    end = await sealing.head()
    return {
        "subject": {"entity": entity, "id": str(id)},
        "at": kernel.clock().isoformat(),
        "by": actor.name,
        "reason": reason,
        "records": [{**part.to_dict(), "label": None} for part in found.parts],
        "log": {"seq": end.seq, "hash": end.hash},
    }


async def erase_parts(kernel: Kernel, actor: Actor, subject: UUID, parts: Sequence[Part], reason: str) -> None:
    """Empty the fields of all records in one act, then take their past values out of the log."""

    async def empty() -> None:
        async with kernel.records.act(actor, reason or "erasure"):
            for part in parts:
                await _empty(kernel, actor, part)
                await kernel.records.create(actor, LEDGER, _entry(subject, part, reason))

    await kernel.records.again(empty)
    async with kernel.store.transaction():
        for part in parts:
            names = frozenset(part.values)
            held = await changes_that_hold(kernel.store, kernel.live, part.entity.name, part.id, names)
            await erase(kernel.store, held)


def _entry(subject: UUID, part: Part, reason: str) -> dict[str, Any]:
    return {
        "subject": str(subject),
        "kind": part.entity.name,
        "record": str(part.id),
        "erased": sorted(part.values),
        "reason": reason or None,
    }


async def _empty(kernel: Kernel, actor: Actor, part: Part) -> None:
    records, name = kernel.records, part.entity.name
    if part.deleted:
        await records.restore(actor, name, part.id)
    await records.update(actor, name, part.id, dict(part.values))
    if part.deleted:
        await records.delete(actor, name, part.id)


async def _parts(kernel: Kernel, actor: Actor, entity: Entity, id: UUID) -> AsyncIterator[Part]:
    """Yield the record of a person, and those that belong to it and hold data of people, also from the trash."""
    async for part in _of(kernel, actor, entity, f"id == '{id}'"):
        yield part
    for end in ends(kernel.model, entity):
        if end.entity.personal and kernel.live.policy.access(actor, end.entity.name, "read") is not None:
            async for part in _of(kernel, actor, end.entity, end.filter(entity.name, id)):
                yield part


async def _of(kernel: Kernel, actor: Actor, entity: Entity, filter: str) -> AsyncIterator[Part]:
    may_restore = kernel.live.policy.access(actor, entity.name, "restore") is not None
    for trash in ("live", "deleted") if may_restore else ("live",):
        query = Query(filter=filter, fields=("id", "label"), trash=trash)
        async for record in every(kernel, actor, entity.name, query):
            id = UUID(record["id"])
            values = replacements(entity, id)
            held = await changes_that_hold(kernel.store, kernel.live, entity.name, id, frozenset(values))
            changes = sum(not change.erased for change in held)
            yield Part(entity, id, record["label"] or "", values, changes, trash == "deleted")


def replacements(entity: Entity, id: UUID) -> dict[str, Any]:
    """Return what the fields that hold data of people become: empty, or a name that says nothing.

    Raises:
        Conflict: a field must not be empty, and is no text.
    """
    named, values = label_fields(entity), dict[str, Any]()
    for field in entity.personal:
        if not (field.required or field.name in named):
            values[field.name] = None
        elif field.type in TEXTS:
            values[field.name] = f"erased {id.hex[-8:]}"
        elif field.type == "email" and field.required:
            values[field.name] = f"erased-{id.hex[-8:]}@erased.invalid"
        elif field.required:
            message = f"{field.title} of {entity.title} must not be empty."
            hint = "let it be empty, or delete the record"
            raise Conflict(message, [Issue(field.name, "not_erasable", message, hint)])
        else:
            values[field.name] = None
    return values


async def _holds(kernel: Kernel, actor: Actor, part: Part) -> list[str]:
    about = f"about == '{part.id}' && about.entity == '{part.entity.name}'"
    query = Query(filter=f"{about} && (until == null || until >= today())")
    found = []
    async for hold in every(kernel, actor, "legal_hold", query):
        until = f" until {hold['until']}" if hold["until"] else ""
        found.append(f"{part.label or part.entity.title}: {hold['reason']}{until}")
    return found
