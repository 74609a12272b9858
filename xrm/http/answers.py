"""Answer: the leanest response there is, since get and list answer with bytes that are ready."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec

Headers = list[tuple[bytes, bytes]]
JSON = b"application/json"
_encode = msgspec.json.Encoder().encode


class Answer:
    """An HTTP answer with its body as bytes; an ASGI application by itself.

    Args:
        body: The body.
        status: HTTP status.
        media: Content type; none is sent with an empty body.
        headers: Further headers, in lower case.
    """

    __slots__ = ("body", "headers", "status")

    def __init__(
        self, body: bytes = b"", status: int = 200, media: bytes = JSON, headers: Mapping[str, str] | None = None
    ) -> None:
        self.body, self.status = body, status
        self.headers: Headers = [(b"content-length", str(len(body)).encode())] if status not in (204, 304) else []
        if body:
            self.headers.append((b"content-type", media))
        if headers:
            self.headers.extend((k.encode("latin-1"), v.encode("latin-1")) for k, v in headers.items())

    def header(self, name: str) -> str:
        """Return one of the headers, or empty."""
        wanted = name.lower().encode()
        return next((v.decode("latin-1") for k, v in self.headers if k == wanted), "")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send it."""
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body})

    def to_asgi_response(self, *_: Any, **__: Any) -> Answer:
        """Return itself: what Litestar asks the answers of exception handlers for."""
        return self


def answer(data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Return data as a JSON answer."""
    return Answer(_encode(data), status, JSON, headers)


class Stream(Answer):
    """An answer whose body is made while it is sent; it stops when the client goes away.

    Args:
        pieces: The body.
        media: Content type.
        headers: Further headers, in lower case.
    """

    __slots__ = ("_pieces",)

    def __init__(self, pieces: AsyncIterator[bytes], media: bytes, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(b"", 200, media, headers)
        self._pieces = pieces
        self.headers = [h for h in self.headers if h[0] != b"content-length"] + [(b"content-type", media)]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send it."""
        gone = asyncio.create_task(_gone(receive))
        try:
            await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
            async for piece in self._pieces:
                if gone.done():
                    return
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            gone.cancel()


async def _gone(receive: Any) -> None:
    """Return when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        continue
