"""Where a model uses a field: in expressions, views, labels, search; and what a change there makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from xrm.errors import Issue
from xrm.kernel.expression import Expression, ExpressionError
from xrm.kernel.expression import compile as compile_expression
from xrm.kernel.expression.tree import Compare, Field, Literal, Node, OneOf, Within, children, walk
from xrm.kernel.migration.ancestry import Ancestry
from xrm.kernel.paths import RecordScope, resolve
from xrm.kernel.policy import label_fields
from xrm.kernel.web_address import expressions_of
from xrm.metadata.findings import field_place, place_of
from xrm.metadata.model import Entity, Model, Origin

Target = tuple[str, str] | None  # entity and field, or nothing that is known


@dataclass(frozen=True, slots=True)
class Use:
    """One place that reads fields.

    Attributes:
        what: What it is, in words.
        place: Where it is written.
        entity: Over whose records.
        source: An expression; or empty, and `paths` says what is read.
        paths: Dotted paths.
    """

    what: str
    place: str
    entity: Entity
    source: str = ""
    paths: tuple[str, ...] = ()


def uses(model: Model) -> Iterator[Use]:
    """Yield every place of a model that reads fields of records."""
    for entity in model.entities.values():
        if not entity.removed:
            yield from _of_fields(entity)
            yield from _of_rules(entity)
            yield from _of_types(entity)
            yield from _of_buttons(entity)
            yield from _of_views(entity)
    for role in model.roles.values():
        for index, grant in enumerate(role.grants):
            entity_of = model.entities.get(grant.entity)
            if grant.where and entity_of is not None:
                origin = role.origins.get(f"grants.{index}.rows.where") or grant.origin
                yield Use(f"the role {role.name}", _at(origin, role.name), entity_of, grant.where)


def _at(origin: Origin | str, otherwise: str) -> str:
    return str(origin) if isinstance(origin, str) or origin.file else otherwise


def _of_fields(entity: Entity) -> Iterator[Use]:
    for field in entity.fields.values():
        if field.formula:
            yield Use(f"the formula of {field.name}", str(field_place(entity, field, "formula")), entity, field.formula)
    yield Use("the label", str(place_of(entity, "label")), entity, paths=label_fields(entity))
    yield Use("the search", str(place_of(entity, "search")), entity, paths=entity.search)


def _of_rules(entity: Entity) -> Iterator[Use]:
    for check in entity.checks:
        for source in filter(None, (check.when, check.require)):
            yield Use("a check", _at(check.origin, f"{entity.name}.checks"), entity, source)
    if entity.privacy.subject:
        place = str(place_of(entity, "privacy.subject"))
        yield Use("its privacy", place, entity, entity.privacy.subject)
    named = (*entity.privacy.fields, *filter(None, (entity.privacy.since,)))
    if named:
        yield Use("its privacy", str(place_of(entity, "privacy")), entity, paths=named)
    for restriction in entity.restrict:
        yield Use("a restriction", _at(restriction.origin, f"{entity.name}.restrict"), entity, restriction.where)
    for move in entity.workflow.transitions if entity.workflow else ():
        place = str(place_of(entity, f"workflow.transitions.{move.name}"))
        for source in filter(None, (move.guard, *move.set.values())):
            yield Use(f"the transition {move.name}", place, entity, source)
        yield Use(f"the transition {move.name}", place, entity, paths=(*move.ask, *move.set))


def _of_types(entity: Entity) -> Iterator[Use]:
    for kind in entity.record_types.values():
        what, place = f"the record type {kind.name}", str(place_of(entity, f"record_types.{kind.name}"))
        laid = tuple(name for section in kind.sections for name in section.fields)
        yield Use(what, place, entity, paths=(*laid, *kind.hidden, *kind.required, *kind.choices, *kind.defaults))
        for check in kind.checks:
            for source in filter(None, (check.when, check.require)):
                yield Use(what, _at(check.origin, place), entity, source)


def _of_buttons(entity: Entity) -> Iterator[Use]:
    for button in entity.buttons.values():
        what, place = f"the button {button.name}", str(place_of(entity, f"buttons.{button.name}"))
        for source in filter(None, (button.when, *button.set.values(), *expressions_of(button.open))):
            yield Use(what, place, entity, source)
        yield Use(what, place, entity, paths=tuple(button.set))


def _of_views(entity: Entity) -> Iterator[Use]:
    for view in entity.views.values():
        place = str(place_of(entity, f"views.{view.name}"))
        shown = (*view.columns, *view.filters, *(name.lstrip("-") for name in view.sort), *view.card)
        laid = tuple(name for section in view.sections for name in section.fields)
        yield Use(f"the view {view.name}", place, entity, paths=(*shown, *laid, *filter(None, (view.by, view.sum))))
        if view.filter:
            yield Use(f"the view {view.name}", place, entity, view.filter)


# --- what a change makes of them -----------------------------------------------------------------------------------


def meaning_changed(ancestry: Ancestry) -> Iterator[Issue]:
    """Yield a warning for each place that still stands, but means something else under the planned model."""
    gone: dict[Target, dict[str, str]] = {}
    retyped: dict[Target, str] = {}
    for before, entity in ancestry.entities():
        for known, field in ancestry.fields(before, entity):
            if lost := {c.name for c in known.choices} - {c.name for c in field.choices}:
                now = {old: choice.name for choice in field.choices for old in choice.was}
                gone[entity.name, field.name] = {name: now.get(name, "") for name in lost}
            if known.type != field.type:
                retyped[entity.name, field.name] = f"{known.type} to {field.type}"
    if not gone and not retyped:
        return
    for use in uses(ancestry.after):
        yield from _of_use(ancestry.after, use, gone, retyped)


def _of_use(model: Model, use: Use, gone: dict[Target, dict[str, str]], retyped: dict[Target, str]) -> Iterator[Issue]:
    compiled = _compiled(model, use)
    paths = sorted(compiled.paths) if compiled else [tuple(path.split(".")) for path in use.paths]
    what = f"{use.what[0].upper()}{use.what[1:]}"
    for read in dict.fromkeys(_target(model, use.entity, path) for path in paths):
        if read is not None and read in retyped:
            message = f"{what} uses {'.'.join(read)}, which changes from {retyped[read]}."
            yield Issue(use.place, "meaning_changed", message, "see whether it still says what you mean", "warning")
    for path, value in _compared(compiled.tree) if compiled else ():
        target = _target(model, use.entity, path)
        values = gone.get(target, {}) if target else {}
        if isinstance(value, str) and value in values:
            now = f"; it is called {values[value]!r} now" if values[value] else ""
            message = f"{what} compares {'.'.join(path)} with {value!r}, which is gone{now}."
            yield Issue(use.place, "meaning_changed", message, "the comparison will never hold", "warning")


def _compiled(model: Model, use: Use) -> Expression | None:
    if not use.source:
        return None
    try:
        return compile_expression(use.source, RecordScope(model, use.entity))
    except ExpressionError:
        return None  # a finding of the check


def _target(model: Model, entity: Entity, path: tuple[str, ...]) -> Target:
    found = resolve(model, entity, path) if path[0] != "user" else None
    return (found.entity.name, found.field.name) if found else None


def _compared(tree: Node) -> Iterator[tuple[tuple[str, ...], object]]:
    """Yield each path with the constants that it is compared with."""
    for node in walk(tree):
        if isinstance(node, (Compare, OneOf, Within)):
            parts = children(node)
            for path in [part.path for part in parts if isinstance(part, Field)]:
                yield from ((path, part.value) for part in parts if isinstance(part, Literal))
