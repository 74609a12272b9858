"""A value read from YAML together with the place where it was written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from xrm.metadata.model import Origin, Source

Path = tuple[str | int, ...]


class Mark(Protocol):
    """A place in a text: `index` counts characters, `line` and `column` count from 0."""

    @property
    def index(self) -> int:
        """Characters before it in the whole text."""

    @property
    def line(self) -> int:
        """Lines before it."""

    @property
    def column(self) -> int:
        """Characters before it in its line."""


class Node(NamedTuple):
    """One value: a scalar, a list of nodes, or a dict of nodes.

    Attributes:
        value: ``str | int | float | bool | None | list[Node] | dict[str, Node]``.
        source: The file it was read from.
        start: Where the value begins (a quoted text: at its quote).
        end: Where it ends; for block collections the place of the next token.
        key: Where its key begins, when it is the value of a key.
        style: Of scalars ``""`` (plain), ``'``, ``"``, ``|`` or ``>``; of collections ``flow`` or ``block``.
    """

    value: Any
    source: Source
    start: Mark
    end: Mark
    key: Mark | None = None
    style: str = ""

    @property
    def origin(self) -> Origin:
        """Where a person looks for it: the value itself, or the key above a block of lines."""
        mark = self.key if self.style == "block" and self.key is not None else self.start
        return self._at(mark)

    @property
    def key_origin(self) -> Origin:
        """Where its key is written, or else the value."""
        return self._at(self.key or self.start)

    def _at(self, mark: Mark) -> Origin:
        return Origin(self.source.layer, self.source.file, mark.line + 1, mark.column + 1)

    def get(self, key: str) -> Node | None:
        """Return the value of `key` when this is a table that has it, or None."""
        return self.value.get(key) if isinstance(self.value, dict) else None

    def plain(self) -> Any:
        """Return the value as ordinary lists and dicts, without places."""
        value = self.value
        if isinstance(value, dict):
            return {key: node.plain() for key, node in value.items()}
        if isinstance(value, list):
            return [node.plain() for node in value]
        return value

    def holding(self, value: Any) -> Node:
        """Return a node in the same place with another value."""
        return self._replace(value=value)

    def find(self, path: Path) -> Node:
        """Return the node at `path`, or the deepest one on the way that exists."""
        node = self
        for step in path:
            children: Any = dict(enumerate(node.value)) if isinstance(node.value, list) else node.value
            if not isinstance(children, dict) or step not in children:
                break
            node = children[step]
        return node


def origins_below(node: Node, prefix: str = "", without: frozenset[str] = frozenset()) -> Mapping[str, Origin]:
    """Return dotted path → origin of everything below `node`, leaving out the top keys in `without`."""
    return dict(_walk(node, prefix, without))


def _walk(node: Node, prefix: str, without: frozenset[str] = frozenset()) -> Iterator[tuple[str, Origin]]:
    value = node.value
    if isinstance(value, dict):
        steps: Any = value.items()
    elif isinstance(value, list):
        steps = enumerate(value)
    else:
        return
    for step, child in steps:
        if step in without:
            continue
        path = f"{prefix}{step}"
        yield path, child.origin
        if child.value.__class__ in (dict, list):
            yield from _walk(child, f"{path}.")
