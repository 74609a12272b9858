"""API keys: how programs come in. A key acts for its user; its secret is shown once and kept as a hash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from xrm.builtin.people.tokens import hash_token, new_token
from xrm.errors import Invalid, Issue, NotFound
from xrm.kernel.change import Actor, uuid7

if TYPE_CHECKING:
    from xrm.builtin.people.accounts import Accounts
    from xrm.kernel.kernel import Kernel

KEY_PREFIX = "xrm_"
MAX_KEYS = 100  # per user


@dataclass(frozen=True, slots=True)
class Key:
    """One API key of a user; its secret is known to whoever made it only."""

    id: UUID
    prefix: str
    user: UUID
    title: str
    created_at: datetime
    expires_at: datetime | None
    seen_at: datetime | None


class Keys:
    """Makes, lists and revokes API keys.

    Args:
        kernel: The site's.
        accounts: Its accounts.
    """

    def __init__(self, kernel: Kernel, accounts: Accounts) -> None:
        self._kernel, self._accounts = kernel, accounts

    async def create(self, actor: Actor, user: UUID, title: str, expires: datetime | None = None) -> tuple[str, Key]:
        """Return the secret of a new API key, which is never shown again, and what is known of it.

        Raises:
            Forbidden: the key is for somebody else whom the actor does not look after, or the actor uses a key itself.
            Invalid: title or time are refused.
        """
        await self._accounts.authorise_person(actor, user)
        now = self._kernel.clock()
        title = title.strip()
        issues = (
            []
            if 0 < len(title) <= 100 and title.isprintable()
            else [Issue("title", "required", "Say in 1 to 100 characters what the key is for.")]
        )
        if expires is not None and expires <= now:
            issues.append(Issue("expires_at", "too_small", "This time is past."))
        if len(await self.list(user)) >= MAX_KEYS:
            issues.append(Issue("", "too_many", f"A user has at most {MAX_KEYS} keys.", "revoke one that is not used"))
        if issues:
            raise Invalid("The key cannot be made", issues)
        secret = KEY_PREFIX + new_token()
        key = Key(uuid7(), secret[:10], user, title, now, expires, None)
        keys = self._accounts.tables["xrm_api_key"]
        await keys.insert(
            keys(
                id=key.id,
                c_prefix=key.prefix,
                c_key_hash=hash_token(secret),
                c_user=user,
                c_title=title,
                c_created_at=now,
                c_expires_at=expires,
                c_seen_at=None,
            )
        )
        await self._accounts.log.note("key_made", user, actor, detail=f"{key.prefix} {title}")
        return secret, key

    async def list(self, user: UUID) -> Sequence[Key]:
        """Return a user's API keys, the newest first."""
        keys = self._accounts.tables["xrm_api_key"]
        newest = keys.select().where(keys.c_user == user).order_by(keys.c_created_at, ascending=False)
        return [_key_of(row) for row in await newest.limit(MAX_KEYS)]

    async def revoke(self, actor: Actor, key: UUID) -> None:
        """Make an API key worthless, at once.

        Raises:
            NotFound: there is none, or it is of somebody whom the actor does not look after.
        """
        keys = self._accounts.tables["xrm_api_key"]
        row = await keys.select(keys.c_user).where(keys.id == key).first()
        if row is None or not await self._accounts.looks_after(actor, row["user"]):
            raise NotFound("There is no such key.")
        await keys.delete().where(keys.id == key)
        await self._accounts.log.note("key_revoked", row["user"], actor)


def _key_of(row: Mapping[str, Any]) -> Key:
    names = ("id", "prefix", "user", "title", "created_at", "expires_at", "seen_at")
    return Key(*(row[name] for name in names))
