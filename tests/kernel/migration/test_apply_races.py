"""Several processes apply at once, or one dies in the middle: one generation or the other, never a mix."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.migration.planning import agree, cells, entity, field, model, one, put
from xrm.errors import Conflict
from xrm.kernel.change import SYSTEM
from xrm.kernel.migration.apply import apply
from xrm.kernel.migration.journal import current, generation_number
from xrm.kernel.migration.plan import propose
from xrm.kernel.store.store import Store, open_store
from xrm.metadata.model import Model

ROOT = Path(__file__).parents[2]
ROWS = 300
RACES = int(os.environ.get("XRM_RACE_ROUNDS", "5"))

MANY = model(
    *(
        entity(f"thing_{n}", field("a", unique=True), field("next", "relation", to=f"thing_{(n + 1) % 20}"))
        for n in range(20)
    )
)
TEXT = one(field("a", index=True), field("b", unique=True), field("parent", "relation", to="thing"))
NUMBER = model(
    entity(
        "item",
        field("n", "integer", required=True, was="a"),
        field("b", unique=True),
        field("parent", "relation", to="item"),
        field("c", required=True, backfill="x"),
        was="thing",
    ),
    entity("extra", field("of", "relation", to="item")),
)
MODELS = {"many": MANY, "number": NUMBER}


async def work(url: str, name: str, die_at: int) -> None:
    """Apply a model when told to on standard input; after `die_at` statements (0 = never) die like a crash."""
    store = open_store(url)
    await store.start()
    if die_at:
        _die_at(store, die_at)
    _say("ready")
    await asyncio.to_thread(sys.stdin.readline)
    applied = await apply(store, MODELS[name], SYSTEM)
    _say(json.dumps([applied.changed, applied.generation.number]))
    await store.close()


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _die_at(store: Store, last: int) -> None:
    execute, count = store.execute, 0

    async def counted(sql: str, args: Any = ()) -> int:
        nonlocal count
        result = await execute(sql, args)
        count += 1
        if count == last:
            signal.raise_signal(signal.SIGKILL)
        return result

    store.execute = counted  # type: ignore[method-assign]  # a crash at a chosen moment


async def start(url: str, name: str, die_at: int = 0) -> asyncio.subprocess.Process:
    code = (
        "import asyncio, sys; from tests.kernel.migration.test_apply_races import work;"
        " asyncio.run(work(sys.argv[1], sys.argv[2], int(sys.argv[3])))"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        code,
        url,
        name,
        str(die_at),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    return process


async def finish(process: asyncio.subprocess.Process) -> Any:
    out, _ = await asyncio.wait_for(process.communicate(b"go\n"), 60)
    return json.loads(out) if out else None


async def test_of_four_processes_one_applies(store: Store, database_url: str):
    processes = await asyncio.gather(*(start(database_url, "many") for _ in range(4)))
    outcomes = await asyncio.gather(*(finish(process) for process in processes))
    assert sorted(outcomes) == [[False, 1], [False, 1], [False, 1], [True, 1]]
    await agree(store)


async def test_of_two_sealed_plans_one_wins_and_the_other_is_told(store: Store, database_url: str):
    """XRM_RACE_ROUNDS says how often; both start from the same generation, each in connections of its own."""
    other = open_store(database_url)
    await other.start()
    await apply(store, TEXT, SYSTEM)
    for number in range(RACES):
        one_way, other_way = PAIRS[number % 2]
        plans = [propose(made, await current(store)) for made in (one_way, other_way)]
        outcomes = await asyncio.gather(
            _sealed(store, one_way, plans[0].hash), _sealed(other, other_way, plans[1].hash)
        )
        assert sorted(outcomes) == [200, 409]
        assert await generation_number(store) == number + 2
    await agree(store)
    await other.close()


PAIRS = (
    (one(field("a", index=True)), one(field("a", unique=True))),
    (one(field("a")), one(field("a", index=True, unique=True))),
)


async def _sealed(store: Store, made: Model, seal: str) -> int:
    """Apply one plan only; return the status an API would answer with."""
    try:
        done = await apply(store, made, SYSTEM, expected_hash=seal)
    except Conflict as refused:
        return refused.status
    assert done.changed
    return 200


@pytest.mark.parametrize("die_at", [4, 9, 16])
async def test_a_crash_leaves_the_old_generation(store: Store, database_url: str, die_at: int):
    before = await _filled(store)
    process = await start(database_url, "number", die_at)
    assert await finish(process) is None
    assert process.returncode == -signal.SIGKILL
    await agree(store)
    found = await current(store)
    assert found == before
    assert await cells(store, before, "thing", "a") == [str(n) for n in range(ROWS)]
    assert (await apply(store, NUMBER, SYSTEM)).changed
    await agree(store)


@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
async def test_a_kill_at_any_time_leaves_one_or_the_other(store: Store, database_url: str, part: float, tmp_path: Path):
    before = await _filled(store)
    process = await start(database_url, "number")
    assert process.stdin is not None
    wait = part * await _time_of_one(tmp_path)
    process.stdin.write(b"go\n")
    await asyncio.sleep(wait)
    with contextlib.suppress(ProcessLookupError):  # it was done already
        process.kill()
    await process.wait()
    await _ended(store)
    await agree(store)
    number = await generation_number(store)
    found = await current(store)
    assert found is not None
    if number == 1:
        assert found == before
        assert await cells(store, found, "thing", "a") == [str(n) for n in range(ROWS)]
    else:
        assert await cells(store, found, "item", "n", "c") == [(n, "x") for n in range(ROWS)]


async def _filled(store: Store) -> Any:
    applied = await apply(store, TEXT, SYSTEM)
    async with store.transaction():
        for number in range(ROWS):
            await put(store, applied.generation, "thing", a=str(number), b=str(number))
    return applied.generation


async def _time_of_one(folder: Path) -> float:
    """Return how long one such change takes here, seconds."""
    store = open_store(str(folder / "clocked.db"))
    await store.start()
    await _filled(store)
    started = asyncio.get_running_loop().time()
    await apply(store, NUMBER, SYSTEM)
    await store.close()
    return asyncio.get_running_loop().time() - started


async def _ended(store: Store) -> None:
    """Wait until the database has noticed that the other process is gone."""
    async with store.schema_transaction():
        await store.lock("xrm.schema")


def test_the_models_of_these_tests_differ():
    assert len({repr(m.sources) for m in (MANY, TEXT, NUMBER, Model())}) == 4
