"""Whether the site is alive, and whether it can serve: for whoever starts and watches the process."""

from __future__ import annotations

from typing import Any

from litestar import get

from xrm.errors import XrmError
from xrm.http.answers import Answer, answer
from xrm.http.reading import AnyRequest
from xrm.site import Site


class HealthRoutes:
    """The routes below /health. They tell nothing but yes or no."""

    def __init__(self, site: Site) -> None:
        self._kernel = site.kernel

    def handlers(self) -> list[Any]:
        """Return the Litestar handlers."""
        return [get("/health/live")(self.live), get("/health/ready")(self.ready)]

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
