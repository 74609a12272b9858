"""Checks of roles: every grant must be about something that exists."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from xrm.metadata.findings import ExpressionUse, Findings
from xrm.metadata.model import ACTIONS, Entity, Grant, Model, Origin, Role
from xrm.metadata.names import did_you_mean
from xrm.metadata.normal import bare
from xrm.metadata.values import misfit

_HOURS = re.compile(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d", re.ASCII)
CLASSES = ("public", "internal", "confidential", "personal", "special", "secret")


def check_role(findings: Findings, role: Role) -> None:
    """Check every grant of a role, and the roles it may give."""
    for index, name in enumerate(role.may_grant):
        findings.role(name, _place(role, f"may_grant.{index}"))
    for index, grant in enumerate(role.grants):
        entities = _entities(findings, role, grant, f"grants.{index}.entity")
        _actions(findings, role, grant, index)
        for right, names in (("read", grant.read), ("write", grant.write)):
            if right == "read" or names != grant.read:  # write says what read says when it is not written
                _fields(findings, role, names, entities, f"grants.{index}.fields.{right}")
        _moment(findings, grant, _place(role, f"grants.{index}.when"))
        for entity in entities:
            for source, path in ((grant.where, "rows.where"), (grant.check, "check")):
                findings.expression(ExpressionUse(entity.name, source, "where"), _place(role, f"grants.{index}.{path}"))
            _via(findings, grant, entity, _place(role, f"grants.{index}.rows.via"))
            _preset(findings, role, grant, entity, index)


def _moment(findings: Findings, grant: Grant, place: Origin | str) -> None:
    """Note networks and times of day that are none."""
    if grant.when.hours and not _HOURS.fullmatch(grant.when.hours):
        message = f"{grant.when.hours!r} is no time of day"
        findings.add(place, "bad_hours", message, "write from and to, such as 08:00-18:00")
    for text in grant.when.network:
        try:
            ipaddress.ip_network(text)
        except ValueError:
            findings.add(
                place, "bad_network", f"{text!r} is no network", "write one such as 10.0.0.0/8 or 2001:db8::/32"
            )


def _via(findings: Findings, grant: Grant, entity: Entity, place: Origin | str) -> None:
    """Note a way that is no relation to one entity, or leads back to where it began."""
    field = findings.field(entity, grant.via, place) if grant.via else None
    if field is None:
        return
    if field.type != "relation" or len(field.to) != 1 or field.through is not None or field.kind:
        findings.add(place, "not_a_relation", f"{grant.via!r} is not a relation to one entity")
    elif entity.name in _ways(findings.model, field.to[0]):
        message = f"the way of {entity.name!r} by {grant.via!r} leads back to {entity.name!r}"
        findings.add(place, "circular_way", message, "give the records at one of its ends by a scope or a condition")


def _ways(model: Model, start: str) -> set[str]:
    """Return the entities that ways of grants of any role lead to from an entity, itself included."""
    seen, ahead = {start}, [start]
    while ahead:
        entity = model.entities.get(ahead.pop())
        grants = (g for role in model.roles.values() for g in role.grants if g.via and entity is not None)
        fields = (entity.fields.get(g.via) for g in grants if entity is not None and g.entity in ("*", entity.name))
        found = {to for field in fields if field is not None for to in field.to}
        ahead.extend(found - seen)
        seen |= found
    return seen


def _preset(findings: Findings, role: Role, grant: Grant, entity: Entity, index: int) -> None:
    """Note presets of what there is not, cannot be written, or does not fit."""
    for name, value in grant.preset.items():
        place = _place(role, f"grants.{index}.preset.{name}")
        field = findings.field(entity, name, place)
        if field is not None and (not field.writable or field.through is not None):
            findings.add(place, "not_writable", f"{name!r} cannot be written", "preset a field of the record itself")
        elif field is not None and (problem := misfit(field, value)):
            findings.add(place, "bad_default", f"preset of {name!r}: {problem}")


def _place(role: Role, path: str) -> Origin | str:
    """Return where a part of a role was written, or of the nearest part above it that was."""
    way = path.split(".")
    known = (role.origins.get(".".join(way[:length])) for length in range(len(way), 0, -1))
    origin = next(filter(None, known), role.origin)
    return origin if origin.file else f"{role.name}.{path}"


def _entities(findings: Findings, role: Role, grant: Grant, path: str) -> list[Entity]:
    if grant.entity == "*":
        return [entity for entity in findings.model.entities.values() if not entity.removed]
    entity = findings.entity(grant.entity, _place(role, path))
    return [] if entity is None else [entity]


def _actions(findings: Findings, role: Role, grant: Grant, index: int) -> None:
    for number, action in enumerate(grant.actions):
        if action != "*" and action not in ACTIONS and not action.startswith("run:"):
            place = _place(role, f"grants.{index}.actions.{number}")
            hint = did_you_mean(action, ACTIONS) or f"one of {', '.join(ACTIONS)}, run:<action>"
            findings.add(place, "unknown_action", f"there is no action {action!r}", hint)


def _fields(findings: Findings, role: Role, names: Iterable[str], entities: list[Entity], path: str) -> None:
    for index, name in enumerate(names):
        place = _place(role, f"{path}.{index}")
        if name == "*":
            continue
        if name == bare(name):
            if name not in CLASSES:
                hint = (
                    did_you_mean(name, CLASSES)
                    or f"classes are {', '.join(CLASSES)}; a single field is written +{name}"
                )
                findings.add(place, "unknown_class", f"there is no class of fields {name!r}", hint)
        elif entities and not any(bare(name) in entity.fields or not findings.sure(entity.name) for entity in entities):
            known = {field for entity in entities for field in entity.fields}
            findings.add(place, "unknown_field", f"there is no field {bare(name)!r}", did_you_mean(bare(name), known))
