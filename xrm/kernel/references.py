"""What a record points to and what points to it: look up, check, release."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from xrm.errors import Conflict, Forbidden, Issue, NotFound
from xrm.kernel import keys
from xrm.kernel import query as q
from xrm.kernel.acts import Act
from xrm.kernel.change import SYSTEM, Actor, Change
from xrm.kernel.live import Live, LiveEntity, Running
from xrm.kernel.policy import SHARE, SHARED_RECORD, roles_key
from xrm.kernel.reading import Reading
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.sql import Binder, Statement, Var, quote
from xrm.kernel.tree import Trees
from xrm.kernel.values import Lookup, Ref
from xrm.kernel.visible import Visible
from xrm.metadata.model import Entity, Field, Inverse, Key

if TYPE_CHECKING:
    from xrm.kernel.writing import Writing

UUID_TYPE = ColumnType("uuid")
TEXT = ColumnType("text")
MAX_RELEASE = 10_000  # records one delete may take along or change


class _NotAlong(Forbidden):
    """A record that would go along with a delete is one the actor may not delete."""


class References:
    """Keeps pointers true."""

    def __init__(self, running: Running, reading: Reading) -> None:
        self._running, self._reading = running, reading
        self._trees = Trees(running, reading)

    async def resolve(self, act: Act, entity: Entity, values: dict[str, Any], issues: list[Issue]) -> None:
        """Replace each `Lookup` in `values` by the id of the record it names."""
        for name, value in list(values.items()):
            if isinstance(value, Lookup):
                found = await self.look_up(act, value)
                if isinstance(found, UUID):
                    values[name] = Ref(value.entity, found) if entity.fields[name].polymorphic else found
                else:
                    issues.append(Issue(name, *found))
                    del values[name]

    async def look_up(self, act: Act, wanted: Lookup) -> UUID | tuple[str, str, str]:
        """Return the id of the record a unique key names, or code, message and hint of why there is none."""
        known, told = act.log.known, (wanted.entity, wanted.key, repr(wanted.value), repr(wanted.more))
        if known is not None and told in known.found:
            return known.found[told]
        found = await self._look_up(act, wanted)
        if known is not None and isinstance(found, UUID):
            known.found[told] = found
        return found

    async def _look_up(self, act: Act, wanted: Lookup) -> UUID | tuple[str, str, str]:
        live = act.live
        target = live.model.entity(wanted.entity)
        access = live.policy.access(act.actor, wanted.entity, "read")
        if target is None or access is None:
            return "unknown_field", f"{wanted.entity} has no field {wanted.key!r}.", ""
        given = {wanted.key: wanted.value, **dict(wanted.more)}
        key = keys.readable_key(live, act.actor, target, tuple(given))
        values = keys.key_values(live, target, given) if isinstance(key, Key) else key
        if isinstance(key, Issue):
            return key.code, key.message, key.hint
        if isinstance(values, Issue):
            return values.code, values.message, values.hint
        for name, value in values.items():
            if isinstance(value, Lookup):
                further = await self.look_up(act, value)
                if not isinstance(further, UUID):
                    return further
                values[name] = further
        cached = ("lookup", wanted.entity, key, roles_key(act.actor))
        statement = live.cached(cached, lambda: keys.key_statement(live, act.actor, target, key))
        known = {**q.variables(act.actor, act.changes.at), **keys.variables(target, key, values)}
        rows = await self._running.store.fetch(statement.text, statement.arguments(live.dialect, known))
        if len(rows) != 1:
            titles = " and ".join(target.fields[name].title for name in given)
            return "no_such_record", f"There is no {target.title} with this {titles}.", ""
        decode = live.dialect.decode(UUID_TYPE)
        found: UUID = decode(rows[0][0]) if decode else rows[0][0]
        return found

    async def check(self, act: Act, change: Change, issues: list[Issue]) -> None:
        """Add an Issue per relation that was given a target which does not exist for the actor."""
        told = {issue.path for issue in issues}
        for field in change.entity.relations():
            value = change.after.get(field.name)
            moved = change.kind == "restore" or change.changes(field.name)
            if field.system or value is None or field.name in told or not moved:
                continue
            target = value.entity if isinstance(value, Ref) else field.to[0]
            actor_sees = await self._exists(act, target, value.id if isinstance(value, Ref) else value, field)
            if not actor_sees:
                issues.append(Issue(field.name, "no_such_record", f"{field.title}: there is no such record."))
            elif field.hierarchy and (issue := await self._trees.check(act, change, field, value)) is not None:
                issues.append(issue)

    async def _exists(self, act: Act, entity: str, id: UUID, field: Field) -> bool:
        known = act.log.known
        if known is not None and (entity, id) in known.seen:
            return True
        there = await self._there(act, entity, id)
        if there and known is not None:
            known.seen.add((entity, id))
        return there

    async def _there(self, act: Act, entity: str, id: UUID) -> bool:
        live = act.live
        actor = SYSTEM if id == act.actor.id and entity == "user" else act.actor  # everybody may name themselves
        access = live.policy.access(actor, entity, "read")
        if access is None:
            return False
        key = ("exists", entity, roles_key(actor))
        statement = live.cached(key, lambda: _exists_statement(live, actor, access.entity))
        known = {**q.variables(actor, act.changes.at), "id": id}
        return bool(await self._running.store.fetch(statement.text, statement.arguments(live.dialect, known)))

    async def release(self, act: Act, writing: Writing, entity: Entity, id: UUID, along: set[UUID]) -> None:
        """Before a delete: take along, clear or refuse what points to the record, as each relation says.

        What goes along goes first, so that it holds nothing back. `along` are the records that are gone or going.
        Shares of the record stay with it: it may be deleted by one of them, and comes back with them.

        Raises:
            Conflict: a relation with ``on_delete: restrict`` still points here, or too many records go along.
            Forbidden: a record that goes along is one the actor may not delete.
        """
        ends = [
            (end, act.live.model.entities[end.entity].fields[end.field])
            for end in act.live.model.inverses.get(entity.name, ())
            if (end.entity, end.field) != SHARED_RECORD
        ]
        for end, _ in (pair for pair in ends if pair[1].on_delete == "cascade"):
            await self._take_along(act, writing, end, entity, id, along)
        for end, field in (pair for pair in ends if pair[1].on_delete == "clear"):
            for other in await self._pointing(act, end, field, entity, id):
                if other not in along:
                    await writing.update(SYSTEM, end.entity, other, {end.field: None})
        await self._held(act, [pair for pair in ends if pair[1].on_delete == "restrict"], entity, id, along)

    async def _take_along(
        self, act: Act, writing: Writing, end: Inverse, entity: Entity, id: UUID, along: set[UUID]
    ) -> None:
        other = act.live.model.entities[end.entity]
        taker = SYSTEM if other.link or other.name == SHARE else act.actor  # they have no life of their own
        for one in await self._pointing(act, end, other.fields[end.field], entity, id):
            if one in along:
                continue
            if len(along) > MAX_RELEASE:
                raise _too_many("would go along", other.plural)
            try:
                await writing.take(taker, end.entity, one, along)
            except _NotAlong:
                raise
            except (NotFound, Forbidden):
                title = self._title(act, end)
                raise _NotAlong(f"It would take {title} along, which you may not delete.") from None

    async def pointing_here(self, act: Act, entity: Entity, id: UUID) -> list[str]:
        """Return the titles of what points to a record, by whatever relation."""
        found: dict[str, None] = {}
        for end in act.live.model.inverses.get(entity.name, ()):
            field = act.live.model.entities[end.entity].fields[end.field]
            if await self._pointing(act, end, field, entity, id):
                found[self._title(act, end)] = None
        return list(found)

    async def _held(
        self, act: Act, ends: Sequence[tuple[Inverse, Field]], entity: Entity, id: UUID, along: set[UUID]
    ) -> None:
        held: dict[str, None] = {}
        for end, field in ends:
            if any(other not in along for other in await self._pointing(act, end, field, entity, id)):
                held[self._title(act, end)] = None
        if held:
            hint = "change or delete those first"
            issues = [Issue("", "in_use", f"It is used by {title}.", hint) for title in held]
            raise Conflict("Other records still point to this one.", issues)

    async def _pointing(self, act: Act, end: Inverse, field: Field, entity: Entity, id: UUID) -> Sequence[UUID]:
        live = act.live
        statement = live.cached(
            ("pointing", end.entity, end.field), lambda: _pointing_statement(live, end, field, entity.name)
        )
        known = {"id": id, "entity": entity.name}
        rows = await self._running.store.fetch(statement.text, statement.arguments(live.dialect, known))
        if len(rows) > MAX_RELEASE:
            raise _too_many("point to this one", self._title(act, end))
        decode = live.dialect.decode(UUID_TYPE)
        return [decode(row[0]) if decode else row[0] for row in rows]

    def _title(self, act: Act, end: Inverse) -> str:
        known = act.live.policy.access(act.actor, end.entity, "read")
        return known.entity.plural if known else "records you may not see"

    async def labels(self, act: Act, prepared: LiveEntity, change: Change) -> Mapping[str, str]:
        """Return the labels of the records that the record's own label names."""
        found: dict[str, str] = {}
        for name in prepared.label_fields:
            field = prepared.entity.fields.get(name)
            value = change.after.get(name)
            if field is None or field.type != "relation" or value is None:
                continue
            target, id = (value.entity, value.id) if isinstance(value, Ref) else (field.to[0], value)
            labels = await self._reading.visible_ids(SYSTEM, target, [id])
            found[name] = labels.get(str(id), "")
        return found


def _too_many(what: str, title: str) -> Conflict:
    message = f"More than {MAX_RELEASE:,} {title} {what}: too many for one act."
    return Conflict(message, [Issue("", "too_many_go_along", message, "change or delete those first, in parts")])


def _exists_statement(live: Live, actor: Actor, entity: Entity) -> Statement:
    binder = Binder(live.dialect)
    visible = Visible(live, actor, binder)
    rows = visible.joined(entity, "t", binder.bind(Var("id", UUID_TYPE), UUID_TYPE))
    lock = " FOR SHARE OF t" if live.dialect.name == "postgresql" else ""
    return binder.statement(f'SELECT 1 FROM {quote(entity.name)} t WHERE t."deleted_at" IS NULL AND {rows}{lock}')


def _pointing_statement(live: Live, end: Inverse, field: Field, entity: str) -> Statement:
    binder = Binder(live.dialect)
    where = [f"t.{quote(field.name)} = {binder.bind(Var('id', UUID_TYPE), UUID_TYPE)}", 't."deleted_at" IS NULL']
    if field.polymorphic:
        where.append(f"t.{quote(field.name + '_entity')} = {binder.bind(Var('entity', TEXT), TEXT)}")
    return binder.statement(
        f'SELECT t."id" FROM {quote(end.entity)} t WHERE {" AND ".join(where)} LIMIT {MAX_RELEASE + 1}'
    )
