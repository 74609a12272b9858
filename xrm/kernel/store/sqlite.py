"""SQLite: one connection that writes, several that read, each on its own thread (WAL mode).

Writers take turns on an asyncio lock, so no transaction of this process ever finds the database locked; another
process's write is waited for. A transaction begins with its first statement (one hop less) and as BEGIN IMMEDIATE, so
that what it read is still so when it writes.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from xrm.kernel.store.codec import SQLITE
from xrm.kernel.store.errors import ForeignKeyViolation, TransactionError, unavailable
from xrm.kernel.store.folding import fold_cell
from xrm.kernel.store.store import Arguments, Current, Functions, Row, Store, StoreOptions
from xrm.kernel.store.thread import ConnectionThread

if TYPE_CHECKING:
    from xrm.kernel.store.engine import StoreSqliteEngine

P = ParamSpec("P")
T = TypeVar("T")
Work = Callable[Concatenate[sqlite3.Connection, P], T]
Begin = Callable[..., Any]  # (connection, work, *arguments of the work)

OLDEST = (3, 38)  # RETURNING, STRICT, unixepoch, ->>

_NATIVE = frozenset({type(None), int, float, str, bytes, bool})
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
        self._current: Current[_Transaction | _Savepoint] = Current()

    def __repr__(self) -> str:
        return f"SqliteStore({self._path!r})"

    async def start(self) -> None:
        """Open the connections; raises Unavailable when the file cannot be opened."""
        if self._writer is not None:
            return
        synchronous = f"PRAGMA synchronous={self._options.synchronous}"
        self._writer = self._thread(*_PRAGMAS, synchronous)
        self._readers = [self._thread(*_PRAGMAS, "PRAGMA query_only=ON") for _ in range(self._options.readers)]
        for reader in self._readers:
            self._free.put_nowait(reader)
        try:
            await self._writer.run(_fetch, "SELECT count(*) FROM sqlite_schema", ())
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
            return await transaction.run(_fetch, sql, args)
        try:
            return await self._read(_reading, _fetch, sql, args)
        except _WritesError:
            return await self._write(_fetch, sql, args)

    async def fetch_named(self, sql: str, args: Arguments = ()) -> list[dict[str, Any]]:
        """Return the rows of a statement as dicts; see `Store.fetch_named`."""
        if transaction := self._current.get():
            return await transaction.run(_fetch_named, sql, args)
        try:
            return await self._read(_reading, _fetch_named, sql, args)
        except _WritesError:
            return await self._write(_fetch_named, sql, args)

    async def execute(self, sql: str, args: Arguments = ()) -> int:
        """Run a statement; see `Store.execute`."""
        return await self._write(_execute, sql, args)

    async def execute_many(self, sql: str, rows: Iterable[Arguments]) -> None:
        """Run a statement once per row of arguments; see `Store.execute_many`."""
        await self._write(_execute_many, sql, list(rows))

    async def batch(self, statements: Sequence[tuple[str, Arguments]]) -> list[int]:
        """Run statements in order, all or none, in one hop; see `Store.batch`."""
        return await self._write(_batch, statements)

    def transaction(self) -> AbstractAsyncContextManager[None]:
        """Return a transaction, or a savepoint in the open one; see `Store.transaction`."""
        outer = self._current.get()
        return self._savepoint(outer) if outer else self._transaction(_begin, _commit)

    def schema_transaction(self) -> AbstractAsyncContextManager[None]:
        """Return a transaction for changing tables; see `Store.schema_transaction`."""
        if self._current.get():
            raise TransactionError("Tables cannot be changed within another transaction")
        return self._transaction(_begin_unchecked, _commit_checked)

    async def lock(self, name: str) -> None:
        """Begin the transaction: on SQLite that keeps every other writer out, whatever the name."""
        transaction = self._current.get()
        if transaction is None:
            raise TransactionError(f"The lock {name!r} is held by a transaction, and none is open")
        await transaction.run(_fetch, "SELECT 1", ())

    async def tables_changed(self) -> None:
        """Do nothing: SQLite prepares anew by itself."""

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

    async def _read(self, work: Work[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        if not self._readers:
            raise RuntimeError("the store is not started")
        free = self._free
        try:
            async with asyncio.timeout(self._options.read_timeout):
                reader = await free.get()
                try:
                    return await reader.run(work, *args, **kwargs)
                finally:
                    free.put_nowait(reader)
        except TimeoutError:
            raise unavailable("The database took too long") from None

    async def _write(self, work: Work[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        if transaction := self._current.get():
            return await transaction.run(work, *args, **kwargs)
        async with self._writing() as writer:
            return await writer.run(work, *args, **kwargs)

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
                await transaction.end(_rollback)
                raise
            else:
                await transaction.end(commit)
            finally:
                self._current.set(None)

    @asynccontextmanager
    async def _savepoint(self, outer: _Transaction | _Savepoint) -> AsyncIterator[None]:
        inner = _Savepoint(outer)
        await inner.run(_execute, f"SAVEPOINT {inner.name}", ())
        self._current.set(inner)
        try:
            yield
        except BaseException:
            await inner.end(_undo)
            raise
        else:
            await inner.end(_keep)
        finally:
            self._current.set(outer)


class _Transaction:
    """A transaction of the writer. It begins with its first statement."""

    def __init__(self, writer: ConnectionThread, begin: Begin) -> None:
        self._writer, self._begin, self._begun = writer, begin, False
        self.closed = False
        self.names = count(1)  # of its savepoints

    @property
    def root(self) -> _Transaction:
        """The transaction itself."""
        return self

    async def run(self, work: Work[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work` on the writer's thread, the first of all after BEGIN."""
        if self._begun:
            return await self._writer.run(_within, work, *args, **kwargs)
        self._begun = True
        return await self._writer.run(self._begin, work, *args, **kwargs)

    async def finish(self, work: Work[P, T], /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Run `work` to its end even if the caller is cancelled; nothing, if nothing was begun."""
        if self._begun:
            await self._writer.finish(work, *args, **kwargs)

    async def end(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Run `work` as the last of this transaction."""
        self.closed = True
        await self.finish(work)


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

    async def run(self, work: Work[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work` on the writer's thread."""
        return await self.root.run(work, *args, **kwargs)

    async def end(self, work: Callable[[sqlite3.Connection, str], None]) -> None:
        """Run `work` as the last of this savepoint."""
        if self.closed:
            raise TransactionError("The transaction around this one ended before it")
        self._ended = True
        await self.root.finish(work, self.name)


# --- what runs on the threads


class _WritesError(Exception):
    """A statement tried to write through a connection that only reads."""


def _begin(database: sqlite3.Connection, work: Work[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    database.execute("BEGIN IMMEDIATE")
    return work(database, *args, **kwargs)


def _begin_unchecked(database: sqlite3.Connection, work: Work[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    database.execute("PRAGMA foreign_keys=OFF")  # has no effect inside a transaction
    return _begin(database, work, *args, **kwargs)


def _within(database: sqlite3.Connection, work: Work[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    _check_open(database)
    return work(database, *args, **kwargs)


def _check_open(database: sqlite3.Connection) -> None:
    """Refuse to go on after SQLite rolled back by itself: the statement would take effect alone."""
    if not database.in_transaction:
        raise TransactionError("The database rolled this transaction back after an earlier error")


def _commit(database: sqlite3.Connection) -> None:
    _check_open(database)
    try:
        database.execute("COMMIT")
    except BaseException:
        _rollback(database)
        raise


def _commit_checked(database: sqlite3.Connection) -> None:
    _check_open(database)
    if broken := database.execute("PRAGMA foreign_key_check").fetchone():
        _rollback(database)
        raise ForeignKeyViolation(f"{broken[0]} → {broken[2]}")
    _commit(database)
    database.execute("PRAGMA foreign_keys=ON")


def _rollback(database: sqlite3.Connection) -> None:
    if database.in_transaction:
        database.execute("ROLLBACK")
    database.execute("PRAGMA foreign_keys=ON")  # a schema transaction had it off


def _keep(database: sqlite3.Connection, savepoint: str) -> None:
    _check_open(database)
    database.execute(f"RELEASE {savepoint}")


def _undo(database: sqlite3.Connection, savepoint: str) -> None:
    if database.in_transaction:
        database.execute(f"ROLLBACK TO {savepoint}")
        database.execute(f"RELEASE {savepoint}")


def _check_native(args: Arguments) -> None:
    """Refuse arguments that are no stored values: sqlite3 would let an adapter change them (a Decimal to a float)."""
    if not _NATIVE.issuperset(map(type, args)):
        names = sorted({type(arg).__name__ for arg in args if type(arg) not in _NATIVE})
        raise TypeError(f"not stored values: {', '.join(names)}; use Dialect.encode")


def _fetch(database: sqlite3.Connection, sql: str, args: Arguments) -> list[tuple[Any, ...]]:
    _check_native(args)
    changes = database.total_changes
    try:
        return database.execute(sql, args).fetchall()
    except sqlite3.OperationalError as error:
        if "decode to UTF-8" not in str(error) or database.total_changes != changes:
            raise
        return _fetch_damaged(database, sql, args)


def _fetch_damaged(database: sqlite3.Connection, sql: str, args: Arguments) -> list[tuple[Any, ...]]:
    """Read rows in which a text is not UTF-8, with marks where it is not."""
    database.text_factory = lambda raw: raw.decode("utf-8", "replace")
    try:
        return database.execute(sql, args).fetchall()
    finally:
        database.text_factory = str


def _fetch_named(database: sqlite3.Connection, sql: str, args: Arguments) -> list[dict[str, Any]]:
    _check_native(args)
    cursor = database.execute(sql, args)
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _reading(database: sqlite3.Connection, work: Callable[..., T], sql: str, args: Arguments) -> T:
    try:
        return work(database, sql, args)
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_READONLY:
            raise _WritesError from error
        raise


def _execute(database: sqlite3.Connection, sql: str, args: Arguments) -> int:
    _check_native(args)
    cursor = database.execute(sql, args)
    cursor.fetchall()  # a statement with RETURNING is done only when its rows were read
    return max(cursor.rowcount, 0)


def _execute_many(database: sqlite3.Connection, sql: str, rows: Sequence[Arguments]) -> None:
    for args in rows:
        _check_native(args)
    with _together(database):
        database.executemany(sql, rows)


def _batch(database: sqlite3.Connection, statements: Sequence[tuple[str, Arguments]]) -> list[int]:
    with _together(database):
        return [_execute(database, sql, args) for sql, args in statements]


@contextmanager
def _together(database: sqlite3.Connection) -> Iterator[None]:
    """Make several statements one: a savepoint in the open transaction, or a transaction of their own."""
    if not database.in_transaction:
        database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            _rollback(database)
            raise
        _commit(database)
        return
    database.execute("SAVEPOINT xrm_batch")
    try:
        yield
    except BaseException:
        _undo(database, "xrm_batch")
        raise
    _keep(database, "xrm_batch")
