"""How an entity looks to OData: flat properties made of fields and their parts, and the ways to other entities.

A relation ``customer`` is the properties ``customer_id`` and ``customer_label`` and the way ``customer``; money
``amount`` is ``amount`` and ``amount_currency``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import msgspec

from xrm.kernel.change import Actor
from xrm.kernel.live import Live
from xrm.kernel.policy import visibility
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.values import TYPES, all_parts, column_at, columns
from xrm.kernel.visible import linking
from xrm.metadata.model import Entity, Field

Record = Mapping[str, Any]

_EDM: Mapping[str, str] = MappingProxyType(
    {
        "text": "Edm.String",
        "int": "Edm.Int64",
        "decimal": "Edm.Decimal",
        "bool": "Edm.Boolean",
        "date": "Edm.Date",
        "time": "Edm.TimeOfDay",
        "datetime": "Edm.DateTimeOffset",
        "uuid": "Edm.Guid",
        "json": "Edm.String",
        "texts": "Collection(Edm.String)",
    }
)
HIDDEN = frozenset({"search", "deleted_at", "deleted_by"})


@dataclass(frozen=True, slots=True)
class Property:
    """One property.

    Attributes:
        name: As OData calls it.
        kind: Of its column.
        path: What it is in filters and sort keys: ``amount.currency``.
        field: What must be selected for it.
        value: A record of ours → the property's value, JSON-ready.
    """

    name: str
    kind: ColumnType
    path: str
    field: str
    value: Callable[[Record], Any]

    @property
    def edm(self) -> str:
        """Its type."""
        return _EDM[self.kind.name]


@dataclass(frozen=True, slots=True)
class Way:
    """A navigation property: to one record of an entity, or to several."""

    name: str
    entity: str
    many: bool


@dataclass(frozen=True, slots=True)
class Shape:
    """What the actor may see of an entity."""

    entity: Entity
    properties: Mapping[str, Property]
    ways: Mapping[str, Way]


def shape_of(live: Live, actor: Actor, entity: Entity) -> Shape:
    """Return the shape of an entity the actor may read."""
    properties: dict[str, Property] = {}
    ways: dict[str, Way] = {}
    access = live.policy.access(actor, entity.name, "read")
    readable = {target.name for target in live.policy.entities(actor)}
    for field in entity.fields.values() if access else ():
        if access is None or field.name in HIDDEN or visibility(access, field.name) is None:
            continue
        if field.through is not None:
            if linking(live, actor, field) is not None:
                ways[field.name] = Way(field.name, field.to[0], many=True)
            continue
        for one in _properties(field):
            properties.setdefault(one.name, one)
        if field.type == "relation" and not field.polymorphic and field.to[0] in readable:
            ways[field.name] = Way(field.name, field.to[0], many=False)
    for end in live.model.inverses.get(entity.name, ()):
        other = live.policy.access(actor, end.entity, "read")
        if end.name not in entity.fields and other is not None and visibility(other, end.field) is not None:
            ways.setdefault(end.name, Way(end.name, end.entity, many=True))
    for name in ways.keys() & properties.keys():
        del ways[name]
    return Shape(entity, MappingProxyType(properties), MappingProxyType(ways))


def _properties(field: Field) -> list[Property]:
    name = field.name
    if field.type == "relation":
        found = [
            Property(f"{name}_id", ColumnType("uuid"), name, name, _member(name, "id")),
            Property(f"{name}_label", ColumnType("text"), f"{name}.label", name, _member(name, "label")),
        ]
        if field.polymorphic:
            kind = Property(f"{name}_entity", ColumnType("text"), f"{name}.entity", name, _member(name, "entity"))
            found = [found[0], kind, found[1]]
        return found
    if parts := all_parts(field):
        first = TYPES[field.type].first
        shown = (_part(name, part.name, column_at(field, part.name), first) for part in parts)
        return [one for one in shown if one.kind.name in _EDM]
    specs = columns(field)
    if not specs or specs[0].type.name not in _EDM:
        return []
    return [Property(name, specs[0].type, name, name, _plain(name, specs[0].type))]


def _part(name: str, part: str, kind: ColumnType, first: str) -> Property:
    own = name if part == first else f"{name}_{part}"
    return Property(own, kind, f"{name}.{part}" if part != first else name, name, _shown(_member(name, part), kind))


def _plain(name: str, kind: ColumnType) -> Callable[[Record], Any]:
    return _shown(lambda record: record.get(name), kind)


def _member(name: str, part: str) -> Callable[[Record], Any]:
    def read(record: Record) -> Any:
        value = record.get(name)
        return value.get(part) if isinstance(value, Mapping) else None

    return read


def _shown(read: Callable[[Record], Any], kind: ColumnType) -> Callable[[Record], Any]:
    show = _SHOW.get(kind.name)
    return read if show is None else lambda record: None if (value := read(record)) is None else show(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


_SHOW: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {
        "decimal": lambda value: msgspec.Raw(str(value).encode()),  # a number with exactly these digits
        "json": lambda value: msgspec.json.encode(value).decode(),
        "text": _text,
        "texts": list,
    }
)
