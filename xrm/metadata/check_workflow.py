"""Checks of workflows: states that exist, can be reached and can be left; moves that say what they do."""

from __future__ import annotations

from xrm.metadata.check_carrying import check_carrying
from xrm.metadata.findings import ExpressionUse, Findings, place_of
from xrm.metadata.model import Entity, Transition, Workflow
from xrm.metadata.names import did_you_mean


def check_workflow(findings: Findings, entity: Entity) -> None:
    """Check the workflow of an entity, when it has one."""
    workflow = entity.workflow
    if workflow is None:
        return
    if not workflow.states:
        if findings.sure(entity.name):
            findings.add(place_of(entity, "workflow"), "missing_key", "a workflow needs 'states'")
        return
    _state(findings, entity, workflow, workflow.initial, "workflow.initial")
    check_carrying(findings, entity, entity.fields[workflow.field])
    for move in workflow.transitions:
        _move(findings, entity, workflow, move)
    _ambiguous(findings, entity, workflow)
    if findings.sure(entity.name):
        _paths(findings, entity, workflow)


def _state(findings: Findings, entity: Entity, workflow: Workflow, name: str, path: str) -> None:
    removed = entity.gone.get(f"workflow.states.{name}")
    if removed is not None:
        message = f"the state {name!r} is removed, by {removed.layer!r} at {removed}"
        findings.add(place_of(entity, path), "removed_name", message, f"take it out with -{name}, or remove this too")
    elif workflow.state(name) is None and findings.sure(entity.name):
        hint = did_you_mean(name, [state.name for state in workflow.states])
        findings.add(place_of(entity, path), "unknown_state", f"the workflow has no state {name!r}", hint)


def _move(findings: Findings, entity: Entity, workflow: Workflow, move: Transition) -> None:
    path = f"workflow.transitions.{move.name}"
    for index, source in enumerate(move.sources):
        if source != "*":
            _state(findings, entity, workflow, source, f"{path}.from.{index}")
    if move.target:
        _state(findings, entity, workflow, move.target, f"{path}.to")
    for key, value in (("from", move.sources), ("to", move.target)):
        if not value:
            findings.add(place_of(entity, path), "missing_key", f"the transition {move.name!r} needs {key!r}")
    for index, role in enumerate(move.roles):
        findings.role(role, place_of(entity, f"{path}.roles.{index}"))
    _written(findings, entity, move, path)


def _written(findings: Findings, entity: Entity, move: Transition, path: str) -> None:
    """Check the fields a move asks for and sets, and its expressions."""
    for index, name in enumerate(move.ask):
        place = place_of(entity, f"{path}.ask.{index}")
        field = findings.field(entity, name, place)
        if field is not None and not field.writable:
            findings.add(place, "wrong_field", f"nobody can be asked for {name!r}: it is not written by people")
    for name, source in move.set.items():
        place = place_of(entity, f"{path}.set.{name}")
        field = findings.field(entity, name, place)
        if field is None:
            continue
        if (
            field.system
            or field.formula
            or field.type == "auto_number"
            or name == (entity.workflow and entity.workflow.field)
        ):
            findings.add(place, "wrong_field", f"{name!r} is kept by the platform and cannot be set by a transition")
        else:
            findings.expression(ExpressionUse(entity.name, source, "set", field.type, name), place)
    findings.expression(ExpressionUse(entity.name, move.guard, "guard"), place_of(entity, f"{path}.guard"))


def _ambiguous(findings: Findings, entity: Entity, workflow: Workflow) -> None:
    for state in workflow.states:
        first: dict[str, str] = {}
        for move in workflow.moves(state.name):
            other = first.setdefault(move.target, move.name)
            if other != move.name:
                message = f"{other!r} and {move.name!r} both lead from {state.name!r} to {move.target!r}"
                findings.add(place_of(entity, f"workflow.transitions.{move.name}"), "ambiguous_transition", message)


def _paths(findings: Findings, entity: Entity, workflow: Workflow) -> None:
    reached, ahead = {workflow.initial}, [workflow.initial]
    while ahead:
        targets = {move.target for move in workflow.moves(ahead.pop())} - reached
        reached |= targets
        ahead.extend(targets)
    for state in workflow.states:
        place = place_of(entity, f"workflow.states.{state.name}")
        if state.name not in reached:
            findings.add(place, "unreachable_state", f"no transition leads to the state {state.name!r}")
        elif not state.final and not workflow.moves(state.name):
            findings.add(place, "dead_end", f"no transition leads out of {state.name!r}", "add one, or say final: done")
