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
        source: Where the act comes from: api, form, studio, import, cli, system, automation, mail, erp, ai,
            plugin:<name>.
        user: What expressions know as ``user.*``: id, email, unit and teams.
        mfa: Whether they showed a second factor when they signed in.
        address: The network address the request comes from; empty where there is none (command line, jobs).
        behalf: The id of the user on whose behalf they act, if not for themselves.
        behalf_name: That user's name.
        met: Which conditions of the moment (`when` of grants) hold; see kernel/policy/moment.py.
        shared: Of which entities records are shared with them; with a "+" where some of the shares name fields.
    """

    id: UUID | None
    name: str
    roles: frozenset[str] = frozenset()
    kind: str = "person"
    source: str = "api"
    user: Mapping[str, Any] = field(default_factory=empty)
    mfa: bool = False
    address: str = ""
    behalf: UUID | None = None
    behalf_name: str = ""
    shared: frozenset[str] = frozenset()
    met: frozenset[str] = frozenset()

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


@dataclass(frozen=True, slots=True)
class Back:
    """What an undo gives a record back.

    Attributes:
        values: Python values by field, as the log holds them.
        derived: Those of them that nobody had sent, and which whoever undoes their own act gets back all the same.
    """

    values: Mapping[str, Any]
    derived: frozenset[str] = frozenset()


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
        sent: The fields that were sent; what else differs was derived.
        back: What an undo gives back, instead of what is sent.
    """

    entity: Entity
    kind: str
    id: UUID
    before: dict[str, Any]
    after: dict[str, Any]
    action: str = ""
    warnings: list[Any] = field(default_factory=list)
    sent: frozenset[str] = frozenset()
    back: Back | None = None

    def set(self, name: str, value: Any) -> None:
        """Give a field another (Python) value before it is stored."""
        if name not in self.entity.fields:
            raise KeyError(f"{self.entity.name} has no field {name!r}")
        self.after[name] = value

    def changed(self) -> tuple[str, ...]:
        """Return the names of the fields whose value differs between before and after."""
        was = self.before.get
        return tuple([n for n, v in self.after.items() if was(n) != v])

    def changes(self, name: str) -> bool:
        """Whether this write gives field `name` another value."""
        return self.before.get(name) != self.after.get(name)


@dataclass(slots=True)
class ChangeSet:
    """All writes of one act; its row is stored when the act ends.

    Attributes:
        id: Names it; UUIDv7.
        at: When the act began.
        actor: Who acts.
        reason: Why, as they said.
        idempotency_key: With which the request came.
        generation: The number of the model in force.
        origin: What within the source it came from: the name of a file, of an automation.
        run: What several acts that belong together share: the chunks of one import.
        undoes: The change-set, or run, that this one takes back.
        changes: The changes of this actor, in order.
    """

    id: UUID
    at: datetime
    actor: Actor
    reason: str = ""
    idempotency_key: str = ""
    generation: int = 0
    origin: str = ""
    run: UUID | None = None
    undoes: UUID | None = None
    changes: list[Change] = field(default_factory=list)
