"""Rows of a file → records, through the records door: create, update or leave, and account for every row.

    report = await Import(kernel, actor, mapping).run(table)        # writes
    report = await Import(kernel, actor, mapping).rehearse(table)   # does the same and takes it back

Rows are written in chunks, each one act. A row that is refused leaves nothing behind and does not hold up the others:
a chunk that fails is taken back and done again with a savepoint around every row.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Container, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any
from uuid import UUID

from xrm.builtin.transfer.keys import Found, Keys
from xrm.builtin.transfer.mapping import ImportMapping, check_mapping
from xrm.builtin.transfer.reading import Row
from xrm.builtin.transfer.shaping import partly, shape, together
from xrm.errors import Forbidden, Invalid, Issue, NotFound, StorageFull, Unavailable, XrmError
from xrm.kernel.acts import Why
from xrm.kernel.change import uuid7

if TYPE_CHECKING:
    from xrm.kernel.acts import Act
    from xrm.kernel.change import Actor
    from xrm.kernel.kernel import Kernel

CHUNK = 200  # rows written in one act
KEPT = 1_000  # refused rows a report lists

_SYSTEM = frozenset({"version", "updated_at", "updated_by", "label", "search"})
OUTCOMES = ("created", "updated", "unchanged", "refused")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one row: created, updated, unchanged or refused, and for the last the reasons."""

    row: Row
    outcome: str
    id: UUID | None = None
    issues: tuple[Issue, ...] = ()
    changes: tuple[tuple[str, Any, Any], ...] = ()  # of a rehearsal: field, before, after, as the actor sees

    @property
    def problem(self) -> str:
        """The reasons in one line."""
        return "; ".join(str(issue) for issue in self.issues)


@dataclass(slots=True)
class Report:
    """What became of all rows; created, updated, unchanged and refused add up to read."""

    read: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: int = 0
    problems: list[Verdict] = field(default_factory=list)  # the first refused rows
    run: str = ""  # what undoes all of it

    def add(self, verdict: Verdict) -> None:
        """Count a row."""
        self.read += 1
        setattr(self, verdict.outcome, getattr(self, verdict.outcome) + 1)
        if verdict.outcome == "refused" and len(self.problems) < KEPT:
            self.problems.append(verdict)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON data."""
        counts = {name: getattr(self, name) for name in ("read", *OUTCOMES)}
        problems = [
            {"row": v.row.number, "line": v.row.line, "issues": [issue.to_dict() for issue in v.issues]}
            for v in self.problems
        ]
        return {**counts, "problems": problems}


class _Rehearsed(Exception):
    """Ends a rehearsal: all it wrote is taken back."""


def ignore(verdict: Verdict) -> None:
    """Do nothing with a verdict."""


async def _unseen(id: UUID) -> Mapping[str, Any]:
    """Return nothing: what was there before is looked at in a rehearsal only."""
    return {}


async def _no_note(verdicts: Sequence[Verdict]) -> None:
    """Note nothing."""


Note = Callable[[Sequence[Verdict]], Awaitable[None]]


class Import:
    """Brings the rows of one file in, as one actor, by one mapping."""

    def __init__(
        self,
        kernel: Kernel,
        actor: Actor,
        mapping: ImportMapping,
        tell: Callable[[Verdict], None] = ignore,
        run: UUID | None = None,
    ) -> None:
        """Prepare an import.

        Args:
            kernel: The site.
            actor: Whose rights count; the history names them with the source ``import``.
            mapping: How columns become fields.
            tell: Called with the verdict of each row once it is final, in the order of the file.
            run: What its acts have in common, and by which all are taken back; a new one when not given.

        Raises:
            NotFound: there is no such entity for the actor.
            Forbidden: the actor may not import records of it.
            Invalid: the mapping does not fit the model.
        """
        self._kernel, self._mapping, self._tell = kernel, mapping, tell
        self._actor = kernel.situated(replace(actor, source="import"))
        _authorise(kernel, self._actor, mapping.entity)
        issues = [i for i in check_mapping(mapping, kernel.model) if i.severity == "error"]
        if issues:
            raise Invalid("The mapping does not fit the model", issues)
        self._entity = kernel.model.entities[mapping.entity]
        self._keys = Keys(kernel, self._actor, mapping)
        self._partly = partly(mapping, self._entity)
        self._run = run or uuid7()
        self._see: Callable[[UUID], Awaitable[Mapping[str, Any]]] = _unseen
        self._given = any(not self._entity.fields[name].writable for name in mapping.key)  # ids and numbers of ours

    async def run(self, rows: Iterable[Row]) -> Report:
        """Write the rows and return what became of them.

        Raises:
            Unavailable, StorageFull: the database cannot go on; chunks before that one are in, and doing the import
                again leaves them unchanged.
        """
        report = Report()
        for chunk in _chunks(rows):
            self._account(report, await self.write(chunk))
        if report.created or report.updated:
            report.run = str(self._run)
        return report

    async def write(self, rows: Sequence[Row], note: Note = _no_note) -> Sequence[Verdict]:
        """Write a chunk of rows in one act and return what became of each; `note` is awaited with that inside the act.

        Raises:
            Unavailable, StorageFull: the database cannot go on; nothing of the chunk is in.
        """
        async with self._act():
            verdicts = await self._chunk(rows)
            await note(verdicts)
        return verdicts

    async def rehearse(self, rows: Iterable[Row]) -> Report:
        """Return what `run` would make of the rows; nothing is kept.

        The whole file is one transaction, which other writers on SQLite wait for.
        """
        report = Report()
        with suppress(_Rehearsed):
            async with self._act() as act:
                self._see = self._seen
                for chunk in _chunks(rows):
                    self._account(report, await self._chunk(chunk))
                    act.changes.changes.clear()
                raise _Rehearsed
        return report

    def _act(self) -> AbstractAsyncContextManager[Act]:
        why = Why(f"import {self._mapping.name}", origin=self._mapping.name, run=self._run)
        return self._kernel.records.act(self._actor, why=why)

    def _account(self, report: Report, verdicts: Sequence[Verdict]) -> None:
        for verdict in verdicts:
            report.add(verdict)
            self._tell(verdict)

    async def _chunk(self, rows: Sequence[Row]) -> Sequence[Verdict]:
        try:
            async with self._kernel.records.attempt(self._actor):
                return await self._rows(rows)
        except XrmError as error:
            _pass_on(error)
        return [verdict async for verdict in self._one_by_one(rows)]

    async def _rows(self, rows: Sequence[Row]) -> Sequence[Verdict]:
        prepared = [self._prepare(row) for row in rows]
        found = await self._keys.find([p.key for p in prepared if p.verdict is None and p.key])
        verdicts: list[Verdict] = []
        new: list[_Prepared] = []
        keys: set[tuple[Any, ...]] = set()
        for one in prepared:
            if one.verdict is None and self._is_new(one, found, keys):
                new.append(one)
                keys.add(one.key)
                continue
            verdicts += await self._create(new, found)
            new, keys = [], set()
            verdicts.append(one.verdict or await self._told(one, found))
        return verdicts + await self._create(new, found)

    def _is_new(self, prepared: _Prepared, found: Found, new: Container[Any]) -> bool:
        """Whether a row makes a record, and none of those made together with it (their keys are `new`)."""
        existing = found.get(prepared.key, ()) if prepared.key else ()
        same = bool(prepared.key) and prepared.key in new
        return not existing and not same and self._misfit(existing) is None

    async def _create(self, new: Sequence[_Prepared], found: Found) -> list[Verdict]:
        if not new:
            return []
        origins = [f"row {prepared.row.number}" for prepared in new]
        values = [prepared.values for prepared in new]
        ids = await self._kernel.records.create_many(self._actor, self._entity.name, values, origins)
        for prepared, id in zip(new, ids, strict=True):
            if prepared.key:
                found[prepared.key] = ((id, 1),)
        return [Verdict(prepared.row, "created", id) for prepared, id in zip(new, ids, strict=True)]

    async def _told(self, prepared: _Prepared, found: Found) -> Verdict:
        async with self._kernel.records.part(self._actor, f"row {prepared.row.number}"):
            return await self._write(prepared, found)

    async def _one_by_one(self, rows: Sequence[Row]) -> AsyncIterator[Verdict]:
        for row in rows:
            try:
                async with self._kernel.records.attempt(self._actor):
                    (verdict,) = await self._rows([row])
                yield verdict
            except XrmError as error:
                _pass_on(error)
                yield Verdict(row, "refused", issues=error.issues or (Issue("", error.code, error.message),))

    def _prepare(self, row: Row) -> _Prepared:
        if row.issue is not None:
            return _Prepared(row, {}, (), Verdict(row, "refused", issues=(row.issue,)))
        shaped = shape(self._mapping, self._entity, row.values)
        if shaped.issues:
            return _Prepared(row, {}, (), Verdict(row, "refused", issues=tuple(shaped.issues)))
        missing = [name for name in self._mapping.key if shaped.values.get(name) is None]
        if missing:
            issues = tuple(Issue(name, "key_missing", f"The key {name} is empty.") for name in missing)
            return _Prepared(row, {}, (), Verdict(row, "refused", issues=issues))
        return _Prepared(row, shaped.values, self._keys.of(shaped.values))

    async def _write(self, prepared: _Prepared, found: Found) -> Verdict:
        existing = found.get(prepared.key, ()) if prepared.key else ()
        if issue := self._misfit(existing):
            return Verdict(prepared.row, "refused", issues=(issue,))
        if existing:
            return await self._update(prepared, existing[0][0], found)
        return (await self._create([prepared], found))[0]

    def _misfit(self, existing: Sequence[tuple[UUID, int]]) -> Issue | None:
        key = self._mapping.key[0] if self._mapping.key else ""
        if len(existing) > 1:
            message = f"{len(existing)} records have this key."
            return Issue(key, "ambiguous_key", message, "merge them, or add to the key")
        if existing and self._mapping.mode == "create":
            return Issue(key, "exists", "There is a record with this key already.")
        if not existing and (self._mapping.mode == "update" or self._given):
            return Issue(key, "no_such_record", "There is no record with this key.")
        return None

    async def _update(self, prepared: _Prepared, id: UUID, found: Found) -> Verdict:
        once = {rule.name for rule in self._mapping.rules if rule.only_new} | set(self._mapping.key)
        values = {name: value for name, value in prepared.values.items() if name not in once}
        async with self._kernel.records.act(self._actor) as act:
            before = len(act.changes.changes)
            values |= await self._whole(id, {name: values[name] for name in self._partly if name in values})
            seen = await self._see(id)
            updated = await self._kernel.records.update(self._actor, self._entity.name, id, values)
            changed = len(act.changes.changes) > before  # links are changes of their own, beside the record's
        found[prepared.key] = ((id, updated["version"]),)
        return Verdict(prepared.row, "updated" if changed else "unchanged", id, changes=_differences(seen, updated))

    async def _seen(self, id: UUID) -> Mapping[str, Any]:
        return await self._kernel.records.get(self._actor, self._entity.name, id)

    async def _whole(self, id: UUID, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return values of several parts of which the file gives some, with the parts a record has already.

        Raises:
            Invalid: the actor may not see what is there.
        """
        if not given:
            return {}
        record = await self._kernel.records.get(self._actor, self._entity.name, id, tuple(given))
        hidden = [name for name in given if name in record.get("_masked", ())]
        if hidden:
            message = "You may not see what is there, so a part of it cannot be changed alone."
            raise Invalid(issues=[Issue(name, "not_permitted", message) for name in hidden])
        return {
            name: together(self._entity.fields[name], record.get(name) or {}, value, self._partly[name], self._mapping)
            for name, value in given.items()
        }


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A row that is ready to be written, or whose verdict is known already."""

    row: Row
    values: dict[str, Any]
    key: tuple[Any, ...]
    verdict: Verdict | None = None


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[tuple[str, Any, Any], ...]:
    names = (n for n in before if n in after and n not in _SYSTEM and before[n] != after[n])
    return tuple((name, before[name], after[name]) for name in names)


def _pass_on(error: XrmError) -> None:
    """Raise errors that say nothing about the row."""
    if isinstance(error, (Unavailable, StorageFull)):
        raise error


def _authorise(kernel: Kernel, actor: Actor, entity: str) -> None:
    policy = kernel.live.policy
    if policy.access(actor, entity, "read") is None:
        raise NotFound(f"There is no entity {entity!r}.")
    if policy.access(actor, entity, "import") is None:
        raise Forbidden("You may not import records of this entity.")


def _chunks(rows: Iterable[Row]) -> Iterable[Sequence[Row]]:
    source = iter(rows)
    while chunk := list(islice(source, CHUNK)):
        yield chunk
