"""What the server acknowledged is there after it was killed: the record, its history, and nothing half done."""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path

import httpx

from tests.stories.serving import Server, command
from xrm.testing import write_files

ROUNDS = int(os.environ.get("XRM_CRASH_ROUNDS", "3"))
FILES = {
    "entities/order.yaml": """
entity: order
label: "{name}"
fields: {name: {type: text, required: true}, lines: integer}
---
entity: line
label: "{text}"
fields:
  order: {type: relation, to: order, required: true, inverse: parts}
  text: text
""",
    "plugins/lines/plugin.yaml": "plugin: lines\n",
    "plugins/lines/__init__.py": """
import xrm


async def add_lines(context, change):
    if change.kind == "create":
        for number in range(change.after["lines"] or 0):
            await context.records.create("line", {"order": str(change.id), "text": f"line {number}"})


@xrm.hookimpl
def handlers(registry):
    registry.after_write("order", add_lines)
""",
}


async def _write(client: httpx.AsyncClient, url: str, acknowledged: dict[str, str], mark: str) -> None:
    """Create orders of three lines until the server is gone; note each that was acknowledged."""
    number = 0
    while True:
        name = f"{mark}-{number}"
        try:
            answer = await client.post(f"{url}/api/order", json={"name": name, "lines": 3})
        except httpx.TransportError:
            return
        if answer.status_code == 201:
            acknowledged[answer.json()["id"]] = name
        else:
            assert answer.status_code == 503, answer.text
        number += 1


async def _round(server: Server, key: str, acknowledged: dict[str, str], mark: int) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(headers=headers, timeout=10) as client:
        writers = [asyncio.create_task(_write(client, server.url, acknowledged, f"{mark}-{n}")) for n in range(4)]
        await asyncio.sleep(random.uniform(0.3, 1.0))
        server.kill()
        await asyncio.gather(*writers)


async def _everything(server: Server, key: str) -> tuple[dict[str, str], dict[str, int]]:
    headers = {"Authorization": f"Bearer {key}"}
    orders: dict[str, str] = {}
    async with httpx.AsyncClient(headers=headers, base_url=server.url, timeout=30) as client:
        after = ""
        while after is not None:
            page = (await client.get("/api/order", params={"limit": 500, **({"after": after} if after else {})})).json()
            orders |= {r["id"]: r["name"] for r in page["records"]}
            after = page["next"]
        groups = (await client.get("/api/line/aggregate", params={"group": "order", "values": "count"})).json()[
            "groups"
        ]
        some = random.sample(sorted(orders), min(20, len(orders)))
        for id in some:
            changes = (await client.get(f"/api/order/{id}/history")).json()["changes"]
            assert [change["kind"] for change in changes] == ["create"]
    return orders, {g["order"]: g["count"] for g in groups}


async def test_no_acknowledged_write_is_lost_and_none_is_half_done(tmp_path: Path, database_url: str) -> None:
    write_files(tmp_path, FILES)
    command(tmp_path, database_url, "apply")
    command(tmp_path, database_url, "user", "add", "ann@example.com", "--role", "admin")
    key = command(tmp_path, database_url, "user", "key", "ann@example.com").strip()
    acknowledged: dict[str, str] = {}
    with Server(tmp_path, database_url) as server:
        for mark in range(ROUNDS):
            server.start()
            await _round(server, key, acknowledged, mark)
        server.start()
        orders, lines = await _everything(server, key)
        assert server.stop() == 0
    assert acknowledged, "nothing was written: the story shows nothing"
    assert acknowledged.items() <= orders.items()
    if len(orders) <= 1000:  # an aggregate answers 1,000 groups
        assert all(lines.get(id) == 3 for id in orders), "an order without all its lines"
