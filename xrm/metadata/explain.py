"""Who set what: every property of a definition with the layer and the line it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, NamedTuple

from xrm.errors import NotFound
from xrm.metadata.model import Entity, Field, Grant, Link, Model, Origin, Override, Role, Section, When, Workflow
from xrm.metadata.names import did_you_mean

_OF_PARTS = {"from": "sources", "to": "target"}
_REMOVED = "removed"
_ATTRIBUTES = {"class": "field_class", "schema": "json_schema", "field": "over", "as": "sight"}
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
    """Return the properties that somebody set, of what is at a path.

    Args:
        model: The model, with what it says is removed.
        path: An entity (``deal``), a field (``deal.amount``), a part (``deal.views.list``, ``deal.checks.paid``,
            ``deal.workflow.states.won``, ``deal.workflow.transitions.win``), a role (``roles.sales``) or one of its
            grants (``roles.sales.grants.deals``); unnamed checks and grants by their number from 0.

    Raises:
        NotFound: There is no such thing.
    """
    name, _, below = path.removeprefix("roles.").partition(".")
    if path.startswith("roles.") or (name not in model.entities and name in {**model.roles, **model.removed_roles}):
        return list(_role(model, name, below))
    entity = model.entities.get(name)
    if entity is None:
        raise NotFound(f"there is no entity {name!r}", hint=did_you_mean(name, model.entities))
    if not below:
        return list(_entity(entity))
    if below in entity.fields:
        return list(_field(entity, entity.fields[below]))
    return list(_part(entity, name, below))


def earlier(model: Model, path: str, option: str) -> Override | None:
    """Return what the layers before said of a property that `explain` tells, when a later one decided otherwise."""
    name, _, below = path.removeprefix("roles.").partition(".")
    entity = model.entities.get(name)
    whole = entity is not None and below in entity.fields and not path.startswith("roles.")
    place = f"fields.{below}" if whole else below
    return model.overrides.get(".".join(filter(None, (name, place, option))))


def explain_json(model: Model, path: str) -> list[dict[str, Any]]:
    """Return what `explain` tells as JSON data, with what each value stands in the place of.

    Raises:
        NotFound: There is no such thing.
    """
    return [_json(each, earlier(model, path, each.property)) for each in explain(model, path)]


def _json(each: Explained, before: Override | None) -> dict[str, Any]:
    origin = each.origin
    shown = {"property": each.property, "value": each.value, "layer": origin.layer, "origin": str(origin)}
    shown |= {"file": origin.file, "line": origin.line, "column": origin.column} if origin.file else {}
    if before is not None:
        where = before.earlier_origin
        shown["instead_of"] = {"value": before.earlier, "layer": where.layer, "origin": str(where)}
    return shown


def _part(entity: Entity, name: str, path: str) -> Iterator[Explained]:
    """Yield the properties of a view, check, state or transition."""
    parts = {
        **{f"views.{view.name}": view for view in entity.views.values()},
        **{f"record_types.{kind.name}": kind for kind in entity.record_types.values()},
        **{f"buttons.{button.name}": button for button in entity.buttons.values()},
        **_numbered("checks", entity.checks),
        **_numbered("restrict", entity.restrict),
    }
    if entity.workflow is not None:
        parts |= {f"workflow.states.{state.name}": state for state in entity.workflow.states}
        parts |= {f"workflow.transitions.{move.name}": move for move in entity.workflow.transitions}
    if "privacy" in entity.origins or entity.privacy.origin.file:
        parts["privacy"] = entity.privacy
    if path in entity.gone:
        yield Explained(_REMOVED, True, entity.gone[path])  # noqa: FBT003 - a value
    elif path not in parts:
        known = (*entity.fields, *parts, *entity.gone)
        raise NotFound(f"{name!r} has no {path!r}", hint=did_you_mean(path, known))
    else:
        kind = path.partition(".")[0]
        place = _place_of(path, kind, entity.restrict if kind == "restrict" else entity.checks)
        yield from _options(parts[path], place, entity.origins)


def _role(model: Model, name: str, path: str) -> Iterator[Explained]:
    if name in model.removed_roles:
        yield Explained(_REMOVED, True, model.removed_roles[name])  # noqa: FBT003 - a value
        return
    role = model.roles.get(name)
    if role is None:
        raise NotFound(f"there is no role {name!r}", hint=did_you_mean(name, model.roles))
    grants = _numbered("grants", role.grants)
    if not path:
        yield from _whole_role(role, grants)
    elif path in role.gone:
        yield Explained(_REMOVED, True, role.gone[path])  # noqa: FBT003 - a value
    elif path in grants:
        yield from _options(grants[path], _place_of(path, "grants", role.grants), role.origins)
    else:
        raise NotFound(f"the role {name!r} has no {path!r}", hint=did_you_mean(path, (*grants, *role.gone)))


def _whole_role(role: Role, grants: Mapping[str, Grant]) -> Iterator[Explained]:
    for option in ("title", "description", "mfa", "may_grant"):
        if option in role.origins:
            yield Explained(option, getattr(role, option), role.origins[option])
    for path, grant in grants.items():
        yield Explained(path, f"{', '.join(grant.actions)}: {grant.entity}", grant.origin)
    for number, capability in enumerate(role.capabilities):
        yield Explained(f"capabilities.{capability}", True, role.origins.get(f"capabilities.{number}", role.origin))  # noqa: FBT003
    for path, origin in role.gone.items():
        yield Explained(path, _REMOVED, origin)


def _numbered(kind: str, parts: tuple[Any, ...]) -> dict[str, Any]:
    """Return parts by their names, or numbers; those of one grant on several entities all have the same name."""
    named: dict[str, Any] = {}
    for number, part in enumerate(parts):
        path = f"{kind}.{part.name}" if part.name else f"{kind}.{number}"
        named[path if path not in named else f"{path}.{part.entity}"] = part
    return named


def _place_of(path: str, kind: str, parts: tuple[Any, ...]) -> str:
    """Return where the origins of a part are kept: there, checks and grants have numbers."""
    numbers = {name: number for number, name in enumerate(_numbered(kind, parts))}
    return f"{kind}.{numbers[path]}" if path in numbers else path


def _options(part: Any, place: str, origins: Mapping[str, Origin]) -> Iterator[Explained]:
    below = f"{place}."
    for path, origin in origins.items():
        option = path.removeprefix(below)
        if path.startswith(below) and "." not in option and hasattr(part, attribute := _attribute(part, option)):
            yield Explained(option, _plain(getattr(part, attribute)), origin)


def _attribute(part: Any, option: str) -> str:
    if option == "rows":
        return "where" if part.where else "via" if part.via else "scope"
    return "read" if isinstance(part, Grant) and option == "fields" else _OF_PARTS.get(option, option)


def _plain(value: Any) -> Any:
    if isinstance(value, Section):
        return value.title
    if isinstance(value, When):
        return {name: _plain(said) for name, said in asdict(value).items() if said}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return dict(value) if isinstance(value, Mapping) else value


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
    if option == "type" and field.written:
        return field.written
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
    for path, check in _numbered("checks", entity.checks).items():
        yield Explained(path, check.require, check.origin)
    for path, restriction in _numbered("restrict", entity.restrict).items():
        yield Explained(path, restriction.where, restriction.origin)
    if entity.workflow is not None:
        yield from _workflow(entity, entity.workflow)
    for kind in entity.record_types.values():
        yield Explained(f"record_types.{kind.name}", kind.title, kind.origin)
    for button in entity.buttons.values():
        yield Explained(f"buttons.{button.name}", button.title, button.origin)
    for view in entity.views.values():
        yield Explained(f"views.{view.name}", view.kind, view.origin)
    for path, origin in entity.gone.items():
        yield Explained(path, _REMOVED, origin)


def _workflow(entity: Entity, workflow: Workflow) -> Iterator[Explained]:
    for state in workflow.states:
        path = f"workflow.states.{state.name}"
        yield Explained(path, state.title, entity.origins.get(path, workflow.origin))
    for move in workflow.transitions:
        yield Explained(f"workflow.transitions.{move.name}", f"{', '.join(move.sources)} → {move.target}", move.origin)
