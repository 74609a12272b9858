"""Links that can be used once: the set-up of a new site, invitations, new passwords. Only their hashes are kept.

A link begins with the base URL of the settings, never with what a request says the host is. Looking at it uses nothing
up (mail scanners look); setting the password does, in the same transaction.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from uuid import UUID

from xrm.builtin.people.attempts import Limit
from xrm.builtin.people.passwords import check_password
from xrm.builtin.people.rules import is_administrator
from xrm.builtin.people.throttle import network
from xrm.builtin.people.tokens import hash_token, new_token
from xrm.errors import Invalid, Issue, NotFound, TooManyRequests, Unavailable, XrmError
from xrm.kernel.change import SYSTEM, Actor
from xrm.kernel.outbound.mail import Letter

if TYPE_CHECKING:
    from xrm.builtin.people.accounts import Accounts, Client
    from xrm.kernel.kernel import Kernel

SETUP, INVITATION, PASSWORD = "setup", "invitation", "password"
SETUP_HOURS = 24
ASKED = 10  # how often in the window links for new passwords may be asked for, per address and network
PATHS: Mapping[str, str] = MappingProxyType({SETUP: "/set-up/", INVITATION: "/invitation/", PASSWORD: "/new-password/"})
LETTERS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        INVITATION: ("Your invitation to {site}", "{by} invites you to {site}. Choose your password here:"),
        PASSWORD: ("A new password for {site}", "You can choose a new password for {site} here:"),
    }
)

log = logging.getLogger("xrm.people")


@dataclass(frozen=True, slots=True)
class Link:
    """One link that is good.

    Attributes:
        purpose: setup | invitation | password.
        user: Whose it is; None for the set-up.
        email: Their address; empty for the set-up.
        expires_at: When it ends.
    """

    purpose: str
    user: UUID | None
    email: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Handed:
    """How a new link got to its user.

    Attributes:
        purpose: invitation | password.
        url: The link, when no mail was sent: shown once to whoever made it. Else empty.
        problem: Why no mail was sent although a server is set; else empty.
    """

    purpose: str
    url: str
    problem: str = ""


class Links:
    """Makes links and lets them be used.

    Args:
        kernel: The site's.
        accounts: Its accounts.
    """

    def __init__(self, kernel: Kernel, accounts: Accounts) -> None:
        self._kernel, self._accounts = kernel, accounts
        self._errands: set[asyncio.Task[None]] = set()

    # --- making ---

    async def set_up(self) -> str:
        """Return the link by which the first administrator comes in; empty when somebody can sign in already."""
        if await self._accounts.anybody():
            return ""
        return await self._make(SETUP, None, timedelta(hours=SETUP_HOURS))

    async def hand(self, actor: Actor, user: UUID) -> Handed:
        """Make a link for a user whom the actor looks after, and mail it; or return it to be shown once.

        It is an invitation for a user who has no password yet, else one for a new password.

        Raises:
            Forbidden: the actor does not look after that user, or uses an API key.
            NotFound: the user may not sign in.
        """
        await self._accounts.authorise_person(actor, user)
        known = await self._accounts.actor_for(user)
        if known is None:
            raise NotFound("There is no such user, or they are not active.")
        _, hashed = await self._accounts.credential(known.user["email"])
        purpose = PASSWORD if hashed else INVITATION
        url = await self._make(purpose, user, self._lifetime(purpose))
        await self._accounts.log.note("link_made", user, actor, detail=purpose)
        if not self._accounts.mail.ready:
            return Handed(purpose, url)
        try:
            await self._accounts.mail.send(self._letter(purpose, known.user["email"], url, actor.name))
        except Unavailable as error:
            log.warning("A link could not be mailed: %s", error)
            return Handed(purpose, url, error.message)
        return Handed(purpose, "")

    async def forgot(self, email: str, client: Client) -> None:
        """Mail a link for a new password to an address, if it is that of a user who may sign in.

        The caller does not wait, and so cannot tell one case from the other.

        Raises:
            TooManyRequests: too many asked from this network.
        """
        attempts = self._accounts.attempts
        await attempts.take(Limit("asked from", network(client.address), ASKED))
        try:
            await attempts.take(Limit("asked for", email.strip().lower()[:254], ASKED))
        except TooManyRequests:
            return
        errand = asyncio.create_task(self._forgot(email), context=contextvars.Context())
        self._errands.add(errand)
        errand.add_done_callback(self._errands.discard)

    async def close(self) -> None:
        """Wait for letters that are being sent."""
        await asyncio.gather(*self._errands, return_exceptions=True)

    async def _forgot(self, email: str) -> None:
        try:
            user, hashed = await self._accounts.credential(email.strip().lower()[:254])
            if user is None or hashed is None:
                return
            url = await self._make(PASSWORD, user, self._lifetime(PASSWORD))
            await self._accounts.mail.send(self._letter(PASSWORD, email.strip(), url, ""))
        except XrmError as error:
            log.warning("A link for a new password could not be mailed: %s", error)

    async def _make(self, purpose: str, user: UUID | None, lifetime: timedelta) -> str:
        token, now = new_token(), self._kernel.clock()
        links = self._accounts.tables["xrm_link"]
        await links.delete().where(links.c_expires_at < now)
        row = links(
            c_token_hash=hash_token(token),
            c_purpose=purpose,
            c_user=user,
            c_created_at=now,
            c_expires_at=now + lifetime,
        )
        await links.insert(row)
        return self._kernel.settings.address + PATHS[purpose] + token

    def _lifetime(self, purpose: str) -> timedelta:
        settings = self._kernel.settings
        return (
            timedelta(days=settings.invitation_days)
            if purpose == INVITATION
            else timedelta(minutes=settings.reset_minutes)
        )

    def _letter(self, purpose: str, to: str, url: str, by: str) -> Letter:
        subject, opening = LETTERS[purpose]
        words = {"site": self._kernel.settings.title, "by": by}
        until = (self._kernel.clock() + self._lifetime(purpose)).strftime("%Y-%m-%d %H:%M UTC")
        text = (
            f"{opening.format(**words)}\n\n{url}\n\nThe link can be used once, until {until}."
            " If you did not expect this mail, do nothing: nothing changes.\n"
        )
        return Letter(to, subject.format(**words), text)

    # --- using ---

    async def look(self, purpose: str, token: str) -> Link:
        """Return what a link is for, without using it up.

        Raises:
            NotFound: it was used, has ended, or never was.
        """
        links = self._accounts.tables["xrm_link"]
        row = await links.select().where(links.c_token_hash == hash_token(token)).first()
        if row is None or row["purpose"] != purpose or row["expires_at"] <= self._kernel.clock():
            raise _gone()
        return await self._known(purpose, row["user"], row["expires_at"])

    async def _known(self, purpose: str, user: UUID | None, expires_at: datetime) -> Link:
        if purpose == SETUP:
            if await self._accounts.anybody():
                raise _gone()
            return Link(purpose, None, "", expires_at)
        actor = None if user is None else await self._accounts.actor_for(user)
        if actor is None:
            raise _gone()
        return Link(purpose, actor.id, actor.user["email"] or "", expires_at)

    async def choose(self, purpose: str, token: str, password: str) -> UUID:
        """Use an invitation, or a link for a new password: the user gets the password; all sessions and links end.

        Raises:
            NotFound: the link is no longer good.
            Invalid: the password is not accepted; the link stays good.
        """
        link = await self.look(purpose, token)
        if link.user is None:
            raise _gone()
        check_password(password, link.email)
        hashed = await self._accounts.hash(password)
        async with self._kernel.store.transaction():
            await self._use_up(purpose, token)
            await self._accounts.put_password(link.user, hashed)
        await self._accounts.log.note("link_used", link.user, detail=purpose)
        return link.user

    async def begin(self, token: str, name: str, email: str, password: str) -> UUID:
        """Use the set-up link: its user becomes the first administrator.

        Raises:
            NotFound: the link is no longer good.
            Invalid: name, address or password are not accepted; the link stays good.
        """
        await self.look(SETUP, token)
        values = {"name": name.strip() or None, "email": email.strip() or None, "active": True}
        issues = _password_issues(password, email)
        hashed = "" if issues else await self._accounts.hash(password)
        try:
            return await self._found(token, {**values, "roles": [_administrators(self._kernel)]}, hashed)
        except Invalid as error:
            raise Invalid("The site cannot be set up like this", [*error.issues, *issues]) from None

    async def _found(self, token: str, values: Mapping[str, Any], hashed: str) -> UUID:
        """Make the first administrator, whose password has this hash; an empty one refuses."""
        records = self._kernel.records
        async with records.act(SYSTEM, "The site was set up."):
            made = await records.create(SYSTEM, "user", values)
            if not hashed:
                raise Invalid
            await self._kernel.store.lock("xrm set-up")
            await self._use_up(SETUP, token)
            if await self._accounts.anybody():
                raise _gone()
            await self._accounts.put_password(UUID(made["id"]), hashed)
            links = self._accounts.tables["xrm_link"]
            await links.delete().where(links.c_purpose == SETUP)
        return UUID(made["id"])

    async def _use_up(self, purpose: str, token: str) -> None:
        """Take a link away; of two who come at once, one finds it gone."""
        links = self._accounts.tables["xrm_link"]
        good = (links.c_token_hash == hash_token(token)) & (links.c_expires_at > self._kernel.clock())
        if not await links.delete().where(good & (links.c_purpose == purpose)).returning(links.c_purpose):
            raise _gone()


def _administrators(kernel: Kernel) -> str:
    model = kernel.model
    names = sorted(name for name in model.roles if is_administrator(model, (name,)))
    if not names:
        raise XrmError("No role of this site may do everything; make one with the capability '*'.")
    return "admin" if "admin" in names else names[0]


def _password_issues(password: str, email: str) -> tuple[Issue, ...]:
    try:
        check_password(password, email)
    except Invalid as error:
        return error.issues
    return ()


def _gone() -> NotFound:
    return NotFound("This link was used already, or its time is over. Ask for a new one.")
