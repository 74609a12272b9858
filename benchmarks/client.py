"""A small HTTP/1.1 client for load: keep-alive connections, counted requests, no parsing beyond status and length."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_TICKS = 100  # clock ticks per second of /proc (man 5 proc: sysconf(_SC_CLK_TCK))


@dataclass(frozen=True, slots=True)
class Call:
    """One kind of request; `target` and `body` are asked anew for each."""

    method: str
    target: Callable[[], str]
    headers: str = ""
    body: Callable[[], bytes] = lambda: b""


@dataclass(frozen=True, slots=True)
class Load:
    """What a round of requests cost: requests per second, and CPU microseconds of the server per request."""

    rate: float
    cpu: float


def cpu_seconds(pid: int) -> float:
    """Return the CPU time a process has used, seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


async def drive(port: int, pid: int, call: Call, requests: int, concurrency: int) -> Load:
    """Send requests over `concurrency` connections; every answer must be a success.

    Raises:
        RuntimeError: an answer was not 2xx.
    """
    left = iter(range(requests))
    before, started = cpu_seconds(pid), time.perf_counter()
    await asyncio.gather(*(_worker(port, call, left) for _ in range(concurrency)))
    took = time.perf_counter() - started
    return Load(requests / took, (cpu_seconds(pid) - before) / requests * 1e6)


async def _worker(port: int, call: Call, left: object) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in left:  # type: ignore[attr-defined]  # an iterator shared by the workers
        body = call.body()
        head = f"{call.method} {call.target()} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        head += f"Content-Length: {len(body)}\r\n{call.headers}\r\n"
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(answer)
        content = await reader.readexactly(int(length[1])) if length else b""
        if answer[9:10] != b"2":
            raise RuntimeError((answer + content).decode(errors="replace"))
    writer.close()
