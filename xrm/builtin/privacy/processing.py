"""The record of processing activities (Art. 30 GDPR), made of the model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from xrm.kernel.change import Actor
from xrm.kernel.kernel import Kernel
from xrm.kernel.policy import visibility


@dataclass(frozen=True, slots=True)
class Activity:
    """What one entity keeps of people.

    Attributes:
        entity, title: Of the entity.
        subjects: The condition for a record to be a person; empty when it only belongs to one.
        data: The fields, each with its class.
        purpose, basis: As the model says; empty where it does not say.
        kept: For how long, in words.
        readers: The roles that may read some of the fields.
    """

    entity: str
    title: str
    subjects: str
    data: tuple[tuple[str, str], ...]
    purpose: str
    basis: str
    kept: str
    readers: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        told = asdict(self)
        return {**told, "data": [{"field": name, "class": kind} for name, kind in self.data]}


def processing(kernel: Kernel) -> list[Activity]:
    """Return what is kept of people, an entity each, in the order of the model."""
    return list(_activities(kernel))


def _activities(kernel: Kernel) -> Iterator[Activity]:
    for entity in kernel.model.entities.values():
        privacy = entity.privacy
        if entity.removed or not (entity.personal or privacy.subject):
            continue
        names = frozenset(field.name for field in entity.personal)
        yield Activity(
            entity.name,
            entity.title,
            privacy.subject,
            tuple((f.name, f.field_class) for f in entity.personal),
            privacy.purpose,
            privacy.basis.replace("_", " "),
            _kept(entity.privacy.keep, privacy.since or "updated_at", privacy.then),
            tuple(r.title for r in kernel.model.roles.values() if _reads(kernel, r.name, entity.name, names)),
        )


def _kept(days: int, since: str, then: str) -> str:
    if not days:
        return "without an end"
    return f"{days:,} days from {since}, then {'erased' if then == 'erase' else 'deleted'}"


def _reads(kernel: Kernel, role: str, entity: str, names: frozenset[str]) -> bool:
    someone = Actor(id=None, name="", roles=frozenset({role}))
    access = kernel.live.policy.access(someone, entity, "read")
    return access is not None and any(visibility(access, name) is not None for name in names)


def missing(activities: list[Activity]) -> list[str]:
    """Return what the model does not say and the law asks for."""
    found = []
    for one in activities:
        lacking = [name for name in ("purpose", "basis") if not getattr(one, name)]
        if lacking:
            found.append(f"{one.entity}: no {' and no '.join(lacking)} (privacy: {{{lacking[0]}: …}})")
    return found
