"""Checks of what people see: labels, search, lists, forms and boards."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from xrm.metadata.definitions import VIEW_KINDS
from xrm.metadata.findings import ExpressionUse, Findings, place_of
from xrm.metadata.model import Entity, Field, View
from xrm.metadata.names import did_you_mean
from xrm.metadata.types import rules_of

_OF_KIND: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "list": frozenset({"columns", "filters", "filter", "sort"}),
        "form": frozenset({"sections"}),
        "board": frozenset({"by", "sum", "card", "filter", "sort"}),
    }
)
_OPTIONS = ("columns", "filters", "filter", "sort", "sections", "by", "sum", "card")
_NOT_IN_LABELS = frozenset({"json", "tags", "choices", "secret", "encrypted_text"})
_PART = re.compile(r"\{([^{}]*)\}")


def check_label(findings: Findings, entity: Entity) -> None:
    """Check that the label is a template over own fields."""
    place = place_of(entity, "label")
    parts = _PART.findall(entity.label)
    if not parts or set("{}") & set(_PART.sub("", entity.label)):
        message = "the label names no field" if not parts else "the label has a brace without its partner"
        findings.add(place, "bad_label", message, 'such as "{name}", or "{name|email}" for the first that is not empty')
        return
    for name in (name for part in parts for name in part.split("|")):
        if "." in name:
            findings.add(place, "bad_label", f"{name!r}: a label is made of the entity's own fields")
        elif name in ("label", "search"):
            findings.add(place, "bad_label", f"{name!r} is made from the label and other fields itself")
        else:
            _label_field(findings, entity, name)


def _label_field(findings: Findings, entity: Entity, name: str) -> None:
    place = place_of(entity, "label")
    field = findings.field(entity, name, place)
    if field is not None and field.virtual:
        findings.add(place, "wrong_field", f"{name!r} is computed when it is read: a label is kept on each write")
    elif field is not None and (field.type in _NOT_IN_LABELS or field.field_class == "secret"):
        kind = "secret field" if field.field_class == "secret" else f"field of type {field.type}"
        findings.add(place, "wrong_field", f"{name!r} is a {kind}: it cannot be part of a label")


def check_search(findings: Findings, entity: Entity) -> None:
    """Check that the fields to search in exist and hold text."""
    for index, name in enumerate(entity.search):
        place = place_of(entity, f"search.{index}")
        field = findings.field(entity, name, place)
        if field is not None and field.virtual:
            findings.add(place, "wrong_field", f"{name!r} is computed when it is read: it cannot be searched in")
        elif field is not None and field.type and not rules_of(field).searched:
            findings.add(place, "wrong_field", f"{name!r} is of type {field.type}: there is no text to search in")
    _once(findings, entity, "search", entity.search)


def check_views(findings: Findings, entity: Entity) -> None:
    """Check every view."""
    for view in entity.views.values():
        path = f"views.{view.name}"
        if view.kind not in VIEW_KINDS:
            hint = did_you_mean(view.kind or view.name, VIEW_KINDS) or f"add kind: {', '.join(VIEW_KINDS)}"
            findings.add(
                place_of(entity, path), "unknown_view_kind", f"the view {view.name!r} does not say its kind", hint
            )
            continue
        _options(findings, entity, view, path)
        _list(findings, entity, view, path)
        _form(findings, entity, view, path)
        _board(findings, entity, view, path)
        findings.expression(ExpressionUse(entity.name, view.filter, "filter"), place_of(entity, f"{path}.filter"))


def _options(findings: Findings, entity: Entity, view: View, path: str) -> None:
    for option in _OPTIONS:
        if getattr(view, option) and option not in _OF_KIND[view.kind] and f"{path}.{option}" in entity.origins:
            hint = f"options of a {view.kind}: {', '.join(sorted(_OF_KIND[view.kind]))}"
            findings.add(
                place_of(entity, f"{path}.{option}"), "option_not_for_view", f"a {view.kind} has no {option!r}", hint
            )


def _list(findings: Findings, entity: Entity, view: View, path: str) -> None:
    for index, column in enumerate(view.columns):
        findings.path(entity, column, place_of(entity, f"{path}.columns.{index}"))
    _once(findings, entity, f"{path}.columns", view.columns)
    for index, name in enumerate(view.filters):
        findings.field(entity, name, place_of(entity, f"{path}.filters.{index}"))
    for index, key in enumerate(view.sort):
        place = place_of(entity, f"{path}.sort.{index}")
        field = findings.path(entity, key.removeprefix("-"), place)
        if field is not None and not rules_of(field).indexed:
            findings.add(place, "not_indexable", f"{field.name!r} is of type {field.type}: it cannot be sorted by")


def _form(findings: Findings, entity: Entity, view: View, path: str) -> None:
    shown: list[str] = []
    for number, section in enumerate(view.sections):
        for index, name in enumerate(section.fields):
            place = place_of(entity, f"{path}.sections.{number}.fields.{index}")
            findings.field(entity, name, place)
            if name in shown:
                findings.add(place, "duplicate_item", f"{name!r} is in the form already", "remove one")
            shown.append(name)


def _board(findings: Findings, entity: Entity, view: View, path: str) -> None:
    if view.kind != "board":
        return
    for index, name in enumerate(view.card):
        findings.path(entity, name, place_of(entity, f"{path}.card.{index}"))
    if not view.by:
        if findings.sure(entity.name):
            findings.add(
                place_of(entity, path), "missing_key", "a board needs 'by': the choice field that makes its lanes"
            )
        return
    _typed(findings, entity, view.by, f"{path}.by", _has_lanes, "lanes need a choice field")
    if view.sum:
        _typed(findings, entity, view.sum, f"{path}.sum", _is_number, "only numbers and money can be added up")


def _has_lanes(field: Field) -> bool:
    return rules_of(field).lanes


def _is_number(field: Field) -> bool:
    return rules_of(field).family in ("integer", "decimal")


def _typed(
    findings: Findings, entity: Entity, name: str, path: str, fits: Callable[[Field], bool], message: str
) -> None:
    place = place_of(entity, path)
    field = findings.field(entity, name, place)
    if field is not None and field.type and not fits(field):
        findings.add(place, "wrong_field", f"{name!r} is of type {field.type}: {message}")


def _once(findings: Findings, entity: Entity, path: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            findings.add(
                place_of(entity, f"{path}.{index}"), "duplicate_item", f"{name!r} is in the list twice", "remove one"
            )
        seen.add(name)
