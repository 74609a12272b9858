"""Shares: one record given to a person or a team, as rules beside those of the roles.

A share has a level, which says what may be done with the record, and may name fields; one that names none gives the
public and internal ones. What a share gives stays with it, as what a grant gives stays with its rows: a field that only
one share names is withheld on the records of the others.

Whether somebody has shares is known with who they are (`Actor.shared`): the statements of those who have none are as if
there were no shares at all. The shares themselves are part of each statement, so one that ended gives nothing more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from xrm.kernel.policy.rules import Rule, Shared, label_fields, selected
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.sql import Binder, Var
from xrm.metadata.model import Entity

SHARE = "share"  # the entity whose records they are
SHARED_RECORD = (SHARE, "record")  # the entity and field that name the record
LEVELS: Mapping[str, tuple[str, ...]] = {
    "read": ("read",),
    "update": ("read", "update"),
    "full": ("read", "update", "delete", "share"),
}
CLASSES = ("public", "internal")  # what a share gives that names no fields
NAMING = "+"  # behind the name of an entity of which somebody has shares that name fields
_TEXT, _DATETIME, _UUID = ColumnType("text"), ColumnType("datetime"), ColumnType("uuid")
_NOW, _USER = Var("now", _DATETIME), Var("user.id", _UUID)


class _Statement(Protocol):
    binder: Binder


def shared_rules(entity: Entity, action: str, shared: frozenset[str]) -> Iterator[Rule]:
    """Yield the rules of the shares of somebody who has some of these entities, of which some may name fields."""
    levels = tuple(level for level, actions in LEVELS.items() if action in actions)
    naming = entity.name + NAMING in shared
    if not levels or not (naming or entity.name in shared):
        return
    usual = selected(entity, CLASSES)
    yield Rule("shared", None, usual, usual, share=Shared(levels, ()))
    if naming:
        yield from _naming(entity, levels)


def _naming(entity: Entity, levels: tuple[str, ...]) -> Iterator[Rule]:
    """Yield the rules of shares that name fields: the record itself, each field, and what is made of several."""
    system = selected(entity, ())
    yield Rule("shared", None, system, frozenset(), share=Shared(levels, None))
    for name in sorted(selected(entity, ("*",)) - system):
        yield Rule("shared", None, system | {name}, frozenset({name}), share=Shared(levels, (name,)))
    for parts in {label_fields(entity), tuple(entity.search)}:
        names = tuple(name for name in parts if name not in system)
        if len(names) > 1 and selected(entity, ("*",)).issuperset(names):
            yield Rule("shared", None, system | set(names), frozenset(), share=Shared(levels, names))


def least(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """Return the rules without those of shares that another one holds wherever they do."""
    if not any(rule.share is not None and rule.share.fields is None for rule in rules):
        return rules
    return tuple(rule for rule in rules if rule.share is None or rule.share.fields is None)


def shared_sql(share: Shared, eyes: _Statement, alias: str, entity: Entity) -> str:
    """Return the condition that a record is shared with the actor, or with a team of theirs, and still is."""
    bind = eyes.binder.bind
    teams = f'SELECT m."team" FROM "team_member" m WHERE m."member" = {bind(_USER, _UUID)} AND m."deleted_at" IS NULL'
    common = [
        f's."record_entity" = {bind(entity.name, _TEXT)}',
        's."deleted_at" IS NULL',
        f'(s."expires_at" IS NULL OR s."expires_at" > {bind(_NOW, _DATETIME)})',
        f's."level" IN ({", ".join(bind(level, _TEXT) for level in share.levels)})',
        *_fields_sql(share, eyes.binder),
    ]
    to_me, to_us = f's."person" = {bind(_USER, _UUID)}', f's."team" IN ({teams})'
    parts = (f'SELECT s."record" FROM "share" s WHERE {" AND ".join([to, *common])}' for to in (to_me, to_us))
    return f'{alias}."id" IN ({" UNION ALL ".join(parts)})'  # each by its own index


def _fields_sql(share: Shared, binder: Binder) -> Iterator[str]:
    if share.fields == ():
        yield no_fields("s", binder.dialect)
    for name in share.fields or ():
        named: Any = binder.bind(name, _TEXT)
        if binder.dialect.name == "sqlite":
            yield f'EXISTS (SELECT 1 FROM json_each(s."fields") j WHERE j."value" = {named})'
        else:
            yield f'{named} = ANY(s."fields")'


def no_fields(alias: str, dialect: Any) -> str:
    """Return the condition that a share names no fields."""
    size = "json_array_length" if dialect.name == "sqlite" else "cardinality"
    return f'COALESCE({size}({alias}."fields"), 0) = 0'
