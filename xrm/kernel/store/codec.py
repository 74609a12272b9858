"""How a Python value is kept in a column, on each database: the only place that knows.

    type      Python               SQLite                               PostgreSQL
    text      str                  TEXT                                 text COLLATE "C"
    int       int, 64 bit          INTEGER                              bigint
    decimal   Decimal              INTEGER, value * 10^scale            numeric(precision, scale)
    bool      bool                 INTEGER 0, 1                         boolean
    date      date                 TEXT 2026-01-31                      date
    time      time, naive          TEXT 13:05:00.000000                 time
    datetime  datetime, aware      TEXT 2026-01-31T13:05:00.000000Z     timestamptz
    uuid      UUID                 TEXT, canonical                      uuid
    json      any JSON value       TEXT                                 jsonb
    texts     list or tuple of str TEXT, JSON array                     text[]
    sealed    str, encrypted       TEXT                                 text

The text forms on SQLite are of fixed width, so they sort as their values do; text sorts by code point on both.
`Dialect.encode` refuses what is not of the type, so that a wrong value cannot be stored through it. The decoders
never raise: a cell that was damaged from outside (SQLite keeps any type in any column) reads as None.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import partial
from types import MappingProxyType
from typing import Any
from uuid import UUID

import msgspec

from xrm.kernel.store.checked import (
    EXACT,
    JSON,
    checked_bool,
    checked_date,
    checked_datetime,
    checked_decimal,
    checked_int,
    checked_precision,
    checked_text,
    checked_texts,
    checked_time,
    checked_units,
    checked_uuid,
    json_text,
)
from xrm.kernel.store.schema import ColumnType

Converter = Callable[[Any], Any]

_UTC_LENGTH = len("2026-01-31T13:05:00.000000Z")


# --- from the stored form; each takes None and gives None


def _read_json(stored: Any) -> Any:
    if stored is None:
        return None
    try:
        return msgspec.json.decode(stored)
    except (msgspec.DecodeError, TypeError, RecursionError):
        return None


def _read_texts(stored: Any) -> list[str] | None:
    found = _read_json(stored)
    good = isinstance(found, list) and all(type(inner) is str for inner in found)
    return found if good else None


def _read_tuple(stored: Any) -> tuple[str, ...] | None:
    found = _read_texts(stored)
    return None if found is None else tuple(found)


def _read_int(stored: Any) -> int | None:
    return stored if type(stored) is int else None


def _read_text(stored: Any) -> str | None:
    return stored if type(stored) is str else None


def _read_bool(stored: Any) -> bool | None:
    return stored == 1 if type(stored) is int and 0 <= stored <= 1 else None


def _reader(parse: Callable[[str], Any]) -> Converter:
    def read(stored: Any) -> Any:
        try:
            return None if stored is None else parse(stored)
        except (ValueError, TypeError, AttributeError):
            return None

    return read


def _zoned(text: str) -> datetime | None:
    found = datetime.fromisoformat(text)
    return found.astimezone(UTC) if found.tzinfo else None


def _decimal_reader(scale: int) -> Converter:
    def read(stored: Any) -> Decimal | None:
        return EXACT.scaleb(Decimal(stored), -scale) if type(stored) is int else None

    return read


def _decimal_text(scale: int) -> Converter:
    """Return a converter of smallest units to plain digits: 1230 → "12.30"."""
    unit = 10**scale

    def show(stored: Any) -> str | None:
        if type(stored) is not int:
            return None
        whole, rest = divmod(abs(stored), unit)
        sign = "-" if stored < 0 else ""
        return f"{sign}{whole}.{rest:0{scale}d}" if scale else f"{sign}{whole}"

    return show


def _short_time(text: str) -> str:
    return text.removesuffix(".000000")


def _shown(show: Converter) -> Converter:
    def convert(stored: Any) -> Any:
        return None if stored is None else show(stored)

    return convert


def _utc_text(value: datetime) -> str:
    text: str = msgspec.to_builtins(value)  # several times as fast as isoformat; it leaves out microseconds of zero
    return text if len(text) == _UTC_LENGTH else text[:19] + ".000000Z"


def _digits(value: Decimal) -> str:
    text = str(value)  # several times as fast as a format; it writes an exponent where that is shorter
    return f"{value:f}" if "E" in text else text


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


# --- the two dialects


@dataclass(frozen=True)
class Dialect(ABC):
    """How one database writes down types, values and placeholders. See the table at the top of the module."""

    name: str

    def encode(self, type: ColumnType, value: Any) -> Any:
        """Return `value` as the argument of a statement; None stays None.

        Raises:
            TypeError: the value is of another type.
            ValueError: it is of the type but does not fit (range, digits, NUL, time zone).
        """
        return None if value is None else self.encoder(type)(value)

    @abstractmethod
    def encoder(self, type: ColumnType) -> Converter:
        """Return what makes the stored form of a value that is not None; it raises as `encode` does."""

    @abstractmethod
    def decode(self, type: ColumnType) -> Converter | None:
        """Return what makes a Python value of a stored one; None means it is one already."""

    @abstractmethod
    def jsonable(self, type: ColumnType) -> Converter | None:
        """Return what makes the API's JSON of a stored value that is not None; None means it is that already."""

    @abstractmethod
    def placeholder(self, number: int, type: ColumnType) -> str:
        """Return the place of the argument `number`, counted from 1."""

    @abstractmethod
    def column_type(self, type: ColumnType) -> str:
        """Return the type as CREATE TABLE wants it.

        Raises:
            ValueError: a decimal of more than 18 digits.
        """

    @abstractmethod
    def literal(self, value: Any, type: ColumnType) -> str:
        """Return `value` as SQL text, for DDL, where arguments are not allowed. Raises as `encode` does."""

    @abstractmethod
    def fold(self, sql: str) -> str:
        """Return SQL for the folded form of a text (see folding.py); equal results on both databases."""

    @staticmethod
    def like_escape(text: str) -> str:
        r"""Return `text` with the wildcards of LIKE made plain; write ``LIKE … ESCAPE '\'``."""
        return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


_SQLITE_STORE: Mapping[str, Converter] = MappingProxyType(
    {
        "text": checked_text,
        "int": checked_int,
        "bool": lambda value: int(checked_bool(value)),
        "date": lambda value: checked_date(value).isoformat(),
        "time": lambda value: checked_time(value).isoformat(timespec="microseconds"),
        "datetime": lambda value: _utc_text(checked_datetime(value)),
        "uuid": lambda value: str(checked_uuid(value)),
        "json": json_text,
        "texts": lambda value: JSON.encode(checked_texts(value)),
        "sealed": checked_text,
    }
)
_SQLITE_READ: Mapping[str, Converter] = MappingProxyType(
    {
        "text": _read_text,
        "int": _read_int,
        "bool": _read_bool,
        "date": _reader(date.fromisoformat),
        "time": _reader(time.fromisoformat),
        "datetime": _reader(_zoned),
        "uuid": _reader(UUID),
        "json": _read_json,
        "texts": _read_tuple,
        "sealed": _read_text,
    }
)
# Tables are STRICT: what SQLite gives for these is text or a whole number, and that is what the API shows.
_SQLITE_SHOW: Mapping[str, Converter] = MappingProxyType(
    {
        "bool": _read_bool,
        "time": _reader(_short_time),
        "json": _read_json,
        "texts": _read_texts,
    }
)
_SQLITE_INTEGERS = frozenset({"int", "bool", "decimal"})


@dataclass(frozen=True)
class _Sqlite(Dialect):
    name: str = field(default="sqlite")

    def encoder(self, type: ColumnType) -> Converter:
        return partial(checked_units, column=type) if type.name == "decimal" else _SQLITE_STORE[type.name]

    def decode(self, type: ColumnType) -> Converter | None:
        return _decimal_reader(type.scale) if type.name == "decimal" else _SQLITE_READ[type.name]

    def jsonable(self, type: ColumnType) -> Converter | None:
        return _decimal_text(type.scale) if type.name == "decimal" else _SQLITE_SHOW.get(type.name)

    def placeholder(self, number: int, type: ColumnType) -> str:
        return f"?{number}"

    def column_type(self, type: ColumnType) -> str:
        if type.name == "decimal":
            checked_precision(type)
        return "INTEGER" if type.name in _SQLITE_INTEGERS else "TEXT"

    def literal(self, value: Any, type: ColumnType) -> str:
        stored = self.encode(type, value)
        if stored is None:
            return "NULL"
        return _quoted(stored) if isinstance(stored, str) else str(stored)

    def fold(self, sql: str) -> str:
        return f"fold({sql})"


_POSTGRES_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "text": "text",
        "int": "bigint",
        "decimal": "numeric",
        "bool": "boolean",
        "date": "date",
        "time": "time",
        "datetime": "timestamptz",
        "uuid": "uuid",
        "json": "jsonb",
        "texts": "text[]",
        "sealed": "text",
    }
)
_POSTGRES_STORE: Mapping[str, Converter] = MappingProxyType(
    {
        "text": checked_text,
        "int": checked_int,
        "bool": checked_bool,
        "date": checked_date,
        "time": checked_time,
        "datetime": checked_datetime,
        "uuid": checked_uuid,
        "json": json_text,
        "texts": checked_texts,
        "sealed": checked_text,
    }
)
_POSTGRES_READ: Mapping[str, Converter] = MappingProxyType({"json": _read_json, "texts": _shown(tuple)})
_POSTGRES_SHOW: Mapping[str, Converter] = MappingProxyType(
    {
        "decimal": _digits,
        "date": date.isoformat,
        "time": time.isoformat,
        "datetime": _utc_text,
        "uuid": str,
        "json": _read_json,
    }
)


@dataclass(frozen=True)
class _Postgres(Dialect):
    name: str = field(default="postgresql")

    def encoder(self, type: ColumnType) -> Converter:
        return partial(checked_decimal, column=type) if type.name == "decimal" else _POSTGRES_STORE[type.name]

    def decode(self, type: ColumnType) -> Converter | None:
        return _POSTGRES_READ.get(type.name)

    def jsonable(self, type: ColumnType) -> Converter | None:
        return _POSTGRES_SHOW.get(type.name)

    def placeholder(self, number: int, type: ColumnType) -> str:
        return f"${number}::{_POSTGRES_TYPES[type.name]}"

    def column_type(self, type: ColumnType) -> str:
        if type.name == "decimal":
            return f"numeric({checked_precision(type)},{type.scale})"
        collation = ' COLLATE "C"' if type.name in ("text", "texts") else ""
        return _POSTGRES_TYPES[type.name] + collation

    def literal(self, value: Any, type: ColumnType) -> str:
        stored = self.encode(type, value)
        if stored is None:
            return "NULL"
        if isinstance(stored, list):
            return f"ARRAY[{','.join(map(_quoted, stored))}]::text[]"
        return f"{_quoted(str(stored))}::{_POSTGRES_TYPES[type.name]}"

    def fold(self, sql: str) -> str:
        return f"xrm_fold({sql})"


SQLITE: Dialect = _Sqlite()
POSTGRESQL: Dialect = _Postgres()
