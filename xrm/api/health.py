"""Whether the site is alive, whether it can serve, and what it counted: for whoever starts and watches the process."""

from __future__ import annotations

import secrets
from typing import Any

from litestar import get

from xrm.builtin.operating.metrics import MEDIA
from xrm.errors import NotFound, XrmError
from xrm.http.answers import Answer, answer
from xrm.http.caller import header
from xrm.http.reading import AnyRequest
from xrm.site import Site

LOCAL = frozenset({"127.0.0.1", "::1"})
FORWARDED = (b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip")


class HealthRoutes:
    """The routes below /health, which tell nothing but yes or no, and /metrics."""

    def __init__(self, site: Site) -> None:
        self._kernel, self._metrics = site.kernel, site.metrics
        self._token = site.settings.metrics_token

    def handlers(self) -> list[Any]:
        """Return the Litestar handlers."""
        return [get("/health/live")(self.live), get("/health/ready")(self.ready), get("/metrics")(self.metrics)]

    async def live(self, request: AnyRequest) -> Answer:
        """Answer that the process runs."""
        return answer({"status": "ok"})

    async def ready(self, request: AnyRequest) -> Answer:
        """Answer whether the database answers and a model is in force."""
        try:
            await self._kernel.store.fetch("SELECT 1")
        except XrmError:
            return answer({"status": "database"}, 503)
        return answer({"status": "ok"}) if self._kernel.ready else answer({"status": "model"}, 503)

    async def metrics(self, request: AnyRequest) -> Answer:
        """Answer with what this process counted, as Prometheus reads it.

        Raises:
            NotFound: the caller has no token, and is not this machine.
        """
        if not self._may(request):
            raise NotFound("There is nothing at this address.")
        return Answer((await self._metrics.text(self._kernel)).encode(), media=MEDIA.encode())

    def _may(self, request: AnyRequest) -> bool:
        if self._token:
            given = header(request.scope, b"authorization").removeprefix("Bearer ")
            return secrets.compare_digest(given.encode(), self._token.encode())
        host = (request.scope.get("client") or ("", 0))[0]
        return host in LOCAL and not any(header(request.scope, name) for name in FORWARDED)
