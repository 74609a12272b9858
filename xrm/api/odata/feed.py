"""The routes below /odata: service document, metadata, entity sets, single entities, counts. Reading only.

Source: OData Version 4.01, Part 1: Protocol, and JSON Format.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

import msgspec
from litestar import get

from xrm.api.odata.document import metadata
from xrm.api.odata.names import Shape, shape_of
from xrm.api.odata.options import Asked, Reader, Wanted, read_options
from xrm.errors import Malformed, NotFound, XrmError
from xrm.http.answers import Answer
from xrm.http.caller import header, signed_in
from xrm.http.reading import AnyRequest, unchanged
from xrm.kernel.change import Actor
from xrm.kernel.query import MAX_PAGE
from xrm.kernel.totals import Totals
from xrm.site import Site

VERSION = {"odata-version": "4.0"}
_KEY = re.compile(r"([a-z_][a-z0-9_]*)\((?:id=)?'?([0-9A-Fa-f-]{36})'?\)")
_PAGE = re.compile(r"(?:odata\.)?maxpagesize=(\d{1,6})")

Record = dict[str, Any]
Handler = Callable[[Any, AnyRequest], Awaitable[Answer]]


def told(handler: Handler) -> Handler:
    """Return a handler whose errors are told as OData tells them."""

    async def work(self: Any, request: AnyRequest) -> Answer:
        try:
            return await handler(self, request)
        except XrmError as error:
            return refusal(error)

    work.__doc__ = handler.__doc__
    return work


def refusal(error: XrmError) -> Answer:
    """Return an error of ours as OData has it; who is not signed in is asked for an API key."""
    details = [{"code": i.code, "message": str(i.message), "target": i.path} for i in error.issues]
    body = {"code": error.code, "message": error.message, **({"details": details} if details else {})}
    headers = {**VERSION, **({"www-authenticate": 'Basic realm="xrm"'} if error.status == 401 else {})}
    if "retry_after" in error.details:
        headers["retry-after"] = str(error.details["retry_after"])
    return _json({"error": body}, error.status, headers)


class ODataRoutes:
    """The routes below /odata."""

    def __init__(self, site: Site) -> None:
        self._site, self._kernel = site, site.kernel

    def handlers(self) -> list[Any]:
        """Return the Litestar handlers."""
        return [
            get(["/odata", "/odata/"])(self.service),
            get("/odata/$metadata")(self.metadata),
            get("/odata/{set:str}")(self.entities),
            get("/odata/{set:str}/$count")(self.count),
        ]

    @told
    async def service(self, request: AnyRequest) -> Answer:
        """Answer with the service document: the entity sets there are."""
        actor = signed_in(request)
        sets = [
            {"name": e.name, "title": e.plural, "kind": "EntitySet", "url": e.name}
            for e in self._kernel.live.policy.entities(actor)
        ]
        return _json({"@odata.context": f"{self._root(request)}$metadata", "value": sets}, media=_media(request))

    @told
    async def metadata(self, request: AnyRequest) -> Answer:
        """Answer with what may be read, as CSDL."""
        actor, live = signed_in(request), self._kernel.live
        document = metadata(shape_of(live, actor, entity) for entity in live.policy.entities(actor))
        return Answer(document.encode(), 200, b"application/xml", VERSION)

    @told
    async def entities(self, request: AnyRequest) -> Answer:
        """Answer with a page of an entity set, or with one entity: ``deal``, ``deal(<id>)``."""
        actor = signed_in(request)
        name, options = request.path_params["set"], read_options(request.scope["query_string"])
        if options.get("format", "json").partition(";")[0] not in ("json", "application/json"):
            raise Malformed("This feed answers in JSON.")
        if match := _KEY.fullmatch(name):
            return await self._one(request, actor, match[1], match[2], options)
        return await self._page(request, actor, self._shape(actor, name), options)

    @told
    async def count(self, request: AnyRequest) -> Answer:
        """Answer with how many entities of a set there are."""
        actor = signed_in(request)
        shape = self._shape(actor, request.path_params["set"])
        asked = Reader(self._kernel.live, actor).asked(shape, read_options(request.scope["query_string"]), MAX_PAGE)
        found = await self._count(actor, shape, asked)
        return Answer(str(found).encode(), 200, b"text/plain;charset=utf-8", VERSION)

    # --- parts ---

    def _shape(self, actor: Actor, name: str) -> Shape:
        live = self._kernel.live
        entity = live.model.entity(name)
        if entity is None or live.policy.access(actor, name, "read") is None:
            raise NotFound(f"There is no entity set {name[:60]!r}.")
        return shape_of(live, actor, entity)

    async def _page(self, request: AnyRequest, actor: Actor, shape: Shape, options: Mapping[str, str]) -> Answer:
        preferred = _PAGE.search(header(request.scope, b"prefer"))
        asked = Reader(self._kernel.live, actor).asked(shape, options, int(preferred[1]) if preferred else MAX_PAGE)
        name = shape.entity.name
        body: Record = {"@odata.context": f"{self._root(request)}$metadata#{name}"}
        if asked.count:
            body["@odata.count"] = await self._count(actor, shape, asked)
        if asked.top == 0:
            return _json({**body, "value": []}, media=_media(request))
        page = await self._kernel.records.list(actor, name, asked.query)
        body["value"] = [shown(record, asked.wanted) for record in page.records]
        left = None if asked.top is None else asked.top - len(page.records)
        if page.next and left != 0:
            body["@odata.nextLink"] = f"{self._root(request)}{name}?{_next(options, page.next, left)}"
        return _json(body, media=_media(request))

    async def _one(self, request: AnyRequest, actor: Actor, name: str, id: str, options: Mapping[str, str]) -> Answer:
        shape = self._shape(actor, name)
        wanted, expand = Reader(self._kernel.live, actor).one(shape, options)
        try:
            key = UUID(id)
        except ValueError:
            raise NotFound("There is no entity with this id.") from None
        record = await self._kernel.records.get(actor, name, key, wanted.fields, expand)
        tag = str(record["version"])
        if not expand and unchanged(request, f'"{tag}"'):
            return Answer(status=304, headers={**VERSION, "etag": f'W/"{tag}"'})
        body = {"@odata.context": f"{self._root(request)}$metadata#{name}/$entity", **shown(record, wanted)}
        return _json(body, headers={**VERSION, "etag": f'W/"{tag}"'}, media=_media(request))

    async def _count(self, actor: Actor, shape: Shape, asked: Asked) -> int:
        totals = Totals((), ("count",), asked.query.filter, asked.query.search, 1)
        found = await self._kernel.records.aggregate(actor, shape.entity.name, totals)
        return int(found[0]["count"])

    def _root(self, request: AnyRequest) -> str:
        """Return the address of the feed as the client reaches it."""
        host = header(request.scope, b"host")
        secure = self._site.settings.secure_cookies or request.scope.get("scheme") == "https"
        return f"{'https' if secure else 'http'}://{quote(host, safe=':[].-')}/odata/"


def shown(record: Mapping[str, Any], wanted: Wanted) -> Record:
    """Return a record as OData shows it: the properties, and what is expanded."""
    made: Record = {"@odata.etag": f'W/"{record["version"]}"'} if "version" in record else {}
    for one in wanted.properties:
        made[one.name] = one.value(record)
    for way, inner in wanted.ways:
        value = record.get(way.name)
        if way.many:
            made[way.name] = [shown(each, inner) for each in value or () if "version" in each]
        else:
            made[way.name] = shown(value, inner) if value and "version" in value else None
    return made


def _next(options: Mapping[str, str], cursor: str, left: int | None) -> str:
    kept = {f"${name}": text for name, text in options.items() if name not in ("skip", "skiptoken", "top", "count")}
    more = {"$top": str(left)} if left is not None else {}
    return urlencode({**kept, **more, "$skiptoken": cursor}, quote_via=quote, safe="$,()'=;:/")


def _media(request: AnyRequest) -> bytes:
    """Return the content type; some clients ask for numbers as texts, which this feed does not give."""
    level = "none" if "metadata=none" in header(request.scope, b"accept") else "minimal"
    return f"application/json;odata.metadata={level};charset=utf-8".encode()


def _json(body: Any, status: int = 200, headers: Mapping[str, str] = VERSION, media: bytes = b"") -> Answer:
    return Answer(msgspec.json.encode(body), status, media or b"application/json;charset=utf-8", headers)
