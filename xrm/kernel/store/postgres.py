"""PostgreSQL: a few asyncpg connections.

Connections go back without being reset (that would be a round trip per request), so nothing may outlive a
transaction on them: SET LOCAL and transaction-level locks only. They heal by themselves after the server restarted;
until then everything raises Unavailable.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from datetime import date
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import asyncpg

from xrm.kernel.store.codec import POSTGRESQL
from xrm.kernel.store.connections import Connection, Connections
from xrm.kernel.store.errors import TransactionError, postgres_error, unavailable
from xrm.kernel.store.folding import FOLD_FUNCTION, fold_ddl, fold_version
from xrm.kernel.store.listening import Listener
from xrm.kernel.store.store import Arguments, Current, Row, Store, StoreOptions
from xrm.kernel.store.waiting import finish

if TYPE_CHECKING:
    from xrm.kernel.store.engine import StorePostgresEngine

T = TypeVar("T")

_CONNECT_WAIT = 5.0  # seconds
_SCHEMA_WAIT = "2s"  # for a table's lock while tables are changed: whoever waits for it makes all others wait
_STATEMENTS_KEPT = 1000  # prepared statements kept per connection
_CHANNEL = "xrm_model"
_LOST = re.compile("closed|closing|released back to the pool")
_CHANGES = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE"})


class PostgresStore(Store):
    """The store of one PostgreSQL database. See `Store` and `open_store`."""

    dialect = POSTGRESQL

    def __init__(self, url: str, options: StoreOptions) -> None:
        self._url, self._options = url, options
        with _without_the_url():
            self._name = urlsplit(url).path.lstrip("/")
        self._connections: Connections | None = None
        self._current: Current[_Transaction | _Savepoint] = Current()

    def __repr__(self) -> str:
        return f"PostgresStore({self._name!r})"  # never the URL: it may hold a password

    async def start(self) -> None:
        """Open the pool and make the SQL functions; raises Unavailable when the server cannot be reached."""
        if self._connections is not None:
            return
        try:
            self._connections = Connections(self._connect, self._options.connections, self._options.wait)
            await self._make_functions()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the connections; statements under way end first."""
        connections, self._connections = self._connections, None
        if connections is not None:
            await connections.close()

    async def fetch(self, sql: str, args: Arguments = ()) -> Sequence[Row]:
        """Return the rows of a statement; see `Store.fetch`."""
        if transaction := self._current.get():
            return await transaction.run(lambda c: c.fetch(sql, *args))
        connections = self._started()
        with _TRANSLATED:
            connection = await connections.take()
            try:
                return await connection.fetch(sql, *args, timeout=self._options.read_timeout)  # type: ignore[no-any-return]
            finally:
                connections.give_back(connection)

    async def fetch_named(self, sql: str, args: Arguments = ()) -> list[dict[str, Any]]:
        """Return the rows of a statement as dicts; see `Store.fetch_named`."""
        return [dict(row) for row in await self.fetch(sql, args)]

    async def execute(self, sql: str, args: Arguments = ()) -> int:
        """Run a statement; see `Store.execute`."""
        return _rows_changed(await self._run(lambda c: c.execute(sql, *args)))

    async def execute_many(self, sql: str, rows: Iterable[Arguments]) -> None:
        """Run a statement once per row of arguments; see `Store.execute_many`."""
        await self._run(lambda c: c.executemany(sql, rows))

    async def batch(self, statements: Sequence[tuple[str, Arguments]]) -> list[int]:
        """Run statements in order, all or none; see `Store.batch`."""
        if self._current.get():  # a failure leaves the transaction nothing but to roll back
            return [await self.execute(sql, args) for sql, args in statements]
        async with self.transaction():
            return await self.batch(statements)

    def transaction(self) -> AbstractAsyncContextManager[None]:
        """Return a transaction, or a savepoint in the open one; see `Store.transaction`."""
        outer = self._current.get()
        return self._savepoint(outer) if outer else self._transaction()

    @asynccontextmanager
    async def schema_transaction(self) -> AsyncIterator[None]:
        """Return a transaction for changing tables; see `Store.schema_transaction`."""
        if self._current.get():
            raise TransactionError("Tables cannot be changed within another transaction")
        async with self._transaction():
            await self.lock("xrm.schema")
            await self.execute(f"SET LOCAL lock_timeout = '{_SCHEMA_WAIT}'")
            await self.execute("SET LOCAL statement_timeout = 0")  # whatever the role or the database says
            yield

    async def lock(self, name: str) -> None:
        """Hold the lock `name` against all processes until the transaction ends; see `Store.lock`."""
        if self._current.get() is None:
            raise TransactionError(f"The lock {name!r} is held by a transaction, and none is open")
        await self.execute("SELECT pg_advisory_xact_lock(hashtextextended($1::text, 0))", [name])

    async def tables_changed(self) -> None:
        """Take new connections from now on: the old ones prepared statements for the tables as they were."""
        if transaction := self._current.get():
            await transaction.run(lambda c: c.reload_schema_state())
        if self._connections is not None:
            self._connections.expire()

    async def announce(self) -> None:
        """Send a notification with the commit; see `Store.announce`."""
        await self.execute("SELECT pg_notify($1::text, '')", [_CHANNEL])

    async def listen(self, heard: asyncio.Event) -> None:
        """Hear what is announced, on a connection of its own; see `Store.listen`."""
        await Listener(self._url, _CHANNEL, heard).run()

    def connections(self) -> tuple[int, int]:
        """Return how many connections are in use, and how many there are."""
        return self._connections.counts() if self._connections is not None else (0, 0)

    @property
    def in_transaction(self) -> bool:
        """Whether statements made here and now join a transaction."""
        return self._current.get() is not None

    @cached_property
    def engine(self) -> StorePostgresEngine:
        """The store as a Piccolo engine."""
        from xrm.kernel.store.engine import StorePostgresEngine  # noqa: PLC0415 - Piccolo loads only if asked for

        return StorePostgresEngine(self)

    # --- within

    async def _connect(self) -> Connection:
        with _TRANSLATED, _without_the_url():
            connection: Connection = await asyncpg.connect(
                self._url,
                timeout=_CONNECT_WAIT,
                statement_cache_size=_STATEMENTS_KEPT,
                max_cached_statement_lifetime=0,
                max_cacheable_statement_size=2**16,
                server_settings={
                    "application_name": "xrm",
                    "timezone": "UTC",
                    "jit": "off",
                    "lock_timeout": f"{self._options.wait:g}s",
                    "idle_in_transaction_session_timeout": "10min",
                },
            )
            await _prepare(connection)
            return connection

    async def _make_functions(self) -> None:
        made = await self.fetch(f"SELECT obj_description(to_regprocedure('{FOLD_FUNCTION}(text)'), 'pg_proc')")
        if made[0][0] == fold_version():
            return
        async with self.transaction():
            await self.lock("xrm.functions")
            await self.execute(fold_ddl())
            await self.execute(f"COMMENT ON FUNCTION {FOLD_FUNCTION}(text) IS '{fold_version()}'")

    def _started(self) -> Connections:
        if self._connections is None:
            raise RuntimeError("the store is not started")
        return self._connections

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        """Take a connection."""
        connections = self._started()
        with _TRANSLATED:
            connection = await connections.take()
        try:
            yield connection
        finally:
            connections.give_back(connection)

    async def _run(self, work: Callable[[Connection], Coroutine[Any, Any, T]]) -> T:
        if transaction := self._current.get():
            return await transaction.run(work)
        async with self._connection() as connection:
            with _TRANSLATED:
                return await work(connection)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[None]:
        async with self._connection() as connection:
            transaction = _Transaction(connection)
            await transaction.run(lambda c: c.execute("BEGIN"))
            self._current.set(transaction)
            try:
                yield
            except BaseException:
                await finish(transaction.rollback())
                raise
            else:
                await finish(transaction.commit())
            finally:
                self._current.set(None)

    @asynccontextmanager
    async def _savepoint(self, outer: _Transaction | _Savepoint) -> AsyncIterator[None]:
        inner = _Savepoint(outer)
        await inner.run(lambda c: c.execute(f"SAVEPOINT {inner.name}"))
        self._current.set(inner)
        try:
            yield
        except BaseException:
            await finish(inner.rollback())
            raise
        else:
            await finish(inner.release())
        finally:
            self._current.set(outer)


class _Transaction:
    """A transaction on one connection, which does one thing at a time."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._turn = connection, asyncio.Lock()
        self.closed = False
        self.names = count(1)  # of its savepoints

    @property
    def root(self) -> _Transaction:
        """The transaction itself."""
        return self

    async def run(self, work: Callable[[Connection], Coroutine[Any, Any, T]]) -> T:
        """Run `work` with the connection, after what other tasks of the transaction do."""
        async with self._turn:
            with _TRANSLATED:
                return await work(self._connection)

    async def commit(self) -> None:
        """Commit; if the server had to roll back instead, say so."""
        self.closed = True
        done = await self.run(lambda c: c.execute("COMMIT"))
        if done == "ROLLBACK":
            raise TransactionError("The database rolled this transaction back after an earlier error")

    async def rollback(self) -> None:
        """Roll back; a lost connection did so already."""
        self.closed = True
        async with self._turn:
            with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                await self._connection.execute("ROLLBACK")


class _Savepoint:
    """A transaction within another."""

    def __init__(self, outer: _Transaction | _Savepoint) -> None:
        self._outer, self._ended = outer, False
        self.root: _Transaction = outer.root
        self.name = f"xrm_{next(self.root.names)}"

    @property
    def closed(self) -> bool:
        """Whether it, or one around it, has ended."""
        return self._ended or self._outer.closed

    async def run(self, work: Callable[[Connection], Coroutine[Any, Any, T]]) -> T:
        """Run `work` with the connection."""
        return await self.root.run(work)

    async def release(self) -> None:
        """Keep what was done."""
        await self._end(f"RELEASE {self.name}")

    async def rollback(self) -> None:
        """Undo what was done."""
        await self._end(f"ROLLBACK TO {self.name}; RELEASE {self.name}")

    async def _end(self, sql: str) -> None:
        if self.closed:
            raise TransactionError("The transaction around this one ended before it")
        self._ended = True
        await self.run(lambda c: c.execute(sql))


async def _prepare(connection: Connection) -> None:
    """Let dates be what they are: asyncpg by itself makes 9999-12-31 infinity."""
    await connection.set_type_codec(
        "date", schema="pg_catalog", format="text", encoder=date.isoformat, decoder=date.fromisoformat
    )


def _rows_changed(tag: str) -> int:
    """Return the count of a command tag: ``INSERT 0 5``, ``UPDATE 5``."""
    verb, _, rest = tag.partition(" ")
    return int(rest.rpartition(" ")[2]) if verb in _CHANGES else 0


@contextmanager
def _without_the_url() -> Iterator[None]:
    """Tell of a URL that cannot be read without repeating it, as it may hold a password."""
    try:
        yield
    except ValueError:
        raise ValueError("The database URL cannot be read: postgresql://user:password@host:port/name") from None


class _Translated:
    """Raises the driver's errors as ours. The driver's own is not kept: it may hold values."""

    __slots__ = ()

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)):
            return
        found = _interface_error(error) if isinstance(error, asyncpg.InterfaceError) else postgres_error(error)
        if found is not error:
            raise found from None


_TRANSLATED = _Translated()


def _interface_error(error: asyncpg.InterfaceError) -> BaseException:
    return unavailable("The connection to the database was lost") if _LOST.search(str(error)) else error
