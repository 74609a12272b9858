"""Orders: the subtotal is the sum of the lines, whoever changes them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from uuid import UUID

import xrm

PAGE = 1000  # lines read at once


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


async def own_no_subtotal(context: xrm.Context, change: xrm.Change) -> None:
    """Refuse a subtotal that somebody writes: it is the sum of the lines, which `add_up` stores.

    Raises:
        Invalid: it differs from the one that is there.
    """
    if change.changes("subtotal") and not context.actor.is_system:
        raise xrm.Invalid(
            issues=[
                xrm.Issue("subtotal", "computed", "The subtotal is the sum of the lines.", "change the lines instead")
            ]
        )


async def add_up(context: xrm.Context, change: xrm.Change) -> None:
    """Store the sum of the lines in every order this line belongs or belonged to."""
    orders = {order for order in (change.before.get("order"), change.after.get("order")) if order is not None}
    for order in sorted(orders):
        await _store_subtotal(context, order)


async def _store_subtotal(context: xrm.Context, order: UUID) -> None:
    amount, currency = Decimal(0), ""
    async for line in _lines(context, order):
        if line["amount"]:
            amount += Decimal(line["amount"]["amount"])
            currency = line["amount"]["currency"]
    subtotal = {"amount": str(amount), "currency": currency} if currency else None
    await context.system.update("order", order, {"subtotal": subtotal})


async def _lines(context: xrm.Context, order: UUID) -> AsyncIterator[dict[str, Any]]:
    after = ""
    while True:
        page = await context.system.list("order_line", f"order == '{order}'", limit=PAGE, after=after)
        for line in page.records:
            yield line
        if not page.next:
            return
        after = page.next


def _text(value: str) -> str:
    """Return a text as the expression language writes it."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
