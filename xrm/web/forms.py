"""Forms: values of records ↔ what inputs hold, and the sections a form shows.

*Raw* values are what the inputs hold, by input name: the field's name, and for compound fields also
``amount.currency``, ``customer.text`` (what was typed), ``customer.was`` (the title of the record its id stands for)
and ``regarding.entity``. A form that is refused shows its raw values again, untouched.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from xrm.errors import Issue
from xrm.kernel.fieldtypes.choices import fitting
from xrm.kernel.fieldtypes.phone import shown as shown_phone
from xrm.kernel.fieldtypes.signs import stars
from xrm.kernel.values import TYPES, Part, Refused, asked, keys
from xrm.metadata.model import Choice, Entity, Field
from xrm.metadata.names import TYPE_FIELD
from xrm.web.links import links_json, links_raw
from xrm.web.show import Show, trimmed, utc_text
from xrm.web.visit import PageVisit

Raw = Mapping[str, Any]

CURRENCIES = (
    "EUR",
    "USD",
    "GBP",
    "CHF",
    "JPY",
    "CNY",
    "INR",
    "BRL",
    "CAD",
    "AUD",
    "SEK",
    "NOK",
    "DKK",
    "PLN",
    "CZK",
    "HUF",
    "RON",
    "TRY",
    "MXN",
    "ZAR",
    "KRW",
    "SGD",
    "NZD",
    "AED",
    "ILS",
    "UAH",
)
WIDE = frozenset({"long_text", "json", "tags", "links", "markdown", "rich_text"})
SEVERAL = frozenset({"choices", "links"})  # types whose inputs hold a list


OWN_INPUTS = frozenset({"file", "money", "relation"})  # widgets of several columns that lay out their inputs themselves
FILE_EXTRAS = ("token", "held", "remove")  # further inputs of a file
EXTRAS = ("text", "was", "pick", "entity")  # further inputs of a relation
_INPUTS: Mapping[str, str] = MappingProxyType(
    {"date": "date", "time": "time", "int": "integer", "decimal": "decimal", "bool": "checkbox"}
)


@dataclass(frozen=True, slots=True)
class PartInput:
    """One input of a field with several: what it is called, what it holds, and whether its value was refused."""

    name: str
    id: str
    title: str
    value: str
    kind: str  # text | lines | date | time | integer | decimal | checkbox | choice
    wrong: bool = False
    choices: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Entry:
    """One field of a form, ready for its widget."""

    field: Field
    raw: Raw
    issues: tuple[Issue, ...] = ()
    required: bool = False
    suggestions: tuple[tuple[str, str], ...] = ()
    currencies: tuple[str, ...] = ()
    targets: tuple[Entity, ...] = ()

    @property
    def name(self) -> str:
        """Name of the (first) input."""
        return self.field.name

    @property
    def id(self) -> str:
        """Id of the (first) input: what its label and the summary of errors point to."""
        return f"f-{self.field.name}"

    @property
    def widget(self) -> str:
        """Name of the widget; a type of several columns without one of its own gets an input for each part."""
        own = TYPES[self.field.type].widget
        return "parts" if keys(self.field) and own not in OWN_INPUTS else own

    @property
    def choices(self) -> tuple[Choice, ...]:
        """The choices to offer: of a dependent choice those that fit what the form holds, all where it does not say."""
        parent = self.raw.get(self.field.depends_on) if self.field.depends_on else None
        return fitting(self.field, parent) if parent else self.field.choices

    @property
    def dependent(self) -> str:
        """All choices of a dependent choice as JSON, for the script that offers others when the other field changes."""
        choices = [{"name": c.name, "title": c.title, "when": c.when} for c in self.field.choices]
        return msgspec.json.encode(choices).decode()

    @property
    def stars(self) -> range:
        """The numbers of stars a rating may have."""
        return range(stars(self.field) + 1)

    @property
    def wide(self) -> bool:
        """Whether it takes the whole width."""
        return self.field.type in WIDE or self.widget == "parts"

    @property
    def parts(self) -> tuple[PartInput, ...]:
        """The inputs of a field with several, in the order its type wants for what they hold."""
        field, first = self.field, TYPES[self.field.type].first
        held = {name: self.value if name == first else self.part(name) for name in keys(field)}
        wrong = {issue.path for issue in self.issues}
        return tuple(
            PartInput(
                field.name if part.name == first else f"{field.name}.{part.name}",
                f"{self.id}-{part.name}",
                part.title or part.name.replace("_", " ").capitalize(),
                str(held[part.name]),
                "lines" if part.lines else _INPUTS.get(part.column.name, "text"),
                field.name in wrong or f"{field.name}.{part.name}" in wrong,
                tuple(part.choices()) if part.choices else (),
            )
            for part in asked(field, held)
        )

    @property
    def value(self) -> Any:
        """What the first input holds."""
        return self.raw.get(self.field.name, "")

    @property
    def chosen(self) -> tuple[tuple[str, str], ...]:
        """Id and title of every record a relation to many shows: those chosen, and those it showed before."""
        labels: Mapping[str, str] = self.raw.get(f"{self.field.name}.labels", {})
        was = self.part("was").split(",")
        return tuple((id, labels.get(id, id)) for id in dict.fromkeys([*was, *(self.value or ())]) if id)

    def part(self, name: str) -> str:
        """Return what a further input of the field holds."""
        return str(self.raw.get(f"{self.field.name}.{name}", ""))

    @property
    def described_by(self) -> str:
        """Ids of the help and error texts of the inputs."""
        ids = [f"{self.id}-help"] if self.field.help else []
        return " ".join(ids + ([f"{self.id}-error"] if self.issues else []))


@dataclass(frozen=True, slots=True)
class Group:
    """One titled group of entries of a form."""

    title: str
    entries: tuple[Entry, ...]


def sections(visit: PageVisit, entity: Entity, allowed: frozenset[str]) -> list[tuple[str, tuple[Field, ...]]]:
    """Return the sections of an entity's form with the fields the actor may write by it, its record type left out.

    What the form view leaves out is not asked for, unless nothing could be saved without it.
    """
    view = next((v for v in entity.views.values() if v.kind == "form"), None)
    apart = {entity.workflow.field if entity.workflow else "", TYPE_FIELD if entity.record_types else ""}
    fits = {
        f.name: f
        for f in entity.fields.values()
        if f.writable and f.name in allowed and f.name not in apart and not f.removed
    }
    if view is None:
        return [("", tuple(fits.values()))]
    found = [(s.title, tuple(fits[n] for n in s.fields if n in fits)) for s in view.sections]
    placed = {f.name for _, fields in found for f in fields}
    missing = tuple(f for f in fits.values() if f.required and f.default is None and f.name not in placed)
    return [section for section in [*found, ("More", missing)] if section[1]]


def entries(
    visit: PageVisit,
    fields: Iterable[Field],
    raw: Raw,
    issues: Sequence[Issue] = (),
    needed: Iterable[str] = (),
    suggestions: Mapping[str, tuple[tuple[str, str], ...]] = MappingProxyType({}),
) -> tuple[Entry, ...]:
    """Return the entries of some fields; `needed` are those a transition asks for."""
    wanted = set(needed)
    return tuple(
        Entry(
            field,
            raw,
            tuple(i for i in issues if i.path.split(".")[0] == field.name),
            field.required or field.name in wanted,
            suggestions.get(field.name, ()),
            _currencies(visit, field, raw),
            _targets(visit, field),
        )
        for field in fields
    )


def _currencies(visit: PageVisit, field: Field, raw: Raw) -> tuple[str, ...]:
    if field.type != "money":
        return ()
    own = [visit.settings.currency, str(raw.get(f"{field.name}.currency") or visit.settings.currency)]
    return tuple(dict.fromkeys([*own, *CURRENCIES]))


def _targets(visit: PageVisit, field: Field) -> tuple[Entity, ...]:
    """Return the entities a polymorphic relation may point to, as far as the actor may read them."""
    if not field.polymorphic:
        return ()
    found = [e for e in visit.live.policy.entities(visit.actor) if field.to == ("*",) or e.name in field.to]
    return tuple(sorted((e for e in found if not e.removed), key=lambda e: (e.group == "-", e.title)))


# --- record → inputs ----------------------------------------------------------------------------------------------


def to_raw(show: Show, fields: Iterable[Field], record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the inputs of some fields hold for a record's JSON values."""
    raw: dict[str, Any] = {}
    for field in fields:
        value = record.get(field.name)
        maker = _TO_RAW.get(field.type) or (_parts_raw if keys(field) else _plain_raw)
        raw |= maker(field, value, show)
    return raw


def _plain_raw(field: Field, value: Any, show: Show) -> Raw:
    return {field.name: "" if value is None else str(value)}


def _parts_raw(field: Field, value: Any, show: Show) -> Raw:
    """Return what the inputs of a value of several columns hold: the first by the field's name."""
    first, complete = keys(field)[0], TYPES[field.type].complete
    held = value if isinstance(value, Mapping) else {}
    held = complete(field, held) if complete else held
    return {field.name if n == first else f"{field.name}.{n}": _part_raw(held.get(n)) for n in keys(field)}


def _part_raw(cell: Any) -> str:
    if isinstance(cell, bool):
        return "true" if cell else ""
    return "" if cell is None else str(cell)


def _file_raw(field: Field, value: Any, show: Show) -> Raw:
    return {field.name: "", f"{field.name}.held": value["name"] if isinstance(value, Mapping) else ""}


def _money_raw(field: Field, value: Any, show: Show) -> Raw:
    return {field.name: value["amount"], f"{field.name}.currency": value["currency"]} if value else {field.name: ""}


def _relation_raw(field: Field, value: Any, show: Show) -> Raw:
    if not isinstance(value, Mapping) or value.get("_restricted"):
        return {field.name: ""}
    label = str(value.get("label") or value.get("id") or "")
    named = {f"{field.name}.entity": value.get("entity", "")} if field.polymorphic else {}
    return {field.name: value.get("id", ""), f"{field.name}.text": label, f"{field.name}.was": label, **named}


def _datetime_raw(field: Field, value: Any, show: Show) -> Raw:
    local = show.local(value) if value else None
    return {field.name: local.strftime("%Y-%m-%dT%H:%M") if local else ""}


def _json_raw(field: Field, value: Any, show: Show) -> Raw:
    return {field.name: "" if value is None else msgspec.json.format(msgspec.json.encode(value), indent=2).decode()}


def _sealed_raw(field: Field, value: Any, show: Show) -> Raw:
    """Return what the input of an encrypted text holds: nothing of what nobody may read, only that it is there."""
    if isinstance(value, Mapping):
        return {field.name: "", f"{field.name}.kept": next(iter(value), "")}
    return {field.name: value or ""}


_TO_RAW: Mapping[str, Callable[[Field, Any, Show], Raw]] = MappingProxyType(
    {
        "file": _file_raw,
        "image": _file_raw,
        "money": _money_raw,
        "relation": _relation_raw,
        "links": lambda f, v, s: links_raw(f, v),
        "datetime": _datetime_raw,
        "json": _json_raw,
        "encrypted_text": _sealed_raw,
        "secret": _sealed_raw,
        "phone": lambda f, v, s: {f.name: shown_phone(v, s.country) if v else ""},
        "boolean": lambda f, v, s: {f.name: "true" if v else ""},
        "choices": lambda f, v, s: {f.name: list(v or ())},
        "tags": lambda f, v, s: {f.name: ", ".join(v or ())},
        "time": lambda f, v, s: {f.name: str(v)[:5] if v else ""},
        "percent": lambda f, v, s: {f.name: trimmed(v).replace(",", "") if v is not None else ""},
        "duration": lambda f, v, s: {f.name: f"{v // 60}:{v % 60:02d}" if v is not None and v >= 0 else ""},
    }
)


# --- inputs → JSON values -----------------------------------------------------------------------------------------


def take_raw(fields: Iterable[Field], sent: Any) -> dict[str, Any]:
    """Return the raw values of some fields from a form's body or a query (anything with ``getall``)."""
    raw: dict[str, Any] = {}
    for field in fields:
        raw[field.name] = _several(field, sent) if field.type in SEVERAL else _last(sent, field.name)
        for part in _extras(field):
            name = f"{field.name}.{part}"
            if name in sent:
                raw[name] = _last(sent, name)
    return raw


def _extras(field: Field) -> tuple[str, ...]:
    """Return the names of the further inputs of a field."""
    if TYPES[field.type].widget == "file":
        return FILE_EXTRAS
    if TYPES[field.type].reveal:
        return ("kept", "clear")
    return EXTRAS if field.type in ("links", "relation") else keys(field)[1:]


def _sealed(field: Field, raw: Raw, zone: ZoneInfo) -> Any:
    text, kept = str(raw.get(field.name, "")), str(raw.get(f"{field.name}.kept", ""))
    if text or kept not in ("set", "lost") or raw.get(f"{field.name}.clear"):
        return text
    return {kept: True}


def _several(field: Field, sent: Any) -> list[str]:
    return [str(v) for v in sent.getall(field.name, []) if isinstance(v, str) and v]


def _last(sent: Any, name: str) -> str:
    values = [v for v in sent.getall(name, []) if isinstance(v, str)]
    return values[-1].replace("\r\n", "\n") if values else ""


def to_json(field: Field, raw: Raw, zone: ZoneInfo) -> Any:
    """Return the JSON value of a field's inputs; relations that name a record by text only are left to the caller.

    Raises:
        Refused: the inputs make no value.
    """
    maker = _TO_JSON.get(field.type) or (_parts if keys(field) else None)
    return maker(field, raw, zone) if maker else raw.get(field.name, "")


def _parts(field: Field, raw: Raw, zone: ZoneInfo) -> Any:
    """Return the parts that hold something; none at all is no value. What the platform works out is not sent."""
    first = keys(field)[0]
    found = {
        part.name: _part(part, str(raw.get(field.name if part.name == first else f"{field.name}.{part.name}", "")))
        for part in asked(
            field, {n: str(raw.get(field.name if n == first else f"{field.name}.{n}", "")) for n in keys(field)}
        )
    }
    given = {name: value for name, value in found.items() if value is not None}
    return given if any(value is not False for value in given.values()) else None


def _part(part: Part, text: str) -> Any:
    if part.column.name == "bool":
        return text == "true"
    if not text.strip():
        return None
    if part.column.name not in ("int", "decimal"):
        return text
    number = plain_number(text)
    return int(number) if part.column.name == "int" and re.fullmatch(r"[+-]?\d{1,19}", number) else number


def _file(field: Field, raw: Raw, zone: ZoneInfo) -> Any:
    """Return what a form says of a file that was sent, or None: it is to go."""
    token = str(raw.get(f"{field.name}.token", ""))
    return {"file": token} if token else None


def untouched(field: Field, raw: Raw) -> bool:
    """Whether a form leaves a file as it is."""
    return TYPES[field.type].widget == "file" and not any(raw.get(f"{field.name}.{n}") for n in ("token", "remove"))


def _number(field: Field, raw: Raw, zone: ZoneInfo) -> Any:
    return plain_number(str(raw.get(field.name, "")))


def plain_number(text: str) -> str:
    """Return a number as typed without spaces and separators of thousands: ``1,234.50`` → ``1234.50``."""
    found = re.sub(r"[\s\u00a0\u202f'’]", "", text).removesuffix("%")
    return found.replace(",", "") if re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?", found) else found


def _money(field: Field, raw: Raw, zone: ZoneInfo) -> Any:
    amount = plain_number(str(raw.get(field.name, "")))
    currency = str(raw.get(f"{field.name}.currency", ""))
    return {"amount": amount, "currency": currency} if amount else None


def _datetime(field: Field, raw: Raw, zone: ZoneInfo) -> Any:
    text = str(raw.get(field.name, "")).strip()
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return text
    try:
        return utc_text(found if found.tzinfo else found.replace(tzinfo=zone))
    except OverflowError:
        raise Refused("not_datetime", "This date is out of range.") from None


def _duration(field: Field, raw: Raw, zone: ZoneInfo) -> Any:
    text = str(raw.get(field.name, "")).strip().lower()
    if found := re.fullmatch(r"(\d{1,4}):([0-5]\d)", text):
        return int(found[1]) * 60 + int(found[2])
    if found := re.fullmatch(r"(?:(\d{1,4}) ?h)? ?(?:(\d{1,5}) ?(?:m|min))?", text):
        return int(found[1] or 0) * 60 + int(found[2] or 0) if text else None
    return text


def _json(field: Field, raw: Raw, zone: ZoneInfo) -> Any:
    text = str(raw.get(field.name, "")).strip()
    if not text:
        return None
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as error:
        raise Refused("not_json", f"This is not JSON: {error}", 'like {"colour": "blue"}') from None


def _relation(field: Field, raw: Raw, zone: ZoneInfo) -> Any:
    id = str(raw.get(field.name, "")).strip()
    if not id:
        return None
    return {"entity": str(raw.get(f"{field.name}.entity", "")), "id": id} if field.polymorphic else id


_TO_JSON: Mapping[str, Callable[[Field, Raw, ZoneInfo], Any]] = MappingProxyType(
    {
        "integer": _number,
        "decimal": _number,
        "percent": _number,
        "file": _file,
        "image": _file,
        "money": _money,
        "datetime": _datetime,
        "json": _json,
        "encrypted_text": _sealed,
        "secret": _sealed,
        "duration": _duration,
        "relation": _relation,
        "links": lambda f, r, z: links_json(f, r),
        "boolean": lambda f, r, z: r.get(f.name) == "true",
        "choices": lambda f, r, z: list(r.get(f.name) or ()),
        "tags": lambda f, r, z: [t.strip() for t in re.split(r"[,;\n]", str(r.get(f.name, ""))) if t.strip()],
    }
)
