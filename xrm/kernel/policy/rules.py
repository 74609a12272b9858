"""Rules: what one grant gives on one entity, and what a set of them gives together."""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from xrm.kernel.expression import Expression
from xrm.metadata.model import Entity, empty


@dataclass(frozen=True, slots=True)
class Way:
    """A relation by which the rules of another entity give records: ``via: account``."""

    field: str
    access: Access | None  # None: nothing of the other entity is given


@dataclass(frozen=True, slots=True)
class Shared:
    """Which shares a rule is of: those of some levels, that name certain fields, or none (), or whatever (None)."""

    levels: tuple[str, ...]
    fields: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Rule:
    """One grant, or what shares give, made ready for one entity.

    Attributes:
        scope: all | own | team | unit | unit_tree | managed | shared.
        where: A condition over the record.
        read, write: The fields it gives.
        via: The relation whose record must be given as well.
        check: What must hold of a record after a write, besides the rest.
        limits: The restrictions of the entity that count for whoever has the rule.
        preset: Field → value that a new record gets.
        number: Its role and place there, for whoever asks why.
        share: Which shares it is of; None for a grant.
    """

    scope: str
    where: Expression | None
    read: frozenset[str]
    write: frozenset[str]
    via: Way | None = None
    check: Expression | None = None
    limits: tuple[Expression, ...] = ()
    preset: Mapping[str, Any] = field(default_factory=empty, compare=False)
    number: tuple[str, int] = ("", 0)
    share: Shared | None = None

    @property
    def unconditional(self) -> bool:
        """Whether it holds for every row."""
        return self.scope == "all" and self.where is None and self.via is None and not self.limits


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

    @property
    def unchecked(self) -> bool:
        """Whether it holds for every row that a write can leave."""
        return any(rule.unconditional and rule.check is None for rule in self.rules)

    @property
    def presets(self) -> Mapping[str, Any]:
        """Return the values a new record gets whatever was sent: those that no rule leaves open."""
        first, *further = self.rules
        return {name: value for name, value in first.preset.items() if all(name in rule.preset for rule in further)}

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
