"""Service: tickets that know by when they must be answered."""

from __future__ import annotations

import xrm

from . import tickets


@xrm.hookimpl
def handlers(registry: xrm.Handlers) -> None:
    """Join in where tickets are written."""
    registry.before_write("ticket", tickets.set_due)
    registry.before_write("ticket", tickets.set_resolved)
