"""Relations to many records: the link entities they ask for, and which relations of those lead where.

`competitors: {type: relation, to: party, many: true}` of a deal is kept as records of a link entity with a relation to
each side. The link entity is composed here like one that a person wrote, so that permissions, history, traits, views
and extensions work for it as for any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from xrm.errors import Issue
from xrm.metadata import system
from xrm.metadata.codes import found
from xrm.metadata.load import Definition
from xrm.metadata.model import Entity, Field, Link
from xrm.metadata.names import title_of
from xrm.metadata.nodes import Node

LINKS = "links"
OTHER = "other"  # the far relation of a link between two records of one entity
_NAME = 40  # characters of a name


def link_definitions(definitions: Sequence[Definition]) -> dict[str, Definition]:
    """Return the definitions of the link entities that are not defined elsewhere, by name.

    Args:
        definitions: Of all layers, in their order, in normal form.
    """
    known = {d.name: d for d in definitions if d.kind == "entity"}
    removed = {(d.name, name) for d, name, field in _fields(definitions) if _flag(field, "removed")}
    made: dict[str, Definition] = {}
    for definition, name, field in _fields(definitions):
        target = field.get("to")
        if not _flag(field, "many") or target is None or not target.value:
            continue
        link = _name(definition.name, name, field)
        if link not in known and link not in made:
            made[link] = _definition(link, definition, name, field, known)
            if (definition.name, name) in removed:
                made[link].node.value["removed"] = field.holding(value=True)
    return made


def _fields(definitions: Sequence[Definition]) -> Iterator[tuple[Definition, str, Node]]:
    for definition in definitions:
        fields = definition.node.get("fields")
        if definition.kind in ("entity", "extends") and fields is not None:
            for name, field in fields.value.items():
                yield definition, name, field


def _flag(node: Node, key: str) -> bool:
    child = node.get(key)
    return child is not None and child.value is True


def _text(node: Node | None, key: str) -> str:
    child = node.get(key) if node is not None else None
    return str(child.value) if child is not None else ""


def _name(entity: str, field: str, node: Node) -> str:
    return _text(node.get("through"), "entity") or f"{entity}_{field}"[:_NAME]


def _definition(link: str, owner: Definition, name: str, field: Node, known: Mapping[str, Definition]) -> Definition:
    through = field.get("through") or field
    told = through.value if field.get("through") is not None else {}
    target = field.value["to"].value[0].value
    near = _text(through, "from") if told else ""
    far = _text(through, "to") if told else ""
    near = near or owner.name
    far = far or (target if target != near else OTHER)
    value: dict[str, Any] = {
        "entity": through.holding(link),
        "label": through.holding(f"{{{near}}} – {{{far}}}"),
        "group": through.holding("-"),
        "unique": through.holding([through.holding([through.holding(near), through.holding(far)])]),
        **{key: told[key] for key in ("title", "plural", "uses") if key in told},
    }
    own = told["fields"].value if "fields" in told else {}
    ends = {near: _end(through, owner.name, known), far: _end(through, target, known)}
    value["fields"] = through.holding({**ends, **own})
    former = _text(field, "was")
    if former and not _text(field.get("through"), "entity"):
        value["was"] = through.holding(f"{owner.name}_{former}"[:_NAME])
    return Definition("entity", link, through.holding(value))


def _end(place: Node, entity: str, known: Mapping[str, Definition]) -> Node:
    """Return one of the two relations of a link: it goes when the record it points to goes."""
    value = {
        "type": place.holding("relation"),
        "to": place.holding([place.holding(entity)]),
        "required": place.holding(value=True),
        "on_delete": place.holding("cascade"),
    }
    former = _text(known[entity].node, "was") if entity in known else ""
    if former:
        value["was"] = place.holding(former)
    return place.holding(value)


def linked(entities: Mapping[str, Entity], made: Mapping[str, Definition], issues: list[Issue]) -> dict[str, Entity]:
    """Return the entities with each relation to many knowing its link entity, and its inverse on the other side."""
    known = {name: replace(entity, link=True) if name in made else entity for name, entity in entities.items()}
    for entity in list(known.values()):
        for field in [f for f in entity.fields.values() if f.type == LINKS and not f.removed]:
            link = _resolved(entity, field, known, issues)
            if link is None:
                continue
            known[entity.name] = _with(known[entity.name], replace(field, through=link))
            if field.inverse and field.to[0] in known:
                target = _mirrored(known[field.to[0]], entity, field, link, issues)
                known[target.name] = target
    return known


def _resolved(entity: Entity, field: Field, known: Mapping[str, Entity], issues: list[Issue]) -> Link | None:
    asked = field.through or Link()
    name = asked.entity or f"{entity.name}_{field.name}"[:_NAME]
    link = known.get(name)
    if link is None or len(field.to) != 1:
        if link is None and field.to:
            message = f"there is no entity {name!r} to keep the links of {field.name!r}"
            issues.append(found(field.origin, "unknown_entity", message, "write through: {entity: …}"))
        return None
    ends = [f for f in link.fields.values() if f.type == "relation" and not f.system and not f.removed]
    near = _one(ends, asked.near, entity.name)
    far = _one([f for f in ends if f is not near], asked.far, field.to[0])
    if near is None or far is None:
        message = f"{name!r} has no relation to {(field.to[0] if near else entity.name)!r} that could keep a link"
        issues.append(found(field.origin, "wrong_field", message, "name its relations with from: and to:"))
        return None
    own = tuple(
        f.name
        for f in link.fields.values()
        if f.name not in (near.name, far.name) and f.writable and f.type != LINKS and not f.removed
    )
    return Link(name, near.name, far.name, own)


def _one(ends: Sequence[Field], name: str, entity: str) -> Field | None:
    return next((f for f in ends if f.to == (entity,) and name in ("", f.name)), None)


def _mirrored(target: Entity, entity: Entity, field: Field, link: Link, issues: list[Issue]) -> Entity:
    """Return the target with the same links as seen from there."""
    if field.inverse in target.fields:
        message = f"{target.name!r} has a field {field.inverse!r} already"
        issues.append(found(field.origin, "name_clash", message, "choose another name for the inverse"))
        return target
    mirror = Field(
        field.inverse,
        LINKS,
        title_of(field.inverse),
        to=(entity.name,),
        many=True,
        through=Link(link.entity, link.far, link.near, link.fields),
        field_class=field.field_class,
        origin=field.origin,
    )
    return _with(target, mirror)


def _with(entity: Entity, field: Field) -> Entity:
    """Return an entity with a field in the place it has, or behind the others that are not the system's."""
    own = {name: f for name, f in entity.fields.items() if name not in system.FIELDS}
    return replace(entity, fields=MappingProxyType({**own, field.name: field, **system.FIELDS}))
