"""Checks of roles: every grant must be about something that exists."""

from __future__ import annotations

from collections.abc import Iterable

from xrm.metadata.findings import ExpressionUse, Findings
from xrm.metadata.model import Entity, Grant, Origin, Role
from xrm.metadata.names import did_you_mean
from xrm.metadata.normal import bare

ACTIONS = ("read", "create", "update", "delete", "restore", "export", "import")
CLASSES = ("public", "internal", "confidential", "personal", "special", "secret")


def check_role(findings: Findings, role: Role) -> None:
    """Check every grant of a role."""
    for index, grant in enumerate(role.grants):
        entities = _entities(findings, role, grant, f"grants.{index}.entity")
        _actions(findings, role, grant, index)
        for right, names in (("read", grant.read), ("write", grant.write)):
            if right == "read" or names != grant.read:  # write says what read says when it is not written
                _fields(findings, role, names, entities, f"grants.{index}.fields.{right}")
        for entity in entities:
            use = ExpressionUse(entity.name, grant.where, "where")
            findings.expression(use, _place(role, f"grants.{index}.rows.where"))


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
