"""One choice, several choices, tags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xrm.kernel.fieldtypes.base import FieldType, Parsing, Refused, constant, register, shape
from xrm.kernel.fieldtypes.text import clean_text
from xrm.metadata.model import Choice, Field

MAX_SET = 200  # values in a choices or tags field


def _parse_choice(field: Field, value: Any, parsing: Parsing) -> str:
    names = [choice.name for choice in field.choices]
    if not isinstance(value, str) or value not in names:
        raise Refused("not_a_choice", "This is not one of the choices.", "one of " + ", ".join(names[:20]))
    return value


def _text_set(value: Any) -> list[str]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(v, str) for v in value):
        raise Refused("not_list", "This must be a list of texts.")
    if len(value) > MAX_SET:
        raise Refused("too_many", f"At most {MAX_SET} values are allowed.")
    return list(dict.fromkeys(clean_text(v, 200).strip() for v in value))


def fitting(field: Field, value: Any) -> tuple[Choice, ...]:
    """Return the choices that may be chosen when the field it depends on holds `value`."""
    return tuple(choice for choice in field.choices if not choice.when or value in choice.when)


def _parse_choices(field: Field, value: Any, parsing: Parsing) -> tuple[str, ...] | None:
    given = _text_set(value)
    order = [choice.name for choice in field.choices]
    for name in given:
        if name not in order:
            raise Refused("not_a_choice", f"{name!r} is not one of the choices.", "any of " + ", ".join(order[:20]))
    return tuple(sorted(given, key=order.index)) or None


def _parse_tags(field: Field, value: Any, parsing: Parsing) -> tuple[str, ...] | None:
    return tuple(v for v in _text_set(value) if v) or None


def _choice_shape(field: Field) -> Mapping[str, Any]:
    return {"type": "string", "enum": [choice.name for choice in field.choices]}


def _choices_shape(field: Field) -> Mapping[str, Any]:
    return {"type": "array", "items": _choice_shape(field)}


_TEXTS = constant("texts")
_STRINGS = shape(type="array", items={"type": "string"})

register(
    FieldType(
        "choice",
        constant("text"),
        _parse_choice,
        _choice_shape,
        "text",
        "choice",
        cell="choice",
        holds="one of the field's choices",
    ),
    FieldType(
        "choices",
        _TEXTS,
        _parse_choices,
        _choices_shape,
        "texts",
        "choices",
        cell="choice",
        ordered=False,
        holds="several of the field's choices",
    ),
    FieldType(
        "tags",
        _TEXTS,
        _parse_tags,
        _STRINGS,
        "texts",
        "tags",
        cell="choice",
        ordered=False,
        holds="words anyone may add",
    ),
)
