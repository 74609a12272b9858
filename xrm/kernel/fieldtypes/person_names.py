"""Names of people: in parts, and in full as people read, sort and search them.

The full name is made of the parts, one after the other with a space between; the family name comes last, or first where
the field says ``order: family_first``. A name sent as one text is split so that its parts make the same text again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from xrm.kernel.fieldtypes.base import FieldType, Parsing, Part, Refused, constant, register, shape
from xrm.kernel.fieldtypes.compound import line, only_known
from xrm.kernel.store.schema import ColumnType
from xrm.metadata.model import Field

MAX_NAME = 300  # characters of a full name
FAMILY_FIRST = "family_first"
_GIVEN_FIRST = ("prefix", "given", "middle", "family", "suffix")
_FAMILY_FIRST = ("prefix", "family", "given", "middle", "suffix")
_PREFIXES = frozenset(
    [
        "mr",
        "mrs",
        "ms",
        "miss",
        "mx",
        "dr",
        "prof",
        "sir",
        "dame",
        "rev",
        "herr",
        "frau",
        "hr",
        "fr",
        "mme",
        "mlle",
        "sr.",
        "sra",
        "dott",
        "dott.ssa",
        "ing",
        "dipl.-ing",
        "mag",
    ]
)
_SUFFIXES = frozenset(["jr", "sr", "ii", "iii", "iv", "phd", "ph.d", "md", "m.d", "mba", "esq", "msc", "bsc", "dds"])
_PARTICLES = frozenset(
    [
        "van",
        "von",
        "vom",
        "der",
        "den",
        "de",
        "da",
        "di",
        "do",
        "del",
        "della",
        "la",
        "le",
        "dos",
        "das",
        "du",
        "des",
        "ter",
        "ten",
        "zu",
        "zum",
        "zur",
        "bin",
        "ibn",
        "al",
        "af",
        "av",
    ]
)


class PersonName(NamedTuple):
    """A name: in full, and in parts; a part that is not known is None."""

    full: str
    prefix: str | None = None
    given: str | None = None
    middle: str | None = None
    family: str | None = None
    suffix: str | None = None

    @property
    def leading(self) -> str:
        """The full name."""
        return self.full


def _order(field: Field) -> tuple[str, ...]:
    return _FAMILY_FIRST if field.order == FAMILY_FIRST else _GIVEN_FIRST


def _parse_name(field: Field, value: Any, parsing: Parsing) -> PersonName | None:
    if isinstance(value, PersonName):
        return value
    if isinstance(value, str):
        value = {"full": value}
    if not isinstance(value, Mapping):
        raise Refused("not_name", "This is not a name.", 'a text, or like {"given": "Ann", "family": "Smith"}')
    only_known(value, ("full", *_GIVEN_FIRST), "A name")
    parts = {name: line(value.get(name), name) for name in _GIVEN_FIRST}
    if not any(parts.values()):
        full = line(value.get("full"), "full", MAX_NAME)
        parts = {**parts, **(split(field, full) if full else {})}
    full = " ".join(filter(None, (parts[name] for name in _order(field))))
    return PersonName(full, **parts) if full else None


def split(field: Field, text: str) -> dict[str, str]:
    """Return the parts of a name; put together in the field's order they make the text again.

    Only "Smith, Ann" is turned round. What is known of titles, suffixes and particles is a short list: everything else
    is a given, middle or family name by its place, which people can mend.
    """
    head, _, tail = text.partition(",")
    after = tail.replace(",", " ").split()
    if head.strip() and after and not _in(after[0], _SUFFIXES):
        return {"family": head.strip(), **_given(_split_ends(after))}
    found = _split_ends(text.replace(",", " ").split() or [text])
    words: list[str] = found.pop("words")
    return found | (_family_first(words) if field.order == FAMILY_FIRST else _family_last(words))


def _in(word: str, known: frozenset[str]) -> bool:
    return word.lower() in known or word.lower().rstrip(".") in known


def _split_ends(words: Sequence[str]) -> dict[str, Any]:
    """Take titles off the front and suffixes off the end, as long as a word is left."""
    first, last = 0, len(words)
    while first < last - 1 and _in(words[first], _PREFIXES):
        first += 1
    while last > first + 1 and _in(words[last - 1], _SUFFIXES):
        last -= 1
    ends = {"prefix": " ".join(words[:first]), "suffix": " ".join(words[last:])}
    return {**{name: text for name, text in ends.items() if text}, "words": list(words[first:last])}


def _given(found: dict[str, Any]) -> dict[str, str]:
    given, *middle = found.pop("words")
    return {**found, "given": given, **({"middle": " ".join(middle)} if middle else {})}


def _family_first(words: list[str]) -> dict[str, str]:
    family, *rest = words
    return {"family": family, **(_given({"words": rest}) if rest else {})}


def _family_last(words: list[str]) -> dict[str, str]:
    if len(words) == 1:
        return {"given": words[0]}
    start = len(words) - 1
    while start > 1 and words[start - 1].lower() in _PARTICLES:
        start -= 1
    return {"family": " ".join(words[start:]), **_given({"words": words[:start]})}


def _complete(field: Field, value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a name with its parts: one kept as text before the field became a name has none."""
    full = value.get("full")
    known = any(value.get(name) for name in _GIVEN_FIRST)
    return value if known or not full else {**value, **split(field, str(full))}


_TEXT = {"type": ["string", "null"]}

register(
    FieldType(
        "person_name",
        constant("text"),
        _parse_name,
        shape(type="object", properties=dict.fromkeys(("full", *_GIVEN_FIRST), _TEXT)),
        "text",
        "parts",
        first="full",
        parts=(
            Part("prefix", ColumnType("text"), title="Title"),
            Part("given", ColumnType("text"), title="Given name"),
            Part("middle", ColumnType("text"), title="Middle names"),
            Part("family", ColumnType("text"), title="Family name"),
            Part("suffix", ColumnType("text")),
        ),
        make=PersonName,
        whole=False,
        holds="a person's name, in full and in parts",
        leading=Part("full", ColumnType("text"), title="Full name"),
        text=lambda field, value: str(value.get("full") or ""),
        order=lambda field, held: _order(field),
        complete=_complete,
        accepts=("string",),
    )
)
