"""All roles of a model, compiled on first use per (roles, entity, action)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from xrm.errors import Forbidden
from xrm.kernel.expression import Expression
from xrm.kernel.policy.moment import conditions, tag
from xrm.kernel.policy.rules import Access, Rule, Way, selected, visibility
from xrm.kernel.policy.shares import shared_rules
from xrm.metadata.model import Entity, Field, Grant, Model, When

if TYPE_CHECKING:
    from xrm.kernel.change import Actor

Compile = Callable[[Entity, str], Expression]


class Policy:
    """All roles of a model, compiled on first use per (roles, entity, action)."""

    def __init__(self, model: Model, compile: Compile) -> None:
        self._model = model
        self._compile = compile
        self._cache: dict[tuple[frozenset[str], str, str], Access | None] = {}
        self._granted: dict[tuple[frozenset[str], str, str], Access | None] = {}
        self.conditions = conditions(model)  # of the moment, that its grants make

    def access(self, actor: Actor, entity: str, action: str) -> Access | None:
        """Return what the actor may do, or None: for them the entity (or the action) does not exist."""
        key = (standing(actor), entity, action)
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
        held = [self._model.roles[role] for role in sorted(roles) if role in self._model.roles]
        numbers = [
            (role.name, n)
            for role in held
            for n, g in enumerate(role.grants)
            if _covers(g, name, action) and (g.when == NO_WHEN or tag(g.when) in roles)
        ]
        rules = [self._rule(roles, entity, action, number) for number in numbers]
        rules.extend(self._shared(roles, entity, action))
        return Access(entity, action, tuple(rules)) if rules else None

    def _rule(self, roles: frozenset[str], entity: Entity, action: str, number: tuple[str, int]) -> Rule:
        grant = self._model.roles[number[0]].grants[number[1]]
        where, check = (self._compile(entity, text) if text else None for text in (grant.where, grant.check))
        read, write = selected(entity, grant.read), selected(entity, grant.write)
        way = self._way(roles, entity.fields.get(grant.via), action) if grant.via else None
        limits = self._limits(roles, entity)
        return Rule(grant.scope, where, read, write, way, check, limits, grant.preset, number)

    def _limits(self, roles: frozenset[str], entity: Entity) -> tuple[Expression, ...]:
        """Return the restrictions of an entity that count for whoever has the roles."""
        return tuple(self._compile(entity, r.where) for r in entity.restrict if not roles.intersection(r.excepted))

    def _shared(self, roles: frozenset[str], entity: Entity, action: str) -> Iterator[Rule]:
        """Yield the rules of what is shared with whoever acts: restrictions hold for it as for anything."""
        shared = frozenset(name.removeprefix(SHARED) for name in roles if name.startswith(SHARED))
        if shared:
            limits = self._limits(roles, entity)
            yield from (replace(rule, limits=limits) for rule in shared_rules(entity, action, shared))

    def _way(self, roles: frozenset[str], relation: Field | None, action: str) -> Way:
        """Return what the record at the end of a relation must be given for: the same, or to be changed."""
        if relation is None or len(relation.to) != 1:
            return Way("id", None)
        asked = "update" if action in ("create", "import") or action.startswith("run:") else action
        return Way(relation.name, self._as_granted(roles, relation.to[0], asked))


def roles_key(actor: Actor) -> Any:
    """Return what statements are cached by: actors of the same roles share them."""
    return "system" if actor.is_system else standing(actor)


NO_WHEN = When()
SYSTEM_ROLE = "\0system"  # no role of a model can have this name
SHARED = "\0shared:"  # nor one that begins so: before what is shared with somebody


def standing(actor: Actor) -> frozenset[str]:
    """Return what an actor's rules are made of: their roles, and of which entities records are shared with them."""
    if actor.is_system:
        return frozenset({SYSTEM_ROLE})
    if not actor.shared and not actor.met:
        return actor.roles
    return actor.roles | {SHARED + name for name in actor.shared} | actor.met


def _covers(grant: Grant, entity: str, action: str) -> bool:
    if grant.entity not in (entity, "*"):
        return False
    return "*" in grant.actions or action in grant.actions or (action.startswith("run:") and "run:*" in grant.actions)
