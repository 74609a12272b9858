"""Writing once: one request, one act; and with an Idempotency-Key one effect, however often the request is sent.

The answer is stored in the transaction of its effect, so that either both are there or neither. A repeated request gets
the stored answer, byte for byte; the same key with another request is refused; one whose first is under way is told to
wait. Answers are kept for `KEPT`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote

from xrm.errors import Conflict, Invalid, Malformed
from xrm.http.answers import Answer
from xrm.http.caller import header
from xrm.http.reading import AnyRequest, read_body
from xrm.kernel.acts import Act, Why
from xrm.kernel.change import Actor
from xrm.kernel.kernel import Kernel
from xrm.kernel.store.errors import UniqueViolation
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.sql import Binder
from xrm.kernel.store.system import SYSTEM

KEPT = timedelta(days=7)
CLEAN = timedelta(hours=1)  # how often answers older than that are looked for
TABLE = SYSTEM.tables["xrm_idempotency"]
MAX_REASON = 500
_KEY = re.compile(r"[\x21-\x7e]{1,200}")

Work = Callable[[Act], Awaitable[Answer]]


class Mismatch(Invalid):
    """An Idempotency-Key was used before, for another request."""

    code, title = "idempotency_mismatch", "This Idempotency-Key was used for another request"


class Running(Conflict):
    """The first request with an Idempotency-Key is still under way."""

    code, title = "idempotency_running", "The request with this Idempotency-Key is still under way"


class _Lost(Exception):
    """Another process stored an answer under the key first; what was done here is taken back."""


class Writes:
    """Runs the writes of the API."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._running: set[str] = set()
        self._cleaned: datetime | None = None

    async def once(self, request: AnyRequest, actor: Actor, work: Work) -> Answer:
        """Run `work` in one act and return its answer, or the answer the same request got before.

        Raises:
            Mismatch: the key came with another request before.
            Running: the same request is under way.
        """
        given, reason = header(request.scope, b"idempotency-key"), read_reason(request)
        if not given:
            return await self._kernel.records.again(lambda: self._acted(actor, reason, work))
        if not _KEY.fullmatch(given):
            raise Malformed("Idempotency-Key must be 1 to 200 visible ASCII characters.")
        key = f"{actor.id}:{given}"
        if key in self._running:
            raise Running(retry_after=1)
        self._running.add(key)
        try:
            return await self._kernel.records.again(lambda: self._keyed(request, actor, work, key, reason))
        finally:
            self._running.discard(key)

    async def _acted(self, actor: Actor, reason: str, work: Work) -> Answer:
        async with self._kernel.records.act(actor, reason) as act:
            return _named(await work(act), act)

    async def _keyed(self, request: AnyRequest, actor: Actor, work: Work, key: str, reason: str) -> Answer:
        digest = await _digest(request, actor)
        try:
            async with self._kernel.records.act(actor, why=Why(reason, key.partition(":")[2])) as act:
                before = await self._find(key, digest)
                if before is not None:
                    return before
                made = _named(await work(act), act)
                await self._store(key, digest, made, act.changes.at)
                return made
        except _Lost:
            before = await self._find(key, digest)
            if before is None:
                raise Running(retry_after=1) from None
            return before

    async def _find(self, key: str, digest: str) -> Answer | None:
        binder = Binder(self._kernel.store.dialect)
        text = (
            'SELECT "request_hash", "status", "etag", "body" FROM "xrm_idempotency"'  # noqa: S608 - a placeholder
            f' WHERE "key" = {binder.bind(key, ColumnType("text"))}'
        )
        rows = await self._kernel.store.fetch(text, binder.params)
        if not rows:
            return None
        stored, status, tag, body = rows[0]
        if stored != digest:
            raise Mismatch
        headers = {"idempotency-replayed": "true", **({"etag": tag} if tag else {})}
        return Answer(self._opened(body).encode(), status, headers=headers)

    def _sealed(self, body: str) -> str:
        """Return an answer as it is stored: encrypted, where it may tell what is encrypted in its table."""
        fields = (f.type for e in self._kernel.model.entities.values() for f in e.fields.values())
        return self._kernel.vault.seal(body, "answer") if body and "encrypted_text" in fields else body

    def _opened(self, body: str) -> str:
        if not body.startswith("xrm1."):
            return body
        opened = self._kernel.vault.open(body, "answer")
        if opened is None:
            raise Conflict("The first answer to this request cannot be decrypted any more.")
        return opened

    async def _store(self, key: str, digest: str, made: Answer, at: datetime) -> None:
        values = (key, digest, made.status, made.header("etag") or None, self._sealed(made.body.decode()), at)
        binder = Binder(self._kernel.store.dialect)
        marks = ", ".join(binder.bind(value, column.type) for column, value in zip(TABLE.columns, values, strict=True))
        names = ", ".join(f'"{column.name}"' for column in TABLE.columns)
        try:
            text = f'INSERT INTO "xrm_idempotency" ({names}) VALUES ({marks})'  # noqa: S608 - names and marks of ours
            await self._kernel.store.execute(text, binder.params)
        except UniqueViolation:
            raise _Lost from None
        await self._clean(at)

    async def _clean(self, now: datetime) -> None:
        """Forget old answers, now and then."""
        if self._cleaned is not None and now - self._cleaned < CLEAN:
            return
        self._cleaned = now
        binder = Binder(self._kernel.store.dialect)
        mark = binder.bind(now - KEPT, ColumnType("datetime"))
        await self._kernel.store.execute(f'DELETE FROM "xrm_idempotency" WHERE "at" < {mark}', binder.params)  # noqa: S608


def _named(made: Answer, act: Act) -> Answer:
    """Return the answer with the id of what it changed: what undoes it."""
    if act.log.changed:
        made.headers.append((b"change-set", str(act.changes.id).encode()))
    return made


async def _digest(request: AnyRequest, actor: Actor) -> str:
    """Return what tells one request from another: what is asked, of what, on what condition, with which roles."""
    scope: Any = request.scope
    parts = [
        scope["method"],
        scope["path"],
        scope["query_string"].decode("latin-1"),
        header(scope, b"if-match"),
        " ".join(sorted(actor.roles)),
    ]
    found = hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass"))
    found.update(b"\n" + await read_body(request))
    return found.hexdigest()


def read_reason(request: AnyRequest) -> str:
    """Return why the write is made, for the history: the header Change-Reason, percent-encoded UTF-8.

    Raises:
        Malformed: it is longer than 500 characters.
    """
    text = unquote(header(request.scope, b"change-reason")).strip()
    if len(text) > MAX_REASON:
        raise Malformed(f"Change-Reason has at most {MAX_REASON} characters.")
    return "".join(c for c in text if c.isprintable())
