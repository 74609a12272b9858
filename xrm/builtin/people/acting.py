"""Acting for a user where no request is: their roles and rights as they are now."""

from __future__ import annotations

from uuid import UUID

from xrm.builtin.people.lookups import Lookups, make_lookups
from xrm.kernel.change import Actor
from xrm.kernel.kernel import Kernel


async def actor_of(kernel: Kernel, user: UUID, kind: str, source: str) -> Actor | None:
    """Return a user as an actor, or None when they may not come in (any more)."""
    live = kernel.live
    lookups: Lookups = live.cached(("people.lookups",), lambda: make_lookups(live.dialect, live.model))
    rows = await kernel.store.fetch(lookups.user.text, lookups.user.arguments(live.dialect, {"user": user}))
    return kernel.situated(lookups.actor(rows[0], kind, source)) if rows else None
