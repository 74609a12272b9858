"""Money: an amount and its currency, in two columns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from xrm.kernel.fieldtypes.base import FieldType, Parsing, Part, Refused, register
from xrm.kernel.fieldtypes.numbers import in_range, numeric, parse_decimal
from xrm.kernel.store.schema import ColumnType
from xrm.metadata.model import Field


class Money(NamedTuple):
    """An amount and its currency (ISO 4217 code)."""

    amount: Decimal
    currency: str

    @property
    def leading(self) -> Decimal:
        """The amount."""
        return self.amount


def _parse_money(field: Field, value: Any, parsing: Parsing) -> Money | None:
    currency: Any = parsing.currency
    if isinstance(value, Mapping):
        if unknown := set(value) - {"amount", "currency"}:
            raise Refused("unknown_key", f"Money has no {min(unknown)!r}.", "give amount and currency")
        value, currency = value.get("amount"), value.get("currency") or parsing.currency
        if value is None or value == "":
            return None
    if not isinstance(currency, str) or not re.fullmatch(r"[A-Z]{3}", currency):
        raise Refused("not_currency", "This is not a currency code.", "three capital letters, like EUR (ISO 4217)")
    return Money(in_range(field, parse_decimal(value, field.precision, field.scale)), currency)


def _money_shape(field: Field) -> Mapping[str, Any]:
    return {
        "type": "object",
        "required": ["amount", "currency"],
        "properties": {
            "amount": {"type": "string", "format": "decimal"},
            "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
        },
    }


register(
    FieldType(
        "money",
        numeric,
        _parse_money,
        _money_shape,
        "decimal",
        "money",
        cell="number",
        first="amount",
        parts=(Part("currency", ColumnType("text"), lambda parsing: parsing.currency),),
        make=Money,
        accepts=("string", "number"),
        holds="an amount and its currency",
    ),
)
