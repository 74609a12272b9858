"""Checks of what a field says about its values before: `convert`, and `was` of its choices."""

from __future__ import annotations

from xrm.metadata.findings import ExpressionUse, Findings, field_place
from xrm.metadata.model import Convert, Entity, Field, Origin
from xrm.metadata.names import did_you_mean
from xrm.metadata.values import misfit


def check_carrying(findings: Findings, entity: Entity, field: Field) -> None:
    """Check how the former values of a field become its values."""
    _former_choices(findings, entity, field)
    if field.convert is not None:
        _convert(findings, entity, field, field.convert)


def _former_choices(findings: Findings, entity: Entity, field: Field) -> None:
    names = {choice.name for choice in field.choices}
    claimed: dict[str, str] = {}
    for choice in field.choices:
        for name in choice.was:
            place = _choice_place(entity, field, choice.name)
            if name in names:
                findings.add(place, "was_conflict", f"the former value {name!r} is a value of its own now")
            elif name in claimed and claimed[name] != choice.name:
                findings.add(place, "was_conflict", f"{name!r} was claimed already by {claimed[name]!r}")
            claimed.setdefault(name, choice.name)


def _choice_place(entity: Entity, field: Field, choice: str) -> Origin | str:
    workflow = entity.workflow
    if workflow is not None and workflow.field == field.name:
        return entity.origins.get(f"workflow.states.{choice}.was") or field_place(entity, field)
    return field_place(entity, field, f"choices.{choice}.was")


def _convert(findings: Findings, entity: Entity, field: Field, convert: Convert) -> None:
    place = field_place(entity, field, "convert")
    if field.formula:
        findings.add(place, "option_conflict", "a computed field cannot have 'convert'")
    if convert.expression and (convert.map or convert.by):
        findings.add(place, "option_conflict", "an expression stands alone: neither map nor by go with it")
    if convert.expression:
        use = ExpressionUse(entity.name, convert.expression, "convert")
        findings.expression(use, field_place(entity, field, "convert.expression"))
    for name, value in convert.map.items():
        wanted = [value] if field.type == "choices" and not isinstance(value, list) else value
        problem = misfit(field, wanted) if value is not None and field.type != "relation" else ""
        if problem:
            findings.add(field_place(entity, field, f"convert.map.{name}"), "bad_option", f"{name}: {problem}")
    if convert.by:
        _by(findings, entity, field, convert.by)


def _by(findings: Findings, entity: Entity, field: Field, name: str) -> None:
    place = field_place(entity, field, "convert.by")
    if field.type != "relation" or field.polymorphic:
        findings.add(place, "option_conflict", "'by' is for a relation to one entity")
        return
    target = findings.model.entities.get(field.to[0]) if field.to else None
    if target is not None and name not in target.fields:
        message = f"the entity {target.name!r} has no field {name!r}"
        findings.add(place, "unknown_field", message, did_you_mean(name, target.fields))
