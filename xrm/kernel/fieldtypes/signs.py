"""Small signs: a rating in stars, a colour, an icon."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from xrm.kernel.fieldtypes.base import FieldType, Parsing, Refused, constant, register, shape
from xrm.kernel.fieldtypes.numbers import parse_integer
from xrm.kernel.fieldtypes.text import clean_text
from xrm.metadata.model import Field

STARS = 5  # of a rating whose field says nothing else


def stars(field: Field) -> int:
    """Return how many stars a rating may have at most."""
    return int(field.max or STARS)


def _parse_rating(field: Field, value: Any, parsing: Parsing) -> int:
    number = parse_integer(field, value, parsing)
    if not 0 <= number <= stars(field):
        raise Refused("out_of_range", f"This is a number of stars from 0 to {stars(field)}.")
    return number


def _rating_shape(field: Field) -> Mapping[str, Any]:
    return {"type": "integer", "minimum": 0, "maximum": stars(field)}


def _parse_colour(field: Field, value: Any, parsing: Parsing) -> str:
    text = clean_text(value, 40).strip().lower()
    if found := re.fullmatch(r"#?([0-9a-f])([0-9a-f])([0-9a-f])", text):
        return "#" + "".join(digit * 2 for digit in found.groups())
    if re.fullmatch(r"#?[0-9a-f]{6}", text):
        return "#" + text.lstrip("#")
    raise Refused("not_colour", "This is not a colour.", "like #1e90ff: red, green, blue, two digits each")


def _parse_icon(field: Field, value: Any, parsing: Parsing) -> str:
    text = clean_text(value, 80).strip().lower().removeprefix("bi-")
    if not re.fullmatch(r"[a-z0-9]+(?:-[a-z0-9]+){0,9}", text) or len(text) > 60:
        raise Refused("not_icon", "This is not the name of an icon.", "one of Bootstrap, such as calendar-event")
    return text


_TEXT = constant("text")

register(
    FieldType(
        "rating",
        constant("int"),
        _parse_rating,
        _rating_shape,
        "int",
        "rating",
        holds=f"a number of stars, from 0 to `max` ({STARS} if it is not said)",
    ),
    FieldType(
        "colour",
        _TEXT,
        _parse_colour,
        shape(type="string", pattern="^#[0-9a-f]{6}$"),
        "text",
        "colour",
        holds="a colour, as #rrggbb",
    ),
    FieldType(
        "icon",
        _TEXT,
        _parse_icon,
        shape(type="string", pattern="^[a-z0-9-]{1,60}$"),
        "text",
        "icon",
        holds="the name of a Bootstrap icon",
    ),
)
