"""The shares of one record: who has it by a share, given and taken back by whoever may share it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from xrm.errors import Conflict, Forbidden, Invalid, Issue, NotFound
from xrm.kernel.change import SYSTEM, Actor
from xrm.kernel.kernel import Kernel
from xrm.kernel.policy import SHARE
from xrm.kernel.query import RESTRICTED, Query

GIVER = "sharer"  # the role of this plugin; what it gives is looked at by `before_share`
MAX_SHARES = 200  # of one record
SHOWN = ("id", "person", "team", "level", "fields", "expires_at", "reason", "created_at", "created_by")
SENT = frozenset({"person", "team", "level", "fields", "expires_at", "reason"})


class Shares:
    """Gives records to others, for one site.

    Who may share a record needs no rights on the entity of shares: for this act they are a `GIVER` as well, and
    `before_share` looks at what they give.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    async def list(self, actor: Actor, entity: str, id: UUID) -> Sequence[dict[str, Any]]:
        """Return the shares of a record, the newest first, also those that have ended.

        Raises:
            NotFound: no such record for the actor.
            Forbidden: they may not share it.
        """
        await self._may_share(actor, entity, id)
        query = Query(_of(entity, id), ("-created_at", "id"), SHOWN, limit=MAX_SHARES)
        found = (await self._kernel.records.list(SYSTEM, SHARE, query)).records
        for name, target in (("person", "user"), ("team", "team"), ("created_by", "user")):
            await self._withhold(actor, found, name, target)
        return found

    async def give(self, actor: Actor, entity: str, id: UUID, sent: Mapping[str, Any]) -> dict[str, Any]:
        """Share a record and return the share.

        Args:
            actor: Who shares it.
            entity: Of the record.
            id: The record.
            sent: ``person`` or ``team`` (an id), ``level`` (read, update, full), and if wanted ``fields``,
                ``expires_at`` and ``reason``.

        Raises:
            NotFound: no such record for the actor.
            Forbidden: they may not share it, or not at this level.
            Invalid: with whom, the fields or the time are refused.
            Conflict: it is shared too often.
        """
        if unknown := sorted(sent.keys() - SENT):
            raise Invalid(issues=[Issue(n[:60], "unknown_field", f"A share has no field {n[:60]!r}.") for n in unknown])
        records, giver = self._kernel.records, replace(actor, roles=actor.roles | {GIVER})
        async with records.act(actor):
            await self._may_share(actor, entity, id)
            count = await records.count(SYSTEM, SHARE, Query(_of(entity, id)))
            if count.value >= MAX_SHARES:
                message = f"A record has at most {MAX_SHARES} shares."
                raise Conflict(message, [Issue("", "too_many", message, "take one back first")])
            made = await records.create(giver, SHARE, {**sent, "record": {"entity": entity, "id": str(id)}})
            return {name: made.get(name) for name in SHOWN}

    async def take_back(self, actor: Actor, entity: str, id: UUID, share: UUID) -> None:
        """End a share, at once.

        Raises:
            NotFound: no such record for the actor, or no such share of it.
            Forbidden: they may not share it.
        """
        records = self._kernel.records
        async with records.act(actor):
            await self._may_share(actor, entity, id)
            if await records.bound(SYSTEM).find(SHARE, f"{_of(entity, id)} && id == '{share}'") is None:
                raise NotFound("There is no such share.")
            await records.delete(SYSTEM, SHARE, share)

    async def _may_share(self, actor: Actor, entity: str, id: UUID) -> None:
        await self._kernel.records.get(actor, entity, id, ("id",))
        if "share" not in await self._kernel.records.permitted(actor, entity, id):
            raise Forbidden(f"You may not share this {self._kernel.model.entities[entity].title}.")

    async def _withhold(self, actor: Actor, found: Sequence[dict[str, Any]], name: str, target: str) -> None:
        """Show of people and teams only those whom the actor may read."""
        ids = sorted({UUID(share[name]["id"]) for share in found if share.get(name)})
        seen = await self._kernel.records.visible_ids(actor, target, ids)
        for share in found:
            if share.get(name) and share[name]["id"] not in seen:
                share[name] = RESTRICTED


def _of(entity: str, id: UUID) -> str:
    return f"record == '{id}' && record.entity == '{entity}'"
