"""Pages of those who cannot sign in yet: the set-up of a new site, invitations, a new password."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from litestar import Response

from xrm.builtin.people.links import INVITATION, PASSWORD, SETUP
from xrm.errors import Invalid, Issue, NotFound
from xrm.web.pages.account import by_path, let_in
from xrm.web.render import Renderer, go
from xrm.web.sent import Sent, body
from xrm.web.visit import PageVisit

PATHS = ("/set-up/{token:str}", "/invitation/{token:str}", "/new-password/{token:str}")
PAGE, FORGOT = "welcome.html", "forgot.html"
_TITLES = {SETUP: "Set up this site", INVITATION: "Choose your password", PASSWORD: "Choose a new password"}


async def set_up_page(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Ask for the first administrator of a new site."""
    await visit.site.accounts.links.look(SETUP, _token(visit))
    return _page(visit, render, SETUP)


async def set_up(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Make the first administrator and let them in."""
    sent = Sent(await body(visit))
    name, email, password = sent.word("name"), sent.word("email"), sent.word("password")
    if differ := _differ(sent):
        await visit.site.accounts.links.look(SETUP, _token(visit))
        return _page(visit, render, SETUP, differ, name=name, email=email)
    try:
        user = await visit.site.accounts.links.begin(_token(visit), name, email, password)
    except Invalid as error:
        return _page(visit, render, SETUP, error.issues, name=name, email=email)
    return await _let_in(visit, user)


async def choose_page(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Ask an invited user, or one who forgot it, for a password."""
    purpose = _purpose(visit)
    link = await visit.site.accounts.links.look(purpose, _token(visit))
    return _page(visit, render, purpose, email=link.email)


async def choose(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Give them the password; who was invited is let in, others sign in with it."""
    purpose, links = _purpose(visit), visit.site.accounts.links
    link = await links.look(purpose, _token(visit))
    sent = Sent(await body(visit))
    if differ := _differ(sent):
        return _page(visit, render, purpose, differ, email=link.email)
    try:
        user = await links.choose(purpose, _token(visit), sent.word("password"))
    except Invalid as error:
        return _page(visit, render, purpose, error.issues, email=link.email)
    if purpose == INVITATION:
        return await _let_in(visit, user)
    return go(visit, "/sign-in?done=password")


async def forgot_page(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Ask whose password was forgotten."""
    if not visit.site.accounts.mail.ready:
        raise NotFound("There is no such page.")
    return render.bare(FORGOT, 200, title="Forgot your password?", site=visit.settings.title, asked=False)


async def forgot(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Mail a link, if the address is a user's; the answer is the same in any case."""
    if not visit.site.accounts.mail.ready:
        raise NotFound("There is no such page.")
    email = Sent(await body(visit)).word("email")
    await visit.site.accounts.links.forgot(email, visit.known.client)
    return render.bare(FORGOT, 200, title="Look into your mail", site=visit.settings.title, asked=True)


def _token(visit: PageVisit) -> str:
    return str(visit.request.path_params["token"])[:200]


def _purpose(visit: PageVisit) -> str:
    return INVITATION if visit.path.startswith("/invitation/") else PASSWORD


def _differ(sent: Sent) -> tuple[Issue, ...]:
    same = sent.word("password") == sent.word("again")
    return () if same else (Issue("again", "not_same", "The two passwords differ."),)


def _page(
    visit: PageVisit, render: Renderer, purpose: str, issues: tuple[Issue, ...] = (), name: str = "", email: str = ""
) -> Response[Any]:
    words = {"title": _TITLES[purpose], "site": visit.settings.title, "issues": by_path(issues)}
    status = 422 if issues else 200
    return render.bare(PAGE, status, action=visit.path, first=purpose == SETUP, name=name, email=email, **words)


async def _let_in(visit: PageVisit, user: UUID) -> Response[Any]:
    return await let_in(visit, "/", *await visit.site.accounts.open_session(user, visit.known.client))
