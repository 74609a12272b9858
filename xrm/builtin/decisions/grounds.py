"""What every grant of an action says about one person and one record: by the SQL that decides everywhere else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from xrm.builtin.decisions.decision import Ground, Part, Question, Right
from xrm.errors import NotFound
from xrm.kernel import query
from xrm.kernel.change import Actor
from xrm.kernel.expression import Expression
from xrm.kernel.kernel import Kernel
from xrm.kernel.live import Live
from xrm.kernel.policy import Rule, Shared
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.sql import Binder, Var, quote
from xrm.kernel.visible import Visible
from xrm.metadata.model import Entity

_UUID = ColumnType("uuid")
_ID = Var("id", _UUID)
MAX_CELLS = 400  # conditions asked about by one statement
WRITES = frozenset({"create", "update", "import"})


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A rule of some role, and the parts of it that are asked about one by one."""

    action: str
    rule: Rule
    held: bool
    parts: tuple[tuple[Part, Rule], ...]  # with the rule of this part alone


async def weigh(kernel: Kernel, person: Actor, question: Question, actions: Sequence[str]) -> tuple[Right, ...]:
    """Return what all grants of `actions` say, those of roles that the person does not have included.

    Raises:
        NotFound: there is no such record.
    """
    live = kernel.live
    entity = live.model.entities[question.entity]
    found = [candidate for action in actions for candidate in _candidates(live, person, entity, action)]
    answers = iter(await _ask(kernel, live, person, entity, found, question.id))
    grounds = [(c.action, _ground(live, c, question, answers)) for c in found]
    return tuple(Right(action, tuple(g for a, g in grounds if a == action)) for action in actions)


def _candidates(live: Live, person: Actor, entity: Entity, action: str) -> Iterator[_Candidate]:
    yield from _shares(live, person, entity, action)
    for role in sorted(live.model.roles):
        held = role in person.roles
        access = live.policy.access(replace(person, roles=person.roles | {role}), entity.name, action)
        for rule in access.rules if access else ():
            if rule.number[0] == role:
                yield _Candidate(action, rule, held, tuple(_parts(rule)))


def _shares(live: Live, person: Actor, entity: Entity, action: str) -> Iterator[_Candidate]:
    """Yield what is given by shares: of each field on its own where some name fields."""
    access = live.policy.access(person, entity.name, action)
    for rule in access.rules if access else ():
        if rule.share is not None and len(rule.share.fields or ()) < 2:
            yield _Candidate(action, rule, held=True, parts=tuple(_parts(rule)))


def _parts(rule: Rule) -> Iterator[tuple[Part, Rule]]:
    bare = replace(rule, scope="all", where=None, via=None, limits=(), share=None)
    if rule.share is not None:
        yield Part("share", _of_share(rule.share)), replace(bare, share=rule.share)
    elif rule.scope != "all":
        yield Part("scope", rule.scope), replace(bare, scope=rule.scope)
    if rule.where is not None:
        yield Part("where", rule.where.source, _read(rule.where)), replace(bare, where=rule.where)
    if rule.via is not None:
        yield Part("via", rule.via.field, frozenset({rule.via.field})), replace(bare, via=rule.via)
    for limit in rule.limits:
        yield Part("restriction", limit.source, _read(limit)), replace(bare, where=limit)


def _of_share(share: Shared) -> str:
    """Return which shares a rule is of, in words."""
    levels = "/".join(share.levels)
    return levels + (f" naming {', '.join(share.fields)}" if share.fields else "")


def _read(condition: Expression) -> frozenset[str]:
    return frozenset(path[0] for path in condition.paths if path[0] != "user")


async def _ask(
    kernel: Kernel, live: Live, person: Actor, entity: Entity, found: Sequence[_Candidate], id: UUID | None
) -> list[bool]:
    """Return for each rule whether it holds for the record, and then whether each of its parts does."""
    if id is None:
        return []
    rules = [rule for c in found for rule in (c.rule, *(alone for _, alone in c.parts))]
    cells: list[bool] = []
    for start in range(0, max(len(rules), 1), MAX_CELLS):
        cells += await _cells(kernel, live, person, entity, rules[start : start + MAX_CELLS], id)
    return cells


async def _cells(
    kernel: Kernel, live: Live, person: Actor, entity: Entity, rules: Sequence[Rule], id: UUID
) -> list[bool]:
    binder = Binder(live.dialect)
    visible = Visible(live, person, binder)
    held = [visible.rows((rule,), entity, "t") or "1 = 1" for rule in rules]
    flags = "".join(f", CASE WHEN {condition} THEN 1 ELSE 0 END" for condition in held)
    text = f'SELECT 1{flags} FROM {quote(entity.name)} t WHERE t."id" = {binder.bind(_ID, _UUID)}'
    statement = binder.statement(text)
    known = {**query.variables(person, kernel.clock()), "id": id}
    rows = await kernel.store.fetch(statement.text, statement.arguments(live.dialect, known))
    if not rows:
        raise NotFound(f"There is no {entity.title} with this id.")
    return [bool(cell) for cell in list(rows[0])[1:]]


def _ground(live: Live, candidate: _Candidate, question: Question, answers: Iterator[bool]) -> Ground:
    rule, (role, index) = candidate.rule, candidate.rule.number
    grant = live.model.roles[role].grants[index] if role else None
    asked = question.id is not None
    holds = next(answers) if asked else None
    parts = tuple(replace(part, holds=next(answers) if asked else None) for part, _ in candidate.parts)
    gives = _gives(rule, candidate.action, question) if question.field else None
    number, place = (index + 1, str(grant.origin)) if grant else (0, "")
    return Ground(role, number, place, candidate.held, holds, parts, gives)


def _gives(rule: Rule, action: str, question: Question) -> bool | None:
    """Return whether a rule gives the field; None where the field is another action's matter."""
    if question.action in WRITES:
        return question.field in rule.write if action == question.action else None
    return question.field in rule.read if action == "read" else None
