"""One ASGI application of any routes: Edge around everything, then compression, Identify before each handler."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar import Litestar

from xrm.builtin.people.throttle import Throttle
from xrm.http.auth import WINDOW, Identify
from xrm.http.compression import Compression
from xrm.http.headers import Edge
from xrm.http.problems import handle
from xrm.site import Site


def application(site: Site, handlers: Sequence[Any]) -> Edge:
    """Return the ASGI application that serves `handlers`.

    Args:
        site: The running site.
        handlers: Litestar route handlers and routers.
    """
    limits = Throttle(site.settings.rate_limit, WINDOW, lambda: site.kernel.clock().timestamp())
    inner = Litestar(
        list(handlers),
        middleware=[lambda app: Identify(app, site, limits)],
        exception_handlers={Exception: handle},  # type: ignore[dict-item]  # an Answer is all Litestar asks for
        request_max_body_size=site.settings.max_body,
        openapi_config=None,
        logging_config=None,
    )
    return Edge(Compression(inner), site.settings, site.metrics)
