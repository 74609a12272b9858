"""What a change-set, or several, did to each record in all: what an undo has to take back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from xrm.kernel.history.names import Names, renamed
from xrm.kernel.history.rows import ChangeRow, SetRow


@dataclass(slots=True)
class Effect:
    """What was done to one record.

    Attributes:
        entity, record: Which one.
        before: What the fields that differ held at first, under the names of today.
        after: What they held at last.
        derived: Those of them that nobody sent.
        created, deleted, restored: What became of it in all.
        version: The record's version after all of it.
        order: When it was created or taken away, or else changed last: later ones are taken back first.
        by_system: Whether only the system wrote it, inside somebody's act.
    """

    entity: str
    record: UUID
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    derived: set[str] = field(default_factory=set)
    created: bool = False
    deleted: bool = False
    restored: bool = False
    version: int = 0
    order: tuple[int, int] = (0, 0)
    by_system: bool = True

    def add(self, row: ChangeRow, names: Names, order: tuple[int, int]) -> None:
        """Add a change, in order."""
        self.version = row.version
        self.by_system = self.by_system and row.source is not None
        if row.kind == "update":
            self._fields(row, names)
            self.order = self.order if self.created or self.deleted or self.restored else order
            return
        self.order = order
        if row.kind == "create":
            self.created = True
        elif row.kind == "delete":
            self.deleted, self.restored = not self.restored, False
        else:
            self.restored, self.deleted = not self.deleted, False

    def _fields(self, row: ChangeRow, names: Names) -> None:
        derived = renamed(dict.fromkeys(row.derived or ()), names)
        for name, value in renamed(row.before, names).items():
            self.before.setdefault(name, value)
        for name, value in renamed(row.after, names).items():
            self.after[name] = value
            (self.derived.add if name in derived else self.derived.discard)(name)


def effects(
    sets: Iterable[SetRow],
    changes: Mapping[UUID, Iterable[ChangeRow]],
    names: Mapping[str, Mapping[int, Names]],
) -> list[Effect]:
    """Return what change-sets did, record by record, in the order in which it is to be taken back.

    `names` are, by entity and generation, what fields are called today.
    """
    found: dict[tuple[str, UUID], Effect] = {}
    for place, one in enumerate(sets):
        for number, row in enumerate(changes.get(one.id, ())):
            effect = found.setdefault((row.entity, row.record), Effect(row.entity, row.record))
            effect.add(row, names.get(row.entity, {}).get(one.generation, {}), (place, number))
    return sorted(found.values(), key=lambda effect: effect.order, reverse=True)
