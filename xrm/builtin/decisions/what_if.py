"""What would a change of roles do: who gains and who loses which records and fields, counted, with samples.

Nothing is applied. The rules of both models are put into one statement per person, entity and action, so that the
answer is what lists and writes would find. What changes besides roles and restrictions is left out: fields that are not
there yet cannot be asked about.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any
from uuid import UUID

from xrm.builtin.decisions.person import People
from xrm.errors import Invalid, Issue
from xrm.kernel import query
from xrm.kernel.change import SYSTEM, Actor
from xrm.kernel.expression import ExpressionError
from xrm.kernel.kernel import Kernel
from xrm.kernel.live import Live
from xrm.kernel.policy import ACTIONS, Access
from xrm.kernel.query import Query
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.sql import Binder, quote
from xrm.kernel.visible import Visible
from xrm.metadata.model import Entity, Model

MAX_PEOPLE = 200  # looked at
MAX_COUNTED = 1000  # records of one effect
MAX_EFFECTS = 500  # told
SAMPLES = 3
WITHOUT_ROWS = frozenset({"create", "import"})
_UUID = ColumnType("uuid")


@dataclass(slots=True)
class Turn:
    """What somebody gains, or what they lose: of the records, how many (at most 1,000), some of them, and fields."""

    records: int = 0
    samples: list[str] = field(default_factory=list)
    fields: tuple[str, ...] = ()
    whole: bool = False  # the action itself comes or goes

    def __bool__(self) -> bool:
        return bool(self.records or self.fields or self.whole)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        more = self.records > MAX_COUNTED
        told = {"records": min(self.records, MAX_COUNTED), "more": more, "samples": self.samples}
        return {**told, "fields": list(self.fields), "action": self.whole}


@dataclass(frozen=True, slots=True)
class Effect:
    """What changes for one person, of one entity, by one action."""

    person: str
    entity: str
    action: str
    gains: Turn
    loses: Turn

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        told = {"person": self.person, "entity": self.entity, "action": self.action}
        return {**told, "gains": self.gains.to_dict(), "loses": self.loses.to_dict()}


@dataclass(frozen=True, slots=True)
class Outlook:
    """All effects of a change of roles; `complete` unless there are too many people or effects."""

    people: int
    effects: tuple[Effect, ...]
    complete: bool

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        told = [effect.to_dict() for effect in self.effects]
        return {"people": self.people, "effects": told, "complete": self.complete}


async def what_if(kernel: Kernel, people: People, asker: Actor, proposed: Model) -> Outlook:
    """Return what the roles and restrictions of a proposed model would change, told as the asker may see it.

    Raises:
        Invalid: a condition of them names what is not there yet.
    """
    live = kernel.live
    coming = _coming(live, proposed)
    page = await kernel.records.list(SYSTEM, "user", Query("active", ("name", "id"), ("id",), limit=MAX_PEOPLE))
    found: list[Effect] = []
    for record in page.records:
        person = await people.actor_for(UUID(record["id"]))
        if person is not None:
            found += await _of(kernel, live, coming, asker, person)
        if len(found) >= MAX_EFFECTS:
            return Outlook(len(page.records), tuple(found[:MAX_EFFECTS]), complete=False)
    return Outlook(len(page.records), tuple(found), complete=page.next is None)


def _coming(live: Live, proposed: Model) -> Live:
    """Return the generation in force with the roles and restrictions of another model."""
    entities = {
        name: replace(entity, restrict=proposed.entities[name].restrict) if name in proposed.entities else entity
        for name, entity in live.model.entities.items()
    }
    model = replace(live.model, roles=proposed.roles, entities=MappingProxyType(entities))
    return replace(live, model=model, statements={}, compiled={})


async def _of(kernel: Kernel, live: Live, coming: Live, asker: Actor, person: Actor) -> list[Effect]:
    effects = []
    for entity, action in _asked(live):
        try:
            before = live.policy.access(person, entity.name, action)
            after = coming.policy.access(person, entity.name, action)
        except ExpressionError as error:
            message = f"A condition about {entity.plural} names what is not there yet: {error}"
            hint = "apply the new fields first, then ask"
            raise Invalid(issues=[Issue(entity.name, "not_there_yet", message, hint)]) from None
        if _plain(before) != _plain(after):
            gains = await _turn(kernel, asker, person, (coming, after), (live, before))
            loses = await _turn(kernel, asker, person, (live, before), (coming, after))
            if gains or loses:
                effects.append(Effect(person.name, entity.name, action, gains, loses))
    return effects


def _asked(live: Live) -> Iterator[tuple[Entity, str]]:
    for entity in live.model.entities.values():
        runs = sorted(f"run:{name}" for name in live.entities[entity.name].actions)
        yield from ((entity, action) for action in (*ACTIONS, *runs))


def _plain(access: Access | None) -> frozenset[Any]:
    """Return rules as they count: in whatever role and place they stand."""
    return frozenset(replace(rule, number=("", 0)) for rule in access.rules) if access else frozenset()


async def _turn(
    kernel: Kernel,
    asker: Actor,
    person: Actor,
    there: tuple[Live, Access | None],
    gone: tuple[Live, Access | None],
) -> Turn:
    """Return what is given by one side and not by the other."""
    access, other = there[1], gone[1]
    if access is None:
        return Turn()
    ids = [] if access.action in WITHOUT_ROWS else await _ids(kernel, person, (there[0], access), gone)
    seen = await kernel.records.visible_ids(asker, access.entity.name, ids[:SAMPLES]) if ids else {}
    return Turn(len(ids), list(seen.values()), _fields(access, other), other is None)


def _fields(access: Access, other: Access | None) -> tuple[str, ...]:
    if access.action == "read":
        return tuple(sorted(access.readable() - (other.readable() if other else frozenset())))
    if access.action in ("create", "update"):
        return tuple(sorted(access.writable() - (other.writable() if other else frozenset())))
    return ()


async def _ids(
    kernel: Kernel, person: Actor, there: tuple[Live, Access], gone: tuple[Live, Access | None]
) -> Sequence[UUID]:
    """Return up to one more than `MAX_COUNTED` of the records that one side gives and the other does not."""
    live, access = there
    binder = Binder(live.dialect)
    held = Visible(live, person, binder).rows(access.rules, access.entity, "t") or "1 = 1"
    lost = "1 = 0"
    if gone[1] is not None:
        lost = Visible(gone[0], person, binder).rows(gone[1].rules, access.entity, "t") or "1 = 1"
    trash = "NOT NULL" if access.action == "restore" else "NULL"
    statement = binder.statement(
        f'SELECT t."id" FROM {quote(access.entity.name)} t WHERE t."deleted_at" IS {trash} AND {held}'
        f" AND CASE WHEN {lost} THEN 0 ELSE 1 END = 1 LIMIT {MAX_COUNTED + 1}"
    )
    known: Mapping[str, Any] = query.variables(person, kernel.clock())
    rows = await kernel.store.fetch(statement.text, statement.arguments(live.dialect, known))
    decode = live.dialect.decode(_UUID)
    return [decode(row[0]) if decode else row[0] for row in rows]


def lines(found: Outlook) -> Iterator[str]:
    """Yield an outlook as people read it."""
    if not found.effects:
        yield f"Nothing changes for the {found.people} people of this site."
    for effect in found.effects:
        for verb, turn in (("gains", effect.gains), ("loses", effect.loses)):
            if turn:
                yield f"{effect.person} {verb} {effect.action} {effect.entity}: {_words(turn)}"
    if not found.complete:
        yield "There is more: not everybody was looked at."


def _words(turn: Turn) -> str:
    parts = []
    if turn.records:
        count = f"more than {MAX_COUNTED:,}" if turn.records > MAX_COUNTED else f"{turn.records:,}"
        further = ["…"] if turn.records > len(turn.samples) else []
        samples = ", ".join([*turn.samples, *further])
        parts.append(f"{count} records ({samples})" if turn.samples else f"{count} records")
    if turn.fields:
        parts.append("fields " + ", ".join(turn.fields))
    return "; ".join(parts) or "the action itself"
