"""The outermost layer: host names, request ids, security headers for every answer, and the last line of defence."""

from __future__ import annotations

import logging
import os
import time
from typing import Any

from xrm.builtin.operating.metrics import Metrics
from xrm.http.answers import Answer, Headers
from xrm.http.caller import KEY, Caller, header
from xrm.http.problems import problem, unforeseen, where
from xrm.settings import Settings

POLICY = (
    "default-src 'self'; script-src 'self'{nonce}; style-src 'self'{nonce}; img-src 'self' data:; font-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
PREFLIGHT = {
    "access-control-allow-methods": "GET, POST, PATCH, PUT, DELETE",
    "access-control-allow-headers": "authorization, content-type, idempotency-key, if-match, if-none-match",
    "access-control-max-age": "600",
}
READABLE: Headers = [
    (b"access-control-expose-headers", b"etag, retry-after, x-request-id, content-disposition"),
    (b"vary", b"origin"),
]

log = logging.getLogger("xrm.http")


def content_security_policy(nonce: str = "") -> str:
    """Return the Content-Security-Policy of a page; scripts and styles in it run only with this nonce."""
    return POLICY.format(nonce=f" 'nonce-{nonce}'" if nonce else "")


def _defaults(settings: Settings) -> Headers:
    headers = {
        "content-security-policy": content_security_policy(),
        "x-content-type-options": "nosniff",
        "x-frame-options": "SAMEORIGIN",
        "referrer-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
        "cache-control": "no-store",
    }
    if settings.secure_cookies:
        headers["strict-transport-security"] = "max-age=31536000"
    return [(name.encode(), value.encode()) for name, value in headers.items()]


class Edge:
    """Wraps the whole application. A handler that sets one of the headers itself keeps its own.

    Args:
        app: The ASGI application inside.
        settings: The site's.
        metrics: Where requests are counted.
    """

    def __init__(self, app: Any, settings: Settings, metrics: Metrics) -> None:
        self.app, self._metrics = app, metrics
        self._headers = _defaults(settings)
        self._names = frozenset(name for name, _ in self._headers)
        self._origins = frozenset(settings.cors_origins)
        self._hosts = frozenset(host.lower() for host in settings.allowed_hosts)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        known = Caller(os.urandom(8).hex())
        scope[KEY] = known
        begin, status, bare = time.perf_counter(), 0, scope["method"] == "HEAD"
        inner = {**scope, "method": "GET"} if bare else scope

        async def finish(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = self._complete(message["headers"], known)
            elif bare:
                message["body"] = b""
            await send(message)

        try:
            origin = header(scope, b"origin")
            if origin in self._origins and scope["path"].startswith("/api/"):
                known.allowed = origin
            if not self._knows(header(scope, b"host")):
                await problem(400, "unknown_host", "This site is not served under this name")(scope, receive, finish)
            elif known.allowed and scope["method"] == "OPTIONS":
                await Answer(status=204, headers=PREFLIGHT)(scope, receive, finish)
            else:
                await self.app(inner, receive, finish)
        except Exception as error:  # noqa: BLE001 - the last line of defence: no defect tells its inside or goes unseen
            answer = unforeseen(error, known.id, where(scope))
            if not status:
                await answer(scope, receive, finish)
        seconds = time.perf_counter() - begin
        self._metrics.count(_method(scope), inner.get("path_template") or "?", status, seconds)
        if log.isEnabledFor(logging.DEBUG):
            _tell(known, scope, status, seconds)

    def _knows(self, host: str) -> bool:
        name = host.lower()
        if name.rpartition(":")[2].isdigit():
            name = name.rpartition(":")[0]
        return name in self._hosts or "*" in self._hosts

    def _complete(self, headers: Any, known: Caller) -> Headers:
        given = {name.lower() for name, _ in headers}
        added = self._headers if given.isdisjoint(self._names) else [h for h in self._headers if h[0] not in given]
        if known.allowed:  # a page of another site may read this; it cannot send the cookie along
            own = (b"access-control-allow-origin", known.allowed.encode("latin-1"))
            added = [*(h for h in added if h[0] != b"cross-origin-resource-policy"), own, *READABLE]
        return [*headers, (b"x-request-id", known.id.encode()), *added]


def _method(scope: Any) -> str:
    """Return the method of a request as it is counted: what no client can make many of."""
    method = str(scope["method"])
    return method if method in _METHODS else "other"


def _tell(known: Caller, scope: Any, status: int, seconds: float) -> None:
    """Write one line per request: no path, query or body, for these hold personal values."""
    actor = known.actor.id if known.actor else "-"
    log.debug("request=%s %s status=%d ms=%.1f actor=%s", known.id, where(scope), status, seconds * 1000, actor)
