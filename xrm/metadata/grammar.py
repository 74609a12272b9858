"""The grammar of the files: JSON Schemas that accept quickly, and explain slowly what is wrong.

``jsonschema_rs`` says whether a document is good (microseconds); only a document that is not goes through
``jsonschema``, which yields every fault with its path. Neither may fetch anything: the registries hold our files only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema
import jsonschema_rs
from referencing import Registry, Resource

from xrm.errors import Issue
from xrm.metadata.codes import found
from xrm.metadata.names import did_you_mean
from xrm.metadata.nodes import Node, Path
from xrm.metadata.types import RULES

KINDS = ("entity", "extends", "trait", "role")

_PATTERNS = {
    "name": "a name begins with a small letter and has only small letters, digits and _ (at most 40)",
    "choice": "a choice begins with a letter or digit and has only letters, digits, _ . and -",
    "path": "a field, or a path of fields such as customer.name",
    "sort": "a field to sort by, such as amount or -amount",
    "icon": "an icon has only small letters, digits and -",
}
_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a table (key: value)",
    "null": "nothing",
}


def schema(kind: str) -> dict[str, Any]:
    """Return the JSON Schema of one kind of definition, with the field types there are now.

    Raises:
        KeyError: There is no such kind.
    """
    if kind not in KINDS:
        raise KeyError(kind)
    return _schema(kind, tuple(RULES))


@cache
def _schema(kind: str, types: tuple[str, ...]) -> dict[str, Any]:
    text = files("xrm.metadata").joinpath("schema", f"{kind}.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    if listed := loaded.get("$defs", {}).get("type"):
        listed["enum"] = list(types)
    return loaded


@cache
def _acceptor(kind: str, types: tuple[str, ...]) -> jsonschema_rs.Draft202012Validator:
    registry = jsonschema_rs.Registry([(f"{name}.json", _schema(name, types)) for name in KINDS])
    return jsonschema_rs.Draft202012Validator(_schema(kind, types), registry=registry)


@cache
def _explainer(kind: str, types: tuple[str, ...]) -> jsonschema.Draft202012Validator:
    resources = [(f"{name}.json", Resource.from_contents(_schema(name, types))) for name in KINDS]
    registry: Registry[Any] = Registry().with_resources(resources)
    return jsonschema.Draft202012Validator(_schema(kind, types), registry=registry)


def accepts(kind: str, data: Any) -> bool:
    """Return whether plain data is a definition of `kind`."""
    return _acceptor(kind, tuple(RULES)).is_valid(data)


def explain(kind: str, node: Node) -> list[tuple[Path, Issue]]:
    """Return everything that is wrong with a definition, each with the path of what would have to go to mend it."""
    faults: list[tuple[Path, Issue]] = []
    for error in _explainer(kind, tuple(RULES)).iter_errors(node.plain()):
        faults.extend(_faults(error, node))
    # the two libraries differ in details, such as whether $ may stand before a last line break
    return faults or [
        ((), found(node.origin, "grammar", "the definition breaks the grammar", "look for odd characters"))
    ]


def _faults(error: Any, root: Node) -> Iterator[tuple[Path, Issue]]:
    path: Path = tuple(error.absolute_path)
    node = root.find(path)
    if error.validator == "additionalProperties":
        yield from _unknown_keys(error, node, path)
    elif "propertyNames" in error.absolute_schema_path:
        child = node.get(str(error.instance)) or node
        hint = _pattern_hint(str(error.validator_value))
        yield (
            (*path, error.instance),
            found(child.key_origin, "bad_name", f"{_shown(error.instance)} is not a name", hint),
        )
    elif error.validator == "required":
        for key in error.validator_value:
            if key not in error.instance:
                yield path, found(node.key_origin, "missing_key", f"{_where(path)}{key!r} is missing")
    else:
        yield path, _value_fault(error, node, path)


def _unknown_keys(error: Any, node: Node, path: Path) -> Iterator[tuple[Path, Issue]]:
    known = error.schema.get("properties", {})
    for key, child in node.value.items():
        if key not in known:
            hint = did_you_mean(key, known) or f"known here: {', '.join(known)}"
            message = f"{_where(path)}unknown key {_shown(key)}"
            yield (*path, key), found(child.key_origin, "unknown_key", message, hint)


def _value_fault(error: Any, node: Node, path: Path) -> Issue:
    rule, wanted, value = error.validator, error.validator_value, error.instance
    place, where = node.origin, _where(path)
    if rule == "type":
        return found(
            place,
            "wrong_type",
            f"{where}{_wanted(wanted)} is expected here, not {_kind(value)}",
            _type_hint(wanted, value),
        )
    if rule == "enum":
        hint = did_you_mean(value, map(str, wanted)) or f"one of {', '.join(map(str, wanted))}"
        return found(place, "not_allowed", f"{where}{_shown(value)} is not allowed here", hint)
    if rule == "pattern":
        return found(
            place, "bad_name", f"{where}{_shown(value)} is not a name that can be used here", _pattern_hint(wanted)
        )
    if rule in ("minimum", "maximum"):
        return found(
            place, "out_of_range", f"{where}{value} is {'less' if rule == 'minimum' else 'more'} than {wanted}"
        )
    if rule in ("minLength", "minItems", "minProperties"):
        return found(place, "out_of_range", f"{where}this must not be empty")
    if rule == "maxLength":
        return found(place, "out_of_range", f"{where}this text is longer than {wanted} characters")
    return found(place, "grammar", f"{where}this breaks the rule {rule!r} of the grammar")


def _where(path: Path) -> str:
    return f"{'.'.join(map(str, path))[:120]}: " if path else ""


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _wanted(types: Any) -> str:
    return " or ".join(_TYPES[name] for name in ([types] if isinstance(types, str) else types))


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    return f"the text {_shown(value)}" if isinstance(value, str) else json.dumps(value)


def _type_hint(types: Any, value: Any) -> str:
    wanted = [types] if isinstance(types, str) else types
    if "string" in wanted and isinstance(value, (bool, int, float)):
        return "put it in quotes"
    if wanted == ["boolean"] and str(value).lower() in ("yes", "on", "true", "no", "off", "false"):
        return f"write {'true' if str(value).lower() in ('yes', 'on', 'true') else 'false'}"
    return ""


def _pattern_hint(pattern: str) -> str:
    if "A-Za-z" in pattern:
        return _PATTERNS["choice"]
    if "\\." in pattern:
        return _PATTERNS["sort" if pattern.startswith("^-?") else "path"]
    return _PATTERNS["icon" if "0-9-]" in pattern else "name"]
