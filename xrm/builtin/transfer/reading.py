"""A file as rows, read as a stream: every row comes out once, good or with the reason why it is not.

    Table.header    the names of the columns
    iter(Table)     Row(number, line, values, issue)

Rows that cannot be read (too many cells, broken quotes, text that is no JSON) are yielded with an issue, not skipped:
what an import created, updated, left and refused adds up to the rows of the file. Blank lines are no rows.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain, islice
from typing import Any, BinaryIO

from xrm.builtin.transfer.formulas import plain
from xrm.builtin.transfer.layout import IN_UTC, Layout, detect, known_encoding
from xrm.errors import Issue, Malformed, TooLarge, XrmError
from xrm.metadata.model import empty

MAX_COLUMNS = 1_000
MAX_JSON = 64 * 1024 * 1024  # bytes of a JSON file, which is read as a whole
MAX_LINE = 1024 * 1024  # characters of one line of JSON
HEADER_ROWS = 200  # rows of JSON whose keys make the header
ERROR_COLUMNS = ("_row", "_problem")
"""Columns an error file has besides the original's; an import passes over them."""

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+")  # without a zone
_STRAY = re.compile("[\udc80-\udcff]")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file.

    Attributes:
        number: Counts rows of data from 1; blank lines do not count.
        line: Where it begins in the file or sheet, from 1; of JSON and vCards the number.
        values: Column → text (CSV) or JSON value.
        issue: Why it cannot be used; `values` then holds what could be read.
    """

    number: int
    line: int
    values: Mapping[str, Any] = field(default_factory=empty)
    issue: Issue | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """An open file: its layout, its columns, and its rows, which can be gone through once."""

    layout: Layout
    header: tuple[str, ...]
    rows: Iterator[Row]

    def __iter__(self) -> Iterator[Row]:
        return self.rows


def open_table(stream: BinaryIO, name: str = "", layout: Layout | None = None) -> Table:
    """Return the rows of a file.

    Args:
        stream: Open for reading bytes, and seekable; it must stay open while rows are read.
        name: The file's name, whose ending says what it is.
        layout: How it is written, when that is known.

    Raises:
        Malformed: there is no header, a column is named twice, the JSON is neither a list nor ``{"records": […]}``, or
            what is called a workbook is none.
        TooLarge: a JSON file larger than 64 MiB, or a workbook larger than 100 MiB.
    """
    used = layout or detect(stream, name)
    known_encoding(used.encoding)
    stream.seek(0)
    if used.format == "csv":
        return _open_csv(stream, used)
    if used.format == "xlsx":
        return _open_workbook(stream, used)
    if used.format == "vcf":
        return _with_header(used, _cards(stream, used))
    records = _json_records(stream, used) if used.format == "json" else _json_lines(stream, used)
    return _with_header(used, records)


def read_rows(content: bytes, name: str = "") -> Table:
    """Return the rows of a file that is in memory. Raises as `open_table`."""
    return open_table(io.BytesIO(content), name)


# --- CSV ---------------------------------------------------------------------------------------------------------


class _Lines:
    """The lines of a text, how many were taken, and those of the row that is being read."""

    def __init__(self, lines: Iterator[str]) -> None:
        self.lines, self.count = lines, 0
        self.row: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self.lines)
        self.count += 1
        self.row.append(line)
        return line


def _open_csv(stream: BinaryIO, layout: Layout) -> Table:
    lines = _Lines(_text(stream, layout))
    if layout.marked:
        next(lines, "")
    cells = _cells(lines, layout)
    header = _header(next((row for row, _, problem in cells if row and not problem), None))
    return Table(layout, header, _csv_rows(header, cells))


class _Borrowed(io.BufferedIOBase):
    """A stream somebody else closes."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream

    name = ""

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        return self.stream.read(-1 if size is None else size)

    def read1(self, size: int = -1, /) -> bytes:
        return self.stream.read(size)


def _text(stream: BinaryIO, layout: Layout) -> Iterator[str]:
    return io.TextIOWrapper(_Borrowed(stream), layout.encoding, _on_error(layout), newline="")


def _on_error(layout: Layout) -> str:
    """Return what becomes of bytes that do not fit: a lone surrogate, by which the row is known later."""
    return "replace" if layout.encoding.startswith(("utf-16", "utf-32", "utf_16", "utf_32")) else "surrogateescape"


def _cells(lines: _Lines, layout: Layout) -> Iterator[tuple[list[str], int, str]]:
    """Yield the cells of each row, the line it begins in and what is wrong with it; blank lines as no cells.

    A row that cannot be cut into cells comes as one cell, so that whoever mends it sees what was there.
    """
    reader = csv.reader(lines, delimiter=layout.delimiter, skipinitialspace=layout.blank_after, strict=True)
    while True:
        start = lines.count + 1
        lines.row.clear()
        try:
            yield next(reader), start, ""
        except StopIteration:
            return
        except csv.Error as error:
            yield ["".join(lines.row)[:MAX_LINE]], start, str(error)


def _header(names: list[str] | None) -> tuple[str, ...]:
    if not names:
        issue = Issue("header", "no_header", "The first line must name the columns.")
        raise Malformed("The file has no header.", [issue])
    if len(names) > MAX_COLUMNS:
        raise Malformed(f"The file has more than {MAX_COLUMNS} columns.")
    header = tuple(name.strip().lstrip("\ufeff") or f"column_{n}" for n, name in enumerate(names, 1))
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        issues = [Issue("header", "duplicate_column", f"The column {n!r} is there twice.", "rename one") for n in twice]
        raise Malformed("Two columns have the same name.", issues)
    return header


def _csv_rows(header: tuple[str, ...], rows: Iterator[tuple[list[str], int, str]]) -> Iterator[Row]:
    number = 0
    for cells, line, problem in rows:
        if not cells and not problem:
            continue
        number += 1
        values = {name: plain(cell) for name, cell in zip(header, cells, strict=False)}
        yield Row(number, line, values, _row_issue(number, len(header), cells, problem))


def _row_issue(number: int, width: int, cells: list[str], problem: str) -> Issue | None:
    path = f"rows.{number}"
    if problem:
        hint = "look for a quotation mark that is never closed"
        return Issue(path, "unreadable", f"This row cannot be read: {problem}.", hint)
    if len(cells) != width:
        found = f"This row has {len(cells)} cells where the header has {width}."
        return Issue(path, "row_length", found, "put cells that contain the delimiter in quotation marks")
    if any(_STRAY.search(cell) for cell in cells if not cell.isascii()):
        message = "This row has bytes that do not fit the encoding."
        return Issue(path, "wrong_encoding", message, "name the file's encoding")
    if not any(cell.strip() for cell in cells):
        return Issue(path, "empty_row", "All cells of this row are empty.")
    return None


# --- vCards and workbooks ----------------------------------------------------------------------------------------


def _cards(stream: BinaryIO, layout: Layout) -> Iterator[Row]:
    from xrm.builtin.transfer.cards import read_cards

    cards = enumerate(read_cards(stream, layout.encoding), 1)
    return (_json_row(number, number, card) for number, card in cards)


def _open_workbook(stream: BinaryIO, layout: Layout) -> Table:
    from xrm.builtin.transfer.workbook import read_workbook

    rows = enumerate(read_workbook(stream), 1)
    first = next((row for _, row in rows if any(cell is not None for cell in row)), [])
    while first and first[-1] is None:
        first.pop()
    names = ["" if cell is None else str(cell) for cell in first]
    header = _header([name.removesuffix(IN_UTC) for name in names])
    moments = [position for position, name in enumerate(names) if name.endswith(IN_UTC)]
    return Table(layout, header, _sheet_rows(header, moments, rows))


def _sheet_rows(
    header: tuple[str, ...], moments: Sequence[int], rows: Iterator[tuple[int, list[Any]]]
) -> Iterator[Row]:
    number, line = 0, 1
    try:
        for line, cells in rows:
            if any(cell is not None for cell in cells):
                number += 1
                yield _sheet_row(header, moments, number, line, cells)
    except XrmError as error:
        yield Row(number + 1, line + 1, issue=Issue(f"rows.{number + 1}", "unreadable", error.message))


def _sheet_row(header: tuple[str, ...], moments: Sequence[int], number: int, line: int, cells: list[Any]) -> Row:
    for position in moments:
        if position < len(cells) and _MOMENT.fullmatch(str(cells[position])):
            cells[position] += "Z"
    plainly = (plain(cell) if isinstance(cell, str) else cell for cell in cells)
    values = {**dict.fromkeys(header), **dict(zip(header, plainly, strict=False))}  # a row ends at its last cell
    beside = any(cell is not None for cell in cells[len(header) :])
    message = "This row has cells beyond the last column that has a name."
    return Row(number, line, values, Issue(f"rows.{number}", "row_length", message) if beside else None)


# --- JSON --------------------------------------------------------------------------------------------------------


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")


def _parse(text: str) -> Any:
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _json_records(stream: BinaryIO, layout: Layout) -> Iterator[Row]:
    content = stream.read(MAX_JSON + 1)
    if len(content) > MAX_JSON:
        issue = Issue("file", "too_large", "Use JSON lines: one record a line.")
        raise TooLarge("A JSON file may have 64 MiB.", [issue])
    try:
        data = _parse(content.decode(layout.encoding, _on_error(layout)))
    except ValueError as error:
        raise Malformed(f"This is not JSON: {error}.") from None
    records = data.get("records") if isinstance(data, dict) else data
    if not isinstance(records, list):
        raise Malformed('A JSON file holds a list of records, or {"records": […]}.')
    return (_json_row(number, number, record) for number, record in enumerate(records, 1))


def _json_lines(stream: BinaryIO, layout: Layout) -> Iterator[Row]:
    number = 0
    for line, text in enumerate(_text(stream, layout), 1):
        if not text.strip():
            continue
        number += 1
        yield _json_line(number, line, text)


def _json_line(number: int, line: int, text: str) -> Row:
    if len(text) > MAX_LINE:
        issue = Issue(f"rows.{number}", "unreadable", "This line is longer than a million characters.")
        return Row(number, line, issue=issue)
    try:
        return _json_row(number, line, _parse(text))
    except ValueError as error:
        return Row(number, line, issue=Issue(f"rows.{number}", "unreadable", f"This line is not JSON: {error}."))


def _json_row(number: int, line: int, record: Any) -> Row:
    if isinstance(record, dict) and record:
        return Row(number, line, record)
    wrong = "This record has no values." if record == {} else "This is not a record (a JSON object)."
    return Row(number, line, issue=Issue(f"rows.{number}", "not_a_record", wrong))


def _with_header(layout: Layout, rows: Iterator[Row]) -> Table:
    first = list(islice(rows, HEADER_ROWS))
    header = tuple(dict.fromkeys(name for row in first for name in row.values))
    return Table(layout, header[:MAX_COLUMNS], chain(first, rows))
