"""Forged requests: a page of another site must not act with a visitor's cookie.

An unsafe request that came by cookie must carry the session's token (header ``X-CSRF-Token`` or form field ``_csrf``),
or show by what browsers set and pages cannot (``Sec-Fetch-Site``, ``Origin``) that it comes from this site. One without
a cookie, such as a sign-in, must not show the contrary. The token is an HMAC of the session's: nothing is stored.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any
from urllib.parse import parse_qs

from xrm.errors import Forbidden
from xrm.http.caller import Caller, header

SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
HEADER = b"x-csrf-token"
FIELD = "_csrf"
MAX_FORM = 1_000_000  # bytes of a form that are looked through for the token


class Forged(Forbidden):
    """The request does not show that it comes from this site's own pages."""

    code, title = "csrf", "This request does not come from a page of this site"


def csrf_token(session_token: str) -> str:
    """Return the token that pages of a session send along."""
    return hmac.new(session_token.encode(), b"xrm csrf", hashlib.sha256).hexdigest()


async def check_origin(scope: Any, receive: Any, caller: Caller, site: str = "") -> Any:
    """Return `receive` (one that repeats what was read) when an unsafe request may go on.

    Args:
        scope: The ASGI scope.
        receive: The ASGI receive.
        caller: What is known of the request.
        site: The site's origin, scheme included, where the settings say it.

    Raises:
        Forged: it may not.
    """
    own = _same_origin(scope, site)
    if own is False:
        raise Forged
    if own or not caller.by_cookie or _good(header(scope, HEADER), caller):
        return receive
    if header(scope, b"content-type").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise Forged
    body, again = await _read(receive)
    if not _good(_field(body), caller):
        raise Forged
    return again


def _same_origin(scope: Any, site: str) -> bool | None:
    """Whether the browser says that a page of ours asks; None when it does not say."""
    told = header(scope, b"sec-fetch-site")
    if told:
        return told in ("same-origin", "none")
    origin = header(scope, b"origin")
    if origin and site and site.partition("://")[2] == header(scope, b"host").lower():
        return origin.lower() == site
    if origin:
        return origin.partition("://")[2].lower() == header(scope, b"host").lower() != ""
    return None


def _good(sent: str, caller: Caller) -> bool:
    return bool(sent) and hmac.compare_digest(sent.encode(), csrf_token(caller.token).encode())


def _field(body: bytes) -> str:
    try:
        return parse_qs(body.decode("utf-8"), max_num_fields=5000).get(FIELD, [""])[0]
    except ValueError:
        return ""


async def _read(receive: Any) -> tuple[bytes, Any]:
    """Return a form's body, and a `receive` that gives it once more."""
    messages: list[Any] = []
    size, more = 0, True
    while more and size <= MAX_FORM:
        message = await receive()
        messages.append(message)
        size += len(message.get("body", b""))
        more = message["type"] == "http.request" and message.get("more_body", False)
    waiting = iter(messages)

    async def again() -> Any:
        return next(waiting, None) or await receive()

    return b"".join(m.get("body", b"") for m in messages), again
