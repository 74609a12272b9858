"""Tickets: when they are due, and when they were resolved."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

import xrm

SHARE: Mapping[str, float] = MappingProxyType({"low": 2.0, "normal": 1.0, "high": 0.5, "urgent": 0.25})
"""What part of the queue's hours a ticket of each priority is given."""

DONE = frozenset({"resolved", "closed"})


async def set_due(context: xrm.Context, change: xrm.Change) -> None:
    """Give a new ticket without a due time the one of its queue: hours around the clock, scaled by priority."""
    values = change.after
    if change.kind != "create" or values.get("due") is not None or values.get("queue") is None:
        return
    queue = await context.system.find("queue", f"id == '{values['queue']}'")
    if queue is None or not queue["hours_to_answer"]:
        return
    hours = queue["hours_to_answer"] * SHARE.get(values.get("priority") or "normal", 1.0)
    change.set("due", context.now + timedelta(hours=hours))


async def set_resolved(context: xrm.Context, change: xrm.Change) -> None:
    """Say when a ticket was resolved that is entered resolved (an import): by its due time, or now."""
    if change.kind == "create" and change.after.get("state") in DONE:
        due = change.after.get("due")
        change.set("resolved_at", min(due, context.now) if due else context.now)
