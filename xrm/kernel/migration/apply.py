"""A model is put in force: lock, DDL, data, journal, all in one transaction.

Whatever goes wrong on the way, a kill included, leaves the database as it was. Of many processes that apply the same
model at once one does the work; the others find it done. What the plan was shown with can be sealed by its hash:
then nothing is done if the world moved in between.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from xrm.errors import Conflict, Issue, ModelError
from xrm.kernel.change import Actor
from xrm.kernel.migration.carry.find import named
from xrm.kernel.migration.carry.links import lay_links, make_links
from xrm.kernel.migration.carry.work import clear_away, lay
from xrm.kernel.migration.ddl import Operation, Run, in_order, index_name, operations
from xrm.kernel.migration.diff import compare
from xrm.kernel.migration.filling import fill_converted
from xrm.kernel.migration.impact import assess
from xrm.kernel.migration.journal import Generation, current, sources_hash, write
from xrm.kernel.migration.kept import compare_kept, copy, keeping
from xrm.kernel.migration.later import Late, ask_for, put_off
from xrm.kernel.migration.plan import Plan, Step, propose
from xrm.kernel.migration.restore import Restores
from xrm.kernel.migration.restore_impact import assess_restores
from xrm.kernel.migration.restoring import bring_back
from xrm.kernel.store.errors import UniqueViolation
from xrm.kernel.store.schema import ColumnType, Schema
from xrm.kernel.store.sql import Binder, quote
from xrm.kernel.store.store import Store
from xrm.kernel.values import Parsing
from xrm.metadata.model import Model

LOCK = "xrm.schema"  # the one that a schema transaction takes
_TEXT = ColumnType("text")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a change has come: statement `step` of `steps`; where values are converted, `rows` of `of` records."""

    step: int
    steps: int
    what: str
    rows: int = 0
    of: int = 0


Tell = Callable[[Progress], None]
"""Is told of progress, from within the transaction: it must be quick."""


def silent(_: Progress) -> None:
    """Tell nobody."""


Proposer = Callable[[Generation | None], Plan]
"""Gives the plan for the generation in force."""

DataStep = Callable[[Generation | None, Generation], Awaitable[None]]
"""Work on records inside the transaction, after the tables changed: given the generation before and the new one."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What came of it: the generation in force, and the plan that was carried out (empty: nothing was to do).

    `notices` are findings that stopped nothing but should be seen.
    """

    generation: Generation
    plan: Plan
    notices: tuple[Issue, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether there is a new generation."""
        return not self.plan.empty

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps that were done, as people see them."""
        return self.plan.shown


def _now() -> datetime:
    return datetime.now(UTC)


async def apply(
    store: Store,
    model: Model,
    actor: Actor,
    *,
    consent: frozenset[str] = frozenset(),
    expected_hash: str = "",
    data_step: DataStep | None = None,
    parsing: Parsing | None = None,
    clock: Callable[[], datetime] = _now,
) -> Applied:
    """Put `model` in force; do nothing when it is already.

    Args:
        store: The database; no transaction may be open.
        model: All definitions, with their sources.
        actor: Who does it, for the journal.
        consent: Ids of the destructive steps that may be done.
        expected_hash: `Plan.hash` or `Plan.seal` of the plan that was shown; empty = whatever the plan is now.
        data_step: What else belongs into the transaction (labels, stored formulas).
        parsing: How defaults are read (the site's currency).
        clock: Gives the time of the journal's row.

    Raises:
        ModelError: records stand in the way; each Issue says which and how many.
        Conflict: a destructive step lacks consent, or the plan is not the one that was shown.
        Unavailable: the database is busy; nothing was changed.
    """
    order = Order(actor, consent, expected_hash, data_step, clock)
    return await carry_out(store, lambda before: propose(model, before, parsing), order)


@dataclass(frozen=True, slots=True)
class Order:
    """Who wants a plan carried out, and under which conditions; see `apply`."""

    actor: Actor
    consent: frozenset[str] = frozenset()
    expected_hash: str = ""
    data_step: DataStep | None = None
    clock: Callable[[], datetime] = _now
    tell: Tell = silent


async def carry_out(store: Store, proposer: Proposer, order: Order) -> Applied:
    """Carry out what `proposer` proposes for the generation in force; raises as `apply` does."""
    before = await current(store)
    plan = await asyncio.to_thread(proposer, before)
    if plan.empty and before:
        _check_seal(plan, order.expected_hash)
        return Applied(before, plan)
    async with _transaction(store, plan):
        await store.lock(LOCK)
        sealed = _changes_tables(store, plan)
        before = await current(store)
        plan = await asyncio.to_thread(proposer, before)
        _check_seal(plan, order.expected_hash)
        if plan.empty and before:
            return Applied(before, plan)
        if _changes_tables(store, plan) and not sealed:
            raise _moved()
        await _lock_tables(store, plan)
        plan = await measure(store, plan)
        _check_losses(plan, order.expected_hash)
        _refuse(plan, order.consent)
        generation = await _carry_out(store, plan, before, order)
    await store.tables_changed()
    return Applied(generation, plan)


async def measure(store: Store, plan: Plan) -> Plan:
    """Return the plan with its numbers; see `impact.assess`, and `restore_impact` for what comes back."""
    if plan.restores is None:
        return await assess(store, plan)
    ours = [step for step in plan.steps if step.kind.startswith("restore_")]
    rest = await assess(store, dataclasses.replace(plan, steps=tuple(s for s in plan.steps if s not in ours)))
    numbers = {step.id: step for step in rest.steps}
    steps = tuple(numbers.get(step.id, step) for step in plan.steps)
    return await assess_restores(store, dataclasses.replace(rest, steps=steps), plan.restores)


async def _carry_out(store: Store, plan: Plan, before: Generation | None, order: Order) -> Generation:
    """Do everything within the transaction: keep, bring back, change, note."""
    for carry in plan.carries:
        await lay(store, carry)
    for link in plan.links:
        await lay_links(store, link)
    number = plan.base + 1
    kept = keeping(_with_restored(plan), plan.new, number, _rewritten(plan))
    here = kept.begin(plan.old)
    await perform_all(store, plan.old, here)
    await copy(store, kept)
    here = kept.settled(here)
    if plan.restores:
        here = await _bring_back(store, plan, plan.restores, here)
    late = await put_off(store, here, kept.added(plan.new))
    try:
        await perform_all(store, here, kept.added(plan.new), order.tell, late)
    except UniqueViolation as error:
        raise ModelError("The records do not allow this change", [_not_unique(plan, error)]) from None
    await clear_away(store, plan.carries)
    await store.tables_changed()
    for link in plan.links:
        await make_links(store, link, order.clock())
    schema = kept.added(plan.new)
    await _follow_renames(store, plan, schema)
    generation = _generation(plan, schema, order)
    if order.data_step is not None:
        await order.data_step(before, generation)
    kept = await compare_kept(store, kept)
    generation = dataclasses.replace(generation, full_schema=kept.added(plan.new))
    await write(store, generation)
    await ask_for(store, late, generation.at)
    await store.announce()
    return generation


def _not_unique(plan: Plan, error: UniqueViolation) -> Issue:
    """Return the finding about values that became the same by the plan itself; SQLite may not say of which index."""
    news = {(step.table, step.target) for step in plan.steps if step.kind == "add_unique"}
    found = [(t, i) for t in plan.new.tables.values() for i in t.indexes if i.unique]
    named = [(t, i) for t, i in found if index_name(t.id, i) == error.index]
    for table, index in named or [(t, i) for t, i in found if (t.id, i.id) in news]:
        names = [c.name for c in table.columns if c.id in index.columns]
        message = f"Records would share their {' and '.join(names)} after this change."
        return Issue(f"{table.name}.{names[0]}", "not_unique", message, "correct or merge them first")
    return Issue("", "not_unique", error.message)


def _with_restored(plan: Plan) -> Schema:
    """Return the old schema; a dropped table that comes back may lose fields on the way, which are kept too."""
    if plan.restores is None:
        return plan.old
    back = {id: dataclasses.replace(table, id=id) for id, table in plan.restores.tables.items()}
    return Schema({**plan.old.tables, **back})


def _rewritten(plan: Plan) -> frozenset[tuple[str, str]]:
    """Return the columns whose values change in place."""
    back = {(chain.table, chain.new.id) for chain in plan.restores.chains} if plan.restores else set()
    return plan.rewritten | back


async def _bring_back(store: Store, plan: Plan, back: Restores, here: Schema) -> Schema:
    relabelled = back.relabelled(here)
    staged = back.staged(relabelled)
    await perform_all(store, relabelled, staged)
    await store.tables_changed()
    await bring_back(store, back, staged, plan.new)
    return staged


async def perform_all(store: Store, old: Schema, new: Schema, tell: Tell = silent, late: Late = frozenset()) -> None:
    """Turn a database of schema `old` into one of schema `new`, within the open transaction; `late`: see `later`."""
    todo = operations(old, new, store.dialect, late)
    for number, operation in enumerate(todo, start=1):
        now = Progress(number, len(todo), str(operation))
        tell(now)
        await _perform(store, operation, partial(_count, tell, now))


def _count(tell: Tell, now: Progress, rows: int, of: int) -> None:
    tell(dataclasses.replace(now, rows=rows, of=of))


def _changes_tables(store: Store, plan: Plan) -> bool:
    return bool(plan.restores or operations(plan.old, plan.new, store.dialect))


def _transaction(store: Store, plan: Plan) -> AbstractAsyncContextManager[None]:
    """Return the lighter transaction when no table changes: on SQLite the other one checks every reference."""
    return store.schema_transaction() if _changes_tables(store, plan) else store.transaction()


def _check_seal(plan: Plan, expected: str) -> None:
    """Refuse when the model or its generation is another one. `expected` may be a hash or a seal."""
    if expected and expected.partition(".")[0] != plan.hash:
        raise _moved()


def _check_losses(plan: Plan, expected: str) -> None:
    """Refuse when other records would be hit than the seal tells of. The plan must have its numbers."""
    if "." in expected and expected != plan.seal:
        raise Conflict("The records changed since this plan was made. Look at the new plan first.")


def _moved() -> Conflict:
    return Conflict("The model or its definitions changed since this plan was made. Look at the new plan first.")


def _refuse(plan: Plan, consent: frozenset[str]) -> None:
    if plan.blocking:
        raise ModelError("The records do not allow this change", plan.blocking)
    without = [step for step in plan.destructive if step.id not in consent]
    if without:
        issues = [
            Issue(f"{s.entity}.{s.field}".rstrip("."), "needs_consent", _loss(s), f"consent to {s.id}") for s in without
        ]
        raise Conflict("Values would leave the records; consent is needed", issues, steps=[step.id for step in without])


def _loss(step: Step) -> str:
    what = "record" if step.kind == "drop_table" else "value"
    count = step.affected if step.lost is None else step.lost
    words = f"1 {what} leaves" if count == 1 else f"{count or 0} {what}s leave"
    return f"{step.description} {words} the records, kept until purged."


async def _lock_tables(store: Store, plan: Plan) -> None:
    """Keep others out of the tables that will change, so that what is counted now is still so when they do."""
    change = compare(plan.old, plan.new)
    names = {t.name for t in change.dropped} | {c.old.name for c in change.changed} | {*named(plan.carries)}
    if plan.restores:
        names |= {plan.old.tables[c.table].name for c in plan.restores.chains if c.table in plan.old.tables}
    if store.dialect.name == "postgresql" and names:  # SQLite has one writer anyway
        await store.execute(f"LOCK TABLE {', '.join(map(quote, sorted(names)))} IN ACCESS EXCLUSIVE MODE")


def _uncounted(_rows: int, _of: int) -> None:
    """Count for nobody."""


async def _perform(store: Store, operation: Operation, count: Callable[[int, int], None] = _uncounted) -> None:
    if isinstance(operation, Run):
        await store.execute(operation.sql)
    else:
        await fill_converted(store, operation, count)


async def _follow_renames(store: Store, plan: Plan, schema: Schema) -> None:
    """Let what names an entity or field in data follow its rename."""
    changed = compare(plan.old, plan.new).changed
    entities = {c.old.name: c.new.name for c in changed if c.moved}
    for table in schema.tables.values():
        for column in table.columns:
            if column.id.endswith(".entity") or (table.name, column.name) == ("xrm_change", "entity"):
                await _rename_values(store, table.name, column.name, entities)
    paths = {
        f"{c.old.name}.{old.name}": f"{c.new.name}.{new.name}"
        for c in changed
        for new in c.new.columns
        for old in c.old.columns
        if old.id == new.id and (c.moved or old.name != new.name)
    }
    await _rename_counters(store, paths)


async def _rename_counters(store: Store, pairs: dict[str, str]) -> None:
    """Give counters of auto-numbers their field's new name; those of a period have it before a slash."""
    for old, new in in_order(pairs):
        binder = Binder(store.dialect)
        changed, length = binder.bind(new, _TEXT), len(old)
        known, begins = binder.bind(old, _TEXT), binder.bind(f"{old}/", _TEXT)
        text = (
            f'UPDATE "xrm_sequence" SET "name" = {changed} || substr("name", {length + 1})'
            f' WHERE "name" = {known} OR substr("name", 1, {length + 1}) = {begins}'
        )
        await _drop_counters(store, new)
        await store.execute(text, binder.params)


async def _drop_counters(store: Store, name: str) -> None:
    """Drop what an earlier field of this name left behind: the name is free by now."""
    binder = Binder(store.dialect)
    known, begins = binder.bind(name, _TEXT), binder.bind(f"{name}/", _TEXT)
    where = f'"name" = {known} OR substr("name", 1, {len(name) + 1}) = {begins}'
    await store.execute(f'DELETE FROM "xrm_sequence" WHERE {where}', binder.params)


async def _rename_values(store: Store, table: str, column: str, pairs: dict[str, str]) -> None:
    name = quote(column)
    for old, new in in_order(pairs):
        binder = Binder(store.dialect)
        text = f"UPDATE {quote(table)} SET {name} = {binder.bind(new, _TEXT)} WHERE {name} = {binder.bind(old, _TEXT)}"
        await store.execute(text, binder.params)


def _generation(plan: Plan, schema: Schema, order: Order) -> Generation:
    return Generation(
        plan.base + 1,
        order.clock(),
        order.actor.id,
        order.actor.name,
        sources_hash(plan.sources),
        plan.sources,
        plan.ids,
        schema,
        tuple(step.to_dict() for step in plan.shown),
    )
