"""Answers are compressed for those who take it, and are the same otherwise."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from litestar import get

from tests.http.conftest import HANDLERS
from tests.http.raw import Reply, send
from xrm.http import application
from xrm.http.answers import Answer, Stream
from xrm.http.compression import CHANCE, SMALLEST, takes_gzip
from xrm.http.reading import AnyRequest

LONG = b"Machines, " * 20_000
ASKS = [(b"accept-encoding", b"br, gzip")]


@get("/text/{size:int}")
async def text(request: AnyRequest) -> Answer:
    return Answer(LONG[: request.path_params["size"]], 200, b"text/html; charset=utf-8", {"etag": '"1"'})


@get("/picture")
async def picture(request: AnyRequest) -> Answer:
    return Answer(LONG, 200, b"image/png")


@get("/packed")
async def packed(request: AnyRequest) -> Answer:
    return Answer(LONG, 200, b"text/plain", {"content-encoding": "br"})


@get("/stream/{kind:str}")
async def stream(request: AnyRequest) -> Answer:
    async def pieces() -> Any:
        for place in range(0, len(LONG), 40_000):
            yield LONG[place : place + 40_000]
        yield b""

    return Stream(pieces(), f"text/{request.path_params['kind']}".encode())


@pytest.fixture
def app(site: Any) -> Any:
    return application(site.site, [*HANDLERS, text, picture, packed, stream])


def plain(reply: Reply) -> bytes:
    assert reply.headers["content-encoding"] == "gzip"
    assert reply.headers["vary"] == "accept-encoding"
    return gzip.decompress(reply.body)


@pytest.mark.parametrize("size", [SMALLEST, 49_999, 60_000, len(LONG)])
async def test_a_long_answer_is_small(app: Any, size: int) -> None:
    reply = await send(app, "GET", b"/text/%d" % size, headers=ASKS)
    assert plain(reply) == LONG[:size]
    assert len(reply.body) < size / 3
    assert (reply.headers["etag"], reply.headers["content-type"]) == ('"1"', "text/html; charset=utf-8")
    assert "content-length" not in reply.headers or int(reply.headers["content-length"]) == len(reply.body)


async def test_a_stream_is_compressed_as_it_comes_but_events_are_not(app: Any) -> None:
    assert plain(await send(app, "GET", b"/stream/csv", headers=ASKS)) == LONG
    events = await send(app, "GET", b"/stream/event-stream", headers=ASKS)
    assert (events.body, events.headers.get("content-encoding")) == (LONG, None)


@pytest.mark.parametrize(
    ("path", "asks"),
    [
        (b"/text/999", ASKS),
        (b"/picture", ASKS),
        (b"/text/5000", []),
        (b"/text/5000", [(b"accept-encoding", b"br")]),
        (b"/text/5000", [(b"accept-encoding", b"gzip;q=0, *")]),
    ],
)
async def test_what_is_not_worth_it_or_not_asked_for_is_as_it_is(app: Any, path: bytes, asks: Any) -> None:
    reply = await send(app, "GET", path, headers=asks)
    assert LONG.startswith(reply.body)
    assert "content-encoding" not in reply.headers
    assert int(reply.headers["content-length"]) == len(reply.body)


async def test_what_is_compressed_already_is_left(app: Any) -> None:
    reply = await send(app, "GET", b"/packed", headers=ASKS)
    assert (reply.body, reply.headers["content-encoding"]) == (LONG, "br")


async def test_problems_and_security_headers_are_as_ever(app: Any) -> None:
    reply = await send(app, "GET", b"/fail/defect", headers=ASKS)
    assert (reply.status, reply.json()["code"]) == (500, "internal")
    reply = await send(app, "GET", b"/text/5000", headers=ASKS)
    assert {"x-request-id", "content-security-policy", "x-content-type-options"} <= reply.headers.keys()
    head = await send(app, "HEAD", b"/text/5000", headers=ASKS)
    assert (head.status, head.body) == (200, b"")


async def test_the_length_tells_nothing_exact(app: Any) -> None:
    """BREACH: the same body has many lengths."""
    lengths = {len((await send(app, "GET", b"/text/5000", headers=ASKS)).body) for _ in range(40)}
    assert len(lengths) > 10
    assert max(lengths) - min(lengths) < CHANCE


@pytest.mark.parametrize(
    ("accepted", "taken"),
    [
        ("", False),
        ("gzip", True),
        ("GZIP", True),
        ("deflate, gzip;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("gzip;q=1.0", True),
        ("*", True),
        ("*;q=0", False),
        ("identity", False),
        ("gzip;q=0, *;q=1", False),
        ("x-gzip-not", False),
        (",;,gzip", True),
    ],
)
def test_what_a_client_takes(accepted: str, taken: bool) -> None:
    assert takes_gzip(accepted) is taken
