"""Nodes → dataclasses: a merged definition in normal form becomes an `Entity`, `Trait` or `Role`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from xrm.errors import Issue
from xrm.metadata import system
from xrm.metadata.codes import found
from xrm.metadata.model import (
    EMPTY,
    Button,
    Check,
    Choice,
    Convert,
    Entity,
    Field,
    Grant,
    Key,
    Link,
    Origin,
    Privacy,
    RecordType,
    Restriction,
    Role,
    Section,
    State,
    Trait,
    Transition,
    View,
    When,
    Workflow,
)
from xrm.metadata.names import TYPE_FIELD, plural_of, title_of
from xrm.metadata.nodes import Node, origins_below
from xrm.metadata.types import rules_of

_RENAMED = {"class": "field_class", "as": "sight", "field": "over", "schema": "json_schema"}
_SPECIAL = frozenset({"choices", "to", "default", "backfill", "through", "convert", "schema"})
_PLACES = re.compile(r"\{([^{}]+)\}")
_PERCENT = {"precision": 7, "scale": 2}
POINTERS = ("user", "team")  # types that are relations to the entity of their name
VIEW_KINDS = ("list", "form", "board")
LINKS = "links"  # the type of a relation with many: true


def field_of(name: str, node: Node) -> Field:
    """Return a field; its type is empty when none is written."""
    value = node.value
    plain = {_RENAMED.get(key, key): child.value for key, child in value.items() if key not in _SPECIAL}
    plain.setdefault("type", "")
    plain.setdefault("title", title_of(name))
    if plain["type"] in POINTERS:
        _point(plain)
    if plain["type"] == "relation" and plain.get("many") is True:
        plain["type"] = LINKS
    if plain["type"] == LINKS:
        plain["through"] = _through(value.get("through"))
    if plain["type"] == "secret":
        plain.setdefault("field_class", "secret")
    if plain["type"] == "percent":
        plain = {**_PERCENT, **plain}
    plain.update({key: int(plain[key]) for key in ("precision", "scale") if key in plain})  # JSON takes 2.0 for 2
    for key in ("default", "backfill"):
        if key in value:
            plain[key] = value[key].plain()
    if "convert" in value:
        plain["convert"] = _convert(value["convert"])
    if "choices" in value:
        plain["choices"] = tuple(_choice(key, child) for key, child in value["choices"].value.items())
    if "schema" in value:
        plain["json_schema"] = json.dumps(value["schema"].plain(), sort_keys=True, ensure_ascii=False)
    if "to" in value:
        plain["to"] = tuple(item.value for item in value["to"].value)
    return Field(name, **plain, origin=node.key_origin, origins=MappingProxyType(dict(origins_below(node))))


def _point(plain: dict[str, Any]) -> None:
    """Make a relation of ``type: user``; nobody's leaving is refused for a field that may as well be empty."""
    kind = plain["type"]
    plain |= {"type": "relation", "to": (kind,), "written": kind}
    plain.setdefault("on_delete", "restrict" if plain.get("required") is True else "clear")


def _through(node: Node | None) -> Link:
    return Link() if node is None else Link(_text(node, "entity"), _text(node, "from"), _text(node, "to"))


def _choice(name: str, node: Node) -> Choice:
    title = _text(node, "title") or title_of(name)
    return Choice(name, title, _text(node, "color"), was=_names(node, "was"), when=_names(node, "when"))


def _convert(node: Node) -> Convert:
    if isinstance(node.value, str):
        return Convert(expression=node.value)
    written = node.get("map")
    return Convert(
        _text(node, "expression"),
        MappingProxyType(written.plain()) if written is not None else MappingProxyType({}),
        _text(node, "by"),
        _text(node, "take"),
        _text(node, "otherwise", "refuse"),
    )


def _text(node: Node, key: str, default: str = "") -> str:
    child = node.get(key)
    return default if child is None else str(child.value)


def _flag(node: Node, key: str) -> bool:
    child = node.get(key)
    return child is not None and child.value is True


def _children(node: Node, key: str) -> Mapping[str, Node]:
    child = node.get(key)
    return child.value if child is not None else {}


def _items(node: Node, key: str) -> list[Node]:
    child = node.get(key)
    return child.value if child is not None else []


def _names(node: Node, key: str) -> tuple[str, ...]:
    return tuple(item.value for item in _items(node, key))


def trait_of(name: str, node: Node, origin: Origin) -> Trait:
    """Return a trait from its normal form."""
    fields = {key: field_of(key, child) for key, child in _children(node, "fields").items()}
    return Trait(name, MappingProxyType(fields), _flag(node, "timeline"), origin)


def entity_of(
    name: str, node: Node, origin: Origin, traits: list[Trait], issues: list[Issue], gone: Mapping[str, Origin] = EMPTY
) -> Entity:
    """Return a complete entity: own fields, the workflow's, those of its traits, and the system's, in this order.

    Args:
        name: Its name.
        node: Its definition in normal form, with all extensions laid over it.
        origin: Where its name is written.
        traits: Those it uses and that exist.
        issues: Takes a note of what does not fit together.
        gone: Paths of the parts that were taken away, and where.
    """
    workflow = _workflow(node)
    kinds = {key: _record_type(key, child) for key, child in _children(node, "record_types").items()}
    fields = _fields(node, workflow, kinds, traits, issues)
    title = _text(node, "title") or title_of(name)
    label = _text(node, "label") or ("{name}" if "name" in fields else "{id}")
    timeline = node.get("timeline")
    return Entity(
        name,
        title,
        _text(node, "plural") or plural_of(title),
        MappingProxyType(fields),
        label=label,
        description=_text(node, "description"),
        icon=_text(node, "icon"),
        group=_text(node, "group"),
        uses=_names(node, "uses"),
        unique=tuple(key.fields for key in _keys(node) if not (key.where or key.ignore)),
        special=tuple(key for key in _keys(node) if key.where or key.ignore),
        indexes=_groups(node, "indexes"),
        search=_names(node, "search") if node.get("search") is not None else _named_in(label, fields),
        checks=tuple(_check(item) for item in _items(node, "checks")),
        restrict=tuple(_restriction(item) for item in _items(node, "restrict")),
        privacy=_privacy(node.get("privacy")),
        workflow=workflow,
        record_types=MappingProxyType(kinds),
        buttons=MappingProxyType({key: _button(key, child) for key, child in _children(node, "buttons").items()}),
        views=MappingProxyType({key: _view(key, child, workflow) for key, child in _children(node, "views").items()}),
        timeline=timeline.value if timeline is not None else any(trait.timeline for trait in traits),
        was=_text(node, "was"),
        removed=_flag(node, "removed"),
        origin=origin,
        origins=MappingProxyType(dict(origins_below(node, without=frozenset({"fields"})))),
        gone=MappingProxyType(dict(gone)),
    )


def _keys(node: Node) -> list[Key]:
    return [
        Key(_names(item, "fields"), _text(item, "where"), _text(item, "ignore"))
        if isinstance(item.value, dict)
        else Key(tuple(name.value for name in item.value))
        for item in _items(node, "unique")
    ]


def _named_in(label: str, fields: Mapping[str, Field]) -> tuple[str, ...]:
    """Return the fields of a label that hold text of their own: what people type to find a record again."""
    names = [part for place in _PLACES.findall(label) for part in place.split("|")]
    named = (fields[name] for name in dict.fromkeys(names) if name in fields)
    return tuple(f.name for f in named if rules_of(f).searched and not (f.system or f.formula or f.removed))


def _groups(node: Node, key: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(item.value for item in group.value) for group in _items(node, key))


def _fields(
    node: Node,
    workflow: Workflow | None,
    kinds: Mapping[str, RecordType],
    traits: list[Trait],
    issues: list[Issue],
) -> dict[str, Field]:
    fields: dict[str, Field] = {}
    for name, child in _children(node, "fields").items():
        field = field_of(name, child)
        if name in system.FIELDS:
            issues.append(
                found(
                    field.origin, "reserved_name", f"every record has a field {name!r} already", "choose another name"
                )
            )
        else:
            fields[name] = field
    for trait in traits:
        for name, field in trait.fields.items():
            if name not in system.FIELDS:
                fields.setdefault(name, field)
    if workflow is not None and workflow.field not in system.FIELDS:
        fields[workflow.field] = system.state_field(workflow, fields.get(workflow.field), issues)
    if kinds:
        made = system.type_field(kinds, fields.get(TYPE_FIELD), node.value["record_types"].key_origin, issues)
        fields = {TYPE_FIELD: made, **{name: field for name, field in fields.items() if name != TYPE_FIELD}}
    return {**_own_first(fields, traits, workflow), **system.FIELDS}


def _own_first(fields: dict[str, Field], traits: list[Trait], workflow: Workflow | None) -> dict[str, Field]:
    """Return the fields with the workflow's before those that only traits bring."""
    if workflow is None:
        return fields
    brought = {name for trait in traits for name, field in trait.fields.items() if fields.get(name) is field}
    late = {name: field for name, field in fields.items() if name in brought}
    return {**{name: field for name, field in fields.items() if name not in brought}, **late}


def _check(node: Node) -> Check:
    return Check(
        _text(node, "require"),
        _text(node, "message"),
        _text(node, "when"),
        _text(node, "severity", "block"),
        _text(node, "field"),
        _text(node, "name"),
        node.origin,
    )


def _restriction(node: Node) -> Restriction:
    return Restriction(_text(node, "where"), _names(node, "except"), _text(node, "name"), node.origin)


def _privacy(node: Node | None) -> Privacy:
    if node is None:
        return Privacy()
    keep = node.get("keep")
    return Privacy(
        _text(node, "subject"),
        _names(node, "fields"),
        _text(node, "purpose"),
        _text(node, "basis"),
        _text(node, "since"),
        keep.value if keep is not None else 0,
        _text(node, "then", "erase"),
        node.origin,
    )


def _workflow(node: Node) -> Workflow | None:
    written = node.get("workflow")
    if written is None:
        return None
    states = tuple(_state(name, child) for name, child in _children(written, "states").items())
    moves = tuple(_transition(name, child) for name, child in _children(written, "transitions").items())
    initial = _text(written, "initial") or (states[0].name if states else "")
    return Workflow(_text(written, "field", "state"), initial, states, moves, written.origin)


def _state(name: str, node: Node) -> State:
    probability = node.get("probability")
    return State(
        name,
        _text(node, "title") or title_of(name),
        _text(node, "final"),
        _text(node, "color"),
        int(probability.value) if probability is not None else None,
        _names(node, "was"),
    )


def _transition(name: str, node: Node) -> Transition:
    settings = {key: child.value for key, child in _children(node, "set").items()}
    return Transition(
        name,
        _text(node, "title") or title_of(name),
        _names(node, "from"),
        _text(node, "to"),
        _names(node, "ask"),
        _names(node, "roles"),
        _text(node, "guard"),
        MappingProxyType(settings),
        node.key_origin,
    )


def _record_type(name: str, node: Node) -> RecordType:
    choices = {key: tuple(c.value for c in child.value) for key, child in _children(node, "choices").items()}
    return RecordType(
        name,
        _text(node, "title") or title_of(name),
        _text(node, "description"),
        _names(node, "was"),
        _sections(node),
        _names(node, "hidden"),
        _names(node, "required"),
        MappingProxyType(choices),
        MappingProxyType({key: child.plain() for key, child in _children(node, "defaults").items()}),
        _names(node, "states"),
        _text(node, "initial"),
        _names(node, "transitions"),
        tuple(_check(item) for item in _items(node, "checks")),
        node.key_origin,
    )


def _sections(node: Node) -> tuple[Section, ...]:
    return tuple(Section(_text(item, "title"), _names(item, "fields")) for item in _items(node, "sections"))


def _button(name: str, node: Node) -> Button:
    settings = {key: child.value for key, child in _children(node, "set").items()}
    texts = {key: _text(node, key) for key in ("icon", "color", "when", "confirm", "move", "open", "run")}
    title = _text(node, "title") or title_of(name)
    return Button(name, title, set=MappingProxyType(settings), origin=node.key_origin, **texts)


def _view(name: str, node: Node, workflow: Workflow | None) -> View:
    kind = _text(node, "kind") or (name if name in VIEW_KINDS else "")
    lanes = workflow.field if workflow is not None and kind == "board" else ""
    return View(
        name,
        kind,
        _text(node, "title") or ("" if name == kind else title_of(name)),
        _names(node, "columns"),
        _names(node, "filters"),
        _text(node, "filter"),
        _names(node, "sort"),
        _sections(node),
        _text(node, "by") or lanes,
        _text(node, "sum"),
        _names(node, "card"),
        node.key_origin,
    )


def role_of(name: str, node: Node, origin: Origin, gone: Mapping[str, Origin] = EMPTY) -> Role:
    """Return a role from its normal form; a grant on several entities becomes one grant for each."""
    grants = list(_grants(node))
    origins = dict(origins_below(node, without=frozenset({"grants"})))
    for index, (_, written) in enumerate(grants):
        origins.update(origins_below(written, f"grants.{index}."))
    return Role(
        name,
        _text(node, "title") or title_of(name),
        _text(node, "description"),
        tuple(grant for grant, _ in grants),
        _names(node, "capabilities"),
        _text(node, "mfa"),
        _names(node, "may_grant"),
        origin,
        MappingProxyType(origins),
        MappingProxyType(dict(gone)),
    )


def _grants(node: Node) -> Iterator[tuple[Grant, Node]]:
    for item in _items(node, "grants"):
        scope, where, via = _rows(item.get("rows"))
        preset = item.get("preset")
        rights = item.get("fields")
        read = _names(rights, "read") if rights is not None and rights.get("read") is not None else ("*",)
        write = _names(rights, "write") if rights is not None and rights.get("write") is not None else read
        for entity in item.value["entity"].value:
            one = item.holding({**item.value, "entity": entity})
            named = _text(item, "name")
            grant = Grant(
                entity.value,
                _names(item, "actions"),
                scope,
                where,
                via,
                _text(item, "check"),
                EMPTY if preset is None else MappingProxyType({n: v.value for n, v in preset.value.items()}),
                read,
                write,
                _when(item.get("when")),
                named,
                item.origin,
            )
            yield grant, one


def _when(node: Node | None) -> When:
    if node is None:
        return When()
    return When(_flag(node, "mfa"), _names(node, "channel"), _names(node, "network"), _text(node, "hours"))


def _rows(node: Any) -> tuple[str, str, str]:
    """Return scope, condition and way of the rows of a grant, which may be written as the scope alone."""
    if node is None or isinstance(node.value, str):
        return ("all" if node is None else node.value), "", ""
    return _text(node, "scope", "all"), _text(node, "where"), _text(node, "via")
