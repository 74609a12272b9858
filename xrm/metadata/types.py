"""What definitions may say of each field type: its options, what it needs, what may be done with it.

The kernel knows how values are parsed and kept (kernel/fieldtypes); this half is all that the files are judged by. A
plugin's type brings both. The table is of the process, as the code that plugins bring is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from xrm.metadata.model import Field

EVERY = frozenset(
    {
        "type",
        "title",
        "help",
        "required",
        "unique",
        "index",
        "read_only",
        "class",
        "default",
        "backfill",
        "convert",
        "formula",
        "stored",
        "as",
        "was",
        "removed",
    }
)
"""Options that every field has."""


@dataclass(frozen=True, slots=True)
class TypeRules:
    """What a definition may say of a field of one type.

    Attributes:
        family: How a default is judged: text, integer, decimal, moment, set, or empty: by the type's own parser.
        options: Options that only some types have.
        needs: The option it cannot do without, or empty.
        indexed: Whether it may be indexed, unique and sorted by.
        computed: Whether a formula may give its value.
        searched: Whether the search box may look into it.
        lanes: Whether a board may have a lane for each of its values.
        parts: Names of the columns it has besides the first: of `amount` with the part `currency`, amount_currency.
        unavailable: Options of `EVERY` that it does not have.
        first: What the first column of several is called in paths.
    """

    family: str = ""
    options: frozenset[str] = frozenset()
    needs: str = ""
    indexed: bool = True
    computed: bool = True
    searched: bool = False
    lanes: bool = False
    parts: tuple[str, ...] = ()
    unavailable: frozenset[str] = frozenset()
    first: str = ""


_RANGE = frozenset({"min", "max"})
_TEXT = frozenset({"max", "pattern"})
_NUMBER = _RANGE | {"precision", "scale"}
_SEALED = frozenset({"max"})
_PLAIN_ONLY = frozenset({"unique", "index", "default", "backfill", "formula"})
_CHOICES = frozenset({"choices", "depends_on"})
_USER = frozenset({"on_delete", "inverse", "many"})
_MONEY = _NUMBER | {"base", "rate_date"}
_POINTER = frozenset({"to", "on_delete", "inverse", "many", "hierarchy"})
_LINKS = frozenset({"to", "inverse", "many", "through"})
_KEPT = frozenset({"unique", "index", "default", "backfill", "formula"})

_LOOKUP = frozenset({"of"})
_ROLLUP = frozenset({"of", "where", "compute", "field", "scale"})
_ONLY_STORED = frozenset({"required", "read_only", "default", "backfill", "formula"})

_NO_DEFAULT = frozenset({"default", "backfill"})

_RULES: dict[str, TypeRules] = {
    "text": TypeRules("text", _TEXT, searched=True),
    "long_text": TypeRules("text", _TEXT, indexed=False, searched=True),
    "email": TypeRules("text", _TEXT, searched=True),
    "phone": TypeRules("text", _TEXT, searched=True),
    "url": TypeRules("text", _TEXT, searched=True),
    "markdown": TypeRules("text", _TEXT, indexed=False, searched=True),
    "rich_text": TypeRules("text", _TEXT, indexed=False, searched=True),
    "colour": TypeRules(searched=False),
    "icon": TypeRules(searched=False),
    "rating": TypeRules("integer", frozenset({"max"})),
    "year_month": TypeRules("moment", _RANGE),
    "integer": TypeRules("integer", _RANGE),
    "duration": TypeRules("integer", _RANGE),
    "decimal": TypeRules("decimal", _NUMBER),
    "money": TypeRules("decimal", _MONEY, parts=("currency", "base"), first="amount"),
    "percent": TypeRules("decimal", _NUMBER),
    "date": TypeRules("moment", _RANGE),
    "time": TypeRules("moment", _RANGE),
    "datetime": TypeRules("moment", _RANGE),
    "date_range": TypeRules("", frozenset({"open_ends"}), computed=False, parts=("end",), first="start"),
    "person_name": TypeRules(
        "",
        frozenset({"order"}),
        computed=False,
        searched=True,
        parts=("prefix", "given", "middle", "family", "suffix"),
        first="full",
    ),
    "address": TypeRules(
        "", computed=False, searched=True, parts=("postal_code", "city", "region", "country"), first="street"
    ),
    "file": TypeRules(
        "", indexed=False, computed=False, parts=("name", "media", "size"), first="digest", unavailable=_NO_DEFAULT
    ),
    "image": TypeRules(
        "", indexed=False, computed=False, parts=("name", "media", "size"), first="digest", unavailable=_NO_DEFAULT
    ),
    "geo_point": TypeRules("", indexed=False, computed=False, parts=("lng",), first="lat"),
    "choice": TypeRules("set", _CHOICES, "choices", searched=True, lanes=True),
    "choices": TypeRules("set", _CHOICES, "choices", indexed=False, computed=False, searched=True),
    "relation": TypeRules("set", _POINTER, "to", computed=False),
    "user": TypeRules("set", _USER, computed=False),
    "team": TypeRules("set", _USER, computed=False),
    "links": TypeRules("set", _LINKS, "to", indexed=False, computed=False, unavailable=_KEPT),
    "auto_number": TypeRules("set", frozenset({"number", "reset", "gapless"}), "number", computed=False, searched=True),
    "boolean": TypeRules("set"),
    "tags": TypeRules("set", indexed=False, computed=False, searched=True),
    "json": TypeRules("set", frozenset({"schema"}), indexed=False, computed=False),
    "encrypted_text": TypeRules("", _SEALED, indexed=False, computed=False, unavailable=_PLAIN_ONLY),
    "secret": TypeRules("", _SEALED, indexed=False, computed=False, unavailable=_PLAIN_ONLY),
    "uuid": TypeRules("set"),
    "lookup": TypeRules("", _LOOKUP, "of", indexed=False, computed=False, unavailable=_ONLY_STORED),
    "rollup": TypeRules("", _ROLLUP, "of", indexed=False, computed=False, unavailable=_ONLY_STORED),
}
RULES: Mapping[str, TypeRules] = MappingProxyType(_RULES)
"""Field type → what may be said of it."""

_UNKNOWN = TypeRules()


def declare(name: str, rules: TypeRules) -> None:
    """Make a field type known to the grammar and the checks; a plugin's type comes through the kernel's `register`."""
    _RULES[name] = rules


def rules_of(field: Field) -> TypeRules:
    """Return what may be said of a field; of a type that does not exist nothing in particular."""
    return _RULES.get(field.type, _UNKNOWN)


def parts_of(field: Field) -> tuple[str, ...]:
    """Return the names of a field's further columns; a relation to several entities also keeps which."""
    if field.polymorphic:
        return ("entity",)
    return tuple(part for part in rules_of(field).parts if part != "base" or field.base)
