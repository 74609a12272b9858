"""Model → the tables it asks for, and the stable ids by which names may change.

An entity and a field get an id once (``e7``, ``f31``) and keep it: by their name, or across a rename by ``was:``.
Ids are counted, never random and never used twice, so the same history gives the same ids everywhere. Index and key
names are made of ids and survive every rename. What a model merely omits keeps its id and its data (`Ids.kept`);
only ``removed: true`` gives both up.

Foreign keys never act by themselves. What happens when a record is deleted (restrict, clear, cascade) is done by the
records door, which writes a change for each record it touches; a key that cleared or deleted rows in the database
would do so behind the history's back. Records go to the trash first, so a key is only the safety net under a purge,
and refuses. It is deferrable, so that an import or an undo may write in any order within its transaction.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import count
from typing import Any

from xrm.errors import Issue, ModelError
from xrm.kernel import values
from xrm.kernel.conditions import condition
from xrm.kernel.store.schema import Column, ForeignKey, Index, Schema, Table
from xrm.kernel.values import Lookup, Parsing, Refused
from xrm.metadata.model import Entity, Field, Key, Model, View, empty

WORDS = "fw_search"  # id of the index of words
SYSTEM_PREFIX = "xrm_"
_NEVER_NULL = frozenset({"id", "version", "created_at", "updated_at"})


@dataclass(frozen=True, slots=True)
class EntityIds:
    """The id of an entity and of its fields, by name. `kept` names fields that are no longer defined."""

    id: str
    fields: Mapping[str, str] = dataclasses.field(default_factory=empty)
    kept: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Ids:
    """The ids of a site. `kept` names entities that are no longer defined; `last` is the last number given out."""

    entities: Mapping[str, EntityIds] = dataclasses.field(default_factory=empty)
    kept: frozenset[str] = frozenset()
    last: int = 0


# --- ids ---------------------------------------------------------------------------------------------------------


def identify(model: Model, old: Ids | None = None) -> Ids:
    """Return the ids of a model's entities and fields, given the ids of the generation before.

    Raises:
        ModelError: a name is needed for two things: one defined, one kept from before.
    """
    old = old or Ids()
    numbers = count(old.last + 1)
    issues: list[Issue] = []
    entities = {e.name: e for e in model.entities.values() if not e.removed}
    removed = {e.name for e in model.entities.values() if e.removed}
    known = {name: ids.id for name, ids in old.entities.items() if name not in removed}
    matched = _match({name: e.was for name, e in entities.items()}, known, old.kept)
    before = {ids.id: ids for ids in old.entities.values()}
    found: dict[str, EntityIds] = {}
    for name, entity in entities.items():
        id = matched.get(name) or f"e{next(numbers)}"
        found[name] = _identify_fields(entity, before.get(id, EntityIds(id)), numbers, issues)
    kept = _left_over(known, matched)
    issues += [_taken(name) for name in kept if name in found]
    if issues:
        raise ModelError(issues=issues)
    found |= {name: old.entities[name] for name in kept}
    return Ids(found, frozenset(kept), next(numbers) - 1)


def _identify_fields(entity: Entity, old: EntityIds, numbers: Iterator[int], issues: list[Issue]) -> EntityIds:
    own = [f for f in entity.fields.values() if not f.system]
    wanted = {f.name: f.was for f in own if not f.removed}
    removed = {f.name for f in own if f.removed}
    known = {name: id for name, id in old.fields.items() if name not in removed}
    matched = _match(wanted, known, old.kept)
    fields = {name: matched.get(name) or f"f{next(numbers)}" for name in wanted}
    kept = _left_over(known, matched)
    issues += [_taken(f"{entity.name}.{name}") for name in kept if name in fields]
    return EntityIds(old.id, {**fields, **{name: known[name] for name in kept}}, frozenset(kept))


def _match(wanted: Mapping[str, str], known: Mapping[str, str], kept: AbstractSet[str]) -> dict[str, str]:
    """Return name → known id. `wanted` maps a name to the name it had (or "").

    A ``was:`` may stay in the file for ever, so it counts only for a name that is not in use yet; a name that came
    free by such a rename may be given to something new, or to the next rename of a chain.
    """
    live = {name: id for name, id in known.items() if name not in kept}
    found: dict[str, str] = {}
    taken: set[str] = set()

    def take(name: str, source: str, ids: Mapping[str, str]) -> None:
        id = ids.get(source)
        if id is not None and name not in found and id not in taken:
            found[name] = id
            taken.add(id)

    for name, was in wanted.items():
        if name not in live and not (name in kept and was in wanted):
            take(name, was, live)
    for name in wanted:
        take(name, name, live)
    for ids in (live, known):
        for name, was in wanted.items():
            take(name, name, ids)
            take(name, was, ids)
    return found


def _left_over(known: Mapping[str, str], matched: Mapping[str, str]) -> list[str]:
    used = set(matched.values())
    return [name for name, id in known.items() if id not in used]


def _taken(path: str) -> Issue:
    return Issue(
        path,
        "name_kept",
        "This name still holds the data of something that is no longer defined.",
        "define it again, or apply `removed: true` for it first",
    )


# --- tables ------------------------------------------------------------------------------------------------------


def physical(model: Model, ids: Ids, parsing: Parsing | None = None) -> Schema:
    """Return the tables a model asks for, without what is kept from before (see `settle`).

    Raises:
        ModelError: a default or backfill does not fit its field, or two fields need the same column.
    """
    issues: list[Issue] = []
    tables = [
        _Mapping(model, entity, ids, parsing or Parsing(), issues).table()
        for entity in model.entities.values()
        if not entity.removed
    ]
    if issues:
        raise ModelError(issues=issues)
    return Schema({table.id: table for table in tables})


class _Mapping:
    """One entity on its way to a table."""

    def __init__(self, model: Model, entity: Entity, ids: Ids, parsing: Parsing, issues: list[Issue]) -> None:
        self.model = model
        self.entity, self.ids, self.parsing, self.issues = entity, ids, parsing, issues
        fields = sorted(entity.fields.values(), key=lambda f: not f.system)  # the system's first
        self.fields = {f.name: f for f in fields if not f.removed and not f.virtual}
        self.own = ids.entities[entity.name]

    def table(self) -> Table:
        columns = tuple(c for f in self.fields.values() for c in self._columns(f))
        self._refuse_twins(columns)
        indexes = {index.id: index for index in self._indexes()}
        keys = tuple(self._keys())
        return Table(self.own.id, self.entity.name, columns, tuple(indexes.values()), keys)

    def field_id(self, field: Field) -> str:
        return field.name if field.system else self.own.fields[field.name]

    def _columns(self, field: Field) -> Iterator[Column]:
        defaults, backfills = self._cells(field, self._default(field)), self._backfills(field)
        optional = {f"{field.name}_{part.name}" for part in values.parts(field) if part.optional}
        for spec, default, backfill in zip(values.columns(field), defaults, backfills, strict=False):
            yield Column(
                column_id(self.field_id(field), field.name, spec.name),
                spec.name,
                spec.type,
                null=_nullable(field) or spec.name in optional,
                primary=field.system and field.name == "id",
                default=default,
                backfill=backfill,
            )

    def _default(self, field: Field) -> Any:
        if field.system:
            return 1 if field.name == "version" else None
        workflow = self.entity.workflow
        if field.default is None and workflow and workflow.field == field.name:
            return workflow.initial
        return field.default

    def _backfills(self, field: Field) -> tuple[Any, ...]:
        first, *further = self._cells(field, None if field.backfill_expression else field.backfill) or (None,)
        fills = [part.fill for part in values.parts(field)]  # a number that becomes money needs a currency
        cells = zip(further, fills, strict=True)
        return (first, *(fill(self.parsing) if cell is None and fill else cell for cell, fill in cells))

    def _cells(self, field: Field, value: Any) -> tuple[Any, ...]:
        """Return the column values of a JSON value; "$user.id" and the like are known only at each write."""
        nothing = values.pack(field, None)
        if value is None or (isinstance(value, str) and value.startswith("$")):
            return nothing
        try:
            parsed = values.parse(field, value, self.parsing) if not field.system else value
        except Refused as refused:
            self.issues.append(refused.issue(f"{self.entity.name}.{field.name}"))
            return nothing
        return nothing if isinstance(parsed, Lookup) else values.pack(field, parsed)

    def _refuse_twins(self, columns: Iterable[Column]) -> None:
        seen: set[str] = set()
        for column in columns:
            if column.name in seen:
                path = f"{self.entity.name}.{column.name}"
                self.issues.append(Issue(path, "name_taken", "Another field keeps its values under this name."))
            seen.add(column.name)

    def _keys(self) -> Iterator[ForeignKey]:
        for field in self.fields.values():
            # Who wrote a record is history: it must not stop the purge of a user, so system fields have no key.
            if field.type == "relation" and not field.polymorphic and not field.system and not field.kind:
                target = self.ids.entities.get(field.to[0]) if field.to else None
                if target is not None and field.to[0] not in self.ids.kept:
                    id = self.field_id(field)
                    yield ForeignKey(f"fk_{id}", id, target.id)

    def _indexes(self) -> Iterator[Index]:
        for field in self.fields.values():
            if field.type == "relation" and not field.system:  # also for rows in the trash: a key looks at them too
                yield self._full_index((field.name,))
            if field.unique:
                yield self._unique((field.name,))
            if field.index or (self.entity.workflow and self.entity.workflow.field == field.name):
                yield self._index((field.name,))
        for names in self.entity.unique:
            yield self._unique(names)
        for key in self.entity.special:
            yield self._special(key)
        for names in self.entity.indexes:
            yield self._index(names)
        yield from self._order_indexes()
        if self.entity.search and "search" in self.fields:
            yield dataclasses.replace(self._full_index(("search",)), id=WORDS, kind="words")

    def _order_indexes(self) -> Iterator[Index]:
        if {"created_at", "id"} <= self.fields.keys():
            yield self._index(("created_at", "id"))
        for view in self.entity.views.values():
            names = _sort_names(view)
            if names and all(n in self.fields and self._sortable(self.fields[n]) for n in names):
                yield self._index((*names, "id"))

    @staticmethod
    def _sortable(field: Field) -> bool:
        return values.TYPES[field.type].ordered and field.type != "relation"

    def _unique(self, names: Iterable[str]) -> Index:
        columns = tuple(c for name in names for c in self._column_ids(self.fields[name]))
        return Index(_index_id("uq", columns), columns, unique=True, live="deleted_at" in self.fields)

    def _special(self, key: Key) -> Index:
        index = self._unique(key.fields)
        where = condition(self.model, self.entity, key.where, self._column_at) if key.where else ""
        mark = zlib.crc32(f"{where} {key.ignore}".encode())  # the same fields may also be unique in another way
        return dataclasses.replace(index, id=f"{index.id}_{mark:08x}", where=where, ignore=key.ignore)

    def _column_at(self, path: tuple[str, ...]) -> str:
        field = self.fields[path[0]]
        first = path[1:] == (values.TYPES[field.type].first,)
        return column_id(self.field_id(field), field.name, field.name if first else "_".join(path))

    def _index(self, names: Iterable[str]) -> Index:
        return dataclasses.replace(self._full_index(names), live="deleted_at" in self.fields)

    def _full_index(self, names: Iterable[str]) -> Index:
        columns = tuple(self._column_ids(self.fields[name])[0] for name in names)
        return Index(_index_id("ix", columns), columns)

    def _column_ids(self, field: Field) -> tuple[str, ...]:
        return tuple(column_id(self.field_id(field), field.name, spec.name) for spec in values.columns(field))


def _index_id(prefix: str, columns: Iterable[str]) -> str:
    return "_".join((prefix, *map(plain, columns)))


def _nullable(field: Field) -> bool:
    if field.system:
        return field.name not in _NEVER_NULL
    computed = (
        bool(field.formula or field.kind) or field.type == "auto_number"
    )  # filled in after the row exists, or never
    return computed or not field.required or not values.TYPES[field.type].whole


def _sort_names(view: View) -> tuple[str, ...]:
    """Return the fields of a list's order, when one index can serve it: all up or all down."""
    down = {name.startswith("-") for name in view.sort}
    return tuple(name.lstrip("-") for name in view.sort) if view.kind == "list" and len(down) == 1 else ()


def column_id(field_id: str, field: str, column: str) -> str:
    """Return the id of a field's column: the field's own, or with a part after a point (``f31.currency``)."""
    return field_id if column == field else f"{field_id}.{column.removeprefix(field + '_')}"


def base_id(column_id: str) -> str:
    """Return the id of the first column of the field a column belongs to."""
    return column_id.partition(".")[0]


def plain(id: str) -> str:
    """Return an id as it may stand in a database name."""
    return id.replace(".", "_")


# --- what stays ----------------------------------------------------------------------------------------------------


def settle(wanted: Schema, old: Schema, ids: Ids) -> Schema:
    """Return `wanted` together with what the database keeps although the model no longer names it.

    A kept column carries data only: it may be null and has no default, index or key, so that it is in nobody's way.
    A kept table stays as it is. Columns stand in the order in which the database has them. The kernel's own tables
    (``xrm_…``) are never dropped.
    """
    owners = {entity.id: entity for entity in ids.entities.values()}
    tables = {id: _settle_table(table, old, owners.get(id)) for id, table in wanted.tables.items()}
    for id, table in old.tables.items():
        if id not in tables and (id in owners or id.startswith(SYSTEM_PREFIX)):
            tables[id] = table
    return Schema({id: _without_lost_keys(table, tables) for id, table in tables.items()})


def _settle_table(table: Table, old: Schema, ids: EntityIds | None) -> Table:
    before = old.tables.get(table.id)
    if before is None:
        return table
    wanted = {c.id: c for c in table.columns}
    kept = {ids.fields[name] for name in ids.kept} if ids else {c.id for c in before.columns}
    stay = [
        wanted.get(c.id) or dataclasses.replace(c, null=True, default=None, backfill=None)
        for c in before.columns
        if c.id in wanted or base_id(c.id) in kept
    ]
    there = {c.id for c in stay}
    new = [_with_target(c, before, old) for c in table.columns if c.id not in there]
    return dataclasses.replace(table, columns=(*stay, *new))


def _with_target(column: Column, before: Table, old: Schema) -> Column:
    """Return a new column; where a relation becomes polymorphic, with the entity it pointed to so far."""
    base, _, part = column.id.partition(".")
    key = next((k for k in before.foreign_keys if k.column == base), None)
    if part != "entity" or key is None:
        return column
    return dataclasses.replace(column, backfill=old.tables[key.table].name)


def _without_lost_keys(table: Table, tables: Mapping[str, Table]) -> Table:
    keys = tuple(k for k in table.foreign_keys if k.table in tables)
    return table if len(keys) == len(table.foreign_keys) else dataclasses.replace(table, foreign_keys=keys)
