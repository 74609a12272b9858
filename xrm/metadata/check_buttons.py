"""Checks of buttons: each does one thing, and what it names is there."""

from __future__ import annotations

from xrm.metadata.findings import ExpressionUse, Findings, place_of
from xrm.metadata.model import Button, Entity, Field
from xrm.metadata.names import did_you_mean

DOES = ("move", "set", "open", "run")
RESERVED = ("read", "create", "update", "delete", "restore", "export", "import")


def check_buttons(findings: Findings, entity: Entity) -> None:
    """Check the buttons of an entity."""
    for button in entity.buttons.values():
        path = f"buttons.{button.name}"
        _name(findings, entity, button, path)
        _one_thing(findings, entity, button, path)
        findings.expression(ExpressionUse(entity.name, button.when, "check"), place_of(entity, f"{path}.when"))
        if button.move:
            _move(findings, entity, button, path)
        for name, source in button.set.items():
            _setting(findings, entity, name, source, f"{path}.set.{name}")
        findings.expression(ExpressionUse(entity.name, button.open, "open"), place_of(entity, f"{path}.open"))


def _name(findings: Findings, entity: Entity, button: Button, path: str) -> None:
    moves = entity.workflow.transitions if entity.workflow else ()
    if any(move.name == button.name for move in moves):
        message = f"the workflow has a transition {button.name!r} already"
        findings.add(place_of(entity, path), "name_clash", message, "choose another name for the button")
    elif button.name in RESERVED:
        message = f"{button.name!r} is a name of the platform"
        findings.add(place_of(entity, path), "reserved_name", message, "choose another name")


def _one_thing(findings: Findings, entity: Entity, button: Button, path: str) -> None:
    said = [key for key in DOES if getattr(button, key)]
    if not said:
        message = f"the button {button.name!r} does nothing"
        findings.add(place_of(entity, path), "missing_key", message, f"write one of {', '.join(DOES)}")
    elif len(said) > 1:
        message = f"the button {button.name!r} says {' and '.join(said)}"
        hint = "a button does one thing; a transition may set fields too"
        findings.add(place_of(entity, f"{path}.{said[1]}"), "option_conflict", message, hint)


def _move(findings: Findings, entity: Entity, button: Button, path: str) -> None:
    place = place_of(entity, f"{path}.move")
    moves = [move.name for move in entity.workflow.transitions] if entity.workflow else []
    removed = entity.gone.get(f"workflow.transitions.{button.move}")
    if button.move in moves or not findings.sure(entity.name):
        return
    if removed is not None:
        message = f"the transition {button.move!r} is removed, by {removed.layer!r} at {removed}"
        findings.add(place, "removed_name", message, "remove the button too")
    else:
        hint = did_you_mean(button.move, moves)
        findings.add(place, "unknown_action", f"the workflow has no transition {button.move!r}", hint)


def _setting(findings: Findings, entity: Entity, name: str, source: str, path: str) -> None:
    place = place_of(entity, path)
    field = findings.field(entity, name, place)
    if field is None:
        return
    if entity.workflow is not None and name == entity.workflow.field:
        message = f"{name!r} is the state of the workflow: a button does not set it"
        findings.add(place, "wrong_field", message, "write move: and the name of a transition")
    elif kept(field):
        findings.add(place, "wrong_field", f"{name!r} is kept by the platform and cannot be set by a button")
    else:
        findings.expression(ExpressionUse(entity.name, source, "set", field.type, name), place)


def kept(field: Field) -> bool:
    """Return whether the platform alone gives a field its value, or no expression can."""
    computed = field.system or field.formula or field.kind or field.type == "auto_number"
    return bool(computed) or field.through is not None
