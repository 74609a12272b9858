"""Environments: copies of a site, to try a plan on its real records without touching them."""

from __future__ import annotations

from xrm.builtin.environments.command import ENV
from xrm.kernel.hooks import Command, hookimpl


@hookimpl
def commands() -> list[Command]:
    """Return the commands of the command line."""
    return [ENV]
