"""Places: from a finding's file, line and column to the part of the model it is about. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from xrm.errors import Issue
from xrm.metadata.compose import compose
from xrm.metadata.model import Source
from xrm.metadata.nodes import Node, Path


@dataclass(frozen=True, slots=True)
class Place:
    """A part of a definition: its name, and the path inside it."""

    name: str
    path: Path


def place_of(sources: Sequence[Source], issue: Issue) -> Place | None:
    """Return what a finding is about, or None when it is about no place in the files."""
    file, line, column = (["", "", *issue.path.rsplit(":", 2)])[-3:]
    if not (line.isdigit() and column.isdigit()):
        return None
    at = (int(line) - 1, int(column) - 1)
    source = next((source for source in sources if source.file == file), None)
    found: Place | None = None
    for node in _documents(source) if source is not None else ():
        named = next(iter(node.value.values()))
        if (named.start.line, 0) <= at and isinstance(named.value, str):
            found = Place(named.value, _path(node, at))
    return found


@lru_cache(maxsize=512)
def _documents(source: Source) -> tuple[Node, ...]:
    """Return what a file says, faults of grammar included: a finding may well be about one of them."""
    documents, _ = compose(source)
    return tuple(node for node in documents if isinstance(node.value, dict) and node.value)


def _path(node: Node, at: tuple[int, int]) -> Path:
    """Return the path of the last part that begins at or before a place."""
    value = node.value
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    path: Path = ()
    for step, child in steps:
        mark = child.key or child.start
        if (mark.line, mark.column) <= at:
            path = (step, *_path(child, at))
    return path


def by_place(sources: Sequence[Source], issues: Iterable[Issue]) -> Mapping[Place | None, list[Issue]]:
    """Return findings by the part of the model they are about; of fields and the like the whole one."""
    found: dict[Place | None, list[Issue]] = {}
    for issue in issues:
        place = place_of(sources, issue)
        found.setdefault(Place(place.name, place.path[:2]) if place else None, []).append(issue)
    return found
