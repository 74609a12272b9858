"""Orders: one order has one currency, so that its lines can be added up."""

from __future__ import annotations

from uuid import UUID

import xrm


async def keep_currency(context: xrm.Context, change: xrm.Change) -> None:
    """Refuse a line in another currency than the order's other lines: they could not be added up.

    Raises:
        Invalid: the currencies differ.
    """
    price, order = change.after.get("price"), change.after.get("order")
    if change.kind == "delete" or price is None or order is None:
        return
    if not await _other_currency(context, order, price.currency):
        return
    others = f"order == '{order}' && id != '{change.id}' && price.currency != {_text(price.currency)}"
    if other := await context.system.find("order_line", others):
        raise xrm.Invalid(
            issues=[
                xrm.Issue(
                    "price",
                    "other_currency",
                    f"The other lines of this order are in {other['price']['currency']}.",
                    "one order has one currency",
                )
            ]
        )


async def _other_currency(context: xrm.Context, order: UUID, currency: str) -> bool:
    """Whether the order is added up in another currency: worth a closer look at its lines."""
    try:
        subtotal = (await context.system.get("order", order))["subtotal"]
    except xrm.NotFound:  # told beside the field later
        return False
    return subtotal is not None and subtotal["currency"] != currency


def _text(value: str) -> str:
    """Return a text as the expression language writes it."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
