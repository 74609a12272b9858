"""Reading as of a moment: every statement of reading, over the records as they were then.

A statement is put below a WITH whose parts are called like the tables it reads, and hide them: the records that were
not changed since, and those that were as they were. So lists, relations, links, totals and rules go their usual way. A
record is shown if today's rights give it as it is today and as it was then.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from xrm.errors import Invalid, Issue, Malformed
from xrm.kernel import query as q
from xrm.kernel.change import Actor
from xrm.kernel.history.then import Then
from xrm.kernel.live import Live, Running
from xrm.kernel.query import Count, Expand, Page, Query
from xrm.kernel.reading import Reading
from xrm.kernel.store.errors import TransactionError
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.sql import Binder, Statement, quote
from xrm.kernel.store.store import Arguments, Row, Store
from xrm.kernel.totals import Totals
from xrm.kernel.values import ColumnSpec, pack, to_json
from xrm.kernel.values import columns as columns_of
from xrm.kernel.visible import Visible
from xrm.metadata.model import Entity

if TYPE_CHECKING:
    from piccolo.engine.base import Engine

_TABLE = re.compile(r'\b(FROM|JOIN) "([a-z][a-z0-9_]*)"')
_JSON, _UUID = ColumnType("json"), ColumnType("uuid")


class AsOf:
    """Reads records as they were."""

    def __init__(self, running: Running) -> None:
        self._running = running

    async def get(
        self,
        moment: datetime,
        actor: Actor,
        entity: str,
        id: UUID,
        fields: tuple[str, ...] = (),
        expand: tuple[Expand, ...] = (),
    ) -> dict[str, Any]:
        """Return one record as it was; see `Reading.get`."""
        return await self._at(moment, actor).get(actor, entity, id, fields, expand)

    async def list(self, moment: datetime, actor: Actor, entity: str, query: Query) -> Page:
        """Return one page of records as they were; see `Reading.list`."""
        _no_search(query.search)
        return await self._at(moment, actor).list(actor, entity, query)

    async def count(self, moment: datetime, actor: Actor, entity: str, query: Query) -> Count:
        """Return how many records a query would have found; see `Reading.count`."""
        _no_search(query.search)
        return await self._at(moment, actor).count(actor, entity, query)

    async def aggregate(self, moment: datetime, actor: Actor, entity: str, totals: Totals) -> Sequence[dict[str, Any]]:
        """Return totals over the records as they were; see `Reading.aggregate`."""
        _no_search(totals.search)
        return await self._at(moment, actor).aggregate(actor, entity, totals)

    def _at(self, moment: datetime, actor: Actor) -> Reading:
        if moment > self._running.clock():
            raise Invalid(issues=[Issue("as_of", "in_the_future", "This moment is yet to come.")])
        return Reading(cast("Running", _Past(self._running, actor, moment)))


def _no_search(words: str) -> None:
    if words:
        raise Malformed("`search` finds the words of today only.", hint="use `filter` with `as_of`")


class _Past:
    """The running site at a moment: its database hides what was changed since."""

    def __init__(self, running: Running, actor: Actor, moment: datetime) -> None:
        self._running, self._moment = running, moment
        self._store = _PastStore(running, actor, moment)

    @property
    def store(self) -> Store:
        """The database, to read from."""
        return self._store

    @property
    def read_only(self) -> str:
        """Why nothing may be written."""
        return "The past cannot be written."

    def clock(self) -> datetime:
        """Return the moment: `today()` is the day it was."""
        return self._moment

    def __getattr__(self, name: str) -> Any:
        """Return all else as it is today: names, rights, keys."""
        return getattr(self._running, name)


class _PastStore(Store):
    """A database of which only reading is possible, as of a moment and for one actor."""

    def __init__(self, running: Running, actor: Actor, moment: datetime) -> None:
        self._running, self._actor, self.dialect = running, actor, running.store.dialect
        self._then = Then(running, actor, moment)
        self._known: dict[str, tuple[list[UUID], list[dict[str, Any]]]] = {}
        self._schema = ""

    async def fetch(self, sql: str, args: Arguments = ()) -> Sequence[Row]:
        """Return the rows of a statement over the records as they were."""
        live = self._running.live
        names = dict.fromkeys(name for _, name in _TABLE.findall(sql) if name in live.entities)
        binder = Binder(self.dialect)
        binder.params = list(args)
        parts = [part for name in names if (part := await self._part(live, name, binder))]
        if not parts:
            return await self._running.store.fetch(sql, args)
        known = q.variables(self._actor, self._running.clock())
        statement = Statement(f"WITH {', '.join(parts)} {sql}", tuple(binder.params))
        return await self._running.store.fetch(statement.text, statement.arguments(self.dialect, known))

    async def _part(self, live: Live, name: str, binder: Binder) -> str:
        """Return the part of the WITH that stands for a table; empty when it was not changed since.

        What the actor may not read at all is read by rules only, and those are of today.
        """
        access = live.policy.access(self._actor, name, "read")
        if access is None:
            return ""
        if name not in self._known:
            self._known[name] = await self._then.changed(name)
        ids, records = self._known[name]
        if not ids:
            return ""
        entity, table = live.model.entities[name], await self._real(quote(name))
        specs = live.entities[name].rows.columns
        listed = ", ".join(f"t.{quote(spec.name)}" for spec in specs)
        changed = self._ids(binder.bind([str(id) for id in ids], _JSON))
        where = f't."id" NOT IN ({changed})'
        if rows := Visible(live, self._actor, binder).rows(access.rules, entity, "t"):
            where += f" AND {await self._real(rows)}"
        gone_back = self._records(entity, specs, records, binder)
        return f"{quote(name)} AS (SELECT {listed} FROM {table} t WHERE {where} UNION ALL {gone_back})"

    async def _real(self, sql: str) -> str:
        """Return SQL whose tables are those of the database, and not what hides them."""
        if not self._schema:
            sqlite = self.dialect.name == "sqlite"
            rows = [["main"]] if sqlite else await self._running.store.fetch("SELECT current_schema()", [])
            self._schema = '"' + str(rows[0][0]).replace('"', '""') + '"'
        if _TABLE.search(sql):
            return _TABLE.sub(lambda found: f'{found[1]} {self._schema}."{found[2]}"', sql)
        return f"{self._schema}.{sql}" if sql.startswith('"') else sql

    def _ids(self, mark: str) -> str:
        if self.dialect.name == "sqlite":
            return f"SELECT value FROM json_each({mark})"
        return f"SELECT value::uuid FROM jsonb_array_elements_text({mark}) value"

    def _records(
        self, entity: Entity, specs: Sequence[ColumnSpec], records: Sequence[dict[str, Any]], binder: Binder
    ) -> str:
        """Return the statement of the records that were changed since, as they were."""
        cells = [_cells(entity, record) for record in records]
        if self.dialect.name == "sqlite":
            stored = [[self.dialect.encode(s.type, c) for s, c in zip(specs, row, strict=True)] for row in cells]
            picked = ", ".join(f"json_extract(value, '$[{n}]')" for n in range(len(specs)))
            return f"SELECT {picked} FROM json_each({binder.bind(stored, _JSON)})"
        told = [{f"c{n}": to_json(cell) for n, cell in enumerate(row)} for row in cells]
        shape = ", ".join(f"c{n} {self.dialect.column_type(spec.type)}" for n, spec in enumerate(specs))
        picked = ", ".join(f"c{n}" for n in range(len(specs)))
        return f"SELECT {picked} FROM jsonb_to_recordset({binder.bind(told, _JSON)}) x({shape})"

    # --- all else a database can do is of today, or writing

    async def start(self) -> None:
        """Do nothing: it is open."""

    async def close(self) -> None:
        """Do nothing: it is not this one's to close."""

    async def fetch_named(self, sql: str, args: Arguments = ()) -> list[dict[str, Any]]:
        """Refuse: reading goes by position."""
        raise TransactionError("The past is read by position.")

    async def execute(self, sql: str, args: Arguments = ()) -> int:
        """Refuse."""
        raise TransactionError("The past cannot be written.")

    async def execute_many(self, sql: str, rows: Iterable[Arguments]) -> None:
        """Refuse."""
        raise TransactionError("The past cannot be written.")

    async def batch(self, statements: Sequence[tuple[str, Arguments]]) -> list[int]:
        """Refuse."""
        raise TransactionError("The past cannot be written.")

    def transaction(self) -> AbstractAsyncContextManager[None]:
        """Return a transaction of the database."""
        return self._running.store.transaction()

    def schema_transaction(self) -> AbstractAsyncContextManager[None]:
        """Refuse."""
        raise TransactionError("The past cannot be written.")

    async def lock(self, name: str) -> None:
        """Lock in the database."""
        await self._running.store.lock(name)

    async def tables_changed(self) -> None:
        """Forget what was prepared."""
        await self._running.store.tables_changed()

    async def announce(self) -> None:
        """Refuse."""
        raise TransactionError("The past cannot be written.")

    async def listen(self, heard: asyncio.Event) -> None:
        """Listen to the database."""
        await self._running.store.listen(heard)

    def connections(self) -> tuple[int, int]:
        """Return the connections of the database."""
        return self._running.store.connections()

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction of the database is open."""
        return self._running.store.in_transaction

    @property
    def engine(self) -> Engine[Any]:
        """The database as a Piccolo engine."""
        return self._running.store.engine


def _cells(entity: Entity, record: dict[str, Any]) -> list[Any]:
    """Return the cells of a record, in the order of `RowStatements.columns`."""
    kept = (field for field in entity.fields.values() if columns_of(field) and not field.virtual)
    return [cell for field in kept for cell in pack(field, record.get(field.name))]
