"""Batches of drafts → records, through the records door."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import groupby
from typing import Any
from uuid import UUID

import xrm

from .rows import Batch, Draft, Key

ACTOR = replace(xrm.SYSTEM, source="demo")
REASON = "demo company"


def _quiet(counts: Counter[str]) -> None:
    """Tell nobody."""


class Writer:
    """Makes the records of one company, a batch at a time, and knows the ids of those that later batches may name."""

    def __init__(self, kernel: Any, tell: Callable[[Counter[str]], None] = _quiet) -> None:
        """Write through the door of `kernel`; `tell` is called after each batch with the counts of all entities."""
        self._kernel, self._tell = kernel, tell
        self._kept: dict[Key, UUID] = {}
        self.counts: Counter[str] = Counter()

    async def write(self, batches: Iterable[Batch]) -> None:
        """Write the batches, each in one act.

        Raises:
            XrmError: a record is refused, which would be a defect of the generator.
        """
        for batch in batches:
            known = dict(self._kept)
            async with self._kernel.records.act(ACTOR, REASON):
                for entity, drafts in groupby(batch, key=lambda draft: draft.entity):
                    await self._write_all(entity, list(drafts), known)
            self._kept |= {draft.key: known[draft.key] for draft in batch if draft.kept}
            self._tell(self.counts)

    async def _write_all(self, entity: str, drafts: list[Draft], known: dict[Key, UUID]) -> None:
        for draft in drafts:  # one by one: drafts of one entity may name each other
            (known[draft.key],) = await self._kernel.records.create_many(ACTOR, entity, [_values(draft, known)])
        self.counts[entity] += len(drafts)

    def id_of(self, key: Key) -> UUID:
        """Return the id of a record that was kept."""
        return self._kept[key]


def _values(draft: Draft, known: dict[Key, UUID]) -> dict[str, Any]:
    return {name: _value(name, value, known) for name, value in draft.values.items() if value is not None}


def _value(name: str, value: Any, known: dict[Key, UUID]) -> Any:
    if not isinstance(value, Key):
        return value
    if name == "regarding":  # points to a record of any entity
        return {"entity": value.entity, "id": str(known[value])}
    return str(known[value])
