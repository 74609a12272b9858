"""Workbooks (Office Open XML, ECMA-376; also those of LibreOffice): the first sheet as rows, and rows as a sheet."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, BinaryIO
from xml.parsers import expat

import openpyxl  # type: ignore[import-untyped]  # neither of the two has types
import xlsxwriter  # type: ignore[import-untyped]
from openpyxl.utils.escape import unescape  # type: ignore[import-untyped]

from xrm.builtin.transfer.flat import Column
from xrm.builtin.transfer.formulas import guarded
from xrm.builtin.transfer.layout import IN_UTC
from xrm.errors import Issue, Malformed, TooLarge, XrmError
from xrm.metadata.model import Entity

MAX_FILE = 100 * 1024 * 1024  # bytes of a workbook
MAX_UNPACKED = 256 * 1024 * 1024  # bytes of what is packed in it
MAX_ELEMENTS = 2_000_000  # of XML that are held at once
MAX_ROWS = 1_048_575  # of one sheet, below its header
MAX_CELL = 32_767  # characters of one cell
MAX_DIGITS = 15  # that a number of a spreadsheet keeps; a longer one is written as text
PIECE = 64 * 1024  # bytes
ROW = "http://schemas.openxmlformats.org/spreadsheetml/2006/main row"

_DATE, _MOMENT, _TIME = "yyyy-mm-dd", "yyyy-mm-dd hh:mm:ss", "hh:mm:ss"


def read_workbook(stream: BinaryIO, sheet: str = "") -> Iterator[list[Any]]:
    """Yield the rows of a sheet, the empty ones included, one at a time.

    Args:
        stream: The file; it must stay open while rows are read.
        sheet: Its name; empty = the first one that has rows.

    Yields:
        Cells: text, whole number, Decimal, bool, or dates and times as ISO 8601; None where nothing stands.

    Raises:
        Malformed: this is no workbook, it has no such sheet, or it ends in the middle of one.
        TooLarge: more than MAX_FILE bytes, MAX_UNPACKED when unpacked, MAX_ROWS rows, or MAX_ELEMENTS at once.
    """
    _measure(stream)
    with _no_workbook():
        book = openpyxl.load_workbook(stream, read_only=True, data_only=True, keep_links=False)
        names = [page.title for page in book.worksheets]
    if sheet and sheet not in names:
        issue = Issue("sheet", "unknown_sheet", sheet, f"it has {', '.join(names)[:200]}")
        raise Malformed(f"The workbook has no sheet {sheet!r}.", [issue])
    for page in book.worksheets:
        if sheet in ("", page.title):
            found = False
            for row in _rows(page):
                found = found or any(cell is not None for cell in row)
                yield row
            if found:
                return


def _rows(page: Any) -> Iterator[list[Any]]:
    with _no_workbook():
        page.reset_dimensions()  # what a sheet says of its own size need not be true
        for number, row in enumerate(page.iter_rows(values_only=True)):
            if number > MAX_ROWS:
                raise TooLarge("A sheet may have 1,048,576 rows.", [Issue("file", "too_large", "Save it as CSV.")])
            yield [_read(cell) for cell in row]


@contextmanager
def _no_workbook() -> Iterator[None]:
    try:
        yield
    except XrmError:
        raise
    except Exception as error:  # noqa: BLE001  # the library raises whatever it likes at what is no workbook
        raise Malformed(f"This workbook cannot be read: {str(error)[:200]}.") from None


def _measure(stream: BinaryIO) -> None:
    """Refuse what would need too much room once it is read: a few bytes may unpack to gigabytes."""
    if stream.seek(0, os.SEEK_END) > MAX_FILE:
        raise TooLarge("A workbook may have 100 MiB.", [Issue("file", "too_large", "Save it as CSV.")])
    stream.seek(0)
    with _no_workbook(), zipfile.ZipFile(stream) as packed:
        if sum(part.file_size for part in packed.infolist()) > MAX_UNPACKED:
            hint = "Save it as CSV."
            raise TooLarge("This workbook unpacks to more than 256 MiB.", [Issue("file", "too_large", hint)])
        for part in packed.infolist():
            with packed.open(part) as file, suppress(expat.ExpatError):  # a picture is no XML
                _Census().count(file)


class _Census:
    """Counts the XML elements that a reader of a part holds at once: all but those inside of rows it is done with."""

    def __init__(self) -> None:
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.StartElementHandler, self._parser.EndElementHandler = self._start, self._end
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._held, self._rows = 0, [0]

    def count(self, file: IO[bytes]) -> None:
        """Read a part to its end. Raises TooLarge, Malformed, or ExpatError where it is no XML."""
        while piece := file.read(PIECE):
            self._parser.Parse(piece, False)  # noqa: FBT003  # the parser takes no keywords

    def _start(self, name: str, _: Any) -> None:
        self._held += 1
        if self._held > MAX_ELEMENTS:
            raise TooLarge("This workbook has too much in one row.", [Issue("file", "too_large", "Save it as CSV.")])
        if name == ROW:
            self._rows.append(self._held)

    def _end(self, name: str) -> None:
        if name == ROW:
            self._held = self._rows.pop()

    def _doctype(self, *_: Any) -> None:
        raise Malformed("This workbook declares a document type, which no spreadsheet does.")


def _read(cell: Any) -> Any:
    if isinstance(cell, bool):
        return cell
    if isinstance(cell, float):
        return int(cell) if cell.is_integer() and abs(cell) < 10**MAX_DIGITS else Decimal(repr(cell))
    if isinstance(cell, timedelta):  # a time of day, or hours beyond it
        return f"0{cell}" if str(cell)[1] == ":" else str(cell)
    if isinstance(cell, (date, datetime, time)):
        return cell.isoformat()
    return (unescape(cell) or None) if isinstance(cell, str) else cell


class WorkbookFile:
    """Writes rows into one sheet, in constant memory. Call from a thread."""

    def __init__(self, path: Path, entity: Entity, columns: Sequence[Column]) -> None:
        """Begin a workbook.

        Args:
            path: Where it is written.
            entity: Gives the sheet its name.
            columns: The header.
        """
        options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "in_memory": False}
        self._book = xlsxwriter.Workbook(path, {**options, "tmpdir": str(path.parent)})
        self._sheet = self._book.add_worksheet(_sheet_name(entity.title or entity.name))
        forms = {"date": _DATE, "datetime": _MOMENT, "time": _TIME}
        self._forms = {kind: self._book.add_format({"num_format": form}) for kind, form in forms.items()}
        self._columns, self._count = columns, 0
        bold = self._book.add_format({"bold": True})
        for position, column in enumerate(columns):
            name = column.name + (IN_UTC if column.kind == "datetime" else "")
            self._sheet.write_string(0, position, name, bold)
        self._sheet.freeze_panes(1, 0)

    def add(self, rows: Sequence[Sequence[Any]]) -> None:
        """Write rows below those that are there.

        Raises:
            TooLarge: a sheet has no room for so many, or a cell for a text.
        """
        if self._count + len(rows) > MAX_ROWS:
            raise TooLarge("A sheet has room for 1,048,575 records.", [Issue("filter", "too_large", "Use CSV.")])
        for row in rows:
            self._count += 1
            for position, (column, value) in enumerate(zip(self._columns, row, strict=True)):
                if value is not None:
                    self._write(self._count, position, column.kind, value)

    def close(self) -> None:
        """Finish the file."""
        self._book.close()

    def _write(self, row: int, position: int, kind: str, value: Any) -> None:
        if isinstance(value, bool):
            self._sheet.write_boolean(row, position, value)
        elif kind in ("int", "decimal") and len(str(value).strip("-").replace(".", "")) <= MAX_DIGITS:
            self._sheet.write_number(row, position, float(value))
        elif kind in self._forms and (moment := _moment(kind, str(value))) is not None:
            self._sheet.write_datetime(row, position, moment, self._forms[kind])
        else:
            self._write_text(row, position, str(value))

    def _write_text(self, row: int, position: int, text: str) -> None:
        """Write a text: none is a formula here, so that only what looks like a guarded one needs its guard."""
        if len(text) > MAX_CELL:
            said = f"{self._columns[position].name} of record {row} has {len(text):,} characters"
            issue = Issue(self._columns[position].name, "too_large", f"{said}; a cell has room for {MAX_CELL:,}.")
            raise TooLarge("This does not fit into a workbook. Use CSV, or leave the field out.", [issue])
        self._sheet.write_string(row, position, guarded(text) if text.startswith("'") else text)


def _moment(kind: str, text: str) -> date | datetime | time | None:
    """Return a date or time as a spreadsheet can hold it (from 1900 on, without a zone, in UTC), else None."""
    readers: Mapping[str, Callable[[str], date | time]] = {"date": date.fromisoformat, "time": time.fromisoformat}
    try:
        moment = readers.get(kind, datetime.fromisoformat)(text)
    except ValueError:
        return None
    if isinstance(moment, datetime):
        moment = moment.replace(tzinfo=None)
    return None if isinstance(moment, date) and moment.year < 1900 else moment


def _sheet_name(title: str) -> str:
    """Return a name a sheet may have: 31 characters, without those that mean something in a formula."""
    return "".join(c for c in title if c not in "[]:*?/\\'")[:31] or "Sheet1"
