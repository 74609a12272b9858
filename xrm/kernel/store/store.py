"""The store: one database as the kernel sees it, SQLite or PostgreSQL.

    store = open_store("sqlite:///data/site.db")
    await store.start()
    async with store.transaction():
        await store.execute('UPDATE "deal" SET "name" = ?1 WHERE "id" = ?2', [name, key])
    rows = await store.fetch('SELECT "name" FROM "deal"')

Statements carry stored values (codec.py) and numbered placeholders (sql.py). The open transaction travels in a context
variable: whatever is awaited inside joins it. A task that outlives its transaction gets a TransactionError; work that
is meant to go on must be started with a context of its own (``asyncio.create_task(…, context=Context())``).
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from xrm.kernel.store.codec import Dialect
from xrm.kernel.store.errors import TransactionError

if TYPE_CHECKING:
    from piccolo.engine.base import Engine

Row = Sequence[Any]
Arguments = Sequence[Any]
Functions = Mapping[str, tuple[int, Callable[..., Any]]]  # name → number of arguments, Python function
NO_FUNCTIONS: Functions = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """How a store behaves. Times are seconds.

    Attributes:
        read_timeout: How long one read outside a transaction may take.
        wait: How long to wait for one's turn: to write (SQLite), for a connection or a locked row (PostgreSQL).
        busy_timeout: How long to wait for another process to end its write (SQLite).
        synchronous: ``full`` keeps every commit through a power cut; ``normal`` may lose the last ones (SQLite).
        readers: Connections for reading (SQLite).
        connections: Most connections of the pool (PostgreSQL).
    """

    read_timeout: float = 5.0
    wait: float = 10.0
    busy_timeout: float = 5.0
    synchronous: str = "full"
    readers: int = 3
    connections: int = 10


class OpenTransaction(Protocol):
    """What both databases' transactions share: whether they ended."""

    @property
    def closed(self) -> bool:
        """Whether it has ended."""


T = TypeVar("T", bound=OpenTransaction)


class Store(ABC):
    """One database. Everything may raise Unavailable or StorageFull; writes also UniqueViolation, ForeignKeyViolation.

    Attributes:
        dialect: How values and placeholders are written.
    """

    dialect: Dialect

    @abstractmethod
    async def start(self) -> None:
        """Open the connections; raises Unavailable when the database cannot be reached."""

    @abstractmethod
    async def close(self) -> None:
        """Close the connections; statements under way end first."""

    @abstractmethod
    async def fetch(self, sql: str, args: Arguments = ()) -> Sequence[Row]:
        """Return the rows of a statement, their cells by position and as stored."""

    @abstractmethod
    async def fetch_named(self, sql: str, args: Arguments = ()) -> list[dict[str, Any]]:
        """Return the rows of a statement as dicts of stored values, by column name; slower than `fetch`."""

    @abstractmethod
    async def execute(self, sql: str, args: Arguments = ()) -> int:
        """Run a statement; return how many rows it inserted, changed or deleted."""

    @abstractmethod
    async def execute_many(self, sql: str, rows: Iterable[Arguments]) -> None:
        """Run a statement once per row of arguments, all or none."""

    @abstractmethod
    async def batch(self, statements: Sequence[tuple[str, Arguments]]) -> list[int]:
        """Run statements in order, all or none; return the number of rows of each. One thread hop on SQLite."""

    @abstractmethod
    def transaction(self) -> AbstractAsyncContextManager[None]:
        """Return a context in which statements take effect together; a nested one is a savepoint.

        An exception, also a cancellation, rolls back. If the commit fails, everything is rolled back and it raises.
        """

    @abstractmethod
    def schema_transaction(self) -> AbstractAsyncContextManager[None]:
        """Return a transaction for changing tables, one at a time for all processes.

        On SQLite references are not enforced inside (so that tables can be rebuilt) but checked before the commit.

        Raises:
            TransactionError: a transaction is open already.
        """

    @abstractmethod
    async def lock(self, name: str) -> None:
        """Hold the lock `name` against all processes until the transaction ends.

        Raises:
            TransactionError: no transaction is open.
        """

    @abstractmethod
    async def tables_changed(self) -> None:
        """Forget what was prepared for the tables as they were."""

    @abstractmethod
    async def announce(self) -> None:
        """Tell all processes, once the open transaction is committed, that there is something new to look at."""

    @abstractmethod
    async def listen(self, heard: asyncio.Event) -> None:
        """Set `heard` whenever a process may have announced something, this one included, until cancelled.

        What is announced while the database is away may go unheard: look now and then as well.
        """

    @abstractmethod
    def connections(self) -> tuple[int, int]:
        """Return how many connections are in use, and how many there are."""

    @property
    @abstractmethod
    def in_transaction(self) -> bool:
        """Whether statements made here and now join a transaction."""

    @property
    @abstractmethod
    def engine(self) -> Engine[Any]:
        """The store as a Piccolo engine, for the table classes (tables.py)."""


class Current(Generic[T]):
    """The open transaction of whoever asks, kept in a context variable."""

    def __init__(self) -> None:
        self._variable: ContextVar[T | None] = ContextVar("xrm_transaction", default=None)

    def get(self) -> T | None:
        """Return the open transaction, or None.

        Raises:
            TransactionError: there was one, and it ended.
        """
        current = self._variable.get()
        if current is not None and current.closed:
            raise TransactionError(
                "This task outlived the transaction it was started in; start it with a context of its own: "
                "asyncio.create_task(…, context=contextvars.Context())"
            )
        return current

    def set(self, transaction: T | None) -> None:
        """Make `transaction` the open one."""
        self._variable.set(transaction)


def open_store(url: str, functions: Functions = NO_FUNCTIONS, options: StoreOptions | None = None) -> Store:
    """Return the store of a database; `start` opens it.

    Args:
        url: ``sqlite:///folder/file.db``, a path, or ``postgresql://user:password@host/database``.
        functions: SQL functions to add on SQLite: name → (number of arguments, function).
        options: See `StoreOptions`.

    Raises:
        ValueError: the URL names neither; the message does not repeat it, as it may hold a password.
    """
    scheme, separator, rest = url.partition("://")
    if separator and scheme in ("postgresql", "postgres"):
        from xrm.kernel.store.postgres import PostgresStore  # noqa: PLC0415 - load one driver only

        return PostgresStore(url, options or StoreOptions())
    if separator and scheme != "sqlite":
        raise ValueError("The database must be sqlite:///path or postgresql://…")
    path = rest.removeprefix("/") if separator else url
    if not path or path == ":memory:":
        raise ValueError("The database must be a file: sqlite:///path")
    from xrm.kernel.store.sqlite import SqliteStore  # noqa: PLC0415 - load one driver only

    return SqliteStore(path, functions, options or StoreOptions())
