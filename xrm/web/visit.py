"""One request of a page: who asks, what for, on which generation. Every page gets a `PageVisit` and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from litestar import Request
from litestar.datastructures import MultiDict

from xrm.errors import Malformed, NotFound, Unauthenticated
from xrm.http.caller import Caller
from xrm.http.csrf import csrf_token
from xrm.kernel.change import Actor
from xrm.kernel.kernel import Kernel
from xrm.kernel.live import Live, LiveEntity
from xrm.kernel.policy import Access, visibility
from xrm.kernel.query import HIDDEN
from xrm.kernel.records import Records
from xrm.metadata.model import Entity, Field
from xrm.settings import Settings
from xrm.site import Site
from xrm.web.show import Show

MAX_PARAMETER = 4_000  # characters of one query parameter; a filter may be as long


@dataclass
class PageVisit:
    """A request on its way to a page.

    Attributes:
        site: The site.
        request: What was asked.
        known: What the edge found out about the request: who asks, by which session, from where.
        query_text: A query to take instead of the request's own; None for the request's.
    """

    site: Site
    request: Request[Any, Any, Any]
    known: Caller
    query_text: str | None = None

    # --- the site ---

    @property
    def kernel(self) -> Kernel:
        """The kernel of the site."""
        return self.site.kernel

    @property
    def records(self) -> Records:
        """The door to the records."""
        return self.site.kernel.records

    @property
    def settings(self) -> Settings:
        """How the site runs."""
        return self.site.kernel.settings

    @cached_property
    def live(self) -> Live:
        """The generation this request began on."""
        return self.site.kernel.live

    @cached_property
    def now(self) -> datetime:
        """The moment of the request."""
        return self.site.kernel.clock()

    @cached_property
    def zone(self) -> ZoneInfo:
        """The time zone the site shows times in."""
        return ZoneInfo(self.settings.time_zone)

    @cached_property
    def show(self) -> Show:
        """Formats values; made once per generation."""
        known = (self.settings.map_url, self.settings.country, self.settings.currency)
        key = ("web", "show", self.settings.time_zone, *known)
        found: Show = self.live.cached(key, lambda: Show(self.live.model, self.zone, *known))
        return found

    # --- who ---

    @property
    def someone(self) -> Actor | None:
        """Who asks; None where nobody is signed in."""
        return self.known.actor

    @property
    def csrf(self) -> str:
        """The token every form of the page carries; empty where nobody is signed in."""
        return csrf_token(self.known.token) if self.known.token else ""

    @property
    def actor(self) -> Actor:
        """Who asks.

        Raises:
            Unauthenticated: nobody is signed in.
        """
        if self.known.actor is None:
            raise Unauthenticated
        return self.known.actor

    # --- what is asked ---

    @property
    def partial(self) -> bool:
        """Whether htmx asks for a part of a page."""
        headers = self.request.headers
        return headers.get("hx-request") == "true" and headers.get("hx-request-type") != "full"

    @property
    def path(self) -> str:
        """The path asked for, without the query."""
        return self.request.url.path

    @cached_property
    def query(self) -> MultiDict[str]:
        """The query's parameters."""
        text = self.request.url.query if self.query_text is None else self.query_text
        try:
            return MultiDict(parse_qsl(text, keep_blank_values=True, max_num_fields=500))
        except ValueError:
            raise Malformed("The query cannot be read.") from None

    def asking(self, query: str) -> PageVisit:
        """Return this visit as if another query had been asked."""
        return PageVisit(self.site, self.request, self.known, query)

    def parameter(self, name: str) -> str:
        """Return the last value of a query parameter, or empty."""
        values = self.parameters(name)
        return values[-1] if values else ""

    def parameters(self, name: str) -> list[str]:
        """Return all values of a query parameter that are not empty.

        Raises:
            Malformed: one is too long, or holds what no text may hold.
        """
        values = self.query.getall(name, [])
        for value in values:
            if len(value) > MAX_PARAMETER or "\x00" in value:
                raise Malformed(f"The parameter {name!r} cannot be read.")
        return [value for value in values if value]

    @property
    def id(self) -> UUID:
        """The record's id in the path."""
        found: UUID = self.request.path_params["id"]
        return found

    # --- the entity in the path ---

    @property
    def entity(self) -> Entity:
        """The entity in the path.

        Raises:
            NotFound: there is none for this actor.
        """
        return self.prepared.entity

    @cached_property
    def prepared(self) -> LiveEntity:
        """The entity in the path with what the kernel compiled for it."""
        return self.entity_named(str(self.request.path_params["entity"]))

    def entity_named(self, name: str) -> LiveEntity:
        """Return an entity the actor may read.

        Raises:
            NotFound: there is none for this actor.
        """
        found = self.live.entities.get(name)
        if found is None or self.access(name, "read") is None:
            raise NotFound("There is no such page.")
        return found

    def access(self, entity: str, action: str) -> Access | None:
        """Return what the actor may do with an entity by an action, or None."""
        return self.live.policy.access(self.actor, entity, action)

    def may(self, entity: str, action: str) -> bool:
        """Whether the actor may do an action with some records of an entity."""
        return self.access(entity, action) is not None

    def readable(self, entity: Entity) -> tuple[Field, ...]:
        """Return the fields of an entity the actor may read on some records, in order."""
        access = self.access(entity.name, "read")
        if access is None:
            return ()
        return tuple(
            f
            for f in entity.fields.values()
            if f.name not in HIDDEN and not f.removed and visibility(access, f.name) is not None
        )

    def reads(self, entity: Entity, name: str) -> bool:
        """Whether the actor may read a field of an entity on some records."""
        access = self.access(entity.name, "read")
        return access is not None and name in entity.fields and visibility(access, name) is not None


def url(path: str, **parameters: Any) -> str:
    """Return a path with those parameters that have a value; a list gives one parameter each."""
    kept = [(name.rstrip("_"), value) for name, value in parameters.items() if value not in (None, "", [], ())]
    query = urlencode(kept, doseq=True)
    return f"{path}?{query}" if query else path
