"""What a list is asked for: view, columns, facets, search, filter, order and place, all of it in the URL."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from xrm.errors import Invalid, Issue, TooExpensive
from xrm.kernel.query import Query, compile_filter
from xrm.metadata.model import Entity, View
from xrm.web.columns import Column, choosable, columns, default_columns
from xrm.web.facets import Facet, expression, read_facets
from xrm.web.visit import PageVisit, url

SIZES = (25, 50, 100, 200)
SIZE = 50  # records per page
TRAIL = 20  # pages back that can be gone to without starting over
DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Asked:
    """A list as it was asked for.

    Attributes:
        entity: Whose records.
        views: The list views of the entity.
        view: The one that is shown.
        shown: Its columns, as chosen.
        standard: Its columns, as the view names them.
        facets: The facets, with what is chosen.
        search: Words to find.
        filter: The filter expression of the person, besides the facets.
        sort: The order, ``-name`` for descending; empty = the view's.
        after: Cursor of the page before.
        trail: Cursors of the pages before that one, the first page's being empty.
        page: Number of the page, from 1.
        size: Records per page.
    """

    entity: Entity
    views: tuple[View, ...]
    view: View | None
    shown: tuple[Column, ...]
    standard: tuple[Column, ...]
    facets: tuple[Facet, ...]
    search: str = ""
    filter: str = ""
    sort: str = ""
    after: str = ""
    trail: tuple[str, ...] = ()
    page: int = 1
    size: int = SIZE

    @property
    def order(self) -> tuple[str, ...]:
        """The sort keys in force."""
        if self.sort:
            return (self.sort,)
        return self.view.sort if self.view else ()

    @property
    def path(self) -> str:
        """The path of the list."""
        return f"/e/{self.entity.name}"

    @property
    def narrowed(self) -> bool:
        """Whether anything but the view leaves records out."""
        return bool(self.search or self.filter or any(f.active for f in self.facets))

    def link(self, **changes: Any) -> str:
        """Return the URL of this list with some of what is asked changed; another order or filter starts at page 1."""
        other = replace(self, **{"after": "", "trail": (), "page": 1, **changes})
        return other.url

    @property
    def url(self) -> str:
        """The shortest URL that asks for this list."""
        parameters: dict[str, Any] = {"view": self._view_name(), "q": self.search}
        for facet in self.facets:
            parameters |= facet.parameters
        return url(
            self.path,
            **parameters,
            filter=self.filter,
            sort=self.sort,
            cols=self._columns(),
            size=self.size if self.size != SIZE else "",
            after=self.after,
            trail=".".join(self.trail) if self.after else "",
            page=self.page if self.page > 1 else "",
        )

    def without(self, facet: Facet, value: str) -> str:
        """Return the URL of this list without one thing chosen in a facet."""
        kept = tuple(v for v in facet.chosen if v != value) if value else facet.chosen
        other = replace(facet, chosen=kept) if value else replace(facet, low="", high="")
        return self.link(facets=tuple(other if f.field.name == facet.field.name else f for f in self.facets))

    @property
    def plain(self) -> str:
        """The URL of this list with nothing left out by facets, search or filter."""
        none = tuple(replace(f, chosen=(), low="", high="") for f in self.facets)
        return self.link(facets=none, search="", filter="")

    def sorted_by(self, column: Column) -> str:
        """Return ``ascending``, ``descending`` or ``none``, as aria-sort says it."""
        first = self.order[0] if self.order else ""
        if first.lstrip("-") != column.path:
            return "none"
        return "descending" if first.startswith("-") else "ascending"

    def sort_link(self, column: Column) -> str:
        """Return the URL that sorts by a column, or turns the order round."""
        return self.link(sort=f"-{column.path}" if self.sorted_by(column) == "ascending" else column.path)

    def next_link(self, cursor: str) -> str:
        """Return the URL of the next page."""
        return self.link(after=cursor, trail=(*self.trail, self.after)[-TRAIL:], page=self.page + 1)

    @property
    def previous_link(self) -> str:
        """The URL of the page before, or of the first page when the way back is no longer known."""
        if self.page <= 1 or not self.trail:
            return self.link()
        return self.link(after=self.trail[-1], trail=self.trail[:-1], page=self.page - 1)

    def _view_name(self) -> str:
        first = self.views[0].name if self.views else ""
        return self.view.name if self.view and self.view.name != first else ""

    def _columns(self) -> str:
        return ",".join(c.path for c in self.shown) if self.shown != self.standard else ""


def read_list(visit: PageVisit) -> Asked:
    """Return the list a URL asks for."""
    entity = visit.entity
    views = tuple(v for v in entity.views.values() if v.kind == "list")
    view = next((v for v in views if v.name == visit.parameter("view")), views[0] if views else None)
    standard = default_columns(visit, entity, view)
    after = visit.parameter("after")
    return Asked(
        entity,
        views,
        view,
        _chosen(visit, entity, view) or standard,
        standard,
        read_facets(visit, entity, view),
        search=visit.parameter("q").strip()[:200],
        filter=visit.parameter("filter").strip(),
        sort=visit.parameter("sort"),
        after=after,
        trail=tuple(visit.parameter("trail").split("."))[-TRAIL:] if after else (),
        page=_whole(visit.parameter("page"), 1) if after else 1,
        size=_size(visit.parameter("size")),
    )


def cookie(view: View | None) -> str:
    """Return the name of the cookie that remembers the columns chosen for a view; its path is the list's."""
    return f"xrm_columns_{view.name}" if view else "xrm_columns"


def _chosen(visit: PageVisit, entity: Entity, view: View | None) -> tuple[Column, ...]:
    """Return the columns of the URL, else those remembered; empty for the view's own."""
    asked = visit.parameters("cols")
    paths = [p for value in asked for p in value.split(",")]
    if paths == [DEFAULT]:
        return ()
    if not paths:
        paths = visit.request.cookies.get(cookie(view), "").split(".")
        paths = [p.replace("~", ".") for p in paths if p]
    known = {c.path for c in (*choosable(visit, entity), *default_columns(visit, entity, view))}
    return columns(visit, entity, [p for p in paths[:60] if p in known])


def remembered(asked: Asked) -> str:
    """Return what the cookie keeps of the columns; empty when they are the view's own."""
    if asked.shown == asked.standard:
        return ""
    return ".".join(c.path.replace(".", "~") for c in asked.shown)


def query(visit: PageVisit, asked: Asked) -> Query:
    """Return what the records door is asked for.

    Raises:
        Invalid: the filter is no expression; the Issue's path is ``filter``.
    """
    if asked.filter:
        compile_filter(visit.live, visit.actor, asked.entity, asked.filter)
    fields = tuple(
        dict.fromkeys((*(c.path for c in asked.shown), *(["label"] if visit.reads(asked.entity, "label") else [])))
    )
    return Query(condition(visit, asked), asked.order, fields, asked.search, asked.size, asked.after)


def condition(visit: PageVisit, asked: Asked) -> str:
    """Return the whole filter: the view's, the facets' and the person's own."""
    view = [asked.view.filter] if asked.view and asked.view.filter else []
    own = [asked.filter] if asked.filter else []
    parts = [*view, *expression(asked.facets, visit.zone), *own]
    return " && ".join(f"({part})" for part in parts) if len(parts) > 1 else "".join(parts)


def filter_issue(error: Invalid | TooExpensive) -> Issue:
    """Return the first finding about a list."""
    return error.issues[0] if error.issues else Issue("filter", error.code, error.message)


def _whole(text: str, least: int) -> int:
    return max(int(text), least) if text.isdigit() and len(text) < 7 else least


def _size(text: str) -> int:
    found = _whole(text, 1)
    return found if found in SIZES else SIZE
