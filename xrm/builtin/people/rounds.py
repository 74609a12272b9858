"""Rounds: what many ask at once is asked of the database together, and never answered from before the question.

Questions that come while a round is under way wait for the next one, so each answer is of a statement begun after its
question: a token revoked before a request came is refused, in every process, though a busy one looks up dozens of
tokens by one statement.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

MAX_ASKED = 500  # keys of one round


class Rounds(Generic[K, V]):
    """Answers one key after the other, by statements that answer many.

    Args:
        ask: Returns what is found for some keys; what is not in it was not found.
    """

    __slots__ = ("_ask", "_running", "_waiting")

    def __init__(self, ask: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._ask = ask
        self._waiting: dict[K, list[asyncio.Future[V | None]]] = {}
        self._running: asyncio.Task[None] | None = None

    async def of(self, key: K) -> V | None:
        """Return what is found for a key, or None. What asking raises is raised for all that asked with it."""
        answer: asyncio.Future[V | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append(answer)
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run(), context=contextvars.Context())
        return await answer

    async def _run(self) -> None:
        while self._waiting:
            asked = self._taken()
            try:
                found = await self._ask(tuple(asked))
            except Exception as error:  # noqa: BLE001 - it belongs to those who asked
                for answer in (answer for answers in asked.values() for answer in answers if not answer.done()):
                    answer.set_exception(error)
                continue
            for key, answers in asked.items():
                for answer in answers:
                    if not answer.done():
                        answer.set_result(found.get(key))

    def _taken(self) -> dict[K, list[asyncio.Future[V | None]]]:
        if len(self._waiting) <= MAX_ASKED:
            asked, self._waiting = self._waiting, {}
            return asked
        return {key: self._waiting.pop(key) for key in list(self._waiting)[:MAX_ASKED]}
