"""What a request asks to list or to add up: from the query of an address, or from a JSON body for long ones."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from xrm.errors import Issue, Malformed
from xrm.http.reading import take, whole, words
from xrm.kernel.query import Expand, Query

MAX_NODES = 100  # relations that an `expand` may name; the kernel says how many may be expanded
MAX_LEVELS = 10
LIST = frozenset({"filter", "sort", "fields", "search", "limit", "after", "offset", "count", "trash", "expand"})

TEXTS = list[str] | str


def read_list(given: Mapping[str, str]) -> Query:
    """Return the query of a list's parameters."""
    return Query(
        filter=given.get("filter", ""),
        sort=words(given, "sort"),
        fields=words(given, "fields"),
        search=given.get("search", ""),
        limit=whole(given, "limit", 50),
        after=given.get("after", ""),
        offset=whole(given, "offset", 0),
        trash=given.get("trash", "live"),
        expand=expand_of_paths(words(given, "expand")),
    )


def read_moment(given: Mapping[str, str]) -> datetime | None:
    """Return the moment as of which to read, or None for now.

    Raises:
        Malformed: it is no moment with a time zone.
    """
    text = given.get("as_of", "")
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise Malformed(issues=[Issue("as_of", "not_a_moment", "It is like 2026-01-31T13:05:00Z, with a time zone.")])


def read_list_body(body: Mapping[str, Any]) -> tuple[Query, bool]:
    """Return the query of a JSON body, and whether to count.

    Raises:
        Malformed: a member is unknown or of another type.
    """
    asked = take(
        body,
        filter=(str | dict[str, Any], ""),
        sort=(TEXTS, []),
        fields=(TEXTS, []),
        search=(str, ""),
        limit=(int, 50),
        after=(str, ""),
        offset=(int, 0),
        trash=(str, "live"),
        expand=(TEXTS | dict[str, Any], []),
        count=(bool, False),
    )
    count: bool = asked.pop("count")
    lists = {name: texts(asked[name]) for name in ("sort", "fields")}
    filter, expand = filter_text(asked["filter"]), read_expand(asked["expand"])
    return Query(**{**asked, **lists, "filter": filter, "expand": expand}), count


def texts(value: list[str] | str) -> tuple[str, ...]:
    """Return a list of texts, which may be given as one text with commas."""
    found = value.split(",") if isinstance(value, str) else value
    return tuple(text.strip() for text in found if text.strip())


def filter_text(value: str | Mapping[str, Any]) -> str:
    """Return a filter, an expression or its JSON form, as the text a `Query` takes."""
    if isinstance(value, str):
        return value
    try:
        return msgspec.json.encode(value).decode()
    except RecursionError:
        raise Malformed("The filter is nested too deep.") from None


def read_expand(value: list[str] | str | Mapping[str, Any], level: int = 0) -> tuple[Expand, ...]:
    """Return what to expand: paths, or ``{name: {fields, expand, filter, sort, limit}}``."""
    if not isinstance(value, Mapping):
        return expand_of_paths(texts(value))
    if len(value) > MAX_NODES or level > MAX_LEVELS:
        raise Malformed(issues=[Issue("expand", "too_many", "Too many relations are named.")])
    return tuple(_expand(name, options, level) for name, options in value.items())


def _expand(name: str, options: Any, level: int) -> Expand:
    if not isinstance(options, Mapping):
        raise Malformed(issues=[Issue("expand", "wrong_type", f"{name[:60]!r} takes an object, {{}} at least.")])
    asked = take(
        options,
        fields=(TEXTS, []),
        expand=(TEXTS | dict[str, Any], []),
        filter=(str | dict[str, Any], ""),
        sort=(TEXTS, []),
        limit=(int, 50),
    )
    return Expand(
        name,
        texts(asked["fields"]),
        read_expand(asked["expand"], level + 1),
        filter_text(asked["filter"]),
        texts(asked["sort"]),
        asked["limit"],
    )


def expand_of_paths(paths: tuple[str, ...]) -> tuple[Expand, ...]:
    """Return what ``customer,customer.country,lines`` expands: what is on the way is expanded, too."""
    if len(paths) > MAX_NODES or any(path.count(".") > MAX_LEVELS for path in paths):
        raise Malformed(issues=[Issue("expand", "too_many", "Too many relations are named.")])
    further: dict[str, list[str]] = {}
    for path in paths:
        name, _, rest = path.partition(".")
        further.setdefault(name, []).extend([rest] if rest else [])
    return tuple(Expand(name, expand=expand_of_paths(tuple(rest))) for name, rest in further.items())
