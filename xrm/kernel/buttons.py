"""Buttons of the model, made ready: what each asks for, and what it does when it is pressed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from xrm.kernel import derive
from xrm.kernel.change import Actor
from xrm.kernel.hooks import Action
from xrm.kernel.paths import OwnScope
from xrm.kernel.values import Parsing
from xrm.kernel.web_address import WebAddress, compile_address
from xrm.metadata.model import Button, Entity, Field, Model, Transition


@dataclass(frozen=True, slots=True)
class Press:
    """A button, ready to be pressed; what it looks like has the names it has on a plugin's `Action`.

    Attributes:
        entity: Whose records it is for.
        button: Its definition.
        fields: What it asks for: what its transition or its plugin's action asks for.
        needed: Names of those that must be given.
        move: The transition it makes, or None.
        does: The plugin's action it runs, or None.
        address: What it opens, or None.
    """

    entity: Entity
    button: Button
    fields: tuple[Field, ...] = ()
    needed: frozenset[str] = frozenset()
    move: Transition | None = None
    does: Action | None = None
    address: WebAddress | None = None

    @property
    def name(self) -> str:
        """Its name."""
        return self.button.name

    @property
    def title(self) -> str:
        """Its text."""
        return self.button.title

    @property
    def icon(self) -> str:
        """Name of its icon, or empty."""
        return self.button.icon

    @property
    def color(self) -> str:
        """Name of its colour, or empty."""
        return self.button.color

    @property
    def confirm(self) -> str:
        """The question asked before, or empty."""
        return self.button.confirm

    @property
    def when(self) -> str:
        """The condition under which it is possible, or empty."""
        return self.button.when


Offer = Action | Press
"""What can be done with a record besides the plain actions and the transitions of its workflow."""


def opened(press: Press, record: Mapping[str, Any], actor: Actor, parsing: Parsing, now: datetime) -> str:
    """Return the address a button opens for a record's JSON form as the actor sees it, or empty."""
    values = derive.as_read(press.entity, record, parsing) if press.address is not None else {}
    return press.address.evaluate(derive.reader(values, actor), now) if press.address is not None else ""


def offers(model: Model, entity: Entity, actions: Mapping[str, Action]) -> Mapping[str, Offer]:
    """Return the buttons of an entity, in order, then the actions of plugins that no button of the same name hides.

    A button whose plugin's action is gone is left out.
    """
    pressed = {b.name: _press(model, entity, b, actions) for b in entity.buttons.values()}
    ready = {name: press for name, press in pressed.items() if press is not None}
    return {**ready, **{name: action for name, action in actions.items() if name not in ready}}


def _press(model: Model, entity: Entity, button: Button, actions: Mapping[str, Action]) -> Press | None:
    if button.run:
        does = actions.get(button.run)
        return Press(entity, button, does.fields, does.needed, does=does) if does is not None else None
    if button.move:
        moves = entity.workflow.transitions if entity.workflow else ()
        move = next((t for t in moves if t.name == button.move), None)
        asked = tuple(f for n in move.ask if (f := entity.fields[n]).writable) if move is not None else ()
        return Press(entity, button, asked, frozenset(f.name for f in asked), move) if move is not None else None
    if button.open:
        return Press(entity, button, address=compile_address(button.open, OwnScope(model, entity)))
    return Press(entity, button)
