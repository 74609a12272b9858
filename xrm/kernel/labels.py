"""Labels that are made of labels: what must hold for the names of other records within one to be an actor's to read.

A label is kept as a text, so that a list needs no join to show it; a contract called after its customer holds the
customer's name. Whoever may not read that name may not read it there either.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from xrm.kernel.paths import MAX_HOPS
from xrm.kernel.policy import label_fields, visibility
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.sql import quote
from xrm.metadata.model import Entity, Field, Model

if TYPE_CHECKING:
    from xrm.kernel.visible import Visible

TEXT = ColumnType("text")


def needed(visible: Visible, entity: Entity, alias: str, depth: int = 1) -> list[str]:
    """Return the conditions under which the actor may read the label of a row, besides those of its own fields."""
    if visible.actor.is_system:
        return []
    return [_told(visible, f, alias, depth) for f in _relations(entity) if not _open(visible, f)]


def _relations(entity: Entity) -> Iterator[Field]:
    """Yield the relations that an entity's label is made of."""
    fields = (entity.fields.get(name) for name in label_fields(entity))
    yield from (field for field in fields if field is not None and field.type == "relation")


def _targets(model: Model, field: Field) -> tuple[Entity, ...]:
    names = model.entities if field.to == ("*",) else field.to
    return tuple(model.entities[name] for name in names if name in model.entities)


def _open(visible: Visible, field: Field) -> bool:
    """Whether the actor may read the label of every record a relation may name, and of what those name in turn."""
    model = visible.live.model
    ahead, known = list(_targets(model, field)), set[str]()
    while ahead:
        target = ahead.pop()
        access = visible.access(target)
        if access is None or not access.unconditional or visibility(access, "label") != ():
            return False
        known.add(target.name)
        further = (other for relation in _relations(target) for other in _targets(model, relation))
        ahead.extend(other for other in further if other.name not in known)
    return True


def _told(visible: Visible, field: Field, alias: str, depth: int) -> str:
    """Return the condition that a relation is empty, or that the actor may read the label of the record it names."""
    pointer = f"{alias}.{quote(field.name)}"
    seen = [f"{pointer} IS NULL"]
    for target in _targets(visible.live.model, field) if depth <= MAX_HOPS else ():
        access = visible.access(target)
        giving = visibility(access, "label") if access else None
        if giving is None:
            continue
        inner = visible.alias()
        found = [visible.joined(target, inner, pointer), *needed(visible, target, inner, depth + 1)]
        if giving:
            found.append(visible.rows(giving, target, inner))
        if field.polymorphic:
            found.append(f"{alias}.{quote(field.name + '_entity')} = {visible.binder.bind(target.name, TEXT)}")
        seen.append(f"EXISTS (SELECT 1 FROM {quote(target.name)} {inner} WHERE {' AND '.join(found)})")
    return f"({' OR '.join(seen)})"
