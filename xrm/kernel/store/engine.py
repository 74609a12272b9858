"""The store as a Piccolo engine, so that Piccolo's queries use our connections, transactions and types.

The kernel itself speaks SQL to the store; these engines are for the table classes that plugins query (tables.py).
Piccolo's own pools, connections and transactions are not used.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from datetime import date, datetime, time
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from piccolo.engine import postgres as piccolo_postgres
from piccolo.engine import sqlite as piccolo_sqlite
from piccolo.engine.base import BaseBatch, BaseTransaction
from piccolo.query.base import Query
from piccolo.querystring import QueryString

from xrm.kernel.store.codec import Dialect
from xrm.kernel.store.columns import readers
from xrm.kernel.store.errors import TransactionError
from xrm.kernel.store.schema import ColumnType

if TYPE_CHECKING:
    from xrm.kernel.store.store import Store

# What a plugin may put into raw SQL of Piccolo without saying the column: its type tells how it is stored.
_BY_TYPE = MappingProxyType(
    {
        UUID: ColumnType("uuid"),
        datetime: ColumnType("datetime"),
        date: ColumnType("date"),
        time: ColumnType("time"),
    }
)


class StoreTransaction(BaseTransaction):
    """A transaction of the store in Piccolo's clothes; a nested one is a savepoint."""

    __slots__ = ("_context",)

    def __init__(self, context: AbstractAsyncContextManager[None]) -> None:
        self._context = context

    async def __aenter__(self) -> Self:
        await self._context.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        return bool(await self._context.__aexit__(kind, error, trace))


class StorePages(BaseBatch):
    """The rows of a query in pages. They are read at once; Piccolo's cursor would need a connection of its own."""

    def __init__(self, query: Query[Any, Any], size: int) -> None:
        self._query, self._size = query, size
        self._rows: list[Any] = []

    async def __aenter__(self) -> Self:
        self._rows = list(await self._query.run())
        return self

    async def __aexit__(self, *error: object) -> None:
        self._rows = []

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Any]:
        page, self._rows = self._rows[: self._size], self._rows[self._size :]
        if not page:
            raise StopAsyncIteration
        return page


class _OverStore:
    """What both engines do instead of Piccolo's own."""

    store: Store
    engine_type: str

    @property
    def dialect(self) -> Dialect:
        """How values are kept."""
        return self.store.dialect

    async def run_querystring(self, querystring: QueryString, in_pool: bool = True) -> list[dict[str, Any]]:  # noqa: FBT001, FBT002 - Piccolo's signature
        """Run a query of Piccolo's; its rows come back typed."""
        sql, args = querystring.compile_string(engine_type=self.engine_type)
        rows = await self.store.fetch_named(sql, [self._stored(arg) for arg in args])
        for key, read in readers(querystring, self.dialect).items():
            for row in rows:
                row[key] = read(row[key])
        return rows

    async def run_ddl(self, ddl: str, in_pool: bool = True) -> list[dict[str, Any]]:  # noqa: FBT001, FBT002 - Piccolo's signature
        """Run a statement that changes tables."""
        await self.store.execute(ddl)
        return []

    def transform_response_to_dicts(self, results: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the rows: they are dicts already."""
        return results

    async def batch(self, query: Query[Any, Any], batch_size: int = 100, node: str | None = None) -> StorePages:
        """Return the rows of a query in pages."""
        return StorePages(query, batch_size)

    def transaction(self, transaction_type: object = None, allow_nested: bool = True) -> StoreTransaction:  # noqa: FBT001, FBT002 - Piccolo's signature
        """Return a transaction, or a savepoint in the open one."""
        if not allow_nested and self.store.in_transaction:
            raise TransactionError("A transaction is open already")
        return StoreTransaction(self.store.transaction())

    def transaction_exists(self) -> bool:
        """Whether a transaction is open here and now."""
        return self.store.in_transaction

    async def start_connection_pool(self, **_: Any) -> None:
        """Start the store."""
        await self.store.start()

    async def close_connection_pool(self) -> None:
        """Close the store."""
        await self.store.close()

    def _stored(self, value: Any) -> Any:
        kind = _BY_TYPE.get(type(value))
        return value if kind is None else self.dialect.encode(kind, value)


class StoreSqliteEngine(_OverStore, piccolo_sqlite.SQLiteEngine):  # type: ignore[misc]  # other transaction classes
    """A `SqliteStore` as Piccolo's engine for SQLite."""

    def __init__(self, store: Store, path: str) -> None:
        # Not Piccolo's own: it would run an event loop of its own to ask the version.
        self.store, self.engine_type, self.min_version_number = store, "sqlite", 3.25
        self.log_queries = self.log_responses = False
        self.query_id = 0
        self.connection_kwargs = {"database": path}
        self.current_transaction = ContextVar("xrm_unused", default=None)


class StorePostgresEngine(_OverStore, piccolo_postgres.PostgresEngine):  # type: ignore[misc]  # as above
    """A `PostgresStore` as Piccolo's engine for PostgreSQL."""

    def __init__(self, store: Store) -> None:
        # Not Piccolo's own: it would connect at once to ask the version.
        self.store, self.engine_type, self.min_version_number = store, "postgres", 10
        self.log_queries = self.log_responses = False
        self.query_id = 0
        self.config, self.extensions, self.extra_nodes, self.pool = {}, (), {}, None
        self.current_transaction = ContextVar("xrm_unused", default=None)
