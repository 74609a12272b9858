"""Who asks: an API key or session token (Authorization: Bearer …), or the session cookie → an `Actor` on the caller.

The token is looked up for each request, so a revoked one is worthless with the next.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from litestar.datastructures import Cookie

from xrm.builtin.people.accounts import Client
from xrm.builtin.people.keys import KEY_PREFIX
from xrm.builtin.people.throttle import Throttle, network
from xrm.errors import Unauthenticated
from xrm.http.caller import KEY, Caller, Scoped, header
from xrm.http.csrf import SAFE, check_origin
from xrm.kernel.change import Actor
from xrm.kernel.outbound.addresses import is_address, read_networks, within
from xrm.site import Site

WINDOW = 300.0  # seconds in which requests are counted
MAX_TOKEN = 200
DEVICE, DEVICE_DAYS, MAX_DEVICE = "xrm_device", 365, 400
FEED = "/odata"  # spreadsheets know Basic only: its password is an API key, whatever the name
OPEN = ("/static/", "/health/", "/favicon", "/metrics")  # no session is looked up for these


def cookie_name(site: Site) -> str:
    """Return the name of the session cookie; behind TLS browsers keep one with this prefix to this host and path."""
    return "__Host-xrm_session" if site.settings.secure_cookies else "xrm_session"


def session_cookie(site: Site, token: str) -> Cookie:
    """Return the cookie that carries a session; with an empty token, the one that takes it away."""
    return Cookie(
        key=cookie_name(site),
        value=token,
        path="/",
        httponly=True,
        samesite="lax",
        secure=site.settings.secure_cookies,
        max_age=site.settings.session_days * 86_400 if token else 0,
    )


def device_cookie(site: Site, device: str) -> Cookie:
    """Return the cookie by which a device is known on which somebody signed in."""
    return Cookie(
        key=DEVICE,
        value=device,
        path="/",
        httponly=True,
        samesite="lax",
        secure=site.settings.secure_cookies,
        max_age=DEVICE_DAYS * 86_400,
    )


def _password(encoded: str) -> str:
    """Return the password of a Basic authorization if it is an API key, else empty (RFC 7617)."""
    try:
        text = base64.b64decode(encoded, validate=True).decode("utf-8")
    except ValueError:
        return ""
    password = text.partition(":")[2]
    return password if password.startswith(KEY_PREFIX) else ""


def from_device(request: Scoped) -> Client:
    """Return where a request comes from, with the cookie of its device."""
    device = cookie_of(request.scope, DEVICE)
    return replace(caller_of(request.scope).client, device=device if len(device) <= MAX_DEVICE else "")


class Identify:
    """Middleware: finds out who asks, counts the request, refuses forged ones."""

    __slots__ = ("_app", "_cookie", "_limits", "_origin", "_proxies", "_site")

    def __init__(self, app: Any, site: Site, limits: Throttle) -> None:
        self._app, self._site, self._limits = app, site, limits
        self._cookie = cookie_name(site)
        self._origin = "/".join(site.settings.base_url.lower().split("/")[:3])
        self._proxies = read_networks(site.settings.trusted_proxies)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"].startswith(OPEN):
            await self._app(scope, receive, send)
            return
        known = caller_of(scope)
        known.client = client_of(scope, self._proxies)
        try:
            actor = await self._actor(scope, known)
            if actor is not None:
                known.actor = self._site.kernel.situated(replace(actor, address=known.client.address))
        finally:
            self._limits.take(known.actor.id if known.actor else network(known.client.address))
        if scope["method"] not in SAFE and (known.by_cookie or not known.actor):
            receive = await check_origin(scope, receive, known, self._origin)
        await self._app(scope, receive, send)

    async def _actor(self, scope: Any, known: Caller) -> Actor | None:
        source = _source(scope)
        given = header(scope, b"authorization")
        if given:
            actor = await self._bearer(scope, given, known, source)
            if actor is None and not scope["path"].startswith(FEED):  # it asks for a key in its own way
                raise Unauthenticated("This token is not, or no longer, good.")
            return actor
        token = cookie_of(scope, self._cookie)
        if not token or len(token) > MAX_TOKEN:
            return None
        actor = await self._site.accounts.session(token, source)
        if actor is not None:
            known.token, known.by_cookie = token, True
        return actor

    async def _bearer(self, scope: Any, given: str, known: Caller, source: str) -> Actor | None:
        scheme, _, token = given.partition(" ")
        if scheme.lower() == "basic" and scope["path"].startswith(FEED):
            scheme, token = "bearer", _password(token)
        if scheme.lower() != "bearer" or not token or len(token) > MAX_TOKEN:
            return None
        if token.startswith(KEY_PREFIX):
            return await self._site.accounts.key(token, source)
        actor = await self._site.accounts.session(token, source)
        known.token = token if actor else ""
        return actor


def caller_of(scope: Any) -> Caller:
    """Return the caller in an ASGI scope."""
    found: Caller = scope[KEY]
    return found


def client_of(scope: Any, proxies: Sequence[Any] = ()) -> Client:
    """Return where a request comes from.

    Args:
        scope: The ASGI scope.
        proxies: Networks of proxies whose X-Forwarded-For is believed; what others write there is not.
    """
    peer = scope.get("client")
    address = peer[0] if peer else ""
    if proxies and within(address, proxies):
        address = _forwarded(scope, proxies) or address
    return Client(address, header(scope, b"user-agent")[:200])


def _forwarded(scope: Any, proxies: Sequence[Any]) -> str:
    """Return the last address in X-Forwarded-For that is no proxy of ours: a client may write those before."""
    lines = [value.decode("latin-1") for key, value in scope["headers"] if key == b"x-forwarded-for"]
    for text in reversed(",".join(lines).split(",")):
        address = text.strip()
        if not is_address(address):
            return ""
        if not within(address, proxies):
            return address
    return ""


def cookie_of(scope: Any, name: str) -> str:
    """Return the value of a request's cookie, or empty."""
    for part in header(scope, b"cookie").split(";"):
        key, _, value = part.strip().partition("=")
        if key == name:
            return value.strip('"')
    return ""


def _source(scope: Any) -> str:
    """Return where the history says that a write came from; the studio says so itself."""
    if not scope["path"].startswith("/api/"):
        return "form"
    return "studio" if header(scope, b"x-xrm-client") == "studio" else "api"
