"""Errors as pages in the site's look; a part of a page gets a part back, which htmx puts where it was asked for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException

from xrm.errors import Issue, NotFound, Unauthenticated, XrmError
from xrm.http.caller import caller
from xrm.http.problems import handle, unforeseen, where
from xrm.web.render import Renderer, html
from xrm.web.visit import PageVisit, url

NOT_PAGES = ("/api/", "/docs", "/openapi", "/health", "/metrics", "/static/", "/studio")
_TITLES: Mapping[int, tuple[str, str, str]] = MappingProxyType(
    {
        400: ("question-circle", "This request cannot be read", "A link may be incomplete. Go back and try again."),
        403: ("shield-lock", "You may not do this", "If you need it for your work, ask whoever administers this site."),
        404: ("signpost-split", "Nothing here", "It may have been deleted, or it is not yours to see."),
        405: ("signpost-split", "Nothing here", "This address does not take such a request."),
        413: ("file-earmark-x", "Too large", "What you sent is larger than this site takes."),
        429: ("hourglass-split", "Too many requests", "Wait a moment, then try again."),
        500: (
            "bug",
            "Something went wrong here",
            "It was written down and will be looked at. Nothing of yours was half done.",
        ),
        503: ("cloud-slash", "Not available just now", "Try again in a moment. Nothing of yours was lost."),
    }
)
log = logging.getLogger("xrm.web")


def handler(render: Renderer, make_visit: Callable[[Request[Any, Any, Any]], PageVisit]) -> Callable[..., Any]:
    """Return the Litestar exception handler of the pages."""

    def answer(request: Request[Any, Any, Any], error: Exception) -> Any:
        if request.url.path.startswith(NOT_PAGES):
            return handle(request, error)
        asked = make_visit(request)
        if isinstance(error, Unauthenticated):
            return _to_sign_in(asked)
        return _page(asked, render, error)

    return answer


def _to_sign_in(visit: PageVisit) -> Response[Any]:
    """Return the way to the sign-in page, and from there back."""
    request = visit.request
    back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    target = url("/sign-in", next=back if request.method == "GET" and not visit.partial and back != "/" else "")
    if visit.partial:
        return html("", 200, hx_redirect=target)
    return Response("", status_code=303, headers={"location": target, "cache-control": "no-store"})


def _page(asked: PageVisit, render: Renderer, error: Exception) -> Response[Any]:
    status, message, issues = _facts(asked.request, error)
    icon, title, text = _TITLES.get(status, _TITLES[400 if status < 500 else 503 if status in (503, 507) else 500])
    shown: dict[str, Any] = {
        "status": status,
        "title": title,
        "icon": icon,
        "text": text,
        "message": message if message != title else "",
        "issues": issues,
        "request_id": caller(asked.request).id if status >= 500 else "",
        "site": asked.settings.title,
    }
    if asked.partial:
        return html(
            render.environment.get_template("problem.html").render(shown),
            status,
            hx_retarget="#problems",
            hx_reswap="beforeend",
        )
    if asked.someone is None or not asked.kernel.ready or status >= 500:
        return render.bare("error_bare.html", status, **shown)
    return render.page(asked, "error.html", status, **shown)


def _facts(request: Request[Any, Any, Any], error: Exception) -> tuple[int, str, tuple[Issue, ...]]:
    if isinstance(error, XrmError):
        if error.status >= 500:
            log.warning("request=%s code=%s %s", caller(request).id, error.code, error.message)
        return error.status, error.message, error.issues
    if isinstance(error, HTTPException) and error.status_code < 500:
        return error.status_code, "", ()
    unforeseen(error, caller(request).id, where(request.scope))
    return 500, "", ()


async def nowhere(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Answer an address where there is nothing."""
    raise NotFound("There is no such page.")
