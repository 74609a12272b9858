"""Checks of record types: what each names is there, and what it asks for can be met."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from xrm.metadata.findings import ExpressionUse, Findings, place_of
from xrm.metadata.model import Entity, Field, Origin, RecordType
from xrm.metadata.names import TYPE_FIELD, did_you_mean
from xrm.metadata.values import misfit


def check_record_types(findings: Findings, entity: Entity) -> None:
    """Check the record types of an entity."""
    for kind in entity.record_types.values():
        path = f"record_types.{kind.name}"
        _layout(findings, entity, kind, path)
        _fields(findings, entity, kind, path)
        _choices(findings, entity, kind, path)
        _defaults(findings, entity, kind, path)
        _pipeline(findings, entity, kind, path)
        _checks(findings, entity, kind, path)


def _layout(findings: Findings, entity: Entity, kind: RecordType, path: str) -> None:
    shown: set[str] = set()
    for number, section in enumerate(kind.sections):
        for index, name in enumerate(section.fields):
            place = place_of(entity, f"{path}.sections.{number}.fields.{index}")
            findings.field(entity, name, place)
            if name in shown:
                findings.add(place, "duplicate_item", f"{name!r} is in the form already", "remove one")
            if name in kind.hidden:
                findings.add(place, "option_conflict", f"{name!r} is hidden: it cannot be in the form too")
            shown.add(name)


def _fields(findings: Findings, entity: Entity, kind: RecordType, path: str) -> None:
    for index, name in enumerate(kind.hidden):
        place = place_of(entity, f"{path}.hidden.{index}")
        field = _own(findings, entity, name, place)
        if field is not None and field.required and field.default is None:
            message = f"{name!r} is required and has no default: nobody could fill it in"
            findings.add(place, "option_conflict", message, "let the types that have it require it")
    for index, name in enumerate(kind.required):
        place = place_of(entity, f"{path}.required.{index}")
        field = _own(findings, entity, name, place)
        if field is not None and name in kind.hidden:
            findings.add(place, "option_conflict", f"{name!r} is hidden: it cannot be required")
        elif field is not None and not (field.writable or field.read_only):
            findings.add(place, "wrong_field", f"{name!r} is kept by the platform: it cannot be required")


def _own(findings: Findings, entity: Entity, name: str, place: Origin | str) -> Field | None:
    """Return a field a type may speak of; its own field and the state are not among them."""
    field = findings.field(entity, name, place)
    state = entity.workflow.field if entity.workflow is not None else ""
    if field is not None and (field.system or name in (TYPE_FIELD, state)):
        hint = "say states and initial" if name == state else ""
        findings.add(place, "wrong_field", f"{name!r} is kept by the platform: a type does not change it", hint)
        return None
    return field


def _choices(findings: Findings, entity: Entity, kind: RecordType, path: str) -> None:
    for name, allowed in kind.choices.items():
        place = place_of(entity, f"{path}.choices.{name}")
        field = _own(findings, entity, name, place)
        if field is None or not field.type:
            continue
        if field.type not in ("choice", "choices"):
            findings.add(place, "wrong_field", f"{name!r} is of type {field.type}: it has no choices")
            continue
        known = [choice.name for choice in field.choices]
        for index, choice in enumerate(allowed):
            if choice not in known:
                where = place_of(entity, f"{path}.choices.{name}.{index}")
                message = f"{choice!r} is not a choice of {name!r}"
                findings.add(where, "bad_option", message, did_you_mean(choice, known))


def _defaults(findings: Findings, entity: Entity, kind: RecordType, path: str) -> None:
    for name, value in kind.defaults.items():
        place = place_of(entity, f"{path}.defaults.{name}")
        field = _own(findings, entity, name, place)
        if field is None or not field.type:
            continue
        allowed = kind.choices.get(name)
        if name in kind.hidden:
            findings.add(place, "option_conflict", f"{name!r} is hidden: it cannot have a default")
        elif field.formula or field.kind or field.type == "auto_number" or field.through is not None:
            findings.add(place, "wrong_field", f"{name!r} cannot have a default")
        elif problem := misfit(replace(field, default=value), value):
            findings.add(place, "bad_default", f"{name}: {problem}")
        elif allowed is not None and any(v not in allowed for v in (value if isinstance(value, list) else [value])):
            findings.add(place, "bad_default", f"{name}: {value!r} is not a choice of this type")


def _pipeline(findings: Findings, entity: Entity, kind: RecordType, path: str) -> None:
    said = [key for key in ("states", "initial", "transitions") if getattr(kind, key)]
    if not said:
        return
    workflow = entity.workflow
    if workflow is None:
        message = f"{entity.name!r} has no workflow"
        findings.add(place_of(entity, f"{path}.{said[0]}"), "option_conflict", message, "take this out")
        return
    states = [state.name for state in workflow.states]
    moves = [move.name for move in workflow.transitions]
    _known(findings, entity, kind.states, states, f"{path}.states", "unknown_state", "state")
    _known(findings, entity, kind.transitions, moves, f"{path}.transitions", "unknown_action", "transition")
    allowed = kind.states or tuple(states)
    if kind.initial and kind.initial not in allowed:
        hint = did_you_mean(kind.initial, allowed)
        message = f"{kind.initial!r} is not a state of this type"
        findings.add(place_of(entity, f"{path}.initial"), "unknown_state", message, hint)


def _known(
    findings: Findings, entity: Entity, names: Iterable[str], known: list[str], path: str, code: str, word: str
) -> None:
    for index, name in enumerate(names):
        if name not in known and findings.sure(entity.name):
            message = f"the workflow has no {word} {name!r}"
            findings.add(place_of(entity, f"{path}.{index}"), code, message, did_you_mean(name, known))


def _checks(findings: Findings, entity: Entity, kind: RecordType, path: str) -> None:
    for index, rule in enumerate(kind.checks):
        where = f"{path}.checks.{index}"
        if rule.field:
            findings.field(entity, rule.field, place_of(entity, f"{where}.field"))
        for key, source in (("when", rule.when), ("require", rule.require)):
            findings.expression(ExpressionUse(entity.name, source, "check"), place_of(entity, f"{where}.{key}"))
