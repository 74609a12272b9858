"""A real server process for stories: started on a free port, killed as hard as the story wants."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import httpx

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(database: str) -> dict[str, str]:
    """Return the environment of a command that works on a story's database."""
    return {**os.environ, "XRM_DATABASE": database, "PYTHONPATH": str(ROOT), "XRM_PASSWORD": "a long enough secret"}


def command(folder: Path, database: str, *words: str, code: int = 0) -> str:
    """Run an xrm command on a site and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "xrm", "--site", str(folder), *words],
        env=environment(database),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


class Server:
    """`xrm serve` as a process of its own."""

    def __init__(self, folder: Path, database: str, *words: str, **variables: str) -> None:
        self.words, self.folder, self.database, self.port = words, folder, database, free_port()
        self.variables: Mapping[str, str] = variables
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> float:
        """Start it and wait until it is ready; return how many seconds that took."""
        words = [
            sys.executable,
            "-m",
            "xrm",
            "--site",
            str(self.folder),
            "serve",
            "--no-studio",
            "--port",
            str(self.port),
            *self.words,
        ]
        began = time.monotonic()
        self.process = subprocess.Popen(
            words, env={**environment(self.database), **self.variables}, stdout=subprocess.DEVNULL
        )
        while time.monotonic() - began < 90:  # a busy machine starts several processes slowly
            try:
                if httpx.get(self.url + "/health/ready", timeout=2).status_code == 200:
                    return time.monotonic() - began
            except httpx.TransportError:
                assert self.process.poll() is None, "the server ended by itself"
            time.sleep(0.05)
        raise TimeoutError("the server did not become ready")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Ask it to end; return its exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(how)
        return self.process.wait(20)
