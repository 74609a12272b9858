"""Field paths and rows as one actor may see them, as SQL: the masked columns of the policy.

A raw column reaches a statement here or nowhere. `Visible` is made per statement; the statement is cached per set of
roles, since what differs between two actors of the same roles is a `Var`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from xrm.kernel import labels
from xrm.kernel.change import SYSTEM, Actor
from xrm.kernel.computed.sql import computed
from xrm.kernel.expression.types import COUNT, UNDER, Type
from xrm.kernel.paths import USER, Path, RecordScope, inverse, resolve
from xrm.kernel.policy import USER_ID, Access, Rule, checked, least, predicate, visibility
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.sql import Binder, Var, quote
from xrm.metadata.model import Entity, Field, Inverse

if TYPE_CHECKING:
    from xrm.kernel.live import Live

TEXT = ColumnType("text")


@dataclass(frozen=True, slots=True)
class ReadableScope:
    """What the actor may name: a field they may never read is as unknown as one that does not exist."""

    live: Live
    entity: Entity
    actor: Actor

    def type_of(self, path: tuple[str, ...]) -> Type | None:
        """Return the type of what `path` names, or None."""
        end = inverse(self.live.model, self.entity, path)
        if end is not None and not _listed(self.live, self.actor, end):
            return None
        found = resolve(self.live.model, self.entity, path)
        if found is not None and not readable(self.live, self.actor, self.entity, found):
            return None
        return RecordScope(self.live.model, self.entity).type_of(path)

    def hierarchy(self, path: tuple[str, ...]) -> tuple[str, str] | None:
        """Return the entity of the record at `path`, and its relation to the record above it; None without one."""
        found = RecordScope(self.live.model, self.entity).hierarchy(path)
        access = self.live.policy.access(self.actor, found[0], "read") if found else None
        return found if found and access and visibility(access, found[1]) is not None else None

    def parts(self, path: tuple[str, ...]) -> tuple[str, ...]:
        """Return the parts of which any makes a value of several."""
        return RecordScope(self.live.model, self.entity).parts(path)

    def names(self) -> Iterable[str]:
        """Return the names to suggest when one is mistyped."""
        names = RecordScope(self.live.model, self.entity).names()
        return tuple(n for n in names if n.startswith("user.") or self.type_of((n,)))


def readable(live: Live, actor: Actor, entity: Entity, path: Path) -> bool:
    """Whether the actor may read every field on a path, on some rows at least."""
    start = entity
    for relation, target in path.hops:
        access = live.policy.access(actor, start.name, "read")
        if access is None or visibility(access, relation.name) is None:
            return False
        start = target
    access = live.policy.access(actor, start.name, "read")
    if access is None or visibility(access, path.field.name) is None:
        return False
    return path.field.through is None or linking(live, actor, path.field) is not None


def _listed(live: Live, actor: Actor, end: Inverse) -> bool:
    access = live.policy.access(actor, end.entity, "read")
    return access is not None and visibility(access, end.field) is not None


def linking(live: Live, actor: Actor, field: Field) -> Access | None:
    """Return what the actor may read of the link entity of a relation to many; None if they may not see any link."""
    link = field.through
    access = live.policy.access(actor, link.entity, "read") if link else None
    if link is None or access is None or live.policy.access(actor, field.to[0], "read") is None:
        return None
    seen = all(visibility(access, name) is not None for name in (link.near, link.far))
    return access if seen else None


class Visible:
    """Puts what one actor may see into one statement."""

    def __init__(self, live: Live, actor: Actor, binder: Binder, action: str = "read") -> None:
        """Prepare a statement; with another `action`, paths lead only to records the actor may do that with as well."""
        self.live, self.actor, self.binder, self.action = live, actor, binder, action
        self._numbers = itertools.count()

    def access(self, entity: Entity) -> Access | None:
        """Return what the actor may read of an entity."""
        return self.live.policy.access(self.actor, entity.name, "read")

    def alias(self) -> str:
        """Return a table alias not used before in this statement."""
        return f"a{next(self._numbers)}"

    def rows(self, rules: tuple[Rule, ...], entity: Entity, alias: str) -> str:
        """Return the condition "one of the rules holds for this row", or empty when it always does."""
        if any(rule.unconditional for rule in rules):
            return ""
        return predicate(rules, self.trusted(), alias, entity)

    def living(self, rules: tuple[Rule, ...], entity: Entity, alias: str) -> str:
        """Return the same for rows that are not in the trash anyway.

        SQLite goes by an index of these rows for one of several alternatives only if that one says so itself.
        """
        if self.binder.dialect.name != "sqlite" or any(rule.unconditional for rule in rules):
            return self.rows(rules, entity, alias)
        each = (predicate((rule,), self.trusted(), alias, entity) for rule in least(rules))
        return "(" + " OR ".join(f'({alias}."deleted_at" IS NULL AND {one})' for one in each) + ")"

    def checked(self, rules: tuple[Rule, ...], entity: Entity, alias: str) -> str:
        """Return the condition "one of the rules holds for this row as a write leaves it"."""
        return checked(rules, self.trusted(), alias, entity)

    def trusted(self) -> Visible:
        """Return the same for the system: what rules, and fields that say ``as: system``, are computed of."""
        trusted = Visible(self.live, SYSTEM, self.binder)
        trusted._numbers = self._numbers
        return trusted

    def leaving(self, action: str) -> Visible:
        """Return the same for values that leave the site: across a relation `action` must be granted as well."""
        leaving = Visible(self.live, self.actor, self.binder, action)
        leaving._numbers = self._numbers
        return leaving

    def column(self, access: Access, alias: str, name: str, column: str) -> str:
        """Return a column of a field as the actor sees it: raw, or null on the rows where it is withheld.

        Raises:
            LookupError: the actor may never read it.
        """
        giving = visibility(access, name)
        if giving is None:
            raise LookupError(name)
        raw = self._raw(access.entity, alias, name, column)
        needed = [self.rows(giving, access.entity, alias)] if giving else []
        if name == "label":
            needed += labels.needed(self, access.entity, alias)
        return f"CASE WHEN {' AND '.join(needed)} THEN {raw} END" if needed else raw

    def _raw(self, entity: Entity, alias: str, name: str, column: str) -> str:
        field = entity.fields.get(name)
        if field is None or not field.virtual:
            return f"{alias}.{quote(column)}"
        eyes = self.trusted() if field.sight == "system" else self
        return computed(eyes, entity, alias, field, column[len(name) + 1 :])

    def path(self, entity: Entity, alias: str, path: tuple[str, ...]) -> str:
        """Return the SQL of a field path, or of ``user.*``; across a relation only rows the actor may read count."""
        if path[0] == COUNT:
            return f"SELECT count(*) FROM ({self.path(entity, alias, path[1:])}) {self.alias()}"
        if (end := inverse(self.live.model, entity, path)) is not None:
            return self.pointing(entity, alias, end)
        if path[0] == UNDER:
            return self.below(self.live.model.entities[path[1]], path[2], path[3])
        if path[0] == "user" and "user" not in entity.fields:
            return self._user(path[1])
        found = resolve(self.live.model, entity, path)
        access = self.access(entity)
        if found is None or access is None:
            raise LookupError(".".join(path))
        if not found.hops and found.field.through is not None:
            return self.links(access, alias, found.field)
        if not found.hops:
            return self.column(access, alias, found.field.name, found.column)
        relation, target = found.hops[0]
        inner = self.alias()
        pointer = self.column(access, alias, relation.name, relation.name)
        shown, where = self.path(target, inner, path[1:]), self.joined(target, inner, pointer)
        if self.action != "read" and (rows := self.rows(self._granted(target).rules, target, inner)):
            where += f" AND {rows}"
        return f"(SELECT {shown} FROM {quote(target.name)} {inner} WHERE {where})"

    def _granted(self, target: Entity) -> Access:
        access = self.live.policy.access(self.actor, target.name, self.action)
        if access is None:
            raise LookupError(target.name)
        return access

    def pointing(self, entity: Entity, alias: str, end: Inverse) -> str:
        """Return the statement, without parentheses, of the ids of the records that point here and may be read.

        Raises:
            LookupError: the actor may read none.
        """
        other = self.live.model.entities[end.entity]
        access = self.access(other)
        if access is None:
            raise LookupError(end.entity)
        inner, field = self.alias(), other.fields[end.field]
        where = [f'{inner}."deleted_at" IS NULL', f'{self.path(other, inner, (field.name,))} = {alias}."id"']
        if field.polymorphic:
            where.append(f"{self.path(other, inner, (field.name, 'entity'))} = {self.binder.bind(entity.name, TEXT)}")
        if rows := self.rows(access.rules, other, inner):
            where.append(rows)
        return f'SELECT {inner}."id" FROM {quote(other.name)} {inner} WHERE {" AND ".join(where)}'

    def below(self, entity: Entity, above: str, top: str) -> str:
        """Return the statement, without parentheses, of the ids of a record and of all the actor may read below it.

        Walked down from the top by an index, once per statement; see docs/adr/0009-hierarchies-are-walked.md.

        Args:
            entity: Of the records.
            above: Its relation to the record above.
            top: An id, or ``user.unit``.
        """
        access = self.access(entity)
        if access is None:
            raise LookupError(entity.name)
        start = self._user(top[5:]) if top.startswith("user.") else self.binder.bind(UUID(top), USER_ID.type)
        child, found = self.alias(), self.alias()
        where = [f'{child}."deleted_at" IS NULL']
        if rows := self.rows(access.rules, entity, child):
            where.append(rows)
        pointer = self.column(access, child, above, above)
        return (
            f'WITH RECURSIVE {found}("id") AS (SELECT {start} WHERE {start} IS NOT NULL UNION'
            f' SELECT {child}."id" FROM {found} JOIN {quote(entity.name)} {child} ON {pointer} = {found}."id"'
            f' WHERE {" AND ".join(where)}) SELECT {found}."id" FROM {found}'
        )

    def links(self, access: Access, alias: str, field: Field) -> str:
        """Return the statement, without parentheses, of the ids that a relation to many leads to, as the actor sees it.

        Raises:
            LookupError: the actor may read no link.
        """
        link, links = field.through, linking(self.live, self.actor, field)
        giving = visibility(access, field.name)
        if link is None or links is None or giving is None:
            raise LookupError(field.name)
        inner = self.alias()
        entity = links.entity
        near, far = (self.path(entity, inner, (name,)) for name in (link.near, link.far))
        where = [f'{near} = {alias}."id"', self.linked(links, inner, self.live.model.entities[field.to[0]], far)]
        if giving:
            where.append(self.rows(giving, access.entity, alias))
        return f"SELECT {far} FROM {quote(entity.name)} {inner} WHERE {' AND '.join(where)}"

    def linked(self, links: Access, alias: str, target: Entity, far: str) -> str:
        """Return the condition that the actor may read a link and the record it leads to."""
        other = self.alias()
        rows = self.rows(links.rules, links.entity, alias)
        seen = f'{other}."deleted_at" IS NULL AND {self.joined(target, other, far)}'
        found = f'{alias}."deleted_at" IS NULL AND EXISTS (SELECT 1 FROM {quote(target.name)} {other} WHERE {seen})'
        return f"{found} AND {rows}" if rows else found

    def value(self, entity: Entity, alias: str, path: tuple[str, ...]) -> str:
        """Return the SQL of a field path as `path` does; of a relation only what names a record the actor may read.

        For what shows, filters, orders or groups by the value itself: the id and the kind of a record that is withheld
        are withheld too.
        """
        found = resolve(self.live.model, entity, path)
        if found is not None and found.field.polymorphic and found.part == "entity":
            seen = self.value(entity, alias, path[:-1])
            return f"CASE WHEN {seen} IS NOT NULL THEN {self.path(entity, alias, path)} END"
        raw = self.path(entity, alias, path)
        if found is None or found.part or found.field.type != "relation" or found.field.through is not None:
            return raw
        if not found.field.polymorphic:
            return self._seen(self.live.model.entities[found.field.to[0]], raw)
        kind = self.path(entity, alias, (*path, "entity"))
        cases = (
            f"WHEN {kind} = {self.binder.bind(target.name, TEXT)} THEN {self._seen(target, raw)}"
            for target in self.live.policy.entities(self.actor)
        )
        return f"CASE {' '.join(cases)} END"

    def _seen(self, target: Entity, pointer: str) -> str:
        """Return `pointer`, or null where it names a record of `target` that the actor may not read.

        Everybody knows of themselves, whether or not they may read people.
        """
        access = self.access(target)
        if access is not None and access.unconditional:
            return pointer
        seen = "1 = 0"
        if access is not None:
            inner = self.alias()
            seen = f"EXISTS (SELECT 1 FROM {quote(target.name)} {inner} WHERE {self.joined(target, inner, pointer)})"
        if target.name == "user":
            seen = f"({pointer} = {self.binder.bind(USER_ID, USER_ID.type)} OR {seen})"
        return f"CASE WHEN {seen} THEN {pointer} END"

    def joined(self, target: Entity, alias: str, pointer: str) -> str:
        """Return the condition that joins the record `pointer` names, if the actor may read it.

        Raises:
            LookupError: the actor may read no record of the target.
        """
        access = self.access(target)
        if access is None:
            raise LookupError(target.name)
        rows = self.rows(access.rules, target, alias)
        return f'{alias}."id" = {pointer}' + (f" AND {rows}" if rows else "")

    def _user(self, name: str) -> str:
        if name == "teams":
            user = self.binder.bind(USER_ID, USER_ID.type)
            return f'SELECT m."team" FROM "team_member" m WHERE m."member" = {user} AND m."deleted_at" IS NULL'
        kind = USER[name].column
        return self.binder.bind(Var(f"user.{name}", kind), kind)
