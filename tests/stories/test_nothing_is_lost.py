"""What the server acknowledged is there after it was killed: the record, its history, and nothing half done."""

from __future__ import annotations

import asyncio
import os
import random
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.stories.serving import Server, command
from xrm.testing import write_files

ROUNDS = int(os.environ.get("XRM_CRASH_ROUNDS", "3"))
WRITERS = 8
FILES = {
    "entities/order.yaml": """
entity: order
label: "{name}"
fields: {name: {type: text, required: true}, lines: integer, batch: integer}
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


@dataclass
class Written:
    """What was acknowledged: orders by id, and pairs of them that were changed together."""

    orders: dict[str, str] = field(default_factory=dict)
    pairs: list[tuple[str, str]] = field(default_factory=list)


async def _write(client: httpx.AsyncClient, url: str, written: Written, mark: str) -> None:
    """Create orders of three lines until the server is gone; note each that was acknowledged.

    Each new order is then changed together with the one before, and every third such change is taken back.
    """
    last = ""
    number = 0
    while True:
        name = f"{mark}-{number}"
        try:
            answer = await client.post(f"{url}/api/order", json={"name": name, "lines": 3})
        except httpx.TransportError:
            return
        if answer.status_code == 201:
            written.orders[answer.json()["id"]] = name
            if last and not await _both(client, url, written, (last, answer.json()["id"]), number):
                return
            last = "" if last else answer.json()["id"]  # each order is in one pair
        else:
            assert answer.status_code == 503, answer.text
        number += 1


async def _both(client: httpx.AsyncClient, url: str, written: Written, pair: tuple[str, str], number: int) -> bool:
    """Change two orders in one act, and take every third such act back; False when the server is gone."""
    rows = [{"id": id, "version": "*", "batch": number + 1} for id in pair]
    try:
        answer = await client.post(f"{url}/api/order/bulk", json={"update": rows})
        if answer.status_code == 200 and number % 3 == 0:
            await client.post(f"{url}/api/changes/{answer.headers['change-set']}/undo")
    except httpx.TransportError:
        return False
    if answer.status_code == 200:
        written.pairs.append(pair)
    return True


async def _round(server: Server, key: str, written: Written, mark: int) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(headers=headers, timeout=10) as client:
        writers = [asyncio.create_task(_write(client, server.url, written, f"{mark}-{n}")) for n in range(WRITERS)]
        await asyncio.sleep(random.uniform(0.3, 1.0))
        server.kill()
        await asyncio.gather(*writers)


async def _everything(server: Server, key: str, written: Written) -> tuple[dict[str, str], dict[str, int]]:
    headers = {"Authorization": f"Bearer {key}"}
    orders: dict[str, str] = {}
    batches: dict[str, int | None] = {}
    async with httpx.AsyncClient(headers=headers, base_url=server.url, timeout=30) as client:
        after = ""
        while after is not None:
            page = (await client.get("/api/order", params={"limit": 500, **({"after": after} if after else {})})).json()
            orders |= {r["id"]: r["name"] for r in page["records"]}
            batches |= {r["id"]: r["batch"] for r in page["records"]}
            after = page["next"]
        groups = (await client.get("/api/line/aggregate", params={"group": "order", "values": "count"})).json()[
            "groups"
        ]
        some = random.sample(sorted(orders), min(20, len(orders)))
        for id in some:
            changes = (await client.get(f"/api/order/{id}/history")).json()["changes"]
            assert [change["kind"] for change in reversed(changes)] == ["create", *["update"] * (len(changes) - 1)]
            assert [change["version"] for change in reversed(changes)] == list(range(1, len(changes) + 1))
    assert all(batches[one] == batches[other] for one, other in written.pairs), "one order of a pair without the other"
    return orders, {g["order"]: g["count"] for g in groups}


async def test_no_acknowledged_write_is_lost_and_none_is_half_done(tmp_path: Path, database_url: str) -> None:
    write_files(tmp_path, FILES)
    command(tmp_path, database_url, "apply")
    command(tmp_path, database_url, "user", "add", "ann@example.com", "--role", "admin")
    key = command(tmp_path, database_url, "user", "key", "ann@example.com").strip()
    written = Written()
    with Server(tmp_path, database_url) as server:
        for mark in range(ROUNDS):
            server.start()
            await _round(server, key, written, mark)
        server.start()
        orders, lines = await _everything(server, key, written)
        assert server.stop() == 0
    assert "are as they were sealed" in command(tmp_path, database_url, "verify", "audit")
    assert written.orders, "nothing was written: the story shows nothing"
    assert written.orders.items() <= orders.items()
    if len(orders) <= 1000:  # an aggregate answers 1,000 groups
        assert all(lines.get(id) == 3 for id in orders), "an order without all its lines"
