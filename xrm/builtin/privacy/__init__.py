"""Privacy: what is kept of people, why and for how long; reports for them, erasure, legal holds and retention."""

from __future__ import annotations

from xrm.builtin.privacy.command import PRIVACY
from xrm.kernel.hooks import Command, hookimpl


@hookimpl
def commands() -> list[Command]:
    """Return the commands of the command line."""
    return [PRIVACY]
