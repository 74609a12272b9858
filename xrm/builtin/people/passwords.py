"""Passwords: which are accepted, and how they are kept (argon2id, RFC 9106)."""

from __future__ import annotations

import asyncio
import secrets
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from xrm.errors import Invalid, Issue

MIN_LENGTH = 10
MAX_LENGTH = 200
WORKERS = 2  # a storm of sign-ins may keep so many threads busy, and no more

# Of the lists of leaked passwords, those of at least ten characters that everybody tries first.
COMMON = frozenset((Path(__file__).parent / "common_passwords.txt").read_text("utf-8").split())


def check_password(password: str, email: str) -> None:
    """Accept a new password or refuse it: 10 to 200 characters, no composition rules (OWASP ASVS 5.0, 6.2).

    Raises:
        Invalid: it is too short, too long, one that everybody tries first, or the e-mail address.
    """
    text = unicodedata.normalize("NFKC", password)
    known = {email.casefold(), email.casefold().partition("@")[0]}
    if len(text) < MIN_LENGTH:
        raise _refused("too_short", f"A password has at least {MIN_LENGTH} characters.", "a few words are easy to keep")
    if len(text) > MAX_LENGTH:
        raise _refused("too_long", f"A password has at most {MAX_LENGTH} characters.")
    if text.casefold() in known:
        raise _refused("password_is_email", "This is your e-mail address.")
    if text.casefold() in COMMON or len(set(text)) < 4:
        raise _refused("password_common", "This password is one of the first that are tried.")


def _refused(code: str, message: str, hint: str = "") -> Invalid:
    return Invalid("This password is not accepted", [Issue("password", code, message, hint)])


class Passwords:
    """Makes and checks argon2id hashes on threads of its own, so that the event loop never waits for one.

    Attributes:
        turn: What a try waits for before it is counted: a storm of them is judged one by one, not all at once.
    """

    def __init__(self) -> None:
        # OWASP's Password Storage Cheat Sheet: m=19 MiB, t=2, p=1; about 25 ms and a memory of 19 MiB per worker.
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
        self.turn = asyncio.Semaphore(2 * WORKERS)
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="xrm-password")

    @cached_property
    def _nobody(self) -> str:
        """A hash of no one's: checked for an unknown address, so that the answer takes as long."""
        return self._hasher.hash(secrets.token_urlsafe())

    async def hash(self, password: str) -> str:
        """Return the hash of a password, as a PHC string."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._hash, password)

    async def verify(self, hashed: str | None, password: str) -> bool:
        """Whether the password is the one of the hash; without a hash it takes as long and is not."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._verify, hashed, password)

    def outdated(self, hashed: str) -> bool:
        """Whether a hash was made with weaker parameters than today's."""
        return self._hasher.check_needs_rehash(hashed)

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _hash(self, password: str) -> str:
        return self._hasher.hash(_bytes(password))

    def _verify(self, hashed: str | None, password: str) -> bool:
        try:
            self._hasher.verify(hashed or self._nobody, _bytes(password[:MAX_LENGTH]))
        except (VerificationError, InvalidHashError):
            return False
        return hashed is not None


def _bytes(password: str) -> bytes:
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
