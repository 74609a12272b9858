"""Two models → the carries between them: fields that do not simply keep what they hold, and how they get values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from xrm.errors import Issue
from xrm.kernel import values
from xrm.kernel.expression import ExpressionError
from xrm.kernel.expression import compile as compile_expression
from xrm.kernel.migration.ancestry import Ancestry
from xrm.kernel.migration.carry import ways
from xrm.kernel.migration.carry.fit import Fit
from xrm.kernel.migration.carry.names import Now, Then
from xrm.kernel.migration.carry.words import code_of, words_of
from xrm.kernel.migration.physical import Ids, base_id, plain
from xrm.kernel.migration.retype import convertible
from xrm.kernel.paths import RowScope, resolve, type_of
from xrm.kernel.store.schema import Column, ColumnType, Schema, Table
from xrm.kernel.values import Lookup, Parsing, Refused
from xrm.metadata.findings import field_place
from xrm.metadata.model import Convert, Entity, Field, Link, Model

CHOICES = frozenset({"choice", "choices"})
_NO_CONVERT = Convert()


@dataclass(frozen=True)
class Earlier:
    """The model in force, without what it says is removed, and the moment at which expressions are computed."""

    model: Model
    at: datetime


@dataclass(frozen=True)
class Carry:
    """How one field gets its values from the records as they are.

    Attributes:
        kind: The kind of step it belongs to.
        entity: The entity's (new) name.
        field: The field as it will be.
        table: Id of its table.
        columns: Its columns as they will be.
        source: Name of the table now.
        way: How values are read.
        fit: How they are made to fit.
        in_place: Whether the columns are there and stay of the same type.
        otherwise: What happens to values that do not fit: refuse | clear.
    """

    kind: str
    entity: str
    field: Field
    table: str
    columns: tuple[Column, ...]
    source: str
    way: ways.Way
    fit: Fit
    in_place: bool = False
    otherwise: str = "refuse"

    @property
    def base(self) -> str:
        """Id of the field's first column."""
        return base_id(self.columns[0].id)

    @property
    def scratch(self) -> str:
        """Name of the table that the values are laid down in."""
        return f"xrm_laid_{self.base}"

    @property
    def laid(self) -> tuple[tuple[str, ColumnType], ...]:
        """Its columns."""
        return tuple((plain(column.id), column.type) for column in self.columns)

    @property
    def keeps(self) -> bool:
        """Whether what is read is what the field holds: a record whose value does not change is left alone."""
        return self.in_place and isinstance(self.way, ways.Own)

    @property
    def maps(self) -> bool:
        """Whether it may be told to empty a value."""
        return bool(self.fit.map)

    @property
    def words(self) -> str:
        """What becomes of the values, as half a sentence."""
        clear = "; what does not fit is emptied" if self.otherwise == "clear" else ""
        return words_of(self.way, self.fit) + clear

    @property
    def code(self) -> str:
        """The code of the finding about values that do not fit."""
        return code_of(self.way, self.field)

    def same(self, shown: Any, raw: tuple[Any, ...], cells: tuple[Any, ...] | None) -> bool:
        """Whether a record holds already what it would get."""
        if self.in_place and isinstance(self.way, ways.Computed):
            return cells is not None and cells[0] == shown
        return self.in_place and isinstance(self.way, (ways.Own, ways.Narrowed)) and cells == raw

    def changes(self, raw: tuple[Any, ...], cells: tuple[Any, ...] | None) -> bool:
        """Whether a record with `raw` is written, when `cells` is what becomes of it."""
        if self.keeps:
            return cells != raw and (cells is not None or raw[0] is not None)
        return self.in_place or (cells is not None and cells[0] is not None)


def find(
    earlier: Earlier, after: Model, ids: tuple[Ids, Ids], schemas: tuple[Schema, Schema], parsing: Parsing
) -> tuple[tuple[Carry, ...], tuple[Issue, ...]]:
    """Return the carries, and what is wrong with how a definition says them.

    Args:
        earlier: The model in force.
        after: The planned one.
        ids: Of both.
        schemas: Of both.
        parsing: How values are read.
    """
    ancestry = Ancestry(earlier.model, after, *ids)
    issues: list[Issue] = []
    found = []
    for before, entity in ancestry.entities():
        id = ids[1].entities[entity.name].id
        if id in schemas[0].tables and id in schemas[1].tables:
            finder = _Finder(ancestry, earlier, before, entity, (schemas[0].tables[id], schemas[1].tables[id]), parsing)
            found += [carry for name in entity.fields if (carry := finder.field(name, issues)) is not None]
    return tuple(found), tuple(issues)


class _Say(Exception):  # not an error of the program: a finding on its way
    """A finding about the field at hand."""

    def __init__(self, code: str, message: str, hint: str = "", severity: str = "error") -> None:
        super().__init__(message)
        self.code, self.message, self.hint, self.severity = code, message, hint, severity


class _Finder:
    """Finds the carries of one entity."""

    def __init__(
        self,
        ancestry: Ancestry,
        earlier: Earlier,
        before: Entity,
        entity: Entity,
        tables: tuple[Table, Table],
        parsing: Parsing,
    ) -> None:
        self.ancestry, self.earlier, self.before, self.entity, self.parsing = ancestry, earlier, before, entity, parsing
        self.old, self.new = tables

    def field(self, name: str, issues: list[Issue]) -> Carry | None:
        """Return the carry of a field, or None when it has none."""
        field = self.entity.fields[name]
        if field.system or field.removed or field.formula or field.kind or not values.columns(field):
            return None
        base = self.ancestry.new.entities[self.entity.name].fields[name]
        columns = tuple(c for c in self.new.columns if base_id(c.id) == base)
        there = {c.id: c for c in self.old.columns if base_id(c.id) == base}
        known = self.ancestry.field(self.before, self.entity, name)
        try:
            if not there:
                return self._added(field, columns, known)
            return self._changed(known, field, columns, there) if known is not None else None
        except _Say as said:
            place = field_place(self.entity, field)
            issues.append(Issue(str(place), said.code, said.message, said.hint, said.severity))
            return None

    # --- a field that is new

    def _added(self, field: Field, columns: tuple[Column, ...], known: Field | None) -> Carry | None:
        way: ways.Way | None = None
        old: Field | None = None
        if known is not None and known.through is not None and field.type == "relation" and not field.polymorphic:
            return self._unlinked(known.through, known, field, columns)
        if "." in field.was:
            way, old = self._moved(field)
        else:
            way = self._backfill(field, None)
        if way is None:
            return None
        convert = field.convert or _NO_CONVERT
        fit = Fit(field, self._types(way, field, old), old, convert.map, parsing=self.parsing)
        return self._carry("add_field", field, columns, way, fit)

    def _unlinked(self, link: Link, known: Field, field: Field, columns: tuple[Column, ...]) -> Carry | None:
        """Return the carry of a relation to many that becomes one to one: records with several links are in its way."""
        if self._targets(known) != frozenset(field.to):
            return None
        take = field.convert.take if field.convert else ""
        way = ways.Gathered(link.entity, link.near, ((link.far, ways.UUID),), take)
        fit = Fit(field, (ways.UUID,), strict=False, parsing=self.parsing)
        return self._carry("add_field", field, columns, way, fit)

    def _types(self, way: ways.Way, field: Field, old: Field | None) -> tuple[ColumnType, ...]:
        if old is not None:
            return tuple(spec.type for spec in values.columns(old))
        return (way.type,) if isinstance(way, ways.Computed) else tuple(c.type for c in values.columns(field))

    def _moved(self, field: Field) -> tuple[ways.Way | None, Field | None]:
        """Return how a field moves here: from the record that a relation points to, or from those that point here."""
        step, _, name = field.was.partition(".")
        relation = self.before.fields.get(step)
        if relation is not None and relation.type == "relation" and not relation.polymorphic:
            target = self.earlier.model.entities.get(relation.to[0])
            source = target.fields.get(name) if target else None
            if target is not None and source is not None and values.columns(source):
                self._fits_move(source, field)
                return ways.Copied(relation.name, target.name, _columns(source)), source
        for end in self.earlier.model.inverses.get(self.before.name, ()):
            child = self.earlier.model.entities[end.entity]
            source = child.fields.get(name)
            if step in (end.name, end.entity) and source is not None and not child.fields[end.field].polymorphic:
                self._fits_move(source, field)
                take = field.convert.take if field.convert else ""
                return ways.Gathered(child.name, end.field, _columns(source), take), source
        message = f"There was no {field.was!r} from which {field.name!r} could move here; it begins empty."
        hint = "name a relation of this entity, or an inverse list of it, as it was before the change"
        raise _Say("nothing_to_move", message, hint, "warning")

    def _fits_move(self, source: Field, field: Field) -> None:
        pairs = (values.columns(source)[0].type, values.columns(field)[0].type)
        if pairs[0] != pairs[1] and not convertible(*pairs):
            raise _Say("no_conversion", f"Values of type {source.type} cannot become {field.type}.")

    def _backfill(self, field: Field, gaps: Column | None) -> ways.Way | None:
        """Return the way of a back-fill: of the empty cells of a column, or of all records."""
        if field.backfill_expression:
            way = self._computed(field, field.backfill_expression, self.ancestry.after, self.entity)
            return way if gaps is None else replace(way, own=(gaps.name, gaps.type), only_empty=True)
        if field.type != "relation" or field.backfill is None:
            return None
        try:
            wanted = values.parse(field, field.backfill, self.parsing)
        except Refused:
            return None  # a finding of `physical`
        return self._lookup(wanted, gaps.name if gaps else "") if isinstance(wanted, Lookup) else None

    def _lookup(self, wanted: Lookup, only_empty: str) -> ways.Way:
        after = self.ancestry.after.entities[wanted.entity]
        target = self.ancestry.entity(after)
        key = self.ancestry.field(target, after, wanted.key) if target and wanted.key in after.fields else None
        if target is None or key is None:
            raise _Say(
                "no_such_record", f"The back-fill names a {wanted.entity} by {wanted.key!r}, which is not there."
            )
        if not (key.unique or (key.name,) in target.unique):
            raise _Say("not_unique_key", f"{wanted.entity}.{wanted.key} does not tell records apart.")
        try:
            value = values.parse(key, wanted.value, self.parsing)
        except Refused as refused:
            raise _Say("bad_default", refused.message, refused.hint) from refused
        return ways.Found(target.name, key.name, values.columns(key)[0].type, value, only_empty)

    def _computed(self, field: Field, source: str, model: Model, entity: Entity) -> ways.Computed:
        """Return the way of an expression in the words of `model`, which is the one before or the one after."""
        earlier = model is self.earlier.model
        try:
            expression = compile_expression(source, RowScope(model, entity), type_of(field))
        except ExpressionError as error:
            message = f"{'convert' if earlier else 'backfill'}: {error.reason}"
            raise _Say("expression", message, error.hint or "it is over the record as it is now") from error
        names: ways.Names = Now(model) if earlier else Then(self.ancestry)
        if not earlier:
            self._same_types(field, expression.paths)
        kind = values.columns(field)[0].type
        return ways.Computed(expression, kind, model, entity, names, self.earlier.at)

    def _same_types(self, field: Field, paths: frozenset[tuple[str, ...]]) -> None:
        for path in sorted(paths):
            found = resolve(self.ancestry.after, self.entity, path)
            before = self.ancestry.entity(found.entity) if found else None
            if found is None or before is None or found.field.name == field.name:
                continue
            known = self.ancestry.field(before, found.entity, found.field.name)
            if known is not None and type_of(known, found.part) != type_of(found.field, found.part):
                message = f"The back-fill reads {'.'.join(path)}, which changes its type at the same time."
                raise _Say("expression", message, "apply one change after the other")

    # --- a field that was there

    def _changed(
        self, known: Field, field: Field, columns: tuple[Column, ...], there: dict[str, Column]
    ) -> Carry | None:
        in_place = all(c.id in there and there[c.id].type == c.type for c in columns)
        carry = self._converted(known, field, columns) if self._differ(known, field) else None
        if carry is not None:
            base = there.get(columns[0].id)
            retyped = base is not None and base.type != columns[0].type
            return replace(carry, in_place=in_place, kind="change_type" if retyped else carry.kind)
        tightened = in_place and any(there[c.id].null and not c.null for c in columns)
        way = self._backfill(field, there[columns[0].id]) if tightened else None
        if way is None:
            return None
        fit = Fit(field, self._types(way, field, None), parsing=self.parsing)
        return replace(self._carry("require", field, columns, way, fit), in_place=True)

    def _differ(self, known: Field, field: Field) -> bool:
        return self._rules(known, self._targets(known)) != self._rules(field, frozenset(field.to))

    def _targets(self, known: Field) -> frozenset[str]:
        """Return where a relation pointed, in the names of today."""
        found = ((name, self.earlier.model.entities.get(name)) for name in known.to)
        later = ((name, self.ancestry.successor(entity) if entity else None) for name, entity in found)
        return frozenset(entity.name if entity else ("*" if name == "*" else f"gone {name}") for name, entity in later)

    @staticmethod
    def _rules(field: Field, targets: frozenset[str]) -> tuple[Any, ...]:
        choices = frozenset(choice.name for choice in field.choices)
        return (field.type, field.min, field.max, field.pattern, field.precision, field.scale, choices, targets)

    def _converted(self, known: Field, field: Field, columns: tuple[Column, ...]) -> Carry | None:
        convert = field.convert or _NO_CONVERT
        fit = Fit(field, tuple(c.type for c in values.columns(known)), known, convert.map, parsing=self.parsing)
        kind = "change_type" if known.type != field.type else "map_values" if field.choices else "convert_values"
        way: ways.Way | None
        if convert.expression:
            way = self._computed(field, convert.expression, self.earlier.model, self.before)
            own = _columns(known)
            way = replace(way, own=own[0]) if own else way
            fit = replace(fit, types=(way.type,), old=None)
        elif known.type == "relation" and field.type == "relation":
            way, kind = self._retargeted(known, field), "change_target"
            fit = replace(fit, types=tuple(c.type for c in columns), strict=False)
        elif field.type == "relation":
            way = self._matched(known, field, convert.by or "label")
            fit = replace(fit, types=(ways.UUID,), strict=False)
        elif known.type == "relation":
            way = self._labelled(known, field)
            fit = replace(fit, types=(ways.TEXT,))
        else:
            way, fit = self._own(known, field), self._own_fit(known, field, fit)
        return None if way is None else self._carry(kind, field, columns, way, fit)

    def _own(self, known: Field, field: Field) -> ways.Way | None:
        pair = (values.columns(known)[0].type, values.columns(field)[0].type) if values.columns(known) else None
        if pair is None or (pair[0] != pair[1] and not convertible(*pair)):
            return None
        gone = {c.name for c in known.choices} - {c.name for c in field.choices}
        needed = field.type in CHOICES and (known.type != field.type or bool(gone))
        return ways.Own(_columns(known)) if needed or field.convert is not None else None

    def _own_fit(self, known: Field, field: Field, fit: Fit) -> Fit:
        former = {name: choice.name for choice in field.choices for name in choice.was}
        from_text = field.type == "choice" and known.type not in CHOICES
        names = {choice.name for choice in field.choices}
        titles = {c.title: c.name for c in reversed(field.choices) if c.title not in names} if from_text else {}
        strict = field.type in CHOICES or field.convert is not None
        return replace(fit, map={**former, **fit.map}, titles=titles, strict=strict)

    def _retargeted(self, known: Field, field: Field) -> ways.Way | None:
        if known.polymorphic:
            return self._narrowed(known, field)
        now = self._targets(known)
        if now <= set(field.to) or field.to == ("*",):
            return None  # it may point to more
        target = self._table_of(field.to[0]) if not field.polymorphic else ""
        key = field.convert.by if field.convert else ""
        both = [self.earlier.model.entities.get(name) for name in (known.to[0], target)]
        if key and not all(entity and key in entity.fields for entity in both):
            raise _Say("unknown_field", f"by: both the old and the new target need a field {key!r}.")
        return ways.Rekeyed(known.name, known.to[0], target or known.to[0], key if target else "")

    def _narrowed(self, known: Field, field: Field) -> ways.Way | None:
        if field.to == ("*",):
            return None
        before = self.earlier.model.entities
        names = list(before) if known.to == ("*",) else list(known.to)
        later = {name: self.ancestry.successor(before[name]) for name in names if name in before}
        stay = tuple(name for name, entity in later.items() if entity is not None and entity.name in field.to)
        if known.to != ("*",) and len(stay) == len(known.to) and field.polymorphic:
            return None
        return ways.Narrowed(known.name, f"{known.name}_entity", stay, not field.polymorphic)

    def _table_of(self, name: str) -> str:
        entity = self.ancestry.after.entities.get(name)
        before = self.ancestry.entity(entity) if entity is not None else None
        return before.name if before is not None else ""

    def _matched(self, known: Field, field: Field, by: str) -> ways.Way | None:
        kind = values.columns(known)[0].type if values.columns(known) else None
        if field.polymorphic or kind is None or kind.name == "uuid":
            return None
        after = self.ancestry.after.entities[field.to[0]]
        target = self.ancestry.entity(after)
        if target is None:
            raise _Say("no_conversion", f"There are no records of {field.to[0]} yet that the values could name.")
        key = self.ancestry.field(target, after, by) if by in after.fields else None
        if key is None or values.columns(key)[0].type != kind:
            message = f"The values of {known.name} cannot name a {field.to[0]} by {by!r}."
            raise _Say("no_conversion", message, "say `convert: {by: …}` with a field of the same type")
        return ways.Matched(known.name, kind, target.name, key.name)

    def _labelled(self, known: Field, field: Field) -> ways.Way | None:
        if values.columns(field)[0].type.name != "text":
            return None
        before = self.earlier.model.entities
        names = list(before) if known.to == ("*",) else list(known.to)
        targets = tuple((name, name) for name in names if name in before)
        if not targets:
            return None
        return ways.Labelled(known.name, targets, f"{known.name}_entity" if known.polymorphic else "")

    def _carry(self, kind: str, field: Field, columns: tuple[Column, ...], way: ways.Way, fit: Fit) -> Carry:
        otherwise = field.convert.otherwise if field.convert else "refuse"
        return Carry(kind, self.entity.name, field, self.new.id, columns, self.old.name, way, fit, otherwise=otherwise)


def _columns(field: Field) -> tuple[tuple[str, ColumnType], ...]:
    return tuple((spec.name, spec.type) for spec in values.columns(field))


def marked(schema: Schema, carries: tuple[Carry, ...]) -> Schema:
    """Return the schema in which the columns of the carries take what is laid down for them."""
    tables = dict(schema.tables)
    for carry in carries:
        table, ids = tables[carry.table], {c.id for c in carry.columns}
        columns = tuple(replace(c, taken=carry.scratch, backfill=None) if c.id in ids else c for c in table.columns)
        tables[carry.table] = replace(table, columns=columns)
    return Schema(tables)


def named(carries: tuple[Carry, ...]) -> Iterator[str]:
    """Yield the names of the tables that carries read and write, as they are now."""
    for carry in carries:
        yield carry.source
        yield from carry.way.tables
