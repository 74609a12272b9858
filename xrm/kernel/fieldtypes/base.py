"""What a field type is, and where types are registered: the platform's own and those of plugins, the same way.

A record's values are Python values: `str`, `int`, `Decimal`, `bool`, `date`, `time`, aware `datetime`, `UUID`,
`tuple[str, ...]`, JSON, or, of a type with several columns, a `Compound`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, runtime_checkable

from xrm.errors import Issue
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.vault import Vault
from xrm.metadata.model import Field
from xrm.metadata.types import TypeRules, declare


class ColumnSpec(NamedTuple):
    """One column of a field: its name and type."""

    name: str
    type: ColumnType


class Refused(ValueError):
    """A value that does not fit its field; becomes an `Issue` beside the field."""

    def __init__(self, code: str, message: str, hint: str = "", part: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.hint, self.part = code, message, hint, part
        self.others: tuple[Refused, ...] = ()  # what else is wrong with the same value

    def issue(self, path: str) -> Issue:
        """Return the finding for the field at `path`, or for the part of it that is wrong."""
        return Issue(f"{path}.{self.part}" if self.part else path, self.code, self.message, self.hint)

    def issues(self, path: str) -> tuple[Issue, ...]:
        """Return all findings for the field at `path`."""
        return (self.issue(path), *(other.issue(path) for other in self.others))


@dataclass(frozen=True, slots=True)
class Parsing:
    """What reading a value may need to know about the site.

    Attributes:
        currency: Of amounts given without one (ISO 4217).
        country: Of telephone numbers and addresses given without one (ISO 3166-1 alpha-2).
        time_zone: In which a time belongs to a day, week or month (IANA name).
        vault: Encrypts and decrypts; None where no values of a site are at hand.
    """

    currency: str = "EUR"
    country: str = "DE"
    time_zone: str = "UTC"
    vault: Vault | None = None


KEEP = object()
"""What `parse` gives for a value that stands for the one which is there already: it is not written."""


@runtime_checkable
class Compound(Protocol):
    """A value kept in several columns: a NamedTuple whose fields are its columns' JSON names."""

    @property
    def leading(self) -> Any:
        """The value of the first column: what an expression means by the field's name alone."""

    def _asdict(self) -> dict[str, Any]:
        """Return all parts by name."""


@dataclass(frozen=True, slots=True)
class Part:
    """A further column of a field: ``amount.currency`` in paths, ``amount_currency`` in the table.

    Attributes:
        name: Its key in JSON and its name in paths.
        column: Its type.
        fill: What rows get that had a value before the field had this part; None = nothing.
        title: What people call it; empty = its name.
        written: Whether people give it; others the platform works out.
        lines: Whether it is a text of several lines.
        optional: Whether a value is whole without it.
        when: Which fields of the type have it; None = all.
        choices: The values a form offers, each with its title; None = anything may be typed.
    """

    name: str
    column: ColumnType
    fill: Callable[[Parsing], Any] | None = None
    title: str = ""
    written: bool = True
    lines: bool = False
    optional: bool = False
    when: Callable[[Field], bool] | None = None
    choices: Callable[[], Iterable[tuple[str, str]]] | None = None


@dataclass(frozen=True, slots=True)
class FieldType:
    """Everything the platform knows about one type of field.

    Attributes:
        name: As written in YAML.
        column: The type of its (first) column; None = it keeps no value (a button).
        parse: JSON value → Python value; raises `Refused`. Never called with null.
        schema: The JSON Schema (2020-12) of its value in the API.
        expression: Its type in the expression language.
        widget: Name of the form widget.
        cell: How a list lays its values out: text, number, choice, long, or none: not shown in lists.
        ordered: Whether a list may be sorted by it.
        rules: What a definition may say of it.
        first: JSON name of the first column, of a type with several.
        parts: Its further columns; their names are those of `rules.parts`.
        make: Makes the Python value of several columns, by name.
        whole: Whether a value needs all its parts, or any of them will do.
        holds: What it holds, in a few words, for the reference.
        leading: The first column as a part: its title, and whether people give it.
        text: JSON value of several columns → one line for people; None = its parts one after the other.
        order: The parts a form asks for, in order, for the JSON parts it holds; None = all that are written.
        accepts: Further JSON types it may be sent as: string, number.
        complete: JSON parts as they are kept → as a form asks for them, where older values lack some.
        doubts: Python value → warnings beside the field, of a value that is taken all the same.
        reveal: Kept text → what is read of it, of a type that is encrypted.
        exported: Whether an export may show it.
        sought: Python value → what the search box looks into, when that is not the value as text.
    """

    name: str
    column: Callable[[Field], ColumnType] | None
    parse: Callable[[Field, Any, Parsing], Any]
    schema: Callable[[Field], Mapping[str, Any]]
    expression: str
    widget: str
    cell: str = "text"
    ordered: bool = True
    rules: TypeRules | None = None
    first: str = ""
    parts: tuple[Part, ...] = ()
    make: Callable[..., Compound] | None = None
    whole: bool = True
    holds: str = ""
    leading: Part | None = None
    text: Callable[[Field, Mapping[str, Any]], str] | None = None
    order: Callable[[Field, Mapping[str, Any]], tuple[str, ...]] | None = None
    accepts: tuple[str, ...] = ()
    complete: Callable[[Field, Mapping[str, Any]], Mapping[str, Any]] | None = None
    doubts: Callable[[Field, Any], Iterable[Issue]] | None = None
    sought: Callable[[Any], str] | None = None
    reveal: Callable[[str, Parsing], Any] | None = None
    exported: bool = True


_TYPES: dict[str, FieldType] = {}
TYPES: Mapping[str, FieldType] = MappingProxyType(_TYPES)
"""The registered types, by name."""


def register(*types: FieldType) -> None:
    """Make field types known to the whole platform: files, tables, API, forms, import and export.

    Raises:
        ValueError: a type's name is taken by another.
    """
    for type in types:
        known = _TYPES.get(type.name)
        if known is not None and known.parse.__module__ != type.parse.__module__:
            raise ValueError(f"There is a field type {type.name!r} already, of {known.parse.__module__}.")
        _TYPES[type.name] = type
        if type.rules is not None:
            declare(type.name, type.rules)


def constant(name: str) -> Callable[[Field], ColumnType]:
    """Return what gives every field of a type the same column type."""
    kind = ColumnType(name)
    return lambda field: kind


def shape(**schema: Any) -> Callable[[Field], Mapping[str, Any]]:
    """Return what gives every field of a type the same JSON Schema."""
    return lambda field: schema
