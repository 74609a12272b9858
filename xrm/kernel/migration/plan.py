"""Old schema, new schema → the steps between them, as a person reads them. Pure: no database, no SQL.

    identify(model, ids)      names → stable ids                         (physical.py)
    physical(model, ids)      model → the tables it asks for             (physical.py)
    settle(wanted, old, ids)  … and what stays although it was omitted   (physical.py)
    plan(old, new)            → Plan: steps and findings
    assess(store, plan)       … with numbers from the database           (impact.py)
    apply(store, model, …)    all of it, under a lock, in one transaction (apply.py)

`propose` does the first four. A step is *safe* (nothing is read or lost), *slow* (every record is read or written)
or *destructive* (values are lost; needs consent by the step's id).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from xrm.errors import Issue
from xrm.kernel.migration.ancestry import Ancestry
from xrm.kernel.migration.carry.find import Carry, Earlier, find, marked
from xrm.kernel.migration.carry.links import LinkCopy, find_links
from xrm.kernel.migration.circles import Circle, find_circles
from xrm.kernel.migration.diff import TableChange, compare
from xrm.kernel.migration.journal import Generation, ids_to_json, schema_to_json, sources_hash
from xrm.kernel.migration.physical import SYSTEM_PREFIX, Ids, base_id, identify, physical, settle
from xrm.kernel.migration.restore import Restores
from xrm.kernel.migration.retype import convertible
from xrm.kernel.store.schema import Column, ColumnType, Index, Schema, Table
from xrm.kernel.store.system import SYSTEM
from xrm.kernel.values import Parsing
from xrm.metadata.model import Entity, Field, Model, Source

SAFE, SLOW, DESTRUCTIVE = "safe", "slow", "destructive"
COPY = "copy_links"

__all__ = ["DESTRUCTIVE", "SAFE", "SLOW", "Ids", "Plan", "Step", "identify", "physical", "plan", "propose", "settle"]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing a plan will do.

    Attributes:
        kind: create_table, drop_table, rename_table, add_field, drop_field, rename_field, change_type, require,
            relax, change_default, add_index, drop_index, add_unique, drop_unique, add_key or drop_key; and where
            only values or their meaning change, map_values, convert_values, change_target, change_on_delete or
            copy_links.
        entity: The entity's (new) name.
        field: The field's (new) name, or empty.
        description: One sentence for a person.
        severity: safe | slow | destructive.
        table: Id of the table.
        target: Id of the column, index or key; empty when it is about the table.
        rows: How many records the table has, trash included; None until assessed.
        affected: How many of them the step fills, converts or loses a value of; None until assessed.
        lost: How many of those lose their value; None where the kind of step says it.
        samples: Up to three values that stand in the way.
    """

    kind: str
    entity: str
    field: str
    description: str
    severity: str
    table: str
    target: str = ""
    rows: int | None = None
    affected: int | None = None
    samples: tuple[str, ...] = ()
    lost: int | None = None

    @property
    def id(self) -> str:
        """What consent names: the same for the same step of the same schemas."""
        return f"{self.kind}:{self.table}.{self.target}" if self.target else f"{self.kind}:{self.table}"

    @property
    def internal(self) -> bool:
        """Whether it is about the kernel's own tables, which people need not see."""
        return self.table.startswith(SYSTEM_PREFIX)

    def to_dict(self) -> dict[str, Any]:
        """Return the step as JSON data, for the journal and the edges."""
        shown: dict[str, Any] = {
            "id": self.id,
            "kind": self.kind,
            "entity": self.entity,
            "field": self.field,
            "description": self.description,
            "severity": self.severity,
        }
        numbers = {
            "rows": self.rows,
            "affected": self.affected,
            "lost": self.lost,
            "samples": list(self.samples) or None,
        }
        return shown | {name: value for name, value in numbers.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Plan:
    """What turns the old schema into the new one. Made against generation `base`.

    `rewritten` names, as (table id, column id), columns whose values a step changes in place: the old ones are kept.
    `restores` tells what comes back by a rollback.
    """

    old: Schema
    new: Schema
    steps: tuple[Step, ...]
    issues: tuple[Issue, ...] = ()
    base: int = 0
    ids: Ids = field(default_factory=Ids)
    sources: tuple[Source, ...] = ()
    same_sources: bool = False
    rewritten: frozenset[tuple[str, str]] = frozenset()
    restores: Restores | None = None
    carries: tuple[Carry, ...] = ()
    links: tuple[LinkCopy, ...] = ()
    circles: tuple[Circle, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether applying it would change nothing at all, not even a title."""
        return self.same_sources and not self.steps

    @property
    def shown(self) -> tuple[Step, ...]:
        """The steps that people see."""
        return tuple(step for step in self.steps if not step.internal)

    @property
    def destructive(self) -> tuple[Step, ...]:
        """The steps that need consent."""
        return tuple(step for step in self.steps if step.severity == DESTRUCTIVE)

    @property
    def blocking(self) -> tuple[Issue, ...]:
        """The findings that refuse it."""
        return tuple(issue for issue in self.issues if issue.severity == "error")

    @property
    def hash(self) -> str:
        """The seal: changes when the generation it starts from, the definitions or the steps change."""
        parts = [
            self.base,
            sources_hash(self.sources),
            schema_to_json(self.old),
            schema_to_json(self.new),
            ids_to_json(self.ids),
            [step.id for step in self.steps],
        ]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]

    @property
    def seal(self) -> str:
        """The hash, and behind a point what the steps would lose: changes also when other records would be hit.

        Before a plan is assessed nobody knows what it loses: then it is the hash.
        """
        if all(step.rows is None for step in self.steps):
            return self.hash
        losses = [[step.id, step.affected, step.lost] for step in self.destructive]
        findings = sorted([issue.path, issue.code, issue.message] for issue in self.blocking)
        text = json.dumps([losses, findings], sort_keys=True)
        return f"{self.hash}.{hashlib.sha256(text.encode()).hexdigest()[:16]}"

    def to_dict(self) -> dict[str, Any]:
        """Return what people see of it as JSON data."""
        return {
            "base": self.base,
            "hash": self.seal,
            "steps": [step.to_dict() for step in self.shown],
            "issues": [issue.to_dict() for issue in self.issues],
        }


def propose(
    model: Model, current: Generation | None, parsing: Parsing | None = None, earlier: Earlier | None = None
) -> Plan:
    """Return the plan from the generation in force (None: an empty database) to `model`.

    Args:
        model: The planned one.
        current: The generation in force.
        parsing: How values are read.
        earlier: The model of that generation. Without it, columns are compared but not what they mean: choices,
            states and relations whose values need to follow.

    Raises:
        ModelError: the model has no tables that could be made: a default that does not fit, a name used twice.
    """
    old = current.full_schema if current else Schema()
    ids = identify(model, current.ids if current else None)
    wanted = physical(model, ids, parsing)
    new = settle(Schema({**SYSTEM.tables, **wanted.tables}), old, ids)
    carries, issues = _carries(model, current, (ids, old, new), parsing, earlier)
    made = plan(old, marked(new, carries))
    ancestry = Ancestry(earlier.model, model, current.ids, ids) if current and earlier else None
    links = tuple(find_links(ancestry)) if ancestry else ()
    steps = _with_links(_with_carries(made.steps, carries), links)
    same = current is not None and current.hash == sources_hash(model.sources) and current.ids == ids
    return Plan(
        old,
        made.new,
        (*steps, *_type_changes(steps, model, ids, current, earlier)),
        (*made.issues, *issues, *_omitted(ids, current)),
        current.number if current else 0,
        ids,
        model.sources,
        same,
        carries=carries,
        links=links,
        circles=tuple(find_circles(ancestry)) if ancestry else (),
        rewritten=frozenset((c.table, column.id) for c in carries for column in c.columns),
    )


def _carries(
    model: Model,
    current: Generation | None,
    made: tuple[Ids, Schema, Schema],
    parsing: Parsing | None,
    earlier: Earlier | None,
) -> tuple[tuple[Carry, ...], tuple[Issue, ...]]:
    if current is None or earlier is None:
        return (), ()
    ids, old, new = made
    return find(earlier, model, (current.ids, ids), (old, new), parsing or Parsing())


def _with_carries(steps: tuple[Step, ...], carries: tuple[Carry, ...]) -> tuple[Step, ...]:
    """Return the steps, each with what becomes of the values; a carry that belongs to none is a step of its own."""
    carried = {(carry.table, carry.base) for carry in carries if carry.kind != "add_field"}
    found = [s for s in steps if not (s.kind == "drop_field" and _part_of(s, carried))]
    for carry in carries:
        at = next((n for n, step in enumerate(found) if belongs(step, carry)), None)
        if at is None:
            found.append(Step(carry.kind, carry.entity, carry.field.name, _said(carry), SLOW, carry.table, carry.base))
        else:
            text = f"{found[at].description.removesuffix('.')}; {carry.words}."
            found[at] = replace(found[at], description=text, severity=SLOW)
    return tuple(found)


def _with_links(steps: tuple[Step, ...], links: tuple[LinkCopy, ...]) -> tuple[Step, ...]:
    """Return the steps; where a relation's values become links, that is said instead of the end of its column."""
    copied = {(copy.table, copy.base): copy for copy in links}
    found = []
    for step in steps:
        copy = copied.get((step.table, step.target)) if step.kind == "drop_field" else None
        found.append(replace(step, kind=COPY, description=copy.words, severity=SLOW) if copy else step)
    return tuple(found)


def _part_of(step: Step, carried: set[tuple[str, str]]) -> bool:
    return "." in step.target and (step.table, base_id(step.target)) in carried


def _type_changes(
    steps: tuple[Step, ...], model: Model, ids: Ids, current: Generation | None, earlier: Earlier | None
) -> Iterator[Step]:
    """Yield the fields that change their type but neither their columns nor their values: text to e-mail."""
    if current is None or earlier is None:
        return
    told = {(step.table, base_id(step.target)) for step in steps if step.kind not in _BESIDE}
    ancestry = Ancestry(earlier.model, model, current.ids, ids)
    for before, entity in ancestry.entities():
        own = ids.entities[entity.name]
        for known, new in ancestry.fields(before, entity):
            base = own.fields.get(new.name, "")
            if known.type != new.type and base and (own.id, base) not in told:
                text = f"Change {entity.name}.{new.name} from {known.type} to {new.type}; values stay."
                yield Step("change_type", entity.name, new.name, text, SAFE, own.id, base)
            if known.type == new.type == "relation" and known.on_delete != new.on_delete and base:
                text = f"{_on_delete(entity, new)} So far {_DELETES[known.on_delete].format('it')}."
                yield Step("change_on_delete", entity.name, new.name, text, SAFE, own.id, base)


_DELETES = MappingProxyType(
    {"restrict": "{} is refused", "clear": "{} empties the field", "cascade": "{} deletes these records too"}
)


def _on_delete(entity: Entity, field: Field) -> str:
    what = f"Deleting what {entity.name}.{field.name} points to"
    return f"{_DELETES[field.on_delete].format(what)} from now on."


_BESIDE = frozenset({"rename_field", "add_index", "drop_index", "add_unique", "drop_unique", "add_key", "drop_key"})


def belongs(step: Step, carry: Carry) -> bool:
    """Whether a carry is part of a step."""
    return (step.kind, step.table, base_id(step.target)) == (carry.kind, carry.table, carry.base)


def _said(carry: Carry) -> str:
    name = f"{carry.entity}.{carry.field.name}"
    if carry.kind == "change_target":
        return f"Let {name} point to {' or '.join(carry.field.to)}; {carry.words}."
    if carry.kind == "change_type" and carry.fit.old is not None:
        return f"Change {name} from {carry.fit.old.type} to {carry.field.type}; {carry.words}."
    return f"Change values of {name}: {carry.words}."


def plan(old: Schema, new: Schema) -> Plan:
    """Return the steps between two schemas, in the order in which people think of them."""
    change = compare(old, new)
    steps = [Step("create_table", t.name, "", f"Create {t.name}.", SAFE, t.id) for t in change.created]
    issues = [issue for table in new.tables.values() for issue in _twins(table)]
    for altered in change.changed:
        steps += _Reading(altered, old, new).steps()
        issues += _impossible(altered)
    for table in change.dropped:
        text = f"Drop {table.name} with all its records."
        steps.append(Step("drop_table", table.name, "", text, DESTRUCTIVE, table.id))
    return Plan(old, new, tuple(steps), tuple(issues))


class _Reading:
    """One changed table, put into sentences.

    A field may have two columns (money); they are one step. What comes with a new field or goes with an old one
    (its index, its key) is part of that step; only `unique` always speaks for itself, since it can be refused.
    """

    def __init__(self, change: TableChange, old: Schema, new: Schema) -> None:
        self.change, self.old, self.new = change, old, new
        self.table = change.new
        self.columns = {c.id: c for c in (*change.old.columns, *change.new.columns)}
        self.seen: set[tuple[str, str]] = set()

    def steps(self) -> list[Step]:
        found = [*self._table(), *self._fields(), *self._indexes(), *self._keys()]
        return [step for step in found if step is not None]

    def _table(self) -> Iterator[Step | None]:
        if self.change.moved:
            text = f"Rename {self.change.old.name} to {self.table.name}; its records stay."
            yield Step("rename_table", self.table.name, "", text, SAFE, self.table.id)

    def _fields(self) -> Iterator[Step | None]:
        name = self.table.name
        for old, new in self.change.renamed:
            yield self._field("rename_field", new, f"Rename {name}.{old.name} to {new.name}; its values stay.", SAFE)
        for column in self.change.added:
            yield self._add(column)
        for old, new in self.change.retyped:
            text = f"Change {name}.{new.name} from {_words(old.type)} to {_words(new.type)}."
            yield self._field("change_type", new, text, SLOW)
        for _, new in self.change.tightened:
            fill = _fill_words(new, "records without a value get")
            yield self._field("require", new, f"Make {name}.{new.name} required{fill}.", SLOW)
        for _, new in self.change.relaxed:
            yield self._field("relax", new, f"{name}.{new.name} is no longer required.", SAFE)
        for _, new in self.change.redefaulted:
            said = "no default" if new.default is None else f"the default {_shown(new.default)}"
            yield self._field("change_default", new, f"Give {name}.{new.name} {said}; existing values stay.", SAFE)
        for column in self.change.dropped:
            text = f"Drop {name}.{column.name} with all its values."
            yield self._field("drop_field", column, text, DESTRUCTIVE)

    def _add(self, column: Column) -> Step | None:
        need = "required " if not column.null else ""
        fill = _fill_words(column, "existing records get") if "." not in column.id else ""
        text = f"Add {self.table.name}.{column.name}, {need}{self._kind(column)}{fill}."
        return self._field("add_field", column, text, SLOW if column.backfill is not None else SAFE)

    def _kind(self, column: Column) -> str:
        """Return what a new column makes of its field, in a word."""
        for key in self.table.foreign_keys:
            if key.column == column.id:
                return f"relation to {self.new.tables[key.table].name}"
        parts = {id.partition(".")[2] for id in self.columns if id.startswith(f"{column.id}.")}
        return "money" if "currency" in parts else "relation to any" if "entity" in parts else _words(column.type)

    def _field(self, kind: str, column: Column, text: str, severity: str) -> Step | None:
        key = (kind, base_id(column.id))
        if key in self.seen:
            return None
        self.seen.add(key)
        return Step(kind, self.table.name, self._field_name(column.id), text, severity, self.table.id, column.id)

    def _field_name(self, column_id: str) -> str:
        base = self.columns.get(base_id(column_id))
        return base.name if base else self.columns[column_id].name

    def _indexes(self) -> Iterator[Step | None]:
        added, dropped = {c.id for c in self.change.added}, {c.id for c in self.change.dropped}
        for index in self.change.indexes_added:
            if index.unique or not added & set(index.columns):
                yield self._index_step("add", index, SLOW)
        for index in self.change.indexes_dropped:
            if not dropped & set(index.columns):
                yield self._index_step("drop", index, SAFE)

    def _index_step(self, verb: str, index: Index, severity: str) -> Step:
        names = list(dict.fromkeys(self._field_name(id) for id in index.columns))
        shown = " and ".join(names) + (", ignoring case," if index.ignore else "")
        shown += " (under a condition)" if index.where else ""
        words = {
            ("add", True): f"Make {shown} unique in {self.table.name}.",
            ("drop", True): f"{shown} need no longer be unique in {self.table.name}.",
            ("add", False): f"Index {self.table.name} by {shown}.",
            ("drop", False): f"Drop the index of {self.table.name} by {shown}.",
        }
        kind = f"{verb}_{'unique' if index.unique else 'index'}"
        own = names[0] if len(names) == 1 else ""
        return Step(kind, self.table.name, own, words[verb, index.unique], severity, self.table.id, index.id)

    def _keys(self) -> Iterator[Step]:
        added, dropped = {c.id for c in self.change.added}, {c.id for c in self.change.dropped}
        for key in self.change.keys_added:
            if key.column not in added:
                target = self.new.tables[key.table].name
                text = f"Each {self._field_name(key.column)} of {self.table.name} must be a {target} that exists."
                yield self._key_step("add_key", key.column, text, SLOW, key.id)
        lost = [k for k in self.change.keys_dropped if k.column not in dropped]
        for key in lost:
            target = self.old.tables[key.table].name
            text = f"{self._field_name(key.column)} of {self.table.name} need no longer be a {target} that exists."
            yield self._key_step("drop_key", key.column, text, SAFE, key.id)

    def _key_step(self, kind: str, column: str, text: str, severity: str, id: str) -> Step:
        return Step(kind, self.table.name, self._field_name(column), text, severity, self.table.id, id)


def _words(type: ColumnType) -> str:
    return f"decimal({type.precision},{type.scale})" if type.name == "decimal" else type.name


def _fill_words(column: Column, lead: str) -> str:
    value = column.backfill if column.backfill is not None else column.default
    return "" if value is None else f"; {lead} {_shown(value)}"


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _twins(table: Table) -> Iterator[Issue]:
    names = [c.name for c in table.columns]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Issue(
            f"{table.name}.{name}",
            "name_kept",
            "This name still holds the data of a field that is no longer defined.",
            "define that field again, or apply `removed: true` for it first",
        )


def _impossible(change: TableChange) -> Iterator[Issue]:
    for old, new in change.retyped:
        if not new.taken and not convertible(old.type, new.type):
            yield Issue(
                f"{change.new.name}.{new.name}",
                "no_conversion",
                f"Values of type {_words(old.type)} cannot become {_words(new.type)}.",
                "give the new field another name, and drop the old one with `removed: true` when it is empty",
            )


def _omitted(ids: Ids, current: Generation | None) -> Iterator[Issue]:
    """Yield a warning for what the model names no longer, when it did so before."""
    before = current.ids if current else Ids()
    for name in sorted(ids.kept - before.kept):
        yield _kept(name, "Its table and records stay.")
    known = {entity.id: entity for entity in before.entities.values()}
    for name, entity in ids.entities.items():
        earlier = known.get(entity.id)
        for lost in sorted(entity.kept - (earlier.kept if earlier else frozenset())):
            yield _kept(f"{name}.{lost}", "Its values stay.")


def _kept(path: str, stays: str) -> Issue:
    return Issue(
        path,
        "kept",
        f"{path} is no longer defined. {stays}",
        "define it again to get it back; to drop it, define it with `removed: true`",
        "warning",
    )
