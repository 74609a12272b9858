"""Decisions of the policy explained: why somebody may or may not do something, and what new roles would change."""

from __future__ import annotations

from xrm.builtin.decisions.command import WHAT_IF, WHY
from xrm.kernel.hooks import Command, hookimpl


@hookimpl
def commands() -> list[Command]:
    """Return the commands of the command line."""
    return [WHY, WHAT_IF]
