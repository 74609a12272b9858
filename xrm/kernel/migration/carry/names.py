"""What the tables and columns of a model are called in the database before a plan."""

from __future__ import annotations

from dataclasses import dataclass

from xrm.kernel import values
from xrm.kernel.migration.ancestry import Ancestry
from xrm.metadata.model import Model


@dataclass(frozen=True, slots=True)
class Now:
    """Of the model in force: as it says."""

    model: Model

    def table(self, entity: str) -> str | None:
        """Return the table of an entity."""
        return entity if entity in self.model.entities else None

    def column(self, entity: str, column: str) -> str | None:
        """Return a column of an entity's table."""
        return column


@dataclass(frozen=True, slots=True)
class Then:
    """Of the planned model: what its entities and fields were before; a new one is nothing yet."""

    ancestry: Ancestry

    def table(self, entity: str) -> str | None:
        """Return the table of an entity, or None when it is new."""
        before = self.ancestry.entity(self.ancestry.after.entities[entity])
        return before.name if before else None

    def column(self, entity: str, column: str) -> str | None:
        """Return a column of an entity's table, or None when it is new."""
        after = self.ancestry.after.entities[entity]
        before = self.ancestry.entity(after)
        for field in after.fields.values():
            places = {spec.name: n for n, spec in enumerate(values.columns(field))}
            if before is not None and column in places:
                known = self.ancestry.field(before, after, field.name)
                specs = values.columns(known) if known is not None else ()
                return specs[places[column]].name if places[column] < len(specs) else None
        return None
