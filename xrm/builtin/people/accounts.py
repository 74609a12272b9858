"""Accounts: who may come in, by password and session or by API key. Tokens are kept as hashes only.

`session` and `key` are asked once per request. One statement, made after the request came, answers all requests of a
moment and says whether their users still may come in: whatever is revoked, deactivated or deleted is so at once, in
every process.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from uuid import UUID

from xrm.builtin.people.attempts import Attempts
from xrm.builtin.people.factors import APP, Factors, SecondFactorNeeded
from xrm.builtin.people.keys import Keys
from xrm.builtin.people.links import Links
from xrm.builtin.people.lookups import UUID_TYPE, WIDTH, Lookups, make_lookups
from xrm.builtin.people.passwords import MAX_LENGTH, Passwords, check_password
from xrm.builtin.people.rounds import Rounds
from xrm.builtin.people.rules import may_give, needing_factor
from xrm.builtin.people.security_log import SecurityLog
from xrm.builtin.people.tokens import hash_token, new_token
from xrm.errors import Forbidden, Invalid, Issue, NotFound, StorageFull, Unauthenticated, Unavailable
from xrm.kernel.change import Actor, uuid7
from xrm.kernel.kernel import Kernel
from xrm.kernel.outbound.mail import Mail
from xrm.kernel.store.sql import Statement
from xrm.kernel.store.store import Row
from xrm.kernel.store.system import SYSTEM
from xrm.kernel.store.tables import piccolo_tables

WITHHELD = "withheld"  # in `Actor.user`: roles that are not in force for want of a second factor
TOUCH = timedelta(minutes=1)  # how exactly it is known when a token was last used


@dataclass(frozen=True, slots=True)
class Client:
    """Where a sign-in comes from.

    Attributes:
        address: That of the connection, or what a trusted proxy says of it; never one the client wrote.
        agent: Its User-Agent.
        device: The cookie of a device somebody signed in from before, or empty.
    """

    address: str = ""
    agent: str = ""
    device: str = ""


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in of a user; its token is known to the client only."""

    id: UUID
    user: UUID
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    client: str
    address: str = ""
    mfa: bool = False


class Accounts:
    """Sign-in, sessions and passwords of one site.

    Attributes:
        api_keys: How programs come in.
        links: Links that can be used once: set-up, invitations, new passwords.
        mail: How they are sent.
        attempts: How often signing in failed.
        factors: Second factors of users.
        log: What happened at the door.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.mail = Mail(kernel.settings)
        self.api_keys, self.links = Keys(kernel, self), Links(kernel, self)
        self._passwords = Passwords()
        self._idle = timedelta(hours=kernel.settings.session_hours)
        self._lifetime = timedelta(days=kernel.settings.session_days)
        self.log = SecurityLog(kernel, self)
        self.attempts, self.factors = Attempts(kernel), Factors(kernel, self)
        self._session_rounds: Rounds[str, Row] = Rounds(self._find_sessions)
        self._key_rounds: Rounds[str, Row] = Rounds(self._find_keys)
        self._touches: dict[UUID, asyncio.Task[None]] = {}

    async def close(self) -> None:
        """Wait for what is being written, and end the threads."""
        await asyncio.gather(*self._touches.values(), return_exceptions=True)
        await self.links.close()
        self._passwords.close()

    @property
    def _lookups(self) -> Lookups:
        live = self._kernel.live
        found: Lookups = live.cached(("people.lookups",), lambda: make_lookups(live.dialect, live.model))
        return found

    # --- token → actor: the hot path ---

    async def session(self, token: str, source: str = "api") -> Actor | None:
        """Return who a session token belongs to, or None when it is (no longer) good.

        Raises:
            Unavailable: the database cannot answer, or no model is in force.
        """
        row = await self._session_rounds.of(hash_token(token))
        return None if row is None else self._within_factor(self._seen("xrm_session", row, "person", source))

    def _within_factor(self, actor: Actor) -> Actor:
        """Return an actor without the roles that need a second factor, unless they showed one."""
        needing = self._kernel.live.cached(("people", "mfa"), lambda: needing_factor(self._kernel.model))
        if actor.mfa or needing.isdisjoint(actor.roles):
            return actor
        user = {**actor.user, WITHHELD: tuple(sorted(needing & actor.roles))}
        return replace(actor, roles=actor.roles - needing, user=user)

    async def key(self, secret: str, source: str = "api") -> Actor | None:
        """Return who an API key belongs to, or None when it is (no longer) good."""
        row = await self._key_rounds.of(hash_token(secret))
        return None if row is None else self._seen("xrm_api_key", row, "integration", source)

    async def actor_for(self, user: UUID, source: str = "api") -> Actor | None:
        """Return the actor of a user's record, or None when there is none that may come in."""
        row = await self._find(self._lookups.user, user=user)
        return None if row is None else self._kernel.situated(self._lookups.actor(row, "person", source))

    async def _find_sessions(self, tokens: Sequence[str]) -> Mapping[str, Row]:
        now = self._kernel.clock()
        return _by_token(
            await self._rows(self._lookups.session, tokens=tokens, now=now, idle=now - self._idle, stale=now - TOUCH)
        )

    async def _find_keys(self, tokens: Sequence[str]) -> Mapping[str, Row]:
        now = self._kernel.clock()
        return _by_token(await self._rows(self._lookups.key, tokens=tokens, now=now, stale=now - TOUCH))

    async def _find(self, statement: Statement, **values: Any) -> Row | None:
        rows = await self._rows(statement, **values)
        return rows[0] if rows else None

    async def _rows(self, statement: Statement, **values: Any) -> Sequence[Row]:
        live = self._kernel.live
        return await self._kernel.store.fetch(statement.text, statement.arguments(live.dialect, values))

    def _seen(self, table: str, row: Row, kind: str, source: str) -> Actor:
        if row[WIDTH + 1]:
            decode = self._kernel.store.dialect.decode(UUID_TYPE)
            self._touch(table, decode(row[WIDTH]) if decode else row[WIDTH], self._kernel.clock())
        return self._lookups.actor(row, kind, source)

    def _touch(self, table: str, id: UUID, now: datetime) -> None:
        """Write down that a token was used, beside the request: it must not wait for a long write."""
        if id not in self._touches:
            work = asyncio.create_task(self._write_seen(table, id, now), context=contextvars.Context())
            self._touches[id] = work
            work.add_done_callback(lambda _: self._touches.pop(id, None))

    async def _write_seen(self, table: str, id: UUID, now: datetime) -> None:
        cls = self.tables[table]
        try:
            await cls.update({cls.c_seen_at: now}).where(cls.id == id)
        except (Unavailable, StorageFull):
            return  # the next request tries again

    # --- sign in and out ---

    async def sign_in(self, email: str, password: str, client: Client, code: str = "") -> tuple[str, Session]:
        """Return the token of a new session. Whatever is wrong, the answer and its time are the same.

        Raises:
            SecondFactorNeeded: the two belong together, and the user has an authenticator app; `finish` goes on.
            Unauthenticated: the two do not belong together, or the user may not come in.
            TooManyRequests: too many failed before, for the account or from this network.
        """
        address = email.strip().lower()[:254]
        user, hashed = await self.credential(address)
        device = client.device if self.attempts.is_known(client, user) else ""
        if not device:
            await self.attempts.wait(address)
        async with self._passwords.turn, self.attempts.at(address, client, device):
            good = await self._passwords.verify(hashed, password) and len(password) <= MAX_LENGTH
            if not good or user is None or hashed is None:
                await self.log.note("sign_in_failed", user, client=client)
                raise Unauthenticated("E-mail address and password do not belong together.")
        if self._passwords.outdated(hashed):
            await self._store_hash(user, await self._passwords.hash(password))
        if await self.factors.since(user) is None:
            return await self.open_session(user, client)
        pending = self.factors.pending(user, hashed)
        if not code:
            raise SecondFactorNeeded(pending=pending)
        return await self.finish(pending, code, client)

    async def finish(self, pending: str, code: str, client: Client) -> tuple[str, Session]:
        """Return the token of a new session of a user who also shows a code.

        Raises as `Factors.finish` does.
        """
        return await self.open_session(await self.factors.finish(pending, code, client), client, APP)

    async def sign_out(self, token: str) -> None:
        """End the session of a token; nothing happens when there is none."""
        sessions = self.tables["xrm_session"]
        gone = await sessions.delete().where(sessions.c_token_hash == hash_token(token)).returning(sessions.c_user)
        for row in gone:
            await self.log.note("signed_out", row["user"])

    async def anybody(self) -> bool:
        """Whether somebody can sign in."""
        return await self._find(self._lookups.anybody) is not None

    async def credential(self, address: str) -> tuple[UUID | None, str | None]:
        """Return user and hash for an address; no hash when the user may not come in."""
        row = None if "\x00" in address or not address else await self._find(self._lookups.sign_in, email=address)
        if row is None:
            return None, None
        decode = self._kernel.store.dialect.decode(UUID_TYPE)
        return (decode(row[0]) if decode else row[0]), row[1] if row[2] else None

    async def open_session(self, user: UUID, client: Client, factor: str = "") -> tuple[str, Session]:
        """Return the token of a new session of a user who has shown who they are, and by which second factor."""
        now, token = self._kernel.clock(), new_token()
        agent = "".join(c for c in client.agent if c.isprintable())[:200]
        session = Session(uuid7(), user, now, now, now + self._lifetime, agent, client.address[:60], bool(factor))
        await self.log.note("signed_in", user, client=client, detail=factor)
        await self.log.sweep()
        sessions = self.tables["xrm_session"]
        await sessions.delete().where((sessions.c_expires_at < now) | (sessions.c_seen_at < now - self._idle))
        await sessions.insert(
            sessions(
                id=session.id,
                c_token_hash=hash_token(token),
                c_user=user,
                c_created_at=now,
                c_seen_at=now,
                c_expires_at=session.expires_at,
                c_client=agent,
                c_address=session.address,
                c_mfa=session.mfa,
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
            await self.put_password(user, hashed, keep_token)

    async def hash(self, password: str) -> str:
        """Return the hash of a password that was accepted."""
        return await self._passwords.hash(password)

    async def put_password(self, user: UUID, hashed: str, keep_token: str = "") -> None:
        """Write a password's hash; sessions of the user but one, and links that wait for them, end."""
        await self._store_hash(user, hashed)
        await self.end_sessions(user, keep_token)
        links = self.tables["xrm_link"]
        await links.delete().where(links.c_user == user)
        await self.log.note("password_changed", user)

    async def change_password(self, actor: Actor, current: str, password: str, client: Client, token: str = "") -> None:
        """Let a person give themselves a new password; their other sessions end.

        Raises:
            Invalid: the current one is wrong, or the new one is not accepted.
            TooManyRequests: the current one was wrong too often.
        """
        user = _person(actor)
        async with self.attempts.at(str(user), client):
            _, hashed = await self.credential(actor.user.get("email") or "")
            if not await self._passwords.verify(hashed, current):
                raise Invalid(issues=[Issue("current", "wrong_password", "This is not your present password.")])
        await self.set_password(user, password, token)

    async def reset_password(self, actor: Actor, user: UUID, password: str) -> None:
        """Let an actor who may give all roles of a user give that user a password.

        Raises:
            Forbidden: the actor may not, or uses an API key.
        """
        await self.authorise_person(actor, user)
        await self.set_password(user, password)

    async def _store_hash(self, user: UUID, hashed: str) -> None:
        credentials = self.tables["xrm_credential"]
        row = credentials(c_user=user, c_password_hash=hashed, c_changed_at=self._kernel.clock())
        changed = [credentials.c_password_hash, credentials.c_changed_at]
        await credentials.insert(row).on_conflict(target=credentials.c_user, action="DO UPDATE", values=changed)

    # --- sessions ---

    async def sessions(self, user: UUID) -> list[Session]:
        """Return a user's sessions that are good, the last used first."""
        sessions, now = self.tables["xrm_session"], self._kernel.clock()
        rows = (
            await sessions.select()
            .where((sessions.c_user == user) & (sessions.c_expires_at > now) & (sessions.c_seen_at > now - self._idle))
            .order_by(sessions.c_seen_at, ascending=False)
            .limit(200)
        )
        return [_session_of(row) for row in rows]

    async def session_id(self, token: str) -> UUID | None:
        """Return the id of the session a token belongs to, or None."""
        sessions = self.tables["xrm_session"]
        row = await sessions.select(sessions.id).where(sessions.c_token_hash == hash_token(token)).first()
        return row["id"] if row else None

    async def end_session(self, user: UUID, session: UUID) -> None:
        """End one session of a user.

        Raises:
            NotFound: the user has no such session.
        """
        sessions = self.tables["xrm_session"]
        mine = (sessions.id == session) & (sessions.c_user == user)
        if not await sessions.delete().where(mine).returning(sessions.id):
            raise NotFound("There is no such session.")

    async def end_sessions(self, user: UUID, keep_token: str = "") -> None:
        """End all sessions of a user but the one of `keep_token`."""
        sessions = self.tables["xrm_session"]
        await sessions.delete().where((sessions.c_user == user) & (sessions.c_token_hash != hash_token(keep_token)))

    # --- who may look after whom ---

    async def authorise(self, actor: Actor, user: UUID) -> None:
        """Refuse whoever does not look after a user: not the user's self, nor one who may give all the user's roles.

        Raises:
            Forbidden: the actor does not; also when there is no such user.
        """
        if not await self.looks_after(actor, user):
            raise Forbidden("You may not do this for that user.")

    async def authorise_person(self, actor: Actor, user: UUID) -> None:
        """Refuse as `authorise` does, and whoever uses an API key."""
        _person(actor)
        await self.authorise(actor, user)

    async def looks_after(self, actor: Actor, user: UUID) -> bool:
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
    def tables(self) -> Mapping[str, Any]:
        """The platform's own tables as Piccolo classes, by name."""
        return piccolo_tables(SYSTEM, self._kernel.store.engine)


def _person(actor: Actor) -> UUID:
    """Return the id of an actor who is here in person (an API key cannot make keys or passwords), or of the system."""
    if actor.kind == "integration":
        raise Forbidden("This cannot be done with an API key.")
    return actor.id or UUID(int=0)


def _session_of(row: Mapping[str, Any]) -> Session:
    id, user, created_at, seen_at, expires_at = (row[n] for n in ("id", "user", "created_at", "seen_at", "expires_at"))
    return Session(
        id, user, created_at, seen_at, expires_at, row["client"] or "", row["address"] or "", bool(row["mfa"])
    )


def _by_token(rows: Sequence[Row]) -> Mapping[str, Row]:
    return {row[WIDTH + 2]: row for row in rows}
