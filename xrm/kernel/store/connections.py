"""Connections of one PostgreSQL database, kept at hand: to take one and give it back costs no task and no timer.

asyncpg's own pool spends more processor time on that than on a short statement. The last given back is taken first, so
that few stay in use when there is little to do; the others are closed after a while.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import asyncpg

from xrm.kernel.store.errors import unavailable

Connection = Any  # asyncpg's

_IDLE = 300.0  # seconds after which a connection nobody took is closed
_LOOK_AGAIN = 0.01  # seconds
_CLOSE_WAIT = 5.0  # seconds for a connection to say goodbye


class Connections:
    """At most `limit` connections, opened when they are needed.

    Args:
        connect: Opens a connection.
        limit: Most connections at once.
        wait: How long to wait for one, seconds.
    """

    def __init__(self, connect: Callable[[], Awaitable[Connection]], limit: int, wait: float) -> None:
        self._connect, self._limit, self._wait = connect, limit, wait
        self._free: list[tuple[Connection, float]] = []  # and when each was given back
        self._used: dict[Connection, int] = {}  # and the epoch it was opened in
        self._opening = self._epoch = 0
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False

    async def take(self) -> Connection:
        """Return a connection for the caller alone.

        Raises:
            Unavailable: none became free in time, or all are closed.
            OSError, asyncpg.PostgresError: none can be opened.
        """
        while not self._closed:
            if self._free:
                connection, since = self._free.pop()
                if not connection.is_closed():
                    self._used[connection] = self._epoch
                    self._retire(since)
                    return connection
            elif len(self._used) + self._opening < self._limit:
                return await self._opened()
            elif connection := await self._turn():
                return connection
        raise unavailable("The connections to the database are closed")

    def give_back(self, connection: Connection) -> None:
        """Take a connection back; one that is lost, outdated or in the middle of something is closed."""
        epoch = self._used.pop(connection)
        if self._closed or epoch != self._epoch or connection.is_closed() or connection.is_in_transaction():
            self._end(connection)
            self._hand_on(None)
        elif self._hand_on(connection):
            self._used[connection] = epoch
        else:
            self._free.append((connection, time.monotonic()))

    def counts(self) -> tuple[int, int]:
        """Return how many are in use, and how many there are."""
        return len(self._used), len(self._used) + len(self._free)

    def expire(self) -> None:
        """Use none of the present connections again; those in use are closed when they come back."""
        self._epoch += 1
        free, self._free = self._free, []
        for connection, _ in free:
            self._end(connection)

    async def close(self) -> None:
        """Close all; statements under way end first."""
        self._closed = True
        self.expire()
        while self._hand_on(None):
            continue
        while self._used or self._opening or self._ending:
            await (asyncio.wait(self._ending) if self._ending else asyncio.sleep(_LOOK_AGAIN))

    # --- within

    async def _turn(self) -> Connection | None:
        """Wait in the queue; None means: look again, there may be room for one more."""
        turn: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(self._wait):
                return await turn
        except TimeoutError:
            self._pass_on(turn)
            raise unavailable("The database is busy") from None
        except asyncio.CancelledError:
            self._pass_on(turn)
            raise

    def _pass_on(self, turn: asyncio.Future[Connection | None]) -> None:
        """Give the next what came for somebody who does not wait any more."""
        if not turn.done() or turn.cancelled():
            return
        connection = turn.result()
        if connection is None:
            self._hand_on(None)
        else:
            self.give_back(connection)

    def _hand_on(self, connection: Connection | None) -> bool:
        """Give whoever has waited longest a connection, or leave to look again; False when nobody waits."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(connection)
                return True
        return False

    async def _opened(self) -> Connection:
        self._opening += 1
        epoch = self._epoch
        try:
            connection = await self._connect()
        except BaseException:
            self._hand_on(None)
            raise
        finally:
            self._opening -= 1
        self._used[connection] = epoch
        return connection

    def _retire(self, since: float) -> None:
        """Close the connection that has been free longest, if that is long before `since`."""
        if self._free and since - self._free[0][1] > _IDLE:
            self._end(self._free.pop(0)[0])

    def _end(self, connection: Connection) -> None:
        if not connection.is_closed():
            work = asyncio.get_running_loop().create_task(_goodbye(connection))
            self._ending.add(work)
            work.add_done_callback(self._ending.discard)


async def _goodbye(connection: Connection) -> None:
    """Close a connection, whatever state it is in."""
    with suppress(TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        await connection.close(timeout=_CLOSE_WAIT)
