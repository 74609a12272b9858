"""Whom a question is about."""

from __future__ import annotations

import json
from typing import Protocol
from uuid import UUID

from xrm.errors import NotFound
from xrm.kernel.change import Actor
from xrm.kernel.kernel import Kernel


class People(Protocol):
    """Gives the actor of a user's record."""

    async def actor_for(self, user: UUID, source: str = "api") -> Actor | None:
        """Return the actor, or None when there is none that may come in."""


async def find_person(kernel: Kernel, people: People, asker: Actor, named: str) -> Actor:
    """Return the actor of the user with an id or an e-mail address, whom the asker must be able to read.

    Raises:
        NotFound: there is none who may come in.
    """
    user = await _user(kernel, asker, named.strip())
    actor = await people.actor_for(user) if user else None
    if actor is None:
        raise NotFound(f"There is no active user {named[:100]}.")
    return actor


async def _user(kernel: Kernel, asker: Actor, named: str) -> UUID | None:
    try:
        condition = f"id == '{UUID(named)}'"
    except ValueError:
        condition = f"email == {json.dumps(named.lower(), ensure_ascii=False)}"
    found = await kernel.records.bound(asker).find("user", condition)
    return UUID(found["id"]) if found else None
