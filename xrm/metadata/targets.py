"""What an extension aims at: parts of earlier layers that must be there, and parts that a layer takes away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from xrm.errors import Issue
from xrm.metadata.codes import found
from xrm.metadata.model import Origin
from xrm.metadata.names import SYSTEM_FIELDS, TYPE_FIELD, did_you_mean
from xrm.metadata.nodes import Node

_Path = tuple[str, ...]
SITE = "site"

_TABLES: tuple[tuple[_Path, str], ...] = (
    (("views",), "view"),
    (("record_types",), "record type"),
    (("buttons",), "button"),
    (("workflow", "states"), "state"),
    (("workflow", "transitions"), "transition"),
)
_LISTS: tuple[tuple[_Path, str], ...] = (
    (("checks",), "check"),
    (("restrict",), "restriction"),
    (("grants",), "grant"),
)


class Changes(Protocol):
    """Who set what below a path."""

    def changes_below(self, path: _Path) -> list[Node]:
        """Return what extensions set of the part at `path`."""


def is_removed(node: Node) -> bool:
    """Return whether a table says ``removed: true``."""
    removed = node.get("removed")
    return removed is not None and removed.value is True


def name_of(node: Node) -> str:
    """Return the `name` a check or grant is addressed by, or an empty text."""
    name = node.get("name")
    return "" if name is None else str(name.value)


def aimed(base: Node, change: Node, traits: Mapping[str, Node], issues: list[Issue]) -> Node:
    """Return an extension without what it wants to change or remove although no earlier layer has it; note that."""
    fields = change.get("fields")
    if fields is not None:
        known = {**_fields_of(base, traits), **dict.fromkeys(_workflow_fields(base, change))}
        kept = {name: child for name, child in fields.value.items() if _finds(name, child, known, issues)}
        change = change.holding({**change.value, "fields": fields.holding(kept)})
    for path, word in _TABLES:
        there = _at(base, path)
        wanted = _at(change, path)
        if wanted is not None:
            names = there.value if there is not None else {}
            lost = [name for name, child in wanted.value.items() if is_removed(child) and name not in names]
            for name in lost:
                _nothing(
                    wanted.value[name], f"there is no {word} {name!r} to remove", did_you_mean(name, names), issues
                )
            change = _put(change, path, wanted.holding({n: c for n, c in wanted.value.items() if n not in lost}))
    return change


def _fields_of(base: Node, traits: Mapping[str, Node]) -> dict[str, Node | None]:
    known: dict[str, Node | None] = {}
    for node in (*traits.values(), base):
        fields = node.get("fields")
        known.update(fields.value if fields is not None else {})
    return known


def _workflow_fields(*nodes: Node) -> Iterator[str]:
    """Yield the names of the fields that workflows and record types make, and of those every record has."""
    for node in nodes:
        workflow = node.get("workflow")
        if workflow is not None:
            field = workflow.get("field")
            yield "state" if field is None else str(field.value)
        if node.get("record_types") is not None:
            yield TYPE_FIELD
    yield from SYSTEM_FIELDS


def _finds(name: str, child: Node, known: Mapping[str, Node | None], issues: list[Issue]) -> bool:
    """Return whether a field of an extension is a new one, or changes one that is there."""
    was = child.get("was")
    if name in known or child.get("type") is not None or (was is not None and was.value in known):
        return True
    for other, field in known.items():
        former = field.get("was") if field is not None else None
        if former is not None and former.value == name:
            message = f"the field {name!r} is called {other!r} now, by {former.source.layer!r} at {former.origin}"
            issues.append(found(child.key_origin, "renamed_name", message, f"write {other}: here"))
            return False
    hint = did_you_mean(name, known) or "to add it, write its type"
    _nothing(child, f"there is no field {name!r} of an earlier layer to {_verb(child)}", hint, issues)
    return False


def _verb(child: Node) -> str:
    return "remove" if is_removed(child) else "change"


def _nothing(node: Node, message: str, hint: str, issues: list[Issue]) -> None:
    issues.append(found(node.key_origin, "nothing_to_change", message, hint or "take this line out"))


def _at(node: Node, path: _Path) -> Node | None:
    for step in path:
        below = node.get(step)
        if below is None:
            return None
        node = below
    return node


def _put(node: Node, path: _Path, value: Node) -> Node:
    below = value if len(path) == 1 else _put(node.value[path[0]], path[1:], value)
    return node.holding({**node.value, path[0]: below})


def without_removed(node: Node, changes: Changes, issues: list[Issue]) -> tuple[Node, dict[str, Origin]]:
    """Return a definition without the parts that say ``removed: true``, and where each was taken away.

    Fields stay, since their values do until somebody consents. Who changes what a plugin takes away is told.
    """
    gone: dict[str, Origin] = {}
    for path, _ in _TABLES:
        table = _at(node, path)
        if table is not None:
            lost = {name: child for name, child in table.value.items() if is_removed(child)}
            _note(path, lost, changes, issues, gone)
            node = _put(node, path, table.holding({n: _kept(c) for n, c in table.value.items() if n not in lost}))
    kinds = _at(node, ("record_types",))
    own = [("record_types", name, "checks") for name in (kinds.value if kinds is not None else ())]
    for path in (*(path for path, _ in _LISTS), *own):
        listed = _at(node, path)
        if listed is not None:
            lost = {name_of(item) or str(i): item for i, item in enumerate(listed.value) if is_removed(item)}
            _note(path, lost, changes, issues, gone)
            node = _put(node, path, listed.holding([_kept(item) for item in listed.value if not is_removed(item)]))
    fields = node.get("fields")
    dropped = {n: c for n, c in (fields.value.items() if fields is not None else ()) if is_removed(c)}
    _note(("fields",), dropped, changes, issues, gone)
    return node, gone


def _kept(node: Node) -> Node:
    return node.holding({k: c for k, c in node.value.items() if k != "removed"}) if "removed" in node.value else node


def _note(
    path: _Path, lost: Mapping[str, Node], changes: Changes, issues: list[Issue], gone: dict[str, Origin]
) -> None:
    for name, child in lost.items():
        removed = child.value["removed"]
        gone[".".join((*path, name))] = removed.origin
        issues += _contradictions((*path, name), removed, changes.changes_below((*path, name)))


def _contradictions(path: _Path, removed: Node, changes: Sequence[Node]) -> Iterator[Issue]:
    """Yield a finding for each layer that changes what another one, other than the site, takes away."""
    told = {removed.source.layer}
    for change in changes if removed.source.layer != SITE else ():
        if change.source.layer not in told:
            told.add(change.source.layer)
            by = f"{removed.source.layer!r} removes it at {removed.origin}"
            hint = "take this out, or keep it with removed: false in the site"
            yield found(change.origin, "changed_and_removed", f"{'.'.join(path)} is changed here, but {by}", hint)
