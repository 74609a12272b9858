"""Failed sign-ins, counted in the database, so that all processes count together and a restart forgets nothing.

Nothing a client chooses is part of what is counted by: a network is that of the connection (or what a trusted proxy
says of it), an account is the address tried. A stranger cannot lock anybody out: when an account was tried too often,
those who try it from elsewhere wait a moment and take turns; a device that its user signed in from before is counted by
itself.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from xrm.builtin.people.throttle import network
from xrm.builtin.people.tokens import new_token
from xrm.errors import TooManyRequests
from xrm.kernel.store.sql import Binder
from xrm.kernel.store.system import DATETIME, INT, TEXT

if TYPE_CHECKING:
    from xrm.builtin.people.accounts import Client
    from xrm.kernel.kernel import Kernel

WINDOW = timedelta(minutes=15)  # in which failures are counted
PER_PAIR, PER_ACCOUNT, PER_NETWORK = 5, 30, 50  # failures in the window
SLOW_SECONDS = 2.0  # a try at an account that was tried too often waits so long,
WAITING = 10  # and so many may wait at once, per process
REMEMBERED = 10_000  # counted out, kept in memory so that a flood costs no statements
DEVICE = "device"


@dataclass(frozen=True, slots=True)
class Limit:
    """What is counted, and how often it may fail in the window."""

    kind: str
    key: str
    most: int

    @property
    def digest(self) -> str:
        """How it is kept: no address of a person stands in the table."""
        return hashlib.sha256(f"{self.kind}\x00{self.key}".encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(slots=True)
class _Turn:
    """Those who wait to try one account."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0


class Attempts:
    """Counts tries, and lets them begin in turn.

    Args:
        kernel: The site's.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._out: OrderedDict[str, datetime] = OrderedDict()  # digest → until when it is counted out
        self._turns: dict[str, _Turn] = {}
        self.slow_seconds = SLOW_SECONDS

    # --- of an account ---

    async def wait(self, account: str) -> None:
        """Let a try at an account wait for its turn, when it failed too often from wherever.

        Raises:
            TooManyRequests: too many wait already.
        """
        if await self._failed(Limit("account", account, PER_ACCOUNT)) < PER_ACCOUNT:
            return
        turn = self._turns.setdefault(account, _Turn())
        if turn.waiting >= WAITING:
            raise TooManyRequests(retry_after=max(1, math.ceil(self.slow_seconds * WAITING)))
        turn.waiting += 1
        try:
            async with turn.lock:
                await asyncio.sleep(self.slow_seconds)
        finally:
            turn.waiting -= 1
            if not turn.waiting:
                del self._turns[account]

    @asynccontextmanager
    async def at(self, account: str, client: Client, device: str = "") -> AsyncIterator[None]:
        """Count one try at an account while the context runs; one that ends without an error is forgotten.

        Args:
            account: The address, or the id of a user who is signed in.
            client: Where it comes from.
            device: That of the user, where it is known: it is counted by itself, and nothing else is.

        Raises:
            TooManyRequests: this device, this network, or this network at this account, failed too often.
        """
        if device:
            own = Limit("device", f"{account} {device}", PER_PAIR)
            await self.take(own)
            yield
            await self.settle((own,))
            return
        origin = network(client.address)
        pair, place = Limit("pair", f"{account} {origin}", PER_PAIR), Limit("network", origin, PER_NETWORK)
        whole = Limit("account", account, PER_ACCOUNT)
        await self.take(pair, place)
        await self._add((whole,))
        yield
        await self.settle((pair,), (place, whole))

    # --- counting ---

    async def take(self, *limits: Limit) -> None:
        """Count one try of each.

        Raises:
            TooManyRequests: one of them has none left; `retry_after` says for how many seconds.
        """
        for limit in limits:
            self._refuse(limit.digest)
        for limit, (tries, began) in zip(limits, await self._add(limits), strict=True):
            if tries > limit.most:
                self._out[limit.digest] = began + WINDOW
                if len(self._out) > REMEMBERED:
                    self._out.popitem(last=False)
                self._refuse(limit.digest)

    def _refuse(self, digest: str) -> None:
        until = self._out.get(digest)
        if until is None:
            return
        left = (until - self._kernel.clock()).total_seconds()
        if left <= 0:
            del self._out[digest]
            return
        raise TooManyRequests(retry_after=max(1, math.ceil(left)))

    async def _failed(self, limit: Limit) -> int:
        b = Binder(self._kernel.store.dialect)
        key, old = b.bind(limit.digest, TEXT), b.bind(self._kernel.clock() - WINDOW, DATETIME)
        text = f'SELECT "tries" FROM "xrm_attempt" WHERE "key" = {key} AND "began_at" > {old}'
        rows = await self._kernel.store.fetch(text, b.params)
        return int(rows[0][0]) if rows else 0

    async def _add(self, limits: Sequence[Limit]) -> list[tuple[int, datetime]]:
        """Count one try of each; return how many there are in its window, and when that began."""
        store, now = self._kernel.store, self._kernel.clock()
        b = Binder(store.dialect)
        at, over = b.bind(now, DATETIME), b.bind(now - WINDOW, DATETIME)
        rows = ", ".join(f"({b.bind(limit.digest, TEXT)}, {at}, {b.bind(1, INT)})" for limit in limits)
        old = f'"xrm_attempt"."began_at" <= {over}'
        text = (
            f'INSERT INTO "xrm_attempt" ("key", "began_at", "tries") VALUES {rows} ON CONFLICT ("key") DO UPDATE SET'
            f' "tries" = CASE WHEN {old} THEN 1 ELSE "xrm_attempt"."tries" + 1 END,'
            f' "began_at" = CASE WHEN {old} THEN {at} ELSE "xrm_attempt"."began_at" END'
            ' RETURNING "key", "tries", "began_at"'
        )
        async with store.transaction():
            found = await store.fetch(text, b.params)
        decode = store.dialect.decode(DATETIME)
        by_key = {row[0]: (int(row[1]), decode(row[2]) if decode else row[2]) for row in found}
        return [by_key[limit.digest] for limit in limits]

    async def settle(self, forgotten: Sequence[Limit], given_back: Sequence[Limit] = ()) -> None:
        """Give some all their tries again, and others one; take away what is too old to count."""
        b = Binder(self._kernel.store.dialect)
        old = (
            f'DELETE FROM "xrm_attempt" WHERE "began_at" <= {b.bind(self._kernel.clock() - WINDOW, DATETIME)}',
            b.params,
        )
        less = 'UPDATE "xrm_attempt" SET "tries" = "tries" - 1 WHERE "tries" > 0 AND "key" = '
        gone = 'DELETE FROM "xrm_attempt" WHERE "key" = '
        work = [self._about(gone, limit) for limit in forgotten] + [self._about(less, limit) for limit in given_back]
        await self._kernel.store.batch([old, *work])
        for limit in forgotten:
            self._out.pop(limit.digest, None)

    def _about(self, text: str, limit: Limit) -> tuple[str, list[Any]]:
        b = Binder(self._kernel.store.dialect)
        return text + b.bind(limit.digest, TEXT), b.params

    # --- devices ---

    def new_device(self, user: UUID) -> str:
        """Return what the cookie of a device holds after a user signed in on it: only the site can make or read it."""
        return self._kernel.vault.seal(f"{user} {new_token()[:16]}", DEVICE)

    def is_known(self, client: Client, user: UUID | None) -> bool:
        """Whether a user signed in from this device before."""
        if not client.device or user is None:
            return False
        return (self._kernel.vault.open(client.device, DEVICE) or "").partition(" ")[0] == str(user)
