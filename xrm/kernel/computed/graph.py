"""Which kept values are made of which fields of other records: what a write makes stale, and how it is found.

A kept computed field is made of what lies at the end of ways that start at its record: over a relation to the record it
points to (``customer.``), or over a list to the records that point here (rollups). A label is made of the labels of the
records it names. Walked back from a changed record, a way leads to the records whose values are stale.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from xrm.kernel.policy import label_fields
from xrm.kernel.store.sql import quote
from xrm.metadata.computed import listed
from xrm.metadata.formula import named
from xrm.metadata.model import Entity, Field, Model

_Add = Callable[[Entity, tuple["Step", ...], Entity, str], None]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a way: from a record of `entity` over `relation`, or back over it when `listing`.

    Forward, `relation` is a field of `entity`; listing, it is a field of the records that point to `entity`, `child`.
    """

    entity: str
    relation: Field
    child: str = ""


@dataclass(frozen=True, slots=True)
class Dependency:
    """Kept values of `dependent` records are made of `fields` of the records at the end of a way."""

    dependent: str
    steps: tuple[Step, ...]
    fields: frozenset[str]

    @property
    def listing(self) -> bool:
        """Whether the records at the end are listed: then one that comes or goes makes values stale, too."""
        return bool(self.steps[-1].child)

    def query(self, ids: str) -> str:
        """Return the SELECT of the ids of dependents, given what stands in the parentheses of ``IN (…)``.

        `ids` are those of the records at the end of the way or, when they are listed, of the records they point to.
        """
        steps = self.steps[:-1] if self.listing else self.steps
        for step in reversed(steps):
            ids = _back(step, ids)
        return ids


def _back(step: Step, ids: str) -> str:
    """Return the records one step before those in `ids`."""
    if step.child:
        return f'SELECT x.{quote(step.relation.name)} FROM {quote(step.child)} x WHERE x."id" IN ({ids})'
    where = f'x.{quote(step.relation.name)} IN ({ids}) AND x."deleted_at" IS NULL'
    return f'SELECT x."id" FROM {quote(step.entity)} x WHERE {where}'


def dependencies(model: Model) -> Mapping[str, tuple[Dependency, ...]]:
    """Return the dependencies of kept values, by the entity whose records they are made of."""
    found: dict[str, dict[tuple[str, tuple[Step, ...]], set[str]]] = {}

    def add(dependent: Entity, steps: tuple[Step, ...], end: Entity, name: str) -> None:
        if steps:
            found.setdefault(end.name, {}).setdefault((dependent.name, steps), set()).add(name)

    for entity in model.entities.values():
        for field in (f for f in entity.fields.values() if f.gathered):
            _of_field(model, entity, field, add)
        _of_label(model, entity, add)
    return MappingProxyType(
        {
            name: tuple(Dependency(dependent, steps, frozenset(names)) for (dependent, steps), names in ways.items())
            for name, ways in found.items()
        }
    )


def _of_field(model: Model, entity: Entity, field: Field, add: _Add) -> None:
    if field.kind != "rollup":
        for path in named(field.formula).paths if field.kind == "formula" else (tuple(field.of.split(".")),):
            _walk(model, entity, entity, (), path, add)
        return
    source = listed(model, entity, field)
    if source is None:
        return
    _walk(model, entity, entity, (), source.hops, add)
    steps = (*_hops(model, entity, source.hops), Step(source.anchor.name, source.relation, source.child.name))
    add(entity, steps, source.child, source.relation.name)
    for path in (*named(field.where).paths, *filter(None, [tuple(field.over.split("."))] if field.over else [])):
        _walk(model, entity, source.child, steps, path, add)


def _walk(
    model: Model, dependent: Entity, start: Entity, steps: tuple[Step, ...], path: tuple[str, ...], add: _Add
) -> None:
    """Add every field that a path passes."""
    for name in path:
        field = start.fields.get(name)
        if field is None:
            return  # a part of the field before, or the user
        add(dependent, steps, start, name)
        target = model.entity(field.to[0]) if field.type == "relation" and not field.polymorphic and field.to else None
        if target is None:
            return
        steps = (*steps, Step(start.name, field))
        start = target


def _hops(model: Model, entity: Entity, hops: tuple[str, ...]) -> tuple[Step, ...]:
    steps: list[Step] = []
    for hop in hops:
        field = entity.fields[hop]
        steps.append(Step(entity.name, field))
        entity = model.entities[field.to[0]]
    return tuple(steps)


def _of_label(model: Model, entity: Entity, add: _Add) -> None:
    for name in label_fields(entity):
        field = entity.fields.get(name)
        if field is None or field.type != "relation":
            continue
        for target in model.entities if field.to == ("*",) else field.to:
            if target in model.entities:
                add(entity, (Step(entity.name, field),), model.entities[target], "label")
