"""Record types: what one entity is for records of one type. Pure.

A type narrows its entity: a form of its own, fields it lacks or needs, fewer choices and states, further checks. What
is left is an entity like any other, so that forms, checks and moves know nothing of types.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import MappingProxyType

from xrm.metadata.model import Check, Entity, Field, RecordType, Section, State, Transition, View, Workflow
from xrm.metadata.names import TYPE_FIELD


def narrowed(entity: Entity, kind: RecordType) -> Entity:
    """Return an entity as it is for the records of one type."""
    workflow = _workflow(entity.workflow, kind) if entity.workflow is not None else None
    fields = {name: _field(field, kind, workflow) for name, field in entity.fields.items()}
    return replace(
        entity,
        fields=MappingProxyType(fields),
        workflow=workflow,
        checks=(*entity.checks, *kind.checks),
        views=MappingProxyType(_views(entity, kind)),
    )


def _field(field: Field, kind: RecordType, workflow: Workflow | None) -> Field:
    if workflow is not None and field.name == workflow.field:
        names = {state.name for state in workflow.states}
        kept = tuple(choice for choice in field.choices if choice.name in names)
        return replace(field, choices=kept, default=workflow.initial)
    if field.name in kind.hidden:
        return replace(field, default=field.default if field.required else None)
    changes: dict[str, object] = {}
    if field.name in kind.required:
        changes["required"] = True
    if field.name in kind.choices:
        changes["choices"] = tuple(c for c in field.choices if c.name in kind.choices[field.name])
    if field.name in kind.defaults:
        changes["default"] = kind.defaults[field.name]
    return replace(field, **changes) if changes else field  # type: ignore[arg-type]  # of these very names


def _workflow(workflow: Workflow, kind: RecordType) -> Workflow:
    states = tuple(s for s in workflow.states if not kind.states or s.name in kind.states)
    names = {state.name for state in states}
    moves = tuple(_moves(workflow.transitions, kind, names))
    return replace(workflow, states=states, transitions=moves, initial=initial_of(workflow, kind, states))


def initial_of(workflow: Workflow, kind: RecordType, states: tuple[State, ...]) -> str:
    """Return the state a new record of a type begins in."""
    names = [state.name for state in states]
    return kind.initial or (workflow.initial if workflow.initial in names or not names else names[0])


def _moves(moves: tuple[Transition, ...], kind: RecordType, states: set[str]) -> list[Transition]:
    found = []
    for move in moves:
        sources = move.sources if move.sources == ("*",) else tuple(s for s in move.sources if s in states)
        if sources and move.target in states and (not kind.transitions or move.name in kind.transitions):
            found.append(replace(move, sources=sources))
    return found


def _views(entity: Entity, kind: RecordType) -> dict[str, View]:
    """Return the views, the form laid out as the type says, and without what its records do not have."""
    form = next((view for view in entity.views.values() if view.kind == "form"), None)
    if form is None and not kind.sections and not kind.hidden:
        return dict(entity.views)
    given = kind.sections or (form.sections if form is not None else (Section("", _all(entity)),))
    kept = ((s.title, tuple(n for n in s.fields if n not in kind.hidden)) for s in given)
    sections = tuple(Section(title, fields) for title, fields in kept if fields)
    shown = replace(form, sections=sections) if form is not None else View("form", "form", sections=sections)
    return {**entity.views, shown.name: shown}


def _all(entity: Entity) -> tuple[str, ...]:
    return tuple(f.name for f in entity.fields.values() if not f.system)


def all_checks(entity: Entity) -> Iterator[Check]:
    """Yield the checks of an entity, and what its record types ask for as checks that name the type."""
    yield from entity.checks
    for kind in entity.record_types.values():
        only = f"{TYPE_FIELD} == '{kind.name}'"
        for check in kind.checks:
            yield replace(check, when=f"{only} && ({check.when})" if check.when else only)
        for name in kind.required:
            message = f"{entity.fields[name].title} is needed."
            yield Check(f"{name} != null", message, only, field=name, origin=kind.origin)
        for name, left in kind.choices.items():
            yield from _left(entity, kind, name, left, only)
        if kind.states and entity.workflow is not None:
            yield from _left(entity, kind, entity.workflow.field, kind.states, only)


def _left(entity: Entity, kind: RecordType, name: str, left: tuple[str, ...], only: str) -> Iterator[Check]:
    field = entity.fields[name]
    if field.type == "choice":
        listed = ", ".join(f"'{choice}'" for choice in left)
        message = f"{field.title} has a value that is not for {kind.title}."
        yield Check(f"{name} == null || {name} in [{listed}]", message, only, field=name, origin=kind.origin)
