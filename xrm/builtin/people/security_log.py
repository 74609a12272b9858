"""The security log: who came in and was refused, whose access was changed by whom, what was exported.

What was typed at a sign-in that failed is not kept: it may be a password, or somebody who is nobody here. Entries are
kept for `security_log_days`. What was done to records, roles of users included, is in the history of changes.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from uuid import UUID

from xrm.errors import Forbidden, Invalid, Issue, StorageFull, Unavailable
from xrm.kernel.change import Actor, uuid7

if TYPE_CHECKING:
    from xrm.builtin.people.accounts import Accounts, Client
    from xrm.kernel.kernel import Kernel

READ = "audit.read"
PAGE = 100
EVENTS: Mapping[str, str] = MappingProxyType(
    {
        "signed_in": "Signed in",
        "sign_in_failed": "Sign-in failed",
        "code_failed": "Second factor failed",
        "throttled": "Too many failures",
        "signed_out": "Signed out",
        "sessions_ended": "Sessions ended",
        "password_changed": "Password changed",
        "link_made": "Link made",
        "link_used": "Link used",
        "factor_on": "Second factor on",
        "factor_off": "Second factor off",
        "key_made": "API key made",
        "key_revoked": "API key revoked",
        "exported": "Records exported",
    }
)

log = logging.getLogger("xrm.security")


@dataclass(frozen=True, slots=True)
class Entry:
    """One event.

    Attributes:
        id: Its id; ids grow with time.
        at: When.
        event: One of `EVENTS`.
        user: Whom it is about; None when nobody knows.
        user_name: As the user is called now; empty when there is none.
        actor: Who did it; None for the system or a stranger.
        actor_name: As they were called then.
        address: Where it came from.
        client: By which program.
        detail: What else there is to know.
    """

    id: UUID
    at: datetime
    event: str
    user: UUID | None
    actor: UUID | None
    actor_name: str
    address: str
    client: str
    detail: str
    user_name: str = ""


class SecurityLog:
    """Writes and reads the log.

    Args:
        kernel: The site's.
        accounts: Its accounts.
    """

    def __init__(self, kernel: Kernel, accounts: Accounts) -> None:
        self._kernel, self._accounts = kernel, accounts

    async def note(
        self,
        event: str,
        user: UUID | None = None,
        actor: Actor | None = None,
        client: Client | None = None,
        detail: str = "",
    ) -> None:
        """Write one event down; a database that is full or away does not hold up what it is about."""
        address = client.address if client else actor.address if actor else ""
        entries = self._accounts.tables["xrm_security"]
        row = entries(
            id=uuid7(int(self._kernel.clock().timestamp() * 1000)),
            c_at=self._kernel.clock(),
            c_event=event,
            c_user=user,
            c_actor=actor.id if actor else None,
            c_actor_name=actor.name if actor else "",
            c_address=address[:60],
            c_client=_printable(client.agent if client else "", 200),
            c_detail=_printable(detail, 300),
        )
        log.info("event=%s user=%s actor=%s", event, user or "-", (actor.id if actor else None) or "-")
        try:
            await entries.insert(row)
        except (Unavailable, StorageFull) as error:
            log.warning("An event could not be written down: %s", error)

    async def sweep(self) -> None:
        """Take away what is older than it is kept."""
        entries = self._accounts.tables["xrm_security"]
        oldest = self._kernel.clock() - timedelta(days=self._kernel.settings.security_log_days)
        await entries.delete().where(entries.c_at < oldest)

    async def read(
        self, actor: Actor, event: str = "", user: UUID | None = None, before: UUID | None = None, limit: int = PAGE
    ) -> list[Entry]:
        """Return entries, the newest first.

        Args:
            actor: Who asks.
            event: Only these.
            user: Only about, or by, this user.
            before: Only those before this entry.
            limit: How many at most, up to 1000.

        Raises:
            Forbidden: the actor has not the capability audit.read.
            Invalid: there is no such event.
        """
        if not self._kernel.live.policy.may(actor, READ):
            raise Forbidden("You may not read the security log.")
        if event and event not in EVENTS:
            raise Invalid(issues=[Issue("event", "not_allowed", "There is no such event.", ", ".join(EVENTS))])
        entries = self._accounts.tables["xrm_security"]
        query = entries.select().order_by(entries.id, ascending=False).limit(max(1, min(limit, 1000)))
        if event:
            query = query.where(entries.c_event == event)
        if user is not None:
            query = query.where((entries.c_user == user) | (entries.c_actor == user))
        if before is not None:
            query = query.where(entries.id < before)
        rows = await query
        names = await self._names(actor, {row["user"] for row in rows if row["user"]})
        return [_entry(row, names) for row in rows]

    async def _names(self, actor: Actor, users: set[UUID]) -> Mapping[str, str]:
        """Return what those of the users are called whom the actor may see."""
        if not users or self._kernel.live.policy.access(actor, "user", "read") is None:
            return {}
        wanted = ", ".join(f"'{user}'" for user in users)
        page = await self._kernel.records.bound(actor).list("user", f"id in [{wanted}]", limit=len(users))
        return {str(record["id"]): str(record.get("label") or "") for record in page.records}


def _entry(row: Mapping[str, Any], labels: Mapping[str, str]) -> Entry:
    names = ("id", "at", "event", "user", "actor")
    texts = ("actor_name", "address", "client", "detail")
    given = {**{n: row[n] for n in names}, **{n: row[n] or "" for n in texts}}
    return Entry(**given, user_name=labels.get(str(row["user"]), ""))


def _printable(text: str, most: int) -> str:
    return "".join(c for c in text if c.isprintable())[:most]
