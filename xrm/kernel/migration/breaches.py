"""Values that are there and break a rule that is new: a smaller range, a choice that is gone, text that is no e-mail.

They do not stop a change of the model: the database keeps what it has, and a record must fit when it is next written.
But whoever makes the rule should know how many there are, before and not after.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from xrm.errors import Issue
from xrm.kernel import values
from xrm.kernel.migration.impact import SAMPLES, scan
from xrm.kernel.migration.plan import Plan
from xrm.kernel.migration.retype import Unconvertible, convert, convertible
from xrm.kernel.store.schema import Column, Table
from xrm.kernel.store.store import Store
from xrm.kernel.values import Parsing, Refused
from xrm.metadata.model import Field, Model


async def breaches(store: Store, plan: Plan, before: Model, after: Model) -> tuple[Issue, ...]:
    """Return a warning for each field whose new rules some records do not meet.

    Args:
        store: The database, as it is before the plan.
        plan: From `before` to `after`.
        before: The model in force.
        after: The model that is planned.
    """
    issues = []
    for table, old, new, field in _narrowed(plan, before, after):
        count, samples = await _count(store, table, old, new, field)
        if count:
            issues.append(_issue(f"{plan.new.tables[table.id].name}.{field.name}", count, samples))
    return tuple(issues)


def _narrowed(plan: Plan, before: Model, after: Model) -> Iterator[tuple[Table, Column, Column, Field]]:
    """Yield the fields whose rules differ, with their table and column before, and their column after."""
    for id, table in plan.new.tables.items():
        old_table, entity = plan.old.tables.get(id), after.entities.get(table.name)
        old_entity = before.entities.get(old_table.name) if old_table else None
        if old_table is None or entity is None or old_entity is None:
            continue
        old_columns = {c.id: c for c in old_table.columns}
        for column in table.columns:
            field, old = entity.fields.get(column.name), old_columns.get(column.id)
            old_field = old_entity.fields.get(old.name) if old else None
            if old and field and old_field and not field.system and _rules(field) != _rules(old_field):
                yield old_table, old, column, field


def _rules(field: Field) -> tuple[Any, ...]:
    """Return what a value of the field must obey; relations are checked by their keys."""
    if field.type == "relation":
        return ()
    choices = frozenset(choice.name for choice in field.choices)
    return (field.type, field.min, field.max, field.pattern, field.precision, field.scale, choices)


async def _count(store: Store, table: Table, old: Column, new: Column, field: Field) -> tuple[int, list[str]]:
    key = next(c for c in table.columns if c.primary)
    count = 0
    samples: list[str] = []
    if not (old.type == new.type or convertible(old.type, new.type)):
        return 0, []
    async for page in scan(store, table.name, key, old.name, old.type):
        broken = [value for _, _, value in page if not _obeys(value, old, new, field)]
        count += len(broken)
        samples += [str(value) for value in broken[: SAMPLES - len(samples)]]
    return count, samples


def _obeys(value: Any, old: Column, new: Column, field: Field) -> bool:
    try:
        kept = value if old.type == new.type else convert(value, old.type, new.type)
        values.parse(field, values.to_json(kept), Parsing())
    except Unconvertible:  # that is a finding of its own
        return True
    except Refused:
        return False
    return True


def _issue(path: str, count: int, samples: list[str]) -> Issue:
    shown = ", ".join(repr(s if len(s) <= 40 else s[:39] + "…") for s in samples)
    records = "1 record does" if count == 1 else f"{count} records do"
    return Issue(
        path,
        "breaks_rule",
        f"{records} not meet the new rules of {path}: {shown}.",
        "they stay, and must be corrected when they are next changed",
        "warning",
    )
