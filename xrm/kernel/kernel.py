"""Kernel: one running site. It opens the database, keeps the generation in force, and holds the one door, `records`."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

from xrm.errors import Issue, ModelError, NotFound, Unavailable, XrmError
from xrm.kernel.change import Actor
from xrm.kernel.computed.background import RENEW, pending
from xrm.kernel.conditions import condition
from xrm.kernel.expression import ExpressionError, types
from xrm.kernel.expression import compile as compile_expression
from xrm.kernel.expression.parse import parse
from xrm.kernel.expression.sqlite_functions import sqlite_functions
from xrm.kernel.files.content import Files
from xrm.kernel.history.bell import Bell
from xrm.kernel.history.feed import Feed
from xrm.kernel.hooks import Handlers
from xrm.kernel.jobs.jobs import Jobs
from xrm.kernel.jobs.kind import NewJob
from xrm.kernel.judging import judged
from xrm.kernel.live import Live, present
from xrm.kernel.migration import apply as applying
from xrm.kernel.migration import journal
from xrm.kernel.migration.ancestry import Ancestry
from xrm.kernel.migration.breaches import breaches
from xrm.kernel.migration.carry.find import Earlier
from xrm.kernel.migration.clients import api_breaking
from xrm.kernel.migration.ddl import index_name
from xrm.kernel.migration.impact import assess
from xrm.kernel.migration.journal import Generation, InForce, UniqueKey
from xrm.kernel.migration.later import INDEXES
from xrm.kernel.migration.new_checks import broken_checks
from xrm.kernel.migration.plan import Plan, propose
from xrm.kernel.migration.purge import KeptValues, Selection, list_kept, purge, purged_since
from xrm.kernel.migration.rollback import propose_rollback
from xrm.kernel.migration.uses import meaning_changed
from xrm.kernel.outbound.http import Outbound
from xrm.kernel.paths import OwnScope, RecordScope, RowScope, type_of
from xrm.kernel.plugins import Plugins, load_plugins
from xrm.kernel.policy.moment import situated
from xrm.kernel.recompute import affected, renew
from xrm.kernel.records import Records
from xrm.kernel.store.store import Store, StoreOptions, open_store
from xrm.kernel.switches import READ_ONLY, read_switch, turn_off, turn_on
from xrm.kernel.totals import BUCKET_FUNCTION, bucket_of
from xrm.kernel.values import Parsing
from xrm.kernel.vault import Vault
from xrm.kernel.web_address import compile_address
from xrm.metadata.findings import Complaint, ExpressionUse
from xrm.metadata.load import read_layer
from xrm.metadata.memory import Memory
from xrm.metadata.merge import Review, build, of_review, review
from xrm.metadata.model import Model, Source
from xrm.metadata.upgrades import overridden_changes
from xrm.settings import Settings

BUILTIN = Path(__file__).parent.parent / "builtin"
WATCH_SECONDS = 1.0  # how often a process looks whether another one applied a new generation

log = logging.getLogger("xrm.kernel")


def utc_now() -> datetime:
    """Return the current time, aware, in UTC."""
    return datetime.now(UTC)


class Kernel:
    """A running site.

    Attributes:
        settings: How it runs.
        store: Its database.
        plugins: Its plugins.
        records: The door through which every read and write of records passes.
        clock: The only source of the current time.
        files: The contents of files.
        feed: What happened, in order.
        bell: Rung when an act was committed in this process.
        lacking: Which of the platform's own tables are those of an earlier version; then no model is in force.
        outbound: How other servers are asked.
        jobs: Work for later.
        renewing: The entities whose kept values wait to be computed anew, as this process last looked.
        progress: How far the change of the model is that this process carries out now; None = none.
    """

    def __init__(self, settings: Settings, store: Store, plugins: Plugins, clock: Callable[[], datetime]) -> None:
        self.settings, self.store, self.plugins, self.clock = settings, store, plugins, clock
        self.files = Files(settings.files_folder, settings.max_file, settings.upload_hours, clock)
        self.bell = Bell()
        self.records = Records(self)
        self.outbound = Outbound(settings)
        self.feed = Feed(self)
        self.jobs = Jobs(self, (RENEW, INDEXES))
        self._read_only = ""
        self.vault = Vault(settings.secret_key, settings.key_file)
        self.progress: applying.Progress | None = None
        self.renewing: frozenset[str] = frozenset()
        self._live: Live | None = None
        self._coming: Live | None = None
        self.lacking: tuple[str, ...] = ()
        self._memory = Memory()
        self._watching: asyncio.Task[None] | None = None
        self._applying, self._refreshing = asyncio.Lock(), asyncio.Lock()

    @classmethod
    async def open(cls, settings: Settings, clock: Callable[[], datetime] = utc_now) -> Kernel:
        """Open a site's database and put the generation in its journal in force, if there is one.

        Raises:
            Unavailable: the database cannot be reached.
            ModelError: a plugin's definitions in the journal cannot be read.
        """
        options = StoreOptions(read_timeout=settings.statement_seconds, synchronous=settings.synchronous)
        store = open_store(settings.database_url, {**sqlite_functions(), BUCKET_FUNCTION: (3, bucket_of)}, options)
        await store.start()
        kernel = cls(settings, store, load_plugins(settings.folder, settings.plugins, BUILTIN), clock)
        try:
            await kernel.refresh()
            await kernel.read_switches()
        except BaseException:
            await store.close()
            raise
        return kernel

    async def close(self) -> None:
        """Stop what runs in the background and close the database."""
        await self.jobs.stop()
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        await self.outbound.close()
        await self.records.close()
        await self.store.close()

    @property
    def live(self) -> Live:
        """The generation in force.

        Raises:
            Unavailable: no model was applied yet.
        """
        if self._live is None:
            raise outdated(self.lacking) if self.lacking else Unavailable("No model is in force yet: run `xrm apply`.")
        return self._live

    @property
    def ready(self) -> bool:
        """Whether a model is in force."""
        return self._live is not None

    @property
    def model(self) -> Model:
        """The model in force."""
        return self.live.model

    @property
    def parsing(self) -> Parsing:
        """What reading a value may need to know of the site."""
        settings = self.settings
        return Parsing(settings.currency, settings.country, settings.time_zone, self.vault)

    def situated(self, actor: Actor) -> Actor:
        """Return an actor with those conditions of the moment that hold for them now: what `when` of grants asks."""
        conditions = self.live.policy.conditions
        if not conditions:
            return actor
        return situated(actor, conditions, self.clock().astimezone(ZoneInfo(self.settings.time_zone)))

    # --- definitions ---

    def sources(self, replaced: Sequence[Source] = ()) -> tuple[Source, ...]:
        """Return the definition files of all layers as they are now; `replaced` site files stand for those on disk.

        A replacing file with an empty text is a file that is not there.
        """
        site = {s.file: s for s in read_layer("site", self.settings.folder / "entities", "entities/")}
        site |= {s.file: s for s in replaced}
        own = (site[name] for name in sorted(site) if site[name].text.strip())
        return (*self.plugins.sources(), *own)

    def review(self, sources: Sequence[Source]) -> Review:
        """Return the model the sources define, with every finding."""
        found = review(sources, check_expression, self._memory)
        more = judged(found.model, self.plugins.collect("actions"), self.parsing)
        return replace(found, issues=(*found.issues, *more))

    def read_model(self, sources: Sequence[Source]) -> Model:
        """Return the model the sources define.

        Raises:
            ModelError: with every finding.
        """
        return of_review(self.review(sources))

    def past_model(self, sources: Sequence[Source]) -> Model:
        """Return the model of sources that were in force: what it needs of plugins may be gone meanwhile.

        Raises:
            ModelError: they can no longer be read.
        """
        return build(sources, check_expression, self._memory)

    # --- plan, apply ---

    async def plan(self, sources: Sequence[Source]) -> Plan:
        """Return what it would take to put `sources` in force, with its impact on the records."""
        model = await asyncio.to_thread(self.read_model, sources)
        generation = await journal.current(self.store)
        proposed = await asyncio.to_thread(self._propose, model, generation)  # as is comparing many tables
        plan = await assess(self.store, proposed)
        before = await asyncio.to_thread(self._model_of, generation)
        if before is None or generation is None:
            return plan
        return await self._judged(plan, Ancestry(before, present(model), generation.ids, plan.ids))

    def _propose(self, model: Model, generation: Generation | None) -> Plan:
        before = self._model_of(generation)
        return propose(model, generation, self.parsing, Earlier(before, self.clock()) if before else None)

    def _model_of(self, generation: Generation | None) -> Model | None:
        """Return the model of a generation; None when a plugin it needs is gone, so that it cannot be read."""
        live = self._live
        if generation is None or (live is not None and live.generation == generation.number):
            return live.model if generation is not None and live is not None else None
        try:
            return present(self.past_model(generation.sources))
        except ModelError as error:
            log.warning("The model of generation %s can no longer be read: %s", generation.number, error)
            return None

    async def _judged(self, plan: Plan, models: Ancestry) -> Plan:
        """Return the plan with what it does to records that stay as they are, and to whoever uses the model."""
        carried = frozenset((c.entity, c.field.name) for c in plan.carries)
        told = {issue.path for issue in plan.issues} | {".".join(names) for names in carried}
        found = await breaches(self.store, plan, models.before, models.after)
        broken = await broken_checks(self.store, models, carried, self.clock())
        uses = await asyncio.to_thread(lambda: (*meaning_changed(models), *api_breaking(models)))
        notices = overridden_changes(models.before, models.after)
        kept = (issue for issue in found if issue.path not in told)
        return replace(plan, issues=tuple(dict.fromkeys((*plan.issues, *kept, *broken, *uses, *notices))))

    async def apply(
        self,
        actor: Actor,
        sources: Sequence[Source],
        consent: frozenset[str] = frozenset(),
        expected_hash: str = "",
        tell: applying.Tell = applying.silent,
    ) -> applying.Applied:
        """Put `sources` in force in the database and in this process; `tell` hears how far it is.

        Raises as `xrm.kernel.migration.apply.apply` does.
        """
        async with self._applying:
            model = await asyncio.to_thread(self.read_model, sources)  # a large model takes seconds: not on the loop
            order = replace(self._order(actor, model, consent, expected_hash), tell=self._heard(tell))
            before = self._live.model if self._live else None
            done = await self._carry_out(partial(self._propose, model), order, model)
            notices = overridden_changes(before, model) if before is not None and done.changed else ()
            return replace(done, notices=tuple(notices))

    async def plan_rollback(self, number: int) -> Plan:
        """Return what it would take to go back to generation `number`, with what comes back and what is lost.

        Raises:
            NotFound: the journal has no such generation.
            ModelError: its definitions can no longer be read.
        """
        proposer, _ = await self._way_back(number)
        plan = await asyncio.to_thread(proposer, await journal.current(self.store))
        return await applying.measure(self.store, plan)

    async def rollback(
        self,
        actor: Actor,
        number: int,
        consent: frozenset[str] = frozenset(),
        expected_hash: str = "",
        tell: applying.Tell = applying.silent,
    ) -> applying.Applied:
        """Go back to generation `number`: a new generation with its definitions, ids and kept values.

        Raises as `plan_rollback` and `apply` do.
        """
        async with self._applying:
            proposer, model = await self._way_back(number)
            order = replace(self._order(actor, model, consent, expected_hash), tell=self._heard(tell))
            return await self._carry_out(proposer, order, model)

    async def _way_back(self, number: int) -> tuple[applying.Proposer, Model]:
        found = await journal.history(self.store)
        target = next((g for g in found if g.number == number), None)
        if target is None:
            raise NotFound(f"There is no generation {number}; see `xrm history`.")
        model = await asyncio.to_thread(self.past_model, target.sources)
        purged = purged_since(found, number)
        return partial(propose_rollback, model, target, purged=purged, parsing=self.parsing), model

    async def kept(self, selection: Selection) -> list[KeptValues]:
        """Return what is kept of values that plans dropped or changed."""
        return await list_kept(self.store, selection)

    async def purge(self, actor: Actor, selection: Selection) -> list[KeptValues]:
        """Remove kept values for good; return what they were."""
        async with self._applying:
            _, gone = await purge(self.store, actor, selection, self.clock)
        await self.refresh()
        return gone

    def _order(self, actor: Actor, model: Model, consent: frozenset[str], expected_hash: str) -> applying.Order:
        async def data_step(before: Generation | None, after: Generation) -> None:
            old = await asyncio.to_thread(self._model_of, before)
            live = await asyncio.to_thread(self._make_live, InForce.of(after), model)
            await renew(self.store, live, affected(old, model, after.steps), after.at)
            self._coming = live  # to swap to the moment it is in force

        return applying.Order(actor, consent, expected_hash, data_step, self.clock)

    async def _carry_out(self, proposer: applying.Proposer, order: applying.Order, model: Model) -> applying.Applied:
        self._take_coming()  # of an apply that failed
        try:
            applied = await applying.carry_out(self.store, proposer, order)
        finally:
            self.progress = None
        coming = self._take_coming()
        self.lacking = ()
        if applied.changed and coming is not None:
            self._live = coming
        elif self._live is None:
            self._live = await asyncio.to_thread(self._make_live, InForce.of(applied.generation), model)
        await self._look_what_waits()
        return applied

    async def _look_what_waits(self) -> None:
        if self._live is not None:
            self.renewing = frozenset(await pending(self.store))

    def _heard(self, tell: applying.Tell) -> applying.Tell:
        def hear(now: applying.Progress) -> None:
            self.progress = now
            tell(now)

        return hear

    def _take_coming(self) -> Live | None:
        coming, self._coming = self._coming, None
        return coming

    async def history(self) -> list[Generation]:
        """Return the generations, newest first."""
        return await journal.history(self.store)

    async def generation(self, number: int) -> Generation | None:
        """Return one generation, or None."""
        return await journal.find(self.store, number)

    # --- the generation in force ---

    async def refresh(self) -> None:
        """Put the journal's newest generation in force in this process, if it is not yet."""
        async with self._refreshing:  # many may ask at once
            await self._refresh()

    async def _refresh(self) -> None:
        if self._live is None and not await journal.exists(self.store):
            return
        number = await journal.generation_number(self.store)
        if number == 0 or (self._live is not None and self._live.generation == number):
            return
        coming = self._coming
        if coming is not None and coming.generation == number:  # applied by this process a moment ago
            self._live = coming
            return
        newest = await journal.in_force(self.store)
        self.lacking = newest.lacking if newest else ()
        if newest is not None and not self.lacking:
            model = await asyncio.to_thread(self.past_model, newest.sources)
            self._live = await asyncio.to_thread(self._make_live, newest, model)
            await self.store.tables_changed()

    def watch(self) -> None:
        """Follow what other processes apply, in the background, until `close`."""
        self._watching = asyncio.create_task(self._watch(), context=contextvars.Context())

    async def _watch(self) -> None:
        heard = asyncio.Event()
        listening = asyncio.create_task(self.store.listen(heard))
        try:
            while True:
                await self._look(heard)
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def _look(self, heard: asyncio.Event) -> None:
        """Refresh when another process told of something, and at the latest after a while: telling may fail."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(heard.wait(), WATCH_SECONDS)
        heard.clear()
        try:
            await self.refresh()
            await self.read_switches()
            await self._look_what_waits()
            self.jobs.wake()
            if self._live is not None:
                await self.feed.sealing.catch_up()
        except XrmError as error:
            log.warning("The model in force could not be looked up: %s", error)
            await asyncio.sleep(WATCH_SECONDS)

    @property
    def read_only(self) -> str:
        """Why nothing may be written for now; empty when it may."""
        return self._read_only

    async def make_read_only(self, reason: str) -> None:
        """Refuse all writes of records, in every process of the site, until `make_writable`."""
        await turn_on(self.store, READ_ONLY, reason, self.clock())
        await self.read_switches()

    async def make_writable(self) -> None:
        """Take writes again; a process that was started read-only stays so."""
        await turn_off(self.store, READ_ONLY)
        await self.read_switches()

    async def read_switches(self) -> None:
        """Follow what was switched in another process."""
        if self._live is not None:
            told = "This process was started read-only." if self.settings.read_only else ""
            self._read_only = told or await read_switch(self.store, READ_ONLY)

    async def enqueue(self, job: NewJob) -> UUID:
        """Ask for a job in the act that is open, or at once; return its id.

        Raises:
            KeyError: there is no such kind.
        """
        return await self.jobs.enqueue(job)

    async def catch_up(self) -> int:
        """Do all jobs that are due, here and now; return how many."""
        count = await self.jobs.work_off()
        await self._look_what_waits()
        return count

    def _make_live(self, generation: InForce, model: Model) -> Live:
        handlers = Handlers()
        self.plugins.manager.hook.handlers(registry=handlers)
        live = Live(
            generation.number,
            present(model),
            self.store.dialect,
            self.parsing,
            handlers,
            self.plugins.collect("actions"),
            unique_fields(generation.unique, model),
            generation.words,
            dict(self._live.compiled) if self._live else {},
        )
        _ = live.entities  # compile all now, not in the first request
        return live


def outdated(tables: Iterable[str]) -> Unavailable:
    """Return the refusal to work on a database whose own tables are not as this version needs them."""
    return Unavailable(
        "The platform's own tables are those of an earlier version: run `xrm apply`, then start again.",
        [Issue(name, "table_outdated", "This is not as this version needs it.") for name in tables],
    )


def unique_fields(keys: Iterable[UniqueKey], model: Model) -> dict[str, tuple[str, ...]]:
    """Return which fields each unique index is about, by the index's name in the database."""
    found: dict[str, tuple[str, ...]] = {}
    for key in keys:
        entity = model.entity(key.name)
        if entity is not None:
            found[index_name(key.table, key.index)] = tuple(n for n in key.columns if n in entity.fields)
    return found


def check_expression(model: Model, use: ExpressionUse) -> list[Complaint]:
    """Judge an expression of the model: what metadata calls back, since the language is the kernel's."""
    entity = model.entities[use.entity]
    field = entity.fields.get(use.field)
    if use.purpose == "convert":  # over the record as it was: its names and types are known when it is planned
        return _refusal(lambda: parse(use.source))
    if use.purpose == "unique":
        return _refusal(lambda: condition(model, entity, use.source, ".".join))
    if use.purpose == "open":
        return _refusal(lambda: compile_address(use.source, OwnScope(model, entity)))
    when_read = use.purpose == "formula" and field is not None and (field.virtual or field.gathered)
    wide = when_read or use.purpose in ("filter", "where")
    narrow = RowScope if use.purpose == "backfill" else OwnScope
    scope = RecordScope(model, entity) if wide else narrow(model, entity)
    return _refusal(lambda: compile_expression(use.source, scope, types.BOOL if field is None else type_of(field)))


def _refusal(work: Callable[[], object]) -> list[Complaint]:
    """Return what `work` finds wrong with an expression."""
    try:
        work()
    except ExpressionError as error:
        return [Complaint(error.reason, error.position, error.hint)]
    return []
