"""``xrm backup``, ``xrm restore`` and ``xrm copy``: a whole site in one file, put back, and moved between databases."""

from __future__ import annotations

from xrm.builtin.backup.command import COMMANDS
from xrm.kernel.hooks import Command, hookimpl


@hookimpl
def commands() -> list[Command]:
    """Return the commands of the command line."""
    return list(COMMANDS)
