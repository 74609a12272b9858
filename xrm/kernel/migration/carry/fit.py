"""A value that was there as a value of a field as it will be, or the reason why there is none."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xrm.kernel import values
from xrm.kernel.migration.retype import convert
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.values import Parsing
from xrm.metadata.model import Field, empty

_TEXT = ColumnType("text")


@dataclass(frozen=True, slots=True)
class Fit:
    """Makes values of `field`.

    Attributes:
        field: The field as it will be.
        old: What gives the value: the field as it was, or one it moves from; None = the columns are `field`'s own.
        types: The types of the columns that are read.
        map: Former value, as text → JSON value; None empties it.
        titles: Title of a choice → its name, where a text becomes a choice.
        strict: Whether values must obey every rule of the field; else only those that its column could not hold.
        parsing: How values are read.
    """

    field: Field
    types: tuple[ColumnType, ...]
    old: Field | None = None
    map: Mapping[str, Any] = dataclasses.field(default_factory=empty)
    titles: Mapping[str, str] = dataclasses.field(default_factory=empty)
    strict: bool = True
    parsing: Parsing = dataclasses.field(default_factory=Parsing)

    def cells(self, raw: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the column values for what was read; of nothing, nothing.

        Raises:
            Refused: it does not fit the field.
            Unconvertible: it cannot be said in the field's type.
        """
        nothing = values.pack(self.field, None)
        if raw[0] is None:
            return nothing
        if isinstance(raw[0], tuple) and self.map:
            return self._pack([self._mapped(one, one) for one in raw[0]])
        key = self._key(raw[0]) if self.map or self.titles else ""
        if key in self.map:
            return self._pack(self.map[key])
        if key in self.titles:
            return self._pack(self.titles[key])
        return self._plain(raw)

    def _key(self, value: Any) -> str:
        return str(value if self.types[0].name == "text" else convert(value, self.types[0], _TEXT))

    def _mapped(self, key: str, otherwise: Any) -> Any:
        return self.map.get(key, otherwise)

    def _plain(self, raw: tuple[Any, ...]) -> tuple[Any, ...]:
        columns = values.columns(self.field)
        if len(raw) == len(columns) and all(t == c.type for t, c in zip(self.types, columns, strict=True)):
            return self._pack(values.to_json(values.unpack(self.field, raw))) if self.strict else raw
        kept = self.types[0] == columns[0].type
        first = raw[0] if kept else convert(raw[0], self.types[0], columns[0].type)
        return self._pack(values.to_json(first)) if self.strict else (first, *values.pack(self.field, None)[1:])

    def _pack(self, value: Any) -> tuple[Any, ...]:
        given = [one for one in value if one is not None] if isinstance(value, list) else value
        return values.pack(self.field, values.parse(self.field, given, self.parsing))
