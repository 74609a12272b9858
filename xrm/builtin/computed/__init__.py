"""Expressions explained: how one is understood, what each part of it gives, and the SQL it becomes."""

from __future__ import annotations

from xrm.builtin.computed.command import EXPLAIN
from xrm.kernel.hooks import Command, hookimpl


@hookimpl
def commands() -> list[Command]:
    """Return the commands of the command line."""
    return [EXPLAIN]
