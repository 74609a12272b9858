"""Models are published while two processes serve: nobody is refused but to come again, nothing is lost or misread.

``make load`` does the same for longer, on many records, and tells how long requests and the swap took.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import httpx

from tests.stories.serving import Server
from xrm.kernel.change import uuid7
from xrm.testing import make_site

ROUNDS = int(os.environ.get("XRM_LOAD_ROUNDS", "1"))
ROWS = int(os.environ.get("XRM_LOAD_ROWS", "300"))
WORKERS = 4  # that write, and as many that read
DEAL = """
entity: deal
label: "{{name}}"
fields:
  name: {{type: text, required: true, unique: true}}
  amount: {{type: decimal, precision: 12, scale: {scale}}}
  size: {{type: choice, choices: [{choice}]}}
  code: {code}
  {mark}
{more}"""
PLAIN = {"scale": 2, "choice": "small", "code": "text", "mark": "mark: {type: text, was: sign}", "more": ""}
STEPS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("add a field", {"more": "  note: {type: text, default: fine}\n"}),
    ("more digits, an index", {"scale": 4, "more": "  note: {type: text, default: fine, index: true}\n"}),
    ("text to integer, drop a field", {"scale": 4, "code": "integer", "more": "  note: {type: text, removed: true}\n"}),
    ("fewer digits, rename a choice", {"scale": 3, "code": "integer", "choice": "{name: little, was: small}"}),
    ("integer to text, rename a field", {"scale": 3, "choice": "little", "mark": "sign: {type: text, was: mark}"}),
    ("all as it was", {"choice": "{name: small, was: little}"}),
)


@dataclass
class Load:
    """What the workers saw."""

    made: dict[str, str] = field(default_factory=dict)  # id → name
    answers: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    slowest: float = 0.0
    stopped: bool = False

    async def ask(self, client: httpx.AsyncClient, method: str, path: str, **sent: Any) -> httpx.Response:
        """Make a request until it is not told to come again; note how it went."""
        began = time.monotonic()
        while True:
            answer = await client.request(method, path, **sent)
            self.answers[answer.status_code] += 1
            if answer.status_code != 503 or self.stopped:
                break
            if "retry-after" not in answer.headers:
                self.wrong.append(f"503 without Retry-After: {answer.text}")
            await asyncio.sleep(0.05)
        self.slowest = max(self.slowest, time.monotonic() - began)
        if answer.status_code >= 500 and answer.status_code != 503:
            self.wrong.append(f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text}")
        return answer

    def check(self, record: dict[str, Any]) -> None:
        """See that a record says what was written: its name tells its amount and its code."""
        _, amount, code = record["name"].split("-")
        right = Decimal(record["amount"]) == Decimal(amount) and str(record["code"]) == code
        if not right or record["size"] not in ("small", "little"):
            self.wrong.append(f"misread: {record}")


def values(number: int) -> dict[str, Any]:
    """Return the values of a record that can be told from its name."""
    amount = f"{number % 9000}.{number % 100:02d}"
    return {"name": f"w-{amount}-{number}", "amount": amount, "code": str(number), "size": "small"}


async def _write(load: Load, client: httpx.AsyncClient, worker: int) -> None:
    """Create records, in the form that the model of the moment asks for, and change each once."""
    for number in count(worker * 1_000_000):
        sent = values(number)
        for attempt in range(12):  # whichever choice and type are in force
            choice, code = ("small", "little")[attempt % 2], number if attempt % 4 > 1 else str(number)
            body = sent | {"size": choice, "code": code}
            answer = await load.ask(client, "POST", "/api/deal", json=body)
            if answer.status_code != 422:
                break
        if load.stopped:
            return
        if answer.status_code != 201:
            load.wrong.append(f"not created: {answer.status_code} {answer.text}")
            continue
        made = answer.json()
        load.made[made["id"]] = made["name"]
        load.check(made)
        headers = {"If-Match": '"1"'}
        path = f"/api/deal/{made['id']}"
        changed = await load.ask(client, "PATCH", path, json={"name": made["name"]}, headers=headers)
        if changed.status_code == 200:
            load.check(changed.json())


async def _read(load: Load, client: httpx.AsyncClient) -> None:
    while not load.stopped:
        page = await load.ask(client, "GET", "/api/deal?limit=20&sort=-created_at")
        for record in page.json().get("records", []):
            load.check(record)
            path = f"/api/deal/{record['id']}"
        answer = await load.ask(client, "GET", path)
        if answer.status_code == 200:
            load.check(answer.json())


async def _publish(publisher: httpx.AsyncClient, other: httpx.AsyncClient, text: str) -> tuple[float, float]:
    """Publish through one process; return how long it took, and until the other one was on the new generation."""
    files = {"entities/deal.yaml": text}
    while True:
        began = time.monotonic()
        plan = (await publisher.post("/api/model/plan", json={"files": files})).json()
        consent = [step["id"] for step in plan["steps"] if step["severity"] == "destructive"]
        done = await publisher.post("/api/model/apply", json={"files": files, "consent": consent})
        if done.status_code != 503:  # the tables were not to be had in time: it says so, and nothing was done
            break
    assert done.status_code == 200, done.text
    ended = time.monotonic()
    while (await other.get("/api/model")).json()["generation"] < done.json()["generation"]:  # noqa: ASYNC110 - polled
        await asyncio.sleep(0.01)
    return ended - began, time.monotonic() - ended


async def _prepare(folder: Path, database_url: str) -> str:
    """Make a site with records and return the key of its administrator."""
    async with make_site(folder, database_url, {"entities/deal.yaml": DEAL.format(**PLAIN)}) as site:
        rows, now = site.kernel.live.entities["deal"].rows, site.kernel.clock()
        system = {"version": 1, "created_at": now, "updated_at": now}
        made = []
        for number in range(9_000_000, 9_000_000 + ROWS):
            known = values(number) | system | {"id": uuid7(), "label": values(number)["name"], "search": ""}
            made.append(rows.insert(known | {"amount": Decimal(known["amount"])}))
        await site.kernel.store.execute_many(made[0][0], [arguments for _, arguments in made])
        return await site.key(await site.person("Ann", "admin"))


async def _everything(client: httpx.AsyncClient, load: Load) -> dict[str, str]:
    found: dict[str, str] = {}
    after = ""
    while after is not None:
        page = (await client.get("/api/deal", params={"limit": 500, **({"after": after} if after else {})})).json()
        found |= {record["id"]: record["name"] for record in page["records"]}
        for record in page["records"]:
            load.check(record)
        after = page["next"]
    return found


async def test_publishing_disturbs_nobody(tmp_path: Path, database_url: str, capsys: Any) -> None:
    key = await _prepare(tmp_path, database_url)
    load, told = Load(), []
    with Server(tmp_path, database_url) as first, Server(tmp_path, database_url) as second:
        await asyncio.gather(asyncio.to_thread(first.start), asyncio.to_thread(second.start))
        headers = {"Authorization": f"Bearer {key}"}
        clients = [httpx.AsyncClient(base_url=s.url, headers=headers, timeout=60) for s in (first, second)]
        workers = [asyncio.create_task(_write(load, clients[n % 2], n)) for n in range(WORKERS)]
        workers += [asyncio.create_task(_read(load, clients[n % 2])) for n in range(WORKERS)]
        for turn, (what, step) in enumerate(STEPS * ROUNDS):
            load.slowest = 0.0
            took, swap = await _publish(clients[turn % 2], clients[1 - turn % 2], DEAL.format(**PLAIN | step))
            told.append(f"{what}: published in {took:.2f} s, swapped {swap:.2f} s later, slowest {load.slowest:.2f} s")
        load.stopped = True
        await asyncio.gather(*workers)
        found = await _everything(clients[0], load)
        for client in clients:
            await client.aclose()
    if "XRM_LOAD_ROWS" in os.environ:
        with capsys.disabled():
            title = f"{database_url.partition(':')[0]}, {ROWS:,} records"
            sys.stdout.write("\n".join(["", title, *told, str(dict(load.answers)), ""]))
    assert not load.wrong, load.wrong[:5]
    assert load.made, "nothing was written: the story shows nothing"
    assert load.made.items() <= found.items()
    assert len(set(found.values())) == len(found)
