"""The reading half of the records door: get, list, count, aggregate. Every statement comes from query.py."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from xrm.errors import Invalid, Issue, Malformed, NotFound, TooExpensive
from xrm.kernel import keys
from xrm.kernel import permitted as allowed
from xrm.kernel import query as q
from xrm.kernel.change import Actor
from xrm.kernel.cursor import read_cursor, write_cursor
from xrm.kernel.expand import Expanding, own_names
from xrm.kernel.links import LinkReading
from xrm.kernel.live import Live, Running, check_generation
from xrm.kernel.migration.journal import generation_number
from xrm.kernel.policy import Access, roles_key, visibility
from xrm.kernel.query import Count, Expand, Page, Query, Selection, Selector
from xrm.kernel.store.errors import TookTooLong
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.sql import Binder, Statement, Var, quote
from xrm.kernel.store.system import IN_FORCE
from xrm.kernel.totals import Totals, totals_selection
from xrm.kernel.values import Lookup
from xrm.kernel.visible import Visible
from xrm.metadata.model import Entity

UUID_TYPE = ColumnType("uuid")
ID = Var("id", UUID_TYPE)


def demand(live: Live, actor: Actor, entity: str, action: str) -> Access:
    """Return what the actor may do with an entity by an action.

    Raises:
        NotFound: no such entity for the actor: real, removed or forbidden look the same.
    """
    access = live.policy.access(actor, entity, action)
    if access is None:
        raise NotFound(f"There is no entity {entity!r}.")
    return access


class Reading:
    """Reads records as one actor may see them."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._links = LinkReading(running)
        self._expanding = Expanding(running, self._links, self._finish)

    async def get(
        self, actor: Actor, entity: str, id: UUID, fields: tuple[str, ...] = (), expand: tuple[Expand, ...] = ()
    ) -> dict[str, Any]:
        """Return one record, JSON-ready.

        Raises:
            NotFound: there is none, it is in the trash, or the actor may not read it.
            Invalid: `fields` or `expand` name what is not there.
        """
        live = self._running.live
        access = demand(live, actor, entity, "read")
        fields = self._with_expanded(live, actor, access.entity, fields, expand)
        selection: Selection = live.cached(
            ("get", entity, roles_key(actor), fields), lambda: _get_selection(live, actor, access, fields)
        )
        rows = await self._rows(live, actor, selection.statement, {"id": id})
        if not rows:
            raise NotFound(f"There is no {access.entity.title} with this id.")
        records = [await self.shown(live, actor, access.entity, selection, rows[0])]
        await self._expanding.show(live, actor, access.entity, records, expand)
        return records[0]

    async def shown(
        self, live: Live, actor: Actor, entity: Entity, selection: Selection, row: Sequence[Any]
    ) -> dict[str, Any]:
        """Return the record of a row that was read by a selection."""
        records: builtins.list[dict[str, Any]] = [selection.record(row)]
        await self._finish(live, actor, entity, selection, records)
        return records[0]

    async def find_by(self, actor: Actor, entity: str, given: Mapping[str, Any]) -> UUID | None:
        """Return the id of the record that has these JSON values of a unique key, or None.

        Raises:
            NotFound: no such entity or field for the actor.
            Invalid: the fields do not tell records apart, or a value does not fit.
        """
        live = self._running.live
        target = demand(live, actor, entity, "read").entity
        key = keys.readable_key(live, actor, target, tuple(given))
        if isinstance(key, Issue):
            if key.code == "unknown_field":
                raise NotFound(f"There is no field {key.path!r}.")
            raise Invalid(issues=[key])
        values = keys.key_values(live, target, given)
        if isinstance(values, Issue):
            raise Invalid(issues=[values])
        if any(value is None or isinstance(value, Lookup) for value in values.values()):
            raise Invalid(
                issues=[Issue(key.fields[0], "not_a_key", "A key needs a value of each field; ids of records.")]
            )
        statement = live.cached(
            ("lookup", entity, key, roles_key(actor)), lambda: keys.key_statement(live, actor, target, key)
        )
        rows = await self._fetch(live, actor, statement, keys.variables(target, key, values))
        return _identity(live, rows[0][0]) if rows else None

    async def list(self, actor: Actor, entity: str, query: Query) -> Page:
        """Return one page of records.

        Raises:
            NotFound: no such entity for the actor.
            Invalid: filter, sort or fields name what is not there.
            Malformed: limit, offset or cursor out of range.
        """
        live = self._running.live
        action = _action(query)
        access = demand(live, actor, entity, "read")
        granted = demand(live, actor, entity, action)
        _bounds(query)
        fields = self._with_expanded(live, actor, access.entity, query.fields, query.expand)
        query = replace(query, fields=fields) if query.expand else query
        query = _ranked(query, access)
        words = q.search_count(query.search)
        cursor = self._cursor(live, actor, access, query)
        nulls = tuple(v is None for v in cursor)
        key = ("list", action, entity, roles_key(actor), query.filter, query.sort, query.fields, words, nulls)
        selection = live.cached(key, lambda: _list_selection(live, actor, access, granted, query, words, nulls))
        rows = await self._affordable(
            live,
            actor,
            selection.statement,
            {
                **q.search_variables(live.dialect, access, query.search),
                **{f"after.{n}": v for n, v in enumerate(cursor)},
                "limit": query.limit + 1,
                "offset": query.offset,
            },
        )
        page = Page([selection.record(row) for row in rows[: query.limit]])
        if len(rows) > query.limit:
            last = rows[query.limit - 1]
            page.next = write_cursor(live.dialect, [(key.type, last[key.index]) for key in selection.keys])
        await self._finish(live, actor, access.entity, selection, page.records)
        await self._expanding.show(live, actor, access.entity, page.records, query.expand)
        return page

    async def count(self, actor: Actor, entity: str, query: Query) -> Count:
        """Return how many records a query finds, counted up to 10,000."""
        live = self._running.live
        action = _action(query)
        access = demand(live, actor, entity, "read")
        granted = demand(live, actor, entity, action)
        words = q.search_count(query.search)
        query = replace(query, sort=())
        key = ("count", action, entity, roles_key(actor), query.filter, words)
        statement = live.cached(key, lambda: _count_statement(live, actor, access, granted, query, words))
        rows = await self._affordable(live, actor, statement, q.search_variables(live.dialect, access, query.search))
        found = int(rows[0][0])
        return Count(min(found, q.MAX_COUNT), found <= q.MAX_COUNT)

    async def aggregate(self, actor: Actor, entity: str, totals: Totals) -> Sequence[dict[str, Any]]:
        """Return one row per group: the group's values and the totals asked for."""
        live = self._running.live
        access = demand(live, actor, entity, "read")
        words = q.search_count(totals.search)
        key = ("totals", entity, roles_key(actor), totals.filter, totals.having, replace(totals, search=""), words)
        selection = live.cached(key, lambda: totals_selection(Selector(live, actor, access), totals, words))
        rows = await self._affordable(
            live,
            actor,
            selection.statement,
            q.search_variables(live.dialect, access, totals.search),
        )
        return [selection.record(row) for row in rows]

    async def visible_ids(self, actor: Actor, entity: str, ids: Sequence[UUID]) -> Mapping[str, str]:
        """Return id → label of those of `ids` the actor may read; both as text."""
        live = self._running.live
        access = live.policy.access(actor, entity, "read")
        if access is None or not ids:
            return {}
        size = next(n for n in (1, 10, 50, 200, 1000) if len(ids) <= n)
        statement = live.cached(
            ("labels", entity, roles_key(actor), size), lambda: _labels_statement(live, actor, access, size)
        )
        padded = [*ids, *([ids[0]] * (size - len(ids)))]
        rows = await self._fetch(live, actor, statement, {f"id.{n}": id for n, id in enumerate(padded)})
        return {str(row[0]): row[1] or "" for row in rows}

    async def permitted(self, actor: Actor, entity: str, id: UUID) -> Mapping[str, frozenset[str]]:
        """Return what the actor may do with one record: action → the fields they may write by it.

        An action that is not in it would be refused. Empty when the actor may not read the record.
        """
        live = self._running.live
        reading = demand(live, actor, entity, "read")
        asked = allowed.accesses(live, actor, entity)
        key = ("permitted", entity, roles_key(actor))
        statement = live.cached(key, lambda: allowed.statement(live, actor, reading, asked))
        rows = await self._fetch(live, actor, statement, allowed.variables(id))
        return allowed.granted(asked, rows[0]) if rows else {}

    # --- parts ---

    def _with_expanded(
        self, live: Live, actor: Actor, entity: Entity, fields: tuple[str, ...], expand: tuple[Expand, ...]
    ) -> tuple[str, ...]:
        """Test what is to be expanded, and return the fields with those it needs."""
        self._expanding.check(live, actor, entity, expand)
        return (*fields, *own_names(entity, expand)) if fields else ()

    async def _finish(
        self, live: Live, actor: Actor, entity: Entity, selection: Selection, records: builtins.list[dict[str, Any]]
    ) -> None:
        """Give records what statements of their own read: labels of pointers, links."""
        await self._pointers(live, actor, selection, records)
        await self._links.show(live, actor, entity, selection.links, records)
        if entity.name in self._running.renewing:
            _mark_stale(records, live.entities[entity.name].kept)

    async def _fetch(self, live: Live, actor: Actor, statement: Statement, values: Mapping[str, Any]) -> Sequence[Any]:
        known = {**q.variables(actor, self._running.clock()), **values}
        return await self._running.store.fetch(statement.text, statement.arguments(live.dialect, known))

    async def _rows(self, live: Live, actor: Actor, statement: Statement, values: Mapping[str, Any]) -> Sequence[Any]:
        """Return the rows of a statement whose last column tells the generation in force.

        Raises:
            OtherGeneration: it is not the one that the statement was made for, so that values would be misread.
        """
        rows = await self._fetch(live, actor, statement, values)
        check_generation(live, rows or [(await generation_number(self._running.store),)])
        return rows

    async def _affordable(
        self, live: Live, actor: Actor, statement: Statement, values: Mapping[str, Any]
    ) -> Sequence[Any]:
        """Return the rows of a query that somebody made up.

        Raises:
            TooExpensive: it took longer than the site allows.
        """
        try:
            return await self._rows(live, actor, statement, values)
        except TookTooLong:
            hint = "filter by fewer fields across relations, search for longer words, or add an index to the model"
            raise TooExpensive(
                "This query takes longer than this site allows.",
                [Issue("filter", "too_slow", "It was given up (the setting statement_seconds).", hint)],
            ) from None

    async def _pointers(
        self, live: Live, actor: Actor, selection: Selection, records: builtins.list[dict[str, Any]]
    ) -> None:
        """Give polymorphic relations their labels: one statement per entity pointed to, not per record."""
        names = [slot.name for slot in selection.slots if slot.kind == "pointer"]
        wanted: dict[str, set[str]] = {}
        for record in records:
            for name in names:
                if record.get(name):
                    wanted.setdefault(record[name]["entity"] or "", set()).add(record[name]["id"])
        labels = {e: await self.visible_ids(actor, e, [UUID(i) for i in sorted(ids)]) for e, ids in wanted.items()}
        for record in records:
            for name in names:
                if pointer := record.get(name):
                    label = labels[pointer["entity"] or ""].get(pointer["id"])
                    record[name] = q.RESTRICTED if label is None else {**pointer, "label": label}

    def _cursor(self, live: Live, actor: Actor, access: Access, query: Query) -> builtins.list[Any]:
        if not query.after:
            return []
        kinds = live.cached(
            ("keys", access.entity.name, roles_key(actor), query.sort),
            lambda: tuple(key.type for key, _ in Selector(live, actor, access).keys(query.sort)),
        )
        return read_cursor(live.dialect, query.after, kinds)


def _mark_stale(records: Sequence[dict[str, Any]], kept: tuple[str, ...]) -> None:
    """Say which of the values are those of before, since a job is computing them anew."""
    for record in records:
        if stale := [name for name in kept if name in record]:
            record["_stale"] = stale


def _identity(live: Live, cell: Any) -> UUID:
    decode = live.dialect.decode(UUID_TYPE)
    found: UUID = decode(cell) if decode else cell
    return found


def _action(query: Query) -> str:
    """Return the action whose grants say which of the readable rows a query finds."""
    return "restore" if query.trash == "deleted" else query.action


def _ranked(query: Query, access: Access) -> Query:
    """Return a search for which no order is asked in the order of how well it fits."""
    if not query.search.strip() or query.sort or visibility(access, "label") is None:
        return query
    return replace(query, sort=(q.RELEVANCE, "label"))


def _bounds(query: Query) -> None:
    if not 1 <= query.limit <= q.MAX_PAGE:
        raise Malformed(f"`limit` must be from 1 to {q.MAX_PAGE}")
    if not 0 <= query.offset <= 1_000_000:
        raise Malformed("`offset` must be from 0 to 1,000,000", hint="use `after`, it is faster")
    if len(query.sort) > 5 or len(query.fields) > 200 or len(query.search) > 200:
        raise Malformed("Too many sort keys, fields or search characters")
    if query.trash not in ("live", "deleted"):
        raise Invalid(issues=[Issue("trash", "unknown_value", "It is live or deleted.")])
    if query.action not in ("read", "export"):
        raise Invalid(issues=[Issue("action", "unknown_value", "It is read or export.")])


def _get_selection(live: Live, actor: Actor, access: Access, fields: tuple[str, ...]) -> Selection:
    selector = Selector(live, actor, access)
    slots = selector.slots(fields)
    masks = selector.masks(slots)
    where = [f't."id" = {selector.binder.bind(ID, UUID_TYPE)}', *selector.conditions(Query(), 0)]
    return Selection(selector.statement(where, ""), slots, masks=masks, links=tuple(selector.links.values()))


def _list_selection(
    live: Live, actor: Actor, access: Access, granted: Access, query: Query, words: int, nulls: tuple[bool, ...]
) -> Selection:
    selector = Selector(live, actor, access, granted.action)
    slots = selector.slots(query.fields)
    masks = selector.masks(slots)
    keys = selector.keys(query.sort)
    where = _conditions(selector, granted, query, words)
    if nulls:
        where.append(q.beyond(keys, nulls, selector.binder))
    limit = selector.binder.bind(Var("limit", q.INT), q.INT)
    offset = selector.binder.bind(Var("offset", q.INT), q.INT)
    tail = f"{q.order_by(live.dialect.name, keys)} LIMIT {limit} OFFSET {offset}"
    links = tuple(selector.links.values())
    return Selection(selector.statement(where, tail), slots, tuple(key for key, _ in keys), masks, links)


def _conditions(selector: Selector, granted: Access, query: Query, words: int) -> list[str]:
    """Return what must hold for a row to be found; to restore or export, the grants of that action cover it too."""
    where = selector.conditions(query, words)
    if granted is not selector.access and (rows := selector.visible.rows(granted.rules, selector.entity, "t")):
        where.append(rows)
    return where


def _count_statement(live: Live, actor: Actor, access: Access, granted: Access, query: Query, words: int) -> Statement:
    selector = Selector(live, actor, access)
    where = " AND ".join(_conditions(selector, granted, query, words))
    inner = f"SELECT 1 FROM {quote(access.entity.name)} t WHERE {where} LIMIT {q.MAX_COUNT + 1}"
    return selector.binder.statement(f"SELECT count(*), {IN_FORCE} FROM ({inner}) counted")


def _labels_statement(live: Live, actor: Actor, access: Access, size: int) -> Statement:
    binder = Binder(live.dialect)
    visible = Visible(live, actor, binder)
    ids = ", ".join(binder.bind(Var(f"id.{n}", UUID_TYPE), UUID_TYPE) for n in range(size))
    rows = visible.rows(access.rules, access.entity, "t")
    shown = visible.column(access, "t", "label", "label") if visibility(access, "label") is not None else "NULL"
    text = (
        f'SELECT t."id", {shown} FROM {quote(access.entity.name)} t WHERE t."id" IN ({ids}) AND t."deleted_at" IS NULL'
    )
    return binder.statement(text + (f" AND {rows}" if rows else ""))
