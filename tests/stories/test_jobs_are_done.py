"""What was asked for in an acknowledged write is done exactly once, however often the processes are killed."""

from __future__ import annotations

import asyncio
import os
import random
import time
from pathlib import Path

import httpx

from tests.stories.serving import Server, command
from xrm.testing import write_files

ROUNDS = int(os.environ.get("XRM_CRASH_ROUNDS", "3"))
FILES = {
    "entities/order.yaml": """
entity: order
label: "{name}"
fields: {name: text}
---
entity: bill
label: "{name}"
fields: {name: text}
""",
    "plugins/billing/plugin.yaml": "plugin: billing\n",
    "plugins/billing/__init__.py": """
import asyncio

import xrm


async def bill(run):
    for part in ("first", "second"):
        await asyncio.sleep(0.01)
        async with run.once(part) as first:
            if first:
                await run.records.create("bill", {"name": f"{run.payload['name']} {part}"})


async def ask(context, change):
    if change.kind == "create":
        await context.enqueue(xrm.NewJob("bill", {"name": change.after["name"]}))


@xrm.hookimpl
def handlers(registry):
    registry.after_write("order", ask)


@xrm.hookimpl
def jobs():
    return [xrm.JobKind("bill", "Write a bill", bill)]
""",
}


async def _write(client: httpx.AsyncClient, acknowledged: set[str], mark: str) -> None:
    """Create orders until the server is gone; note each that was acknowledged."""
    number = 0
    while True:
        name = f"{mark}-{number}"
        try:
            answer = await client.post("/api/order", json={"name": name})
        except httpx.TransportError:
            return
        if answer.status_code == 201:
            acknowledged.add(name)
        number += 1


async def _round(server: Server, key: str, acknowledged: set[str], mark: int) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(headers=headers, base_url=server.url, timeout=10) as client:
        writers = [asyncio.create_task(_write(client, acknowledged, f"{mark}-{n}")) for n in range(2)]
        await asyncio.sleep(random.uniform(0.3, 1.0))
        server.kill()
        await asyncio.gather(*writers)


async def _bills(server: Server, key: str) -> list[str]:
    found: list[str] = []
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {key}"}, base_url=server.url, timeout=30) as client:
        after = ""
        while after is not None:
            page = (await client.get("/api/bill", params={"limit": 500, **({"after": after} if after else {})})).json()
            found += [record["name"] for record in page["records"]]
            after = page["next"]
    return found


async def test_every_job_is_done_and_its_records_are_written_once(tmp_path: Path, database_url: str) -> None:
    write_files(tmp_path, FILES)
    command(tmp_path, database_url, "apply")
    command(tmp_path, database_url, "user", "add", "ann@example.com", "--role", "admin")
    key = command(tmp_path, database_url, "user", "key", "ann@example.com").strip()
    acknowledged: set[str] = set()
    with Server(tmp_path, database_url) as server:
        for mark in range(ROUNDS):
            server.start()
            await _round(server, key, acknowledged, mark)
        server.start()
        began, bills = time.monotonic(), []
        while time.monotonic() - began < 30:
            bills = await _bills(server, key)
            if {f"{name} second" for name in acknowledged} <= set(bills):
                break
            await asyncio.sleep(0.2)
        assert server.stop() == 0
    command(tmp_path, database_url, "work", "--once")
    assert acknowledged, "nothing was written: the story shows nothing"
    wanted = {f"{name} {part}" for name in acknowledged for part in ("first", "second")}
    assert wanted <= set(bills), "the next process took over at once what the killed one had begun"
    assert len(bills) == len(set(bills)), "done twice"
