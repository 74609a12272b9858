"""The studio under /studio: a Streamlit app in the same process, behind the site's own sign-in.

Only whoever is signed in and has the capability `model.read` reaches it, over HTTP and WebSocket alike. The mount
hands it no identity: the studio is a client of /api with the visitor's own session, and the API decides again on
every request, so no header from outside needs to be trusted. Streamlit is loaded by the first request to /studio; a
site without it serves everything else.
"""

from __future__ import annotations

import asyncio
import contextvars
import html
import logging
import sys
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from re import DOTALL, findall, sub
from typing import Any
from urllib.parse import quote, urlsplit

from xrm.errors import Unavailable, XrmError
from xrm.http.answers import Answer
from xrm.http.auth import cookie_name, cookie_of
from xrm.http.caller import header
from xrm.http.headers import Edge
from xrm.http.problems import problem
from xrm.kernel.change import Actor
from xrm.site import Site

PREFIX = "/studio"
CAPABILITY = "model.read"
MISSING = "The studio needs Streamlit, which is not installed here: pip install 'xrm[studio]'."
SERVER_LOGS = ("uvicorn", "uvicorn.access", "uvicorn.asgi", "uvicorn.error", "websockets")
HTML = b"text/html; charset=utf-8"
SHUT = 4403  # WebSocket close code: refused

log = logging.getLogger("xrm.studio")

_SETTINGS = f"window.__streamlit = {{BACKEND_BASE_URL: location.origin + '{PREFIX}'}}"
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="/static/vendor/bootstrap.min.css"></head>
<body class="bg-body-tertiary"><main class="container py-5"><h1 class="h3">{title}</h1><p>{message}</p>
<p><a class="btn btn-primary" href="/">Back to the workspace</a></p></main></body></html>"""


def with_studio(app: Edge, site: Site, folder: Path) -> Edge:
    """Return the site's application with the studio beside it.

    Args:
        app: The application of pages and API.
        site: The running site.
        folder: Where the studio's app.py is.
    """
    return Edge(StudioMount(app.app, site, folder), site.settings, site.metrics)


class StudioMount:
    """Sends what is below /studio to Streamlit, and everything else on."""

    def __init__(self, app: Any, site: Site, folder: Path) -> None:
        self._app, self._site = app, site
        self._studio = Studio(site, folder)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request, WebSocket or lifespan."""
        if scope["type"] == "lifespan":
            await self._app(scope, self._studio.closing(receive), send)
        elif scope["path"] == PREFIX or scope["path"].startswith(f"{PREFIX}/"):
            await self._serve(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            actor = await self._actor(scope)
            if actor is None or scope["path"] == PREFIX:
                answer: Answer | None = _elsewhere(scope, actor)
            else:
                self._site.kernel.live.policy.authorise(actor, CAPABILITY)
                answer = await self._studio.open(scope)
        except XrmError as error:
            answer = _error_page(error)
        if answer is None:
            await self._studio.serve(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()  # the handshake
            await send({"type": "websocket.close", "code": SHUT})
        else:
            await answer(scope, receive, send)

    async def _actor(self, scope: Any) -> Actor | None:
        if scope["type"] == "websocket" and not _same_origin(scope):
            return None
        token = cookie_of(scope, cookie_name(self._site))
        return await self._site.accounts.session(token, "studio") if token else None


def _same_origin(scope: Any) -> bool:
    """Whether a page of this site opens the WebSocket: browsers send cookies with those of any page."""
    return urlsplit(header(scope, b"origin")).netloc.lower() == header(scope, b"host").lower() != ""


def _elsewhere(scope: Any, actor: Actor | None) -> Answer:
    """Return the way to the studio's first page, or to the sign-in and from there back."""
    if actor is not None:
        return Answer(b"", 307, headers={"location": f"{PREFIX}/"})
    if not _wants_page(scope):
        return problem(401, "unauthenticated", "Please sign in")
    asked = scope["path"] + ("?" + scope["query_string"].decode("latin-1") if scope["query_string"] else "")
    return Answer(b"", 303, headers={"location": f"/sign-in?next={quote(asked, safe='')}"})


def _wants_page(scope: Any) -> bool:
    """Whether a browser asks for a page to show, not for a part of one."""
    return scope["type"] == "http" and scope["method"] == "GET" and "text/html" in header(scope, b"accept")


def _error_page(error: XrmError) -> Answer:
    text = _PAGE.format(title=html.escape(error.title), message=html.escape(error.message))
    return Answer(text.encode(), error.status, HTML)


class Studio:
    """One Streamlit app: made by the first request, ended with the site, both in one task of its own."""

    def __init__(self, site: Site, folder: Path) -> None:
        self._site, self._folder = site, folder
        self._page, self._policy = b"", b""
        self._lock = asyncio.Lock()
        self._stop = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._app: Any = None

    async def open(self, scope: Any) -> Answer | None:
        """Return the page the studio runs in, or None for what Streamlit answers itself; start it if need be.

        Raises:
            Unavailable: Streamlit or the studio's files are not there, or it does not start.
        """
        async with self._lock:
            if self._app is None:
                self._app = await self._start(_address(scope))
        if not _wants_page(scope):
            return None
        return Answer(self._page, 200, HTML, {"content-security-policy": self._policy.decode()})

    async def serve(self, scope: Any, receive: Any, send: Any) -> None:
        """Let Streamlit answer."""

        async def guarded(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"content-security-policy", self._policy)]
            await send(message)

        await self._app(scope, receive, guarded)

    async def _start(self, address: str) -> Any:
        script = self._folder / "app.py"
        if not script.is_file():
            raise Unavailable(f"There is no studio here: {script} is missing.")
        made = await asyncio.to_thread(_make, script, {"folder": str(self._site.settings.folder), "address": address})
        self._page, self._policy = await asyncio.to_thread(_page_and_policy)
        started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._running = asyncio.create_task(self._run(made, started), context=contextvars.Context())
        await started
        return made

    async def _run(self, made: Any, started: asyncio.Future[None]) -> None:
        try:
            async with made.lifespan()(made):
                started.set_result(None)
                await self._stop.wait()
        except Exception as error:
            log.exception("The studio stopped.")
            if not started.done():
                started.set_exception(Unavailable(f"The studio does not start: {error}"))

    def closing(self, receive: Any) -> Any:
        """Return a `receive` of a lifespan that ends the studio before the site hears of its own end."""

        async def close() -> Any:
            message = await receive()
            if message["type"] == "lifespan.shutdown" and self._running is not None:
                self._stop.set()
                await self._running
            return message

        return close


def _address(scope: Any) -> str:
    """Return where this process listens, for the studio's own requests."""
    host, port = scope["server"]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _make(script: Path, settings: dict[str, Any]) -> Any:
    """Return the Streamlit app, not started. Takes a second or two: Streamlit is large."""
    kept = {name: _logging_of(name) for name in SERVER_LOGS}
    try:
        import streamlit  # noqa: PLC0415 - only a site whose studio is used pays for it
    except ImportError:
        raise Unavailable(MISSING) from None
    root = str(script.parent.parent)  # the studio is a package of this folder
    if root not in sys.path:
        sys.path.append(root)
    made = streamlit.App(script, secrets={"site": settings})
    streamlit.config.get_config_options()  # reads config.toml beside the script now: that is when it sets up logging
    for name, (level, propagate, handlers) in kept.items():  # Streamlit takes the server's loggers over
        logger = logging.getLogger(name)
        logger.level, logger.propagate, logger.handlers = level, propagate, handlers
    return made


def _logging_of(name: str) -> tuple[int, bool, list[logging.Handler]]:
    logger = logging.getLogger(name)
    return logger.level, logger.propagate, list(logger.handlers)


def _page_and_policy() -> tuple[bytes, bytes]:
    """Return Streamlit's page, told where its server is, and the Content-Security-Policy it needs.

    Told so, it need not try every folder of the address. Its inline scripts are allowed by their hashes; blob: is for
    the scripts of our own components, which Streamlit loads that way.
    """
    import streamlit  # noqa: PLC0415

    page = (Path(streamlit.__file__).parent / "static" / "index.html").read_text("utf-8")
    page = sub(r"<link\s+rel=\"preload\"[^>]*>", "", page)  # of a font that our theme does not use
    page = page.replace("<title>Streamlit</title>", f"<title>Studio</title>\n    <script>{_SETTINGS}</script>")
    scripts = findall(r"<script>(.*?)</script>", page, DOTALL)
    hashes = "".join(f" 'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in scripts)
    policy = (
        f"default-src 'self'; script-src 'self'{hashes} blob:; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
        "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
    )
    return page.encode(), policy.encode()
