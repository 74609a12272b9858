"""Why may somebody do this, or why not: the decision, what decides it, and what would have to change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from xrm.builtin.decisions.decision import Decision, Ground, Question, Right
from xrm.builtin.decisions.grounds import WRITES, weigh
from xrm.errors import Invalid, Issue
from xrm.kernel.change import Actor
from xrm.kernel.kernel import Kernel
from xrm.kernel.live import Live
from xrm.kernel.policy import ACTIONS, LEVELS, visibility
from xrm.kernel.reading import demand
from xrm.kernel.rules import may_move
from xrm.metadata.model import Entity, Transition

CAPABILITY = "security.read"  # to ask about others

SCOPES: Mapping[str, str] = {
    "own": "make {person} its owner",
    "team": "give it an owner who is in a team with {person}",
    "unit": "put it into the unit of {person}",
    "unit_tree": "put it into the unit of {person}, or one below",
    "managed": "give it an owner who reports to {person}",
}


async def why(kernel: Kernel, asker: Actor, person: Actor, question: Question) -> Decision:
    """Return what the policy decides and why, told to `asker`, who learns nothing of what they may not read.

    Raises:
        NotFound: no such entity or record, for the asker.
        Invalid: no such action or field, for the asker.
    """
    live = kernel.live
    entity = demand(live, asker, question.entity, "read").entity
    _known(live, asker, entity, question)
    move = _move(entity, question.action)
    if question.id is not None:
        await kernel.records.get(asker, entity.name, question.id, ("id",))
    rights = await weigh(kernel, person, question, _needed(question, move))
    lacking = next((right for right in rights if not right.holds), None)
    barred = move is not None and not may_move(move, person)
    fixed = _fixed(entity, question)
    allowed = lacking is None and not barred and not fixed
    return Decision(
        question,
        person.name,
        tuple(sorted(person.roles)),
        allowed,
        _because(entity, person, question, rights, move if barred else None),
        rights,
        () if allowed else tuple(_changes(live, person, question, lacking, move if barred else None)),
        await _facts(kernel, asker, question, rights),
    )


def _known(live: Live, asker: Actor, entity: Entity, question: Question) -> None:
    """Refuse what the asker cannot know of."""
    runs = {f"run:{name}" for name in live.entities[entity.name].actions}
    runs |= {f"run:{move.name}" for move in (entity.workflow.transitions if entity.workflow else ())}
    if question.action not in (*ACTIONS, *runs):
        raise Invalid(issues=[Issue("action", "unknown_action", "There is no such action.", _offer((*ACTIONS, *runs)))])
    access = live.policy.access(asker, entity.name, "read")
    if question.field and (access is None or visibility(access, question.field) is None):
        raise Invalid(issues=[Issue("field", "unknown_field", f"There is no field {question.field!r}.")])


def _offer(names: Sequence[str]) -> str:
    return "one of " + ", ".join(sorted(names)[:30])


def _move(entity: Entity, action: str) -> Transition | None:
    moves = entity.workflow.transitions if entity.workflow else ()
    return next((move for move in moves if action == f"run:{move.name}"), None)


def _needed(question: Question, move: Transition | None) -> tuple[str, ...]:
    """Return the actions that must all be granted: a record is read before anything else is done with it."""
    if question.action in ("read", "create"):
        return (question.action,)
    return ("read", "update" if move is not None else question.action)


def _fixed(entity: Entity, question: Question) -> bool:
    """Whether nobody writes the field: the platform does."""
    field = entity.fields.get(question.field)
    return field is not None and question.action in WRITES and not field.writable


# --- in words -------------------------------------------------------------------------------------------------------


def _because(
    entity: Entity, person: Actor, question: Question, rights: Sequence[Right], barred: Transition | None
) -> str:
    name, target = person.name, f"this {entity.title}" if question.id else entity.plural
    if _fixed(entity, question):
        return f"Nobody writes {entity.fields[question.field].title}: it is set by the platform."
    for right in rights:
        if not right.holds:
            return _refusal(right, name, target, question)
    if barred is not None:
        return f"The move {barred.title!r} is for {_list(barred.roles)}, and {name} has none of these roles."
    last = rights[-1]
    ground = next(ground for ground in last.grounds if ground.decides)
    some = "" if question.id or not ground.parts else " some"
    return f"{name} may {_verb(question.action)}{some} {target}: {_named(ground)} gives it."


def _refusal(right: Right, name: str, target: str, question: Question) -> str:
    held = [ground for ground in right.grounds if ground.held]
    if not held:
        return f"No role of {name} gives the right to {_verb(right.action)} {target}."
    covering = [ground for ground in held if ground.holds is not False]
    if not covering:
        return f"The grants of {name} to {_verb(right.action)} do not cover {target}."
    given = "write" if right.action in WRITES else "read"
    return f"{_sentence(_named(covering[0]))} covers {target}, but does not give {question.field!r} to {given}."


def _changes(
    live: Live, person: Actor, question: Question, lacking: Right | None, barred: Transition | None
) -> Iterator[str]:
    """Yield what would have to change for it to be allowed; each by itself is enough for the right that lacks."""
    if barred is not None and lacking is None:
        yield f"give {person.name} one of the roles {_list(barred.roles)}"
    if lacking is None:
        return
    for ground in lacking.grounds:
        if ground.role and ground.held and ground.holds is False:
            yield _cover(ground, person, question)
    if share := _share(live.model.entities[question.entity], person, question, lacking):
        yield share
    for ground in lacking.grounds:
        if ground.role and ground.held and ground.holds is not False and ground.gives is False:
            yield f"let {_named(ground)} give the field: add +{question.field} to its fields"
    roles = dict.fromkeys(g.role for g in lacking.grounds if not g.held and g.would)
    for role in roles:
        yield f"give {person.name} the role {live.model.roles[role].title} ({role})"
    if not lacking.grounds:
        yield f"let a role grant {lacking.action!r} on {question.entity}"


def _share(entity: Entity, person: Actor, question: Question, lacking: Right) -> str:
    """Return how a share would help, or empty: where none gives the action, or a restriction holds against it."""
    level = next((level for level, actions in LEVELS.items() if lacking.action in actions), "")
    parts = [part for ground in lacking.grounds for part in ground.parts if part.name == "restriction"]
    barred = any(part.holds is False for part in parts) if parts else bool(entity.restrict)
    if question.id is None or not level or barred:
        return ""
    naming = f", naming {question.field}" if question.field else ""
    return f"share it with {person.name} at the level {level}{naming}"


def _cover(ground: Ground, person: Actor, question: Question) -> str:
    """Return what must become true of the record, so that a grant covers it."""
    wishes = [_wish(part.name, part.text, person, question) for part in ground.parts if part.holds is False]
    return " and ".join(wishes) + f", so that {_named(ground)} covers it"


def _wish(part: str, text: str, person: Actor, question: Question) -> str:
    if part == "scope":
        return SCOPES[text].format(person=person.name)
    if part == "restriction":
        return f"let it meet the restriction {text}, or give {person.name} a role that is excepted from it"
    if part == "where":
        return f"let it meet the condition {text}"
    return f"give {person.name} the record that its {text} leads to"


def _named(ground: Ground) -> str:
    if not ground.role:
        return "a share of the record"
    place = f" ({ground.place})" if ground.place else ""
    return f"grant {ground.number} of the role {ground.role}{place}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _verb(action: str) -> str:
    return action.removeprefix("run:").replace("_", " ")


def _list(names: Sequence[str]) -> str:
    return " or ".join(names)


# --- facts ----------------------------------------------------------------------------------------------------------


async def _facts(kernel: Kernel, asker: Actor, question: Question, rights: Sequence[Right]) -> dict[str, Any]:
    """Return the values of the record that the grants look at, as far as the asker may read them."""
    if question.id is None:
        return {}
    live, entity = kernel.live, kernel.live.model.entities[question.entity]
    access = demand(live, asker, entity.name, "read")
    parts = (part for right in rights for ground in right.grounds for part in ground.parts)
    names = {name for part in parts for name in part.reads}
    names |= {"owner" if entity.owned else "created_by", *({"unit"} & entity.fields.keys())}
    shown = tuple(sorted(n for n in names if n in entity.fields and visibility(access, n) is not None))
    record = await kernel.records.get(asker, entity.name, question.id, shown)
    return {name: record.get(name) for name in shown}
