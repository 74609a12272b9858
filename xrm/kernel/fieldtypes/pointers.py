"""Ids, and relations: pointers to records of one entity or of several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

from xrm.kernel.fieldtypes.base import FieldType, Parsing, Part, Refused, constant, register, shape
from xrm.kernel.store.schema import ColumnType
from xrm.metadata.model import Field


class Ref(NamedTuple):
    """A pointer to a record of any entity: the value of a polymorphic relation."""

    entity: str
    id: UUID

    @property
    def leading(self) -> UUID:
        """The id."""
        return self.id


class Lookup(NamedTuple):
    """A relation given by a unique key instead of an id; the records door looks it up."""

    entity: str
    key: str
    value: Any
    more: tuple[tuple[str, Any], ...] = ()  # further fields of a key of several, with their values


MAX_KEY = 8  # fields of a key
ENTITY = Part("entity", ColumnType("text"))


def parse_id(value: Any) -> UUID:
    """Return the id a JSON value names.

    Raises:
        Refused: it is none.
    """
    if isinstance(value, UUID):
        return value
    try:
        return UUID(value) if isinstance(value, str) and len(value) == 36 else _not_uuid()
    except ValueError:
        return _not_uuid()


def _not_uuid() -> UUID:
    raise Refused("not_id", "This is not the id of a record.", "an id is a UUID")


def _parse_uuid(field: Field, value: Any, parsing: Parsing) -> UUID:
    return parse_id(value)


def _parse_relation(field: Field, value: Any, parsing: Parsing) -> UUID | Ref | Lookup:
    if isinstance(value, UUID) and not field.polymorphic:
        return value
    if isinstance(value, Ref) and field.polymorphic:
        return value
    if isinstance(value, Mapping):
        return _parse_pointer(field, {k: v for k, v in value.items() if k != "label"})
    if field.polymorphic:
        raise Refused("not_relation", "Say which entity this points to.", 'like {"entity": "deal", "id": "…"}')
    return parse_id(value)


def _parse_pointer(field: Field, value: Mapping[str, Any]) -> UUID | Ref | Lookup:
    entity = value.get("entity", field.to[0] if not field.polymorphic else None)
    if not isinstance(entity, str) or (field.to != ("*",) and entity not in field.to):
        raise Refused("wrong_entity", "This may not point to a record of that entity.", "one of " + ", ".join(field.to))
    if "id" in value:
        found = parse_id(value["id"])
        return Ref(entity, found) if field.polymorphic else found
    keys = [k for k in value if k != "entity"]
    if not keys or len(keys) > MAX_KEY or any(value[key] is None for key in keys):
        raise Refused("not_relation", "This is neither an id nor a unique key.", 'like {"email": "ann@example.com"}')
    first, *more = sorted(keys)
    return Lookup(entity, first, value[first], tuple((key, value[key]) for key in more))


def _relation_shape(field: Field) -> Mapping[str, Any]:
    properties: dict[str, Any] = {"id": {"type": "string", "format": "uuid"}, "label": {"type": "string"}}
    if field.polymorphic:
        properties["entity"] = {"type": "string"}
    return {"type": "object", "properties": properties}


_UUID = constant("uuid")

register(
    FieldType(
        "uuid", _UUID, _parse_uuid, shape(type="string", format="uuid"), "uuid", "text", cell="none", holds="a UUID"
    ),
    FieldType(
        "relation",
        _UUID,
        _parse_relation,
        _relation_shape,
        "uuid",
        "relation",
        first="id",
        make=Ref,
        holds="a record of another entity",
    ),
)
