"""One definition laid over another: what an extension changes, and where two plugins disagree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xrm.errors import Issue
from xrm.metadata.codes import found
from xrm.metadata.model import Override
from xrm.metadata.names import did_you_mean
from xrm.metadata.nodes import Node
from xrm.metadata.normal import bare
from xrm.metadata.targets import aimed, name_of

SITE = "site"
"""The layer that has the last word."""

_Path = tuple[str, ...]
_NEEDED: Mapping[str, tuple[str, ...]] = {
    "checks": ("require", "message"),
    "restrict": ("where",),
    "grants": ("entity", "actions"),
}


class Laying:
    """Lays the definitions of one entity or role over each other, in the order of their layers.

    Nodes are in their normal form. Tables are merged key by key; lists of names take ``+name`` and ``-name``, or a full
    list; `unique`, `indexes`, `capabilities`, `checks`, `restrict` and `grants` grow, and of the last three those with
    the same `name` are merged; form sections are merged by title; everything else is replaced.

    Attributes:
        overrides: Per path, what an earlier layer says and a later one decided otherwise.
    """

    def __init__(self, traits: Mapping[str, Node], issues: list[Issue]) -> None:
        self._traits = traits
        self._issues = issues
        self._set: dict[_Path, Node] = {}  # what extensions set so far, to find disagreements
        self._all: list[tuple[_Path, Node]] = []  # the same, of every layer
        self._owner = ""  # the layer of the definition itself
        self._conflicts: dict[_Path, Issue] = {}  # those the site has not decided
        self.overrides: dict[_Path, Override] = {}

    def first(self, node: Node) -> Node:
        """Return the definition of an entity itself, with its own properties over those of its traits."""
        self._owner = node.source.layer
        laid = self._table((), None, node)
        self._set.clear()  # what the owner of the entity says is there to be changed
        self._all.clear()
        return laid

    def over(self, base: Node, change: Node) -> Node:
        """Return `base` with the extension `change` laid over it."""
        without_name = change.holding(
            {key: child for key, child in change.value.items() if key not in ("extends", "role")}
        )
        without_name = aimed(base, without_name, self._traits, self._issues)
        empty = {key: change.value[key].holding([]) for key in ("uses", "search") if key in change.value}
        return base.holding(self._table((), base.holding({**empty, **base.value}), without_name).value)

    def done(self) -> None:
        """Note the disagreements of plugins that the site did not decide."""
        self._issues.extend(self._conflicts.values())
        self._conflicts.clear()

    def changes_below(self, path: _Path) -> list[Node]:
        """Return what extensions set of the part at `path`, in the order of the layers."""
        return [node for where, node in self._all if where[: len(path)] == path and len(where) > len(path)]

    def _lay(self, path: _Path, base: Node | None, change: Node) -> Node:
        match path:
            case ("fields", name):
                return self._field(path, base or self._of_traits(name), change)
            case ("fields", _, "choices"):
                return self._choices(path, base, change)
            case ("unique" | "indexes" | "may_grant",):
                return self._grown(base, change)
            case ("checks" | "restrict" | "grants",) | ("record_types", _, "checks"):
                return self._named(path, base, change)
            case ("capabilities",):
                return self._capabilities(path, base, change)
            case ("views" | "record_types", _, "sections"):
                return self._sections(path, base, change)
        if _is_table(path):
            return self._table(path, base, change)
        return self._names(path, base, change) if _is_list(path) else self._replaced(path, base, change)

    def _of_traits(self, field: str) -> Node | None:
        for trait in self._traits.values():
            fields = trait.get("fields")
            if fields is not None and field in fields.value:
                return fields.get(field)
        return None

    def _table(self, path: _Path, base: Node | None, change: Node) -> Node:
        if base is None:
            base = change.holding({})
        laid = dict(base.value)
        if path == ("fields",):
            laid = _renamed(laid, change)
        for key, child in change.value.items():
            laid[key] = self._lay((*path, key), laid.get(key), child)
        return base.holding(laid)

    def _field(self, path: _Path, base: Node | None, change: Node) -> Node:
        """Lay a field over another; a type may only change when the one it `replaces` is named."""
        expected, wanted = change.get("replaces"), change.get("type")
        change = change.holding({key: child for key, child in change.value.items() if key != "replaces"})
        before = base.get("type") if base is not None else None
        if before is None or wanted is None or before.source.layer == wanted.source.layer:
            if expected is not None:
                message = f"there is no field {path[-1]!r} of an earlier layer whose type this could replace"
                self._issues.append(found(expected.origin, "nothing_to_change", message, "take this line out"))
        elif self._told(path, wanted):
            pass
        elif wanted.value != before.value and (expected is None or expected.value != before.value):
            by, said = before.source.layer, f"{before.value} at {before.origin}"
            message = f"the field {path[-1]!r} is of type {wanted.value} here, and by {by!r} of type {said}"
            hint = f"choose another name, or write replaces: {before.value} when that is meant"
            self._issues.append(found(wanted.origin, "type_conflict", message, hint))
        return self._table(path, base, change)

    def _told(self, path: _Path, wanted: Node) -> bool:
        """Return whether two plugins extend a field here: whether they agree is looked at for every property."""
        return (*path, "type") in self._set and wanted.source.layer != SITE

    def _replaced(self, path: _Path, base: Node | None, change: Node) -> Node:
        self._agree(path, change)
        if base is not None and base.source.layer != change.source.layer:
            self.overrides[path] = Override(base.plain(), base.origin, change.plain(), change.origin)
        return change

    def _agree(self, path: _Path, change: Node) -> None:
        """Remember who set what: two plugins that set the same to different values disagree until the site decides."""
        before = self._set.get(path)
        self._set[path] = change
        self._all.append((path, change))
        if change.source.layer == SITE:
            self._conflicts = {key: issue for key, issue in self._conflicts.items() if key[: len(path)] != path}
        elif before is not None and before.source.layer != change.source.layer and before.plain() != change.plain():
            message = (
                f"{'.'.join(path)} is set here, and to something else at {before.origin} by {before.source.layer!r}"
            )
            hint = "set it in an extension of the site to decide"
            self._conflicts[path] = found(change.origin, "plugin_conflict", message, hint)

    def _signed(self, change: Node, names: list[str]) -> bool:
        """Return whether a list says +name and -name; note it when it says both that and plain names."""
        signs = {name[:1] in ("+", "-") for name in names}
        if len(signs) == 2:
            self._issues.append(
                found(
                    change.origin,
                    "mixed_list",
                    "write either a full list, or only +name and -name",
                    "put + before the new names",
                )
            )
        return True in signs

    def _baseless(self, change: Node) -> None:
        message = "there is no list of an earlier layer that +name and -name could change"
        self._issues.append(found(change.origin, "sign_without_base", message, "write the names without + and -"))

    def _missing(self, node: Node, name: str, known: list[str]) -> None:
        self._issues.append(
            found(node.origin, "not_in_list", f"{name!r} is not in the list", did_you_mean(name, known))
        )

    def _names(self, path: _Path, base: Node | None, change: Node) -> Node:
        if not self._signed(change, [item.value for item in change.value]):
            return self._replaced(path, base, change)
        if base is None:
            self._baseless(change)
        laid = {item.value: item for item in (base.value if base is not None else ())}
        for item in change.value:
            sign, name = item.value[:1], bare(item.value)
            self._agree((*path, name), item)
            if sign == "-" and laid.pop(name, None) is None:
                self._missing(item, name, list(laid))
            elif sign != "-":
                laid.setdefault(name, item.holding(name))
        return (base or change).holding(list(laid.values()))

    def _choices(self, path: _Path, base: Node | None, change: Node) -> Node:
        if not self._signed(change, list(change.value)):
            return self._replaced(path, base, change)
        if base is None:
            self._baseless(change)
        laid = dict(base.value) if base is not None else {}
        for signed, node in change.value.items():
            name = bare(signed)
            self._agree((*path, name), node.holding(signed[:1]))
            if not signed.startswith("-"):
                laid[name] = self._table((*path, name), laid.get(name), node)
            elif laid.pop(name, None) is None:
                self._missing(node, name, list(laid))
        return (base or change).holding(laid)

    def _grown(self, base: Node | None, change: Node) -> Node:
        if base is None:
            return change
        known = [item.plain() for item in base.value]
        return base.holding([*base.value, *(item for item in change.value if item.plain() not in known)])

    def _capabilities(self, path: _Path, base: Node | None, change: Node) -> Node:
        """Add capabilities to those of earlier layers; ``-name`` takes one away."""
        laid = {item.value: item for item in (base.value if base is not None else ())}
        for item in change.value:
            sign, name = item.value[:1], bare(item.value)
            self._agree((*path, name), item.holding(sign == "-"))
            if sign == "-" and laid.pop(name, None) is None:
                self._missing(item, name, list(laid))
            elif sign != "-":
                laid.setdefault(name, item.holding(name))
        return (base or change).holding(list(laid.values()))

    def _named(self, path: _Path, base: Node | None, change: Node) -> Node:
        """Add parts of a list to those of earlier layers; one with the name of another changes or removes that."""
        kind = path[-1]
        laid: list[Node] = list(base.value) if base is not None else []
        known = {name_of(item): number for number, item in enumerate(laid) if name_of(item)}
        plain = [item.plain() for item in laid]
        here: set[str] = set()
        for item in change.value:
            name = name_of(item)
            if name in here:
                self._issues.append(
                    found(item.origin, "name_clash", f"{name!r} names two of the {kind}", "choose another name")
                )
            elif name in known:
                number = known[name]
                laid[number] = self._table((*path, name), laid[number], item)
            elif name and not all(item.get(key) for key in _NEEDED[kind]):
                self._aimless(kind, item, name, known)
            elif item.plain() not in plain:
                laid.append(self._table((*path, name), None, item) if name else item)
            here |= {name} - {""}
        return (base or change).holding(laid)

    def _aimless(self, kind: str, item: Node, name: str, known: Mapping[str, Any]) -> None:
        one = {"checks": "check", "restrict": "restriction"}.get(kind, "grant")
        if item.source.layer != self._owner:
            message = f"there is no {one} named {name!r} in an earlier layer"
            hint = did_you_mean(name, known) or f"to add one, write its {' and '.join(_NEEDED[kind])}"
            self._issues.append(found(item.origin, "nothing_to_change", message, hint))
        else:
            lost = next(key for key in _NEEDED[kind] if not item.get(key))
            self._issues.append(found(item.origin, "missing_key", f"{lost!r} of the {one} {name!r} is missing"))

    def _sections(self, path: _Path, base: Node | None, change: Node) -> Node:
        laid = {item.value["title"].value: item for item in (base.value if base is not None else ())}
        if base is None:
            return change.holding(
                [self._section((*path, item.value["title"].value), None, item) for item in change.value]
            )
        for item in change.value:
            title = item.value["title"].value
            laid[title] = self._section((*path, title), laid.get(title), item)
        return base.holding(list(laid.values()))

    def _section(self, path: _Path, base: Node | None, change: Node) -> Node:
        fields = self._names(path, base.value["fields"] if base is not None else None, change.value["fields"])
        return (base or change).holding({"title": change.value["title"], "fields": fields})


def _is_table(path: _Path) -> bool:
    """Return whether what is at a path is merged key by key."""
    match path:
        case ("fields" | "workflow" | "record_types" | "buttons" | "views",) | ("grants", _, "fields"):
            return True
        case ("privacy",) | ("record_types" | "buttons" | "views" | "grants" | "checks" | "restrict", _):
            return True
        case ("record_types", _, "choices" | "defaults") | ("record_types", _, "checks", _):
            return True
        case ("workflow", "states" | "transitions") | ("workflow", "states" | "transitions", _):
            return True
        case ("workflow", "transitions", _, "set") | ("buttons", _, "set"):
            return True
    return False


def _is_list(path: _Path) -> bool:
    """Return whether what is at a path is a list of names that takes ``+name`` and ``-name``."""
    match path:
        case ("uses" | "search",) | ("fields", _, "to") | ("views", _, "columns" | "filters" | "card"):
            return True
        case (
            ("workflow", "transitions", _, "ask" | "roles" | "from") | ("restrict", _, "except") | ("privacy", "fields")
        ):
            return True
        case ("record_types", _, "hidden" | "required" | "states" | "transitions") | ("record_types", _, "choices", _):
            return True
    return False


def _renamed(fields: dict[str, Node], change: Node) -> dict[str, Node]:
    """Return the fields of earlier layers under the names a change gives them by `was`, each in its place."""
    names = {}
    for name, child in change.value.items():
        was = child.get("was")
        if was is not None and was.value in fields and name not in fields and was.value not in change.value:
            names[was.value] = name
    return {names.get(name, name): child for name, child in fields.items()}
