"""What to do when a statement meets other tables than it was written for: follow the model, and try once more.

Each process swaps to a new generation a moment after it was applied (`Kernel.watch`). A request in that moment may ask
for a column or a table that is no more, meet values kept in another form, or be refused by rules that no longer hold.
Its transaction was rolled back, so it is safe to put the new generation in force and begin again. A second failure is
no matter of moments and is raised.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from xrm.errors import Conflict, Forbidden, Invalid, NotFound
from xrm.kernel.live import Running
from xrm.kernel.migration.journal import generation_number
from xrm.kernel.store.errors import TablesChanged, met_other_tables, must_prepare_anew

T = TypeVar("T")


@asynccontextmanager
async def following(running: Running) -> AsyncIterator[None]:
    """Put the newest generation in force when a statement inside met other tables, or a former one refused something.

    Raises:
        TablesChanged: they changed meanwhile; the same may succeed now, and nothing of it was done.
        Exception: the driver's own, when they did not: the statement is wrong.
    """
    before = running.live.generation
    try:
        yield
    except Exception as error:
        if not await _others(running, before, error):
            raise
        raise TablesChanged from None


async def _others(running: Running, before: int, error: Exception) -> bool:
    """Whether something begun on generation `before` met another one; then the newest generation is in force."""
    if type(error) is TablesChanged:  # whoever raised it saw to that
        return True
    if not met_other_tables(error) and not await _outdated(running, before, error):
        return False
    await running.refresh()
    if must_prepare_anew(error):
        await running.store.tables_changed()
        return True
    return running.live.generation != before


async def _outdated(running: Running, generation: int, error: Exception) -> bool:
    """Whether something was refused by a model that is no longer in force."""
    refused = isinstance(error, (Invalid, NotFound, Forbidden, Conflict))
    return refused and await generation_number(running.store) != generation


async def again(running: Running, work: Callable[[], Awaitable[T]]) -> T:
    """Return what `work` returns; do it once more if the tables changed under it.

    Inside a transaction it is done once: what was begun together is begun again together, by whoever began it.
    """
    if running.store.in_transaction:
        return await work()
    before = running.live.generation
    try:
        return await work()
    except Exception as error:
        if not await _others(running, before, error):
            raise
    async with following(running):
        return await work()
