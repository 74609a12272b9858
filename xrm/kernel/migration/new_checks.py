"""Records that do not meet a check that is new: counted by the check's own SQL, before it is in force."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from xrm.errors import Issue
from xrm.kernel.expression import BOOL, ExpressionError
from xrm.kernel.expression import compile as compile_expression
from xrm.kernel.migration.ancestry import Ancestry
from xrm.kernel.migration.carry.names import Then
from xrm.kernel.migration.carry.ways import across
from xrm.kernel.migration.impact import SAMPLES
from xrm.kernel.paths import OwnScope, resolve, type_of
from xrm.kernel.store.sql import Binder, Statement, quote
from xrm.kernel.store.store import Store
from xrm.metadata.model import Check, Entity
from xrm.metadata.record_types import all_checks


async def broken_checks(
    store: Store, ancestry: Ancestry, carried: frozenset[tuple[str, str]], at: datetime
) -> tuple[Issue, ...]:
    """Return a warning for each new check that records do not meet.

    Args:
        store: The database, as it is before the plan.
        ancestry: Both models.
        carried: (entity, field) whose values the plan changes: what reads them cannot be told yet.
        at: What checks take for the current time.
    """
    issues: list[Issue] = []
    for before, entity, check in _new(ancestry):
        if (condition := _condition(ancestry, before, entity, check, carried)) is not None:
            sql = Binder(store.dialect)
            issues += await _counted(store, before, entity, check, sql.statement(condition.sql(sql, at)))
    return tuple(issues)


def _new(ancestry: Ancestry) -> Iterator[tuple[Entity, Entity, Check]]:
    for before, entity in ancestry.entities():
        known = {(check.when, check.require) for check in all_checks(before)}
        yield from ((before, entity, check) for check in all_checks(entity) if (check.when, check.require) not in known)


class _Condition:
    """The SQL of "this check is broken"."""

    def __init__(self, ancestry: Ancestry, entity: Entity, check: Check) -> None:
        self.model, self.entity, self.names = ancestry.after, entity, Then(ancestry)
        scope = OwnScope(ancestry.after, entity)
        self.require = compile_expression(check.require, scope, BOOL)
        self.when = compile_expression(check.when, scope, BOOL) if check.when else None

    @property
    def paths(self) -> frozenset[tuple[str, ...]]:
        return self.require.paths | (self.when.paths if self.when else frozenset())

    def sql(self, binder: Binder, at: datetime) -> str:
        when = f"({self.when.sql(binder, self._column, at)}) AND " if self.when else ""
        return f"{when}NOT ({self.require.sql(binder, self._column, at)})"

    def _column(self, path: tuple[str, ...]) -> str:
        found = resolve(self.model, self.entity, path)
        if found is None:
            raise LookupError(".".join(path))
        return across(found, self.entity, self.names, "t")


def _condition(
    ancestry: Ancestry, before: Entity, entity: Entity, check: Check, carried: frozenset[tuple[str, str]]
) -> _Condition | None:
    """Return what to count by, or None where it cannot be told from the records as they are."""
    try:
        condition = _Condition(ancestry, entity, check)
    except ExpressionError:
        return None  # a finding of the check of the files
    for path in condition.paths:
        field = entity.fields.get(path[0])
        known = ancestry.field(before, entity, field.name) if field is not None else None
        if field is None or known is None or field.virtual or (entity.name, field.name) in carried:
            return None
        if type_of(known) != type_of(field):
            return None
    return condition


async def _counted(store: Store, before: Entity, entity: Entity, check: Check, condition: Statement) -> list[Issue]:
    text = f'FROM {quote(before.name)} t WHERE t."deleted_at" IS NULL AND {condition.text}'
    rows = await store.fetch(f"SELECT count(*) {text}", condition.params)
    count = int(rows[0][0])
    if not count:
        return []
    named = await store.fetch(f'SELECT t."label" {text} ORDER BY t."id" LIMIT {SAMPLES}', condition.params)
    shown = ", ".join(repr(row[0]) for row in named)
    records = "1 record does" if count == 1 else f"{count} records do"
    message = f"{records} not meet the new check {check.message!r}: {shown}."
    place = str(check.origin) if check.origin.file else f"{entity.name}.checks"
    return [Issue(place, "breaks_check", message, "they stay, and must meet it when they are next changed", "warning")]
