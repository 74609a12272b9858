"""Records found by the values of a unique key, whatever its kind, as one actor may see them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xrm.errors import Issue
from xrm.kernel.change import Actor
from xrm.kernel.expression import compile as compile_expression
from xrm.kernel.expression import types
from xrm.kernel.live import Live
from xrm.kernel.paths import OwnScope
from xrm.kernel.policy import visibility
from xrm.kernel.store.folding import fold
from xrm.kernel.store.sql import Binder, Statement, Var, quote
from xrm.kernel.values import Lookup, Refused, columns, parse
from xrm.kernel.visible import Visible
from xrm.metadata.model import Entity, Field, Key


def readable_key(live: Live, actor: Actor, entity: Entity, names: tuple[str, ...]) -> Key | Issue:
    """Return the key of exactly these fields; an Issue where there is none the actor may read."""
    access = live.policy.access(actor, entity.name, "read")
    for name in names:
        if access is None or name not in entity.fields or visibility(access, name) is None:
            return Issue(name, "unknown_field", f"{entity.name} has no field {name!r}.")
    key = entity.key(names)
    if key is None or any(entity.fields[name].polymorphic for name in names):
        titles = " and ".join(entity.fields[name].title for name in names)
        return Issue(names[0], "not_unique_key", f"{titles} does not tell records apart.", "use the id or a unique key")
    return key


def key_values(live: Live, entity: Entity, given: Mapping[str, Any]) -> dict[str, Any] | Issue:
    """Return the Python values of a key's JSON values; a relation may still be a `Lookup`."""
    found: dict[str, Any] = {}
    for name, value in given.items():
        try:
            found[name] = parse(entity.fields[name], value, live.parsing)
        except Refused as refused:
            return refused.issue(name)
    return found


def variables(entity: Entity, key: Key, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the Vars of `key_statement`."""
    return {f"key.{name}": _compared(entity.fields[name], key, values.get(name)) for name in key.fields}


def _compared(field: Field, key: Key, value: Any) -> Any:
    if isinstance(value, Lookup):
        raise TypeError("a relation by key must be looked up first")
    plain = getattr(value, "leading", value)
    return fold(plain) if _folded(field, key) and isinstance(plain, str) else plain


def _folded(field: Field, key: Key) -> bool:
    return bool(key.ignore) and columns(field)[0].type.name == "text"


def key_statement(live: Live, actor: Actor, entity: Entity, key: Key) -> Statement:
    """Return the statement that finds the record the actor may read by a key, given as the Vars ``key.<field>``."""
    binder = Binder(live.dialect)
    visible = Visible(live, actor, binder)
    where = ['t."deleted_at" IS NULL', visible.joined(entity, "t", 't."id"')]
    for name in key.fields:
        kind = columns(entity.fields[name])[0].type
        shown = visible.path(entity, "t", (name,))
        shown = live.dialect.fold(shown) if _folded(entity.fields[name], key) else shown
        where.append(f"{shown} = {binder.bind(Var(f'key.{name}', kind), kind)}")
    if key.where:
        condition = compile_expression(key.where, OwnScope(live.model, entity), types.BOOL)
        trusted = visible.trusted()
        where.append(condition.sql(binder, lambda path: trusted.path(entity, "t", path)))
    return binder.statement(f'SELECT t."id" FROM {quote(entity.name)} t WHERE {" AND ".join(where)} LIMIT 2')
