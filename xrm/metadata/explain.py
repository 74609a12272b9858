"""Who set what: every property of an entity or field with the layer and the line it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from xrm.errors import NotFound
from xrm.metadata.model import Entity, Field, Link, Model, Origin, Workflow
from xrm.metadata.names import did_you_mean

_ATTRIBUTES = {"class": "field_class"}
_OF_ENTITY = (
    "title",
    "plural",
    "description",
    "icon",
    "group",
    "uses",
    "label",
    "search",
    "unique",
    "indexes",
    "timeline",
    "was",
    "removed",
)
_OF_STATES = ("choices", "default", "required")


class Explained(NamedTuple):
    """One property, what it is in the model, and who set it."""

    property: str
    value: Any
    origin: Origin


def explain(model: Model, path: str) -> list[Explained]:
    """Return the properties of an entity (``deal``) or of a field (``deal.amount``) that somebody set.

    Raises:
        NotFound: There is no such entity or field.
    """
    name, _, field = path.partition(".")
    entity = model.entities.get(name)
    if entity is None:
        raise NotFound(f"there is no entity {name!r}", hint=did_you_mean(name, model.entities))
    if not field:
        return list(_entity(entity))
    if field not in entity.fields:
        raise NotFound(f"{name!r} has no field {field!r}", hint=did_you_mean(field, entity.fields))
    return list(_field(entity, entity.fields[field]))


def _field(entity: Entity, field: Field) -> Iterator[Explained]:
    for option, origin in field.origins.items():
        if "." not in option:
            yield Explained(option, _value(field, option), origin)
    if "type" not in field.origins:
        yield Explained("type", field.type, field.origin)
    if entity.workflow is not None and entity.workflow.field == field.name:
        for option in _OF_STATES:
            place = "workflow.states" if option == "choices" else "workflow.initial"
            origin = entity.origins.get(place) or entity.workflow.origin
            yield Explained(option, _value(field, option), origin)


def _value(field: Field, option: str) -> Any:
    value = getattr(field, _ATTRIBUTES.get(option, option))
    if isinstance(value, Link):
        return value.entity
    if option == "choices":
        return [choice.name for choice in value]
    return list(value) if isinstance(value, tuple) else value


def _entity(entity: Entity) -> Iterator[Explained]:
    for option in _OF_ENTITY:
        if option in entity.origins:
            yield Explained(option, getattr(entity, option), entity.origins[option])
    for field in entity.fields.values():
        yield Explained(f"fields.{field.name}", field.type, field.origin)
    for number, check in enumerate(entity.checks):
        yield Explained(f"checks.{number}", check.require, check.origin)
    if entity.workflow is not None:
        yield from _workflow(entity, entity.workflow)
    for view in entity.views.values():
        yield Explained(f"views.{view.name}", view.kind, view.origin)


def _workflow(entity: Entity, workflow: Workflow) -> Iterator[Explained]:
    for state in workflow.states:
        path = f"workflow.states.{state.name}"
        yield Explained(path, state.title, entity.origins.get(path, workflow.origin))
    for move in workflow.transitions:
        yield Explained(f"workflow.transitions.{move.name}", f"{', '.join(move.sources)} → {move.target}", move.origin)
