"""SQLite: one connection that writes, several that read, each on its own thread (WAL mode).

Writers take turns on an asyncio lock, so no transaction of this process ever finds the database locked; another
process's write is waited for. A transaction begins with its first statement (one hop less) and as BEGIN IMMEDIATE, so
that what it read is still so when it writes.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from xrm.errors import Unavailable
from xrm.kernel.store import sqlite_work as work
from xrm.kernel.store.codec import SQLITE
from xrm.kernel.store.errors import RETRY_AFTER, TookTooLong, TransactionError, unavailable
from xrm.kernel.store.folding import fold_cell
from xrm.kernel.store.sqlite_work import Work
from xrm.kernel.store.store import Arguments, Current, Functions, Row, Store, StoreOptions
from xrm.kernel.store.thread import ConnectionThread

if TYPE_CHECKING:
    from xrm.kernel.store.engine import StoreSqliteEngine

P = ParamSpec("P")
T = TypeVar("T")
Begin = Callable[..., Any]  # (connection, work, *arguments of the work)

OLDEST = (3, 38)  # RETURNING, STRICT, unixepoch, ->>

_LISTEN_EVERY = 0.2  # seconds

_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA case_sensitive_like=ON",  # as on PostgreSQL; and only so LIKE 'abc%' uses an index
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-16000",  # KiB per connection
    "PRAGMA journal_size_limit=67108864",
)


class SqliteStore(Store):
    """The store of one SQLite file. See `Store` and `open_store`."""

    dialect = SQLITE

    def __init__(self, path: str, functions: Functions, options: StoreOptions) -> None:
        if options.synchronous not in ("full", "normal"):
            raise ValueError("synchronous must be full or normal")
        if sqlite3.sqlite_version_info < OLDEST:
            raise RuntimeError(f"SQLite {OLDEST[0]}.{OLDEST[1]} or newer is needed, this is {sqlite3.sqlite_version}")
        self._path, self._options = path, options
        self._functions: Functions = {"fold": (1, fold_cell), **functions}
        self._writer: ConnectionThread | None = None
        self._readers: list[ConnectionThread] = []
        self._free: asyncio.LifoQueue[ConnectionThread] = asyncio.LifoQueue()
        self._turn = asyncio.Lock()
        self._listeners: list[asyncio.Event] = []  # of this process
        self._current: Current[_Transaction | _Savepoint] = Current()

    def __repr__(self) -> str:
        return f"SqliteStore({self._path!r})"

    async def start(self) -> None:
        """Open the connections; raises Unavailable when the file cannot be opened."""
        if self._writer is not None:
            return
        with contextlib.suppress(OSError):  # then the file cannot be opened either, which is told
            Path(self._path).parent.mkdir(parents=True, exist_ok=True)
        self._turn = asyncio.Lock()  # of this event loop
        synchronous = f"PRAGMA synchronous={self._options.synchronous}"
        self._writer = self._thread(*_PRAGMAS, synchronous)
        self._readers = [self._thread(*_PRAGMAS, "PRAGMA query_only=ON") for _ in range(self._options.readers)]
        for reader in self._readers:
            self._free.put_nowait(reader)
        try:
            await self._writer.run(work.fetch, "SELECT count(*) FROM sqlite_schema", ())
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the connections; statements under way end first, an open transaction is rolled back."""
        writer, self._writer = self._writer, None
        readers, self._readers = self._readers, []
        self._free = asyncio.LifoQueue()
        for thread in [*readers, *([writer] if writer else [])]:
            await thread.close()

    async def fetch(self, sql: str, args: Arguments = ()) -> Sequence[Row]:
        """Return the rows of a statement; see `Store.fetch`."""
        if transaction := self._current.get():
            return await transaction.run(work.fetch, sql, args)
        try:
            return await self._read(work.reading, work.fetch, sql, args)
        except work.WritesError:
            return await self._write(work.fetch, sql, args)

    async def fetch_named(self, sql: str, args: Arguments = ()) -> list[dict[str, Any]]:
        """Return the rows of a statement as dicts; see `Store.fetch_named`."""
        if transaction := self._current.get():
            return await transaction.run(work.fetch_named, sql, args)
        try:
            return await self._read(work.reading, work.fetch_named, sql, args)
        except work.WritesError:
            return await self._write(work.fetch_named, sql, args)

    async def execute(self, sql: str, args: Arguments = ()) -> int:
        """Run a statement; see `Store.execute`."""
        return await self._write(work.execute, sql, args)

    async def execute_many(self, sql: str, rows: Iterable[Arguments]) -> None:
        """Run a statement once per row of arguments; see `Store.execute_many`."""
        await self._write(work.execute_many, sql, list(rows))

    async def batch(self, statements: Sequence[tuple[str, Arguments]]) -> list[int]:
        """Run statements in order, all or none, in one hop; see `Store.batch`."""
        return await self._write(work.batch, statements)

    def transaction(self) -> AbstractAsyncContextManager[None]:
        """Return a transaction, or a savepoint in the open one; see `Store.transaction`."""
        outer = self._current.get()
        return self._savepoint(outer) if outer else self._transaction(work.begin, work.commit)

    def schema_transaction(self) -> AbstractAsyncContextManager[None]:
        """Return a transaction for changing tables; see `Store.schema_transaction`."""
        if self._current.get():
            raise TransactionError("Tables cannot be changed within another transaction")
        return self._transaction(work.begin_unchecked, work.commit_checked)

    async def lock(self, name: str) -> None:
        """Begin the transaction: on SQLite that keeps every other writer out, whatever the name."""
        transaction = self._current.get()
        if transaction is None:
            raise TransactionError(f"The lock {name!r} is held by a transaction, and none is open")
        await transaction.run(work.fetch, "SELECT 1", ())

    async def tables_changed(self) -> None:
        """Do nothing: SQLite prepares anew by itself."""

    async def announce(self) -> None:
        """Tell this process with the commit; others see that there was one, see `listen`."""
        transaction = self._current.get()
        if transaction is None:
            self._tell()
        else:
            transaction.root.announces = True

    def _tell(self) -> None:
        for heard in self._listeners:
            heard.set()

    async def listen(self, heard: asyncio.Event) -> None:
        """Look again and again (microseconds) whether another process committed; see `Store.listen`."""
        known = None
        self._listeners.append(heard)
        try:
            while self._writer is not None:
                with contextlib.suppress(Unavailable):
                    ((version,),) = await self._writer.run(work.fetch, "PRAGMA data_version", ())
                    if known not in (None, version):
                        heard.set()
                    known = version
                await asyncio.sleep(_LISTEN_EVERY)
        finally:
            self._listeners.remove(heard)

    def connections(self) -> tuple[int, int]:
        """Return how many connections are in use, and how many there are."""
        there = len(self._readers) + (self._writer is not None)
        return len(self._readers) - self._free.qsize() + self._turn.locked(), there

    @property
    def in_transaction(self) -> bool:
        """Whether statements made here and now join a transaction."""
        return self._current.get() is not None

    @cached_property
    def engine(self) -> StoreSqliteEngine:
        """The store as a Piccolo engine."""
        from xrm.kernel.store.engine import StoreSqliteEngine  # noqa: PLC0415 - Piccolo loads only if asked for

        return StoreSqliteEngine(self, self._path)

    # --- within

    def _thread(self, *pragmas: str) -> ConnectionThread:
        return ConnectionThread(self._path, pragmas, self._functions, self._options.busy_timeout)

    async def _read(self, call: Work[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        if not self._readers:
            raise RuntimeError("the store is not started")
        free = self._free
        try:
            async with asyncio.timeout(self._options.read_timeout):
                reader = await free.get()
        except TimeoutError:
            raise unavailable("The database is busy") from None
        try:
            async with asyncio.timeout(self._options.read_timeout):
                try:
                    return await reader.run(call, *args, **kwargs)
                finally:
                    free.put_nowait(reader)
        except TimeoutError:
            raise TookTooLong("The database took too long", retry_after=RETRY_AFTER) from None

    async def _write(self, call: Work[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        if transaction := self._current.get():
            return await transaction.run(call, *args, **kwargs)
        async with self._writing() as writer:
            return await writer.run(call, *args, **kwargs)

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[ConnectionThread]:
        """Wait for one's turn to write."""
        if self._writer is None:
            raise RuntimeError("the store is not started")
        try:
            async with asyncio.timeout(self._options.wait):
                await self._turn.acquire()
        except TimeoutError:
            raise unavailable("The database is busy") from None
        try:
            yield self._writer
        finally:
            self._turn.release()

    @asynccontextmanager
    async def _transaction(self, begin: Begin, commit: Callable[[sqlite3.Connection], None]) -> AsyncIterator[None]:
        async with self._writing() as writer:
            transaction = _Transaction(writer, begin)
            self._current.set(transaction)
            try:
                yield
            except BaseException:
                await transaction.end(work.rollback)
                raise
            else:
                await transaction.end(commit)
                if transaction.announces:
                    self._tell()
            finally:
                self._current.set(None)

    @asynccontextmanager
    async def _savepoint(self, outer: _Transaction | _Savepoint) -> AsyncIterator[None]:
        inner = _Savepoint(outer)
        await inner.run(work.execute, f"SAVEPOINT {inner.name}", ())
        self._current.set(inner)
        try:
            yield
        except BaseException:
            await inner.end(work.undo)
            raise
        else:
            await inner.end(work.keep)
        finally:
            self._current.set(outer)


class _Transaction:
    """A transaction of the writer. It begins with its first statement."""

    def __init__(self, writer: ConnectionThread, begin: Begin) -> None:
        self._writer, self._begin, self._begun = writer, begin, False
        self.closed = self.announces = False
        self.names = count(1)  # of its savepoints

    @property
    def root(self) -> _Transaction:
        """The transaction itself."""
        return self

    async def run(self, call: Work[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `call` on the writer's thread, the first of all after BEGIN."""
        if self._begun:
            return await self._writer.run(work.within, call, *args, **kwargs)
        self._begun = True
        return await self._writer.run(self._begin, call, *args, **kwargs)

    async def finish(self, call: Work[P, T], /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Run `call` to its end even if the caller is cancelled; nothing, if nothing was begun."""
        if self._begun:
            await self._writer.finish(call, *args, **kwargs)

    async def end(self, call: Callable[[sqlite3.Connection], None]) -> None:
        """Run `call` as the last of this transaction."""
        self.closed = True
        await self.finish(call)


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

    async def run(self, call: Work[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `call` on the writer's thread."""
        return await self.root.run(call, *args, **kwargs)

    async def end(self, call: Callable[[sqlite3.Connection, str], None]) -> None:
        """Run `call` as the last of this savepoint."""
        if self.closed:
            raise TransactionError("The transaction around this one ended before it")
        self._ended = True
        await self.root.finish(call, self.name)
