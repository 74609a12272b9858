"""Answers made small by gzip for whoever takes it: lists and pages shrink to a tenth of their size.

Where a body holds a secret and something a stranger chose, its compressed length could tell the secret bit by bit
(BREACH). So every compressed answer carries up to a hundred bytes of chance in its gzip header, as Django's do
("Heal the Breach", Palmieri et al. 2022).
"""

from __future__ import annotations

import asyncio
import os
import secrets
import zlib
from typing import Any

from xrm.http.caller import header

SMALLEST = 1_000  # bytes; below, a body fits into one packet anyhow
INLINE = 50_000  # bytes that are compressed at once (half a millisecond); more are given to a thread
LEVEL = 4
CHANCE = 100  # bytes
MEDIA = frozenset(
    {
        b"application/json",
        b"application/problem+json",
        b"application/javascript",
        b"image/svg+xml",
        b"text/css",
        b"text/csv",
        b"text/calendar",
        b"text/html",
        b"text/javascript",
        b"text/plain",
        b"text/vcard",
    }
)


class Compression:
    """Wraps an application: compresses what is worth it. A stream of events passes as it is."""

    __slots__ = ("_app",)

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection."""
        if scope["type"] == "http" and takes_gzip(header(scope, b"accept-encoding")):
            await self._app(scope, receive, _Compressed(send))
        else:
            await self._app(scope, receive, send)


class _Compressed:
    """Stands for the `send` of one answer."""

    __slots__ = ("_gzip", "_send", "_start")

    def __init__(self, send: Any) -> None:
        self._send = send
        self._start: Any = None  # held until it is known whether the body is worth it
        self._gzip: Gzip | None = None

    async def __call__(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            if _compressible(message):
                self._start = message
                return
        elif self._start is not None:
            start, self._start = self._start, None
            body, more = message.get("body", b""), message.get("more_body", False)
            if more or len(body) >= SMALLEST:
                self._gzip = Gzip()
                start = {**start, "headers": _encoded(start["headers"])}
            await self._send(start)
        await self._send(message if self._gzip is None else await self._packed(self._gzip, message))

    async def _packed(self, gzip: Gzip, message: Any) -> Any:
        body, more = message.get("body", b""), message.get("more_body", False)
        large = len(body) > INLINE
        packed = await asyncio.to_thread(gzip.add, body, more) if large else gzip.add(body, more)
        return {**message, "body": packed}


class Gzip:
    """Packs one body, piece by piece (RFC 1952), under a file name of chance."""

    __slots__ = ("_check", "_deflate", "_head", "_size")

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        name = os.urandom(CHANCE).hex()[: secrets.randbelow(CHANCE)]
        self._head = b"\x1f\x8b\x08\x08\0\0\0\0\0\xff" + name.encode() + b"\0"
        self._check, self._size = 0, 0

    def add(self, piece: bytes, more: bool) -> bytes:  # noqa: FBT001  # as ASGI says it
        """Return the next packed bytes; the last piece ends them."""
        self._check, self._size = zlib.crc32(piece, self._check), self._size + len(piece)
        head, self._head = self._head, b""
        packed = head + self._deflate.compress(piece)
        if more:
            return packed
        tail = self._check.to_bytes(4, "little") + (self._size & 0xFFFFFFFF).to_bytes(4, "little")
        return packed + self._deflate.flush() + tail


def takes_gzip(accepted: str) -> bool:
    """Whether an Accept-Encoding takes gzip (RFC 9110 §12.5.3)."""
    if "gzip" not in accepted.lower() and "*" not in accepted:
        return False
    weights: dict[str, bool] = {}
    for part in accepted.lower().split(","):
        name, _, weight = part.partition(";")
        weights[name.strip()] = weight.replace(" ", "").removeprefix("q=").strip("0.") != "" if weight else True
    return weights.get("gzip", weights.get("*", False))


def _compressible(start: Any) -> bool:
    if start["status"] != 200 and not 201 <= start["status"] <= 203 and start["status"] < 400:
        return False
    headers = {name.lower(): value for name, value in start["headers"]}
    return headers.get(b"content-type", b"").partition(b";")[0] in MEDIA and b"content-encoding" not in headers


def _encoded(headers: Any) -> list[tuple[bytes, bytes]]:
    kept = [(name, value) for name, value in headers if name.lower() != b"content-length"]
    return [*kept, (b"content-encoding", b"gzip"), (b"vary", b"accept-encoding")]
