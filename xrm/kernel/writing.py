"""The writing half of the records door: the seven stations every write passes. No flag skips one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from xrm.errors import Conflict, Forbidden, Invalid, Issue, NotFound, Precondition
from xrm.kernel import derive, record_types, rules
from xrm.kernel.acts import Act, Acts
from xrm.kernel.buttons import Offer, Press
from xrm.kernel.change import SYSTEM, Actor, Back, Change, uuid7
from xrm.kernel.cloning import copied, copied_links
from xrm.kernel.computed import kept
from xrm.kernel.computed.spread import Spreading
from xrm.kernel.files.attaching import attach
from xrm.kernel.history.sight import Sight
from xrm.kernel.hooks import Action, Context
from xrm.kernel.linking import Linking, LinkWrite
from xrm.kernel.links import LinkReading
from xrm.kernel.live import Live, LiveEntity, Running
from xrm.kernel.loading import Loaded, Loading
from xrm.kernel.numbers import Numbers
from xrm.kernel.policy import Access, Rule, roles_key
from xrm.kernel.rates import Rates
from xrm.kernel.reading import Reading, demand
from xrm.kernel.references import References
from xrm.kernel.returning import Returning
from xrm.kernel.rows import stamp
from xrm.kernel.store.errors import UniqueViolation
from xrm.kernel.storing import Storing
from xrm.metadata.model import Transition

if TYPE_CHECKING:
    from xrm.kernel.records import Bound


FOLLOWING = frozenset({"label", "search"})  # they alone are no change of a record


class Writing:
    """Writes records: one act, one transaction, one change-set."""

    def __init__(self, running: Running, reading: Reading, bound: Callable[[Actor], Bound]) -> None:
        self._running, self._reading, self._bound = running, reading, bound
        self.acts = Acts(running)
        self._loading = Loading(running, reading)
        self._storing = Storing(running)
        self._returning = Returning(running)
        self.references = References(running, reading)
        self._rates = Rates(running, reading)
        self.numbers = Numbers(running)
        self._spreading = Spreading(running)
        self._linking = Linking(LinkReading(running), self.references)

    async def close(self) -> None:
        """Let what runs in the background end."""
        await self.numbers.close()

    # --- the doors ---

    async def create(self, actor: Actor, entity: str, sent: Mapping[str, Any], action: str = "") -> UUID:
        """Create a record and return its id."""
        async with self.acts.act(actor) as act:
            access = demand(act.live, actor, entity, "create")
            change = Change(access.entity, "create", uuid7(), {}, {}, action)
            await self._write(act, change, access, access.rules, sent)
            return change.id

    async def update(
        self, actor: Actor, entity: str, id: UUID, sent: Mapping[str, Any], version: int | None = None, action: str = ""
    ) -> None:
        """Change fields of a record; nothing happens where nothing differs."""
        async with self.acts.act(actor) as act:
            access, loaded = await self._loading.load(act, entity, id, "update")
            _same_version(loaded, version)
            change = Change(access.entity, "update", id, loaded.values, dict(loaded.values), action)
            await self._write(act, change, access, loaded.holding, sent)

    async def clone(self, actor: Actor, entity: str, id: UUID, sent: Mapping[str, Any]) -> UUID:
        """Create a record with the values of another, `sent` ones instead of its own, and return its id."""
        async with self.acts.part(actor, f"copy of {id}") as act:
            access = demand(act.live, actor, entity, "create")
            _, loaded = await self._loading.load(act, entity, id, "read")
            sight = Sight(self._running)
            seen = (await sight.of(actor, entity, [id]))[str(id)]
            change = Change(access.entity, "create", uuid7(), {}, {})
            issues: list[Issue] = []
            given = self._parse(act, access, sent, issues)
            await attach(self._running.files, actor, change, given, issues)
            if issues:
                raise Invalid(issues=issues)
            values = await copied(sight, act, access, seen, loaded.values)
            links = await copied_links(LinkReading(self._running), act, access, seen, id)
            change.back = Back({**values, **links, **given})
            await self._write(act, change, access, access.rules, {})
            return change.id

    async def give_back(self, actor: Actor, entity: str, id: UUID, back: Back, version: int) -> None:
        """Give a record back values it had, as an undo does: through all stations, but a transition is gone back."""
        async with self.acts.act(actor) as act:
            access, loaded = await self._loading.load(act, entity, id, "update")
            _same_version(loaded, version)
            change = Change(access.entity, "update", id, loaded.values, dict(loaded.values), back=back)
            await self._write(act, change, access, loaded.holding, {})

    async def refresh(self, entity: str, id: UUID) -> None:
        """Compute the kept values of a record anew, as the system's work; one in the trash waits for its restore."""
        async with self.acts.act(SYSTEM) as act:
            try:
                access, loaded = await self._loading.load(act, entity, id, "update")
            except NotFound:
                return
            change = Change(access.entity, "update", id, loaded.values, dict(loaded.values))
            await self._write(act, change, access, loaded.holding, {})

    async def delete(self, actor: Actor, entity: str, id: UUID, version: int | None = None) -> None:
        """Put a record into the trash, with what its relations say must go with it."""
        await self.take(actor, entity, id, set(), version)

    async def take(self, actor: Actor, entity: str, id: UUID, along: set[UUID], version: int | None = None) -> None:
        """Delete a record as `delete` does; `along` are the records that are gone or going by the same delete."""
        along.add(id)
        async with self.acts.act(actor) as act:
            access, loaded = await self._loading.load(act, entity, id, "delete")
            _same_version(loaded, version)
            await self.references.release(act, self, access.entity, id, along)
            access, loaded = await self._loading.load(
                act, entity, id, "delete"
            )  # hooks of what went along may have changed it
            change = Change(access.entity, "delete", id, loaded.values, dict(loaded.values))
            await self._write(act, change, access, loaded.holding, {})

    async def restore(self, actor: Actor, entity: str, id: UUID) -> None:
        """Take a record out of the trash, with the links that went along with it."""
        async with self.acts.act(actor) as act:
            access, loaded = await self._loading.load(act, entity, id, "restore")
            links = await self._returning.links(act, access.entity, id)
            change = Change(access.entity, "restore", id, loaded.values, dict(loaded.values))
            await self._write(act, change, access, loaded.holding, {})
            for link, one in links:
                taker = SYSTEM if act.live.model.entities[link].link else actor  # a link has no life of its own
                with suppress(NotFound, Forbidden, Conflict, Invalid):  # such as: there is another one by now
                    async with self.acts.attempt(taker):
                        await self.restore(taker, link, one)

    async def run(
        self, actor: Actor, entity: str, id: UUID, name: str, sent: Mapping[str, Any], version: int | None = None
    ) -> None:
        """Make a transition of the workflow, press a button, or run a plugin's action.

        Raises:
            NotFound: no such action for the actor.
            Conflict: the action is not possible in the record's state.
        """
        async with self.acts.act(actor) as act:
            demand(act.live, actor, entity, "read")
            prepared = act.live.entities[entity]
            if move := prepared.transition(name):
                await self._transition(act, prepared, id, move, sent, version)
            elif (offer := prepared.actions.get(name)) is not None:
                await self._offered(act, prepared, id, offer, sent, version)
            else:
                raise NotFound(f"There is no action {name!r}.")

    async def _transition(
        self, act: Act, prepared: LiveEntity, id: UUID, move: Transition, sent: Mapping[str, Any], version: int | None
    ) -> None:
        workflow = prepared.entity.workflow
        if workflow is None:
            raise NotFound(f"There is no action {move.name!r}.")
        _, loaded = await self._loading.load(act, prepared.entity.name, id, "update")
        known = prepared.of(loaded.values).entity.workflow or workflow
        if not any(m.name == move.name for m in known.moves(known.at(loaded.values.get(workflow.field)))):
            raise Conflict(
                f"{move.title!r} is not possible from here.",
                [Issue(workflow.field, "transition_not_allowed", f"{move.title!r} starts from another state.")],
            )
        await self.update(
            act.actor, prepared.entity.name, id, {**sent, workflow.field: move.target}, version, move.name
        )

    async def _offered(
        self, act: Act, prepared: LiveEntity, id: UUID, offer: Offer, sent: Mapping[str, Any], version: int | None
    ) -> None:
        """Run a plugin's action or press a button, when the actor may and its condition holds."""
        access, loaded = await self._loading.load(act, prepared.entity.name, id, f"run:{offer.name}")
        _same_version(loaded, version)
        condition = prepared.conditions.get(offer.name)
        if condition is not None and not condition.evaluate(derive.reader(loaded.values, act.actor), act.changes.at):
            raise Conflict(f"{offer.title!r} is not possible now.")
        match offer:
            case Action():
                await self._plugin_action(act, id, access, offer, sent)
            case Press(move=move) if move is not None:
                await self._transition(act, prepared, id, move, sent, version)
            case Press(does=does) if does is not None:
                await self._offered(act, prepared, id, does, sent, version)
            case _:
                await self._press(act, access, id, loaded, offer, sent)

    async def _press(
        self, act: Act, access: Access, id: UUID, loaded: Loaded, offer: Press, sent: Mapping[str, Any]
    ) -> None:
        """Set what a button sets; one that opens an address changes nothing. The right to press it is right enough."""
        issues: list[Issue] = []
        rules.parse_action(offer, sent, act.live.parsing, issues)
        if issues:
            raise Invalid(issues=issues)
        if offer.button.set:
            change = Change(access.entity, "update", id, loaded.values, dict(loaded.values), offer.name)
            await self._write(act, change, access, loaded.holding, {})

    async def _plugin_action(self, act: Act, id: UUID, access: Access, action: Action, sent: Mapping[str, Any]) -> None:
        issues: list[Issue] = []
        values = rules.parse_action(action, sent, act.live.parsing, issues)
        if issues:
            raise Invalid(issues=issues)
        record = await self._reading.get(act.actor, access.entity.name, id)
        with self.acts.deeper(act):
            await action.run(self._context(act), record, values)

    # --- the stations ---

    async def _write(
        self, act: Act, change: Change, access: Access, holding: tuple[Rule, ...], sent: Mapping[str, Any]
    ) -> None:
        """Take one change through its stations; 1 Receive was the edge's, 2 Open the caller's."""
        prepared = act.live.entities[access.entity.name]
        links = await self.ready(act, change, access, holding, sent)
        if change.kind == "update" and not set(change.changed()) - FOLLOWING:
            await self._follow(act, prepared, change)
            await self.link(act, change.id, links)
            return
        await self._store(act, prepared, access, change)  # 7 Store
        await self.link(act, change.id, links)
        await self._spreading.spread(act, self, change)
        await self._tell("after", act, change)

    async def ready(
        self, act: Act, change: Change, access: Access, holding: tuple[Rule, ...], sent: Mapping[str, Any]
    ) -> tuple[LinkWrite, ...]:
        """Take a change up to where it may be stored; return the links that are to be written after it.

        Raises:
            Invalid: values are refused, or rules do not hold.
        """
        prepared = act.live.entities[access.entity.name]
        issues: list[Issue] = []
        values = self._values(
            act, access, change, sent, issues
        )  # 4 Parse (unknown names look the same as unreadable ones)
        rules.permitted(
            access.entity, access, holding, values.keys() - (change.back.derived if change.back else ()), issues
        )  # 3 Permit: fields; rows were permitted by loading
        links = await self._linking.take(act, access.entity, values, issues)
        await self.references.resolve(act, access.entity, values, issues)
        if change.back is None:
            await attach(self._running.files, act.actor, change, values, issues)
        change.after.update(values)
        if change.kind == "create":
            change.after.update(
                derive.presets(access.entity, access.presets, act.actor, act.changes.at, act.live.parsing)
            )
        typed = record_types.settle(prepared, change, issues)
        await self._spreading.hold(act, change)
        move = await self._consult(act, typed, change, issues)  # 5 Consult
        typed = record_types.settle(prepared, change, issues)  # hooks may have made it one of another type
        await self._check(act, typed, change, move, issues)  # 6 Check
        record_types.check(typed, change, values, issues)
        self._linking.check(change, links, issues)
        if issues:
            raise Invalid(issues=issues)
        return links

    async def spread(self, act: Act, changes: Sequence[Change]) -> None:
        """Compute anew what other records keep of those that were changed."""
        await self._spreading.spread(act, self, *changes)

    async def link(self, act: Act, id: UUID, links: tuple[LinkWrite, ...]) -> None:
        """Write the links of a record that is stored."""
        await self._linking.write(act, self, id, links)

    async def _follow(self, act: Act, prepared: LiveEntity, change: Change) -> None:
        """Store a label that follows that of another record: it is no change of this one."""
        names = change.changed()
        if names:
            values = {name: change.after[name] for name in names}
            act.log.shown = None
            await self._running.store.execute(*prepared.rows.update(change.id, change.before["version"], values))
            await self._spreading.spread(act, self, change)

    def _values(
        self, act: Act, access: Access, change: Change, sent: Mapping[str, Any], issues: list[Issue]
    ) -> dict[str, Any]:
        if change.back is not None:  # typed already, by the log
            change.sent = frozenset(change.back.values.keys() - change.back.derived)
            return dict(change.back.values)
        change.sent = frozenset(sent)
        return self._parse(act, access, sent, issues)

    def _parse(self, act: Act, access: Access, sent: Mapping[str, Any], issues: list[Issue]) -> dict[str, Any]:
        key = ("known", access.entity.name, roles_key(act.actor), access.action)
        known = act.live.cached(key, lambda: (access.writable() | self._readable(act, access.entity.name)) - {"search"})
        return rules.parse_all(access.entity, sent, known, act.live.parsing, issues)

    async def _consult(self, act: Act, prepared: LiveEntity, change: Change, issues: list[Issue]) -> Transition | None:
        entity, now = prepared.entity, act.changes.at
        if change.kind == "create":
            await self._defaults(act, prepared, change)
        move = None
        if entity.workflow and change.back is not None:
            rules.check_way_back(entity.workflow, change, act.actor, issues)
        elif entity.workflow:
            move = rules.find_move(entity.workflow, change, act.actor, issues)
        if move is not None:
            change.action = change.action or move.name
        self._set_values(act, prepared, change, move.name if move is not None else change.action, issues)
        await self._tell("before", act, change)
        change.after.setdefault("id", change.id)
        await kept.compute(self._running.store, act.live, prepared, change.after, act.actor, now)
        await self._rates.fill(act.actor, entity, change, now)
        change.after["label"] = derive.label(entity, change.after, await self.references.labels(act, prepared, change))
        change.after["search"] = derive.search_text(entity, change.after)
        return move

    async def _defaults(self, act: Act, prepared: LiveEntity, change: Change) -> None:
        for field in prepared.entity.fields.values():
            if change.after.get(field.name) is not None or field.system:
                continue
            if field.default is not None:
                change.after[field.name] = derive.default(field, act.actor, act.changes.at, act.live.parsing)
            elif field.type == "auto_number":
                change.after[field.name] = await self.numbers.next(act, prepared.entity, field)

    def _set_values(self, act: Act, prepared: LiveEntity, change: Change, name: str, issues: list[Issue]) -> None:
        """Give the fields that a transition or button sets their values; those that do not fit are noted."""
        read = derive.reader(change.after, act.actor)
        for target, expression in prepared.sets.get(name, {}).items():
            if not change.before or not change.changes(target):
                field, value = prepared.entity.fields[target], expression.evaluate(read, act.changes.at)
                made = derive.fit(field, value, change.after, act.live.parsing)
                change.set(target, rules.fitted(field, made, act.live.parsing, issues))

    async def _check(
        self, act: Act, prepared: LiveEntity, change: Change, move: Transition | None, issues: list[Issue]
    ) -> None:
        if change.kind == "delete":
            return
        entity, now = prepared.entity, act.changes.at
        rules.required(entity, change, issues)
        rules.dependent(change, self._readable(act, entity.name), issues)
        rules.doubts(entity, change)
        if move is not None:
            read = derive.reader(change.after, act.actor)
            rules.check_move(entity, move, prepared.guards.get(move.name), read, now, issues)
            if change.kind == "create" and not act.actor.is_system and act.actor.source != "import":
                self._check_start(act, prepared, change, issues)
        rules.checks(prepared.checks, change, act.actor, now, issues)
        await self.references.check(act, change, issues)

    def _check_start(self, act: Act, prepared: LiveEntity, change: Change, issues: list[Issue]) -> None:
        """Refuse a new record in a state that the actor could not have brought it to: imports bring what happened."""
        workflow, read = prepared.entity.workflow, derive.reader(change.after, act.actor)

        def passes(move: Transition) -> bool:
            guard = prepared.guards.get(move.name)
            filled = all(read((name,)) is not None for name in move.ask)
            return (
                rules.may_move(move, act.actor) and filled and (guard is None or guard.evaluate(read, act.changes.at))
            )

        if workflow is not None:
            rules.check_start(prepared.entity, workflow, change.after.get(workflow.field), passes, issues)

    def _readable(self, act: Act, entity: str) -> frozenset[str]:
        reading = act.live.policy.access(act.actor, entity, "read")
        return reading.readable() if reading else frozenset()

    async def _store(self, act: Act, prepared: LiveEntity, access: Access, change: Change) -> None:
        stamp(change, act.actor.id, act.changes.at)
        if change.kind == "create":
            statement = prepared.rows.insert(change.after)
        else:
            written = {n: change.after[n] for n in change.changed()}
            statement = prepared.rows.update(change.id, change.before["version"], written)
        try:
            count, judged = await self._storing.store(act, access, change, statement)
        except UniqueViolation as error:
            raise self.taken(act, prepared, error) from None
        if count != 1:
            raise Precondition
        shown = act.log.shown
        await self.acts.note(act, change)
        act.log.shown = shown
        if not judged:
            await self._loading.permit_new_row(act, access, change)

    def taken(self, act: Act, prepared: LiveEntity, error: UniqueViolation) -> Conflict:
        """Return what a clash is told as: which fields clash is for those who may read them on every permitted row."""
        names = act.live.unique_fields.get(error.index, ())
        access = act.live.policy.access(act.actor, prepared.entity.name, "read")
        if not names or access is None or any(access.gives(n) != () for n in names):
            return Conflict()
        titles = " and ".join(prepared.entity.fields[n].title for n in names)
        return Conflict(
            f"There is already a {prepared.entity.title} with this {titles}.",
            [Issue(name, "not_unique", f"There is already one with this {titles}.") for name in names],
        )

    # --- hooks ---

    async def _tell(self, moment: str, act: Act, change: Change) -> None:
        handlers = act.live.handlers.get(moment, change.entity.name)
        if handlers:
            with self.acts.deeper(act):
                for handler in handlers:
                    await handler(self._context(act), change)

    def context(self, actor: Actor) -> Context:
        """Return what code of a plugin is given that runs outside an act, such as an importer."""
        return self._made_context(self._running.live, actor, self._running.clock())

    def _context(self, act: Act) -> Context:
        return self._made_context(act.live, act.actor, act.changes.at)

    def _made_context(self, live: Live, actor: Actor, now: datetime) -> Context:
        return Context(
            actor=actor,
            now=now,
            model=live.model,
            records=self._bound(actor),
            system=self._bound(SYSTEM),
            enqueue=self._running.enqueue,
            vault=self._running.vault,
            site={"currency": live.parsing.currency},
        )


def _same_version(loaded: Loaded, version: int | None) -> None:
    if version is not None and loaded.values["version"] != version:
        raise Precondition(version=loaded.values["version"])
