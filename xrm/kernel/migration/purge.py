"""Kept values are removed for good: what a plan dropped or changed can then no longer be brought back.

A purge is a generation of its own, with the same definitions: so the history tells who removed what, and a plan back
over it can say in numbers what is missing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from xrm.errors import NotFound
from xrm.kernel.change import Actor
from xrm.kernel.migration import journal
from xrm.kernel.migration.apply import LOCK
from xrm.kernel.migration.journal import Generation
from xrm.kernel.migration.kept import Holding, holdings
from xrm.kernel.migration.physical import base_id
from xrm.kernel.migration.plan import DESTRUCTIVE
from xrm.kernel.store.schema import Schema
from xrm.kernel.store.sql import quote
from xrm.kernel.store.store import Store

PURGE = "purge"


@dataclass(frozen=True, slots=True)
class KeptValues:
    """Kept values as people name them.

    Attributes:
        holding: Where they are, and how many.
        entity: The entity's name when they were kept.
        field: The field's; empty for all records of an entity.
        at: When they were kept.
    """

    holding: Holding
    entity: str
    field: str
    at: datetime

    @property
    def description(self) -> str:
        """What they are, in a few words."""
        count = self.holding.count
        if not self.field:
            return f"{count} record{'s' * (count != 1)} of {self.entity}"
        return f"{count} value{'s' * (count != 1)} of {self.entity}.{self.field}"

    def to_dict(self) -> dict[str, Any]:
        """Return them as JSON data."""
        return {
            "generation": self.holding.generation,
            "at": self.at.isoformat().replace("+00:00", "Z"),
            "entity": self.entity,
            "field": self.field,
            "count": self.holding.count,
            "description": self.description,
        }


@dataclass(frozen=True, slots=True)
class Selection:
    """Which kept values: those of one generation, those kept before a moment, or all."""

    generation: int | None = None
    before: datetime | None = None

    @classmethod
    def of(cls, generation: int | None, older_than: int | None, now: datetime) -> Selection:
        """Return the selection of one generation, or of what is older than so many days."""
        return cls(generation, None if older_than is None else now - timedelta(days=older_than))

    def __contains__(self, values: KeptValues) -> bool:
        """Whether these are among them."""
        right = self.generation in (None, values.holding.generation)
        return right and (self.before is None or values.at < self.before)


async def list_kept(store: Store, selection: Selection) -> list[KeptValues]:
    """Return the kept values of a selection, the oldest first."""
    current = await journal.current(store)
    if current is None:
        return []
    found = [await _named(store, one) for one in await holdings(store, current.full_schema)]
    return [one for one in found if one in selection]


async def _named(store: Store, holding: Holding) -> KeptValues:
    """Return a holding with the names its table and column had, when it was kept."""
    made = await journal.find(store, holding.generation)
    before = await journal.find(store, holding.generation - 1)
    table = before.full_schema.tables.get(holding.table) if before else None
    if made is None or table is None:
        raise NotFound(f"The journal has no generation {holding.generation}.")
    names = {c.id: c.name for c in table.columns}
    field = names.get(holding.column, holding.column)
    return KeptValues(holding, table.name, names.get(base_id(holding.column), field), made.at)


async def purge(
    store: Store, actor: Actor, selection: Selection, clock: Callable[[], datetime]
) -> tuple[Generation | None, list[KeptValues]]:
    """Remove kept values for good; return the generation that notes it (None: there were none) and what they were.

    Raises:
        Unavailable: the database is busy; nothing was changed.
    """
    async with store.schema_transaction():
        await store.lock(LOCK)
        current = await journal.current(store)
        gone = await list_kept(store, selection)
        if current is None or not gone:
            return None, []
        for name in _tables(current.full_schema, gone):
            await store.execute(f"DROP TABLE {quote(name)}")
        generation = _generation(current, gone, actor, clock())
        await journal.write(store, generation)
        await store.announce()
    await store.tables_changed()
    return generation, gone


def _tables(schema: Schema, gone: Iterable[KeptValues]) -> list[str]:
    return sorted({schema.tables[one.holding.kept].name for one in gone})


def _generation(current: Generation, gone: Sequence[KeptValues], actor: Actor, at: datetime) -> Generation:
    ids = {one.holding.kept for one in gone}
    return dataclasses.replace(
        current,
        number=current.number + 1,
        at=at,
        actor=actor.id,
        actor_name=actor.name,
        full_schema=Schema({id: table for id, table in current.full_schema.tables.items() if id not in ids}),
        steps=tuple(_step(one) for one in gone),
    )


def _step(gone: KeptValues) -> dict[str, Any]:
    target = f"{gone.holding.table}.{gone.holding.column}".rstrip(".")
    return {
        "id": f"{PURGE}:{target}",
        "kind": PURGE,
        "entity": gone.entity,
        "field": gone.field,
        "description": f"Remove what generation {gone.holding.generation} kept: {gone.description}.",
        "severity": DESTRUCTIVE,
        "rows": gone.holding.count,
        "affected": gone.holding.count,
    }


def purged_since(history: Iterable[Generation], since: int) -> dict[tuple[str, str], int]:
    """Return how many values were purged after generation `since`, by (table id, column id or empty)."""
    found: dict[tuple[str, str], int] = {}
    for generation in history:
        for step in generation.steps if generation.number > since else ():
            if step.get("kind") == PURGE:
                table, _, column = step["id"].removeprefix(f"{PURGE}:").partition(".")
                found[table, column] = step["affected"]
    return found
