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


class _Amount(NamedTuple):
    amount: Decimal
    currency: str
    base: Decimal | None = None


class Money(_Amount):
    """An amount and its currency (ISO 4217 code), and what it was worth in the site's currency, where that is kept."""

    __slots__ = ()

    def _asdict(self) -> dict[str, Any]:
        """Return the parts by name; the base only where it is known."""
        parts = super()._asdict()
        return parts if self.base is not None else {name: parts[name] for name in ("amount", "currency")}

    @property
    def leading(self) -> Decimal:
        """The amount."""
        return self.amount


BASE = ColumnType("decimal", 18, 2)


def _parse_money(field: Field, value: Any, parsing: Parsing) -> Money | None:
    currency: Any = parsing.currency
    if isinstance(value, Mapping):
        if unknown := set(value) - {"amount", "currency", *(("base",) if field.base else ())}:
            raise Refused("unknown_key", f"Money has no {min(unknown)!r}.", "give amount and currency")
        value, currency = value.get("amount"), value.get("currency") or parsing.currency
        if value is None or value == "":
            return None
    if not isinstance(currency, str) or not re.fullmatch(r"[A-Z]{3}", currency):
        raise Refused("not_currency", "This is not a currency code.", "three capital letters, like EUR (ISO 4217)")
    return Money(in_range(field, parse_decimal(value, field.precision, field.scale)), currency)


def _money_shape(field: Field) -> Mapping[str, Any]:
    amount: Mapping[str, Any] = {"type": "string", "format": "decimal"}
    base: Mapping[str, Any] = {"base": {"type": ["string", "null"], "format": "decimal"}} if field.base else {}
    return {
        "type": "object",
        "required": ["amount", "currency"],
        "properties": {"amount": amount, "currency": {"type": "string", "pattern": "^[A-Z]{3}$"}, **base},
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
        parts=(
            Part("currency", ColumnType("text"), lambda parsing: parsing.currency),
            Part("base", BASE, written=False, optional=True, when=lambda field: field.base),
        ),
        make=Money,
        accepts=("string", "number"),
        text=lambda field, value: f"{value['amount']} {value['currency']}",
        holds="an amount and its currency",
    ),
)
