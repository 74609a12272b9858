"""A storm of sign-ins on a real server: are all served, and do other requests go on? `make bench-sign-ins`."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections import Counter
from pathlib import Path
from uuid import UUID

import httpx

from benchmarks.__main__ import free_port, server
from xrm.kernel.change import SYSTEM
from xrm.settings import load_settings
from xrm.site import open_site

PASSWORD = "a long enough one"  # noqa: S105 - of people who are made up
PAUSE = 0.05  # seconds between two requests of the one who works on


async def prepare(folder: Path, count: int) -> str:
    """Make a site with so many users; return an API key of the first."""
    (folder / "entities").mkdir()
    async with open_site(load_settings(folder, {})) as site:
        await site.kernel.apply(SYSTEM, site.kernel.sources())
        hashed = await site.accounts.hash(PASSWORD)
        users = []
        async with site.kernel.records.act(SYSTEM):
            for number in range(count):
                values = {"name": f"User {number}", "email": f"user{number}@example.com"}
                users.append(UUID((await site.kernel.records.create(SYSTEM, "user", values))["id"]))
                await site.accounts.put_password(users[-1], hashed)
        secret, _ = await site.accounts.api_keys.create(SYSTEM, users[0], "Measurement")
        return secret


async def storm(url: str, key: str, count: int) -> None:
    """Let all sign in at once while one goes on working; print what became of both."""
    times: list[float] = []
    limits = httpx.Limits(max_connections=count + 5)
    async with httpx.AsyncClient(base_url=url, timeout=300, limits=limits) as client:

        async def work() -> None:
            while True:
                began = time.perf_counter()
                (await client.get("/api/me", headers={"authorization": f"Bearer {key}"})).raise_for_status()
                times.append(time.perf_counter() - began)
                await asyncio.sleep(PAUSE)

        worker = asyncio.create_task(work())
        sent = [{"email": f"user{number}@example.com", "password": PASSWORD} for number in range(count)]
        began = time.perf_counter()
        answers = await asyncio.gather(*(client.post("/api/session", json=one) for one in sent))
        seconds = time.perf_counter() - began
        worker.cancel()
    times.sort()
    print(f"{count} sign-ins at once: {dict(Counter(a.status_code for a in answers))} in {seconds:.1f} s")
    print(f"{len(times)} other requests meanwhile: p50 {times[len(times) // 2]:.3f} s, p95", end=" ")
    print(f"{times[int(len(times) * 0.95)]:.3f} s, longest {times[-1]:.3f} s")


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=500)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        key = asyncio.run(prepare(folder, args.count))
        port = free_port()
        words = ("-m", "xrm", "--site", str(folder), "serve", "--no-studio", "--port", str(port))
        with server(port, *words):
            asyncio.run(storm(f"http://127.0.0.1:{port}", key, args.count))


if __name__ == "__main__":
    main()
