"""Two models side by side: which entity and field of the one before became which of the new one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from xrm.kernel.migration.physical import EntityIds, Ids
from xrm.metadata.model import Entity, Field, Model


@dataclass(frozen=True)
class Ancestry:
    """The model in force, the one that is planned, and their ids.

    Attributes:
        before: The model in force.
        after: The planned one.
        old: The ids of `before`.
        new: The ids of `after`.
    """

    before: Model
    after: Model
    old: Ids
    new: Ids

    def entities(self) -> Iterator[tuple[Entity, Entity]]:
        """Yield the entities that are in both, before and after."""
        for entity in self.after.entities.values():
            earlier = self.entity(entity)
            if earlier is not None and not entity.removed:
                yield earlier, entity

    def entity(self, entity: Entity) -> Entity | None:
        """Return what an entity of the new model was before, or None when it is new."""
        ids = self.new.entities.get(entity.name)
        return self.before.entities.get(self._former.get(ids.id, "")) if ids else None

    def successor(self, entity: Entity) -> Entity | None:
        """Return what an entity of the model before becomes, or None when it goes."""
        ids = self.old.entities.get(entity.name)
        found = self.after.entities.get(self._present.get(ids.id, "")) if ids else None
        return None if found is None or found.removed else found

    def fields(self, earlier: Entity, entity: Entity) -> Iterator[tuple[Field, Field]]:
        """Yield the fields that are in both, before and after; the system's are not among them."""
        for field in entity.fields.values():
            known = self.field(earlier, entity, field.name)
            if known is not None and not field.system and not field.removed:
                yield known, field

    def field(self, earlier: Entity, entity: Entity, name: str) -> Field | None:
        """Return what a field of the new model was before, or None when it is new."""
        if entity.fields[name].system:
            return earlier.fields.get(name)
        id = self.new.entities[entity.name].fields.get(name)
        names = {id: known for known, id in self.old.entities[earlier.name].fields.items()}
        return earlier.fields.get(names.get(id, "")) if id else None

    def field_after(self, earlier: Entity, entity: Entity, name: str) -> Field | None:
        """Return what a field of the model before becomes, or None when it goes."""
        if earlier.fields[name].system:
            return entity.fields.get(name)
        id = self.old.entities[earlier.name].fields.get(name)
        ids: EntityIds = self.new.entities[entity.name]
        names = {id: known for known, id in ids.fields.items()}
        found = entity.fields.get(names.get(id, "")) if id else None
        return None if found is None or found.removed else found

    @cached_property
    def _former(self) -> dict[str, str]:
        return {ids.id: name for name, ids in self.old.entities.items()}

    @cached_property
    def _present(self) -> dict[str, str]:
        return {ids.id: name for name, ids in self.new.entities.items()}
