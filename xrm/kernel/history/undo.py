"""Undo: any change-set, or run, taken back by a change-set of its own, through the seven stations.

What others changed since is a conflict, named field by field, and never overwritten. An undo is a change-set like any
other: undoing it brings back what it took.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from xrm.errors import Conflict, Forbidden, Invalid, Issue, NotFound, XrmError
from xrm.kernel.acts import Act, Why
from xrm.kernel.change import SYSTEM, Actor, Back
from xrm.kernel.fieldtypes.files import StoredFile
from xrm.kernel.history.effect import Effect, effects
from xrm.kernel.history.feed import Feed
from xrm.kernel.history.names import Names, names_since
from xrm.kernel.history.past import Past
from xrm.kernel.history.rows import SET_COLUMNS, ChangeRow, Reader, SetRow
from xrm.kernel.history.seal import changes_of, in_order
from xrm.kernel.history.sight import Seen, Sight
from xrm.kernel.history.since import differing, since
from xrm.kernel.history.stored import from_stored
from xrm.kernel.live import Live, Running
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.sql import Binder, quote
from xrm.kernel.values import reveal, to_json
from xrm.kernel.writing import Writing
from xrm.metadata.model import Entity, Field

MOST = 10_000  # changes one undo takes back
_UUID = ColumnType("uuid")
_GONE = "It is no longer there."


@dataclass(slots=True)
class Undone:
    """What an undo did, or would do.

    Attributes:
        id: The change-set or run it takes back.
        changeset: The one it made; None if it made none.
        changes: Per record what becomes of it: entity, record, kind and fields (from, to).
        conflicts: Per field, or record, what stands in the way: code, message, what is there now, and by whom.
    """

    id: UUID
    changeset: UUID | None = None
    changes: list[dict[str, Any]] = field(default_factory=list)
    conflicts: list[dict[str, Any]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        made = str(self.changeset) if self.changeset else None
        return {"undoes": str(self.id), "changeset": made, "changes": self.changes, "conflicts": self.conflicts}


class _Rehearsed(Exception):
    """Ends a rehearsal: all it wrote is taken back."""


@dataclass(frozen=True, slots=True)
class _Job:
    """One undo under way."""

    act: Act
    actor: Actor
    own: bool  # whether the actor takes back what they did themselves
    seen: Mapping[tuple[str, UUID], Seen]
    done: Undone

    def writer(self, effect: Effect) -> Actor:
        """Return as whom a record is written: what the system did inside one's own act, the system takes back."""
        return SYSTEM if self.own and effect.by_system else self.actor


class Undo:
    """Takes change-sets back."""

    def __init__(self, running: Running, writing: Writing) -> None:
        self._running, self._writing = running, writing
        self._sight, self._feed, self._past = Sight(running), Feed(running), Past(running)
        self._reader = Reader(running.store.dialect)

    async def preview(self, actor: Actor, id: UUID) -> Undone:
        """Return what undoing would do and what stands in the way; nothing is kept.

        Raises as `undo` does, but for conflicts, which are told.
        """
        done = Undone(id)
        with contextlib.suppress(_Rehearsed):
            async with self._writing.acts.attempt(actor) as act:
                await self._all(act, actor, done)
                raise _Rehearsed
        return done

    async def undo(self, actor: Actor, id: UUID, reason: str = "", keep: str = "") -> Undone:
        """Take a change-set, or all of a run, back.

        Args:
            actor: Whose rights count.
            id: Of the change-set or run.
            reason: Why, for the history.
            keep: "newer" leaves out what was changed since or cannot be taken back; else that refuses all of it.

        Raises:
            NotFound: there is none, or the actor may see nothing of it.
            Conflict: it was taken back already, is too large, or something stands in the way; issues say what.
            Forbidden: some of it is of records the actor may not see.
        """
        done = Undone(id)
        async with self._writing.acts.act(actor, Why(reason, undoes=id)) as act:
            act.changes.undoes = id  # it may be part of an act that is open already
            await self._all(act, actor, done)
            if done.conflicts and keep != "newer":
                issues = [Issue(_path(one), one["code"], one["message"]) for one in done.conflicts[:100]]
                raise Conflict("Not all of it can be taken back: nothing was changed.", issues, **done.to_dict())
            done.changeset = act.changes.id if act.log.changed else None
        return done

    async def _all(self, act: Act, actor: Actor, done: Undone) -> None:
        sets = await self._sets(done.id)
        await self._allowed(actor, sets, done.id)
        changes = await changes_of(self._running.store, [one.id for one in sets])
        count = sum(map(len, changes.values()))
        if count > MOST:
            raise Conflict(f"This is too large to be taken back at once: {count:,} changes, of at most {MOST:,}.")
        found = effects(sets, changes, await self._names(act.live, sets, changes))
        found = [effect for effect in found if _matters(act.live, effect)]
        job = _Job(act, actor, all(one.actor == actor.id for one in sets), await self._seen(actor, found), done)
        self._none_hidden(job, found)
        before = {effect.record: await self._now(act.live, effect) for effect in found}
        for effect in sorted(found, key=lambda one: one.by_system):  # what hooks did last: they may take it back first
            await self._one(job, effect, before[effect.record])

    # --- what is to be taken back ---

    async def _sets(self, id: UUID) -> list[SetRow]:
        """Return the change-set, or those of the run, in order."""
        binder = Binder(self._running.store.dialect)
        marks = [binder.bind(id, _UUID) for _ in range(2)]
        text = (
            f'SELECT {SET_COLUMNS} FROM "xrm_changeset" s'
            f' WHERE s."id" = {marks[0]} OR s."run" = {marks[1]} ORDER BY {in_order(binder.dialect)}'
        )
        return [self._reader.set_of(row) for row in await self._running.store.fetch(text, binder.params)]

    async def _allowed(self, actor: Actor, sets: Sequence[SetRow], id: UUID) -> None:
        if not await self._seen_of(actor, sets[:50]):
            raise NotFound("There is no change-set with this id.")
        by = await self._undone_by(id)
        if by is not None:
            who = by.actor_name or "the system"
            message = f"It was taken back already, by {who}, {by.at:%Y-%m-%d %H:%M}. Undo that to bring it back."
            raise Conflict(message, [Issue("", "already_undone", message)], undone_by=str(by.id))

    async def _seen_of(self, actor: Actor, sets: Sequence[SetRow]) -> bool:
        """Whether the actor may see anything of change-sets."""
        for one in sets:
            if await self._feed.tell(actor, [one]):
                return True
        return False

    async def _undone_by(self, id: UUID) -> SetRow | None:
        """Return the change-set that takes this one back and was not taken back itself."""
        binder = Binder(self._running.store.dialect)
        text = f'SELECT {SET_COLUMNS} FROM "xrm_changeset" s WHERE s."undoes" = {binder.bind(id, _UUID)}'
        for row in await self._running.store.fetch(text, binder.params):
            found = self._reader.set_of(row)
            if await self._undone_by(found.id) is None:
                return found
        return None

    async def _names(
        self, live: Live, sets: Sequence[SetRow], changes: Mapping[UUID, Sequence[ChangeRow]]
    ) -> Mapping[str, Mapping[int, Names]]:
        entities = {row.entity for rows in changes.values() for row in rows}
        generations = {one.generation for one in sets}
        return {
            e: await names_since(self._running.store, live, e, generations) for e in entities if live.model.entity(e)
        }

    async def _seen(self, actor: Actor, found: Sequence[Effect]) -> Mapping[tuple[str, UUID], Seen]:
        by_entity: dict[str, list[UUID]] = {}
        for effect in found:
            by_entity.setdefault(effect.entity, []).append(effect.record)
        seen: dict[tuple[str, UUID], Seen] = {}
        for entity, ids in by_entity.items():
            told = await self._sight.of(actor, entity, ids)
            seen |= {(entity, UUID(id)): one for id, one in told.items()}
        return seen

    def _none_hidden(self, job: _Job, found: Sequence[Effect]) -> None:
        hidden = [e for e in found if job.writer(e) is job.actor and (e.entity, e.record) not in job.seen]
        there = [e for e in hidden if job.act.live.model.entity(e.entity)]
        if there:
            raise Forbidden("Some of it is of records you may not see: somebody who may has to take it back.")

    # --- one record ---

    async def _one(self, job: _Job, effect: Effect, before: dict[str, Any]) -> None:
        """Take back what was done to a record, which was `before` when the undo began."""
        entity, count = job.act.live.model.entity(effect.entity), len(job.done.changes)
        if entity is None or not before:
            _conflict(job, effect, "record_gone", _GONE)
            return
        try:
            async with self._writing.acts.attempt(job.actor):
                await self._take_back(job, entity, effect, before)
        except (Invalid, Conflict, Forbidden, NotFound) as refused:
            del job.done.changes[count:]
            _refused(job, effect, refused)

    async def _take_back(self, job: _Job, entity: Entity, effect: Effect, before: dict[str, Any]) -> None:
        now = await self._now(job.act.live, effect)
        writer, live_now = job.writer(effect), now["deleted_at"] is None
        if effect.created or effect.restored:
            if live_now and not effect.deleted:
                await self._take_away(job, entity, effect, before, now)
            return
        if effect.deleted:
            if not live_now:
                await self._writing.restore(writer, entity.name, effect.record)
                _changed(job, effect, "restore", {})
                now = {**now, "version": now["version"] + 1}
        elif not live_now:
            _conflict(job, effect, "record_deleted", "It is in the trash.")
            return
        await self._fields(job, entity, effect, before, now)

    async def _take_away(
        self, job: _Job, entity: Entity, effect: Effect, before: dict[str, Any], now: dict[str, Any]
    ) -> None:
        if before["version"] != effect.version and await self._differs(job, entity, effect):
            later = await self._later(job, effect, "")
            _conflict(job, effect, "changed_since", "It was changed since.", **later)
            return
        pointing = await self._writing.references.pointing_here(job.act, entity, effect.record)
        if pointing:
            _conflict(job, effect, "in_use", f"Newer records point to it: {', '.join(pointing)}.")
            return
        await self._writing.delete(job.writer(effect), effect.entity, effect.record, now["version"])
        _changed(job, effect, "delete", {})

    async def _fields(
        self, job: _Job, entity: Entity, effect: Effect, before: dict[str, Any], now: dict[str, Any]
    ) -> None:
        values: dict[str, Any] = {}
        held = await self._told(job, entity, now)
        then = await self._told(job, entity, effect.before)
        for name in effect.before:
            known = entity.fields.get(name)
            if known is None or known.kind or now[name] == effect.before[name] or now[name] != before[name]:
                continue  # it is so, or a hook of this undo saw to it
            if now[name] != effect.after.get(name):
                later = await self._later(job, effect, name)
                message = f"{known.title} was changed since."
                _conflict(job, effect, "changed_since", message, name, then=then[name], now=held[name], **later)
                continue
            try:
                values[name] = await self._value(known, effect.before[name], job.act.live)
            except ValueError as reason:
                _conflict(job, effect, "cannot_return", str(reason), name, then=then[name], now=held[name])
        if values:
            derived = frozenset(effect.derived & values.keys()) if job.own else frozenset()
            back = Back(values, derived)
            await self._writing.give_back(job.writer(effect), entity.name, effect.record, back, now["version"])
            _changed(job, effect, "update", {n: {"from": held[n], "to": then[n]} for n in values})

    async def _told(self, job: _Job, entity: Entity, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return values of a record as they are read: decrypted, without ids of records the actor may not see."""
        shown = reveal(entity, values, job.act.live.parsing)
        await self._sight.withhold(job.actor, entity, [shown])
        return shown

    async def _value(self, field: Field, then: Any, live: Live) -> Any:
        try:
            value = from_stored(field, then, live.dialect)
        except ValueError:
            raise ValueError(f"{field.title} was of another type then.") from None
        if isinstance(value, StoredFile):
            path = self._running.files.path(value.digest)
            if not await asyncio.to_thread(path.is_file):
                raise ValueError(f"{field.title}: the file is no longer kept.")
        return value

    async def _now(self, live: Live, effect: Effect) -> dict[str, Any]:
        """Return a record as it is, in the trash or not, as the log would tell it; {} if there is none."""
        if effect.entity not in live.entities:
            return {}
        rows = live.entities[effect.entity].rows
        binder = Binder(live.dialect)
        mark = binder.bind(effect.record, _UUID)
        text = f'SELECT {rows.selection("t")} FROM {quote(effect.entity)} t WHERE t."id" = {mark}'
        found = await self._running.store.fetch(text, binder.params)
        return {n: to_json(v) for n, v in rows.values(found[0]).items()} if found else {}

    async def _differs(self, job: _Job, entity: Entity, effect: Effect) -> bool:
        """Whether later changes, all together, left a record otherwise than the effect did."""
        later = await since(self._running, job.act.live, entity, effect.record, effect.version)
        return later.deleted or later.restored or bool(differing(entity, later))

    async def _later(self, job: _Job, effect: Effect, name: str) -> dict[str, Any]:
        """Return who changed a record, or a field of it, since."""
        for change in await self._past.history(job.actor, effect.entity, effect.record):
            newer = change["version"] > effect.version and change["changeset"] != str(job.act.changes.id)
            if newer and (not name or name in change["after"]):
                return {"by": {n: change[n] for n in ("actor", "at", "changeset", "source", "reason")}}
        return {}


def _matters(live: Live, effect: Effect) -> bool:
    """Whether there is more to take back than computed values, which follow by themselves."""
    entity = live.model.entity(effect.entity)
    if effect.created or effect.deleted or effect.restored or entity is None:
        return True
    return any(name in entity.fields and not entity.fields[name].kind for name in effect.before)


def _path(conflict: Mapping[str, Any]) -> str:
    return ".".join(part for part in (conflict["entity"], conflict["record"], conflict.get("field") or "") if part)


def _shown(job: _Job, effect: Effect, name: str) -> bool:
    seen = job.seen.get((effect.entity, effect.record))
    return seen is not None and seen.open and (not name or name in seen.fields)


def _changed(job: _Job, effect: Effect, kind: str, fields: Mapping[str, Any]) -> None:
    """Tell what becomes of a record, as far as the actor may see it."""
    if _shown(job, effect, ""):
        shown = {n: v for n, v in fields.items() if _shown(job, effect, n)}
        told = {"entity": effect.entity, "record": str(effect.record), "kind": kind, "fields": shown}
        job.done.changes.append(told)


def _conflict(job: _Job, effect: Effect, code: str, message: str, name: str = "", **more: Any) -> None:
    where = {"entity": effect.entity, "record": str(effect.record), "code": code, "message": message}
    if not _shown(job, effect, name):
        where["message"] = "Something you may not see stands in the way."
        job.done.conflicts.append(where)
        return
    job.done.conflicts.append({**where, **({"field": name} if name else {}), **more})


def _refused(job: _Job, effect: Effect, refused: XrmError) -> None:
    issues = refused.issues or (Issue("", refused.code, refused.message),)
    for issue in issues:
        _conflict(job, effect, issue.code, issue.message, issue.path.partition(".")[0])
