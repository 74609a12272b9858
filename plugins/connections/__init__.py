"""Connections: what parties are to each other, one record that is read from both sides."""

from __future__ import annotations

import xrm

from . import rules


@xrm.hookimpl
def handlers(registry: xrm.Handlers) -> None:
    """Join in where connections and their roles are written."""
    registry.before_write("connection_role", rules.name_both_sides)
    registry.before_write("connection", rules.check)
