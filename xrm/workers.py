"""Several processes behind one port: `xrm serve --workers 4`.

The first process opens the port, starts the others and starts anew whichever ends by itself; it answers no request.
All share the port, so the system gives each connection to a process that is free. Jobs are done by the first worker
alone. A worker whose first process was killed ends as well, so that no port stays taken.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from xrm.errors import XrmError
from xrm.server import STOP_SECONDS, prepare, serve_on
from xrm.settings import Settings

LOOK = 0.2  # seconds between two looks at the workers
EARLY = 2.0  # seconds: a worker that lives shorter is started anew only after as long a wait
BACKLOG = 2048  # connections that wait to be taken

log = logging.getLogger("xrm.workers")
_SPAWN = multiprocessing.get_context("spawn")


@dataclass(slots=True)
class _Worker:
    """One place for a worker, and the process that has it now."""

    jobs: int
    process: BaseProcess | None = None
    told: Connection | None = None
    ready: bool = False
    began: float = 0.0

    def look(self) -> None:
        """Note whether the process says that it listens."""
        if self.told is not None and not self.ready and self.told.poll():
            with suppress(EOFError):  # it ended without a word
                self.ready = self.told.recv() == "ready"


Start = Callable[[_Worker], None]


def run(settings: Settings, count: int, announce: Callable[[str], None], jobs: int) -> int:
    """Serve the site by several processes until Ctrl-C or SIGTERM; return the exit code.

    Args:
        settings: How to serve it.
        count: How many processes answer requests.
        announce: Told the address once all of them listen.
        jobs: Jobs the site does at the same time; 0 leaves them to `xrm work`.

    Raises:
        Unavailable: the database cannot be reached, or the platform's own tables in it are of an earlier version.
        ModelError: there is no model in force yet, and the definitions are not valid.
        XrmError: the port cannot be opened.
    """
    words = prepare(settings)

    def tell() -> None:
        for text in words:
            announce(text)

    with _port(settings) as port, _stopping() as stopped:
        workers = [_Worker(jobs if number == 0 else 0) for number in range(count)]
        try:
            return _watch(workers, lambda worker: _start(worker, settings, port), tell, stopped)
        finally:
            _end(workers)


@contextmanager
def _port(settings: Settings) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as port:
        port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            port.bind((settings.host, settings.port))
        except OSError as error:
            raise XrmError(f"{settings.host}:{settings.port} cannot be listened on: {error.strerror}.") from None
        port.listen(BACKLOG)
        port.settimeout(0)
        yield port


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """Note Ctrl-C and SIGTERM instead of ending at once."""
    stopped = threading.Event()
    before = {sig: signal.signal(sig, lambda *_: stopped.set()) for sig in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for sig, handler in before.items():
            signal.signal(sig, handler)


def _watch(workers: list[_Worker], start: Start, announce: Callable[[], None], stopped: threading.Event) -> int:
    """Keep the workers going until a stop is asked for, or until one of them cannot start at all."""
    announced = False
    while not stopped.is_set():
        for worker in workers:
            if worker.process is not None and not worker.process.is_alive():
                if not announced:
                    return 1  # what is wrong stands in the log
                log.warning("Worker %s ended with %s.", worker.process.pid, worker.process.exitcode)
                stopped.wait(EARLY if time.monotonic() - worker.began < EARLY else 0)
                worker.process = None
            if worker.process is None:
                start(worker)
            worker.look()
        if not announced and all(worker.ready for worker in workers):
            announced = True
            announce()
        stopped.wait(LOOK)
    return 0


def _start(worker: _Worker, settings: Settings, port: socket.socket) -> None:
    told, telling = _SPAWN.Pipe(duplex=False)
    worker.told, worker.ready, worker.began = told, False, time.monotonic()
    worker.process = _SPAWN.Process(target=_work, args=(settings, port, worker.jobs, telling))
    worker.process.start()
    telling.close()


def _end(workers: list[_Worker]) -> None:
    """Let the workers end what they are at, and end those that do not come to an end."""
    going = [worker.process for worker in workers if worker.process is not None]
    for process in going:
        process.terminate()
    until = time.monotonic() + STOP_SECONDS + EARLY
    for process in going:
        process.join(max(until - time.monotonic(), 0.1))
        if process.is_alive():
            process.kill()


# --- in a worker's process ------------------------------------------------------------------------------------------


def _work(settings: Settings, port: socket.socket, jobs: int, telling: Connection) -> None:
    """Serve until told to stop, or until nobody is there any more to tell."""
    threading.Thread(target=_outlive_nobody, daemon=True).start()
    raise SystemExit(serve_on(settings, port, jobs, lambda: telling.send("ready")))


def _outlive_nobody() -> None:
    """End this process in order when the first process is gone."""
    first = multiprocessing.parent_process()
    if first is not None:
        first.join()
        os.kill(os.getpid(), signal.SIGTERM)
