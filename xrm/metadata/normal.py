"""One shape for what may be written in several: short forms become long ones before layers are put together."""

from __future__ import annotations

from collections.abc import Callable

from xrm.errors import Issue
from xrm.metadata.codes import found
from xrm.metadata.nodes import Node


def normal(node: Node, issues: list[Issue]) -> Node:
    """Return a definition in long form.

    ``name: text`` becomes a table with `type`; choices become name → table; a state becomes a table; single names of
    `to`, `from`, `roles`, `sort`, `actions` become lists. A name written twice in one list is noted.
    """
    return _changed(
        node,
        {
            "fields": lambda fields: _each(fields, lambda field: _field(field, issues)),
            "workflow": _workflow,
            "record_types": lambda kinds: _each(kinds, _titled),
            "views": lambda views: _each(views, lambda view: _changed(view, {"sort": _list})),
            "grants": lambda grants: grants.holding(
                [_changed(g, {"entity": _list, "actions": _list}) for g in grants.value]
            ),
        },
    )


def bare(name: str) -> str:
    """Return a name of a list of changes without its sign."""
    return name[1:] if name[:1] in ("+", "-") else name


def _changed(node: Node, rules: dict[str, Callable[[Node], Node]]) -> Node:
    """Return a table in which the rule of each key that has one was applied."""
    return node.holding({key: rules[key](child) if key in rules else child for key, child in node.value.items()})


def _each(node: Node, rule: Callable[[Node], Node]) -> Node:
    return node.holding({key: rule(child) for key, child in node.value.items()})


def _list(node: Node) -> Node:
    return node if isinstance(node.value, list) else node.holding([node])


def _field(node: Node, issues: list[Issue]) -> Node:
    if isinstance(node.value, str):
        return node.holding({"type": node})
    if node.value.keys().isdisjoint(("choices", "to", "through")):
        return node
    rules: dict[str, Callable[[Node], Node]] = {
        "choices": lambda choices: _choices(choices, issues),
        "to": _list,
        "through": lambda through: _through(through, issues),
    }
    return _changed(node, rules)


def _through(node: Node, issues: list[Issue]) -> Node:
    """Return the link entity of a relation as a table: a text is its name."""
    if isinstance(node.value, str):
        return node.holding({"entity": node})
    return _changed(node, {"fields": lambda fields: _each(fields, lambda field: _field(field, issues))})


def _choices(node: Node, issues: list[Issue]) -> Node:
    if isinstance(node.value, dict):
        return _each(node, _titled)
    named: dict[str, Node] = {}
    for item in node.value:
        name = item.value["name"].value if isinstance(item.value, dict) else item.value
        if name in named:
            issues.append(found(item.origin, "duplicate_item", f"the choice {name!r} is written twice", "remove one"))
            continue
        table = item.value if isinstance(item.value, dict) else {}
        named[name] = _titled(item.holding({key: child for key, child in table.items() if key != "name"}))
    return node.holding(named)


def _titled(node: Node) -> Node:
    """Return a choice or state as a table: a text is its title, nothing is an empty table."""
    if isinstance(node.value, dict):
        return _changed(node, {"was": _list, "when": _list})
    return node.holding({} if node.value is None else {"title": node})


def _workflow(node: Node) -> Node:
    move: dict[str, Callable[[Node], Node]] = {"from": _list, "roles": _list}
    return _changed(
        node,
        {
            "states": lambda states: _each(states, _titled),
            "transitions": lambda transitions: _each(transitions, lambda transition: _changed(transition, move)),
        },
    )
