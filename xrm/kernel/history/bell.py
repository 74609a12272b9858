"""The bell: rung when an act was committed in this process, for whoever waits for news."""

from __future__ import annotations

import asyncio
import contextlib


class Bell:
    """Wakes all who wait. Other processes' acts are not heard: look now and then as well."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        """Wake everybody."""
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Return when it rings, and at the latest after so many seconds."""
        event = self._event
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), seconds)
