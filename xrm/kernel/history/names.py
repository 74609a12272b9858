"""What a field was called when something happened to it.

The change log keeps the names of its time: rewriting millions of rows for a rename would lock them all. Whoever reads
it maps the names of a change-set's generation to the names of today by the ids in the journal. So the history of a
renamed field goes on under its new name, and what a dropped field left is not shown as that of a new one of its name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from xrm.kernel.live import Live
from xrm.kernel.migration import journal
from xrm.kernel.migration.physical import Ids
from xrm.kernel.store.store import Store

Names = Mapping[str, str | None]
"""Name then → name now; None for a field that is gone. What is not in it (a system field) is called the same."""


async def names_since(store: Store, live: Live, entity: str, generations: Iterable[int]) -> Mapping[int, Names]:
    """Return, for each generation other than the one of `live`, what the fields of `entity` are called now."""
    known: dict[tuple[str, int], Names] = live.cached(("past names",), dict)
    wanted = {g for g in generations if g != live.generation}
    missing = [g for g in wanted if (entity, g) not in known]
    if missing:
        now = await journal.ids_of(store, live.generation)
        for number in missing:
            known[entity, number] = _names(await journal.ids_of(store, number), now, entity)
    return {g: known[entity, g] for g in wanted}


def _names(then: Ids | None, now: Ids | None, entity: str) -> Names:
    present = now.entities.get(entity) if now else None
    if then is None or present is None:
        return {}
    past = next((e for e in then.entities.values() if e.id == present.id), None)
    today = {id: name for name, id in present.fields.items()}
    before = {name: today.get(id) for name, id in past.fields.items()} if past else {}
    return {**{name: None for name in present.fields if name not in before}, **before}


def renamed(values: Mapping[str, Any] | None, names: Names) -> dict[str, Any]:
    """Return values by field under the names of today, without those of fields that are gone."""
    pairs = ((names.get(name, name), value) for name, value in (values or {}).items())
    return {name: value for name, value in pairs if name is not None}
