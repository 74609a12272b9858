"""Workbooks (Office Open XML, ECMA-376; also those of LibreOffice): the first sheet as rows, and rows as a sheet."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

import xlsxwriter  # type: ignore[import-untyped]  # it has no types
from python_calamine import CalamineError, CalamineWorkbook

from xrm.builtin.transfer.flat import Column
from xrm.errors import Issue, Malformed, TooLarge
from xrm.metadata.model import Entity

MAX_FILE = 100 * 1024 * 1024  # bytes of a workbook
MAX_UNPACKED = 1024 * 1024 * 1024  # bytes of what is packed in it
MAX_ROWS = 1_048_575  # of one sheet, below its header
MAX_CELL = 32_767  # characters of one cell
MAX_DIGITS = 15  # that a number of a spreadsheet keeps; a longer one is written as text
IN_UTC = " (UTC)"  # ends the header of moments, since a cell has no time zone

_DATE, _MOMENT, _TIME = "yyyy-mm-dd", "yyyy-mm-dd hh:mm:ss", "hh:mm:ss"


def read_workbook(stream: BinaryIO, sheet: str = "") -> Iterator[list[Any]]:
    """Return the rows of a sheet, as they stand from the first used row on.

    Args:
        stream: The file, which is read as a whole.
        sheet: Its name; empty = the first one that has rows.

    Yields:
        Cells: text, whole number, Decimal, bool, or dates and times as ISO 8601; None where nothing stands.

    Raises:
        Malformed: this is no workbook, or it has no such sheet.
        TooLarge: more than MAX_FILE bytes, or more than MAX_UNPACKED when unpacked.
    """
    stream.seek(0)
    content = stream.read(MAX_FILE + 1)
    _measured(content)
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(content))
        names = [sheet] if sheet else list(book.sheet_names)
        if sheet and sheet not in book.sheet_names:
            issue = Issue("sheet", "unknown_sheet", sheet, f"it has {', '.join(book.sheet_names)[:200]}")
            raise Malformed(f"The workbook has no sheet {sheet!r}.", [issue])
        tables = (book.get_sheet_by_name(name) for name in names)
        rows = next((rows for table in tables if (rows := table.to_python())), [])
    except CalamineError as error:
        raise Malformed(f"This workbook cannot be read: {error}.") from None
    return ([_read(cell) for cell in row] for row in rows)


def _measured(content: bytes) -> None:
    if len(content) > MAX_FILE:
        raise TooLarge("A workbook may have 100 MiB.", [Issue("file", "too_large", "Save it as CSV.")])
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            unpacked = sum(part.file_size for part in packed.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        raise Malformed("This is no workbook (.xlsx).") from None
    if unpacked > MAX_UNPACKED:
        raise TooLarge("This workbook unpacks to more than 1 GiB.", [Issue("file", "too_large", "Save it as CSV.")])


def _read(cell: Any) -> Any:
    if isinstance(cell, bool):
        return cell
    if isinstance(cell, float):
        return int(cell) if cell.is_integer() and abs(cell) < 10**MAX_DIGITS else Decimal(repr(cell))
    if isinstance(cell, timedelta):  # a time of day, or hours beyond it
        return f"0{cell}" if str(cell)[1] == ":" else str(cell)
    if isinstance(cell, (date, datetime, time)):
        return cell.isoformat()
    return cell if cell != "" else None


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
            TooLarge: a sheet has no room for so many.
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
            self._sheet.write_string(row, position, str(value)[:MAX_CELL])


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
