"""The types of expressions, and the scope that says which names there are.

name      Python                 what it is
text      str                    text, and choices
int       int                    whole number of 64 bits
decimal   Decimal                exact number with `scale` digits after the point
bool      bool                   yes or no
date      date
time      time, naive
datetime  datetime, aware, UTC
uuid      UUID                   a relation, an id
texts     tuple[str, ...]        a set of texts: tags, several choices
json      any JSON value         can only be compared with null
null      None                   the literal null
list      collection             only to the right of `in`; `item` is the type of what is in it
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol, runtime_checkable

from xrm.kernel.store.schema import ColumnType

Path = tuple[str, ...]

MAX_DIGITS = 18  # of a decimal that is stored, bound or returned: what 64 bits hold
MAX_SCALE = 12  # digits after the point that a product or a literal keeps at most
MIN_QUOTIENT_SCALE = 6  # digits after the point that a quotient keeps at least


@dataclass(frozen=True, slots=True)
class Type:
    """The type of an expression; `scale` is for decimals, `item` for lists."""

    name: str
    scale: int = 0
    item: Type | None = None

    @property
    def numeric(self) -> bool:
        """Whether it is a number."""
        return self.name in ("int", "decimal")

    @property
    def column(self) -> ColumnType:
        """The column type that holds a value of this type."""
        return ColumnType("decimal", MAX_DIGITS, self.scale) if self.name == "decimal" else ColumnType(self.name)

    def __str__(self) -> str:
        if self.item is not None:
            return f"a list of {_PLURALS.get(self.item.name, self.item.name)}"
        return _TITLES.get(self.name, self.name)


TEXT = Type("text")
INT = Type("int")
BOOL = Type("bool")
DATE = Type("date")
TIME = Type("time")
DATETIME = Type("datetime")
UUID = Type("uuid")
TEXTS = Type("texts")
JSON = Type("json")
NULL = Type("null")


def decimal(scale: int) -> Type:
    """Return the type of exact numbers with `scale` digits after the point."""
    return Type("decimal", scale)


def list_of(item: Type) -> Type:
    """Return the type of a list; only `in` takes one."""
    return Type("list", item=item)


def of_column(column: ColumnType) -> Type:
    """Return the type of the values of a column."""
    return Type(column.name, column.scale if column.name == "decimal" else 0)


class Scope(Protocol):
    """The names an expression may use.

    ``("amount",)`` is a field, ``("customer", "country")`` goes across a relation; paths that begin with ``user``
    are parameters, the same for every record.
    """

    def type_of(self, path: Path) -> Type | None:
        """Return the type of `path`, or None when there is no such name."""

    def names(self) -> Iterable[str]:
        """Return the names there are, with dots, for "did you mean"."""


@runtime_checkable
class Hierarchies(Protocol):
    """A scope that also knows which records lie below others."""

    def hierarchy(self, path: Path) -> tuple[str, str] | None:
        """Return the entity of the record at `path`, and its relation to the record above it; None without one."""


@runtime_checkable
class Compounds(Protocol):
    """A scope that also knows which values have several parts."""

    def parts(self, path: Path) -> tuple[str, ...]:
        """Return the parts of the value at `path` of which any makes it a value; none where its first part decides."""


COUNT = "@count"
"""First step of the path that stands for the number of records in a list."""

UNDER = "@under"
"""First step of the path that stands for a record and all below it: entity, relation, and the id or ``user`` path."""


class Names:
    """A Scope made of a mapping of dotted names to types."""

    def __init__(self, types: Mapping[str, Type]) -> None:
        self._types = MappingProxyType(dict(types))

    def type_of(self, path: Path) -> Type | None:
        """Return the type of `path`, or None when there is no such name."""
        return self._types.get(".".join(path))

    def names(self) -> Iterable[str]:
        """Return the names there are, with dots."""
        return self._types


def common(a: Type, b: Type) -> Type | None:
    """Return the type that holds the values of both, or None when they do not mix."""
    if a == b or b == NULL:
        return a
    if a == NULL:
        return b
    if a.numeric and b.numeric:
        return decimal(max(a.scale, b.scale))
    if {a.name, b.name} == {"date", "datetime"}:
        return DATETIME
    return None


_TITLES: Mapping[str, str] = MappingProxyType(
    {
        "text": "a text",
        "int": "a whole number",
        "decimal": "a decimal number",
        "bool": "a condition",
        "date": "a date",
        "time": "a time of day",
        "datetime": "a date and time",
        "uuid": "a record",
        "texts": "a set of texts",
        "json": "structured data",
        "null": "null",
    }
)
_PLURALS: Mapping[str, str] = MappingProxyType(
    {
        "text": "texts",
        "int": "whole numbers",
        "decimal": "decimal numbers",
        "bool": "conditions",
        "date": "dates",
        "time": "times of day",
        "datetime": "dates and times",
        "uuid": "records",
    }
)
