"""What can be done with a record: transitions of its workflow and actions of plugins, as buttons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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
    """One button: a transition or a plugin's action.

    Attributes:
        name: What is run.
        title: The button's text.
        fields: What it asks for.
        needed: Names of those that must be given.
        target: The state it leads to; empty for an action.
        final: How that state ends the record: won, lost, done or empty.
    """

    name: str
    title: str
    fields: tuple[Field, ...] = ()
    needed: frozenset[str] = frozenset()
    target: str = ""
    final: str = ""

    @property
    def asks(self) -> bool:
        """Whether it asks for anything before it is done."""
        return bool(self.fields)


def moves(visit: PageVisit, prepared: LiveEntity, record: Record, granted: Granted) -> tuple[Move, ...]:
    """Return what the actor may do with a record now: transitions first, then the actions that are possible."""
    return (*transitions(visit, prepared, record, granted), *_actions(visit, prepared, record, granted))


def transitions(visit: PageVisit, prepared: LiveEntity, record: Record, granted: Granted) -> tuple[Move, ...]:
    """Return the transitions the actor may make from the record's state; of several to one state the first allowed."""
    workflow = prepared.entity.workflow
    if workflow is None or "update" not in granted or workflow.field in record.get("_masked", ()):
        return ()
    state = record.get(workflow.field) or workflow.initial
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


def _actions(visit: PageVisit, prepared: LiveEntity, record: Record, granted: Granted) -> tuple[Move, ...]:
    found = []
    values = reader(python_values(visit, prepared.entity, record), visit.actor)
    for name, action in prepared.actions.items():
        condition = prepared.conditions.get(name)
        if f"run:{name}" in granted and (condition is None or condition.evaluate(values, visit.now)):
            needed = frozenset(f.name for f in action.fields if f.required)
            found.append(Move(name, action.title, action.fields, needed))
    return tuple(found)


def move_named(prepared: LiveEntity, name: str) -> Move | None:
    """Return a transition or action by its name with what it asks for, possible now or not; None if there is none."""
    if transition := prepared.transition(name):
        return _move(prepared, transition, {})
    action = prepared.actions.get(name)
    return (
        Move(name, action.title, action.fields, frozenset(f.name for f in action.fields if f.required))
        if action
        else None
    )


@dataclass(frozen=True, slots=True)
class Step:
    """One state on the path a record takes."""

    state: State
    place: str  # done | here | open


def path(prepared: LiveEntity, record: Record) -> tuple[Step, ...]:
    """Return the states a record passes on its way to the good end, and the one it is in.

    Of a record that ended otherwise it is not said how far it had come.
    """
    workflow = prepared.entity.workflow
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
