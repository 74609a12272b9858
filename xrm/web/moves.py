"""What can be done with a record: transitions of its workflow, its buttons and actions of plugins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from xrm.kernel.buttons import Offer, Press, opened
from xrm.kernel.derive import reader
from xrm.kernel.live import LiveEntity
from xrm.kernel.records import Record
from xrm.kernel.rules import may_move
from xrm.metadata.model import Field, State, Transition
from xrm.web.saving import python_values
from xrm.web.visit import PageVisit

Granted = Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Move:
    """What is offered: a transition, a button of the model, or a plugin's action.

    Attributes:
        name: What is run.
        title: The button's text.
        fields: What it asks for.
        needed: Names of those that must be given.
        target: The state it leads to; empty for an action.
        final: How that state ends the record: won, lost, done or empty.
        icon, color: What it looks like.
        confirm: A question that is asked before.
        address: The web address it opens, instead of being sent.
        instead: Name of the transition or action it stands for, which is then not offered by itself.
    """

    name: str
    title: str
    fields: tuple[Field, ...] = ()
    needed: frozenset[str] = frozenset()
    target: str = ""
    final: str = ""
    icon: str = ""
    color: str = ""
    confirm: str = ""
    address: str = ""
    instead: str = ""

    @property
    def asks(self) -> bool:
        """Whether it asks for anything before it is done."""
        return bool(self.fields or self.confirm)

    @property
    def moves(self) -> bool:
        """Whether it makes a transition: what it asks for are fields of the record."""
        return bool(self.target)


def moves(visit: PageVisit, prepared: LiveEntity, record: Record, granted: Granted) -> tuple[Move, ...]:
    """Return what the actor may do with a record now: transitions first, then buttons and actions that are possible.

    What a button stands for is not offered a second time.
    """
    ways = transitions(visit, prepared, record, granted)
    offered = _offered(visit, prepared, record, granted, {way.name: way for way in ways})
    covered = {move.instead for move in offered} - {""}
    return tuple(move for move in (*ways, *offered) if move.name not in covered)


def presses(visit: PageVisit, prepared: LiveEntity, record: Record, granted: Granted) -> tuple[Move, ...]:
    """Return the buttons that can be pressed now and do something with the record: what may follow a form."""
    ways = {way.name: way for way in transitions(visit, prepared, record, granted)}
    offered = _offered(visit, prepared, record, granted, ways)
    buttons = prepared.entity.buttons
    return tuple(move for move in offered if move.name in buttons and not buttons[move.name].open)


def transitions(visit: PageVisit, prepared: LiveEntity, record: Record, granted: Granted) -> tuple[Move, ...]:
    """Return the transitions the actor may make from the record's state; of several to one state the first allowed."""
    prepared = prepared.of(record)
    workflow = prepared.entity.workflow
    if workflow is None or "update" not in granted or workflow.field in record.get("_masked", ()):
        return ()
    state = workflow.at(record.get(workflow.field))
    return tuple(_move(prepared, t, record) for t in workflow.moves(state) if may_move(t, visit.actor))


def _move(prepared: LiveEntity, transition: Transition, record: Record) -> Move:
    """Return the button of a transition; it asks for a field again only when that has no value yet."""
    fields = prepared.entity.fields
    lacking = [n for n in transition.ask if record.get(n) in (None, "", [])]
    asked = transition.ask if lacking else ()
    state: State | None = prepared.entity.workflow.state(transition.target) if prepared.entity.workflow else None
    return Move(
        transition.name,
        transition.title,
        tuple(fields[n] for n in asked if fields[n].writable),
        frozenset(asked),
        transition.target,
        state.final if state else "",
    )


def _offered(
    visit: PageVisit, prepared: LiveEntity, record: Record, granted: Granted, ways: Mapping[str, Move]
) -> tuple[Move, ...]:
    values = reader(python_values(visit, prepared.entity, record), visit.actor)

    def possible(name: str) -> bool:
        condition = prepared.conditions.get(name)
        return f"run:{name}" in granted and (condition is None or bool(condition.evaluate(values, visit.now)))

    found = []
    for name, offer in prepared.actions.items():
        move = _offer(visit, offer, record)
        way = ways.get(move.instead) if isinstance(offer, Press) and offer.move else None
        if way is not None:
            move = replace(move, fields=way.fields, needed=way.needed)
        stands = way is not None or not move.instead or (isinstance(offer, Press) and possible(move.instead))
        if possible(name) and stands and (move.address or not _opens(offer)):
            found.append(move)
    return tuple(found)


def _opens(offer: Offer) -> bool:
    return isinstance(offer, Press) and offer.address is not None


def _offer(visit: PageVisit, offer: Offer, record: Record) -> Move:
    """Return what an action or button looks like for a record."""
    move = Move(
        offer.name,
        offer.title,
        offer.fields,
        offer.needed,
        icon=offer.icon,
        color=offer.color,
        confirm=offer.confirm,
    )
    if isinstance(offer, Press):
        address = opened(offer, record, visit.actor, visit.live.parsing, visit.now)
        target = offer.move.target if offer.move is not None else ""
        return replace(move, address=address, target=target, instead=offer.button.move or offer.button.run)
    return move


def move_named(visit: PageVisit, name: str, record: Record) -> Move | None:
    """Return a transition, button or action with what it asks for, possible now or not; None if there is none."""
    prepared = visit.prepared.of(record)
    if transition := prepared.transition(name):
        return _move(prepared, transition, {})
    offer = prepared.actions.get(name)
    return _offer(visit, offer, record) if offer is not None else None


@dataclass(frozen=True, slots=True)
class Step:
    """One state on the path a record takes."""

    state: State
    place: str  # done | here | open


def path(prepared: LiveEntity, record: Record) -> tuple[Step, ...]:
    """Return the states a record passes on its way to the good end, and the one it is in.

    Of a record that ended otherwise it is not said how far it had come.
    """
    workflow = prepared.of(record).entity.workflow
    if workflow is None:
        return ()
    current = record.get(workflow.field) or workflow.initial
    end = next((s for s in workflow.states if s.final in ("won", "done")), None)
    way = [s for s in workflow.states if not s.final or s is end]
    names = [s.name for s in way]
    if current not in names:
        return (*(Step(s, "open") for s in way), *(Step(s, "here") for s in workflow.states if s.name == current))
    here = names.index(current)
    return tuple(Step(s, "done" if n < here else "here" if n == here else "open") for n, s in enumerate(way))
