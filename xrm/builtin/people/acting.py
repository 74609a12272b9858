"""Acting for a user where no request is: their roles and rights as they are now."""

from __future__ import annotations

from uuid import UUID

from xrm.builtin.people.lookups import make_lookups
from xrm.kernel.change import Actor
from xrm.kernel.kernel import Kernel


async def actor_of(kernel: Kernel, user: UUID, kind: str, source: str) -> Actor | None:
    """Return a user as an actor, or None when they may not come in (any more)."""
    dialect = kernel.store.dialect
    statement = make_lookups(dialect).user
    rows = await kernel.store.fetch(statement.text, statement.arguments(dialect, {"user": user}))
    return make_lookups(dialect).actor(rows[0], kind, source) if rows else None
