"""Computed fields, settled: of what type a lookup or rollup is, what each is made of, and whether it is kept.

A lookup becomes a field of the type at the end of its path, a rollup one of the type it computes, so whatever shows,
sorts or exports fields need not know them. What a field is made of decides who may read it (kernel/policy.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from types import MappingProxyType

from xrm.errors import Issue
from xrm.metadata.codes import found
from xrm.metadata.findings import field_place
from xrm.metadata.formula import Named, named
from xrm.metadata.model import Entity, Field, Model, Origin
from xrm.metadata.names import did_you_mean

MAX_CHAIN = 50  # computed fields made of one another
MAX_WEIGHT = 100  # computed values in one formula, each as often as it is named
NUMBERS = frozenset({"integer", "duration", "decimal", "percent", "money"})
_VALUELESS = frozenset({"lookup", "rollup", "button"})
_Name = tuple[str, str]  # entity and field


@dataclass(frozen=True, slots=True)
class Listed:
    """The records a rollup sums up: those of `child` whose `relation` points to the record at the end of `hops`."""

    hops: tuple[str, ...]
    anchor: Entity
    child: Entity
    relation: Field


def listed(model: Model, entity: Entity, field: Field) -> Listed | None:
    """Return the list that a rollup's ``of`` names, or None when there is none."""
    *hops, name = field.of.split(".")
    anchor: Entity | None = entity
    for hop in hops:
        relation = anchor.fields.get(hop) if anchor else None
        anchor = _target(model, relation)
    if anchor is None:
        return None
    for end in model.inverses.get(anchor.name, ()):
        if end.name == name:
            child = model.entities[end.entity]
            return Listed(tuple(hops), anchor, child, child.fields[end.field])
    return None


def settle(model: Model, issues: list[Issue], uncertain: frozenset[str] = frozenset()) -> Model:
    """Return the model with its computed fields settled; what cannot be is noted and left as it was written.

    Args:
        model: As it was merged.
        issues: Takes the findings.
        uncertain: Definitions that could not be read in full: while there are any, a name that leads nowhere may be
            theirs, and is not noted.
    """
    settling = _Settling(model, issues, uncertain)
    entities = {name: settling.entity(entity) for name, entity in model.entities.items()}
    return replace(model, entities=MappingProxyType(entities))


def _target(model: Model, relation: Field | None) -> Entity | None:
    if relation is None or relation.type != "relation" or relation.polymorphic or not relation.to:
        return None
    return model.entities.get(relation.to[0])


def kind_of(field: Field) -> str:
    """Return how a field is computed: formula, lookup or rollup; empty when it is not."""
    return field.type if field.type in ("lookup", "rollup") else "formula" if field.formula else ""


@dataclass(frozen=True, slots=True)
class _Made:
    """What one path is made of: its names, the own one first, and the field at its end."""

    names: tuple[_Name, ...]
    end: Field


class _Settling:
    """Settles each field once, what it is made of before it."""

    def __init__(self, model: Model, issues: list[Issue], uncertain: frozenset[str]) -> None:
        self._model, self._issues, self._uncertain = model, issues, uncertain
        self._settled: dict[_Name, Field] = {}
        self._open: list[_Name] = []
        self._long = False  # whether a chain that is too long was found
        self._depths: dict[_Name, int] = {}  # how many computed fields stand one upon another below each
        self._circles: set[_Name] = set()
        self._weights: dict[_Name, int] = {}

    def entity(self, entity: Entity) -> Entity:
        """Return an entity with its fields settled."""
        if entity.removed or not any(kind_of(field) for field in entity.fields.values()):
            return entity
        fields = {name: self.field(entity, field) for name, field in entity.fields.items()}
        return replace(entity, fields=MappingProxyType(fields))

    def field(self, entity: Entity, field: Field) -> Field:
        """Return a field settled; one that needs itself is noted, and left as it was written."""
        kind, name = kind_of(field), (entity.name, field.name)
        if not kind or field.removed or field.kind:
            return field
        if name in self._settled:
            return self._settled[name]
        if name in self._open:
            self._cycle(entity, field, self._open[self._open.index(name) :])
            return field
        if len(self._open) == MAX_CHAIN:
            self._too_long(entity, field)
            return self._settled.setdefault(name, field)
        self._open.append(name)
        settled = self._of_kind(kind, entity, field)
        self._open.pop()
        parts = {*((entity.name, part) for part in settled.reads), *settled.foreign} - {name}
        self._depths[name] = 1 + max((self._depths.get(part, 0) for part in parts), default=0)
        if self._depths[name] > MAX_CHAIN:
            self._too_long(entity, field)
        return self._settled.setdefault(name, settled)

    def _too_long(self, entity: Entity, field: Field) -> None:
        """Note a chain whose length nobody follows any more, whichever end of it is written first."""
        if self._long:
            return  # told once, not for all that stand on it
        self._long = True
        place = field_place(entity, field, "formula" if field.formula else "of")
        message = f"more than {MAX_CHAIN} computed fields are made of one another, in a row or in a circle"
        self._issues.append(found(place, "computed_chain", message, "compute it in fewer steps"))

    def _cycle(self, entity: Entity, field: Field, names: list[_Name]) -> None:
        self._circles.update(names)
        way = " -> ".join(f"{e}.{f}" for e, f in (*names, names[0]))
        place = field_place(entity, field, "formula" if field.formula else "of")
        self._issues.append(found(place, "computed_cycle", f"these fields need each other: {way}"))

    def _of_kind(self, kind: str, entity: Entity, field: Field) -> Field:
        if kind == "formula":
            return self._formula(entity, field)
        return self._lookup(entity, field) if kind == "lookup" else self._rollup(entity, field)

    # --- the three kinds

    def _formula(self, entity: Entity, field: Field) -> Field:
        what = named(field.formula)
        walked = [self._walk(entity, path) for path in what.paths]
        made = [m for m in walked if m is not None]
        self._weigh(entity, field, zip(walked, what.counts, strict=True))
        own = all(len(m.names) == 1 for m in made)
        stored = self._stored(entity, field, [what], made, default=own)
        if stored:
            self._weights.pop((entity.name, field.name), None)
        return self._made(entity, replace(field, kind="formula", stored=stored, across=not own), made)

    def _stored(
        self, entity: Entity, field: Field, named: list[Named], made: list[_Made], *, default: bool = False
    ) -> bool:
        """Return whether a computed field is kept; note it when it asks to be and cannot."""
        names = {name for m in made for name in m.names}
        personal = "user" not in entity.fields and any(path[0] == "user" for what in named for path in what.paths)
        moving = personal or any(what.timely for what in named)
        lasting = not moving and not any(f.virtual for n in names if (f := self._settled.get(n)) is not None)
        if field.stored and not lasting:
            message = "what depends on the time, the reader or a field that is computed when read cannot be kept"
            self.add(field_place(entity, field, "stored"), "option_conflict", message)
        return lasting and (default if field.stored is None else field.stored)

    def _weigh(self, entity: Entity, field: Field, parts: Iterable[tuple[_Made | None, int]]) -> None:
        """Note a formula that is made of formulas of formulas: put into one another they would grow without bound."""
        weight = 1 + sum(count * max(self._weights.get(n, 0) for n in m.names) for m, count in parts if m)
        self._weights[entity.name, field.name] = min(weight, 2 * MAX_WEIGHT)
        if MAX_WEIGHT < weight < 2 * MAX_WEIGHT:
            message = f"{field.name!r} is made of more than {MAX_WEIGHT} computed values"
            self.add(
                field_place(entity, field, "formula"),
                "computed_size",
                message,
                "let some of them be kept: stored: true",
            )

    def _lookup(self, entity: Entity, field: Field) -> Field:
        made = self._walk(entity, tuple(field.of.split("."))) if field.of else None
        settled = replace(field, kind="lookup", stored=False, across=True)
        if made is None or made.end.type in _VALUELESS:
            if field.of and self._open[-1] not in self._circles:
                self.add(
                    field_place(entity, field, "of"), "unknown_field", f"{field.of!r} leads to no field", _PATH_HINT
                )
            return settled
        settled = replace(settled, stored=self._stored(entity, field, [], [made]))
        return self._made(entity, _typed(settled, made.end), [made])

    def _rollup(self, entity: Entity, field: Field) -> Field:
        settled = replace(field, kind="rollup", stored=False, across=True, compute=field.compute or "count")
        if not field.of:
            return settled
        source = self._source(entity, field)
        if source is None:
            return settled
        if settled.compute == "list" and not field.over:
            settled = replace(settled, over="label")
        walked = self._walk(entity, source.hops) if source.hops else None
        paths = [*named(field.where).paths, *([tuple(settled.over.split("."))] if settled.over else [])]
        inner = [m for path in paths if (m := self._walk(source.child, path)) is not None]
        inner.append(_Made(((source.child.name, source.relation.name),), source.relation))
        over = self._walk(source.child, tuple(settled.over.split("."))) if settled.over else None
        kept = self._stored(entity, field, [named(field.where)], [*filter(None, [walked]), *inner])
        settled = replace(settled, stored=kept)
        typed = self._computed(entity, settled, source, over.end if over else None)
        return self._made(entity, typed, [walked] if walked else [], inner)

    def _source(self, entity: Entity, field: Field) -> Listed | None:
        found_list = listed(self._model, entity, field)
        if found_list is None:
            names = [end.name for end in self._model.inverses.get(entity.name, ()) if end.name]
            message = f"there is no list {field.of!r} of records"
            self.add(
                field_place(entity, field, "of"), "unknown_list", message, did_you_mean(field.of, names) or _LIST_HINT
            )
        return found_list

    def _computed(self, entity: Entity, field: Field, source: Listed, over: Field | None) -> Field:
        """Return a rollup with the type of what it computes."""
        if field.compute == "count":
            return replace(field, type="integer")
        if field.compute == "list":
            if over is None or over.type not in _LISTABLE:
                self.add(
                    field_place(entity, field, "field"),
                    "wrong_field",
                    f"{field.over!r} cannot be listed: it is no text",
                )
            return replace(field, type="tags")
        if over is None or over.type in _VALUELESS:
            message = f"{field.compute} needs a field of {source.child.name!r}"
            place = "field" if field.over else "compute"
            self.add(
                field_place(entity, field, place),
                "unknown_field",
                message,
                did_you_mean(field.over, source.child.fields),
            )
            return field
        if field.compute in ("sum", "avg") and over.type not in NUMBERS:
            self.add(field_place(entity, field, "field"), "wrong_field", f"{field.over!r} is no number")
        elif over.type not in NUMBERS | _MOMENTS:
            self.add(
                field_place(entity, field, "field"), "wrong_field", f"{field.over!r} has no least and greatest value"
            )
        if field.compute == "avg" and over.type in ("integer", "duration"):
            return replace(field, type="decimal", scale=field.scale if "scale" in field.origins else 2)
        return _typed(field, over)

    # --- what a field is made of

    def _walk(self, entity: Entity, path: tuple[str, ...]) -> _Made | None:
        """Return what a path is made of, each field settled; None when it leads nowhere."""
        names: list[_Name] = []
        for position, name in enumerate(path):
            written = entity.fields.get(name)
            if written is None or written.removed:
                return None
            field = self.field(entity, written)
            names.append((entity.name, name))
            target = _target(self._model, field)
            rest = path[position + 1 :]
            if not rest or target is None:
                return _Made(tuple(names), field) if len(rest) <= 1 else None
            entity = target
        return None

    def _made(self, entity: Entity, field: Field, own: list[_Made], inner: list[_Made] | None = None) -> Field:
        """Return a field with all it is made of; what is computed in turn counts with what it is made of."""
        names = [name for made in own for name in made.names]
        reads: set[str] = set()
        foreign = {name for made in inner or () for name in made.names}
        for made in own:
            reads.add(made.names[0][1])
            foreign.update(made.names[1:])
        for part, origin in self._parts(names, foreign):
            reads |= part.reads if origin else set()
            foreign |= part.foreign
        return replace(field, reads=frozenset(reads - {field.name}), foreign=frozenset(foreign))

    def _parts(self, names: list[_Name], foreign: set[_Name]) -> Iterator[tuple[Field, bool]]:
        home = self._open[-1][0]
        for entity, name in {*names, *foreign}:
            part = self._settled.get((entity, name))
            if part is not None and part.sight == "reader":
                own = entity == home and (entity, name) not in foreign
                yield (part if own else _abroad(entity, part)), own

    # --- notes

    def add(self, place: Origin | str, code: str, message: str, hint: str = "") -> None:
        """Note a finding, unless it may only be about what could not be read."""
        if not (self._uncertain and code.startswith("unknown_")):
            self._issues.append(found(place, code, message, hint))


def _abroad(entity: str, part: Field) -> Field:
    """Return a field of another record with its own fields counted as foreign ones."""
    return replace(part, foreign=part.foreign | {(entity, name) for name in part.reads}, reads=frozenset())


def _typed(field: Field, like: Field) -> Field:
    """Return a computed field of the type of another."""
    scale = field.scale if "scale" in field.origins else like.scale
    return replace(
        field, type=like.type, choices=like.choices, to=like.to, precision=like.precision, scale=scale, number=""
    )


_MOMENTS = frozenset({"date", "time", "datetime"})
_LISTABLE = frozenset({"text", "email", "phone", "url", "choice", "auto_number"})
_PATH_HINT = "name a field across a relation, such as customer.country"
_LIST_HINT = "say inverse: … at the relation that points here"
