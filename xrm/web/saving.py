"""Saving what a form says: create, update, and what to do when somebody else was faster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xrm.errors import Conflict, Invalid, Issue, Precondition
from xrm.kernel.acts import Act
from xrm.kernel.derive import as_read
from xrm.kernel.records import Record
from xrm.kernel.values import Refused, parse
from xrm.metadata.model import Entity, Field
from xrm.web.sent import Sent, merged
from xrm.web.visit import PageVisit

TRIES = 3  # merges tried while others keep writing


@dataclass(frozen=True, slots=True)
class Saved:
    """A record that was stored.

    Attributes:
        record: As the actor sees it now.
        warnings: Findings of checks that let it through.
        merged: Who changed other fields of it meanwhile, and which: names and field titles.
    """

    record: Record
    warnings: tuple[Issue, ...] = ()
    merged: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Clash:
    """One field that two people changed.

    Attributes:
        field: The field.
        base: Its JSON value when the form was opened.
        theirs: The value stored meanwhile.
        yours: The value the form says.
        who: Who stored theirs.
        at: When, as the API sends times.
    """

    field: Field
    base: Any
    theirs: Any
    yours: Any
    who: str
    at: str


class Clashes(Exception):
    """The same fields were changed by somebody else; nothing was stored.

    Attributes:
        clashes: Per field who stored what.
        record: The record as it is now.
        yours: The values the form says that differ from what the form was made of.
        others: Fields changed meanwhile that the form does not touch: (title, who).
    """

    def __init__(
        self, clashes: tuple[Clash, ...], record: Record, yours: Mapping[str, Any], others: tuple[tuple[str, str], ...]
    ) -> None:
        super().__init__("the same fields were changed")
        self.clashes, self.record, self.yours, self.others = clashes, record, yours, others


async def create(visit: PageVisit, sent: Sent) -> Saved:
    """Create a record of the visit's entity.

    Raises:
        Invalid, Conflict: with the problems of the form and of the kernel, all at once.
    """
    async with visit.records.act(visit.actor) as act:
        try:
            record = await visit.records.create(visit.actor, visit.entity.name, sent.values)
        except Invalid as error:
            raise Invalid(issues=merged(sent.issues, error.issues)) from None
        _none_of_its_own(sent)
    return Saved(record, _warnings(act))


async def update(visit: PageVisit, sent: Sent) -> Saved:
    """Update the visit's record by a form made of version `sent.version`; changes of others to other fields are kept.

    Raises:
        Clashes: somebody else changed the same fields.
        Invalid, Conflict, Forbidden, NotFound: as the kernel says.
    """
    version = sent.version
    values: Mapping[str, Any] = sent.values
    merges: tuple[tuple[str, str], ...] = ()
    for _ in range(TRIES):
        try:
            return await _update(visit, sent, values, version, merges)
        except Precondition:
            record, values, merges = await _compare(visit, sent)
            version = record["version"]
    raise Conflict("Others keep changing this record. Try again.")


async def _update(
    visit: PageVisit, sent: Sent, values: Mapping[str, Any], version: int | None, merges: tuple[tuple[str, str], ...]
) -> Saved:
    async with visit.records.act(visit.actor) as act:
        try:
            record = await visit.records.update(visit.actor, visit.entity.name, visit.id, values, version=version)
        except Invalid as error:
            raise Invalid(issues=merged(sent.issues, error.issues)) from None
        _none_of_its_own(sent)
    return Saved(record, _warnings(act), merges)


def _none_of_its_own(sent: Sent) -> None:
    """Refuse inside the act, so that what the kernel just took is taken back: the form has problems of its own."""
    if sent.issues:
        raise Invalid(issues=sent.issues)


def _warnings(act: Act) -> tuple[Issue, ...]:
    return tuple(dict.fromkeys(w for change in act.changes.changes for w in change.warnings))


# --- somebody else was faster ----------------------------------------------------------------------------------------


async def _compare(visit: PageVisit, sent: Sent) -> tuple[Record, Mapping[str, Any], tuple[tuple[str, str], ...]]:
    """Return the record as it is now, what the form changes, and who changed what else meanwhile.

    Raises:
        Clashes: some fields were changed here and there, differently.
    """
    entity = visit.entity
    record = await visit.records.get(visit.actor, entity.name, visit.id)
    later = [
        c for c in await visit.records.history(visit.actor, entity.name, visit.id) if c["version"] > (sent.version or 0)
    ]
    base = _base(record, later)
    yours = {n: v for n, v in sent.values.items() if not same(visit, entity.fields[n], v, base.get(n))}
    changed = [n for n in base if n in entity.fields and not same(visit, entity.fields[n], base[n], record.get(n))]
    clashes = tuple(
        _clash(entity.fields[n], base.get(n), record.get(n), yours[n], later)
        for n in changed
        if n in yours and not same(visit, entity.fields[n], yours[n], record.get(n))
    )
    others = tuple((entity.fields[n].title, _last_writer(n, later)[0]) for n in changed if n not in yours)
    if clashes:
        raise Clashes(clashes, record, yours, others)
    return record, yours, others


def _base(record: Record, later: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the record as it was before the changes `later` (newest first): the oldest value before counts."""
    base = dict(record)
    for change in later:
        base |= {
            name: (change["before"] or {}).get(name) for name in {**(change["before"] or {}), **(change["after"] or {})}
        }
    return base


def _clash(field: Field, base: Any, theirs: Any, yours: Any, later: Sequence[Mapping[str, Any]]) -> Clash:
    who, at = _last_writer(field.name, later)
    return Clash(field, base, theirs, yours, who, at)


def _last_writer(name: str, later: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    for change in later:
        if name in (change["after"] or {}) or name in (change["before"] or {}):
            return str(change["actor"]["label"] or "Somebody"), str(change["at"])
    return "Somebody", ""


def same(visit: PageVisit, field: Field, one: Any, other: Any) -> bool:
    """Whether two JSON values of a field mean the same (``12.5`` and ``12.50``; an id and a link with that id)."""
    return bool(_python(visit, field, one) == _python(visit, field, other))


def _python(visit: PageVisit, field: Field, value: Any) -> Any:
    try:
        found = parse(field, value, visit.live.parsing)
    except Refused:
        return ("not a value", repr(value))
    return None if found is False else found  # a box not ticked and no value look the same in a form


def python_values(visit: PageVisit, entity: Entity, record: Record) -> dict[str, Any]:
    """Return a record's values as expressions read them; what cannot be read counts as no value."""
    return as_read(entity, record, visit.live.parsing)
