"""JSON, kept as it is."""

from __future__ import annotations

from collections.abc import Mapping
from json import loads
from typing import Any

from xrm.kernel.fieldtypes.base import FieldType, Parsing, Refused, constant, register
from xrm.kernel.fieldtypes.text import MAX_TEXT, clean_text
from xrm.metadata.json_schema import faults, portable
from xrm.metadata.model import Field

MAX_JSON_DEPTH = 20


def _depth(value: Any, level: int = 0) -> int:
    if level > MAX_JSON_DEPTH or not isinstance(value, (dict, list)):
        return level
    inner = value.values() if isinstance(value, dict) else value
    return max((_depth(v, level + 1) for v in inner), default=level + 1)


def _no_bad_text(value: Any) -> None:
    if isinstance(value, str):
        clean_text(value, MAX_TEXT)
    elif isinstance(value, dict):
        for key, inner in value.items():
            _no_bad_text(key)
            _no_bad_text(inner)
    elif isinstance(value, list):
        for inner in value:
            _no_bad_text(inner)


def _parse_json(field: Field, value: Any, parsing: Parsing) -> Any:
    if _depth(value) > MAX_JSON_DEPTH:
        raise Refused("too_deep", f"This is nested deeper than {MAX_JSON_DEPTH} levels.")
    _no_bad_text(value)
    if field.json_schema:
        _fits(field.json_schema, value)
    return value


def _fits(schema: str, value: Any) -> None:
    found = [Refused("not_in_schema", f"{why}.".replace("..", "."), part=place) for place, why in faults(schema, value)]
    if found:
        found[0].others = tuple(found[1:])
        raise found[0]


def _shape(field: Field) -> Mapping[str, Any]:
    """Return the field's own schema where it stands by itself."""
    if not field.json_schema or not portable(field.json_schema):
        return {}
    found = loads(field.json_schema)
    return {"allOf": [found]} if isinstance(found, dict) else {}


register(
    FieldType(
        "json",
        constant("json"),
        _parse_json,
        _shape,
        "json",
        "json",
        cell="none",
        ordered=False,
        holds="a JSON value, which fits the field's `schema` where it has one",
    ),
)
