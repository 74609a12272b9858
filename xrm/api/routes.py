"""All routes of the API, put together."""

from __future__ import annotations

from typing import Any

from xrm.api.bulk import BulkRoutes
from xrm.api.changes import ChangeRoutes
from xrm.api.docs import DocsRoutes
from xrm.api.editing import EditRoutes
from xrm.api.health import HealthRoutes
from xrm.api.jobs import JobRoutes
from xrm.api.model import ModelRoutes
from xrm.api.odata.feed import ODataRoutes
from xrm.api.once import Writes
from xrm.api.package import PackageRoutes
from xrm.api.past import PastRoutes
from xrm.api.privacy import PrivacyRoutes
from xrm.api.records import RecordRoutes
from xrm.api.search import SearchRoutes
from xrm.api.session import SessionRoutes
from xrm.api.shares import ShareRoutes
from xrm.api.transfer import TransferRoutes
from xrm.api.uploads import UploadRoutes
from xrm.api.why import WhyRoutes
from xrm.http import application
from xrm.http.headers import Edge
from xrm.site import Site


def routes(site: Site) -> list[Any]:
    """Return the Litestar handlers of the API."""
    writes = Writes(site.kernel)
    groups = (
        HealthRoutes(site),
        DocsRoutes(site),
        SessionRoutes(site),
        ModelRoutes(site),
        PastRoutes(site),
        PackageRoutes(site),
        SearchRoutes(site),
        JobRoutes(site),
        WhyRoutes(site),
        PrivacyRoutes(site),
        ChangeRoutes(site, writes),
        BulkRoutes(site, writes),
        EditRoutes(site, writes),
        TransferRoutes(site),
        UploadRoutes(site),
        ODataRoutes(site),
        ShareRoutes(site, writes),
        RecordRoutes(site, writes),
    )
    return [handler for group in groups for handler in group.handlers()]


def create_api(site: Site) -> Edge:
    """Return an ASGI application of the API alone."""
    return application(site, routes(site))
