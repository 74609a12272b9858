"""The system query options of a request, read into a `Query` of ours.

Source: OData Version 4.01, Part 2: URL Conventions, section 5.1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl

import msgspec

from xrm.api.odata.filters import read_filter
from xrm.api.odata.names import Property, Shape, Way, shape_of
from xrm.errors import Issue, Malformed
from xrm.http.reading import MAX_QUERY
from xrm.kernel.change import Actor
from xrm.kernel.live import Live
from xrm.kernel.query import MAX_PAGE, Expand, Query

KNOWN = frozenset(
    {"filter", "select", "expand", "orderby", "top", "skip", "count", "search", "skiptoken", "format", "schemaversion"}
)
INNER = frozenset({"filter", "select", "expand", "orderby", "top"})
MAX_LEVELS = 5
_WHOLE = re.compile(r"\d{1,9}")
_ORDER = re.compile(r"([\w./$]+)(?:\s+(asc|desc))?")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to show of records of one shape: the properties, and what is expanded."""

    shape: Shape
    properties: tuple[Property, ...]
    ways: tuple[tuple[Way, Wanted], ...] = ()

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that have to be selected."""
        return tuple(dict.fromkeys(("id", *(one.field for one in self.properties))))


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for an entity set."""

    query: Query
    wanted: Wanted
    top: int | None
    count: bool


def read_options(raw: bytes) -> dict[str, str]:
    """Return the system query options, without their ``$``; options of the client's own are passed over.

    Raises:
        Malformed: one is unknown, given twice, or not UTF-8.
    """
    if len(raw) > MAX_QUERY:
        raise Malformed("The query is too long.")
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError:
        raise Malformed("The query cannot be read.") from None
    found: dict[str, str] = {}
    for name, value in pairs:
        plain = name.removeprefix("$").lower()
        if plain not in KNOWN:
            if name.startswith("$"):
                raise _bad(name[:40], "unknown_parameter", "This feed does not know it.")
            continue
        if plain in found or "\x00" in value:
            raise _bad(f"${plain}", "given_twice", "It is given twice, or holds a NUL character.")
        found[plain] = value.strip()
    return found


class Reader:
    """Reads options for one actor."""

    def __init__(self, live: Live, actor: Actor) -> None:
        self._live, self._actor = live, actor

    def shape(self, name: str) -> Shape:
        """Return the shape of an entity that the actor may read."""
        return shape_of(self._live, self._actor, self._live.model.entities[name])

    def asked(self, shape: Shape, options: Mapping[str, str], page: int) -> Asked:
        """Return what a request for an entity set asks for; `page` is how many records it gets at most at once."""
        top = _whole(options, "top")
        wanted, expand = self._wanted(shape, options, 0)
        query = Query(
            filter=self._filter(shape, options),
            sort=self._order(shape, options),
            fields=wanted.fields,
            search=_search(options.get("search", "")),
            limit=max(1, min(page, MAX_PAGE, top if top is not None else MAX_PAGE)),
            offset=_whole(options, "skip") or 0,
            expand=expand,
        )
        if token := options.get("skiptoken", ""):
            query = replace(query, after=token, offset=0)
        return Asked(query, wanted, top, _flag(options, "count"))

    def one(self, shape: Shape, options: Mapping[str, str]) -> tuple[Wanted, tuple[Expand, ...]]:
        """Return what a request for one entity asks for."""
        if extra := options.keys() - {"select", "expand", "format", "schemaversion"}:
            raise _bad(f"${min(extra)}", "unknown_parameter", "It is for entity sets.")
        return self._wanted(shape, options, 0)

    def _wanted(self, shape: Shape, options: Mapping[str, str], level: int) -> tuple[Wanted, tuple[Expand, ...]]:
        ways, expand = [], []
        for name, inner in _expanded(options.get("expand", "")):
            way = shape.ways.get(name)
            if way is None:
                raise _bad("$expand", "unknown_field", f"There is no navigation property {name[:60]!r}.")
            if level >= MAX_LEVELS:
                raise _bad("$expand", "too_deep", f"At most {MAX_LEVELS} levels can be expanded.")
            target = self.shape(way.entity)
            wanted, further = self._wanted(target, inner, level + 1)
            ways.append((way, wanted))
            made = Expand(name, wanted.fields, further, self._filter(target, inner), self._order(target, inner))
            expand.append(made if (top := _whole(inner, "top")) is None else replace(made, limit=top))
        return Wanted(shape, self._selected(shape, options.get("select", "")), tuple(ways)), tuple(expand)

    def _selected(self, shape: Shape, text: str) -> tuple[Property, ...]:
        names = [name.strip() for name in text.split(",") if name.strip()]
        if not names or "*" in names:
            return tuple(shape.properties.values())
        unknown = [name for name in names if name not in shape.properties and name not in shape.ways]
        if unknown:
            raise _bad("$select", "unknown_field", f"There is no property {unknown[0][:60]!r}.")
        return tuple(shape.properties[name] for name in dict.fromkeys(names) if name in shape.properties)

    def _filter(self, shape: Shape, options: Mapping[str, str]) -> str:
        text = options.get("filter", "")
        if not text:
            return ""
        found = read_filter(text, lambda path: self.path(shape, path, "$filter"))
        if not isinstance(found, dict):
            raise _bad("$filter", "not_boolean", "It must be a condition.")
        return msgspec.json.encode(found).decode()

    def _order(self, shape: Shape, options: Mapping[str, str]) -> tuple[str, ...]:
        found = []
        for term in options.get("orderby", "").split(","):
            if not term.strip():
                continue
            match = _ORDER.fullmatch(term.strip())
            if match is None:
                raise _bad("$orderby", "syntax", f"{term.strip()[:60]!r} is not understood.")
            found.append(("-" if match[2] == "desc" else "") + self.path(shape, match[1], "$orderby"))
        return tuple(found)

    def path(self, shape: Shape, path: str, option: str) -> str:
        """Return our name of what an OData path such as ``customer/name`` names."""
        *ways, last = path.split("/")
        ours: list[str] = []
        for name in ways:
            way = shape.ways.get(name)
            if way is None or way.many:
                raise _bad(option, "unknown_field", f"There is no property {path[:60]!r}.")
            ours.append(name)
            shape = self.shape(way.entity)
        if last == "id" and ours:
            return ".".join(ours)
        if last in shape.properties:
            return ".".join([*ours, shape.properties[last].path])
        if last in shape.ways and option == "$filter":
            return ".".join([*ours, last])
        raise _bad(option, "unknown_field", f"There is no property {path[:60]!r}.")


def _expanded(text: str) -> list[tuple[str, dict[str, str]]]:
    """Return the names of ``a,b($select=x;$expand=c)`` with their own options."""
    found = []
    for term in split(text, ","):
        name, bracket, rest = term.strip().partition("(")
        inner: dict[str, str] = {}
        if bracket and not rest.endswith(")"):
            raise _bad("$expand", "syntax", "A parenthesis is missing.")
        for option in split(rest[:-1], ";") if bracket else ():
            key, equals, value = option.strip().partition("=")
            plain = key.strip().removeprefix("$").lower()
            if not equals or plain not in INNER or plain in inner:
                raise _bad("$expand", "unknown_parameter", f"{key[:40]!r} is not known in $expand, or given twice.")
            inner[plain] = value.strip()
        found.append((name.strip(), inner))
    return found


def split(text: str, separator: str) -> Sequence[str]:
    """Return the parts of a text between separators that stand in no parentheses and no quotation marks."""
    parts, depth, quoted = [""], 0, False
    for sign in text:
        quoted ^= sign == "'"
        depth += 0 if quoted else (sign == "(") - (sign == ")")
        if sign == separator and not depth and not quoted:
            parts.append("")
        else:
            parts[-1] += sign
    return [part for part in parts if part.strip()]


def _search(text: str) -> str:
    """Return what a ``$search`` looks for: words and phrases; all of them must be found."""
    words = re.findall(r'"([^"]*)"|(\S+)', text)
    plain = [quoted or word for quoted, word in words if word != "AND"]
    if "OR" in plain or "NOT" in plain:
        raise _bad("$search", "syntax", "All words must be found: OR and NOT are not known.")
    return " ".join(plain)


def _whole(options: Mapping[str, str], name: str) -> int | None:
    text = options.get(name)
    if text is not None and not _WHOLE.fullmatch(text):
        raise _bad(f"${name}", "not_integer", "It must be a whole number.")
    return None if text is None else int(text)


def _flag(options: Mapping[str, str], name: str) -> bool:
    text = options.get(name, "false").lower()
    if text not in ("true", "false"):
        raise _bad(f"${name}", "not_boolean", "It must be true or false.")
    return text == "true"


def _bad(path: str, code: str, message: str) -> Malformed:
    return Malformed("The query cannot be answered.", [Issue(path, code, message)])
