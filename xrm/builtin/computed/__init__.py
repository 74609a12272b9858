"""Expressions explained, and kept computed values verified, on the command line."""

from __future__ import annotations

from xrm.builtin.computed.command import EXPLAIN, REINDEX, VERIFY
from xrm.kernel.hooks import Command, hookimpl


@hookimpl
def commands() -> list[Command]:
    """Return the commands of the command line."""
    return [EXPLAIN, VERIFY, REINDEX]
