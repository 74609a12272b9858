"""JSON, kept as it is."""

from __future__ import annotations

from typing import Any

from xrm.kernel.fieldtypes.base import FieldType, Parsing, Refused, constant, register, shape
from xrm.kernel.fieldtypes.text import MAX_TEXT, clean_text
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
    return value


register(
    FieldType(
        "json",
        constant("json"),
        _parse_json,
        shape(),
        "json",
        "json",
        cell="none",
        ordered=False,
        holds="any JSON value",
    ),
)
