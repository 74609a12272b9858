"""How a file is written: its format, encoding and delimiter, found out from its bytes.

A guess is only a start: a mapping file, or the person who imports, may say otherwise.
"""

from __future__ import annotations

import codecs
import csv
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import BinaryIO

from xrm.errors import Issue, Malformed

SAMPLE = 256 * 1024  # bytes looked at for the delimiter
CHUNK = 1024 * 1024  # bytes read at once while looking for the encoding
DELIMITERS = (",", ";", "\t", "|")
FORMATS = ("csv", "json", "jsonl", "xlsx", "vcf")  # that are read
WRITTEN = ("csv", "xlsx", "jsonl", "parquet", "vcf", "ics")
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_ENDINGS = {
    "csv": "csv",
    "tsv": "csv",
    "txt": "csv",
    "json": "json",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "xlsx": "xlsx",
    "xlsm": "xlsx",
    "vcf": "vcf",
    "vcard": "vcf",
}
IN_UTC = " (UTC)"  # ends the header of moments in a workbook, whose cells have no time zone
MEDIA: Mapping[str, str] = MappingProxyType(
    {
        "text/csv": "csv",
        "application/json": "json",
        "application/x-ndjson": "jsonl",
        "application/jsonl": "jsonl",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
        "text/vcard": "vcf",
    }
)
"""Media type of what is sent → the ending of such a file."""

_PACKED = b"PK\x03\x04"  # how a workbook begins


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file is written.

    Attributes:
        format: One of FORMATS.
        encoding: A Python codec name.
        delimiter: Between the cells of a CSV row.
        blank_after: Whether a blank follows each delimiter and is no part of the cell.
        marked: Whether the first line of a CSV file is Excel's ``sep=;`` and no header.
    """

    format: str = "csv"
    encoding: str = "utf-8"
    delimiter: str = ","
    blank_after: bool = False
    marked: bool = False


def detect(stream: BinaryIO, name: str = "") -> Layout:
    """Return how the file is written, and rewind it.

    The format follows the ending of `name`, else the first character. An encoding is a byte order mark, else UTF-8 when
    every byte fits, else UTF-16 when half of the bytes are zero, else Windows-1252, else Latin-1. The delimiter is the
    one that cuts the sample into the most rows of equal length.
    """
    stream.seek(0)
    sample = stream.read(SAMPLE)
    if sample.startswith(_PACKED):
        stream.seek(0)
        return Layout("xlsx")
    encoding = find_encoding(stream)
    stream.seek(0)
    text = sample.decode(encoding, errors="replace")
    form = _ENDINGS.get(name.rpartition(".")[2].lower()) or _format_of(text)
    if form != "csv":
        return Layout(form, encoding)
    first, _, rest = text.partition("\n")
    if first.lower().startswith("sep=") and len(first.strip()) == 5:
        return Layout("csv", encoding, first[4], marked=True, blank_after=_blank_after(rest, first[4]))
    delimiter = find_delimiter(text if len(sample) < SAMPLE else text.rpartition("\n")[0])
    return Layout("csv", encoding, delimiter, _blank_after(text, delimiter))


def known_encoding(name: str) -> str:
    """Return `name` when Python can decode text by it.

    Raises:
        Malformed: there is no such encoding of text.
    """
    try:
        b"text".decode(name)
    except (LookupError, ValueError):
        issue = Issue("encoding", "unknown_encoding", name, "such as utf-8, cp1252, cp1250 or utf-16")
        raise Malformed(f"There is no encoding {name!r}.", [issue]) from None
    return name


def find_encoding(stream: BinaryIO) -> str:
    """Return the encoding that fits every byte of the stream; reads it to the end."""
    stream.seek(0)
    head = stream.read(4)
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    stream.seek(0)
    if _fits(stream, "utf-8") and not _mostly_zero(stream):
        return "utf-8"
    if wide := _mostly_zero(stream):
        return wide
    return "cp1252" if _fits(stream, "cp1252") else "latin-1"


def _fits(stream: BinaryIO, encoding: str) -> bool:
    stream.seek(0)
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for chunk in _chunks(stream):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK):
        yield chunk


def _mostly_zero(stream: BinaryIO) -> str:
    """Return the UTF-16 whose zero bytes Latin text would have in these places, or an empty text."""
    stream.seek(0)
    sample = stream.read(4096)
    half = max(len(sample) // 2, 1)
    if sample[1::2].count(0) / half > 0.4:
        return "utf-16-le"
    return "utf-16-be" if sample[::2].count(0) / half > 0.4 else ""


def _format_of(text: str) -> str:
    start = text.lstrip("\ufeff \t\r\n")
    if start[:11].upper() == "BEGIN:VCARD":
        return "vcf"
    if start.startswith("["):
        return "json"
    if not start.startswith("{"):
        return "csv"
    try:
        first = json.loads(start.partition("\n")[0])
    except (ValueError, RecursionError):
        return "json"  # an object over several lines
    return "json" if isinstance(first.get("records"), list) else "jsonl"


def find_delimiter(text: str) -> str:
    """Return the delimiter that makes the most rows of the text equally long; a comma when none does."""
    best, best_score = ",", 0.0
    for delimiter in DELIMITERS:
        score = _score(text, delimiter)
        if score > best_score:
            best, best_score = delimiter, score
    return best


def _score(text: str, delimiter: str) -> float:
    widths = _widths(text, delimiter)
    if not widths:
        return 0.0
    width, count = Counter(widths).most_common(1)[0]
    share = count / len(widths)
    return share * (1 - 1 / width) + (0.5 if widths[0] == width and width > 1 else 0.0)


def _widths(text: str, delimiter: str) -> list[int]:
    widths: list[int] = []
    rows = csv.reader(text.lstrip("\ufeff").splitlines(keepends=True), delimiter=delimiter)
    try:
        widths.extend(len(row) for row in rows if row)
    except csv.Error:
        return widths
    return widths


def _blank_after(text: str, delimiter: str) -> bool:
    return delimiter != "\t" and f'{delimiter} "' in text[:SAMPLE]
