"""Piccolo columns that know their `ColumnType`: values go in encoded and come out typed on both databases.

Piccolo by itself leaves SQLite's values as they are kept (a decimal as a whole number, a UUID as a text) and does not
tell an engine which column a value belongs to. So each of our columns encodes what it is compared with, and marks its
name in a select list with its type; `readers` finds the marks again when the rows come back.
"""

# ruff: noqa: SLF001 - what a Piccolo column is, is said in its _meta, and its alias is _alias

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import Enum
from typing import Any

from piccolo.columns import column_types as piccolo_types
from piccolo.columns.base import Column as PiccoloColumn
from piccolo.columns.combination import UNDEFINED, Where, WhereRaw
from piccolo.query.functions.base import Function
from piccolo.query.mixins import Returning, ReturningDelegate, ValuesDelegate
from piccolo.querystring import QueryString
from piccolo.table import Table as PiccoloTable
from piccolo.utils.sql_values import convert_to_sql_value

from xrm.kernel.store import schema
from xrm.kernel.store.codec import Converter, Dialect
from xrm.kernel.store.schema import ColumnType

_LONGEST_ALIAS = 63  # bytes; the length of a name on PostgreSQL
_SAME_TYPE = frozenset({"SUM", "MIN", "MAX"})


class Typed(PiccoloColumn):
    """What our columns add to Piccolo's. `_kind` is set by `make_column`."""

    _kind: ColumnType
    __hash__ = PiccoloColumn.__hash__

    def get_select_string(self, engine_type: str, with_alias: bool = True) -> QueryString:  # noqa: FBT001, FBT002 - Piccolo's
        """Return the column's place in a select list, marked with its type."""
        plain = super().get_select_string(engine_type, with_alias)
        if not with_alias:
            return plain
        alias: str = self._alias or self._meta.get_default_alias()  # type: ignore[no-untyped-call]  # of Piccolo
        return Marked(plain.template, key=alias, kind=self._kind)

    def __eq__(self, value: object) -> Where:  # type: ignore[override]  # as Piccolo's own
        return _encoding(super().__eq__(value))

    def __ne__(self, value: object) -> Where:  # type: ignore[override]  # as Piccolo's own
        return _encoding(super().__ne__(value))

    def __lt__(self, value: Any) -> Where:
        return _encoding(super().__lt__(value))

    def __le__(self, value: Any) -> Where:
        return _encoding(super().__le__(value))

    def __gt__(self, value: Any) -> Where:
        return _encoding(super().__gt__(value))

    def __ge__(self, value: Any) -> Where:
        return _encoding(super().__ge__(value))

    def is_in(self, values: Any) -> Where:
        """Return the condition that the column is one of `values`."""
        return _encoding(super().is_in(values))

    def not_in(self, values: Any) -> Where:
        """Return the condition that the column is none of `values`."""
        return _encoding(super().not_in(values))


class Text(Typed, piccolo_types.Text):
    """text."""


class Int(Typed, piccolo_types.BigInt):
    """int."""


class Decimals(Typed, piccolo_types.Numeric):
    """decimal."""


class Bool(Typed, piccolo_types.Boolean):
    """bool."""


class Date(Typed, piccolo_types.Date):
    """date."""


class Time(Typed, piccolo_types.Time):
    """time."""


class Datetime(Typed, piccolo_types.Timestamptz):
    """datetime."""


class Uuid(Typed, piccolo_types.UUID):
    """uuid."""


class Json(Typed):
    """json, always as the value itself. Piccolo's own JSON columns carry it as text, on some ways and not on others."""

    value_type = object

    def __init__(self, default: Any = None, **options: Any) -> None:
        self.default = default
        super().__init__(**options)


class Texts(Typed, piccolo_types.Array):
    """texts; `any` and `not_any` are right on SQLite too, where Piccolo's look for a part of the stored text."""

    def any(self, value: Any) -> Any:
        """Return the condition that `value` is one of the texts."""
        return super().any(value) if self._meta.engine_type != "sqlite" else self._contains("EXISTS", value)

    def not_any(self, value: Any) -> Any:
        """Return the condition that `value` is none of the texts."""
        return super().not_any(value) if self._meta.engine_type != "sqlite" else self._contains("NOT EXISTS", value)

    def _contains(self, exists: str, value: Any) -> WhereRaw:
        name = self._meta.get_full_name(with_alias=False)
        return WhereRaw(f"{exists} (SELECT 1 FROM json_each({name}) WHERE value = {{}})", value)


class Relation(Typed, piccolo_types.ForeignKey[Any]):
    """uuid that points to another table. The target is set when all classes are there, as they may point in circles."""

    @property
    def table_alias(self) -> str:
        """The joined table's name in the query; long ones are cut, as PostgreSQL would make two of them the same."""
        alias = super().table_alias
        if len(alias) <= _LONGEST_ALIAS:
            return alias
        return f"{alias[: _LONGEST_ALIAS - 17]}${hashlib.sha256(alias.encode()).hexdigest()[:16]}"

    def _setup(self, table_class: type[PiccoloTable]) -> piccolo_types.ForeignKeySetupResponse:
        return piccolo_types.ForeignKeySetupResponse(is_lazy=False)


_CLASSES: Mapping[str, type[Typed]] = {
    "text": Text,
    "int": Int,
    "bool": Bool,
    "date": Date,
    "time": Time,
    "datetime": Datetime,
    "uuid": Uuid,
    "json": Json,
    "sealed": Text,
}


def make_column(column: schema.Column, points: bool) -> Typed:  # noqa: FBT001 - a fact about the column
    """Return the Piccolo column for `column`; `points` if it is a foreign key."""
    options: dict[str, Any] = {
        "null": column.null,
        "primary_key": column.primary,
        "db_column_name": column.name,
        "default": column.default,
    }
    made = _make(column.type, points, options)
    made._kind = column.type
    return made


def _make(kind: ColumnType, points: bool, options: dict[str, Any]) -> Typed:  # noqa: FBT001 - as above
    if points:
        return Relation(references="self", **options)
    if kind.name == "decimal":
        return Decimals(digits=(kind.precision or 18, kind.scale), **options)
    if kind.name == "texts":
        return Texts(base_column=piccolo_types.Text(), **{**options, "default": list(options["default"] or [])})
    return _CLASSES[kind.name](**options)


# --- values in


def encode_for(column: PiccoloColumn, value: Any) -> Any:
    """Return `value` as the argument of a statement about `column`; SQL passes through.

    Raises:
        TypeError: the value is of another type than the column.
        ValueError: it does not fit.
    """
    if not isinstance(column, Typed) or value is None or isinstance(value, (QueryString, PiccoloColumn)):
        return value
    kind, dialect = column._kind, _dialect(column)
    if isinstance(value, (PiccoloTable, Enum)):
        value = convert_to_sql_value(value, column)
    return dialect.encode(kind, value)


def _dialect(column: PiccoloColumn) -> Dialect:
    dialect: Dialect = column._meta.table._meta.db.dialect  # type: ignore[attr-defined]  # engine.py's engines have it
    return dialect


class _EncodingWhere(Where):
    """A condition that encodes its values when it becomes SQL; until then it has them as they were given."""

    __slots__ = ()

    def _encoded(self) -> Where:
        made = Where.__new__(Where)
        made.column, made.operator = self.column, self.operator
        made.value = self.value if self.value is UNDEFINED else encode_for(self.column, self.value)
        made.values = self._encoded_values(self.values)
        return made

    def _encoded_values(self, values: Any) -> Any:
        return [encode_for(self.column, value) for value in values] if isinstance(values, list) else values

    @property
    def querystring(self) -> QueryString:
        """The condition as SQL."""
        return self._encoded().querystring

    @property
    def querystring_for_update_and_delete(self) -> QueryString:
        """The condition as SQL without joins."""
        return self._encoded().querystring_for_update_and_delete


def _encoding(where: Where) -> Where:
    made = _EncodingWhere.__new__(_EncodingWhere)
    made.column, made.operator, made.value, made.values = where.column, where.operator, where.value, where.values
    return made


class EncodingValues(ValuesDelegate):
    """The values of an update, encoded."""

    def get_sql_values(self) -> list[Any]:
        """Return the values as arguments."""
        return [encode_for(column, value) for column, value in self._values.items()]


# --- values out


class Marked(QueryString):
    """A column in a list of what to return: the key in the row, and the type."""

    __slots__ = ("key", "kind")

    def __init__(self, template: str, key: str, kind: ColumnType) -> None:
        super().__init__(template)
        self.key, self.kind = key, kind


class _MarkedList(QueryString):
    """A RETURNING clause."""


class _MarkedReturning(Returning):
    @property
    def querystring(self) -> QueryString:
        names = [QueryString(f'"{c._meta.db_column_name}"') for c in self.columns]
        marks = [
            Marked(
                f'{name.template} AS "{column._alias}"' if column._alias else name.template,
                key=column._alias or column._meta.db_column_name,
                kind=column._kind,
            )
            if isinstance(column, Typed)
            else name
            for name, column in zip(names, self.columns, strict=True)
        ]
        return _MarkedList(" RETURNING " + ", ".join("{}" for _ in marks), *marks)


class MarkedReturning(ReturningDelegate):
    """What a write returns, marked."""

    def returning(self, columns: Sequence[PiccoloColumn]) -> None:
        """Return `columns` of the rows written."""
        self._returning = _MarkedReturning(columns=list(columns))


def readers(querystring: QueryString, dialect: Dialect) -> dict[str, Converter]:
    """Return how to make Python values of the rows of a query: key in the row → converter."""
    found: dict[str, Converter] = {}
    for part in querystring.args:
        if isinstance(part, _MarkedList):
            found.update(readers(part, dialect))
        elif isinstance(part, Marked):
            _add(found, part.key, _reader(part.kind, dialect))
        elif isinstance(part, QueryString) and len(part.args) == 1 and isinstance(part.args[0], Function):
            function = part.args[0]
            _add(found, str(function._alias), _function_reader(function, dialect))
    return found


def _add(found: dict[str, Converter], key: str, reader: Converter | None) -> None:
    if reader is not None:
        found[key] = reader


def _reader(kind: ColumnType, dialect: Dialect) -> Converter | None:
    return dialect.jsonable(kind) if kind.name == "texts" else dialect.decode(kind)


def _function_reader(function: Function, dialect: Dialect) -> Converter | None:
    column = function.columns[0] if function.columns else None
    if not isinstance(column, Typed):
        return None
    if function.function_name == "SUM" and column._kind.name == "int":
        return lambda stored: None if stored is None else int(stored)  # PostgreSQL makes it numeric
    if function.function_name in _SAME_TYPE:
        return _reader(column._kind, dialect)
    if function.function_name == "AVG" and column._kind.name == "decimal" and dialect.name == "sqlite":
        unit = Decimal(10) ** column._kind.scale
        return lambda stored: None if stored is None else Decimal(repr(stored)) / unit
    return None
