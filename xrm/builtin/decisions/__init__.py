"""Decisions of the policy explained: why somebody may or may not do something."""

from __future__ import annotations

from xrm.builtin.decisions.command import WHY
from xrm.kernel.hooks import Command, hookimpl


@hookimpl
def commands() -> list[Command]:
    """Return the commands of the command line."""
    return [WHY]
