"""What travels through a write: who acts, and what changes."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from xrm.metadata.model import Entity, empty


def uuid7(milliseconds: int | None = None) -> UUID:
    """Return a UUIDv7: 48 bits of Unix time in milliseconds, then random bits (RFC 9562 §5.7)."""
    stamp = time.time_ns() // 1_000_000 if milliseconds is None else milliseconds
    number = (stamp & (1 << 48) - 1) << 80 | int.from_bytes(os.urandom(10), "big")
    number = number & ~(0xF << 76) | 7 << 76
    return UUID(int=number & ~(0b11 << 62) | 0b10 << 62)


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever acts: a person, an integration, or the system itself.

    Attributes:
        id: The user record's id; None for the system.
        name: As shown in the history.
        roles: Names of the roles in force for this request.
        kind: person | integration | system.
        source: Where the act comes from: api, form, studio, import, cli, system, plugin:<name>.
        user: What expressions know as ``user.*``: id, email, unit and teams.
        mfa: Whether they showed a second factor when they signed in.
        address: The network address the request comes from; empty where there is none (command line, jobs).
    """

    id: UUID | None
    name: str
    roles: frozenset[str] = frozenset()
    kind: str = "person"
    source: str = "api"
    user: Mapping[str, Any] = field(default_factory=empty)
    mfa: bool = False
    address: str = ""

    @property
    def channel(self) -> str:
        """By what way they act: ui (pages, studio), api, import, cli, system or plugin."""
        source = self.source.partition(":")[0]
        return "ui" if source in ("form", "studio") else source

    @property
    def is_system(self) -> bool:
        """Whether this is the platform's own actor."""
        return self.kind == "system"


SYSTEM = Actor(id=None, name="System", kind="system", source="system")


@dataclass(slots=True)
class Change:
    """One record's write on its way: hooks before the write may `set` fields, hooks after it only read.

    Attributes:
        entity: The entity's definition.
        kind: create | update | delete | restore.
        id: The record's id.
        before: Python values as stored before; empty for a create.
        after: Python values as they will be stored; for a delete, as they were.
        action: The transition or action that asked for it, or empty.
        warnings: Findings that are told but do not refuse.
    """

    entity: Entity
    kind: str
    id: UUID
    before: dict[str, Any]
    after: dict[str, Any]
    action: str = ""
    warnings: list[Any] = field(default_factory=list)

    def set(self, name: str, value: Any) -> None:
        """Give a field another (Python) value before it is stored."""
        if name not in self.entity.fields:
            raise KeyError(f"{self.entity.name} has no field {name!r}")
        self.after[name] = value

    def changed(self) -> tuple[str, ...]:
        """Return the names of the fields whose value differs between before and after."""
        return tuple(n for n, v in self.after.items() if self.before.get(n) != v)

    def changes(self, name: str) -> bool:
        """Whether this write gives field `name` another value."""
        return self.before.get(name) != self.after.get(name)


@dataclass(slots=True)
class ChangeSet:
    """All writes of one act; its row is written with the first change."""

    id: UUID
    at: datetime
    actor: Actor
    reason: str = ""
    idempotency_key: str = ""
    generation: int = 0
    changes: list[Change] = field(default_factory=list)
    stored: int = 0  # how many of `changes` are in the database already
