"""A change of the model is killed: the database has the old model or the new one, whole, and no value is lost.

``make crash`` kills more often: at every statement, and a hundred times at random.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

from tests.kernel.migration.planning import cells, entity, expected, field, look, model, put
from xrm.kernel.change import SYSTEM
from xrm.kernel.migration.apply import Order, apply, carry_out
from xrm.kernel.migration.journal import Generation, current, find
from xrm.kernel.migration.plan import propose
from xrm.kernel.migration.rollback import propose_rollback
from xrm.kernel.store.store import Store, open_store

ROOT = Path(__file__).parents[2]
ROUNDS = int(os.environ.get("XRM_CRASH_ROUNDS", "3"))
ROWS = 200
OLD = model(
    entity("thing", field("a", index=True), field("b", unique=True), field("c"), field("up", "relation", to="thing")),
    entity("gone", field("of", "relation", to="thing"), field("n", "integer")),
)
NEW = model(
    entity(
        "item",
        field("n", "integer", was="a", index=True),
        field("b", removed=True),
        field("c", required=True, backfill="filled"),
        field("up", "relation", to="item"),
        was="thing",
    ),
    entity("gone", removed=True),
    entity("fresh", field("of", "relation", to="item")),
)
Records = dict[str, list[Any]]


async def work(url: str, back: str, die_at: int) -> None:
    """Apply the new model, or go back to generation 1; die after `die_at` statements (0: never)."""
    store = open_store(url)
    await store.start()
    _die_at(store, die_at)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    await _carry(store, back == "back")
    await store.close()


async def _carry(store: Store, back: bool) -> Generation:
    target = await find(store, 1)
    assert target is not None
    proposer = partial(propose_rollback, OLD, target, purged={}) if back else partial(propose, NEW)
    consent = frozenset(step.id for step in proposer(await current(store)).destructive)
    return (await carry_out(store, proposer, Order(SYSTEM, consent))).generation


def _die_at(store: Store, last: int) -> None:
    execute, done = store.execute, 0

    async def counted(sql: str, args: Any = ()) -> int:
        nonlocal done
        result = await execute(sql, args)
        done += 1
        if done == last:
            signal.raise_signal(signal.SIGKILL)
        return result

    store.execute = counted  # type: ignore[method-assign]  # a crash at a chosen moment


async def run(url: str, back: str, die_at: int, seconds: float | None = None) -> int:
    """Let a process do it, die at a statement or be killed after some time; return its exit code."""
    code = (
        "import asyncio, sys; from tests.stories.test_an_apply_is_killed import work;"
        " asyncio.run(work(sys.argv[1], sys.argv[2], int(sys.argv[3])))"
    )
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, url, back, str(die_at), cwd=ROOT, stdin=pipe, stdout=pipe
    )
    assert process.stdout is not None
    assert process.stdin is not None
    assert await process.stdout.readline() == b"ready\n"
    process.stdin.write(b"go\n")
    await process.stdin.drain()
    try:
        return await asyncio.wait_for(process.wait(), seconds)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):  # it was done at that very moment
            process.kill()
        return await process.wait()


async def filled(store: Store) -> Records:
    made = (await apply(store, OLD, SYSTEM)).generation
    async with store.transaction():
        up = None
        for number in range(ROWS):
            up = await put(store, made, "thing", a=f" {number}", b=str(number), c="x" if number % 2 else None, up=up)
            await put(store, made, "gone", of=up, n=number)
    return await old_records(store, made)


async def old_records(store: Store, made: Generation) -> Records:
    return {
        "thing": await cells(store, made, "thing", "id", "a", "b", "c", "up"),
        "gone": await cells(store, made, "gone", "id", "of", "n"),
    }


async def whole(store: Store, records: Records) -> bool:
    """See that the database is as its journal says, with all records; return whether the model is the old one."""
    async with store.schema_transaction():  # waits until the database has noticed that the process is gone
        await store.lock("xrm.schema")
    found = await current(store)
    assert found is not None
    assert await look(store) == await expected(found.full_schema, store)
    if "thing" in found.ids.entities:
        assert await old_records(store, found) == records
        return True
    rows = [(id, int(a), c or "filled", up) for id, a, _, c, up in records["thing"]]
    assert await cells(store, found, "item", "id", "n", "c", "up") == rows
    return False


async def story(store: Store, url: str, moments: list[tuple[int, float | None]]) -> None:
    """Kill the way there, or the way back, at each moment; whatever is in force goes the other way next."""
    records = await filled(store)
    old = True
    for die_at, seconds in moments:
        await run(url, "" if old else "back", die_at, seconds)
        old = await whole(store, records)
    if old:
        await _carry(store, back=False)
        assert not await whole(store, records)
    await _carry(store, back=True)
    assert await whole(store, records)


async def test_at_a_statement(store: Store, database_url: str):
    moments = list(range(1, 61)) if ROUNDS > 60 else random.sample(range(1, 45), ROUNDS)
    await story(store, database_url, [(die_at, None) for die_at in moments])


async def test_at_any_time(store: Store, database_url: str):
    await story(store, database_url, [(0, random.uniform(0.0, 0.4)) for _ in range(ROUNDS)])
