"""Facets: the filters a list offers per field, as URL parameters ``f.<field>`` and as a filter expression."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from xrm.kernel.query import Query
from xrm.metadata.model import Entity, Field, View
from xrm.web.visit import PageVisit

MAX_VALUES = 50  # of one facet
MAX_OPTIONS = 40  # records offered as checkboxes; more are searched for
ME = "me"
NONE = "none"

_KINDS: Mapping[str, str] = MappingProxyType(
    {
        "choice": "options",
        "choices": "options",
        "boolean": "options",
        "relation": "relation",
        "links": "relation",
        "date": "days",
        "datetime": "days",
        "integer": "range",
        "decimal": "range",
        "money": "range",
        "percent": "range",
        "duration": "range",
        "text": "text",
        "email": "text",
        "phone": "text",
        "url": "text",
        "auto_number": "text",
        "colour": "text",
        "icon": "text",
        "rating": "range",
        "year_month": "days",
        "tags": "text",
    }
)


@dataclass(frozen=True, slots=True)
class Facet:
    """One field a list may be filtered by, with what was chosen.

    Attributes:
        field: The field.
        kind: options | relation | days | range | text.
        chosen: The values chosen.
        low: Least value of a range, as typed.
        high: Greatest value of a range, as typed.
    """

    field: Field
    kind: str
    chosen: tuple[str, ...] = ()
    low: str = ""
    high: str = ""

    @property
    def active(self) -> bool:
        """Whether anything was chosen."""
        return bool(self.chosen or self.low or self.high)

    @property
    def parameters(self) -> dict[str, Any]:
        """The URL parameters that say what was chosen."""
        name = f"f.{self.field.name}"
        return {name: list(self.chosen), f"{name}.from": self.low, f"{name}.to": self.high}


@dataclass(frozen=True, slots=True)
class Option:
    """One value a facet offers."""

    value: str
    title: str
    checked: bool = False
    color: str = ""


@dataclass(frozen=True, slots=True)
class Offer:
    """A facet with the values it offers; `search` where there are too many to offer."""

    facet: Facet
    options: tuple[Option, ...] = ()
    search: bool = False


def read_facets(visit: PageVisit, entity: Entity, view: View | None) -> tuple[Facet, ...]:
    """Return the facets of a list: those its view names, and any other the URL asks for."""
    named = list(view.filters) if view else []
    asked = (p.split(".")[1] for p in visit.query if p.startswith("f.") and p.count(".") in (1, 2))
    names = dict.fromkeys([*named, *asked])
    fields = (entity.fields[n] for n in names if visit.reads(entity, n))
    return tuple(_read(visit, f) for f in fields if f.type in _KINDS and not f.polymorphic)


def _read(visit: PageVisit, shown: Field) -> Facet:
    name = f"f.{shown.name}"
    chosen = tuple(dict.fromkeys(visit.parameters(name)))[:MAX_VALUES]
    return Facet(shown, _KINDS[shown.type], chosen, visit.parameter(f"{name}.from"), visit.parameter(f"{name}.to"))


# --- expression ---------------------------------------------------------------------------------------------------


def expression(facets: Iterable[Facet], zone: ZoneInfo) -> list[str]:
    """Return one condition per facet that has something chosen."""
    found: list[str] = []
    for facet in facets:
        if facet.active:
            found.extend(_CONDITIONS[facet.kind](facet, zone))
    return found


def quoted(text: str) -> str:
    """Return a text as the expression language writes it."""
    escapes = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return "'" + "".join(escapes.get(c, c) for c in text) + "'"


def _any(parts: list[str]) -> list[str]:
    return ["(" + " || ".join(parts) + ")"] if parts else []


def _options(facet: Facet, zone: ZoneInfo) -> list[str]:
    name = facet.field.name
    if facet.field.type == "boolean":
        wanted = {"true": f"{name} == true", "false": f"{name} != true"}
        return _any([wanted[v] for v in facet.chosen if v in wanted])
    if facet.field.type == "choices":
        return _any([f"{quoted(v)} in {name}" if v != NONE else f"isEmpty({name})" for v in facet.chosen])
    return _any([f"{name} == {quoted(v)}" if v != NONE else f"{name} == null" for v in facet.chosen])


def _relation(facet: Facet, zone: ZoneInfo) -> list[str]:
    name = facet.field.name
    if facet.field.through is not None:
        special = {ME: f"user.id in {name}", NONE: f"isEmpty({name})"}
        return _any([special.get(v) or f"{quoted(v)} in {name}" for v in facet.chosen])
    special = {ME: f"{name} == user.id", NONE: f"{name} == null"}
    return _any([special.get(v) or f"{name} == {quoted(v)}" for v in facet.chosen])


def _days(facet: Facet, zone: ZoneInfo) -> list[str]:
    name, of_time = facet.field.name, facet.field.type == "datetime"
    found = []
    if facet.low:
        found.append(f"{name} >= {quoted(_midnight(facet.low, zone, 0) if of_time else facet.low)}")
    if facet.high:
        found.append(
            f"{name} < {quoted(_midnight(facet.high, zone, 1))}" if of_time else f"{name} <= {quoted(facet.high)}"
        )
    return found


def _midnight(day: str, zone: ZoneInfo, later: int) -> str:
    """Return when a day begins in the zone, or as it stands when it is no day: the kernel then says so."""
    try:
        found = date.fromisoformat(day) + timedelta(days=later)
    except (ValueError, OverflowError):
        return day
    return datetime(found.year, found.month, found.day, tzinfo=zone).isoformat()


def _range(facet: Facet, zone: ZoneInfo) -> list[str]:
    bounds = ((">=", facet.low), ("<=", facet.high))
    return [f"{facet.field.name} {sign} {_number(text)}" for sign, text in bounds if text]


def _number(text: str) -> str:
    found = text.strip().replace(",", "").replace(" ", "")
    return found if re.fullmatch(r"-?\d{1,18}(\.\d{1,6})?", found) else quoted(text)


def _text(facet: Facet, zone: ZoneInfo) -> list[str]:
    name = facet.field.name
    if facet.field.type == "tags":
        return _any([f"{quoted(v)} in {name}" for v in facet.chosen])
    if facet.field.type == "phone":
        return _any([f"{name}.contains({quoted(digits)})" for v in facet.chosen if (digits := _digits(v))])
    if facet.field.index or facet.field.unique:
        return _any([f"{name} == {quoted(v.upper() if _code(facet.field) else v)}" for v in facet.chosen])
    return _any([f"lower({name}).contains(lower({quoted(v)}))" for v in facet.chosen])


def _digits(text: str) -> str:
    """Return what every notation of a telephone number has in common: its digits without the zeros in front."""
    return re.sub(r"\D", "", text.replace("(0)", "")).lstrip("0")


def _code(shown: Field) -> bool:
    return bool(shown.pattern) and "A-Z" in shown.pattern and "a-z" not in shown.pattern


_CONDITIONS: Mapping[str, Callable[[Facet, ZoneInfo], list[str]]] = MappingProxyType(
    {"options": _options, "relation": _relation, "days": _days, "range": _range, "text": _text}
)


# --- what is offered ----------------------------------------------------------------------------------------------


async def offers(visit: PageVisit, facets: tuple[Facet, ...]) -> list[Offer]:
    """Return the facets with the values they offer."""
    return [await _offer(visit, facet) for facet in facets]


async def _offer(visit: PageVisit, facet: Facet) -> Offer:
    if facet.kind == "options":
        return Offer(facet, tuple(_choices(facet)))
    if facet.kind == "relation":
        return await _records(visit, facet)
    return Offer(facet)


def _choices(facet: Facet) -> Iterable[Option]:
    if facet.field.type == "boolean":
        yield Option("true", "Yes", "true" in facet.chosen)
        yield Option("false", "No", "false" in facet.chosen)
        return
    for choice in facet.field.choices:
        yield Option(choice.name, choice.title, choice.name in facet.chosen, choice.color)
    if not facet.field.required:
        yield Option(NONE, "No value", NONE in facet.chosen)


async def _records(visit: PageVisit, facet: Facet) -> Offer:
    target = facet.field.to[0]
    special = [Option(ME, "Me", ME in facet.chosen)] if target == "user" else []
    if not facet.field.required:
        special.append(Option(NONE, "No value", NONE in facet.chosen))
    if not visit.may(target, "read"):
        return Offer(facet, tuple(special))
    page = await visit.records.list(
        visit.actor, target, Query(sort=("label",), fields=("label",), limit=MAX_OPTIONS + 1)
    )
    if len(page.records) > MAX_OPTIONS:
        chosen = await _labels(visit, target, facet.chosen)
        return Offer(facet, (*special, *(Option(id, label, checked=True) for id, label in chosen.items())), search=True)
    found = (Option(r["id"], r["label"] or r["id"], r["id"] in facet.chosen) for r in page.records)
    return Offer(facet, (*special, *found))


async def _labels(visit: PageVisit, target: str, chosen: tuple[str, ...]) -> Mapping[str, str]:
    ids = [UUID(v) for v in chosen if re.fullmatch(r"[0-9a-fA-F-]{36}", v) and v.count("-") == 4]
    return await visit.records.visible_ids(visit.actor, target, ids) if ids else {}


async def chips(visit: PageVisit, facets: tuple[Facet, ...]) -> list[tuple[Facet, str, str]]:
    """Return what is chosen as (facet, value, text): one chip each, with an x to take it away."""
    found: list[tuple[Facet, str, str]] = []
    for facet in facets:
        labels = await _labels(visit, facet.field.to[0], facet.chosen) if facet.kind == "relation" else {}
        known = {o.value: o.title for o in _choices(facet)} if facet.kind == "options" else {}
        special = {ME: "me", NONE: "no value"}
        for value in facet.chosen:
            found.append((facet, value, labels.get(value) or known.get(value) or special.get(value) or value))
        if facet.low or facet.high:
            found.append((facet, "", f"{facet.low or '…'} – {facet.high or '…'}"))
    return found
