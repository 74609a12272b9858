"""Definitions → YAML: what the studio saves, so that the result is a clean difference in version control.

A new definition is written in one layout (`render`); a changed one keeps its comments and every line that did not
change (`update`); `format_text` brings a file that people wrote into the same layout as far as its comments allow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from xrm.errors import ModelError
from xrm.metadata import layout
from xrm.metadata.edit import Edit, Remove, Rename, Set, Splice, after_key, documents_of, end_of, make, named
from xrm.metadata.nodes import Node, Path

__all__ = ["Edit", "Remove", "Rename", "Set", "add", "format_text", "render", "reorder", "update"]

_KEPT = re.compile(r"#|\n[ \t]*\r?\n")  # a comment or an empty line: somebody laid this out


def render(data: Mapping[str, Any]) -> str:
    """Return a definition as the text of a file: keys in canonical order, one line per field.

    Raises:
        TypeError: It holds something other than tables, lists, texts, numbers, truth values and None.
        ValueError: It holds a number that is not finite.
    """
    return layout.document(data)


def add(text: str, data: Mapping[str, Any]) -> str:
    """Return a file's text with one more definition at its end."""
    if not text.strip():
        return render(data)
    return f"{text.rstrip()}\n---\n{render(data)}"


def update(text: str, edits: Sequence[Edit], name: str = "") -> str:
    """Return a file's text with edits made, one after the other; comments and untouched lines stay.

    A field is added with ``Set(("fields", "region"), {"type": "text"})``, a property is set with
    ``Set(("fields", "region", "required"), True)``, taken back with ``Remove(("fields", "region", "required"))``.

    Args:
        text: The file.
        edits: What to change.
        name: Which definition of the file; empty = the first.

    Raises:
        ModelError: The text cannot be read, or there is nothing at a path to remove or rename.
        TypeError: A value is something YAML cannot say.
        ValueError: A number is not finite.
    """
    for edit in edits:
        text = make(text, edit, name)
    return text


def reorder(text: str, path: Path, keys: Sequence[str], name: str = "") -> str:
    """Return a file's text with the keys of one table in another order, each with its comments.

    Args:
        text: The file.
        path: Where the table is, such as ``("fields",)``.
        keys: All its keys in the order wanted.
        name: Which definition of the file; empty = the first.

    Raises:
        ModelError: The text cannot be read, or these are not the keys of a table at the path.
    """
    root = named(text, name)
    node = root.find(path)
    before = node.plain()
    if not isinstance(before, dict) or sorted(before) != sorted(keys):
        raise ModelError(f"these are not the keys of {'.'.join(map(str, path))}")
    if list(before) == list(keys):
        return text
    if node.style == "block":
        parts = _parts(text, node)
        first = next(iter(parts))
        parts[first] = Splice(_with_comments(text, parts[first].start), parts[first].end, "")
        start, end = parts[first].start, _end_of_lines(text, node)
        chunks = {key: text[part.start : part.end] for key, part in parts.items()}
        lines = "".join(chunk if chunk.endswith("\n") else f"{chunk}\n" for chunk in (chunks[key] for key in keys))
        return Splice(start, end, lines).applied(text)
    written = layout.flow(next(iter(root.value)), path, {key: before[key] for key in keys})
    return Splice(node.start.index, node.end.index, written).applied(text)


def format_text(text: str) -> str:
    """Return a file's text in the canonical layout; parts with comments or empty lines in them are left as they are.

    Raises:
        ModelError: The text cannot be read.
    """
    before = [node.plain() for node in documents_of(text)]
    result = text
    for node in reversed(documents_of(text)):
        kind = next(iter(node.value))
        for splice in sorted(_splices(text, kind, (), node), key=lambda splice: -splice.start):
            result = splice.applied(result)
    result = _ordered(result)
    result = "\n".join(line.rstrip() for line in result.splitlines()) + "\n"
    return result if [node.plain() for node in documents_of(result)] == before else text


def _splices(text: str, kind: str, path: Path, node: Node) -> Iterator[Splice]:
    """Yield what makes the table `node` canonical, key by key where it holds comments."""
    width = layout.width_of(path, list(node.value))
    for name, child in node.value.items():
        key = child.key
        if key is None or node.style != "block":
            continue
        end = end_of(text, child)
        if not _KEPT.search(text[key.index : end]):
            lines = layout.entry(kind, (*path, name), child.plain(), key.column, width)
            yield Splice(key.index, end, "\n".join(lines).lstrip())
        elif isinstance(child.value, dict) and child.style == "block":
            yield from _splices(text, kind, (*path, name), child)
        else:
            start = after_key(text, key.index, name)
            head = layout.key_text(name) + ":"
            if text[start : child.start.index].strip(" ") == "":
                yield Splice(key.index, child.start.index, f"{head.ljust(width)} ")


def _ordered(text: str) -> str:
    """Return the text with the keys of every definition in canonical order, each with the comments above it."""
    for node in reversed(documents_of(text)):
        kind = next(iter(node.value))
        if layout.ordered(kind, (), node.value) == list(node.value) or node.style != "block":
            continue
        parts = _parts(text, node)
        start, end = next(iter(parts.values())).start, _end_of_lines(text, node)
        chunks = {name: text[part.start : part.end].rstrip() + "\n" for name, part in parts.items()}
        text = Splice(start, end, "".join(chunks[name] for name in layout.ordered(kind, (), chunks))).applied(text)
    return text


def _end_of_lines(text: str, node: Node) -> int:
    end = text.find("\n", end_of(text, node))
    return len(text) if end < 0 else end + 1


def _parts(text: str, node: Node) -> dict[str, Splice]:
    """Return, per key of a definition, from where to where its lines go."""
    starts: dict[str, int] = {}
    for number, (name, child) in enumerate(node.value.items()):
        start = text.rfind("\n", 0, child.key.index) + 1 if child.key is not None else 0
        starts[name] = _with_comments(text, start) if number else start
    ends = [*list(starts.values())[1:], _end_of_lines(text, node)]
    return {name: Splice(start, end, "") for (name, start), end in zip(starts.items(), ends, strict=True)}


def _with_comments(text: str, start: int) -> int:
    """Return where the comment lines directly above the line at `start` begin."""
    while start > 0:
        above = text.rfind("\n", 0, start - 1) + 1
        if not text[above:start].lstrip().startswith("#"):
            break
        start = above
    return start
