"""What every check works with: the model, where to note a finding, and how names are looked up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from xrm.errors import Issue
from xrm.metadata.codes import found
from xrm.metadata.model import Entity, Field, Model, Origin
from xrm.metadata.names import did_you_mean
from xrm.metadata.positions import locate
from xrm.metadata.types import rules_of


@dataclass(frozen=True, slots=True)
class ExpressionUse:
    """An expression of the model and what is asked of it.

    Attributes:
        entity: Over whose fields it is written.
        source: The expression itself.
        purpose: ``formula``, ``check``, ``guard``, ``set``, ``filter`` (of a view), ``where`` (of a grant) or ``open``
            (a web address with expressions in it).
        expected: Field type its result must fit: ``boolean`` for conditions, else the type of `field`.
        field: The field that takes the result, of formulas and of `set`.
    """

    entity: str
    source: str
    purpose: str
    expected: str = "boolean"
    field: str = ""


class Complaint(NamedTuple):
    """What is wrong with an expression, and at which character of it."""

    message: str
    offset: int = 0
    hint: str = ""


ExpressionCheck = Callable[[Model, ExpressionUse], Iterable[Complaint]]
"""Judges one expression. The kernel passes it in, since the language is the kernel's."""


class Findings:
    """Collects issues about one model.

    Attributes:
        model: What is checked.
        issues: The findings so far.
    """

    def __init__(self, model: Model, expressions: ExpressionCheck | None, uncertain: frozenset[str]) -> None:
        self.model = model
        self.issues: list[Issue] = []
        self._expressions = expressions
        self._uncertain = uncertain

    def add(self, place: Origin | str, code: str, message: str, hint: str = "") -> None:
        """Note a finding."""
        self.issues.append(found(place, code, message, hint))

    def sure(self, name: str) -> bool:
        """Return whether all that was written about the definition `name` could be read."""
        return name not in self._uncertain

    def entity(self, name: str, place: Origin | str) -> Entity | None:
        """Return the entity called `name`; note it when there is none, or when it is to be removed."""
        entity = self.model.entities.get(name)
        if entity is None:
            if self.sure(name):
                self.add(
                    place, "unknown_entity", f"there is no entity {name!r}", did_you_mean(name, self.model.entities)
                )
        elif entity.removed:
            where = entity.origins.get("removed", entity.origin)
            self.add(place, "removed_name", f"the entity {name!r} is removed{_at(where)}")
        return entity

    def field(self, entity: Entity, name: str, place: Origin | str) -> Field | None:
        """Return the field `name` of an entity; note it when there is none, or when it is to be removed."""
        field = entity.fields.get(name)
        if field is None:
            if self.sure(entity.name):
                self._unknown_field(entity, name, place)
        elif field.removed:
            where = field.origins.get("removed", field.origin)
            self.add(place, "removed_name", f"the field {name!r} is removed{_at(where)}")
        return field

    def _unknown_field(self, entity: Entity, name: str, place: Origin | str) -> None:
        now = next((field for field in entity.fields.values() if name and field.was == name), None)
        if now is not None:
            message = f"the field {name!r} is called {now.name!r} now{_at(now.origins.get('was', now.origin))}"
            self.add(place, "renamed_name", message, f"write {now.name}")
            return
        message = f"the entity {entity.name!r} has no field {name!r}"
        self.add(place, "unknown_field", message, did_you_mean(name, entity.fields))

    def role(self, name: str, place: Origin | str) -> None:
        """Note it when there is no role called `name`, or when it is removed."""
        if name in self.model.removed_roles:
            where = _at(self.model.removed_roles[name])
            self.add(place, "removed_name", f"the role {name!r} is removed{where}")
        elif name not in self.model.roles and self.sure(name):
            hint = did_you_mean(name, self.model.roles)
            self.add(place, "unknown_role", f"there is no role {name!r}", hint)

    def path(self, entity: Entity, path: str, place: Origin | str) -> Field | None:
        """Return the field at the end of a path such as ``customer.name``; note where it breaks off."""
        *way, last = path.split(".")
        for step in way:
            relation = self.field(entity, step, place)
            if relation is None or not relation.type:
                return None
            if _part_at(relation, path, step, last):
                return relation
            if relation.type != "relation" or relation.polymorphic:
                self.add(place, "not_a_relation", f"{path!r}: {step!r} is not a relation to one entity")
                return None
            target = self.model.entities.get(relation.to[0]) if relation.to else None
            if target is None:
                return None  # noted at the relation itself
            entity = target
        return self.field(entity, last, place)

    def expression(self, use: ExpressionUse, place: Origin | str) -> None:
        """Have an expression judged, and point into the file where it goes wrong."""
        if self._expressions is None or not use.source or self._reaches_uncertain(use.entity):
            return
        for complaint in self._expressions(self.model, use):
            at = self._inside(place, use.source, complaint.offset)
            self.add(at, "expression", complaint.message, complaint.hint)

    def _inside(self, place: Origin | str, source: str, offset: int) -> Origin | str:
        if not isinstance(place, Origin):
            return place
        text = self._texts.get((place.layer, place.file))
        return place if text is None else locate(text, place, source, offset)

    @cached_property
    def _texts(self) -> Mapping[tuple[str, str], str]:
        return {(source.layer, source.file): source.text for source in self.model.sources}

    def _reaches_uncertain(self, name: str) -> bool:
        """Return whether paths from an entity may lead to what could not be read: expressions are not judged then."""
        if not self._uncertain:
            return False
        seen, ahead = {name}, [name]
        while ahead:
            entity = self.model.entities.get(ahead.pop())
            targets = {to for relation in entity.relations() for to in relation.to} if entity is not None else set()
            ahead.extend(targets - seen)
            seen |= targets
        return bool(seen & self._uncertain)


def _at(origin: Origin) -> str:
    """Return the other place of a finding in words."""
    return f", by {origin.layer!r} at {origin}" if origin.file else ""


def place_of(entity: Entity, path: str) -> Origin | str:
    """Return where a part of an entity was written, or ``deal.views.list`` when the entity was made in memory."""
    origin = entity.origins.get(path) or entity.origin
    return origin if origin.file else f"{entity.name}.{path}"


def field_place(entity: Entity, field: Field, path: str = "") -> Origin | str:
    """Return where a property of a field was written, or ``deal.amount`` when it was made in memory."""
    origin = field.origins.get(path) or field.origin
    return origin if origin.file else ".".join(filter(None, (entity.name, field.name, path)))


def _part_at(field: Field, path: str, step: str, last: str) -> bool:
    """Whether a path ends with a part of a field: ``amount.currency``."""
    rules = rules_of(field)
    return path.endswith(f"{step}.{last}") and last in (rules.first, *rules.parts)
