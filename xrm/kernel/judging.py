"""What is found in a model that files alone cannot tell: the kernel knows plugins' actions and types' parsers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from xrm.errors import Issue
from xrm.kernel.hooks import Action
from xrm.kernel.values import TYPES, Parsing, Refused, parse
from xrm.metadata.codes import found
from xrm.metadata.findings import field_place, place_of
from xrm.metadata.model import Button, Entity, Field, Model, Origin
from xrm.metadata.names import did_you_mean
from xrm.metadata.types import rules_of
from xrm.metadata.values import misfit


def judged(model: Model, actions: Sequence[Action], parsing: Parsing) -> Iterator[Issue]:
    """Yield what is wrong with a model besides what its files were checked for."""
    yield from unknown_actions(model, actions)
    for entity in model.entities.values():
        if not entity.removed:
            yield from _defaults(entity, parsing)


def _defaults(entity: Entity, parsing: Parsing) -> Iterator[Issue]:
    """Yield a finding per default that only the parser of its type can judge, with its place in the file."""
    for field in entity.fields.values():
        if field.removed or not _by_parser(field):
            continue
        for option in ("default", "backfill"):
            value = getattr(field, option)
            if value is not None and not (option == "backfill" and field.backfill_expression):
                yield from _misfit(field, value, parsing, field_place(entity, field, option), option)
    for kind in entity.record_types.values():
        for name, value in kind.defaults.items():
            if name in entity.fields and _by_parser(entity.fields[name]):
                place = place_of(entity, f"record_types.{kind.name}.defaults.{name}")
                yield from _misfit(entity.fields[name], value, parsing, place, name)


def _by_parser(field: Field) -> bool:
    rules = rules_of(field)
    return field.type in TYPES and not field.kind and (not rules.family or bool(rules.first))


def _misfit(field: Field, value: Any, parsing: Parsing, place: Origin | str, option: str) -> Iterator[Issue]:
    if misfit(field, value):
        return  # told already
    try:
        parse(field, value, parsing)
    except Refused as refused:
        part = f".{refused.part}" if refused.part else ""
        yield found(place, "bad_default", f"{option}{part}: {refused.message}", refused.hint)


def unknown_actions(model: Model, actions: Sequence[Action]) -> Iterator[Issue]:
    """Yield a finding for each button that runs an action no plugin brings, or takes the name of one."""
    for entity in model.entities.values():
        known = [action.name for action in actions if action.entity == entity.name]
        for button in () if entity.removed else entity.buttons.values():
            yield from _unknown(entity, button, known)


def _unknown(entity: Entity, button: Button, known: Iterable[str]) -> Iterator[Issue]:
    names = list(known)
    if button.run and button.run not in names:
        message = f"no plugin brings an action {button.run!r} of {entity.name!r}"
        hint = did_you_mean(button.run, names) or (f"there are: {', '.join(names)}" if names else "")
        yield found(place_of(entity, f"buttons.{button.name}.run"), "unknown_action", message, hint)
    if button.name in names:
        message = f"a plugin brings an action {button.name!r} already"
        yield found(place_of(entity, f"buttons.{button.name}"), "name_clash", message, "choose another name")
