"""One ASGI application of all edges, and the process that serves it.

/            pages for people     (xrm.web)
/api, /docs  for integrators      (xrm.api)
/studio      the studio           (a Streamlit app behind the same sign-in; see xrm/studio_mount.py)
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

import uvicorn

from xrm import api, web
from xrm.builtin.operating.log import write_log
from xrm.builtin.people.links import SETUP_HOURS
from xrm.errors import XrmError
from xrm.http import application
from xrm.kernel.change import SYSTEM
from xrm.kernel.kernel import outdated
from xrm.settings import Settings
from xrm.site import Site, open_site
from xrm.studio_mount import with_studio

JOB_SECONDS = 5.0  # how long jobs may take to end after the last request; then another process goes on with them
STOP_SECONDS = 10  # how long requests under way may take to end after a stop was asked for

T = TypeVar("T")

log = logging.getLogger("xrm.server")


def create_app(site: Site, studio: Path | None = None) -> Any:
    """Return the site's ASGI application; `studio` is the folder of the studio, None leaves it out."""
    app = application(site, [*api.routes(site), *web.routes(site)])
    return app if studio is None else with_studio(app, site, studio)


def run(settings: Settings, studio: Path | None, announce: Callable[[str], None], jobs: int) -> int:
    """Serve the site until Ctrl-C or SIGTERM; return the exit code.

    Args:
        settings: How to serve it.
        studio: Folder of the studio; None leaves it out.
        announce: Told the address once the site listens.
        jobs: Jobs it runs at the same time; 0 leaves them to `xrm work`.

    Raises:
        Unavailable: the database cannot be reached, or the platform's own tables in it are of an earlier version.
        ModelError: there is no model in force yet, and the definitions are not valid.
    """

    async def serve() -> int:
        async with open_site(settings) as site:
            await _ensure_model(site)
            words = (_address(settings, studio), *await _first_words(site))
            return await _serve(site, create_app(site, studio), jobs, lambda: _each(announce, words))

    write_log(settings)
    return _run(serve())


def prepare(settings: Settings) -> tuple[str, ...]:
    """Put a first model in force, if there is none; return what is to be announced once the site is served.

    Raises:
        Unavailable, ModelError: as `run`.
    """

    async def look() -> tuple[str, ...]:
        async with open_site(settings) as site:
            await _ensure_model(site)
            return (_address(settings, None), *await _first_words(site))

    write_log(settings)
    return _run(look())


def serve_on(settings: Settings, port: socket.socket, jobs: int, started: Callable[[], None]) -> int:
    """Serve the site, without the studio, on a port that is open already; `started` is called once it listens."""

    async def serve() -> int:
        async with open_site(settings) as site:
            return await _serve(site, create_app(site), jobs, started, [port])

    write_log(settings)
    return _run(serve())


def _each(announce: Callable[[str], None], words: Sequence[str]) -> None:
    for text in words:
        announce(text)


def _run(main: Coroutine[Any, Any, T]) -> T:
    """Run on uvloop where there is one: about a tenth less CPU per request."""
    if sys.platform == "win32":
        return asyncio.run(main)
    import uvloop  # noqa: PLC0415  # not on Windows

    return uvloop.run(main)


async def _serve(
    site: Site, app: Any, jobs: int, started: Callable[[], None], ports: list[socket.socket] | None = None
) -> int:
    site.kernel.watch()
    site.kernel.jobs.start(jobs)
    config = uvicorn.Config(
        app,
        site.settings.host,
        site.settings.port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=STOP_SECONDS,
        server_header=False,
        date_header=False,
        proxy_headers=False,
    )
    server = _Server(config, started)
    await server.serve(ports)
    await site.kernel.jobs.stop(JOB_SECONDS)
    return 0 if server.started else 1


def _address(settings: Settings, studio: Path | None) -> str:
    address = f"http://{settings.host}:{settings.port}"
    return f"{settings.title} is at {address}  ({f'studio: {address}/studio; ' if studio else ''}Ctrl-C stops it)"


async def _ensure_model(site: Site) -> None:
    """Put the definitions in force on a first start; later starts leave changes to `xrm apply`, and say so."""
    if site.kernel.lacking:
        raise outdated(site.kernel.lacking)
    if not site.kernel.ready:
        await site.kernel.apply(SYSTEM, site.kernel.sources())
        return
    for issue in site.kernel.plugins.issues:
        log.warning("%s", issue)
    try:
        plan = await site.kernel.plan(site.kernel.sources())
    except XrmError as error:
        log.warning("The definitions on disk are not valid; the last good model stays in force. %s", error)
        return
    if not plan.empty:
        log.warning("The definitions on disk differ from the model in force: see `xrm plan`.")


async def _first_words(site: Site) -> tuple[str, ...]:
    """Return how the first administrator comes in; nothing when somebody can sign in already."""
    link = await site.accounts.links.set_up()
    if not link:
        return ()
    return (f"Nobody can sign in yet. Open this to set the site up (once, within {SETUP_HOURS} hours):\n  {link}",)


class _Server(uvicorn.Server):
    """uvicorn's server, telling when it listens."""

    def __init__(self, config: uvicorn.Config, told: Callable[[], None]) -> None:
        super().__init__(config)
        self._told = told

    async def startup(self, sockets: list[Any] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._told()

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Stop at the first signal; a second one does not wait for requests under way."""
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True
