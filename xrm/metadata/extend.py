"""One definition laid over another: what an extension changes, and where two plugins disagree."""

from __future__ import annotations

from collections.abc import Mapping

from xrm.errors import Issue
from xrm.metadata.codes import found
from xrm.metadata.names import did_you_mean
from xrm.metadata.nodes import Node
from xrm.metadata.normal import bare

SITE = "site"
"""The layer that has the last word."""

_Path = tuple[str, ...]


class Laying:
    """Lays the definitions of one entity over each other, in the order of their layers.

    Nodes are in their normal form. Tables are merged key by key; lists of names take ``+name`` and ``-name``, or a full
    list; `unique`, `indexes` and `checks` grow; form sections are merged by title; everything else is replaced.
    """

    def __init__(self, traits: Mapping[str, Node], issues: list[Issue]) -> None:
        self._traits = traits
        self._issues = issues
        self._set: dict[_Path, Node] = {}  # what extensions set so far, to find disagreements
        self._conflicts: dict[_Path, Issue] = {}  # those the site has not decided

    def first(self, node: Node) -> Node:
        """Return the definition of an entity itself, with its own properties over those of its traits."""
        laid = self._table((), None, node)
        self._set.clear()  # what the owner of the entity says is there to be changed
        return laid

    def over(self, base: Node, change: Node) -> Node:
        """Return `base` with the extension `change` laid over it."""
        without_name = change.holding({key: child for key, child in change.value.items() if key != "extends"})
        empty = {key: change.value[key].holding([]) for key in ("uses", "search") if key in change.value}
        return base.holding(self._table((), base.holding({**empty, **base.value}), without_name).value)

    def done(self) -> None:
        """Note the disagreements of plugins that the site did not decide."""
        self._issues.extend(self._conflicts.values())
        self._conflicts.clear()

    def _lay(self, path: _Path, base: Node | None, change: Node) -> Node:
        match path:
            case ("fields", name):
                return self._table(path, base or self._of_traits(name), change)
            case ("fields" | "workflow" | "views",) | ("views", _):
                return self._table(path, base, change)
            case ("workflow", "states" | "transitions") | ("workflow", "states" | "transitions", _):
                return self._table(path, base, change)
            case ("workflow", "transitions", _, "set"):
                return self._table(path, base, change)
            case ("uses" | "search",) | ("fields", _, "to") | ("views", _, "columns" | "filters" | "card"):
                return self._names(path, base, change)
            case ("workflow", "transitions", _, "ask" | "roles" | "from"):
                return self._names(path, base, change)
            case ("fields", _, "choices"):
                return self._choices(path, base, change)
            case ("unique" | "indexes" | "checks",):
                return self._grown(base, change)
            case ("views", _, "sections"):
                return self._sections(path, base, change)
        return self._replaced(path, change)

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
        for key, child in change.value.items():
            laid[key] = self._lay((*path, key), laid.get(key), child)
        return base.holding(laid)

    def _replaced(self, path: _Path, change: Node) -> Node:
        self._agree(path, change)
        return change

    def _agree(self, path: _Path, change: Node) -> None:
        """Remember who set what: two plugins that set the same to different values disagree until the site decides."""
        before = self._set.get(path)
        self._set[path] = change
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
            return self._replaced(path, change)
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
            return self._replaced(path, change)
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
