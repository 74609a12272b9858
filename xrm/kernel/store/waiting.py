"""Waiting that a cancellation does not cut short: for COMMIT, ROLLBACK and what gives a connection back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_HURRY_EVERY = 0.02  # seconds; an interrupt that comes before a statement has begun is lost, so it is repeated


async def settle(future: asyncio.Future[Any], hurry: Callable[[], None] | None = None) -> bool:
    """Wait until `future` is done, whatever happens; return whether we were cancelled meanwhile.

    Args:
        future: What to wait for; its outcome is not looked at.
        hurry: Called again and again until it is done.
    """
    cancelled = False
    while not future.done():
        if hurry is not None:
            hurry()
        try:
            await asyncio.wait([future], timeout=_HURRY_EVERY if hurry else None)
        except asyncio.CancelledError:
            cancelled = True
    return cancelled


async def outcome(future: asyncio.Future[T]) -> T:
    """Return the result of `future` when it is done; a cancellation meanwhile is raised only then."""
    if await settle(future):
        future.exception()  # seen: asyncio need not complain of it
        raise asyncio.CancelledError
    return future.result()


async def finish(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end even if the caller is cancelled meanwhile; then CancelledError follows the end."""
    return await outcome(asyncio.ensure_future(work))
