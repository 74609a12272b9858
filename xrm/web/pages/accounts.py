"""The account of another user: their links, sessions and API keys, for whoever looks after them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from litestar import Response

from xrm.builtin.people.links import INVITATION
from xrm.errors import Forbidden, NotFound
from xrm.web.pages.account import program
from xrm.web.render import Notice, Renderer, go
from xrm.web.visit import PageVisit


async def account_of(visit: PageVisit, render: Renderer, **more: Any) -> Response[Any]:
    """Show a user's account."""
    user = await _user(visit)
    accounts = visit.site.accounts
    record = await visit.records.get(visit.actor, "user", user)
    actor = await accounts.actor_for(user)
    _, hashed = await accounts.credential(actor.user["email"]) if actor else (None, None)
    shown: dict[str, Any] = {
        "title": f"Account of {record.get('label')}",
        "record": record,
        "active": actor is not None,
        "invited": hashed is None,
        "sessions": await accounts.sessions(user),
        "factor_since": await accounts.factors.since(user),
        "keys": await accounts.api_keys.list(user),
        "program": program,
        "mail": accounts.mail.ready,
        "link": "",
        "problem": "",
    }
    return render.page(visit, "account_of.html", **{**shown, **more})


async def make_link(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Invite the user, or let them choose a new password; a link that is not mailed is shown on this one page."""
    user = await _user(visit)
    handed = await visit.site.accounts.links.hand(visit.actor, user)
    if handed.url:
        return await account_of(visit, render, link=handed.url, problem=handed.problem)
    what = "An invitation" if handed.purpose == INVITATION else "A link for a new password"
    return go(visit, f"/accounts/{user}", Notice("success", f"{what} was mailed."))


async def end_sessions(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Sign the user out everywhere."""
    user = await _user(visit)
    await visit.site.accounts.end_sessions(user)
    await visit.site.accounts.log.note("sessions_ended", user, visit.actor)
    return go(visit, f"/accounts/{user}", Notice("success", "All sessions were ended."))


async def reset_factor(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Take away the authenticator app of a user who has lost it."""
    user = await _user(visit)
    await visit.site.accounts.factors.reset(visit.actor, user)
    return go(visit, f"/accounts/{user}", Notice("success", "The second factor was taken away; all sessions ended."))


async def revoke_key(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Make one of the user's API keys worthless."""
    user = await _user(visit)
    await visit.site.accounts.api_keys.revoke(visit.actor, visit.request.path_params["key"])
    return go(visit, f"/accounts/{user}", Notice("success", "The key was revoked."))


async def _user(visit: PageVisit) -> UUID:
    """Return the user in the path, whom the actor must look after; for others there is no such page."""
    try:
        await visit.site.accounts.authorise_person(visit.actor, visit.id)
    except Forbidden:
        raise NotFound("There is no such page.") from None
    return visit.id
