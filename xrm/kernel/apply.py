"""A model is put in force: lock, DDL, data, journal, all in one transaction.

Whatever goes wrong on the way, a kill included, leaves the database as it was. Of many processes that apply the same
model at once one does the work; the others find it done. What the plan was shown with can be sealed by its hash:
then nothing is done if the world moved in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime

from xrm.errors import Conflict, Issue, ModelError
from xrm.kernel.change import Actor
from xrm.kernel.ddl import Convert, Operation, Run, in_order, operations
from xrm.kernel.diff import compare
from xrm.kernel.impact import assess, scan
from xrm.kernel.journal import Generation, current, sources_hash, write
from xrm.kernel.plan import Plan, Step, propose
from xrm.kernel.retype import convert
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.sql import Binder, quote
from xrm.kernel.store.store import Store
from xrm.kernel.values import Parsing
from xrm.metadata.model import Model

LOCK = "xrm.schema"  # the one that a schema transaction takes
_TEXT = ColumnType("text")

DataStep = Callable[[Generation | None, Generation], Awaitable[None]]
"""Work on records inside the transaction, after the tables changed: given the generation before and the new one."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What came of it: the generation in force, and the plan that was carried out (empty: nothing was to do)."""

    generation: Generation
    plan: Plan

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
        expected_hash: `Plan.hash` of the plan that was shown; empty = whatever the plan is now.
        data_step: What else belongs into the transaction (labels, stored formulas).
        parsing: How defaults are read (the site's currency).
        clock: Gives the time of the journal's row.

    Raises:
        ModelError: records stand in the way; each Issue says which and how many.
        Conflict: a destructive step lacks consent, or the plan is not the one that was shown.
        Unavailable: the database is busy; nothing was changed.
    """
    before = await current(store)
    plan = await asyncio.to_thread(propose, model, before, parsing)
    if plan.empty and before:
        _check_seal(plan, expected_hash)
        return Applied(before, plan)
    async with _transaction(store, plan):
        await store.lock(LOCK)
        sealed = bool(operations(plan.old, plan.new, store.dialect))
        before = await current(store)
        plan = await asyncio.to_thread(propose, model, before, parsing)
        _check_seal(plan, expected_hash)
        if plan.empty and before:
            return Applied(before, plan)
        todo = operations(plan.old, plan.new, store.dialect)
        if todo and not sealed:
            raise _moved()
        await _lock_tables(store, plan)
        plan = await assess(store, plan)
        _refuse(plan, consent)
        for operation in todo:
            await _perform(store, operation)
        await store.tables_changed()
        await _follow_renames(store, plan)
        generation = _generation(plan, actor, clock())
        await write(store, generation)
        if data_step is not None:
            await data_step(before, generation)
    await store.tables_changed()
    return Applied(generation, plan)


def _transaction(store: Store, plan: Plan) -> AbstractAsyncContextManager[None]:
    """Return the lighter transaction when no table changes: on SQLite the other one checks every reference."""
    if operations(plan.old, plan.new, store.dialect):
        return store.schema_transaction()
    return store.transaction()


def _check_seal(plan: Plan, expected: str) -> None:
    if expected and expected != plan.hash:
        raise _moved()


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
        raise Conflict("Values would be lost; consent is needed", issues, steps=[step.id for step in without])


def _loss(step: Step) -> str:
    what = "records" if step.kind == "drop_table" else "values"
    return f"{step.description} {step.affected or 0} {what} would be lost."


async def _lock_tables(store: Store, plan: Plan) -> None:
    """Keep others out of the tables that will change, so that what is counted now is still so when they do."""
    change = compare(plan.old, plan.new)
    names = sorted([t.name for t in change.dropped] + [c.old.name for c in change.changed])
    if store.dialect.name == "postgresql" and names:  # SQLite has one writer anyway
        await store.execute(f"LOCK TABLE {', '.join(map(quote, names))} IN ACCESS EXCLUSIVE MODE")


async def _perform(store: Store, operation: Operation) -> None:
    if isinstance(operation, Run):
        await store.execute(operation.sql)
    else:
        await _convert(store, operation)


async def _convert(store: Store, what: Convert) -> None:
    dialect = store.dialect
    value, key = dialect.placeholder(1, what.new), dialect.placeholder(2, what.key.type)
    sql = f"UPDATE {quote(what.table)} SET {quote(what.target)} = {value} WHERE {quote(what.key.name)} = {key}"
    async for page in scan(store, what.table, what.key, what.source, what.old):
        rows = [(dialect.encode(what.new, convert(cell, what.old, what.new)), id) for id, _, cell in page]
        await store.execute_many(sql, rows)


async def _follow_renames(store: Store, plan: Plan) -> None:
    """Let what names an entity or field in data follow its rename."""
    changed = compare(plan.old, plan.new).changed
    entities = {c.old.name: c.new.name for c in changed if c.moved}
    for table in plan.new.tables.values():
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
    await _rename_values(store, "xrm_sequence", "name", paths)


async def _rename_values(store: Store, table: str, column: str, pairs: dict[str, str]) -> None:
    name = quote(column)
    for old, new in in_order(pairs):
        binder = Binder(store.dialect)
        text = f"UPDATE {quote(table)} SET {name} = {binder.bind(new, _TEXT)} WHERE {name} = {binder.bind(old, _TEXT)}"
        await store.execute(text, binder.params)


def _generation(plan: Plan, actor: Actor, at: datetime) -> Generation:
    return Generation(
        plan.base + 1,
        at,
        actor.id,
        actor.name,
        sources_hash(plan.sources),
        plan.sources,
        plan.ids,
        plan.new,
        tuple(step.to_dict() for step in plan.shown),
    )
