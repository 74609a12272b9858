"""The words of a decision: what was asked, what each grant says to it, and what would change it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from xrm.metadata.model import empty


@dataclass(frozen=True, slots=True)
class Question:
    """May somebody do this?

    Attributes:
        action: read, create, update …, or run:<action>.
        entity: Of the records.
        id: One record; None asks about any.
        field: One field of it; empty asks about the record.
    """

    action: str
    entity: str
    id: UUID | None = None
    field: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """One thing a grant demands of a record: its scope, its condition, its way by a relation.

    Attributes:
        name: scope | where | via | restriction.
        text: As it is written.
        reads: The record's fields it looks at.
        holds: Whether it does; None when no record was asked about.
    """

    name: str
    text: str
    reads: frozenset[str] = frozenset()
    holds: bool | None = None


@dataclass(frozen=True, slots=True)
class Ground:
    """One grant of the action asked about, or a kind of shares, and what it says.

    Attributes:
        role, number: The role, and which of its grants; the first is 1. Of shares the role is empty.
        place: Where it is written.
        held: Whether the person has the role.
        holds: Whether it covers the record; None when no record was asked about.
        parts: What it demands of the record; empty when it covers every one.
        gives: Whether it gives the field; None when no field was asked about.
    """

    role: str
    number: int
    place: str
    held: bool
    holds: bool | None
    parts: tuple[Part, ...]
    gives: bool | None

    @property
    def decides(self) -> bool:
        """Whether it allows what was asked."""
        return self.held and self.would

    @property
    def would(self) -> bool:
        """Whether it would allow it to whoever has the role."""
        return self.holds is not False and self.gives is not False


@dataclass(frozen=True, slots=True)
class Right:
    """One action that is needed, with every grant of it in the model."""

    action: str
    grounds: tuple[Ground, ...]

    @property
    def holds(self) -> bool:
        """Whether one grant that the person has allows it."""
        return any(ground.decides for ground in self.grounds)


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer.

    Attributes:
        allowed: Whether the policy lets the person do it. What is checked of a write's values comes on top.
        because: One sentence.
        rights: What is needed for it.
        changes: What would have to change, the smallest change first; empty when it is allowed.
        facts: Path → value of the record, of what the grants look at, as whoever asks may see it.
    """

    question: Question
    person: str
    roles: tuple[str, ...]
    allowed: bool
    because: str
    rights: tuple[Right, ...]
    changes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=empty)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        asked = self.question
        return {
            "allowed": self.allowed,
            "because": self.because,
            "person": self.person,
            "roles": list(self.roles),
            "action": asked.action,
            "entity": asked.entity,
            "id": str(asked.id) if asked.id else None,
            "field": asked.field or None,
            "rights": [_right(right) for right in self.rights],
            "changes": list(self.changes),
            "facts": dict(self.facts),
        }


def _right(right: Right) -> dict[str, Any]:
    return {"action": right.action, "holds": right.holds, "grants": [_ground(ground) for ground in right.grounds]}


def _ground(ground: Ground) -> dict[str, Any]:
    return {
        "role": ground.role,
        "grant": ground.number,
        "place": ground.place,
        "held": ground.held,
        "holds": ground.holds,
        "gives_field": ground.gives,
        "rows": [{"part": part.name, "text": part.text, "holds": part.holds} for part in ground.parts],
    }
