"""Who may do what: roles → rules per (entity, action) → a row predicate and masked columns, as SQL.

There is no second path: lists, counts, filters, sorting, aggregates, labels, search, export and the checks before and
after a write all ask an `Access` of this module. Deny by default: without a grant an entity does not exist.

Semantics:
    * A row may be acted upon if one rule of the action holds for it (rules are OR-ed).
    * A field may be read on a row if one rule *that gives the field* holds for that row: rows of one rule and fields
      of another are never combined.
    * A computed field is given by a rule that gives all it is made of, unless it says ``as: system``. One that is kept
      and made of other records is given to whoever may read all of these records.
    * After a write the new row must still satisfy the rules of the action (like WITH CHECK in PostgreSQL).
"""

from __future__ import annotations

import string
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from xrm.errors import Forbidden
from xrm.kernel.expression import Expression
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.sql import Binder, Var, quote
from xrm.metadata.model import Entity, Grant, Model

if TYPE_CHECKING:
    from xrm.kernel.change import Actor

ACTIONS = ("read", "create", "update", "delete", "restore", "export", "import")
USER_ID = Var("user.id", ColumnType("uuid"))

Column = Callable[[tuple[str, ...]], str]
Compile = Callable[[Entity, str], Expression]


@dataclass(frozen=True, slots=True)
class Rule:
    """One grant, made ready for one entity."""

    scope: str  # all | own | team
    where: Expression | None
    read: frozenset[str]
    write: frozenset[str]

    @property
    def unconditional(self) -> bool:
        """Whether it holds for every row."""
        return self.scope == "all" and self.where is None


@dataclass(frozen=True, slots=True)
class Access:
    """What a set of roles may do with one entity by one action. At least one rule."""

    entity: Entity
    action: str
    rules: tuple[Rule, ...]

    @property
    def unconditional(self) -> bool:
        """Whether it holds for every row."""
        return any(rule.unconditional for rule in self.rules)

    def gives(self, name: str) -> tuple[Rule, ...] | None:
        """Return the rules under which field `name` may be read: () = on every permitted row, None = never."""
        giving = tuple(rule for rule in self.rules if name in rule.read)
        if not giving:
            return None
        everywhere = len(giving) == len(self.rules) or any(rule.unconditional for rule in giving)
        return () if everywhere else giving

    def readable(self) -> frozenset[str]:
        """Return the fields that may be read on at least some rows."""
        return frozenset().union(*(rule.read for rule in self.rules))

    def writable(self) -> frozenset[str]:
        """Return the fields that may be written on at least some rows."""
        return frozenset().union(*(rule.write for rule in self.rules))


def predicate(rules: tuple[Rule, ...], binder: Binder, alias: str, entity: Entity, column: Column) -> str:
    """Return the SQL condition "one of the rules holds", or empty when it always does."""
    if any(rule.unconditional for rule in rules):
        return ""
    return "(" + " OR ".join(_rule_sql(rule, binder, alias, entity, column) for rule in rules) + ")"


def _rule_sql(rule: Rule, binder: Binder, alias: str, entity: Entity, column: Column) -> str:
    parts = []
    if rule.scope != "all":
        parts.append(_scope_sql(rule.scope, binder, alias, entity))
    if rule.where is not None:
        parts.append(rule.where.sql(binder, column))
    return "(" + " AND ".join(parts) + ")"


def _scope_sql(scope: str, binder: Binder, alias: str, entity: Entity) -> str:
    owner = "id" if entity.name == "user" else "owner" if entity.owned else "created_by"
    mine = f"{alias}.{quote(owner)}"
    user = binder.bind(USER_ID, USER_ID.type)
    if scope == "own":
        return f"{mine} = {user}"
    return (
        f'({mine} = {user} OR {mine} IN (SELECT o."member" FROM "team_member" o WHERE o."deleted_at" IS NULL'
        f' AND o."team" IN (SELECT m."team" FROM "team_member" m'
        f' WHERE m."member" = {user} AND m."deleted_at" IS NULL)))'
    )


class Policy:
    """All roles of a model, compiled on first use per (roles, entity, action)."""

    def __init__(self, model: Model, compile: Compile) -> None:
        self._model = model
        self._compile = compile
        self._cache: dict[tuple[frozenset[str], str, str], Access | None] = {}
        self._granted: dict[tuple[frozenset[str], str, str], Access | None] = {}

    def access(self, actor: Actor, entity: str, action: str) -> Access | None:
        """Return what the actor may do, or None: for them the entity (or the action) does not exist."""
        roles = frozenset({SYSTEM_ROLE}) if actor.is_system else actor.roles
        key = (roles, entity, action)
        if key not in self._cache:
            self._cache[key] = self._build(*key)
        return self._cache[key]

    def may(self, actor: Actor, capability: str) -> bool:
        """Whether the actor holds a capability such as ``model.edit``."""
        held = {c for role in actor.roles if role in self._model.roles for c in self._model.roles[role].capabilities}
        return actor.is_system or "*" in held or capability in held

    def authorise(self, actor: Actor, capability: str) -> None:
        """Raise `Forbidden` unless the actor holds the capability."""
        if not self.may(actor, capability):
            raise Forbidden(f"This needs the right {capability!r}.")

    def entities(self, actor: Actor) -> tuple[Entity, ...]:
        """Return the entities the actor may read."""
        return tuple(e for e in self._model.entities.values() if self.access(actor, e.name, "read"))

    def _build(self, roles: frozenset[str], name: str, action: str) -> Access | None:
        """Return what is granted, a computed field only together with all that it is made of."""
        granted = self._as_granted(roles, name, action)
        if granted is None or SYSTEM_ROLE in roles:
            return granted
        made = [f for f in granted.entity.fields.values() if f.kind and f.sight == "reader"]
        hidden = {
            f.name
            for f in made
            if not all((self._entirely if f.stored else self._known)(roles, *part) for part in f.foreign)
        }
        rules = (
            replace(rule, read=rule.read - hidden - {f.name for f in made if not f.reads <= rule.read})
            for rule in granted.rules
        )
        return replace(granted, rules=tuple(rules)) if made else granted

    def _known(self, roles: frozenset[str], entity: str, field: str) -> bool:
        """Whether a field of another record may be read, on some rows at least."""
        access = self._as_granted(roles, entity, "read")
        return access is not None and visibility(access, field) is not None

    def _entirely(self, roles: frozenset[str], entity: str, field: str) -> bool:
        """Whether a field of another entity may be read on every record: what is kept is one value for everybody."""
        access = self._as_granted(roles, entity, "read")
        return access is not None and access.unconditional and visibility(access, field) == ()

    def _as_granted(self, roles: frozenset[str], name: str, action: str) -> Access | None:
        key = (roles, name, action)
        if key not in self._granted:
            self._granted[key] = self._of_grants(*key)
        return self._granted[key]

    def _of_grants(self, roles: frozenset[str], name: str, action: str) -> Access | None:
        entity = self._model.entity(name)
        if entity is None:
            return None
        if SYSTEM_ROLE in roles:
            return Access(entity, action, (Rule("all", None, frozenset(entity.fields), frozenset(entity.fields)),))
        grants = [g for r in sorted(roles) if r in self._model.roles for g in self._model.roles[r].grants]
        rules = tuple(self._rule(entity, g) for g in grants if _covers(g, name, action))
        return Access(entity, action, rules) if rules else None

    def _rule(self, entity: Entity, grant: Grant) -> Rule:
        where = self._compile(entity, grant.where) if grant.where else None
        return Rule(grant.scope, where, selected(entity, grant.read), selected(entity, grant.write))


def roles_key(actor: Actor) -> Any:
    """Return what statements are cached by: actors of the same roles share them."""
    return "system" if actor.is_system else actor.roles


SYSTEM_ROLE = "\0system"  # no role of a model can have this name


def _covers(grant: Grant, entity: str, action: str) -> bool:
    if grant.entity not in (entity, "*"):
        return False
    return "*" in grant.actions or action in grant.actions or (action.startswith("run:") and "run:*" in grant.actions)


def selected(entity: Entity, words: tuple[str, ...]) -> frozenset[str]:
    """Return the fields that field words name: "*", a class, "+field", "-field"; system fields are always readable.

    Fields of class ``secret`` are never in it unless named.
    """
    chosen = {f.name for f in entity.fields.values() if f.system}
    for word in words:
        if word.startswith("-"):
            chosen.discard(word[1:])
        elif word.startswith("+"):
            chosen.add(word[1:])
        else:
            chosen |= {
                f.name
                for f in entity.fields.values()
                if f.field_class == word or (word == "*" and f.field_class != "secret")
            }
    return frozenset(chosen & entity.fields.keys())


def label_fields(entity: Entity) -> tuple[str, ...]:
    """Return the fields an entity's label is made of."""
    parsed = (name for _, name, _, _ in string.Formatter().parse(entity.label) if name)
    return tuple(dict.fromkeys(part for name in parsed for part in name.split("|")))


def visibility(access: Access, name: str) -> tuple[Rule, ...] | None:
    """Return the rules under which column `name` may be shown, as `Access.gives` does.

    A label or search text is only as visible as the fields it was made of.
    """
    if name not in ("label", "search"):
        return access.gives(name)
    parts = label_fields(access.entity) if name == "label" else access.entity.search
    giving = tuple(rule for rule in access.rules if rule.read.issuperset(parts))
    if not giving:
        return None
    everywhere = len(giving) == len(access.rules) or any(rule.unconditional for rule in giving)
    return () if everywhere else giving
