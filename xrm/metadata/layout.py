"""Plain data → YAML text in the layout of the house: one line per field, blocks only where a line gets too long."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from xrm.metadata import grammar
from xrm.metadata.compose import BAD_CHARACTER, compose
from xrm.metadata.model import Source
from xrm.metadata.nodes import Path

WIDTH = 120
_STEP = 2
_KEY = re.compile(r"[+-]?[A-Za-z0-9_$][A-Za-z0-9_.-]*\Z")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n", "~", "=", "<<"})
_LIKE_NUMBER = re.compile(r"[+-]?[.]?[0-9]")
_SAFE = re.compile(r"[A-Za-z_$][A-Za-z0-9_$ ./-]*\Z")
_QUOTED = frozenset({"label", "formula", "number", "pattern", "when", "require", "guard", "filter", "where", "open"})
_BLOCKS = frozenset(
    {
        "fields",
        "checks",
        "restrict",
        "privacy",
        "workflow",
        "states",
        "transitions",
        "record_types",
        "buttons",
        "views",
        "grants",
    }
)
_PARTS = {
    ("fields", "*"): "field",
    ("checks", "*"): "check",
    ("restrict", "*"): "restriction",
    ("privacy",): "privacy",
    ("workflow",): "workflow",
    ("workflow", "states", "*"): "state",
    ("workflow", "transitions", "*"): "transition",
    ("record_types", "*"): "record_type",
    ("record_types", "*", "checks", "*"): "check",
    ("record_types", "*", "sections", "*"): "section",
    ("buttons", "*"): "button",
    ("views", "*"): "view",
    ("views", "*", "sections", "*"): "section",
}


def ordered(kind: str, path: Path, keys: Iterable[str]) -> list[str]:
    """Return keys in their canonical order, which is that of the grammar; keys it does not order stay as they are."""
    order = order_of(kind, path)
    ranks = {key: rank for rank, key in enumerate(order)}
    return sorted(keys, key=lambda key: ranks.get(key, len(ranks)))


def order_of(kind: str, path: Path) -> Sequence[str]:
    """Return the canonical order of the keys of the table at `path`; empty where names stand."""
    if kind not in grammar.KINDS:
        return ()  # a text that is being written may be anything
    if not path:
        return list(grammar.schema(kind)["properties"])
    if kind == "role":
        is_grant = len(path) == 2 and path[0] == "grants"
        return list(grammar.schema("role")["$defs"]["grant"]["properties"]) if is_grant else ()
    part = next((part for pattern, part in _PARTS.items() if _matches(pattern, path)), "")
    return list(grammar.schema("entity")["$defs"][part]["properties"]) if part else ()


def _matches(pattern: tuple[str, ...], path: Path) -> bool:
    return len(pattern) == len(path) and all(wanted in ("*", step) for wanted, step in zip(pattern, path, strict=True))


def scalar(value: Any, key: str = "", frame: str = "[{}]") -> str:
    """Return a text, number, truth value or None as YAML that reads back as the same.

    Args:
        value: What to write.
        key: The key it is the value of: expressions and templates are always quoted.
        frame: What it will stand in; between brackets fewer texts can do without quotes.

    Raises:
        TypeError: The value is no scalar.
        ValueError: It is a number that is not finite, or a text with a control character.
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} cannot be written")
        return repr(value)
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} cannot be written")
    return value if key not in _QUOTED and _plain(value, frame) else _quoted(value)


def _plain(text: str, frame: str) -> bool:
    """Return whether a text can stand without quotes, for us and for readers of YAML 1.1, to whom `no` is false."""
    if not text or text.lower() in _WORDS or _LIKE_NUMBER.match(text) or text != text.strip() or "\n" in text:
        return False
    if _SAFE.match(text):
        return True
    documents, issues = compose(Source("", "", frame.format(text)))
    if issues or len(documents) != 1 or "#" in text:
        return False
    return documents[0].plain() in ([text], {"k": text})


def _quoted(text: str) -> str:
    if BAD_CHARACTER.search(text):
        raise ValueError("a control character cannot be written")
    return json.dumps(text, ensure_ascii=False)


def key_text(key: str) -> str:
    """Return a key as YAML."""
    return key if _KEY.match(key) else _quoted(key)


def flow(kind: str, path: Path, value: Any) -> str:
    """Return a value on one line."""
    if isinstance(value, Mapping):
        pairs = (f"{key_text(key)}: {flow(kind, (*path, key), value[key])}" for key in ordered(kind, path, value))
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(flow(kind, (*path, number), item) for number, item in enumerate(value))}]"
    return scalar(value, _quoting(path))


def _quoting(path: Path) -> str:
    """Return the key that decides whether a text is always quoted; what a transition sets are expressions."""
    return "formula" if len(path) > 1 and path[-2] == "set" else str(path[-1]) if path else ""


def entry(kind: str, path: Path, value: Any, indent: int, width: int = 0) -> list[str]:
    """Return the lines of a key with its value.

    Args:
        kind: Kind of the definition, for the order of keys.
        path: Path of the value; its last step is the key.
        value: What to write.
        indent: Spaces before the key.
        width: Characters the key and its colon are filled up to, so that values stand below each other.
    """
    head = f"{' ' * indent}{key_text(str(path[-1]))}:"
    if not isinstance(value, (Mapping, list, tuple)):
        line = f"{head.ljust(indent + width)} {scalar(value, _quoting(path), 'k: {}')}"
        return _long_text(head, line, value, indent)
    line = f"{head.ljust(indent + width)} {flow(kind, path, value)}"
    blocked = path[-1] in _BLOCKS and len(path) <= 2
    if not value or (not blocked and len(line) <= WIDTH):
        return [line]
    return [head, *block(kind, path, value, indent + _STEP)]


def _long_text(head: str, line: str, value: Any, indent: int) -> list[str]:
    lines = value.split("\n") if isinstance(value, str) else []
    folded = len(lines) > 1 and all(part == part.strip() and "\t" not in part for part in lines) and lines[0]
    if not folded or BAD_CHARACTER.search(value):
        return [line]
    ending = "" if lines[-1] == "" else "-"
    if ending == "" and lines[-2] == "":
        return [line]
    pad = " " * (indent + _STEP)
    body = lines[:-1] if ending == "" else lines
    return [f"{head} |{ending}", *(f"{pad}{part}" if part else "" for part in body)]


def block(kind: str, path: Path, value: Any, indent: int) -> list[str]:
    """Return the lines of a table or list, one entry after the other."""
    if isinstance(value, Mapping):
        keys = ordered(kind, path, value)
        width = width_of(path, keys)
        return [line for key in keys for line in entry(kind, (*path, key), value[key], indent, width)]
    return [line for number, item in enumerate(value) for line in item_lines(kind, (*path, number), item, indent)]


def width_of(path: Path, keys: list[str]) -> int:
    """Return how wide keys are made: names of fields, states, transitions and views stand in a column of their own."""
    if path and path[-1] in ("fields", "states", "transitions", "buttons", "views") and keys:
        return min(max(len(key_text(key)) for key in keys) + 1, 30)
    return 0


def item_lines(kind: str, path: Path, value: Any, indent: int) -> list[str]:
    """Return the lines of one item of a list that is written as a block."""
    pad = " " * indent
    line = f"{pad}- {flow(kind, path, value)}"
    if len(line) <= WIDTH or not isinstance(value, Mapping) or not value:
        return [line]
    lines = block(kind, path, value, indent + _STEP)
    return [f"{pad}- {lines[0].strip()}", *lines[1:]]


def document(data: Mapping[str, Any]) -> str:
    """Return a whole definition, its kind first."""
    kind = next((kind for kind in grammar.KINDS if kind in data), "entity")
    lines = [line for key in ordered(kind, (), data) for line in entry(kind, (key,), data[key], 0)]
    return "\n".join(lines) + "\n"
