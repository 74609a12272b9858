"""Rows as lines of JSON that do not depend on the database, and a checksum over them that does not depend on order."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from xrm.kernel.store.codec import Dialect
from xrm.kernel.store.schema import Column, Table

_encode = msgspec.json.Encoder(order="deterministic").encode
_READ: dict[str, Callable[[Any], Any]] = {
    "decimal": Decimal,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "datetime": datetime.fromisoformat,
    "uuid": UUID,
}
HERE_ONLY = {"xrm_changeset": frozenset({"place"})}  # numbers of one server's transactions: they mean nothing elsewhere


@dataclass(slots=True)
class Sum:
    """How many rows of a table went by, and a checksum of them: the same in whatever order they come."""

    rows: int = 0
    damaged: int = 0
    _total: int = field(default=0, repr=False)

    def add(self, line: bytes) -> None:
        """Count a row in."""
        self.rows += 1
        self._total = (self._total + int.from_bytes(hashlib.sha256(line).digest())) % 2**256

    @property
    def digest(self) -> str:
        """The checksum, in hexadecimal digits."""
        return f"{self._total:064x}"


class Rows:
    """The rows of one table, as they are stored in a database of a dialect, and as lines."""

    def __init__(self, table: Table, dialect: Dialect) -> None:
        self._columns = table.columns
        self._here = HERE_ONLY.get(table.name, frozenset())
        self._decode = [dialect.decode(column.type) for column in table.columns]
        self._dialect = dialect

    def lines(self, rows: Iterable[Sequence[Any]], sum: Sum) -> Iterator[bytes]:
        """Yield the lines of stored rows, counted in. A cell that was damaged from outside is empty, and counted."""
        for row in rows:
            cells = []
            for column, decode, stored in zip(self._columns, self._decode, row, strict=True):
                value = None if stored is None or column.name in self._here else _read(decode, stored)
                sum.damaged += stored is not None and value is None and column.name not in self._here
                cells.append(_plain(value) if column.type.name in ("json", "decimal") else value)
            line = _encode(cells)
            sum.add(line)
            yield line

    def stored(self, lines: Iterable[bytes]) -> list[list[Any]]:
        """Return lines as rows to store.

        Raises:
            ValueError: a line is no row of this table.
        """
        return [self._row(msgspec.json.decode(line)) for line in lines]

    def _row(self, cells: Any) -> list[Any]:
        if not isinstance(cells, list) or len(cells) != len(self._columns):
            raise ValueError("a line has other cells than its table")
        return [self._cell(column, cell) for column, cell in zip(self._columns, cells, strict=True)]

    def _cell(self, column: Column, cell: Any) -> Any:
        read = _READ.get(column.type.name)
        return self._dialect.encode(column.type, read(cell) if read and cell is not None else cell)


def _read(decode: Callable[[Any], Any] | None, stored: Any) -> Any:
    return decode(stored) if decode else stored


def _plain(value: Any) -> Any:
    """Return a value in the one form that both databases give back: whole floats are whole numbers, 1.50 is 1.5."""
    if isinstance(value, Decimal):
        return f"{value.normalize():f}" if value else "0"
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value
