"""Schemas of records: as they are read, and as they are sent."""

from __future__ import annotations

from collections.abc import Iterable

from xrm.api.openapi.parts import UUID, Json, many, obj, or_null
from xrm.kernel.values import TYPES, all_parts, keys
from xrm.metadata.model import Entity, Field

_LIMITS = ("maxLength", "minimum", "maximum", "pattern")
_RESTRICTED: Json = {"type": "boolean", "description": "There is a value that you may not see."}


def record(entity: Entity, names: frozenset[str]) -> Json:
    """Return the schema of a record as it is read. Older values may be outside of today's limits."""
    properties: Json = {}
    for field in entity.fields.values():
        if field.name in names:
            properties[field.name] = _told(field, _read(field))
    properties["_masked"] = {**many({"type": "string"}), "description": "Fields that were withheld on this record."}
    properties["_stale"] = {**many({"type": "string"}), "description": "Kept values that are being computed anew."}
    properties["_warnings"] = many({"$ref": "#/components/schemas/Issue"})
    if any(button.open for button in entity.buttons.values()):
        properties["_open"] = {"type": "string", "description": "Of a button: the web address it opens, or empty."}
    about = {"title": entity.title, "description": entity.description or entity.title}
    return {**obj(properties, ("id", "version")), **about}


def _read(field: Field) -> Json:
    schema = {name: value for name, value in TYPES[field.type].schema(field).items() if name not in _LIMITS}
    if schema.get("format") == "time":
        schema = {"type": "string", "description": "A time of day: HH:MM:SS"}
    if field.type == "relation":
        schema["properties"] = {**schema["properties"], "_restricted": _RESTRICTED}
    if field.name in ("id", "version"):
        return schema
    return or_null(schema)


def sent(fields: Iterable[Field], required: Iterable[str]) -> Json:
    """Return the schema of values as they are sent; unknown names are refused."""
    properties = {field.name: _told(field, _written(field)) for field in fields}
    return obj(properties, [name for name in required if name in properties], closed=True)


def _written(field: Field) -> Json:
    schema = dict(TYPES[field.type].schema(field))
    if field.type == "relation":
        return {"anyOf": [*([] if field.polymorphic else [UUID]), _pointer(field), {"type": "null"}]}
    if field.through is not None:
        links = many({"anyOf": [UUID, _pointer(field)]})
        change = {**obj({"add": links, "remove": links}, closed=True), "description": "Changes of the set."}
        return {"anyOf": [{**links, "description": "The whole set."}, change, {"type": "null"}]}
    if keys(field):
        schema = _given(field, schema)
    if accepts := TYPES[field.type].accepts:
        return {"anyOf": [schema, *({"type": name} for name in accepts), {"type": "null"}]}
    if field.type in ("decimal", "percent"):
        return {"anyOf": [schema, {"type": "number"}, {"type": "null"}]}
    if schema.get("format") == "time":
        schema = {"type": "string", "pattern": r"^\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?$"}
    return or_null(schema)


def _given(field: Field, schema: Json) -> Json:
    """Return the schema of a value of several columns without the parts that the platform works out."""
    worked_out = {part.name for part in all_parts(field) if not part.written}
    found = {name: value for name, value in schema.get("properties", {}).items() if name not in worked_out}
    return {**schema, **({"properties": found} if found else {})}


def _pointer(field: Field) -> Json:
    made: Json = {"type": "object", "description": 'The id, or one unique key such as {"email": …}.'}
    if field.polymorphic:
        made |= {"properties": {"entity": {"type": "string"}, "id": UUID}, "required": ["entity"]}
    return made


def _told(field: Field, schema: Json) -> Json:
    """Return a schema with the field's title and help."""
    made = {**schema, "title": field.title}
    if field.help:
        made["description"] = field.help
    if not field.writable:
        made["readOnly"] = True
    return made
