"""Rows of the log read back, and told to an actor: under the names of today, as far as they may see them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from xrm.kernel.change import Actor
from xrm.kernel.history.names import Names, names_since, renamed
from xrm.kernel.history.sight import Seen, Sight
from xrm.kernel.live import Live, Running
from xrm.kernel.store.codec import Dialect
from xrm.kernel.store.schema import Column
from xrm.kernel.store.sql import quote
from xrm.kernel.store.system import SYSTEM
from xrm.kernel.values import reveal, to_json
from xrm.metadata.model import Entity

SETS, CHANGES = SYSTEM.tables["xrm_changeset"], SYSTEM.tables["xrm_change"]
ENDS = frozenset({"delete", "restore"})  # they are told without values


@dataclass(frozen=True, slots=True)
class SetRow:
    """A row of xrm_changeset; see there and `ChangeSet`."""

    id: UUID
    at: datetime
    actor: UUID | None
    actor_name: str | None
    source: str
    reason: str | None
    idempotency_key: str | None
    generation: int
    actor_kind: str | None
    behalf: UUID | None
    behalf_name: str | None
    origin: str | None
    run: UUID | None
    undoes: UUID | None
    place: int | None
    seq: int | None
    hash: str | None

    def told(self) -> dict[str, Any]:
        """Return it as JSON data, as everybody may see it who sees one of its changes."""
        behalf = {"id": to_json(self.behalf), "label": self.behalf_name} if self.behalf else None
        return {
            "id": str(self.id),
            "at": to_json(self.at),
            "actor": {"id": to_json(self.actor), "label": self.actor_name},
            "actor_kind": self.actor_kind,
            "behalf": behalf,
            "source": self.source,
            "origin": self.origin,
            "reason": self.reason,
            "run": to_json(self.run),
            "undoes": to_json(self.undoes),
            "generation": self.generation,
        }


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """A row of xrm_change; see there and `Entry`."""

    id: UUID
    changeset: UUID
    entity: str
    record: UUID
    version: int
    kind: str
    action: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    number: int | None
    actor_name: str | None
    source: str | None
    origin: str | None
    derived: list[str] | None
    erased: str | None


class Reader:
    """Makes rows of the log of what the database gives."""

    def __init__(self, dialect: Dialect) -> None:
        self._sets = tuple(dialect.decode(column.type) for column in SETS.columns)
        self._changes = tuple(dialect.decode(column.type) for column in CHANGES.columns)

    def set_of(self, cells: Sequence[Any]) -> SetRow:
        """Return the row of a change-set selected by `columns`."""
        return SetRow(*(d(c) if d and c is not None else c for d, c in zip(self._sets, cells, strict=True)))

    def change_of(self, cells: Sequence[Any]) -> ChangeRow:
        """Return the row of a change selected by `columns`."""
        return ChangeRow(*(d(c) if d and c is not None else c for d, c in zip(self._changes, cells, strict=True)))


def columns(table: Iterable[Column], alias: str) -> str:
    """Return all columns of a table, for a SELECT."""
    return ", ".join(f"{alias}.{quote(column.name)}" for column in table)


SET_COLUMNS, CHANGE_COLUMNS = columns(SETS.columns, "s"), columns(CHANGES.columns, "c")


class Telling:
    """Tells changes to an actor."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self.sight = Sight(running)

    async def tell(
        self, live: Live, actor: Actor, entity: Entity, rows: Sequence[tuple[ChangeRow, int]]
    ) -> list[dict[str, Any] | None]:
        """Return changes of one entity's records as JSON data; None for those of records the actor may not read.

        `rows` are the changes, each with the generation of its act.
        """
        seen = await self.sight.of(actor, entity.name, sorted({row.record for row, _ in rows}))
        past = await names_since(self._running.store, live, entity.name, {generation for _, generation in rows})
        told = [_told(live, entity, row, past.get(g, {}), seen.get(str(row.record))) for row, g in rows]
        states = [change[side] for change in told if change for side in ("before", "after")]
        await self.sight.withhold(actor, entity, states)
        return told


def _told(live: Live, entity: Entity, row: ChangeRow, names: Names, seen: Seen | None) -> dict[str, Any] | None:
    if seen is None or not (seen.open or row.kind in ENDS):
        return None
    fields = seen.fields if seen.open else frozenset()
    sides = {s: _side(live, entity, v, names, fields) for s, v in (("before", row.before), ("after", row.after))}
    derived = renamed(dict.fromkeys(row.derived or ()), names)
    return {
        "id": str(row.id),
        "entity": entity.name,
        "record": str(row.record),
        "kind": row.kind,
        "action": row.action,
        "version": row.version,
        "origin": row.origin,
        "made_by": row.actor_name,
        **sides,
        "derived": sorted(n for n in derived if n in fields),
    }


def _side(
    live: Live, entity: Entity, values: Mapping[str, Any] | None, names: Names, fields: frozenset[str]
) -> dict[str, Any]:
    shown = {n: v for n, v in renamed(values, names).items() if n in fields}
    return reveal(entity, shown, live.parsing)
