"""The table of pages: method, path, function. Everything a person opens is here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from litestar import HttpMethod, Request, Response, Router
from litestar.exceptions import InternalServerException
from litestar.handlers import HTTPRouteHandler
from litestar.static_files import create_static_files_router
from litestar.types import Empty

from xrm.errors import NotFound
from xrm.http.caller import caller
from xrm.http.problems import handle
from xrm.site import Site
from xrm.web.pages import (
    account,
    accounts,
    board,
    bulk,
    edit,
    errors,
    factor,
    home,
    imports,
    jobs,
    lists,
    preview,
    privacy,
    record,
    search,
    security,
    share,
    undo,
    welcome,
)
from xrm.web.render import STATIC, Renderer
from xrm.web.visit import PageVisit

Page = Callable[[PageVisit, Renderer], Awaitable[Response[Any]]]

PAGES: tuple[tuple[str, str, Page], ...] = (
    ("GET", "/", home.home_page),
    ("GET", "/sign-in", account.sign_in_page),
    ("POST", "/sign-in", account.sign_in),
    ("POST", "/sign-in/code", account.sign_in_code),
    ("POST", "/sign-out", account.sign_out),
    ("GET", "/account/factor", factor.factor_page),
    ("POST", "/account/factor", factor.confirm),
    ("POST", "/account/factor/codes", factor.renew_codes),
    ("POST", "/account/factor/remove", factor.remove),
    ("POST", "/accounts/{id:uuid}/factor/reset", accounts.reset_factor),
    ("GET", "/set-up/{token:str}", welcome.set_up_page),
    ("POST", "/set-up/{token:str}", welcome.set_up),
    ("GET", "/invitation/{token:str}", welcome.choose_page),
    ("POST", "/invitation/{token:str}", welcome.choose),
    ("GET", "/new-password/{token:str}", welcome.choose_page),
    ("POST", "/new-password/{token:str}", welcome.choose),
    ("GET", "/forgot", welcome.forgot_page),
    ("POST", "/forgot", welcome.forgot),
    ("GET", "/accounts/{id:uuid}", accounts.account_of),
    ("POST", "/accounts/{id:uuid}/link", accounts.make_link),
    ("POST", "/accounts/{id:uuid}/sessions/end", accounts.end_sessions),
    ("POST", "/accounts/{id:uuid}/keys/{key:uuid}/revoke", accounts.revoke_key),
    ("GET", "/account", account.account_page),
    ("POST", "/account/password", account.change_password),
    ("POST", "/account/sessions/{id:uuid}/end", account.end_session),
    ("POST", "/account/sessions/end", account.end_other_sessions),
    ("POST", "/account/keys", account.create_key),
    ("POST", "/account/keys/{id:uuid}/revoke", account.revoke_key),
    ("GET", "/security-log", security.security_log),
    ("GET", "/search", search.search_page),
    ("GET", "/search/quick", search.quick),
    ("GET", "/jobs", jobs.jobs_page),
    ("POST", "/jobs/{id:uuid}/retry", jobs.retry),
    ("POST", "/jobs/{id:uuid}/cancel", jobs.cancel),
    ("POST", "/preview", preview.preview),
    ("GET", "/e/{entity:str}", lists.list_page),
    ("GET", "/e/{entity:str}/lookup", lists.lookup),
    ("GET", "/e/{entity:str}/board", board.board_page),
    ("GET", "/e/{entity:str}/trash", edit.trash_page),
    ("POST", "/e/{entity:str}/bulk", bulk.bulk),
    ("GET", "/e/{entity:str}/import", imports.import_page),
    ("POST", "/e/{entity:str}/import", imports.send),
    ("GET", "/e/{entity:str}/import/map", imports.map_page),
    ("POST", "/e/{entity:str}/import/try", imports.rehearse),
    ("POST", "/e/{entity:str}/import/run", imports.start),
    ("GET", "/e/{entity:str}/import/{id:uuid}", imports.run_page),
    ("GET", "/e/{entity:str}/import/{id:uuid}/refused", imports.refused),
    ("GET", "/e/{entity:str}/new", edit.new_page),
    ("POST", "/e/{entity:str}/new", edit.create),
    ("GET", "/e/{entity:str}/{id:uuid}", record.record_page),
    ("GET", "/e/{entity:str}/{id:uuid}/history", record.history_page),
    ("GET", "/e/{entity:str}/{id:uuid}/privacy", privacy.privacy_page),
    ("POST", "/e/{entity:str}/{id:uuid}/privacy", privacy.erase),
    ("GET", "/e/{entity:str}/{id:uuid}/undo/{change:uuid}", undo.undo_page),
    ("POST", "/e/{entity:str}/{id:uuid}/undo/{change:uuid}", undo.undo),
    ("GET", "/e/{entity:str}/{id:uuid}/edit", edit.edit_page),
    ("POST", "/e/{entity:str}/{id:uuid}/edit", edit.save),
    ("GET", "/e/{entity:str}/{id:uuid}/delete", edit.delete_page),
    ("POST", "/e/{entity:str}/{id:uuid}/delete", edit.delete),
    ("POST", "/e/{entity:str}/{id:uuid}/restore", edit.restore),
    ("POST", "/e/{entity:str}/{id:uuid}/place", board.place),
    ("GET", "/e/{entity:str}/{id:uuid}/shares", share.share_page),
    ("POST", "/e/{entity:str}/{id:uuid}/shares", share.give),
    ("POST", "/e/{entity:str}/{id:uuid}/shares/{share:uuid}/end", share.take_back),
    ("GET", "/e/{entity:str}/{id:uuid}/do/{action:str}", record.action_page),
    ("POST", "/e/{entity:str}/{id:uuid}/do/{action:str}", record.act),
    ("GET", "/{rest:path}", errors.nowhere),
)

# Their forms bring files:
UPLOADING = frozenset({"/e/{entity:str}/new", "/e/{entity:str}/{id:uuid}/edit", "/e/{entity:str}/import"})
# Reached without having signed in:
OPEN = frozenset({"/sign-in", "/sign-in/code", "/sign-out", "/forgot", "/{rest:path}", *welcome.PATHS})


def routes(site: Site) -> list[Any]:
    """Return the pages of a site as Litestar routes, with the files they need."""
    render = Renderer()

    def make_visit(request: Request[Any, Any, Any]) -> PageVisit:
        return PageVisit(site, request, caller(request))

    largest = site.settings.max_body + site.settings.max_file
    handlers = [_handler(method, path, page, render, make_visit, largest) for method, path, page in PAGES]
    pages = Router("/", route_handlers=handlers, exception_handlers={Exception: errors.handler(render, make_visit)})
    files = create_static_files_router(
        "/static",
        [STATIC],
        cache_control=None,
        after_request=_keep,
        exception_handlers={InternalServerException: _no_file, ValueError: _no_file},
    )
    return [pages, files]


def _handler(
    method: str,
    path: str,
    page: Page,
    render: Renderer,
    make_visit: Callable[[Request[Any, Any, Any]], PageVisit],
    largest: int,
) -> HTTPRouteHandler:
    async def answer(request: Request[Any, Any, Any]) -> Response[Any]:
        visit = make_visit(request)
        if path not in OPEN:
            _ = visit.actor  # whoever is not signed in goes no further: asked here, for every page there will be
        return await page(visit, render)

    methods = [HttpMethod.GET, HttpMethod.HEAD] if method == "GET" else [HttpMethod(method)]
    limit = largest if path in UPLOADING else Empty
    return HTTPRouteHandler(
        path, http_method=methods, name=f"{method} {path}", status_code=200, request_max_body_size=limit
    )(answer)


def _no_file(request: Request[Any, Any, Any], _: Exception) -> Any:
    """Answer a name the file system does not take (too long, a NUL, below a file) as one that is not there."""
    return handle(request, NotFound("There is nothing at this address."))


async def _keep(response: Any) -> Any:
    """Let browsers keep the files: their URLs change with their content."""
    response.headers["cache-control"] = "public, max-age=31536000, immutable"
    return response
