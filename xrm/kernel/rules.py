"""Station 4 and 6: values as sent → Python values, and what must hold of a record. All findings at once."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from xrm.errors import Issue
from xrm.kernel.buttons import Offer
from xrm.kernel.change import Actor, Change
from xrm.kernel.derive import Read, reader
from xrm.kernel.expression import Expression
from xrm.kernel.fieldtypes.choices import fitting
from xrm.kernel.policy import Access, Rule
from xrm.kernel.values import KEEP, TYPES, Parsing, Refused, parse, to_json
from xrm.metadata.model import Check, Entity, Field, State, Transition, Workflow
from xrm.metadata.names import TYPE_FIELD


def parse_all(
    entity: Entity, sent: Mapping[str, Any], known: frozenset[str], parsing: Parsing, issues: list[Issue]
) -> dict[str, Any]:
    """Return the Python values of what was sent; each problem becomes an Issue named after its field.

    `known` are the fields the actor may know of: any other name, real or not, is an unknown field.
    """
    values: dict[str, Any] = {}
    for name, value in sent.items():
        field = entity.fields.get(name)
        if field is None or name not in known:
            issues.append(Issue(name, "unknown_field", f"{entity.title} has no field {name!r}.", _near(name, known)))
        elif not field.writable:
            issues.append(Issue(name, "read_only", f"{field.title} cannot be written."))
        else:
            try:
                if (found := parse(field, value, parsing)) is not KEEP:
                    values[name] = found
            except Refused as refused:
                issues.extend(refused.issues(name))
    return values


def parse_action(action: Offer, sent: Mapping[str, Any], parsing: Parsing, issues: list[Issue]) -> dict[str, Any]:
    """Return the Python values of what was sent to an action."""
    fields = {f.name: f for f in action.fields}
    values: dict[str, Any] = {}
    for name in sent.keys() - fields.keys():
        issues.append(
            Issue(name, "unknown_field", f"{action.title} asks for no {name!r}.", _near(name, frozenset(fields)))
        )
    for field in action.fields:
        try:
            found = parse(field, sent.get(field.name), parsing)
            values[field.name] = None if found is KEEP else found
        except Refused as refused:
            issues.extend(refused.issues(field.name))
            continue
        if field.required and values[field.name] is None:
            issues.append(Issue(field.name, "required", f"{field.title} is needed."))
    return values


def fitted(field: Field, value: Any, parsing: Parsing, issues: list[Issue]) -> Any:
    """Return the result of an expression as a value of `field`; what the field does not allow is noted."""
    if value is None:
        return None
    try:
        return parse(field, to_json(value), parsing)
    except Refused as refused:
        issues.extend(refused.issues(field.name))
        return None


def _near(name: str, known: frozenset[str]) -> str:
    found = difflib.get_close_matches(name, known, 1)
    return f"did you mean {found[0]!r}?" if found else ""


def permitted(
    entity: Entity, access: Access, holding: tuple[Rule, ...], names: Iterable[str], issues: list[Issue]
) -> None:
    """Add an Issue per field the actor may read but not write on this row (`holding`: the rules that hold for it)."""
    allowed = frozenset().union(*(rule.write for rule in holding)) if holding else frozenset()
    for name in names:
        if name not in allowed:
            issues.append(Issue(name, "not_permitted", f"You may not change {entity.fields[name].title}."))


def required(entity: Entity, change: Change, issues: list[Issue]) -> None:
    """Add an Issue per required field without a value."""
    told = {issue.path.partition(".")[0] for issue in issues}
    for field in entity.fields.values():
        asked = field.required and not field.system and field.through is None  # links are looked at by themselves
        if asked and field.name not in told and change.after.get(field.name) is None:
            issues.append(Issue(field.name, "required", f"{field.title} is needed."))


def doubts(entity: Entity, change: Change) -> None:
    """Add to the change what the types of its fields doubt of the values it brings."""
    for name in change.changed():
        doubt = TYPES[entity.fields[name].type].doubts if name in entity.fields else None
        if doubt is not None and change.after.get(name) is not None:
            change.warnings.extend(doubt(entity.fields[name], change.after[name]))


def dependent(change: Change, readable: frozenset[str], issues: list[Issue]) -> None:
    """Add an Issue per dependent choice that does not fit the value it depends on, when either of them was written.

    `readable` are the fields the actor may read: what would fit is told only to those who may know of what it depends.
    """
    told = {issue.path.partition(".")[0] for issue in issues}
    for field in change.entity.fields.values():
        if not field.depends_on or field.name in told or not _moved(change, field):
            continue
        chosen = change.after.get(field.name) or ()
        fits = {c.name: c.title for c in fitting(field, change.after.get(field.depends_on))}
        wrong = [name for name in ((chosen,) if isinstance(chosen, str) else chosen) if name not in fits]
        if wrong:
            parent = change.entity.fields[field.depends_on]
            title = next((c.title for c in field.choices if c.name == wrong[0]), wrong[0])
            hint = "one of " + ", ".join(list(fits)[:20]) if fits and parent.name in readable else ""
            issues.append(Issue(field.name, "choice_does_not_fit", f"{title} does not fit {parent.title}.", hint))


def _moved(change: Change, field: Field) -> bool:
    return change.kind in ("create", "restore") or change.changes(field.name) or change.changes(field.depends_on)


@dataclass(frozen=True, slots=True)
class CompiledCheck:
    """A `Check` with its expressions ready."""

    check: Check
    when: Expression | None
    require: Expression
    field: str


def checks(
    compiled: tuple[CompiledCheck, ...], change: Change, actor: Actor, now: datetime, issues: list[Issue]
) -> None:
    """Add an Issue per check that does not hold, unless its field has one already.

    Those of severity warn and debt become warnings of the change.
    """
    read = reader(change.after, actor)
    told = {issue.path.partition(".")[0] for issue in issues}
    for rule in compiled:
        if rule.field in told or (rule.when is not None and not rule.when.evaluate(read, now)):
            continue
        if rule.require.evaluate(read, now):
            continue
        if rule.check.severity == "block":
            issues.append(Issue(rule.field, "check_failed", rule.check.message))
        else:
            change.warnings.append(Issue(rule.field, "check_failed", rule.check.message, severity="warning"))


# --- workflow ------------------------------------------------------------------------------------------------------


def find_move(workflow: Workflow, change: Change, actor: Actor, issues: list[Issue]) -> Transition | None:
    """Return the transition a write makes, or None when the state stays.

    A record may be created in a state that some transition leads to; that transition's rules then apply, and those of
    the moves on the way there (`reached`).
    """
    before, after = change.before.get(workflow.field), change.after.get(workflow.field)
    begins = not change.before or (TYPE_FIELD in change.after and change.changes(TYPE_FIELD))
    if before == after or (begins and after == workflow.initial):
        return None
    if change.before:
        moves = tuple(t for t in workflow.moves(workflow.at(before)) if t.target == after)
    else:
        moves = tuple(t for t in workflow.transitions if t.target == after)
    if change.action and any(t.name == change.action for t in moves):
        moves = tuple(t for t in moves if t.name == change.action)
    if not moves:
        issues.append(
            Issue(
                workflow.field,
                "transition_not_allowed",
                f"There is no move to {_state(workflow, after)} from here.",
                _targets(workflow, before),
            )
        )
        return None
    allowed = next((t for t in moves if may_move(t, actor)), None)
    if allowed is None:
        issues.append(
            Issue(workflow.field, "transition_not_permitted", f"You may not move this to {_state(workflow, after)}.")
        )
    return allowed


def reached(workflow: Workflow, passes: Callable[[Transition], bool]) -> frozenset[str]:
    """Return the states that lead on from the initial one by moves that `passes`."""
    found, ahead = {workflow.initial}, [workflow.initial]
    while ahead:
        state = ahead.pop()
        targets = {move.target for move in workflow.moves(state) if move.target not in found and passes(move)}
        found |= targets
        ahead.extend(targets)
    return frozenset(found)


def check_start(
    entity: Entity, workflow: Workflow, state: Any, passes: Callable[[Transition], bool], issues: list[Issue]
) -> None:
    """Add an Issue when a new record starts in a state it could not have been brought to step by step."""
    possible = reached(workflow, passes)
    if state not in possible and not any(issue.path == workflow.field for issue in issues):
        titles = ", ".join(known.title for known in workflow.states if known.name in possible)
        message = f"A new {entity.title} cannot start in {_state(workflow, state)}."
        issues.append(Issue(workflow.field, "transition_not_allowed", message, f"possible: {titles}"))


def check_way_back(workflow: Workflow, change: Change, actor: Actor, issues: list[Issue]) -> None:
    """Add an Issue if an undo leaves a state by a transition that the actor may not make."""
    now, then = change.before.get(workflow.field), change.after.get(workflow.field)
    if now == then:
        return
    moves = tuple(t for t in workflow.moves(then or workflow.initial) if t.target == now)
    if moves and not any(may_move(move, actor) for move in moves):
        issues.append(Issue(workflow.field, "transition_not_permitted", f"You may not take back {moves[0].title!r}."))


def may_move(transition: Transition, actor: Actor) -> bool:
    """Whether the actor has a role the transition asks for."""
    return actor.is_system or not transition.roles or bool(actor.roles & set(transition.roles))


def _state(workflow: Workflow, name: Any) -> str:
    state: State | None = workflow.state(name)
    return state.title if state else repr(name)


def _targets(workflow: Workflow, before: Any) -> str:
    titles = [_state(workflow, t.target) for t in workflow.moves(workflow.at(before))]
    return "possible: " + ", ".join(titles) if titles else "this is a final state"


def check_move(
    entity: Entity, move: Transition, guard: Expression | None, read: Read, now: datetime, issues: list[Issue]
) -> None:
    """Add an Issue per field the move asks for that is empty, and one if its guard does not hold."""
    for name in move.ask:
        if read((name,)) is None:
            issues.append(Issue(name, "required", f"{entity.fields[name].title} is needed for {move.title!r}."))
    if guard is not None and not guard.evaluate(read, now):
        workflow = entity.workflow
        issues.append(
            Issue(workflow.field if workflow else "", "guard_failed", f"{move.title!r} is not possible: {move.guard}")
        )
