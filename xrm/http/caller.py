"""Caller: what is known of one request beside its bytes, and how a handler asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, cast

from xrm.builtin.people.accounts import Client
from xrm.errors import Forbidden, Unauthenticated
from xrm.kernel.change import Actor

NOBODY = Client()
KEY = "xrm"  # where a caller is kept in the ASGI scope


class Scoped(Protocol):
    """Whatever carries an ASGI scope: a request, a connection."""

    scope: Any


@dataclass(slots=True)
class Caller:
    """One request.

    Attributes:
        id: Names the request in the log and in its answer.
        actor: Who asks; None when nobody signed in.
        token: The session's token, when the actor came with one; empty for an API key.
        by_cookie: Whether the browser sent the token by itself, so that a foreign page may have caused the request.
        client: Where it comes from.
        allowed: The origin of another site whose pages may read the answer, or empty.
    """

    id: str
    actor: Actor | None = None
    token: str = ""
    by_cookie: bool = False
    client: Client = NOBODY
    allowed: str = ""


def caller(request: Scoped) -> Caller:
    """Return what is known of a request."""
    return cast("Caller", request.scope[KEY])


def signed_in(request: Scoped) -> Actor:
    """Return who asks.

    Raises:
        Unauthenticated: nobody is signed in.
    """
    actor = caller(request).actor
    if actor is None:
        raise Unauthenticated
    return actor


async def person_only(connection: Scoped, _: Any) -> None:
    """Guard: refuse API keys, and whoever is not signed in (for routes about passwords, sessions and keys)."""
    if signed_in(connection).kind == "integration":
        raise Forbidden("This cannot be done with an API key.")


def header(scope: Any, name: bytes) -> str:
    """Return a request header as text, or empty; `name` in lower case. The first one counts."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value.decode("latin-1"))
    return ""
