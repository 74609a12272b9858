"""One's own second factor: setting up an authenticator app, recovery codes, turning it off."""

from __future__ import annotations

from typing import Any

import segno
from litestar import Response

from xrm.builtin.people.factors import APP, Enrolment, secret_groups
from xrm.errors import Conflict, Invalid, TooManyRequests
from xrm.web.pages.account import let_in
from xrm.web.render import Notice, Renderer, go
from xrm.web.sent import Sent, body
from xrm.web.visit import PageVisit

PAGE, TITLE = "factor.html", "Second factor"
TOO_MANY = "Too many wrong codes. Try again in some minutes."


async def factor_page(visit: PageVisit, render: Renderer, status: int = 200, problem: str = "") -> Response[Any]:
    """Show what there is, or how to set an app up."""
    factors = visit.site.accounts.factors
    user = visit.actor.id
    if user is None or await factors.since(user) is None:
        return _enrol(visit, render, factors.begin(visit.actor))
    left = await factors.recovery_left(user)
    return _page(visit, render, status, left=left, problem=problem)


async def confirm(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Turn the app on by its first code; the session goes on under a new id."""
    sent, accounts = Sent(await body(visit)), visit.site.accounts
    pending = sent.word("pending")
    try:
        codes = await accounts.factors.confirm(visit.actor, pending, sent.word("code"))
    except Invalid as error:
        return _enrol(visit, render, accounts.factors.again(visit.actor, pending), error.issues[0].message)
    except Conflict as error:
        return go(visit, "/account/factor", Notice("warning", error.message))
    answer = _page(visit, render, codes=codes)
    if visit.actor.id is not None:
        opened = await let_in(visit, "/", *await accounts.open_session(visit.actor.id, visit.known.client, APP))
        answer.cookies = [*answer.cookies, *opened.cookies]
    return answer


async def renew_codes(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Show new recovery codes, once."""
    code = Sent(await body(visit)).word("code")
    try:
        codes = await visit.site.accounts.factors.renew_codes(visit.actor, code, visit.known.client)
    except Invalid as error:
        return await factor_page(visit, render, 422, error.issues[0].message)
    except TooManyRequests:
        return await factor_page(visit, render, 429, TOO_MANY)
    return _page(visit, render, codes=codes)


async def remove(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Turn the app off."""
    code = Sent(await body(visit)).word("code")
    try:
        await visit.site.accounts.factors.remove(visit.actor, code, visit.known.client)
    except Invalid as error:
        return await factor_page(visit, render, 422, error.issues[0].message)
    except TooManyRequests:
        return await factor_page(visit, render, 429, TOO_MANY)
    return go(visit, "/account", Notice("success", "The second factor is off."))


def _enrol(visit: PageVisit, render: Renderer, enrolment: Enrolment, problem: str = "") -> Response[Any]:
    picture = segno.make(enrolment.uri, error="m").svg_data_uri(scale=4, border=2, light="#fff")
    groups = secret_groups(enrolment.secret)
    status = 422 if problem else 200
    return _page(visit, render, status, enrolment=enrolment, picture=picture, groups=groups, problem=problem)


def _page(visit: PageVisit, render: Renderer, status: int = 200, **words: Any) -> Response[Any]:
    shown = {"title": TITLE, "codes": (), "enrolment": None, "problem": "", "left": 0, **words}
    return render.page(visit, PAGE, status, **shown)
