"""PostgreSQL's NOTIFY, heard on a connection of its own.

The pool's connections come and go and must keep nothing, so hearing takes one that stays. Whoever listens must also
look now and then: what is told while the connection is lost is not told again.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Any

import asyncpg

PAUSE = 1.0  # seconds before the next attempt to connect

log = logging.getLogger("xrm.store")


class Listener:
    """Hears one channel and sets an event. `run` it as a task; cancelling ends it."""

    def __init__(self, url: str, channel: str, heard: asyncio.Event) -> None:
        self._url, self._channel, self._heard = url, channel, heard

    async def run(self) -> None:
        """Listen for ever; after a lost connection connect anew, and set the event since something may be missed."""
        while True:
            with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                await self._listen()
            log.info("The connection that hears of new models was lost; trying again")
            await asyncio.sleep(PAUSE)

    async def _listen(self) -> None:
        lost = asyncio.Event()
        connection = await asyncpg.connect(self._url, timeout=5, server_settings={"application_name": "xrm listen"})
        try:
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener(self._channel, self._tell)
            self._heard.set()
            await lost.wait()
        finally:
            with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                await connection.close(timeout=1)

    def _tell(self, *_: Any) -> None:
        self._heard.set()
