"""Proof that no kept computed value is stale: every record is looked at, in chunks, by the code that keeps them up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from xrm.errors import NotFound
from xrm.kernel.computed.background import pending
from xrm.kernel.kernel import Kernel
from xrm.kernel.recompute import FIRST, examine, renew_chunk
from xrm.kernel.values import to_json

MAX_SAMPLES = 5


@dataclass(frozen=True, slots=True)
class Sample:
    """One stale record: field → what is kept, and what it should be, as JSON."""

    id: UUID
    values: dict[str, tuple[Any, Any]]


@dataclass(slots=True)
class Verified:
    """What was found in one entity; `waiting` says that the background is to compute it anyway."""

    entity: str
    records: int = 0
    stale: int = 0
    waiting: bool = False
    samples: list[Sample] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        samples = [
            {"id": str(s.id), "values": {n: {"kept": a, "computed": b} for n, (a, b) in s.values.items()}}
            for s in self.samples
        ]
        counts = {"entity": self.entity, "records": self.records, "stale": self.stale, "waiting": self.waiting}
        return {**counts, "samples": samples}


async def verify(kernel: Kernel, entity: str = "", mode: str = "report") -> Sequence[Verified]:
    """Return what is stale in one entity, or in all.

    Args:
        kernel: The site.
        entity: Which; empty = all.
        mode: ``report``, or ``repair``: what is stale is computed anew, in one short transaction per chunk.

    Raises:
        NotFound: no such entity.
    """
    names = [entity] if entity else sorted(kernel.live.entities)
    if entity and entity not in kernel.live.entities:
        raise NotFound(f"There is no entity {entity!r}.")
    waiting = await pending(kernel.store)
    found = [Verified(name, waiting=name in waiting) for name in names]
    for one in found:
        await _verify(kernel, one, mode)
    return found


async def _verify(kernel: Kernel, found: Verified, mode: str) -> None:
    look = renew_chunk if mode == "repair" else examine
    last: UUID | None = FIRST
    while last is not None:
        async with kernel.store.transaction():
            chunk = await look(kernel.store, kernel.live, found.entity, last)
        found.records += chunk.records
        found.stale += len(chunk.stale)
        for stale in chunk.stale[: MAX_SAMPLES - len(found.samples)]:
            values = {n: (to_json(a), to_json(b)) for n, (a, b) in stale.values.items() if n != "search"}
            found.samples.append(Sample(stale.id, values))
        last = chunk.last


def lines(found: Sequence[Verified], mode: str) -> Iterator[str]:
    """Yield the report as people read it."""
    for one in found:
        for sample in one.samples:
            for name, (kept, computed) in sample.values.items():
                yield f"{one.entity} {sample.id} {name}: {kept!r} is kept, {computed!r} is right"
        if one.stale:
            yield f"{one.entity}: {one.stale} of {one.records} records {'mended' if mode == 'repair' else 'are stale'}"
        if one.waiting and mode != "repair":
            yield f"{one.entity}: waits to be computed in the background"
    stale, records = sum(one.stale for one in found), sum(one.records for one in found)
    if not stale:
        yield f"Nothing is stale: {records} records were looked at."
