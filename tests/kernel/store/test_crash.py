"""Killed without warning, a SQLite site loses nothing it acknowledged and keeps nothing half done."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time

import pytest

from xrm.kernel.store.store import open_store

ROUNDS = 5
WRITER = """
import asyncio, sys
from xrm.kernel.store.store import open_store

async def write(store, worker, start):
    number = start
    while True:
        key = f"{worker}-{number}"
        async with store.transaction():
            await store.execute("INSERT INTO header VALUES (?1)", [key])
            await store.batch([("INSERT INTO line VALUES (?1, ?2)", [key, n]) for n in range(5)])
        print(key, flush=True)
        number += 1

async def main(path, start):
    store = open_store(path)
    await store.start()
    await store.batch([
        ("CREATE TABLE IF NOT EXISTS header (key TEXT PRIMARY KEY)", ()),
        ("CREATE TABLE IF NOT EXISTS line (header TEXT REFERENCES header (key), n INTEGER)", ()),
    ])
    await asyncio.gather(*(write(store, f"w{worker}", start) for worker in range(4)))

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


def write_until_killed(path, number, seconds):
    """Run the writer, kill it after a while, and return the keys it acknowledged."""
    command = [sys.executable, "-c", WRITER, str(path), str(number * 1_000_000)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as writer:
        first = writer.stdout.readline()
        assert first, writer.stderr.read()
        time.sleep(seconds)
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read()
    lines = (first + rest).split("\n")
    return set(lines[:-1])  # the last may be torn


@pytest.mark.parametrize("seed", [7])
async def test_nothing_acknowledged_is_lost_and_nothing_is_half_done(tmp_path, seed):
    path, rng, acknowledged = tmp_path / "site.db", random.Random(seed), set()
    for number in range(ROUNDS):
        acknowledged |= write_until_killed(path, number, rng.uniform(0.02, 0.3))
    store = open_store(str(path))
    await store.start()
    kept = {row[0] for row in await store.fetch("SELECT key FROM header")}
    assert acknowledged - kept == set()
    assert len(kept - acknowledged) <= ROUNDS * 4  # at most what was under way
    halves = "SELECT key FROM header LEFT JOIN line ON header = key GROUP BY key HAVING count(n) <> 5"
    assert await store.fetch(halves) == []
    assert await store.fetch("SELECT header FROM line WHERE header NOT IN (SELECT key FROM header)") == []
    assert (await store.fetch("PRAGMA integrity_check"))[0][0] == "ok"
    assert len(acknowledged) > ROUNDS
    await store.close()
