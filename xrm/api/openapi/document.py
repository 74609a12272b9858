"""The whole document."""

from __future__ import annotations

from xrm.api.openapi.components import components
from xrm.api.openapi.entities import make_part
from xrm.api.openapi.parts import Json
from xrm.api.openapi.system import private_paths, public_paths
from xrm.kernel.change import Actor
from xrm.kernel.live import Live

ABOUT = (
    "Records in JSON: times are RFC 3339 in UTC, decimals are strings, money is an amount with its currency, a "
    "relation is an id with a label. Errors are problem+json. What you may not read does not exist for you."
)


def make_document(title: str, version: str, cookie: str, live: Live | None, actor: Actor | None) -> Json:
    """Return the OpenAPI 3.1 document for an actor's roles.

    Args:
        title: Name of the site.
        version: Version of the software.
        cookie: Name of the session cookie.
        live: The generation it is about; None before the first.
        actor: Who asks; None sees what everybody may: how to sign in.
    """
    common = components(cookie)
    paths = public_paths()
    if actor is not None and live is not None:
        paths |= private_paths()
        for entity in live.policy.entities(actor):
            if not entity.removed:
                part = make_part(live, actor, entity)
                paths |= part.paths
                common["schemas"] |= part.schemas
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": f"{version}+{live.generation}" if live else version, "description": ABOUT},
        "servers": [{"url": "/"}],
        "security": [{"key": []}, {"session": []}],
        "paths": paths,
        "components": common,
    }
