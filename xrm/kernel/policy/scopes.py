"""Rules as SQL conditions over a row. Hierarchies are walked: docs/adr/0009-hierarchies-are-walked.md."""

from __future__ import annotations

from typing import Protocol

from xrm.kernel.policy.rules import Rule, Way
from xrm.kernel.policy.shares import least, shared_sql
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.sql import Binder, Var, quote
from xrm.metadata.model import Entity

USER_ID = Var("user.id", ColumnType("uuid"))
USER_UNIT = Var("user.unit", ColumnType("uuid"))


class Eyes(Protocol):
    """Gives the SQL of field paths, as the system sees them: what conditions are made of."""

    binder: Binder

    def path(self, entity: Entity, alias: str, path: tuple[str, ...]) -> str:
        """Return the SQL of a field path."""

    def alias(self) -> str:
        """Return a name no other part of the statement has."""


def predicate(rules: tuple[Rule, ...], eyes: Eyes, alias: str, entity: Entity) -> str:
    """Return the SQL condition "one of the rules holds", or empty when it always does."""
    if any(rule.unconditional for rule in rules):
        return ""
    return "(" + " OR ".join(_rule_sql(rule, eyes, alias, entity) for rule in least(rules)) + ")"


def checked(rules: tuple[Rule, ...], eyes: Eyes, alias: str, entity: Entity) -> str:
    """Return the SQL condition "one of the rules holds, with what it demands of a record after a write"."""
    return "(" + " OR ".join(_checked_sql(rule, eyes, alias, entity) for rule in least(rules)) + ")"


def _checked_sql(rule: Rule, eyes: Eyes, alias: str, entity: Entity) -> str:
    held = _rule_sql(rule, eyes, alias, entity)
    if rule.check is None:
        return held
    return f"({held} AND {rule.check.sql(eyes.binder, lambda path: eyes.path(entity, alias, path))})"


def _rule_sql(rule: Rule, eyes: Eyes, alias: str, entity: Entity) -> str:
    parts = []
    if rule.share is not None:
        parts.append(shared_sql(rule.share, eyes, alias, entity))
    elif rule.scope != "all":
        parts.append(_scope_sql(rule.scope, eyes.binder, alias, entity))
    if rule.via is not None:
        parts.append(_via_sql(rule.via, eyes, alias))
    if rule.where is not None:
        parts.append(rule.where.sql(eyes.binder, lambda path: eyes.path(entity, alias, path)))
    parts.extend(limit.sql(eyes.binder, lambda path: eyes.path(entity, alias, path)) for limit in rule.limits)
    return "(" + (" AND ".join(parts) or "1 = 1") + ")"


def _via_sql(way: Way, eyes: Eyes, alias: str) -> str:
    """Return the condition that the record a relation leads to is given, and not in the trash."""
    if way.access is None:
        return "1 = 0"
    target, inner = way.access.entity, eyes.alias()
    rows = predicate(way.access.rules, eyes, inner, target)
    given = f'{inner}."deleted_at" IS NULL' + (f" AND {rows}" if rows else "")
    return f'{alias}.{quote(way.field)} IN (SELECT {inner}."id" FROM {quote(target.name)} {inner} WHERE {given})'


def owner_column(entity: Entity) -> str:
    """Return the column that says whose a record is."""
    return "id" if entity.name == "user" else "owner" if entity.owned else "created_by"


def _scope_sql(scope: str, binder: Binder, alias: str, entity: Entity) -> str:
    if scope in ("unit", "unit_tree"):
        return _unit_sql(scope, binder.bind(USER_UNIT, USER_UNIT.type), alias, entity)
    mine = f"{alias}.{quote(owner_column(entity))}"
    user = binder.bind(USER_ID, USER_ID.type)
    if scope == "own":
        return f"{mine} = {user}"
    if scope == "managed":
        return f"{mine} IN ({_below('user', 'manager', user)})"
    return (
        f'({mine} = {user} OR {mine} IN (SELECT o."member" FROM "team_member" o WHERE o."deleted_at" IS NULL'
        f' AND o."team" IN (SELECT m."team" FROM "team_member" m'
        f' WHERE m."member" = {user} AND m."deleted_at" IS NULL)))'
    )


def _unit_sql(scope: str, unit: str, alias: str, entity: Entity) -> str:
    """Return the condition that a record is of the actor's unit, or of one below; else of somebody of that unit."""
    units = f"SELECT {unit}" if scope == "unit" else _below("unit", "parent", unit)
    field = entity.fields.get("unit")
    if entity.name == "unit":
        return f'{alias}."id" IN ({units})'
    if field is not None and field.to == ("unit",) and field.through is None and not field.kind:
        return f'{alias}."unit" IN ({units})'
    people = f'SELECT u."id" FROM "user" u WHERE u."unit" IN ({units})'
    return f"{alias}.{quote(owner_column(entity))} IN ({people})"


def _below(table: str, above: str, top: str) -> str:
    """Return the statement of the id `top` and all ids below it, walked down by an index, once per statement."""
    return (
        f'WITH RECURSIVE w("id") AS (SELECT {top} WHERE {top} IS NOT NULL UNION SELECT c."id" FROM w'
        f' JOIN {quote(table)} c ON c.{quote(above)} = w."id" WHERE c."deleted_at" IS NULL) SELECT w."id" FROM w'
    )
