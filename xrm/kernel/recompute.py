"""When definitions of computed values change, the stored ones are computed anew: labels, search text, formulas."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from uuid import UUID

from xrm.kernel import derive
from xrm.kernel.change import SYSTEM
from xrm.kernel.live import Live, LiveEntity
from xrm.kernel.policy import label_fields
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.sql import quote
from xrm.kernel.store.store import Store
from xrm.metadata.model import Entity, Model

CHUNK = 500  # rows read and written at a time
_UUID = ColumnType("uuid")
_INT = ColumnType("int")


def affected(old: Model | None, new: Model, steps: Iterable[Mapping[str, Any]] = ()) -> Iterator[Entity]:
    """Yield the entities whose stored computed values may differ under the new model.

    Args:
        old: The model before.
        new: The model now.
        steps: What was done (`Step.to_dict`): values that a step wrote may be in labels, search texts and formulas.
    """
    written: dict[str, set[str]] = {}
    for step in steps:
        if step.get("affected"):
            written.setdefault(step["entity"], set()).add(step["field"])
    for entity in new.entities.values():
        if entity.removed:
            continue
        if any(_reads(entity, name) for name in written.get(entity.name, ())):
            yield entity
            continue
        before = old.entities.get(entity.was if entity.name not in old.entities else entity.name) if old else None
        if before is not None and _computed(before) != _computed(entity):
            yield entity


def _reads(entity: Entity, name: str) -> bool:
    stored = (field for field in entity.fields.values() if field.kind and not field.virtual)
    return name in label_fields(entity) or name in entity.search or any(name in field.reads for field in stored)


def _computed(entity: Entity) -> Any:
    formulas = {f.name: (f.formula, f.type, f.scale) for f in entity.fields.values() if f.formula and not f.virtual}
    choices = {f.name: f.choices for f in entity.fields.values() if f.name in entity.label}
    return entity.label, entity.search, formulas, choices


async def recompute(store: Store, live: Live, entity: Entity) -> None:
    """Compute the stored values of every record of an entity anew. Inside the transaction of apply.

    Nothing of it is a change of a record: version, history and timestamps stay.
    """
    prepared = live.entities[entity.name]
    names = (*prepared.formulas, "label", "search")
    table, rows = quote(entity.name), prepared.rows
    first, size = store.dialect.placeholder(1, _UUID), store.dialect.placeholder(2, _INT)
    text = f'SELECT {rows.selection("t")} FROM {table} t WHERE t."id" > {first} ORDER BY t."id" LIMIT {size}'
    last = UUID(int=0)
    while found := await store.fetch(text, [store.dialect.encode(_UUID, last), CHUNK]):
        for row in found:
            values = rows.values(row)
            last = values["id"]
            before = {n: values.get(n) for n in names}
            await _derive(store, live, prepared, values)
            if any(values[n] != before[n] for n in names):
                await store.execute(*rows.update(last, values["version"], {n: values[n] for n in names}))


async def _derive(store: Store, live: Live, prepared: LiveEntity, values: dict[str, Any]) -> None:
    entity = prepared.entity
    derive.formulas(entity, prepared.formulas, values, SYSTEM, values["updated_at"], live.parsing)
    labels: dict[str, str] = {}
    for name in prepared.label_fields:
        field = entity.fields.get(name)
        if field is not None and field.type == "relation" and not field.polymorphic and values.get(name):
            mark = store.dialect.placeholder(1, _UUID)
            found = await store.fetch(
                f'SELECT "label" FROM {quote(field.to[0])} WHERE "id" = {mark}',
                [store.dialect.encode(_UUID, values[name])],
            )
            labels[name] = found[0][0] or "" if found else ""
    values["label"] = derive.label(entity, values, labels)
    values["search"] = derive.search_text(entity, values)
