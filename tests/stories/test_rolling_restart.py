"""Two processes behind a proxy are restarted one after the other; no request fails, and jobs go on."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import httpx

from tests.stories.serving import Server, command, free_port
from xrm.testing import write_files

ENTITY = {"entities/note.yaml": 'entity: note\nlabel: "{name}"\nfields: {name: text}\n'}


class Proxy:
    """Gives each connection to the first server that takes it."""

    def __init__(self, servers: list[Server]) -> None:
        self.servers, self.port = servers, free_port()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for server in self.servers:
            with suppress(OSError):
                there = await asyncio.open_connection("127.0.0.1", server.port)
                await asyncio.gather(_pump(reader, there[1]), _pump(there[0], writer))
                return
        writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await reader.read(65_536):
            writer.write(piece)
            await writer.drain()
    writer.close()


async def _ask(url: str, key: str, stopped: asyncio.Event, statuses: list[int]) -> None:
    """Write notes, each on a connection of its own as after a balancer, until told to stop."""
    headers = {"Authorization": f"Bearer {key}", "Connection": "close"}
    async with httpx.AsyncClient(headers=headers, base_url=url, timeout=20) as client:
        while not stopped.is_set():
            statuses.append((await client.post("/api/note", json={"name": "n"})).status_code)


async def test_a_rolling_restart_fails_no_request(tmp_path: Path, database_url: str) -> None:
    write_files(tmp_path, ENTITY)
    command(tmp_path, database_url, "apply")
    command(tmp_path, database_url, "user", "add", "ann@example.com", "--role", "admin")
    key = command(tmp_path, database_url, "user", "key", "ann@example.com").strip()
    with Server(tmp_path, database_url) as one, Server(tmp_path, database_url) as two:
        for server in (one, two):
            await asyncio.to_thread(server.start)
        proxy = Proxy([one, two])
        listening = await asyncio.start_server(proxy.serve, "127.0.0.1", proxy.port)
        statuses: list[int] = []
        stopped = asyncio.Event()
        asking = [asyncio.create_task(_ask(f"http://127.0.0.1:{proxy.port}", key, stopped, statuses)) for _ in range(3)]
        await asyncio.sleep(0.5)
        for server in (one, two):
            proxy.servers = [s for s in (one, two) if s is not server]
            assert await asyncio.to_thread(server.stop) == 0
            await asyncio.to_thread(server.start)
        proxy.servers = [one, two]
        await asyncio.sleep(0.3)
        stopped.set()
        await asyncio.gather(*asking)
        listening.close()
        assert (one.stop(), two.stop()) == (0, 0)
    assert len(statuses) > 20
    assert set(statuses) == {201}
