"""Expanding: the records that relations lead to, shown along with a page, level by level.

One statement per relation and level for a whole page (a few where very many records are led to), never one per record.
Each level is read as its entity is read by itself: only the rows and fields the actor may read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xrm.errors import Invalid, Issue, TooExpensive
from xrm.kernel import query as q
from xrm.kernel.change import Actor
from xrm.kernel.links import LinkReading
from xrm.kernel.live import Live, Running, check_generation
from xrm.kernel.paths import inverse
from xrm.kernel.policy import roles_key, visibility
from xrm.kernel.query import Expand, Query, Selection, Selector
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.sql import Binder, Var, quote
from xrm.kernel.store.system import IN_FORCE
from xrm.kernel.visible import linking
from xrm.metadata.model import Entity, Field, Inverse

MAX_LEVELS = 4
MAX_RELATIONS = 20  # of one query, on all levels
MAX_EXPANDED = 20_000  # records of one answer
MAX_LISTED = 200  # records of one list
AT_ONCE = 1000  # ids in one statement

Record = dict[str, Any]
Finish = Callable[[Live, Actor, Entity, Selection, list[Record]], Awaitable[None]]


def own_names(entity: Entity, wanted: Iterable[Expand]) -> tuple[str, ...]:
    """Return the relations among `wanted` that are fields, and so have to be selected."""
    return tuple(one.name for one in wanted if one.name in entity.fields)


@dataclass(frozen=True, slots=True)
class _Lists:
    """The statement of the lists of some records, and where in its rows the record stands whose list it is."""

    selection: Selection
    near: int


class Expanding:
    """Puts the records that relations lead to into records that were read."""

    def __init__(self, running: Running, links: LinkReading, finish: Finish) -> None:
        self._running, self._links, self._finish = running, links, finish

    def check(self, live: Live, actor: Actor, entity: Entity, wanted: Sequence[Expand]) -> None:
        """Test that all of it can be read, whether or not there are records.

        Raises:
            Invalid: a name is no relation or list that the actor may read: real and forbidden look the same.
            TooExpensive: there are too many levels or relations.
        """
        if _levels(wanted) > MAX_LEVELS or _relations(wanted) > MAX_RELATIONS:
            raise TooExpensive(
                f"A query expands at most {MAX_LEVELS} levels and {MAX_RELATIONS} relations.",
                [Issue("expand", "too_many", "Leave some out, or ask for them by queries of their own.")],
            )
        for one in wanted:
            self._check(live, actor, entity, one)

    def _check(self, live: Live, actor: Actor, entity: Entity, one: Expand) -> None:
        targets = _targets(live, actor, entity, one.name)
        if not targets:
            raise Invalid(
                "Some relations are unknown", [Issue("expand", "unknown_field", f"There is no relation {one.name!r}.")]
            )
        if not 1 <= one.limit <= MAX_LISTED:
            raise Invalid(issues=[Issue("expand", "out_of_range", f"A list has 1 to {MAX_LISTED} records.")])
        if len(targets) > 1 and (one.fields or one.expand):
            raise Invalid(
                issues=[Issue("expand", "several_entities", f"{one.name!r} leads to several kinds of records.")]
            )
        end = inverse(live.model, entity, (one.name,))
        if end is None and (one.filter or one.sort):
            raise Invalid(issues=[Issue("expand", "no_list", f"{one.name!r} is no list of records that point here.")])
        for target in targets:
            if end is not None:
                self._lists(live, actor, entity, end, one)
            else:
                self._by_ids(live, actor, target, one)
        self.check(live, actor, targets[0], one.expand)

    async def show(
        self,
        live: Live,
        actor: Actor,
        entity: Entity,
        records: Sequence[Record],
        wanted: Sequence[Expand],
        budget: Budget | None = None,
    ) -> None:
        """Put what `wanted` names into the records.

        A relation that may not be read stays ``{"_restricted": true}``; a list that has more than was asked for is
        named in ``_more``.
        """
        budget = budget or Budget()
        for one in wanted:
            end = inverse(live.model, entity, (one.name,))
            if end is not None:
                await self._show_list(live, actor, entity, records, one, end, budget)
            else:
                await self._show_relation(live, actor, entity.fields[one.name], records, one, budget)

    # --- relations to one and to many ---

    async def _show_relation(
        self, live: Live, actor: Actor, field: Field, records: Sequence[Record], one: Expand, budget: Budget
    ) -> None:
        wanted: dict[str, set[str]] = {}
        for value in _values(records, field.name):
            wanted.setdefault(value.get("entity") or field.to[0], set()).add(value["id"])
        found = {name: await self._read(live, actor, name, sorted(ids), one, budget) for name, ids in wanted.items()}
        for record in records:
            shown: Any = record.get(field.name)
            if isinstance(shown, list):
                record[field.name] = [_joined(link, found[field.to[0]]) for link in shown]
            elif shown and "id" in shown:
                record[field.name] = _joined(shown, found[shown.get("entity") or field.to[0]])

    async def _read(
        self, live: Live, actor: Actor, name: str, ids: Sequence[str], one: Expand, budget: Budget
    ) -> Mapping[str, Record]:
        entity = live.model.entity(name)
        access = live.policy.access(actor, name, "read")
        if entity is None or access is None:
            return {}
        selection = self._by_ids(live, actor, entity, one)
        rows: list[Any] = []
        for start in range(0, len(ids), AT_ONCE):
            rows += await self._fetch(live, actor, selection, {"ids": ids[start : start + AT_ONCE]})
        shown = await self._shown(live, actor, entity, selection, rows, one, budget)
        return {record["id"]: record for record in shown}

    def _by_ids(self, live: Live, actor: Actor, entity: Entity, one: Expand) -> Selection:
        key = ("expand", entity.name, roles_key(actor), one.fields, own_names(entity, one.expand))
        made: Selection = live.cached(key, lambda: _ids_selection(live, actor, entity, one))
        return made

    # --- lists of records that point here ---

    async def _show_list(
        self,
        live: Live,
        actor: Actor,
        entity: Entity,
        records: Sequence[Record],
        one: Expand,
        end: Inverse,
        budget: Budget,
    ) -> None:
        lists = self._lists(live, actor, entity, end, one)
        ids = sorted({record["id"] for record in records})
        rows: list[Any] = []
        for start in range(0, len(ids), AT_ONCE):
            asked = {"ids": ids[start : start + AT_ONCE], "limit": one.limit + 1}
            rows += await self._fetch(live, actor, lists.selection, asked)
        other = live.model.entities[end.entity]
        shown = await self._shown(live, actor, other, lists.selection, rows, one, budget)
        found: dict[str, list[Record]] = {}
        for row, record in zip(rows, shown, strict=True):
            found.setdefault(str(row[lists.near]), []).append(record)
        for record in records:
            listed = found.get(record["id"], [])
            record[one.name] = listed[: one.limit]
            if len(listed) > one.limit:
                record.setdefault("_more", []).append(one.name)

    def _lists(self, live: Live, actor: Actor, entity: Entity, end: Inverse, one: Expand) -> _Lists:
        names = own_names(live.model.entities[end.entity], one.expand)
        key = ("expand_list", entity.name, end, roles_key(actor), one.fields, one.filter, one.sort, names)
        made: _Lists = live.cached(key, lambda: _list_selection(live, actor, entity, end, one))
        return made

    # --- both ---

    async def _shown(
        self,
        live: Live,
        actor: Actor,
        entity: Entity,
        selection: Selection,
        rows: Sequence[Any],
        one: Expand,
        budget: Budget,
    ) -> list[Record]:
        budget.spend(len(rows))
        shown = [selection.record(row) for row in rows]
        await self._finish(live, actor, entity, selection, shown)
        await self.show(live, actor, entity, shown, one.expand, budget)
        return shown

    async def _fetch(self, live: Live, actor: Actor, selection: Selection, values: Mapping[str, Any]) -> Sequence[Any]:
        known = {**q.variables(actor, self._running.clock()), **values}
        statement = selection.statement
        rows = await self._running.store.fetch(statement.text, statement.arguments(live.dialect, known))
        check_generation(live, rows)
        return rows


class Budget:
    """How many records one answer may still take in."""

    def __init__(self) -> None:
        self._left = MAX_EXPANDED

    def spend(self, count: int) -> None:
        """Take `count` records.

        Raises:
            TooExpensive: that many are not left.
        """
        self._left -= count
        if self._left < 0:
            raise TooExpensive(
                f"What is expanded has more than {MAX_EXPANDED:,} records.",
                [Issue("expand", "too_many", "Ask for fewer records per page, or for shorter lists.")],
            )


def _levels(wanted: Sequence[Expand]) -> int:
    return max((1 + _levels(one.expand) for one in wanted), default=0)


def _relations(wanted: Sequence[Expand]) -> int:
    return sum(1 + _relations(one.expand) for one in wanted)


def _values(records: Sequence[Record], name: str) -> Iterable[Record]:
    for record in records:
        value = record.get(name)
        for one in value if isinstance(value, list) else (value,):
            if one and "id" in one:
                yield one


def _joined(value: Record, found: Mapping[str, Record]) -> Record:
    """Return a relation's value with the record it names; what says how it is linked stays."""
    record = found.get(value["id"])
    return value if record is None else {**value, **record, **{n: value[n] for n in ("entity", "link") if n in value}}


def _targets(live: Live, actor: Actor, entity: Entity, name: str) -> tuple[Entity, ...]:
    """Return the entities a relation or list leads to, as far as the actor may read them; none if it is neither."""
    end = inverse(live.model, entity, (name,))
    if end is not None:
        access = live.policy.access(actor, end.entity, "read")
        seen = access is not None and visibility(access, end.field) is not None
        return (live.model.entities[end.entity],) if seen else ()
    field = entity.fields.get(name)
    access = live.policy.access(actor, entity.name, "read")
    if field is None or field.type not in ("relation", "links") or access is None or visibility(access, name) is None:
        return ()
    if field.through and linking(live, actor, field) is None:
        return ()
    readable = {target.name: target for target in live.policy.entities(actor)}
    if field.polymorphic:
        return tuple(target for target in readable.values() if "*" in field.to or target.name in field.to)
    target = readable.get(field.to[0])
    return (target,) if target else ()


def _ids_selection(live: Live, actor: Actor, entity: Entity, one: Expand) -> Selection:
    selector = _selector(live, actor, entity)
    slots = selector.slots(_fields(selector, one))
    masks = selector.masks(slots)
    where = [f't."id" {among(selector.binder, "ids")}', *selector.conditions(Query(), 0)]
    return Selection(selector.statement(where, ""), slots, masks=masks, links=tuple(selector.links.values()))


def _list_selection(live: Live, actor: Actor, entity: Entity, end: Inverse, one: Expand) -> _Lists:
    other = live.model.entities[end.entity]
    selector = _selector(live, actor, other)
    visible, binder = selector.visible, selector.binder
    slots = selector.slots(_fields(selector, one))
    masks = selector.masks(slots)
    pointer = visible.path(other, "t", (end.field,))
    near = selector.select(pointer)
    where = [f"{pointer} {among(binder, 'ids')}", *selector.conditions(Query(filter=one.filter), 0)]
    if other.fields[end.field].polymorphic:
        kind = visible.path(other, "t", (end.field, "entity"))
        where.append(f"{kind} = {binder.bind(entity.name, q.TEXT)}")
    order = q.order_by(live.dialect.name, selector.keys(one.sort))
    place = selector.select(f"row_number() OVER (PARTITION BY {pointer}{order})")
    names = [f"c{number}" for number in range(len(selector.selected))]
    columns = ", ".join(f"{sql} AS {name}" for sql, name in zip(selector.selected, names, strict=True))
    joins = "".join(f" {join}" for join in selector.joins)
    inner = f"SELECT {columns} FROM {quote(other.name)} t{joins} WHERE {' AND '.join(where)}"
    limit = binder.bind(Var("limit", q.INT), q.INT)
    text = f"SELECT {', '.join(names)}, {IN_FORCE} FROM ({inner}) q WHERE c{place} <= {limit} ORDER BY c{place}"
    links = tuple(selector.links.values())
    return _Lists(Selection(binder.statement(text), slots, masks=masks, links=links), near)


def _selector(live: Live, actor: Actor, entity: Entity) -> Selector:
    access = live.policy.access(actor, entity.name, "read")
    if access is None:
        raise LookupError(entity.name)
    return Selector(live, actor, access)


def _fields(selector: Selector, one: Expand) -> tuple[str, ...]:
    if not one.fields:
        return ()
    label = ("label",) if visibility(selector.access, "label") is not None else ()
    return (*label, *one.fields, *own_names(selector.entity, one.expand))


def among(binder: Binder, name: str) -> str:
    """Return ``IN …`` for the ids, as texts, that a variable will hold: one statement for any number of them."""
    ids = binder.bind(Var(name, ColumnType("texts")), ColumnType("texts"))
    return f"IN (SELECT value FROM json_each({ids}))" if binder.dialect.name == "sqlite" else f"= ANY({ids}::uuid[])"
