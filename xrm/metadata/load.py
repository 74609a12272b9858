"""Files → definitions, with every fault of every file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xrm.errors import Issue, ModelError
from xrm.metadata import grammar
from xrm.metadata.codes import found
from xrm.metadata.compose import MAX_BYTES, compose
from xrm.metadata.model import Origin, Source
from xrm.metadata.names import did_you_mean
from xrm.metadata.nodes import Node
from xrm.metadata.nodes import Path as NodePath

MAX_FILES = 5_000
_NAMED = re.compile(r"^(?:---\s+)?(?:entity|extends|trait|role)\s*:\s*[\"']?([a-z][a-z0-9_]{0,39})", re.MULTILINE)
_PARTED = frozenset({"fields", "views", "checks", "restrict", "grants"})


@dataclass(frozen=True, slots=True)
class Definition:
    """One document of a file: its kind (entity, extends, trait, role), its name, and what it says."""

    kind: str
    name: str
    node: Node

    @property
    def origin(self) -> Origin:
        """Where its name is written."""
        named = self.node.get(self.kind)
        return (named or self.node).origin

    @property
    def data(self) -> Any:
        """What it says as plain lists and dicts, as it was written."""
        return self.node.plain()


@dataclass(frozen=True, slots=True)
class Reading:
    """What could be read of a file.

    Attributes:
        definitions: The good ones, and the good parts of the others.
        issues: What is wrong.
        uncertain: Names of definitions that are missing or incomplete for that: what refers to them is not judged.
    """

    definitions: list[Definition] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)
    uncertain: set[str] = field(default_factory=set)


def load_source(source: Source) -> list[Definition]:
    """Return the definitions of one file.

    Raises:
        ModelError: Something is wrong with it; the issues say all of it.
    """
    reading = read_source(source)
    if reading.issues:
        raise ModelError(f"{source.file} is not valid", reading.issues)
    return reading.definitions


def read_source(source: Source) -> Reading:
    """Return what can be read of one file, never raising: the other files shall be judged as well."""
    documents, issues = compose(source)
    reading = Reading(issues=issues)
    if issues:
        reading.uncertain.update(_NAMED.findall(source.text[:MAX_BYTES]))
    written = [node for node in documents if node.value is not None]
    for node in written:
        _define(node, reading)
    if not written and not issues:
        place = Origin(source.layer, source.file, 1, 1)
        issues.append(found(place, "empty_file", "the file holds no definition", "write one, or delete the file"))
    return reading


def _define(node: Node, reading: Reading) -> None:
    kind = _kind(node, reading)
    if not kind:
        return
    name = node.value[kind].value
    if not grammar.accepts(kind, node.plain()):
        faults = grammar.explain(kind, node)
        reading.issues.extend(issue for _, issue in faults)
        if isinstance(name, str):
            reading.uncertain.add(name)
        parts = {_part(path) for path, _ in faults}
        node = _without(node, parts)
        if () in parts or not grammar.accepts(kind, node.plain()):
            return
    reading.definitions.append(Definition(kind, name, node))


def _kind(node: Node, reading: Reading) -> str:
    first = next(iter(node.value), "") if isinstance(node.value, dict) else ""
    if first in grammar.KINDS:
        return str(first)
    kinds = ", ".join(f"{kind}:" for kind in grammar.KINDS)
    hint = did_you_mean(first, grammar.KINDS) or f"one of {kinds}"
    later = next((kind for kind in grammar.KINDS if isinstance(node.value, dict) and kind in node.value), "")
    hint = f"move {later!r} to the top" if later else hint
    reading.issues.append(found(node.origin, "unknown_kind", "the first key must name the kind of definition", hint))
    reading.uncertain.update(
        child.value
        for key, child in (node.value.items() if isinstance(node.value, dict) else ())
        if isinstance(child.value, str)
    )
    return ""


def _part(path: NodePath) -> NodePath:
    """Return what of a definition must go for a fault at `path`: one field, view, check or grant, or one key."""
    return path[:2] if path and path[0] in _PARTED else path[:1]


def _without(node: Node, parts: set[NodePath]) -> Node:
    top = {}
    for key, child in node.value.items():
        if (key,) in parts:
            continue
        below = child.value
        if isinstance(below, dict):
            below = {name: item for name, item in below.items() if (key, name) not in parts}
        elif isinstance(below, list):
            below = [item for index, item in enumerate(below) if (key, index) not in parts]
        top[key] = child.holding(below)
    return node.holding(top)


def read_layer(layer: str, folder: Path, prefix: str = "") -> tuple[Source, ...]:
    """Return every ``*.yaml`` below `folder` as the files of one layer, in the order of their paths.

    Hidden files and folders are skipped, and links that lead out of the folder; a folder that does not exist is empty.

    Args:
        layer: Name of the layer: ``site``, or the plugin's.
        folder: Where to look.
        prefix: Put before each file's path in messages, such as ``entities/``.

    Raises:
        ModelError: Files cannot be read; the issues name all of them.
    """
    sources: list[Source] = []
    issues: list[Issue] = []
    root = folder.resolve()
    for count, path in enumerate(_files(root)):
        name = f"{prefix}{path.relative_to(root).as_posix()}"
        if count >= MAX_FILES:
            issues.append(
                found(Origin(layer, name, 1, 1), "file_too_large", f"the folder holds more than {MAX_FILES:,} files")
            )
            break
        read = _read(Origin(layer, name, 1, 1), path)
        if isinstance(read, Issue):
            issues.append(read)
        else:
            sources.append(Source(layer, name, read))
    if issues:
        raise ModelError("some files cannot be read", issues)
    return tuple(sources)


def _files(root: Path) -> Iterator[Path]:
    found_files: list[Path] = []
    for place, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found_files.extend(
            Path(place, name) for name in names if not name.startswith(".") and name.endswith((".yaml", ".yml"))
        )
    inside = (path for path in found_files if path.resolve().is_relative_to(root) and path.is_file())
    return iter(sorted(inside, key=lambda path: path.relative_to(root).parts))


def _read(place: Origin, path: Path) -> str | Issue:
    if path.suffix == ".yml":
        return found(place, "file_name", "this file is not read", "name it .yaml")
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        return found(place, "unreadable_file", f"the file cannot be opened: {error.strerror or 'unknown reason'}")
    if len(content) > MAX_BYTES:
        return found(place, "file_too_large", "the file is larger than 1 MiB", "split it into several files")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        at = Origin(place.layer, place.file, line, error.start - content.rfind(b"\n", 0, error.start))
        return found(at, "unreadable_file", "the file is not UTF-8 text", "save it as UTF-8")
