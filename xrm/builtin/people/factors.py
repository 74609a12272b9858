"""Second factors: codes of an authenticator app (TOTP, RFC 6238), and recovery codes for who has lost it.

The secret of an app is kept sealed in the vault, recovery codes as hashes. A code is good once: that of a step of time
is refused when the same step, or a later one, was used before.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import quote
from uuid import UUID

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from xrm.builtin.people.tokens import hash_token
from xrm.errors import Conflict, Invalid, Issue, Unauthenticated
from xrm.kernel.change import Actor, uuid7
from xrm.kernel.store.sql import Binder
from xrm.kernel.store.system import INT
from xrm.kernel.store.system import UUID as UUID_TYPE

if TYPE_CHECKING:
    from xrm.builtin.people.accounts import Accounts, Client
    from xrm.kernel.kernel import Kernel

APP, RECOVERY = "app", "recovery"
STEP = 30  # seconds
DRIFT = 1  # steps a clock may be off
CODES = 10  # recovery codes
MINUTES = 10  # in which what was begun must be ended
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none looks like another


class SecondFactorNeeded(Unauthenticated):
    """The password is right; a code is needed as well. `pending` in details stands for the password."""

    code, title = "second_factor", "A code of your authenticator app is needed"


@dataclass(frozen=True, slots=True)
class Enrolment:
    """An authenticator app that is being set up.

    Attributes:
        pending: What confirms it together with a first code.
        secret: In base32, for those who type it.
        uri: The same for a QR code (otpauth://).
    """

    pending: str
    secret: str
    uri: str


class Factors:
    """Sets second factors up and checks their codes.

    Args:
        kernel: The site's.
        accounts: Its accounts.
    """

    def __init__(self, kernel: Kernel, accounts: Accounts) -> None:
        self._kernel, self._accounts = kernel, accounts

    # --- setting up ---

    async def since(self, user: UUID) -> datetime | None:
        """Return since when a user has an authenticator app, or None."""
        factors = self._accounts.tables["xrm_factor"]
        found = (factors.c_user == user) & (factors.c_kind == APP)
        row = await factors.select(factors.c_created_at).where(found).first()
        return row["created_at"] if row else None

    async def recovery_left(self, user: UUID) -> int:
        """Return how many recovery codes a user has left."""
        factors = self._accounts.tables["xrm_factor"]
        return int(await factors.count().where((factors.c_user == user) & (factors.c_kind == RECOVERY)))

    def begin(self, actor: Actor) -> Enrolment:
        """Return a new secret for an authenticator app; nothing is kept until a code of it is shown."""
        secret = base64.b32encode(os.urandom(20)).decode()
        return self._enrolment(actor, self._sealed(f"{actor.id} {secret}", "app"), secret)

    def again(self, actor: Actor, pending: str) -> Enrolment:
        """Return an enrolment that was begun, to be shown once more.

        Raises:
            Conflict: it is too long ago.
        """
        return self._enrolment(actor, pending, self._pending_secret(actor, pending))

    def _enrolment(self, actor: Actor, pending: str, secret: str) -> Enrolment:
        site, email = quote(self._kernel.settings.title), quote(str(actor.user.get("email") or actor.name))
        uri = f"otpauth://totp/{site}:{email}?secret={secret}&issuer={site}&algorithm=SHA1&digits=6&period={STEP}"
        return Enrolment(pending, secret, uri)

    async def confirm(self, actor: Actor, pending: str, code: str) -> list[str]:
        """Set up the app by a first code of it; return the recovery codes, which are shown this once.

        All sessions of the user end: whoever confirmed opens a new one.

        Raises:
            Conflict: it is too long ago, or there is an app already.
            Invalid: the code is not that of the app.
        """
        secret = self._pending_secret(actor, pending)
        step = self._step_of(secret, code)
        if step is None:
            raise Invalid(issues=[Issue("code", "wrong_code", "This is not the code the app shows now.")])
        user = _id(actor)
        async with self._kernel.store.transaction():
            await self._kernel.store.lock(f"xrm factor {user}")
            if await self.since(user) is not None:
                raise Conflict("You have an authenticator app already.")
            await self._keep(user, APP, self._kernel.vault.seal(secret, f"factor {user}"), step)
            codes = await self._new_codes(user)
            await self._accounts.end_sessions(user)
        await self._accounts.log.note("factor_on", user, actor)
        return codes

    async def renew_codes(self, actor: Actor, code: str, client: Client) -> list[str]:
        """Return new recovery codes, which are shown this once; those before are worthless.

        Raises:
            Invalid: the code is not good.
            TooManyRequests: too many were not.
        """
        user = _id(actor)
        await self._prove(user, code, client)
        async with self._kernel.store.transaction():
            return await self._new_codes(user)

    async def remove(self, actor: Actor, code: str, client: Client) -> None:
        """Take one's own app away.

        Raises:
            Invalid: the code is not good.
            TooManyRequests: too many were not.
        """
        user = _id(actor)
        await self._prove(user, code, client)
        await self._take_away(user)
        await self._accounts.log.note("factor_off", user, actor, client)

    async def reset(self, actor: Actor, user: UUID) -> None:
        """Take the app of a user away who has lost it; their sessions end.

        Raises:
            Forbidden: the actor does not look after that user, or uses an API key.
        """
        await self._accounts.authorise_person(actor, user)
        await self._take_away(user)
        await self._accounts.end_sessions(user)
        await self._accounts.log.note("factor_off", user, actor)

    async def _take_away(self, user: UUID) -> None:
        factors, sessions = self._accounts.tables["xrm_factor"], self._accounts.tables["xrm_session"]
        async with self._kernel.store.transaction():
            await factors.delete().where(factors.c_user == user)
            await sessions.update({sessions.c_mfa: False}).where(sessions.c_user == user)

    async def _new_codes(self, user: UUID) -> list[str]:
        factors = self._accounts.tables["xrm_factor"]
        await factors.delete().where((factors.c_user == user) & (factors.c_kind == RECOVERY))
        codes = ["-".join("".join(secrets.choice(LETTERS) for _ in range(5)) for _ in range(3)) for _ in range(CODES)]
        for code in codes:
            await self._keep(user, RECOVERY, hash_token(f"{user} {code}"), None)
        return codes

    async def _keep(self, user: UUID, kind: str, secret: str, counter: int | None) -> None:
        factors = self._accounts.tables["xrm_factor"]
        now = self._kernel.clock()
        row = factors(
            id=uuid7(), c_user=user, c_kind=kind, c_secret=secret, c_created_at=now, c_seen_at=None, c_counter=counter
        )
        await factors.insert(row)

    # --- checking ---

    async def _prove(self, user: UUID, code: str, client: Client) -> None:
        async with self._accounts.attempts.at(f"code {user}", client):
            if not await self.check(user, code):
                raise Invalid(issues=[Issue("code", "wrong_code", "This code is not, or no longer, good.")])

    async def check(self, user: UUID, code: str) -> bool:
        """Whether a code of the app, or a recovery code, is good; it is used up by that."""
        plain = "".join(code.split()).lower()
        if plain.isdigit():
            return await self._check_app(user, plain)
        return await self._check_recovery(user, plain)

    async def _check_app(self, user: UUID, code: str) -> bool:
        factors = self._accounts.tables["xrm_factor"]
        row = await factors.select().where((factors.c_user == user) & (factors.c_kind == APP)).first()
        secret = self._kernel.vault.open(row["secret"], f"factor {user}") if row else None
        step = self._step_of(secret, code) if secret else None
        if row is None or step is None:
            return False
        b = Binder(self._kernel.store.dialect)
        text = (
            f'UPDATE "xrm_factor" SET "counter" = {b.bind(step, INT)} WHERE "id" = {b.bind(row["id"], UUID_TYPE)}'
            f' AND ("counter" IS NULL OR "counter" < {b.bind(step, INT)})'
        )
        return await self._kernel.store.execute(text, b.params) == 1

    async def _check_recovery(self, user: UUID, code: str) -> bool:
        letters = code.replace("-", "")
        kept = hash_token(f"{user} {'-'.join(letters[n : n + 5] for n in range(0, len(letters), 5))}")
        factors = self._accounts.tables["xrm_factor"]
        mine = (factors.c_user == user) & (factors.c_kind == RECOVERY) & (factors.c_secret == kept)
        return bool(await factors.delete().where(mine).returning(factors.id))

    def _step_of(self, secret: str, code: str) -> int | None:
        """Return the step of time whose code this is, or None; the clocks may differ a little (RFC 6238 §5.2)."""
        try:
            app = TOTP(base64.b32decode(secret), 6, SHA1(), STEP)  # noqa: S303 - what every app computes
        except (binascii.Error, ValueError):
            return None
        now = int(self._kernel.clock().timestamp()) // STEP
        given = "".join(code.split()).encode("utf-8", "surrogatepass")
        good = [s for s in range(now - DRIFT, now + DRIFT + 1) if hmac.compare_digest(app.generate(s * STEP), given)]
        return good[-1] if good else None

    # --- between password and code ---

    def pending(self, user: UUID, hashed: str) -> str:
        """Return what stands for a password that was right, until the code is there."""
        return self._sealed(f"{user} {hash_token(hashed)}", "second")

    async def finish(self, pending: str, code: str, client: Client) -> UUID:
        """Return the user whose password was right and whose code this is.

        Raises:
            Conflict: it is too long ago, or the password has been changed.
            Unauthenticated: the code is not good.
            TooManyRequests: too many were not.
        """
        user, digest = (self._opened(pending, "second") or " ").split(" ", 1)
        if not user:
            raise _late()
        id = UUID(user)
        actor = await self._accounts.actor_for(id)
        _, hashed = await self._accounts.credential(str(actor.user["email"])) if actor else (None, None)
        if hashed is None or hash_token(hashed) != digest:
            raise _late()
        async with self._accounts.attempts.at(f"code {user}", client):
            if not await self.check(id, code):
                await self._accounts.log.note("code_failed", id, client=client)
                raise Unauthenticated("This code is not, or no longer, good.")
        return id

    # --- sealed notes that a browser keeps for us ---

    def _sealed(self, text: str, purpose: str) -> str:
        until = int(self._kernel.clock().timestamp()) + MINUTES * 60
        return self._kernel.vault.seal(f"{until} {secrets.token_hex(8)} {text}", purpose)

    def _opened(self, sealed: str, purpose: str) -> str | None:
        text = self._kernel.vault.open(sealed, purpose) if len(sealed) < 1000 else None
        if text is None:
            return None
        until, _, rest = text.split(" ", 2)
        return rest if int(until) > self._kernel.clock().timestamp() else None

    def _pending_secret(self, actor: Actor, pending: str) -> str:
        user, _, secret = (self._opened(pending, "app") or "").partition(" ")
        if not secret or user != str(actor.id):
            raise _late()
        return secret


def secret_groups(secret: str) -> Sequence[str]:
    """Return a secret in groups of four, for those who type it."""
    return [secret[n : n + 4] for n in range(0, len(secret), 4)]


def _late() -> Conflict:
    return Conflict("This took too long: begin again.")


def _id(actor: Actor) -> UUID:
    if actor.id is None or actor.kind != "person":
        raise Conflict("Only a person has a second factor.")
    return actor.id
