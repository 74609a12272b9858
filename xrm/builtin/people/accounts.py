"""Accounts: who may come in, by password and session or by API key. Tokens are kept as hashes only.

`session` and `key` are asked once per request: one statement, which also says whether the user still may come in, so
that whatever is revoked, deactivated or deleted is so at once, in every process.
"""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from uuid import UUID

from xrm.builtin.people.lookups import UUID_TYPE, WIDTH, Lookups, make_lookups
from xrm.builtin.people.passwords import MAX_LENGTH, Passwords, check_password
from xrm.builtin.people.rules import may_give
from xrm.builtin.people.throttle import Throttle, network
from xrm.errors import Forbidden, Invalid, Issue, NotFound, StorageFull, Unauthenticated, Unavailable
from xrm.kernel.change import Actor, uuid7
from xrm.kernel.kernel import Kernel
from xrm.kernel.store.sql import Statement
from xrm.kernel.store.system import SYSTEM
from xrm.kernel.store.tables import piccolo_tables

TOUCH = timedelta(minutes=1)  # how exactly it is known when a token was last used
WINDOW = 900.0  # seconds in which failed sign-ins are counted
PER_PAIR, PER_ACCOUNT, PER_NETWORK = 5, 30, 50  # failed sign-ins in the window
KEY_PREFIX = "xrm_"
MAX_KEYS = 100  # per user


@dataclass(frozen=True, slots=True)
class Client:
    """Where a sign-in comes from: the address of the connection (never one the client wrote), and its User-Agent."""

    address: str = ""
    agent: str = ""


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in of a user; its token is known to the client only."""

    id: UUID
    user: UUID
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    client: str


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


class Accounts:
    """Sign-in, sessions and API keys of one site."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._passwords = Passwords()
        self._lookups: Lookups = make_lookups(kernel.store.dialect)
        self._idle = timedelta(hours=kernel.settings.session_hours)
        self._lifetime = timedelta(days=kernel.settings.session_days)
        seconds = lambda: kernel.clock().timestamp()  # noqa: E731 - the same small thing three times
        self._pairs, self._accounts, self._networks = (
            Throttle(limit, WINDOW, seconds) for limit in (PER_PAIR, PER_ACCOUNT, PER_NETWORK)
        )
        self._touches: dict[UUID, asyncio.Task[None]] = {}

    async def close(self) -> None:
        """Wait for what is being written, and end the threads."""
        await asyncio.gather(*self._touches.values(), return_exceptions=True)
        self._passwords.close()

    # --- token → actor: the hot path ---

    async def session(self, token: str, source: str = "api") -> Actor | None:
        """Return who a session token belongs to, or None when it is (no longer) good.

        Raises:
            Unavailable: the database cannot answer, or no model is in force.
        """
        now = self._kernel.clock()
        row = await self._find(
            self._lookups.session, token=_hash(token), now=now, idle=now - self._idle, stale=now - TOUCH
        )
        return None if row is None else self._seen("xrm_session", row, now, "person", source)

    async def key(self, secret: str, source: str = "api") -> Actor | None:
        """Return who an API key belongs to, or None when it is (no longer) good."""
        now = self._kernel.clock()
        row = await self._find(self._lookups.key, token=_hash(secret), now=now, stale=now - TOUCH)
        return None if row is None else self._seen("xrm_api_key", row, now, "integration", source)

    async def actor_for(self, user: UUID, source: str = "api") -> Actor | None:
        """Return the actor of a user's record, or None when there is none that may come in."""
        row = await self._find(self._lookups.user, user=user)
        return None if row is None else self._lookups.actor(row, "person", source)

    async def _find(self, statement: Statement, **values: Any) -> Sequence[Any] | None:
        live = self._kernel.live
        rows = await self._kernel.store.fetch(statement.text, statement.arguments(live.dialect, values))
        return rows[0] if rows else None

    def _seen(self, table: str, row: Sequence[Any], now: datetime, kind: str, source: str) -> Actor:
        if row[WIDTH + 1]:
            decode = self._kernel.store.dialect.decode(UUID_TYPE)
            self._touch(table, decode(row[WIDTH]) if decode else row[WIDTH], now)
        return self._lookups.actor(row, kind, source)

    def _touch(self, table: str, id: UUID, now: datetime) -> None:
        """Write down that a token was used, beside the request: it must not wait for a long write."""
        if id not in self._touches:
            work = asyncio.create_task(self._write_seen(table, id, now), context=contextvars.Context())
            self._touches[id] = work
            work.add_done_callback(lambda _: self._touches.pop(id, None))

    async def _write_seen(self, table: str, id: UUID, now: datetime) -> None:
        cls = self._tables[table]
        try:
            await cls.update({cls.c_seen_at: now}).where(cls.id == id)
        except (Unavailable, StorageFull):
            return  # the next request tries again

    # --- sign in and out ---

    async def sign_in(self, email: str, password: str, client: Client) -> tuple[str, Session]:
        """Return the token of a new session. Whatever is wrong, the answer and its time are the same.

        Raises:
            Unauthenticated: the two do not belong together, or the user may not come in.
            TooManyRequests: too many failed before, for the account or from this network.
        """
        address, origin = email.strip().lower()[:254], network(client.address)
        taken = ((self._networks, origin), (self._accounts, address), (self._pairs, (address, origin)))
        for throttle, key in taken:
            throttle.take(key)
        user, hashed = await self._credential(address)
        good = await self._passwords.verify(hashed, password) and len(password) <= MAX_LENGTH
        if not good or user is None or hashed is None:
            raise Unauthenticated("E-mail address and password do not belong together.")
        for throttle, key in taken:
            throttle.give_back(key)
        self._pairs.forget((address, origin))
        if self._passwords.outdated(hashed):
            await self._store_hash(user, await self._passwords.hash(password))
        return await self._open(user, client)

    async def sign_out(self, token: str) -> None:
        """End the session of a token; nothing happens when there is none."""
        sessions = self._tables["xrm_session"]
        await sessions.delete().where(sessions.c_token_hash == _hash(token))

    async def _credential(self, address: str) -> tuple[UUID | None, str | None]:
        """Return user and hash for an address; no hash when the user may not come in."""
        row = None if "\x00" in address or not address else await self._find(self._lookups.sign_in, email=address)
        if row is None:
            return None, None
        decode = self._kernel.store.dialect.decode(UUID_TYPE)
        return (decode(row[0]) if decode else row[0]), row[1] if row[2] else None

    async def _open(self, user: UUID, client: Client) -> tuple[str, Session]:
        now, token = self._kernel.clock(), secrets.token_urlsafe(32)
        agent = "".join(c for c in client.agent if c.isprintable())[:200]
        session = Session(uuid7(), user, now, now, now + self._lifetime, agent)
        sessions = self._tables["xrm_session"]
        await sessions.delete().where((sessions.c_expires_at < now) | (sessions.c_seen_at < now - self._idle))
        await sessions.insert(
            sessions(
                id=session.id,
                c_token_hash=_hash(token),
                c_user=user,
                c_created_at=now,
                c_seen_at=now,
                c_expires_at=session.expires_at,
                c_client=agent,
            )
        )
        return token, session

    # --- passwords ---

    async def set_password(self, user: UUID, password: str, keep_token: str = "") -> None:
        """Give a user a password and end all sessions of theirs but the one of `keep_token`.

        Raises:
            NotFound: there is no such user.
            Invalid: the password is not accepted.
        """
        row = await self._find(self._lookups.user, user=user)
        if row is None:
            raise NotFound("There is no such user.")
        check_password(password, row[2] or "")
        hashed = await self._passwords.hash(password)
        async with self._kernel.store.transaction():
            await self._store_hash(user, hashed)
            sessions = self._tables["xrm_session"]
            await sessions.delete().where((sessions.c_user == user) & (sessions.c_token_hash != _hash(keep_token)))

    async def change_password(self, actor: Actor, current: str, password: str, client: Client, token: str = "") -> None:
        """Let a person give themselves a new password; their other sessions end.

        Raises:
            Invalid: the current one is wrong, or the new one is not accepted.
            TooManyRequests: the current one was wrong too often.
        """
        user = _person(actor)
        pair = (user, network(client.address))
        self._accounts.take(user)
        self._pairs.take(pair)
        _, hashed = await self._credential(actor.user.get("email") or "")
        if not await self._passwords.verify(hashed, current):
            raise Invalid(issues=[Issue("current", "wrong_password", "This is not your present password.")])
        self._accounts.give_back(user)
        self._pairs.forget(pair)
        await self.set_password(user, password, token)

    async def reset_password(self, actor: Actor, user: UUID, password: str) -> None:
        """Let an actor who may give all roles of a user give that user a password.

        Raises:
            Forbidden: the actor may not, or uses an API key.
        """
        _person(actor)
        await self.authorise(actor, user)
        await self.set_password(user, password)

    async def _store_hash(self, user: UUID, hashed: str) -> None:
        credentials = self._tables["xrm_credential"]
        row = credentials(c_user=user, c_password_hash=hashed, c_changed_at=self._kernel.clock())
        changed = [credentials.c_password_hash, credentials.c_changed_at]
        await credentials.insert(row).on_conflict(target=credentials.c_user, action="DO UPDATE", values=changed)

    # --- sessions ---

    async def sessions(self, user: UUID) -> list[Session]:
        """Return a user's sessions that are good, the last used first."""
        sessions, now = self._tables["xrm_session"], self._kernel.clock()
        rows = (
            await sessions.select()
            .where((sessions.c_user == user) & (sessions.c_expires_at > now) & (sessions.c_seen_at > now - self._idle))
            .order_by(sessions.c_seen_at, ascending=False)
            .limit(200)
        )
        return [
            Session(r["id"], r["user"], r["created_at"], r["seen_at"], r["expires_at"], r["client"] or "") for r in rows
        ]

    async def session_id(self, token: str) -> UUID | None:
        """Return the id of the session a token belongs to, or None."""
        sessions = self._tables["xrm_session"]
        row = await sessions.select(sessions.id).where(sessions.c_token_hash == _hash(token)).first()
        return row["id"] if row else None

    async def end_session(self, user: UUID, session: UUID) -> None:
        """End one session of a user.

        Raises:
            NotFound: the user has no such session.
        """
        sessions = self._tables["xrm_session"]
        mine = (sessions.id == session) & (sessions.c_user == user)
        if not await sessions.delete().where(mine).returning(sessions.id):
            raise NotFound("There is no such session.")

    async def end_sessions(self, user: UUID) -> None:
        """End all sessions of a user."""
        sessions = self._tables["xrm_session"]
        await sessions.delete().where(sessions.c_user == user)

    # --- API keys ---

    async def create_key(
        self, actor: Actor, user: UUID, title: str, expires: datetime | None = None
    ) -> tuple[str, Key]:
        """Return the secret of a new API key, which is never shown again, and what is known of it.

        Raises:
            Forbidden: the key is for somebody else whom the actor does not look after, or the actor uses a key itself.
            Invalid: title or time are refused.
        """
        _person(actor)
        await self.authorise(actor, user)
        now = self._kernel.clock()
        title = title.strip()
        issues = (
            []
            if 0 < len(title) <= 100 and title.isprintable()
            else [Issue("title", "required", "Say in 1 to 100 characters what the key is for.")]
        )
        if expires is not None and expires <= now:
            issues.append(Issue("expires_at", "too_small", "This time is past."))
        if len(await self.keys(user)) >= MAX_KEYS:
            issues.append(Issue("", "too_many", f"A user has at most {MAX_KEYS} keys.", "revoke one that is not used"))
        if issues:
            raise Invalid("The key cannot be made", issues)
        secret = KEY_PREFIX + secrets.token_urlsafe(32)
        key = Key(uuid7(), secret[:10], user, title, now, expires, None)
        keys = self._tables["xrm_api_key"]
        await keys.insert(
            keys(
                id=key.id,
                c_prefix=key.prefix,
                c_key_hash=_hash(secret),
                c_user=user,
                c_title=title,
                c_created_at=now,
                c_expires_at=expires,
                c_seen_at=None,
            )
        )
        return secret, key

    async def keys(self, user: UUID) -> list[Key]:
        """Return a user's API keys, the newest first."""
        keys = self._tables["xrm_api_key"]
        newest = keys.select().where(keys.c_user == user).order_by(keys.c_created_at, ascending=False)
        return [_key_of(row) for row in await newest.limit(MAX_KEYS)]

    async def revoke_key(self, actor: Actor, key: UUID) -> None:
        """Make an API key worthless, at once.

        Raises:
            NotFound: there is none, or it is of somebody whom the actor does not look after.
        """
        keys = self._tables["xrm_api_key"]
        row = await keys.select(keys.c_user).where(keys.id == key).first()
        if row is None or not await self._looks_after(actor, row["user"]):
            raise NotFound("There is no such key.")
        await keys.delete().where(keys.id == key)

    # --- who may look after whom ---

    async def authorise(self, actor: Actor, user: UUID) -> None:
        """Refuse whoever does not look after a user: not the user's self, nor one who may give all the user's roles.

        Raises:
            Forbidden: the actor does not; also when there is no such user.
        """
        if not await self._looks_after(actor, user):
            raise Forbidden("You may not do this for that user.")

    async def _looks_after(self, actor: Actor, user: UUID) -> bool:
        """Whether the user is the actor, or one whose roles the actor may all give."""
        if actor.id == user and user is not None:
            return True
        live = self._kernel.live
        access = live.policy.access(actor, "user", "update")
        if access is None and not actor.is_system:
            return False
        if str(user) not in await self._kernel.records.visible_ids(actor, "user", [user]):
            return False
        row = await self._find(self._lookups.user, user=user)
        roles = self._lookups.actor(row, "person", "").roles if row else frozenset()
        return may_give(live.model, actor, roles)

    @cached_property
    def _tables(self) -> Mapping[str, Any]:
        return piccolo_tables(SYSTEM, self._kernel.store.engine)


def _person(actor: Actor) -> UUID:
    """Return the id of an actor who is here in person (an API key cannot make keys or passwords), or of the system."""
    if actor.kind == "integration":
        raise Forbidden("This cannot be done with an API key.")
    return actor.id or UUID(int=0)


def _key_of(row: Mapping[str, Any]) -> Key:
    names = ("id", "prefix", "user", "title", "created_at", "expires_at", "seen_at")
    return Key(*(row[name] for name in names))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
