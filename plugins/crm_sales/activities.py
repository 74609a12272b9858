"""Activities: when one was done that is entered afterwards."""

from __future__ import annotations

import xrm


async def backdate(context: xrm.Context, change: xrm.Change) -> None:
    """Say that an activity entered as done (an import) was done when it was due, not now."""
    due = change.after.get("due")
    if change.kind == "create" and change.after.get("state") == "done" and due is not None and due < context.now:
        change.set("done_at", due)
