"""vCards (RFC 6350; those of versions 2.1 and 3.0 are read): cards as rows, and records as cards.

What a card says becomes columns that are called as people call them (``first name``, ``phone``, ``city``), so that the
mapping of an import is found by name as for any table. A second number or address has a column of its own, and what is
not known here has one too, so that the import tells what it leaves out.
"""

from __future__ import annotations

import quopri
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO

from icalendar import parser

from xrm.kernel.fieldtypes.addresses import PARTS
from xrm.metadata.model import Entity, Field

_Line: Any = parser.Contentline  # icalendar's lines have no types of their own
_Lines: Any = parser.Contentlines

_LINE = re.compile(r"(?:[\w-]+\.)?(?P<name>[\w-]+)(?P<params>(?:;(?:\"[^\"]*\"|[^:\"])*)?):(?P<value>.*)", re.DOTALL)
_SOFT = re.compile(rb"=\r?\n")
_NAME = ("last name", "first name", "middle name", "prefix", "suffix")
_ADDRESS = ("", "", "street", "city", "region", "postal code", "country")
_OF_THE_FILE = ("VERSION", "PRODID", "REV", "KIND")
_SIMPLE: Mapping[str, str] = {
    "FN": "name",
    "NICKNAME": "nickname",
    "TITLE": "job title",
    "ROLE": "role",
    "EMAIL": "email",
    "URL": "website",
    "NOTE": "notes",
    "BDAY": "birthday",
    "UID": "uid",
    "CATEGORIES": "categories",
    "LANG": "language",
}


def read_cards(stream: BinaryIO, encoding: str) -> Iterator[dict[str, str]]:
    """Yield one row per card of a file: column → text. What stands outside of cards is no row.

    Args:
        stream: The file, which is read as a whole.
        encoding: A Python codec name.
    """
    stream.seek(0)
    text = _SOFT.sub(b"", stream.read()).decode(encoding, "replace")
    row: dict[str, str] | None = None
    named: Counter[str] = Counter()  # how often a column was filled by this card
    for line in _Lines.from_ical("\r\n".join(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))):
        match = _LINE.fullmatch(str(line))
        name = match["name"].upper() if match else ""
        if match is None or (name == "BEGIN" and match["value"].upper() != "VCARD"):
            continue
        if name == "BEGIN":
            row, named = {}, Counter()
        elif name == "END" and row is not None:
            yield row
            row = None
        elif row is not None:
            _take(row, named, (name, match["params"].upper(), match["value"]))


def _take(row: dict[str, str], named: Counter[str], line: tuple[str, str, str]) -> None:
    """Put what one line of a card says into its row: the second of a kind into a column ``phone 2``."""
    name, params, value = line
    if "QUOTED-PRINTABLE" in params:
        value = quopri.decodestring(value.encode("utf-8", "replace")).decode("utf-8", "replace")
    for column, part in _columns(name, params, value):
        if part.strip():
            named[column] += 1
            row[column if named[column] == 1 else f"{column} {named[column]}"] = part.strip()


def _columns(name: str, params: str, value: str) -> Iterator[tuple[str, str]]:
    if name == "N":
        yield from zip(_NAME, _parts(value), strict=False)
    elif name == "ADR":
        yield from ((column, part) for column, part in zip(_ADDRESS, _parts(value), strict=False) if column)
    elif name == "ORG":
        company, *department = _parts(value)
        yield from (("company", company), ("department", ", ".join(department)))
    elif name == "TEL":
        number = value.removeprefix("tel:").partition(";")[0]
        yield "fax" if "FAX" in params else "mobile" if "CELL" in params else "phone", _plain(number)
    elif name not in _OF_THE_FILE:
        yield _SIMPLE.get(name, name.lower()), _plain(value)


def _parts(value: str) -> list[str]:
    return [_plain(part) for part in re.split(r"(?<!\\);", value)]


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", lambda escaped: "\n" if escaped[1] in "nN" else escaped[1], text)


class Cards:
    """Makes a card (vCard 4.0) of each record of an entity, of what its fields are and what they are called."""

    def __init__(self, entity: Entity, paths: Sequence[str]) -> None:
        """Prepare cards of the fields that are exported."""
        self._fields = [entity.fields[path] for path in paths if path in entity.fields]

    def card(self, record: Mapping[str, Any]) -> bytes:
        """Return one card, with CRLF at the end of each line."""
        lines = [_Line("BEGIN:VCARD"), _Line("VERSION:4.0"), *self._lines(record), _Line("END:VCARD")]
        return b"".join(line.to_ical() + b"\r\n" for line in lines)

    def _lines(self, record: Mapping[str, Any]) -> Iterator[Any]:
        values = [(field, record.get(field.name)) for field in self._fields]
        given = [(field, value) for field, value in values if value not in (None, "", [])]
        yield _line("FN", str(record.get("label") or _full(given) or record.get("id") or "?"))
        yield _line("UID", f"urn:uuid:{record['id']}", escape=False)
        for field, value in given:
            yield from _of_field(field, value)
        plain = {field.name: str(value) for field, value in given if field.type in ("text", "choice", "long_text")}
        if any(plain.get(name) for name in PARTS):
            yield _address(plain)


def _full(given: Sequence[tuple[Field, Any]]) -> str:
    named = next((value for field, value in given if field.type == "person_name"), None)
    return str(named.get("full") or "") if named else ""


def _of_field(field: Field, value: Any) -> Iterator[Any]:
    if field.type == "email":
        yield _line("EMAIL", str(value))
    elif field.type == "phone":
        kind = "cell" if "mobile" in field.name else "fax" if "fax" in field.name else "voice"
        yield _line("TEL", f"tel:{value}", escape=False, VALUE="uri", TYPE=kind)
    elif field.type == "url":
        yield _line("URL", str(value), escape=False)
    elif field.type == "address":
        yield _address(value)
    elif field.type == "person_name":
        names = (str(value.get(part) or "") for part in ("family", "given", "middle", "prefix", "suffix"))
        yield _Line("N:" + ";".join(_escaped(name) for name in names))
    elif field.name in ("notes", "note") and isinstance(value, str):
        yield _line("NOTE", value)


def _address(value: Mapping[str, Any]) -> Any:
    parts = ("", "", *(str(value.get(part) or "") for part in ("street", "city", "region", "postal_code", "country")))
    return _Line("ADR:" + ";".join(_escaped(part) for part in parts))


def _line(name: str, value: str, *, escape: bool = True, **params: str) -> Any:
    head = "".join(f";{key}={said}" for key, said in params.items())
    return _Line(f"{name}{head}:{_escaped(value) if escape else value.replace(chr(13), '').replace(chr(10), '')}")


def _escaped(text: str) -> str:
    plain = text.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    return plain.replace("\r\n", "\\n").replace("\n", "\\n").replace("\r", "\\n")
