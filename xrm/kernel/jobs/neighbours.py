"""Who runs jobs: a name for each process, by which others of the same machine see that it ended."""

from __future__ import annotations

import os
import secrets
import socket
from contextlib import suppress
from pathlib import Path


def own_name() -> str:
    """Return a name for this process: machine, process id, and a random part."""
    return f"{_machine()}:{os.getpid()}:{secrets.token_hex(4)}"


def is_gone(name: str, own: str) -> bool:
    """Whether a runner is known to be no more: a process of this machine that ended. Of others nothing is known."""
    machine, _, rest = name.rpartition(":")[0].rpartition(":")
    if name == own or machine != _machine() or not rest.isdigit():
        return False
    return int(rest) == os.getpid() or not _lives(int(rest))


def _machine() -> str:
    """Return what tells one set of process ids from another: the host, and on Linux its namespace of processes."""
    namespace = ""
    with suppress(OSError):
        namespace = str(Path("/proc/self/ns/pid").readlink()).strip("pid:[]")
    return f"{socket.gethostname()}/{namespace}"


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is another user's
        return True
    return True
