"""One SQLite connection on a thread of its own.

SQLite works synchronously; a thread per connection keeps the event loop free at the price of one hop per call, however
many statements the call runs. Calls run one after the other, in the order they were made.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, Concatenate, ParamSpec, TypeVar

from xrm.kernel.store.errors import sqlite_error
from xrm.kernel.store.store import Functions
from xrm.kernel.store.waiting import outcome, settle

P = ParamSpec("P")
T = TypeVar("T")

_STATEMENTS_KEPT = 512  # prepared statements kept per connection


@dataclass(eq=False, slots=True)
class _Call:
    """Work for the thread, and where its outcome goes."""

    future: asyncio.Future[Any]
    work: Callable[[sqlite3.Connection], Any]
    dropped: bool = field(default=False)  # cancelled before it began


class ConnectionThread:
    """A connection to the file `path`, opened by and living on a daemon thread.

    Args:
        path: The database file; it is made if it is not there.
        pragmas: Statements to run first.
        functions: SQL functions to add; they must be deterministic.
        busy_timeout: Seconds to wait for another process's write.
    """

    def __init__(self, path: str, pragmas: tuple[str, ...], functions: Functions, busy_timeout: float) -> None:
        self._path, self._pragmas, self._functions, self._busy_timeout = path, pragmas, functions, busy_timeout
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._database: sqlite3.Connection | None = None
        self._running: _Call | None = None
        self._turning = threading.Lock()  # so that an interrupt meets the call it is meant for, never the next
        self._thread = threading.Thread(target=self._live, name="xrm-sqlite", daemon=True)
        self._thread.start()

    async def run(
        self, work: Callable[Concatenate[sqlite3.Connection, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `work` with the connection on its thread; when the caller is cancelled, the statement is interrupted.

        Raises:
            XrmError: the database complained of something a caller may meet (errors.py).
        """
        call = self._call(work, *args, **kwargs)
        done: asyncio.Future[T] = call.future
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            call.dropped = True
            await settle(call.future, lambda: self._interrupt(call))
            call.future.exception()  # seen: asyncio need not complain of it
            raise

    async def finish(
        self, work: Callable[Concatenate[sqlite3.Connection, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `work` to its end even if the caller is cancelled meanwhile (then CancelledError follows the end)."""
        done: asyncio.Future[T] = self._call(work, *args, **kwargs).future
        return await outcome(done)

    async def close(self) -> None:
        """Let the calls made so far end, then close the connection."""
        self._calls.put(None)
        await asyncio.to_thread(self._thread.join)

    def _call(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> _Call:
        future = asyncio.get_running_loop().create_future()
        call = _Call(future, lambda database: work(database, *args, **kwargs))
        self._calls.put(call)
        return call

    def _interrupt(self, call: _Call) -> None:
        with self._turning:
            if self._running is call and self._database is not None:
                self._database.interrupt()

    # --- on the thread

    def _live(self) -> None:
        while (call := self._calls.get()) is not None:
            self._turn_to(call)
            result, problem = self._answer(call)
            self._turn_to(None)
            with suppress(RuntimeError):  # the loop was closed: nobody waits any more
                call.future.get_loop().call_soon_threadsafe(_resolve, call.future, result, problem)
        if self._database is not None:
            self._database.close()

    def _turn_to(self, call: _Call | None) -> None:
        with self._turning:
            self._running = call

    def _answer(self, call: _Call) -> tuple[Any, BaseException | None]:
        if call.dropped:
            return None, None
        try:
            return call.work(self._opened()), None
        except BaseException as error:  # noqa: BLE001 - whatever it is, it belongs to whoever waits
            problem = sqlite_error(error, self._database)
            if problem is not error:
                problem.__cause__ = error
            return None, problem

    def _opened(self) -> sqlite3.Connection:
        """Return the connection, opened at the first call; after a failure the next call tries again."""
        if self._database is None:
            database = sqlite3.connect(
                self._path, timeout=self._busy_timeout, isolation_level=None, cached_statements=_STATEMENTS_KEPT
            )
            try:
                self._prepare(database)
            except BaseException:
                database.close()
                raise
            self._database = database
        return self._database

    def _prepare(self, database: sqlite3.Connection) -> None:
        for pragma in self._pragmas:
            database.execute(pragma)
        for name, (arguments, function) in self._functions.items():
            database.create_function(name, arguments, function, deterministic=True)


def _resolve(future: asyncio.Future[Any], result: Any, problem: BaseException | None) -> None:
    if future.done():
        return
    if problem is None:
        future.set_result(result)
    else:
        future.set_exception(problem)
