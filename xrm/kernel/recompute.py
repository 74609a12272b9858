"""Kept computed values computed anew, record by record in chunks: labels, search text, formulas, lookups, rollups.

Nothing of it is a change of a record: version, history and timestamps stay. A chunk is read by one statement.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from xrm.kernel import derive
from xrm.kernel.change import SYSTEM
from xrm.kernel.computed import kept
from xrm.kernel.computed.background import enqueue
from xrm.kernel.live import Live, LiveEntity
from xrm.kernel.policy import label_fields
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.sql import Binder, Statement, Var, quote
from xrm.kernel.store.store import Store
from xrm.kernel.values import Money
from xrm.metadata.model import Entity, Field, Model

MOST_AT_ONCE = 5_000  # records computed anew inside the transaction of apply; more wait for the background
CHUNK = 500  # records read and written at a time
FIRST = UUID(int=0)
_UUID = ColumnType("uuid")
_TEXT = ColumnType("text")
_INT = ColumnType("int")


@dataclass(frozen=True, slots=True)
class Stale:
    """A record whose kept values are not what they are made of: field → (kept, computed)."""

    id: UUID
    version: int
    values: dict[str, tuple[Any, Any]]


@dataclass(frozen=True, slots=True)
class Chunk:
    """What was found in a chunk of records; `last` is None when it was the last."""

    records: int
    stale: tuple[Stale, ...]
    last: UUID | None


def affected(old: Model | None, new: Model, steps: Iterable[Mapping[str, Any]] = ()) -> Iterator[Entity]:
    """Yield the entities whose stored computed values may differ under the new model.

    Args:
        old: The model before.
        new: The model now.
        steps: What was done (`Step.to_dict`): values that a step wrote may be in labels, search texts and formulas.
    """
    written: dict[str, set[str]] = {}
    indexed = {step["entity"] for step in steps if (step["kind"], step["field"]) == ("add_index", "search")}
    for step in steps:
        if step.get("affected"):
            written.setdefault(step["entity"], set()).add(step["field"])
    copied = {_link_of(new, step) for step in steps if step["kind"] == "copy_links"}
    for entity in new.entities.values():
        if entity.removed:
            continue
        if entity.name in copied:
            yield entity
            continue
        touched = {(name, field) for name, fields in written.items() for field in fields}
        reads = any(_reads(entity, name) for name in written.get(entity.name, ()))
        if entity.name in indexed or reads or _gathers(entity, touched):
            yield entity
            continue
        before = old.entities.get(entity.was if entity.name not in old.entities else entity.name) if old else None
        if before is not None and _computed(before) != _computed(entity):
            yield entity


def _link_of(model: Model, step: Mapping[str, Any]) -> str:
    link = model.entities[step["entity"]].fields[step["field"]].through
    return link.entity if link else ""


def _reads(entity: Entity, name: str) -> bool:
    stored = (field for field in entity.fields.values() if field.kind and not field.virtual)
    return name in label_fields(entity) or name in entity.search or any(name in field.reads for field in stored)


def _gathers(entity: Entity, touched: set[tuple[str, str]]) -> bool:
    return any(field.stored and field.foreign & touched for field in entity.fields.values())


def _computed(entity: Entity) -> Any:
    kept_fields = {
        f.name: (f.formula, f.of, f.where, f.compute, f.over, f.type, f.scale)
        for f in entity.fields.values()
        if (f.formula or f.kind) and not f.virtual
    }
    choices = {f.name: f.choices for f in entity.fields.values() if f.name in entity.label}
    return entity.label, entity.search, kept_fields, choices


async def renew(store: Store, live: Live, entities: Iterable[Entity], at: datetime) -> None:
    """Compute kept values anew after a change of the model, inside its transaction; of large entities afterwards."""
    for entity in _sources_first(live, entities):
        mark = store.dialect.placeholder(1, _INT)
        many = f"SELECT count(*) FROM (SELECT 1 FROM {quote(entity.name)} LIMIT {mark}) counted"
        if (await store.fetch(many, [MOST_AT_ONCE + 1]))[0][0] > MOST_AT_ONCE:
            await enqueue(store, live, entity.name, at)
        else:
            await recompute(store, live, entity)


def _sources_first(live: Live, entities: Iterable[Entity]) -> list[Entity]:
    """Return the entities, and those with values made of theirs, each after what it is made of where possible."""
    names = [entity.name for entity in entities]
    for name in names:
        names += [d.dependent for d in live.dependencies.get(name, ()) if d.dependent not in names]
    later = {name: {d.dependent for d in live.dependencies.get(name, ())} for name in names}
    ordered: list[str] = []
    while names:
        free = next((n for n in names if not any(n in later[m] for m in names if m != n)), names[0])
        names.remove(free)
        ordered.append(free)
    return [live.model.entities[name] for name in ordered]


async def recompute(store: Store, live: Live, entity: Entity) -> int:
    """Compute the kept values of every record of an entity anew; return how many records had others."""
    last: UUID | None = FIRST
    mended = 0
    while last is not None:
        chunk = await renew_chunk(store, live, entity.name, last)
        mended += len(chunk.stale)
        last = chunk.last
    return mended


async def renew_chunk(store: Store, live: Live, entity: str, after: UUID) -> Chunk:
    """Compute the kept values of the next records anew, and return what was stale.

    A value may be made of another that was stale itself, so they are looked at again until nothing is.
    """
    first = chunk = await examine(store, live, entity, after)
    for _ in live.entities[entity].gathered:
        await mend(store, live, entity, chunk.stale)
        if not chunk.stale:
            break
        chunk = await examine(store, live, entity, after)
    await mend(store, live, entity, chunk.stale)
    return first


async def examine(store: Store, live: Live, entity: str, after: UUID) -> Chunk:
    """Return which of the next records, by id, keep values that are stale. Records in the trash are not looked at."""
    prepared = live.entities[entity]
    statement: Statement = live.cached(("examine", entity), lambda: _statement(live, prepared))
    rows = await store.fetch(statement.text, statement.arguments(live.dialect, {"after": after}))
    found = [_examined(live, prepared, row) for row in rows]
    last = prepared.rows.values(rows[-1])["id"] if len(rows) == CHUNK else None
    return Chunk(len(rows), tuple(stale for stale in found if stale is not None), last)


async def mend(store: Store, live: Live, entity: str, stale: Sequence[Stale]) -> None:
    """Store the computed values where the record did not change meanwhile."""
    rows = live.entities[entity].rows
    for record in stale:
        values = {name: computed for name, (_, computed) in record.values.items()}
        await store.execute(*rows.update(record.id, record.version, values))


def _statement(live: Live, prepared: LiveEntity) -> Statement:
    binder = Binder(live.dialect)
    entity = prepared.entity
    gathered = kept.selection(live, binder, entity, "t", prepared.gathered)
    labels = [_label(live, binder, field) for field in _label_relations(prepared)]
    terms = ", ".join([prepared.rows.selection("t"), *gathered, *labels])
    after = binder.bind(Var("after", _UUID), _UUID)
    where = f't."id" > {after} AND t."deleted_at" IS NULL'
    return binder.statement(f'SELECT {terms} FROM {quote(entity.name)} t WHERE {where} ORDER BY t."id" LIMIT {CHUNK}')


def _label_relations(prepared: LiveEntity) -> list[Field]:
    found = (prepared.entity.fields.get(name) for name in prepared.label_fields)
    return [field for field in found if field is not None and field.type == "relation"]


def _label(live: Live, binder: Binder, field: Field) -> str:
    """Return the SQL of the label of the record that a relation names."""
    if not field.polymorphic:
        return _label_of(field.to[0], field)
    targets = live.model.entities if field.to == ("*",) else field.to
    kind = f"t.{quote(field.name + '_entity')}"
    cases = (f"WHEN {kind} = {binder.bind(name, _TEXT)} THEN {_label_of(name, field)}" for name in targets)
    return f"CASE {' '.join(cases)} END"


def _label_of(target: str, field: Field) -> str:
    return f'(SELECT l."label" FROM {quote(target)} l WHERE l."id" = t.{quote(field.name)} AND l."deleted_at" IS NULL)'


def _examined(live: Live, prepared: LiveEntity, row: Sequence[Any]) -> Stale | None:
    own = len(prepared.rows.columns)
    values = prepared.rows.values(row)
    relations = _label_relations(prepared)
    before = dict(values)
    values.update(kept.read(live, prepared.gathered, row[own : len(row) - len(relations)]))
    derive.formulas(prepared.entity, prepared.formulas, values, SYSTEM, values["updated_at"], live.parsing)
    labels = {f.name: text or "" for f, text in zip(relations, row[len(row) - len(relations) :], strict=True)}
    values["label"] = derive.label(prepared.entity, values, labels)
    values["search"] = derive.search_text(prepared.entity, values)
    differing = {n: (before.get(n), v) for n, v in values.items() if not _same(before.get(n), v)}
    return Stale(values["id"], values["version"], differing) if differing else None


def _same(kept_value: Any, computed: Any) -> bool:
    """Whether a kept value is right; what an amount was worth at a rate of its day is not computed anew."""
    if isinstance(kept_value, Money) and isinstance(computed, Money):
        return kept_value[:2] == computed[:2]
    return bool(kept_value == computed)
