"""Schemas of json fields (JSON Schema 2020-12): checked when the model is loaded, evaluated when a value is written.

Nothing is fetched: references lead into the schema itself. Patterns are matched in linear time (see pattern.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import jsonschema_rs

MAX_SCHEMA = 20_000  # characters
MAX_REFERENCES = 40  # in one schema: what refers to itself in many ways takes long to evaluate
_LIMIT = 1_000_000  # bytes a compiled pattern may take
_MAX_FAULTS = 20  # told of one value


@lru_cache(maxsize=512)
def _compiled(text: str) -> jsonschema_rs.Draft202012Validator:
    options = jsonschema_rs.RegexOptions(size_limit=_LIMIT, dfa_size_limit=_LIMIT)
    return jsonschema_rs.Draft202012Validator(text, pattern_options=options, validate_formats=True, offline=True)


def schema_fault(text: str) -> str:
    """Return why a schema cannot be used, or an empty text."""
    if len(text) > MAX_SCHEMA:
        return f"the schema is longer than {MAX_SCHEMA} characters"
    if text.count('"$ref"') + text.count('"$dynamicRef"') > MAX_REFERENCES:
        return f"the schema has more than {MAX_REFERENCES} references"
    try:
        _compiled(text)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        return str(error).splitlines()[0][:300]
    return ""


def faults(text: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield what of a JSON value does not fit a schema: the path of the place, such as ``sizes.0``, and why."""
    for number, error in enumerate(_compiled(text).iter_errors(value)):
        if number == _MAX_FAULTS:
            return
        yield ".".join(map(str, error.instance_path)), error.message[:300]


def portable(text: str) -> bool:
    """Return whether a schema may be put into another document: it has no references, which would lead astray."""
    return not any(f'"{word}"' in text for word in ("$ref", "$dynamicRef", "$id", "$anchor", "$dynamicAnchor"))
