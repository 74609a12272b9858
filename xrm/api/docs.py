"""/openapi.json and /docs: the document, and swagger-ui from files of our own (no CDN)."""

from __future__ import annotations

import asyncio
import zlib
from collections import OrderedDict
from html import escape
from pathlib import Path
from typing import Any

import msgspec
from litestar import get

from xrm import __version__
from xrm.api.openapi import make_document
from xrm.errors import NotFound
from xrm.http.answers import Answer
from xrm.http.auth import cookie_name
from xrm.http.caller import caller, signed_in
from xrm.http.reading import AnyRequest, read_query, unchanged
from xrm.kernel.change import Actor
from xrm.kernel.policy import roles_key
from xrm.site import Site

VENDOR = Path(__file__).parent.parent / "web" / "static" / "vendor"
KEPT = 32  # documents: one per generation and set of roles
LONG = {"cache-control": "public, max-age=86400"}
_FILES = {"swagger-ui.css": b"text/css; charset=utf-8", "swagger-ui-bundle.js": b"text/javascript; charset=utf-8"}
_START = b"""window.ui = SwaggerUIBundle({
  url: "/openapi.json", dom_id: "#ui", deepLinking: true, persistAuthorization: false, validatorUrl: null,
});
"""
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}: API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""


class DocsRoutes:
    """The routes /openapi.json and /docs."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._made: OrderedDict[Any, bytes] = OrderedDict()
        self._making = asyncio.Lock()

    def handlers(self) -> list[Any]:
        """Return the Litestar handlers."""
        return [get("/openapi.json")(self.document), get("/docs")(self.page), get("/docs/{name:str}")(self.file)]

    async def document(self, request: AnyRequest) -> Answer:
        """Answer with the OpenAPI document for the actor's roles."""
        read_query(request)
        body = await self._document(signed_in(request))
        tag = f'"{zlib.crc32(body):08x}-{len(body)}"'
        headers = {"etag": tag, "cache-control": "private, no-cache"}
        if unchanged(request, tag):
            return Answer(status=304, headers=headers)
        return Answer(body, headers=headers)

    async def page(self, request: AnyRequest) -> Answer:
        """Answer with the page of swagger-ui; whoever is not signed in is led there first."""
        if caller(request).actor is None:
            return Answer(b"", 303, headers={"location": "/sign-in?next=%2Fdocs"})
        return Answer(_PAGE.format(title=escape(self._site.settings.title)).encode(), 200, b"text/html; charset=utf-8")

    async def file(self, request: AnyRequest) -> Answer:
        """Answer with a file of swagger-ui."""
        name = request.path_params["name"]
        if name == "start.js":
            return Answer(_START, 200, b"text/javascript; charset=utf-8", LONG)
        if name not in _FILES or not (VENDOR / name).is_file():
            raise NotFound("There is nothing at this address.")
        return Answer(await asyncio.to_thread((VENDOR / name).read_bytes), 200, _FILES[name], LONG)

    async def _document(self, actor: Actor | None) -> bytes:
        """Return the document as bytes: made once per generation and roles, on a thread."""
        kernel = self._site.kernel
        live = kernel.live if kernel.ready else None
        key = (live.generation if live else 0, roles_key(actor) if actor else None)
        async with self._making:
            if key not in self._made:
                settings = self._site.settings
                made = await asyncio.to_thread(
                    make_document, settings.title, __version__, cookie_name(self._site), live, actor
                )
                self._made[key] = msgspec.json.encode(made)
                while len(self._made) > KEPT:
                    self._made.popitem(last=False)
            self._made.move_to_end(key)
            return self._made[key]
