"""The security log, for whoever has the capability audit.read."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from litestar import Response

from xrm.builtin.people.security_log import EVENTS, PAGE
from xrm.errors import Forbidden, Malformed, NotFound
from xrm.web.pages.account import program
from xrm.web.render import Renderer
from xrm.web.visit import PageVisit, url


async def security_log(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Show events, the newest first."""
    event = visit.parameter("event")
    event = event if event in EVENTS else ""
    user, before = _id(visit, "user"), _id(visit, "before")
    try:
        entries = await visit.site.accounts.log.read(visit.actor, event, user, before)
    except Forbidden:
        raise NotFound("There is no such page.") from None
    older = url("/security-log", event=event, user=user, before=entries[-1].id) if len(entries) == PAGE else ""
    words = {"title": "Security log", "entries": entries, "events": EVENTS, "event": event, "user": user}
    return render.page(visit, "security_log.html", older=older, program=program, **words)


def _id(visit: PageVisit, name: str) -> UUID | None:
    text = visit.parameter(name)
    try:
        return UUID(text) if text else None
    except ValueError:
        raise Malformed(f"The parameter {name!r} cannot be read.") from None
