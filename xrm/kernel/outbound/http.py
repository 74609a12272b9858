"""The one client by which the site asks other servers: it connects to checked addresses only, within limits.

A name is resolved once and the connection goes to the very address that was checked, so that a second answer of the DNS
changes nothing; every redirect is a new connection and checked like the first. Nothing is sent of what the platform
knows but what the caller gives.

    reply = await kernel.outbound.fetch("POST", "https://hooks.example/x", {"content-type": "application/json"}, body)
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

import httpcore

from xrm.errors import AddressRefused, NothingGoesOut, Unreachable
from xrm.kernel.outbound.addresses import is_public, read_networks, within
from xrm.settings import Settings

Resolve = Callable[[str, int], Awaitable[list[str]]]
REDIRECTS = frozenset({301, 302, 303, 307, 308})
NOTHING: Mapping[str, str] = MappingProxyType({})
PORTS: Mapping[str, int] = MappingProxyType({"http": 80, "https": 443})
PRIVATE = frozenset({"authorization", "cookie", "proxy-authorization"})  # headers another server must not get


@dataclass(frozen=True, slots=True)
class Reply:
    """What another server answered.

    Attributes:
        status: HTTP status.
        headers: In lower case; of several of one name the last.
        body: All of it.
        url: Where it came from, after redirects.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


class Outbound:
    """Asks other servers.

    Args:
        settings: The site's: `outbound_allow`, `outbound_seconds`, `outbound_bytes`.
        resolve: Host and port → addresses; the system's by default.
        tls: Which certificates are trusted; those of the system by default.
    """

    def __init__(self, settings: Settings, resolve: Resolve | None = None, tls: ssl.SSLContext | None = None) -> None:
        self._settings = settings
        backend = _CheckedBackend(resolve or resolve_name, read_networks(settings.outbound_allow))
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls, network_backend=backend, max_connections=50, keepalive_expiry=5.0
        )

    async def close(self) -> None:
        """Close connections that are kept open."""
        await self._pool.aclose()

    async def fetch(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] = NOTHING,
        body: bytes = b"",
        redirects: int = 0,
    ) -> Reply:
        """Ask another server and return its answer, whatever its status.

        Args:
            method: HTTP method.
            url: http:// or https://, without user and password.
            headers: Names and values.
            body: What is sent.
            redirects: How many are followed, of a GET; none by default: the answer is then the redirect itself.

        Raises:
            NothingGoesOut: the setting `outgoing` is off.
            AddressRefused: the URL is none, or leads to an address the site must not connect to.
            Unreachable: no answer, or one that takes too long, is too large, or is no HTTP.
        """
        if not self._settings.outgoing:
            raise NothingGoesOut
        try:
            async with asyncio.timeout(self._settings.outbound_seconds):
                return await self._follow(method, url, headers, body, redirects)
        except TimeoutError:
            raise Unreachable(f"There was no answer within {self._settings.outbound_seconds:g} seconds.") from None
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError) as error:
            raise Unreachable(f"The other server could not be asked ({type(error).__name__}).") from error

    async def _follow(self, method: str, url: str, headers: Mapping[str, str], body: bytes, redirects: int) -> Reply:
        while True:
            parts = _parse(url)
            reply = await self._once(method, parts, headers, body)
            target = reply.headers.get("location", "")
            if method != "GET" or reply.status not in REDIRECTS or not target or not redirects:
                return reply
            redirects -= 1
            url = urljoin(url, target)
            after = _parse(url)
            if parts.scheme == "https" and after.scheme != "https":
                raise AddressRefused("The other server redirects from https to http.")
            if (after.scheme, after.netloc) != (parts.scheme, parts.netloc):
                headers = {name: value for name, value in headers.items() if name.lower() not in PRIVATE}

    async def _once(self, method: str, parts: SplitResult, headers: Mapping[str, str], body: bytes) -> Reply:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        host = (parts.hostname or "").encode("idna" if not _is_ip6(parts) else "ascii")
        asked = httpcore.URL(scheme=parts.scheme.encode(), host=host, port=parts.port, target=target.encode("ascii"))
        sent = {"accept-encoding": "identity", "user-agent": "xrm", **{k.lower(): v for k, v in headers.items()}}
        sent |= (
            {"host": parts.netloc, "content-length": str(len(body))}
            if body or method != "GET"
            else {"host": parts.netloc}
        )
        given = [(name.encode("ascii"), _line(value)) for name, value in sent.items()]
        async with self._pool.stream(method, asked, headers=given, content=body) as answer:
            told = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in answer.headers}
            return Reply(answer.status, told, await self._read(answer), parts.geturl())

    async def _read(self, answer: httpcore.Response) -> bytes:
        largest, pieces, size = self._settings.outbound_bytes, [], 0
        async for piece in answer.aiter_stream():
            size += len(piece)
            if size > largest:
                raise Unreachable(f"The answer is larger than {largest} bytes.")
            pieces.append(piece)
        return b"".join(pieces)


def _parse(url: str) -> SplitResult:
    """Return the parts of a URL that may be asked.

    Raises:
        AddressRefused: it is none, or has parts that only serve to deceive.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS[parts.scheme]
        good = url.isascii() and url.isprintable() and " " not in url and "\\" not in url and 0 < port < 65536
        (parts.hostname or "").encode("idna")
    except (ValueError, KeyError, UnicodeError):
        good, parts = False, SplitResult("", "", "", "", "")
    if not good or not parts.hostname or "@" in parts.netloc:
        raise AddressRefused("This is no address of a web server: write https://host/path.")
    return parts


def _is_ip6(parts: SplitResult) -> bool:
    return ":" in (parts.hostname or "")


def _line(value: str) -> bytes:
    if any(c in value for c in "\r\n\x00"):
        raise AddressRefused("A header holds the end of a line.")
    return value.encode("latin-1", "replace")


async def resolve_name(host: str, port: int) -> list[str]:
    """Return the addresses of a name, as the system knows them."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class _CheckedBackend(httpcore.AsyncNetworkBackend):
    """Connects to addresses that may be connected to, and to nothing else."""

    def __init__(self, resolve: Resolve, allowed: tuple[Any, ...]) -> None:
        self._resolve, self._allowed = resolve, allowed
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first good address of a host that answers."""
        good = [a for a in await self._resolve(host, port) if within(a, self._allowed) or is_public(a)]
        if not good:
            raise AddressRefused(f"The site does not connect to the address of {host}.")
        for address in good[:-1]:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._inner.connect_tcp(good[-1], port, timeout, local_address, socket_options)

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Refuse: nothing outside is reached by a file of this machine."""
        raise AddressRefused("The site does not connect to sockets of this machine.")

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)
