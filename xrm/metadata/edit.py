"""Changes to a text of definitions that touch only the characters they must, so that comments and layout stay.

Every change is first tried as the smallest splice. The result is read again; when it does not say exactly what was
asked for (odd layouts), the next larger part is written anew, and in the end the whole definition.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xrm.errors import ModelError
from xrm.metadata import layout
from xrm.metadata.compose import compose
from xrm.metadata.model import Source
from xrm.metadata.nodes import Node, Path


@dataclass(frozen=True, slots=True)
class Set:
    """Give `path` a value; tables on the way that do not exist are made, tables that exist keep what stays the same."""

    path: Path
    value: Any


@dataclass(frozen=True, slots=True)
class Remove:
    """Take away what is at `path`."""

    path: Path


@dataclass(frozen=True, slots=True)
class Rename:
    """Give the key at the end of `path` another name; its value and its place stay."""

    path: Path
    name: str


Edit = Set | Remove | Rename


@dataclass(frozen=True, slots=True)
class Splice:
    """Characters from `start` up to `end` become `text`."""

    start: int
    end: int
    text: str

    def applied(self, text: str) -> str:
        """Return `text` with the splice made."""
        return text[: self.start] + self.text + text[self.end :]


def documents_of(text: str) -> list[Node]:
    """Return the definitions of a text.

    Raises:
        ModelError: It is not YAML of the house.
    """
    nodes, issues = compose(Source("", "text", text))
    nodes = [node for node in nodes if isinstance(node.value, dict) and node.value]
    if issues or not nodes:
        raise ModelError("the text cannot be changed before it can be read", issues)
    return nodes


def make(text: str, edit: Edit, name: str = "") -> str:
    """Return `text` with one edit made in the definition called `name`, or in the first.

    Raises:
        ModelError: The text cannot be read, or has nothing at the path.
    """
    for step in _steps(named(text, name).plain(), edit):
        text = _made(text, step, name)
    return text


def named(text: str, name: str) -> Node:
    """Return the definition called `name` of a text, or its first.

    Raises:
        ModelError: The text cannot be read, or does not define it.
    """
    for node in documents_of(text):
        if not name or next(iter(node.value.values())).value == name:
            return node
    raise ModelError(f"the text does not define {name!r}")


def _steps(data: Any, edit: Edit) -> Iterator[Edit]:
    """Yield the small edits a big one consists of: what two tables or lists share is not touched."""
    before = _value_at(data, edit.path)
    if not isinstance(edit, Set) or type(before) is not type(edit.value):
        yield edit
    elif isinstance(before, dict) and before and edit.value:
        yield from (Remove((*edit.path, key)) for key in before if key not in edit.value)
        for key, value in edit.value.items():
            yield from _steps(data, Set((*edit.path, key), value))
    elif isinstance(before, list) and before and edit.value[: len(before)] == before:
        yield from (Set((*edit.path, number), edit.value[number]) for number in range(len(before), len(edit.value)))
    elif isinstance(before, list) and len(before) == len(edit.value):
        for number, value in enumerate(edit.value):
            yield from _steps(data, Set((*edit.path, number), value))
    elif before != edit.value:
        yield edit


_NOTHING = object()


def _value_at(data: Any, path: Path) -> Any:
    for step in path:
        children = dict(enumerate(data)) if isinstance(data, list) else data
        if not isinstance(children, dict) or step not in children:
            return _NOTHING
        data = children[step]
    return data


def _made(text: str, edit: Edit, name: str) -> str:
    node = named(text, name)
    before = node.plain()
    wanted = _applied(before, edit)
    if wanted == before and list(wanted) == list(before):
        return text
    others = [other.plain() for other in documents_of(text) if other.start.index != node.start.index]
    for splice in _attempts(text, node, edit, wanted):
        result = splice.applied(text)
        if _reads(result, wanted, others):
            return result
    raise ModelError("the change cannot be written into this text")


def _reads(text: str, wanted: Any, others: list[Any]) -> bool:
    nodes, issues = compose(Source("", "", text))
    found = [node.plain() for node in nodes if isinstance(node.value, dict)]
    return not issues and wanted in found and len(found) == len(others) + 1 and all(other in found for other in others)


def _applied(data: Any, edit: Edit) -> Any:
    """Return the data as it shall be."""
    *way, last = edit.path
    copy = _copied(data)
    table = copy
    for step, following in zip(way, edit.path[1:], strict=True):
        below = _value_at(table, (step,))
        if isinstance(below, str) and way[:1] == ["fields"]:
            below = {"type": below}  # the short form of a field makes room
        if not isinstance(below, (dict, list)):
            if not isinstance(edit, Set):
                raise _nothing(edit)
            below = [] if isinstance(following, int) else {}
        _put(table, step, below, edit)
        table = below
    if isinstance(edit, Set):
        _put(table, last, edit.value, edit)
    elif _value_at(table, (last,)) is _NOTHING:
        raise _nothing(edit)
    elif isinstance(edit, Remove):
        del table[last]
    else:
        renamed = {edit.name if key == last else key: value for key, value in table.items()}
        table.clear()
        table.update(renamed)
    return copy


def _nothing(edit: Edit) -> ModelError:
    return ModelError(f"there is nothing at {'.'.join(map(str, edit.path))}")


def _put(table: Any, key: str | int, value: Any, edit: Edit) -> None:
    if isinstance(table, list) is not isinstance(key, int) or (isinstance(key, int) and not 0 <= key <= len(table)):
        raise _nothing(edit)
    if key == len(table):
        table.append(value)
    else:
        table[key] = value


def _copied(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _copied(value) for key, value in data.items()}
    return [_copied(item) for item in data] if isinstance(data, list) else data


def _attempts(text: str, root: Node, edit: Edit, wanted: Any) -> Iterator[Splice]:
    """Yield splices that may do, the smallest first."""
    surgeon = _Surgeon(text, root)
    path = edit.path
    if isinstance(edit, Rename):
        yield surgeon.renamed(path, edit.name)
        path = path[:-1]
    elif isinstance(edit, Remove):
        yield from surgeon.removed(path)
        path = path[:-1]
    while path:
        yield from surgeon.put(path, _value_at(wanted, path))
        path = path[:-1]
    yield Splice(root.start.index, end_of(text, root), layout.document(wanted).rstrip("\n"))


def end_of(text: str, node: Node) -> int:
    """Return the index behind the last character of a value; marks of blocks point to the token that follows."""
    if node.style == "block" and node.value:
        children = node.value.values() if isinstance(node.value, dict) else node.value
        return max(end_of(text, child) for child in children)
    if node.style in ("|", ">"):
        return node.start.index + len(text[node.start.index : node.end.index].rstrip())
    return node.end.index


def after_key(text: str, key: int, name: str) -> int:
    """Return the index behind the colon of a key that begins at `key`."""
    quote = text[key]
    end = text.find(quote, key + 1) + 1 if quote in ("'", '"') else key + len(name)
    return text.find(":", end) + 1


class _Surgeon:
    """Finds the splices for one definition of a text."""

    def __init__(self, text: str, root: Node) -> None:
        self.text = text
        self.root = root
        self.kind = next(iter(root.value))
        self.newline = "\r\n" if "\r\n" in text else "\n"

    def lines(self, lines: Sequence[str]) -> str:
        return self.newline.join(lines)

    def parent(self, path: Path) -> Node | None:
        parent = self.root
        for step in path[:-1]:
            child = _child(parent, step)
            if child is None:
                return None
            parent = child
        return parent

    def line_end(self, index: int) -> int:
        end = self.text.find("\n", index)
        return len(self.text) if end < 0 else end - (self.newline == "\r\n")

    def line_start(self, index: int) -> int:
        return self.text.rfind("\n", 0, index) + 1

    def put(self, path: Path, value: Any) -> Iterator[Splice]:
        parent = self.parent(path)
        if parent is None or not isinstance(parent.value, (dict, list)) or value is _NOTHING:
            return
        child = _child(parent, path[-1])
        if child is not None:
            yield self.replaced(parent, child, path, value)
        elif parent.style == "flow":
            yield self.inserted_in_line(parent, path, value)
        elif parent.value:
            yield self.inserted_below(parent, path, value)

    def replaced(self, parent: Node, child: Node, path: Path, value: Any) -> Splice:
        start, end = child.start.index, end_of(self.text, child)
        if child.style == "block" and isinstance(value, (Mapping, list)) and value and parent.style == "block":
            lines = layout.block(self.kind, path, value, child.start.column)
            return Splice(start, end, self.lines(lines).lstrip())
        if isinstance(parent.value, list) or parent.style == "flow":
            return Splice(start, end, layout.flow(self.kind, path, value))
        key = child.key or child.start
        colon = after_key(self.text, key.index, str(path[-1]))
        lines = layout.entry(self.kind, path, value, key.column)
        written = self.lines(lines).split(":", 1)[1]
        same_line = len(lines) == 1 and child.start.line == key.line and start > colon
        return Splice(start, end, written.lstrip()) if same_line else Splice(colon, end, written)

    def inserted_in_line(self, parent: Node, path: Path, value: Any) -> Splice:
        written = layout.flow(self.kind, path, value)
        if isinstance(parent.value, dict):
            written = f"{layout.key_text(str(path[-1]))}: {written}"
        if not parent.value:
            braces = "{}" if isinstance(parent.value, dict) else "[]"
            return Splice(parent.start.index, parent.end.index, f"{braces[0]}{written}{braces[1]}")
        before = self.before(parent, path)
        if before is None:
            first = next(iter(parent.value.values()))
            at = (first.key or first.start).index
            return Splice(at, at, f"{written}, ")
        at = end_of(self.text, before)
        return Splice(at, at, f", {written}")

    def inserted_below(self, parent: Node, path: Path, value: Any) -> Splice:
        column = parent.start.column
        if isinstance(parent.value, list):
            lines = layout.item_lines(self.kind, path, value, column)
        else:
            lines = layout.entry(self.kind, path, value, column, _width(parent))
        before = self.before(parent, path)
        if before is None:
            at = parent.start.index
            return Splice(at, at, self.lines(lines).lstrip() + self.newline + " " * column)
        at = self.line_end(end_of(self.text, before))
        return Splice(at, at, self.newline + self.lines(lines))

    def before(self, parent: Node, path: Path) -> Node | None:
        """Return the value after which a new one belongs by the canonical order, or None when it comes first."""
        if isinstance(parent.value, list):
            return parent.value[-1] if parent.value else None
        ranks = {key: rank for rank, key in enumerate(layout.order_of(self.kind, path[:-1]))}
        rank = ranks.get(str(path[-1]), len(ranks))
        earlier = [child for key, child in parent.value.items() if ranks.get(key, len(ranks)) <= rank]
        return max(earlier, key=lambda child: child.start.index, default=None)

    def removed(self, path: Path) -> Iterator[Splice]:
        parent = self.parent(path)
        child = _child(parent, path[-1]) if parent is not None else None
        if parent is None or child is None or len(parent.value) == 1:
            return
        start = (child.key or child.start).index if isinstance(parent.value, dict) else child.start.index
        if parent.style == "flow":
            yield self.removed_from_line(parent, child, start)
        elif not self.text[self.line_start(start) : start].strip(" -"):
            end = self.line_end(end_of(self.text, child))
            yield Splice(self.line_start(start), min(end + len(self.newline), len(self.text)), "")

    def removed_from_line(self, parent: Node, child: Node, start: int) -> Splice:
        siblings = list(parent.value.values()) if isinstance(parent.value, dict) else parent.value
        number = siblings.index(child)
        if number == 0:
            follower = siblings[1]
            after = follower.key if isinstance(parent.value, dict) and follower.key else follower.start
            return Splice(start, after.index, "")
        return Splice(end_of(self.text, siblings[number - 1]), end_of(self.text, child), "")

    def renamed(self, path: Path, name: str) -> Splice:
        parent = self.parent(path)
        child = _child(parent, path[-1]) if parent is not None else None
        if child is None or child.key is None:
            raise ModelError(f"there is no key at {'.'.join(map(str, path))}")
        colon = after_key(self.text, child.key.index, str(path[-1]))
        old = self.text[child.key.index : colon - 1]
        return Splice(child.key.index, child.key.index + len(old.rstrip()), layout.key_text(name))


def _child(parent: Node, step: str | int) -> Node | None:
    value = parent.value
    if isinstance(value, dict):
        found: Node | None = value.get(step)
        return found
    inside = isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value)
    return value[step] if inside else None


def _width(parent: Node) -> int:
    """Return how wide keys are when somebody put the values beside them into one column, else 0."""
    beside = {name: child for name, child in parent.value.items() if child.key and child.start.line == child.key.line}
    widths = {name: child.start.column - child.key.column - 1 for name, child in beside.items() if child.key}
    padded = any(width > len(name) + 1 for name, width in widths.items())
    return next(iter(widths.values())) if padded and len(set(widths.values())) == 1 else 0
