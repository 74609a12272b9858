"""Sign in, sign out, and one's own account: password, sessions, API keys."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from litestar import Response

from xrm.builtin.people.accounts import Session
from xrm.builtin.people.factors import SecondFactorNeeded
from xrm.errors import Conflict, Invalid, Issue, Malformed, NotFound, TooManyRequests, Unauthenticated
from xrm.http.auth import device_cookie, from_device, session_cookie
from xrm.web.render import Notice, Renderer, go
from xrm.web.sent import Sent, body
from xrm.web.visit import PageVisit

SIGN_IN = "sign_in.html"


def local_path(text: str) -> str:
    """Return a path of this site, or ``/`` when the text is anything else: no page sends people to another site."""
    safe = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable() and "\\" not in text
    return text if safe else "/"


async def sign_in_page(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Ask who is there."""
    back = local_path(visit.parameter("next"))
    if visit.someone is not None:
        return go(visit, back)
    return render.bare(SIGN_IN, 200, **_sign_in_words(visit, back))


async def sign_in(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Open a session."""
    sent = Sent(await body(visit))
    back, email = local_path(sent.word("next")), sent.word("email").strip()
    try:
        token, session = await visit.site.accounts.sign_in(email, sent.word("password"), from_device(visit.request))
    except SecondFactorNeeded as needed:
        return _ask_code(visit, render, back, needed.details["pending"])
    except Unauthenticated:
        problem = "E-mail address and password do not belong together."
        return render.bare(SIGN_IN, 401, **_sign_in_words(visit, back, email, problem))
    except TooManyRequests as error:
        minutes = -(-int(error.details.get("retry_after", 60)) // 60)
        problem = f"Too many failed attempts. Try again in {minutes} minute{'s' if minutes > 1 else ''}."
        return render.bare(SIGN_IN, 429, **_sign_in_words(visit, back, email, problem))
    return await let_in(visit, back, token, session)


async def sign_in_code(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Open a session of whoever gave the right password, and now a code."""
    sent = Sent(await body(visit))
    back, pending = local_path(sent.word("next")), sent.word("pending")
    try:
        token, session = await visit.site.accounts.finish(pending, sent.word("code"), from_device(visit.request))
    except Conflict as error:
        return render.bare(SIGN_IN, 409, **_sign_in_words(visit, back, "", error.message))
    except Unauthenticated as error:
        return _ask_code(visit, render, back, pending, error.message, 401)
    except TooManyRequests:
        return _ask_code(visit, render, back, pending, "Too many wrong codes. Try again in some minutes.", 429)
    return await let_in(visit, back, token, session)


def _ask_code(
    visit: PageVisit, render: Renderer, back: str, pending: str, problem: str = "", status: int = 200
) -> Response[Any]:
    words = {"title": "One more step", "site": visit.settings.title, "next": back, "pending": pending}
    return render.bare("sign_in_code.html", status, **words, problem=problem)


async def let_in(visit: PageVisit, path: str, token: str, session: Session) -> Response[Any]:
    """Return the answer that gives a browser its session; one that was open before ends."""
    if visit.known.token:
        await visit.site.accounts.sign_out(visit.known.token)
    answer = go(visit, path)
    answer.set_cookie(session_cookie(visit.site, token))
    answer.set_cookie(device_cookie(visit.site, visit.site.accounts.attempts.new_device(session.user)))
    return answer


def _sign_in_words(visit: PageVisit, back: str, email: str = "", problem: str = "") -> dict[str, Any]:
    words = {"title": "Sign in", "site": visit.settings.title, "next": back, "email": email, "problem": problem}
    return {**words, "mail": visit.site.accounts.mail.ready, "done": visit.parameter("done") == "password"}


async def sign_out(visit: PageVisit, render: Renderer) -> Response[Any]:
    """End the session."""
    if visit.known.token:
        await visit.site.accounts.sign_out(visit.known.token)
    answer = go(visit, "/sign-in")
    answer.set_cookie(session_cookie(visit.site, ""))
    return answer


# --- one's own account --------------------------------------------------------------------------------------------


async def account_page(visit: PageVisit, render: Renderer, status: int = 200, **more: Any) -> Response[Any]:
    """Show one's own account."""
    user, accounts = _user(visit), visit.site.accounts
    shown: dict[str, Any] = {
        "title": "Your account",
        "sessions": await accounts.sessions(user),
        "current": await accounts.session_id(visit.known.token) if visit.known.token else None,
        "keys": await accounts.api_keys.list(user),
        "program": program,
        "roles": [visit.live.model.roles[r].title for r in sorted(visit.actor.roles) if r in visit.live.model.roles],
        "profile": f"/e/user/{user}" if visit.may("user", "read") else "",
        "factor_since": await accounts.factors.since(user),
        "recovery_left": await accounts.factors.recovery_left(user),
        "issues": {},
        "secret": "",
        "key_title": "",
        "key_days": "90",
    }
    return render.page(visit, "account.html", status, **{**shown, **more})


def _user(visit: PageVisit) -> UUID:
    if visit.actor.id is None:
        raise NotFound("There is no such page.")
    return visit.actor.id


async def change_password(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Give oneself a new password."""
    _user(visit)
    sent = Sent(await body(visit))
    if sent.word("password") != sent.word("again"):
        differ = Issue("again", "not_same", "The two new passwords differ.")
        return await account_page(visit, render, 422, issues=by_path((differ,)))
    try:
        await visit.site.accounts.change_password(
            visit.actor, sent.word("current"), sent.word("password"), visit.known.client, visit.known.token
        )
    except Invalid as error:
        return await account_page(visit, render, 422, issues=by_path(error.issues))
    return go(visit, "/account", Notice("success", "Your password was changed. Your other sessions were ended."))


async def end_session(visit: PageVisit, render: Renderer) -> Response[Any]:
    """End another session of one's own."""
    await visit.site.accounts.end_session(_user(visit), visit.id)
    return go(visit, "/account", Notice("success", "The session was ended."))


async def end_other_sessions(visit: PageVisit, render: Renderer) -> Response[Any]:
    """End all of one's own sessions but this one."""
    await visit.site.accounts.end_sessions(_user(visit), visit.known.token)
    return go(visit, "/account", Notice("success", "All other sessions were ended."))


async def create_key(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Make an API key; its secret is shown on this one page and never again."""
    sent = Sent(await body(visit))
    title, days = sent.word("title"), sent.word("days")
    try:
        secret, _ = await visit.site.accounts.api_keys.create(visit.actor, _user(visit), title, _expiry(visit, days))
    except Invalid as error:
        return await account_page(visit, render, 422, issues=by_path(error.issues), key_title=title, key_days=days)
    return await account_page(visit, render, secret=secret)


def _expiry(visit: PageVisit, days: str) -> datetime | None:
    """Return when a key made now ends: midnight after so many days, or never for an empty text."""
    if not days:
        return None
    if days not in ("30", "90", "365"):
        raise Malformed("The key cannot be made.")
    day: date = visit.now.astimezone(visit.zone).date() + timedelta(days=int(days) + 1)
    return datetime.combine(day, time(), visit.zone).astimezone(UTC)


async def revoke_key(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Make one of one's own API keys worthless."""
    await visit.site.accounts.api_keys.revoke(visit.actor, visit.id)
    return go(visit, "/account", Notice("success", "The key was revoked."))


def program(agent: str) -> str:
    """Return what a browser calls itself in two words: ``Firefox on Windows``; the text itself for other programs."""
    browsers = (
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    )
    systems = (
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    )
    browser = next((name for mark, name in browsers if mark in agent), "")
    system = next((name for mark, name in systems if mark in agent), "")
    return f"{browser} on {system}" if browser and system else agent[:60] or "Unknown program"


def by_path(issues: tuple[Issue, ...]) -> dict[str, list[Issue]]:
    """Return the findings by the input they belong to."""
    found: dict[str, list[Issue]] = {}
    for issue in issues:
        found.setdefault(issue.path, []).append(issue)
    return found
