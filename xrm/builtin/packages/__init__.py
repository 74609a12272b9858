"""Packages: definitions of a site or plugin as a folder or zip, with what they need and what was left out."""

from __future__ import annotations

from xrm.builtin.packages.command import PACKAGE
from xrm.kernel.hooks import Command, hookimpl


@hookimpl
def commands() -> list[Command]:
    """Return the commands of the command line."""
    return [PACKAGE]
