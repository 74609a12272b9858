"""Field paths such as ``customer.country``: what they mean in a model, for expressions, lists and filters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from xrm.kernel.expression import types
from xrm.kernel.expression.types import Type
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.values import TYPES, all_parts, column_at, columns
from xrm.metadata.model import Entity, Field, Inverse, Model

MAX_HOPS = 3  # relations one path may cross

USER: Mapping[str, Type] = {
    "id": types.UUID,
    "email": types.TEXT,
    "name": types.TEXT,
    "unit": types.UUID,
    "teams": types.list_of(types.UUID),
}


@dataclass(frozen=True, slots=True)
class Path:
    """A resolved path: the relations it crosses and the field at its end.

    Attributes:
        hops: Relation fields crossed, in order, each with the entity it leads to.
        entity: The entity of the last field.
        field: The last field.
        part: The named column of a compound field (``amount.currency``), else empty.
    """

    hops: tuple[tuple[Field, Entity], ...]
    entity: Entity
    field: Field
    part: str = ""

    @property
    def column(self) -> str:
        """Name of the column at the end."""
        first = self.part in ("", TYPES[self.field.type].first)
        return self.field.name if first else f"{self.field.name}_{self.part}"

    @property
    def kind(self) -> ColumnType:
        """Type of the column at the end."""
        return column_at(self.field, self.part)


def resolve(model: Model, entity: Entity, path: tuple[str, ...]) -> Path | None:
    """Return what `path` means from `entity`, or None when there is no such field."""
    hops: list[tuple[Field, Entity]] = []
    for position, name in enumerate(path):
        field = entity.fields.get(name)
        if field is None or field.name == "search":
            return None
        rest = path[position + 1 :]
        if not rest:
            linked = field.through is not None and not hops
            return Path(tuple(hops), entity, field) if columns(field) or linked else None
        if len(rest) == 1 and _has(field, rest[0]):
            return Path(tuple(hops), entity, field, rest[0])
        target = model.entity(field.to[0]) if field.type == "relation" and not field.polymorphic else None
        if target is None or len(hops) == MAX_HOPS:
            return None
        hops.append((field, target))
        entity = target
    return None


def _has(field: Field, name: str) -> bool:
    """Whether a field has a part of this name; the id of a pointer is no part: it is withheld with the record."""
    pointer = field.type == "relation" and name == TYPES[field.type].first
    return not pointer and any(part.name == name for part in all_parts(field))


def inverse(model: Model, entity: Entity, path: tuple[str, ...]) -> Inverse | None:
    """Return the list of other records that a name means from `entity`, or None when it means none."""
    if len(path) != 1 or path[0] in entity.fields:
        return None
    return next((end for end in model.inverses.get(entity.name, ()) if end.name == path[0]), None)


def type_of(field: Field, part: str = "") -> Type:
    """Return a field's type in the expression language."""
    if part:
        kind = column_at(field, part)
        return types.decimal(kind.scale) if kind.name == "decimal" else Type(kind.name)
    if field.through is not None:
        return types.list_of(types.UUID)
    name = TYPES[field.type].expression
    return types.decimal(column_at(field).scale) if name == "decimal" else Type(name)


@dataclass(frozen=True, slots=True)
class RecordScope:
    """What an expression over one entity's records may name: its fields, fields across relations, and ``user.*``."""

    model: Model
    entity: Entity

    def type_of(self, path: tuple[str, ...]) -> Type | None:
        """Return the type of what `path` names, or None."""
        if path[0] == "user" and "user" not in self.entity.fields:
            return USER.get(path[1]) if len(path) == 2 else None
        if inverse(self.model, self.entity, path) is not None:
            return types.list_of(types.UUID)
        found = resolve(self.model, self.entity, path)
        return type_of(found.field, found.part) if found else None

    def hierarchy(self, path: tuple[str, ...]) -> tuple[str, str] | None:
        """Return the entity of the record at `path`, and its relation to the record above it; None without one."""
        found = resolve(self.model, self.entity, path)
        if found is None or found.part:
            return None
        target = (
            found.entity if found.field.name == "id" else self.model.entity(found.field.to[0] if found.field.to else "")
        )
        if target is None or found.field.polymorphic or found.field.through:
            return None
        above = found.field if found.field.hierarchy else next((f for f in target.fields.values() if f.hierarchy), None)
        return (target.name, above.name) if above else None

    def parts(self, path: tuple[str, ...]) -> tuple[str, ...]:
        """Return the parts of which any makes a value of several: of a range either end."""
        found = resolve(self.model, self.entity, path) if path[0] != "user" or "user" in self.entity.fields else None
        if found is None or found.part or TYPES[found.field.type].whole:
            return ()
        return tuple(part.name for part in all_parts(found.field))

    def names(self) -> Iterable[str]:
        """Return the names to suggest when one is mistyped."""
        return (*(f.name for f in self.entity.fields.values() if f.name != "search"), *(f"user.{n}" for n in USER))


@dataclass(frozen=True, slots=True)
class RowScope(RecordScope):
    """The same without ``user.*`` and what is computed when it is read: for all records at once, in the database."""

    def type_of(self, path: tuple[str, ...]) -> Type | None:
        """Return the type of what `path` names, or None."""
        found = resolve(self.model, self.entity, path)
        kept = found is not None and not found.field.virtual and bool(columns(found.field))
        return type_of(found.field, found.part) if found and kept else None


@dataclass(frozen=True, slots=True)
class OwnScope(RecordScope):
    """The same without relations and without what is computed when it is read.

    For kept formulas, checks and guards, evaluated on the one record being written.
    """

    def hierarchy(self, path: tuple[str, ...]) -> tuple[str, str] | None:
        """Return None: the other records of a hierarchy are not read while one is written."""
        return None

    def type_of(self, path: tuple[str, ...]) -> Type | None:
        """Return the type of what `path` names, or None."""
        found = RecordScope.type_of(self, path)
        if found is not None and found.item is not None and path[0] != "user":
            return None  # links are not part of the record being written
        is_user = path[0] == "user" and "user" not in self.entity.fields
        field = self.entity.fields.get(path[0])
        if field is not None and field.virtual:
            return None
        a_part = len(path) == 2 and field is not None and _has(field, path[1])
        return found if len(path) == 1 or is_user or a_part else None
