"""Several processes behind one port: whichever answers, one that dies is replaced, and none is left behind."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.stories.serving import Server, command


def workers(first: int) -> set[int]:
    """Return the processes that were started by `first` and answer requests."""
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "stat").read_text().rpartition(")")[2].split()
            called = (entry / "cmdline").read_bytes()
        except (OSError, ValueError):
            continue
        if words[1] == str(first) and words[0] != "Z" and b"spawn_main" in called:
            found.add(int(entry.name))
    return found


def until(what: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)


def alive(process: int) -> bool:
    try:
        return (Path("/proc") / str(process) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def answered(server: Server, count: int = 20) -> None:
    """Ask on connections of their own, so that any worker may answer."""
    for _ in range(count):
        assert httpx.get(server.url + "/health/ready", timeout=5).status_code == 200


@pytest.mark.story
def test_workers_share_a_port_and_are_replaced(tmp_path, database_url):
    command(tmp_path, database_url, "new", str(tmp_path / "acme"))
    with Server(tmp_path / "acme", database_url, "--workers", "2") as server:
        server.start()
        assert server.process is not None
        first = server.process.pid
        until(lambda: len(workers(first)) == 2)
        answered(server)
        killed = min(workers(first))
        os.kill(killed, signal.SIGKILL)
        until(lambda: len(workers(first) - {killed}) == 2)
        answered(server)
        left = workers(first)
        assert server.stop() == 0
        until(lambda: not any(map(alive, left)))
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", server.port))


@pytest.mark.story
def test_workers_end_when_the_first_process_was_killed(tmp_path):
    database = f"sqlite:///{tmp_path}/x.db"
    command(tmp_path, database, "new", str(tmp_path / "acme"))
    with Server(tmp_path / "acme", database, "--workers", "2") as server:
        server.start()
        assert server.process is not None
        until(lambda: len(workers(server.process.pid)) == 2)
        left = workers(server.process.pid)
        server.kill()
        until(lambda: not any(map(alive, left)))


def test_what_keeps_workers_from_starting_is_told(tmp_path):
    database = f"sqlite:///{tmp_path}/x.db"
    command(tmp_path, database, "new", str(tmp_path / "acme"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        words = ("serve", "--workers", "2", "--port", str(taken.getsockname()[1]))
        command(tmp_path / "acme", database, *words, code=1)
    command(tmp_path / "acme", database, "serve", "--workers", "0", code=2)
