"""Words: what the studio calls the things of the grammar, for people who never wrote YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import xrm
from studio.draft import SITE
from xrm.metadata.model import Entity, Field


@dataclass(frozen=True, slots=True)
class Word:
    """What something is called, the Bootstrap icon it has, and what it is for."""

    title: str
    icon: str = ""
    help: str = ""


TYPES: Mapping[str, Word] = MappingProxyType(
    {
        "text": Word("Short text", "fonts", "One line, such as a name or a serial number."),
        "long_text": Word("Long text", "text-paragraph", "Several lines, such as notes."),
        "relation": Word("Link to a record", "link-45deg", "Points to a record of this or another entity."),
        "links": Word("Links to records", "diagram-3", "Points to any number of records."),
        "choice": Word("One of a list", "ui-radios", "One of the values you list."),
        "choices": Word("Several of a list", "ui-checks", "Any of the values you list."),
        "date": Word("Date", "calendar3", "A day."),
        "datetime": Word("Date and time", "calendar-event", "A moment; shown in the site's time zone."),
        "date_range": Word("Dates from – to", "calendar-range", "From a day to a day, such as a contract's term."),
        "person_name": Word("Person's name", "person", "A name in full, and its parts."),
        "address": Word("Address", "house", "Street, postal code, city, region and country, as the country writes it."),
        "file": Word("File", "paperclip", "A file of any kind."),
        "image": Word("Picture", "image", "PNG, JPEG, GIF or WebP."),
        "geo_point": Word("Place on the map", "geo-alt", "Latitude and longitude."),
        "time": Word("Time of day", "clock"),
        "duration": Word("Duration", "stopwatch", "A number of minutes."),
        "markdown": Word("Text with Markdown", "markdown", "Several lines with headings, lists and links."),
        "rich_text": Word("Text with a layout", "body-text", "Several lines with HTML, cleaned of what could act."),
        "rating": Word("Rating", "star", "A number of stars."),
        "year_month": Word("Month", "calendar-month", "A month of a year, such as 2026-11."),
        "colour": Word("Colour", "palette"),
        "icon": Word("Icon", "emoji-smile", "The name of a Bootstrap icon."),
        "integer": Word("Whole number", "123"),
        "decimal": Word("Decimal number", "calculator", "Exact, with the digits you choose."),
        "money": Word("Money", "cash", "An amount with its currency."),
        "percent": Word("Percent", "percent"),
        "boolean": Word("Yes or no", "toggle-on"),
        "email": Word("E-mail address", "envelope"),
        "phone": Word("Phone number", "telephone"),
        "url": Word("Web address", "globe"),
        "user": Word("User", "person", "Somebody who works with this site."),
        "team": Word("Team", "people", "One of the teams."),
        "tags": Word("Tags", "tags", "Any words, chosen freely."),
        "auto_number": Word("Running number", "hash", "Given by the site, such as M-00042."),
        "json": Word("JSON", "braces", "Data of another program."),
        "encrypted_text": Word("Encrypted text", "shield-lock", "Readable here, not in the database or its copies."),
        "secret": Word("Secret", "key", "Written once and never shown again."),
        "lookup": Word("Field of a linked record", "eye", "Shows a field across a link, such as customer.country."),
        "rollup": Word("Total over linked records", "calculator-fill", "Counts or adds up the records that link here."),
        "uuid": Word("UUID", "fingerprint", "An identifier of another program."),
    }
)

CLASSES: Mapping[str, str] = MappingProxyType(
    {
        "public": "Public",
        "internal": "Internal (usual)",
        "confidential": "Confidential",
        "personal": "Personal data",
        "special": "Special personal data",
        "secret": "Secret",
    }
)
NAME_ORDERS: Mapping[str, str] = MappingProxyType(
    {"given_first": "Given name first", "family_first": "Family name first"}
)
COLORS: tuple[tuple[str, str], ...] = (
    ("", "none"),
    ("primary", "blue"),
    ("info", "cyan"),
    ("success", "green"),
    ("warning", "yellow"),
    ("danger", "red"),
    ("secondary", "grey"),
)
COMPUTES: Mapping[str, str] = MappingProxyType(
    {
        "count": "How many there are",
        "sum": "Their sum",
        "avg": "Their average",
        "min": "The least",
        "max": "The greatest",
        "list": "A list of them",
    }
)
LIST_HINT = "The name of an inverse list, with the relations that lead there: lines, customer.tickets."
RESETS: Mapping[str, str] = MappingProxyType({"never": "Never", "year": "Every year", "month": "Every month"})
FINALS: tuple[tuple[str, str], ...] = (("", "no"), ("won", "won"), ("lost", "lost"), ("done", "done"))
ON_DELETE: Mapping[str, str] = MappingProxyType(
    {
        "restrict": "Refuse while this points to it",
        "clear": "Empty this field",
        "cascade": "Delete this record too",
    }
)
SHORT_SEVERITIES: Mapping[str, str] = MappingProxyType({"block": "refuses", "warn": "warns", "debt": "notes"})
SEVERITIES: Mapping[str, str] = MappingProxyType(
    {
        "block": "Refuse to save",
        "warn": "Warn and save",
        "debt": "Save and note it as open",
    }
)
ROWS: Mapping[str, str] = MappingProxyType(
    {
        "own": " their own",
        "team": " those of their team",
        "unit": " those of their unit",
        "unit_tree": " those of their unit and the units below it",
        "managed": " their own and those of the people they manage",
    }
)

LEVELS: Mapping[str, tuple[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "see": ("See all", {"actions": ["read"]}),
        "own": ("See and change their own", {"actions": ["read", "create", "update"], "rows": "own"}),
        "all": ("See and change all", {"actions": ["read", "create", "update"]}),
        "full": (
            "See, change, delete, export and import all",
            {
                "actions": ["read", "create", "update", "delete", "restore", "export", "import"],
            },
        ),
    }
)


def type_word(field: Field) -> Word:
    """Return what a field's type is called."""
    return TYPES.get(field.written or field.type, Word(field.type, "question"))


@cache
def builtin(layer: str) -> bool:
    """Return whether a layer belongs to the platform itself."""
    return bool(layer) and (Path(xrm.__file__).parent / "builtin" / layer).is_dir()


def layer_word(layer: str) -> tuple[str, str]:
    """Return what a layer is called, and the kind of its badge."""
    if layer == SITE:
        return "this site", "good"
    return ("platform", "plain") if not layer or builtin(layer) else (f"plugin {layer}", "info")


def icon_of(entity: Entity) -> str:
    """Return the icon of an entity."""
    return entity.icon or "circle"


def entity_words(entities: Mapping[str, Entity], names: tuple[str, ...]) -> str:
    """Return the titles of entities, for a sentence."""
    return ", ".join(entities[name].title if name in entities else "anything" for name in names)
