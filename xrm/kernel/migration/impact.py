"""What a plan would do to the records that are there: counted, before anything is touched.

`assess` gives each step its numbers and adds a finding for whatever stands in the way. It reads only. `apply` calls it
again under its lock, so that what it decides on is still so when it acts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from xrm.errors import Issue
from xrm.kernel.conditions import sql
from xrm.kernel.migration.carry.find import Carry
from xrm.kernel.migration.carry.links import count_links
from xrm.kernel.migration.carry.words import HINTS
from xrm.kernel.migration.carry.work import Tally, survey, twins
from xrm.kernel.migration.circles import in_circles
from xrm.kernel.migration.direct import direct
from xrm.kernel.migration.journal import table_names
from xrm.kernel.migration.physical import base_id
from xrm.kernel.migration.plan import COPY, DESTRUCTIVE, Plan, Step, belongs
from xrm.kernel.migration.retype import Unconvertible, convert, convertible
from xrm.kernel.store.schema import Column, ColumnType, ForeignKey, Index, Table
from xrm.kernel.store.sql import quote
from xrm.kernel.store.store import Store

PAGE = 1000  # records read at a time
SAMPLES = 3


async def assess(store: Store, plan: Plan) -> Plan:
    """Return the plan with the numbers of the live database, and with what blocks it among its issues."""
    assessor = _Assessor(store, plan, await table_names(store))
    steps = [await assessor.carried(await assessor.step(step)) for step in plan.steps]
    circles = [found for circle in plan.circles if (found := await in_circles(store, circle)) is not None]
    return dataclasses.replace(plan, steps=tuple(steps), issues=(*plan.issues, *assessor.issues, *circles))


async def scan(
    store: Store, table: str, key: Column, column: str, type: ColumnType, where: str = ""
) -> AsyncIterator[list[Any]]:
    """Yield the values of a column that are not null, in pages of (stored key, stored value, value).

    `where` is SQL of a further condition.
    """
    decode = store.dialect.decode(type) or (lambda stored: stored)
    known: Sequence[Any] = ()
    after = where = f" AND ({where})" if where else ""
    while True:
        rows = await store.fetch(
            f"SELECT {quote(key.name)}, {quote(column)} FROM {quote(table)} WHERE {quote(column)} IS NOT NULL{after}"
            f" ORDER BY {quote(key.name)} LIMIT {PAGE}",
            known,
        )
        if rows:
            yield [(row[0], row[1], decode(row[1])) for row in rows]
        if len(rows) < PAGE:
            return
        known = [rows[-1][0]]
        after = f"{where} AND {quote(key.name)} > {store.dialect.placeholder(1, key.type)}"


@dataclass
class _Assessor:
    """Counts for one plan. SQL here speaks of the database as it is: old names, old columns."""

    store: Store
    plan: Plan
    names: frozenset[str]
    issues: list[Issue] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    async def step(self, step: Step) -> Step:
        """Return the step with its numbers."""
        if step.kind == "create_table":
            self._refuse_foreign(step)
            return dataclasses.replace(step, rows=0, affected=0)
        rows = await self._rows(step.table)
        if step.kind == "rename_table":
            self._refuse_foreign(step)
        counted = {
            "add_field": self._added,
            "require": self._required,
            "change_type": self._retyped,
            "add_unique": self._unique,
            "add_key": self._key,
            "drop_field": self._lost,
            "change_on_delete": self._lost,
            COPY: self._linked,
        }.get(step.kind)
        if step.kind == "drop_table":
            return dataclasses.replace(step, rows=rows, affected=rows)
        affected, samples = await counted(step) if counted else (0, [])
        return dataclasses.replace(step, rows=rows, affected=affected, samples=tuple(samples))

    async def carried(self, step: Step) -> Step:
        """Return the step with the numbers of what is carried by it."""
        carry = next((c for c in self.plan.carries if belongs(step, c)), None)
        if carry is None:
            return step
        tally = await survey(self.store, carry)
        self._refuse_carry(step, carry, tally)
        lost = tally.lost - tally.refused
        severity = DESTRUCTIVE if lost else step.severity
        affected, samples = tally.given + tally.lost, tuple(tally.samples)
        return dataclasses.replace(step, affected=affected, samples=samples, lost=lost or None, severity=severity)

    def _refuse_carry(self, step: Step, carry: Carry, tally: Tally) -> None:
        if tally.refused:
            shown = ", ".join(repr(_short(sample)) for sample in tally.samples)
            message = f"{_records(tally.refused)} {_UNFIT[carry.code]}{f', like {shown}' if shown else ''}."
            self._block(step, carry.code, message, HINTS[carry.code])
        column = carry.columns[0]
        if tally.empty - tally.refused > 0 and not column.null and column.default is None:
            self._needs_value(step, tally.empty - tally.refused)

    # --- one kind of step each: (affected, samples)

    def _refuse_foreign(self, step: Step) -> None:
        ours = {table.name for table in self.plan.old.tables.values()}
        if step.entity in self.names - ours:
            self._block(
                step,
                "table_exists",
                f"The database has a table {step.entity} that xrm did not make.",
                "use a database, or a PostgreSQL schema, of its own",
            )

    async def _added(self, step: Step) -> tuple[int, list[str]]:
        rows = await self._rows(step.table)
        columns = [c for c in self._new_columns(step) if self._old(step, c.id) is None]
        for column in columns:
            if column.taken:
                continue
            if not column.null and _fill(column) is None and rows:
                self._needs_value(step, rows)
                break
            if not column.null and (empty := await self._without_base(step, column)):
                self._needs_value(step, empty)
                break
        return (rows if any(_fill(c) is not None for c in columns) else 0), []

    async def _without_base(self, step: Step, column: Column) -> int:
        """Return for how many rows a field that gets a second column has no value so far."""
        base = self._old(step, base_id(column.id))
        return 0 if base is None or base.id == column.id else await self._empty(step, [base])

    async def _required(self, step: Step) -> tuple[int, list[str]]:
        old = [(self._old(step, c.id), c) for c in self._new_columns(step)]
        tightened = [(a, b) for a, b in old if a is not None and a.null and not b.null]
        unfilled = [a for a, b in tightened if _fill(b) is None and not b.taken]
        if unfilled and (empty := await self._empty(step, unfilled)):
            self._needs_value(step, empty)
        return await self._empty(step, [a for a, _ in tightened]), []

    async def _retyped(self, step: Step) -> tuple[int, list[str]]:
        values = bad = 0
        samples: list[str] = []
        for new in self._new_columns(step):
            old = self._old(step, new.id)
            if old is None or new.taken or old.type == new.type or not convertible(old.type, new.type):
                continue
            async for page in self._doubtful(step, old, new):
                refused = [str(stored) for _, stored, value in page if not _fits(value, old.type, new.type)]
                bad += len(refused)
                samples += refused[: SAMPLES - len(samples)]
            values += await self._count(f"SELECT count({quote(old.name)}) FROM {quote(self._table(step).name)}")
        if bad:
            shown = ", ".join(repr(_short(sample)) for sample in samples)
            self._block(
                step,
                "cannot_convert",
                f"{_records(bad)} cannot be converted, like {shown}.",
                "correct these values first, or give the new field another name",
            )
        return values, samples

    def _doubtful(self, step: Step, old: Column, new: Column) -> AsyncIterator[list[Any]]:
        """Return pages of values that may have no equal in the new type; see `scan`."""
        by_itself = direct(self.store.dialect, old.type, new.type, quote(old.name))
        where = "" if by_itself is None else by_itself.unfit or "1 = 0"
        return scan(self.store, self._table(step).name, _key(self._table(step)), old.name, old.type, where)

    async def _unique(self, step: Step) -> tuple[int, list[str]]:
        table, index = self._table(step), self._index(step)
        carry = next((c for c in self.plan.carries if (c.table, c.base) == (step.table, index.columns[0])), None)
        if carry is not None and len(index.columns) == 1 and not index.where:
            alike = await twins(self.store, carry, live=index.live, folded=bool(index.ignore))
            return self._shared(step, alike.count, alike.samples)
        terms = [self._unique_term(step, index, id) for id in index.columns]
        if any(term == "NULL" for term in terms):
            return 0, []
        live = next((c for c in table.columns if c.id == "deleted_at"), None) if index.live else None
        where = [f"{term} IS NOT NULL" for term in terms] + ([f"{quote(live.name)} IS NULL"] if live else [])
        if index.where:
            types = {c.id: c.type for c in self.plan.new.tables[step.table].columns}
            where.append(sql(index.where, self.store.dialect, lambda id: (self._term(step, id), types[id])))
        listed = ", ".join(terms)
        inner = (
            f"SELECT {listed}, count(*) AS xrm_count FROM {quote(table.name)} WHERE {' AND '.join(where)}"
            f" GROUP BY {', '.join(str(n + 1) for n in range(len(terms)))} HAVING count(*) > 1"
        )
        found = await self.store.fetch(f"SELECT sum(xrm_count) FROM ({inner}) AS xrm_twins")
        count = int(found[0][0] or 0)
        if not count:
            return 0, []
        rows = await self.store.fetch(f"{inner} ORDER BY xrm_count DESC LIMIT {SAMPLES}")
        samples = [", ".join(str(cell) for cell in row[:-1]) for row in rows]
        return self._shared(step, count, samples)

    def _shared(self, step: Step, count: int, samples: list[str]) -> tuple[int, list[str]]:
        if count:
            shown = "; ".join(_short(sample) for sample in samples)
            message = f"{_records(count)} share their value with another, like {shown}."
            self._block(step, "not_unique", message, "correct or merge them first")
        return count, samples

    def _unique_term(self, step: Step, index: Index, id: str) -> str:
        term, column = self._term(step, id), next(c for c in self.plan.new.tables[step.table].columns if c.id == id)
        folded = index.ignore and column.type.name == "text" and term != "NULL"
        return self.store.dialect.fold(term) if folded else term

    def _term(self, step: Step, id: str) -> str:
        """Return SQL for what a column will hold after the plan's fills; as text, if its type changes."""
        old, new = self._old(step, id), next(c for c in self.plan.new.tables[step.table].columns if c.id == id)
        filled = _fill(new) is not None and (old is None or (old.null and not new.null))
        literal = self.store.dialect.literal(_fill(new), new.type) if filled else "NULL"
        if old is None:
            return literal
        name = quote(old.name)
        if old.type != new.type:
            name, literal = f"CAST({name} AS text)", f"CAST({literal} AS text)"
        return f"COALESCE({name}, {literal})" if filled else name

    async def _key(self, step: Step) -> tuple[int, list[str]]:
        key = self._foreign_key(step)
        table, column = self._table(step), self._old(step, key.column)
        target = self.plan.old.tables.get(key.table)
        if column is None or self._taken(step, key.column):
            return 0, []
        here, where = f"xrm_this.{quote(column.name)}", ""
        if target is not None:
            there = f"xrm_that.{quote(_key(target).name)}"
            if column.type != _key(target).type:
                here, there = f"CAST({here} AS text)", f"CAST({there} AS text)"
            where = f" AND NOT EXISTS (SELECT 1 FROM {quote(target.name)} AS xrm_that WHERE {there} = {here})"
        lost = await self._count(
            f"SELECT count(*) FROM {quote(table.name)} AS xrm_this"
            f" WHERE xrm_this.{quote(column.name)} IS NOT NULL{where}"
        )
        if lost:
            name = self.plan.new.tables[key.table].name
            self._block(
                step,
                "dangling",
                f"{_records(lost)} point to a {name} that does not exist.",
                "correct or empty these values first",
            )
        return lost, []

    async def _lost(self, step: Step) -> tuple[int, list[str]]:
        column = self._old(step, step.target)
        rows = await self._rows(step.table)
        return (0 if column is None else rows - await self._empty(step, [column])), []

    async def _linked(self, step: Step) -> tuple[int, list[str]]:
        copy = next(c for c in self.plan.links if (c.table, c.base) == (step.table, step.target))
        return await count_links(self.store, copy), []

    # --- the plan's parts

    def _table(self, step: Step) -> Table:
        return self.plan.old.tables[step.table]

    def _old(self, step: Step, id: str) -> Column | None:
        return next((c for c in self._table(step).columns if c.id == id), None)

    def _taken(self, step: Step, id: str) -> bool:
        return any(c.id == id and c.taken for c in self.plan.new.tables[step.table].columns)

    def _new_columns(self, step: Step) -> list[Column]:
        """Return the columns of the step's field after the plan."""
        base = base_id(step.target)
        return [c for c in self.plan.new.tables[step.table].columns if base_id(c.id) == base]

    def _index(self, step: Step) -> Index:
        return next(i for i in self.plan.new.tables[step.table].indexes if i.id == step.target)

    def _foreign_key(self, step: Step) -> ForeignKey:
        return next(k for k in self.plan.new.tables[step.table].foreign_keys if k.id == step.target)

    # --- counting

    async def _rows(self, id: str) -> int:
        if id not in self.counts:
            name = self.plan.old.tables[id].name
            self.counts[id] = await self._count(f"SELECT count(*) FROM {quote(name)}")
        return self.counts[id]

    async def _empty(self, step: Step, columns: Sequence[Column]) -> int:
        """Return how many rows have no value in one of the columns."""
        where = " OR ".join(f"{quote(c.name)} IS NULL" for c in columns) or "1 = 0"
        return await self._count(f"SELECT count(*) FROM {quote(self._table(step).name)} WHERE {where}")

    async def _count(self, sql: str) -> int:
        return int((await self.store.fetch(sql))[0][0])

    def _needs_value(self, step: Step, rows: int) -> None:
        self._block(step, "needs_value", f"{_records(rows)} would have no value.", "give the field a `backfill:`")

    def _block(self, step: Step, code: str, message: str, hint: str) -> None:
        path = f"{step.entity}.{step.field}" if step.field else step.entity
        self.issues.append(Issue(path, code, message, hint))


_UNFIT = MappingProxyType(
    {
        "not_a_choice": "have a value that is none of the choices",
        "no_such_record": "have a value that names no record, or several",
        "points_elsewhere": "point to a record that it may no longer point to",
        "values_differ": "would get one of several different values",
        "cannot_convert": "cannot be converted",
    }
)


def _fill(column: Column) -> Any:
    return column.backfill if column.backfill is not None else column.default


def _key(table: Table) -> Column:
    return next(c for c in table.columns if c.primary)


def _fits(value: Any, old: ColumnType, new: ColumnType) -> bool:
    if value is None:  # a damaged cell; only in JSON is null a value
        return old.name == "json"
    try:
        convert(value, old, new)
    except Unconvertible:
        return False
    return True


def _records(count: int) -> str:
    return "1 record" if count == 1 else f"{count} records"


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"
