"""Orders of an ERP → records: found by their link, created or updated, each as a whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import xrm

from .orders import ErpOrder, read_orders


class OrderImporter:
    """Brings orders with their lines in from a CSV or JSON file; see `orders` for the format.

    Importing the same file again changes nothing, and importing a newer one updates: an order, a customer and a line
    are known again by their links.
    """

    name = "erp_orders"
    title = "Orders of an ERP (CSV or JSON)"

    async def run(self, context: xrm.Context, content: bytes) -> xrm.ImportReport:
        """Import the orders and return what became of each row.

        Raises:
            XrmError: the file cannot be read at all.
        """
        report = xrm.ImportReport()
        for order in read_orders(xrm.read_rows(content)):
            report.read += len(order.rows)
            try:
                outcome = await _import(context, order)
            except xrm.XrmError as error:
                if error.status >= 500:
                    raise
                _refuse(report, order, _reason(error))
                continue
            if outcome == "refused":
                _refuse(report, order, " ".join(order.problems))
            else:
                setattr(report, outcome, getattr(report, outcome) + len(order.rows))
        return report


def _refuse(report: xrm.ImportReport, order: ErpOrder, reason: str) -> None:
    report.refused.extend((row, reason) for row in order.rows)


def _reason(error: xrm.XrmError) -> str:
    return "; ".join(str(issue) for issue in error.issues) or error.message


async def _import(context: xrm.Context, order: ErpOrder) -> str:
    if order.problems:
        return "refused"
    async with context.records.attempt(f"import of order {order.number} from {order.system}"):
        link = await _link(context, order.system, "order", order.number)
        if link is not None and link["received"] == order.to_json():
            return "unchanged"
        known = link["record"]["id"] if link else await _known_order(context, order)
        customer = await _customer(context, order)
        record = await _store_order(context, order, known, customer)
        await _store_lines(context, order, record)
        await _remember(context, order.system, "order", order.number, "order", record, order.to_json())
        return "updated" if known else "created"


async def _known_order(context: xrm.Context, order: ErpOrder) -> str | None:
    found = await context.records.find("order", f"external_number == {_literal(order.number)}")
    return str(found["id"]) if found else None


async def _store_order(context: xrm.Context, order: ErpOrder, known: str | None, customer: str) -> str:
    values: dict[str, Any] = {"customer": customer, "ordered_on": order.head["ordered_on"]}
    values |= {name: order.head[name] for name in ("state", "delivered_on") if order.head[name]}
    if known:
        await context.records.update("order", known, values)
        return known
    created = await context.records.create("order", {"external_number": order.number, **values})
    return str(created["id"])


# --- customers ---------------------------------------------------------------------------------------------------


async def _customer(context: xrm.Context, order: ErpOrder) -> str:
    """Return the party an order belongs to: by link, by number, by e-mail address, or a new one.

    Raises:
        Invalid: several parties have the e-mail address.
    """
    number = order.head["customer"]
    if number and (link := await _link(context, order.system, "customer", number)):
        return str(link["record"]["id"])
    party = await _known_party(context, order) or await _new_party(context, order)
    if number:
        await _remember(context, order.system, "customer", number, "party", party, None)
    return party


async def _known_party(context: xrm.Context, order: ErpOrder) -> str | None:
    number, email = order.head["customer"], order.head["email"]
    if number and (found := await context.records.find("party", f"number == {_literal(number)}")):
        return str(found["id"])
    if not email:
        return None
    page = await context.records.list("party", f"lower(email) == lower({_literal(email)})", limit=2)
    if len(page.records) > 1:
        raise xrm.Invalid(issues=[xrm.Issue("email", "ambiguous", f"Several parties have the address {email}.")])
    return str(page.records[0]["id"]) if page.records else None


async def _new_party(context: xrm.Context, order: ErpOrder) -> str:
    created = await context.records.create(
        "party",
        {
            "name": order.head["name"] or (None if order.head["email"] else order.head["customer"]),
            "email": order.head["email"],
            "roles": ["customer"],
            "stage": "commitment",
            "source": "import",
        },
    )
    return str(created["id"])


# --- lines -------------------------------------------------------------------------------------------------------


async def _store_lines(context: xrm.Context, order: ErpOrder, record: str) -> None:
    """Create, update and delete lines so that they are those of the file; lines added here by hand stay."""
    kept: set[str] = set()
    for position, line in enumerate(order.lines, 1):
        external = f"{order.number}/{line['line']}"
        link = await _link(context, order.system, "order_line", external)
        values = await _line_values(context, order, line, position)
        if link:
            await context.records.update("order_line", link["record"]["id"], values)
        else:
            created = await context.records.create("order_line", {"order": record, **values})
            await _remember(context, order.system, "order_line", external, "order_line", created["id"], None)
        kept.add(external)
    await _drop_lines(context, order, kept)


async def _drop_lines(context: xrm.Context, order: ErpOrder, kept: set[str]) -> None:
    start = _literal(f"{order.number}/")
    found = f"system == {_literal(order.system)} && kind == 'order_line' && startsWith(external_id, {start})"
    for link in (await context.records.list("erp_link", found, limit=1000)).records:
        if link["external_id"] not in kept:
            await context.system.delete("erp_link", link["id"])
            await context.records.delete("order_line", link["record"]["id"])


async def _line_values(
    context: xrm.Context, order: ErpOrder, line: Mapping[str, str | None], position: int
) -> dict[str, Any]:
    article = line["article"]
    product = await context.records.find("product", f"number == {_literal(article)}") if article else None
    named = " ".join(part for part in (None if product else article, line["description"]) if part)
    price: dict[str, Any] = {"amount": line["price"]}
    if order.head["currency"]:
        price["currency"] = order.head["currency"]
    return {
        "position": position,
        "product": product["id"] if product else None,
        "description": named or (product["name"] if product else None),
        "quantity": line["quantity"],
        "price": price,
        "discount": line["discount"] or "0",
    }


# --- links -------------------------------------------------------------------------------------------------------


async def _link(context: xrm.Context, system: str, kind: str, external: str) -> dict[str, Any] | None:
    """Return the link whose record is there, or None: a record in the trash is made again."""
    link = await _any_link(context, system, kind, external)
    return link if link and "id" in (link["record"] or {}) else None


async def _any_link(context: xrm.Context, system: str, kind: str, external: str) -> dict[str, Any] | None:
    wanted = f"system == {_literal(system)} && kind == {_literal(kind)} && external_id == {_literal(external)}"
    return await context.records.find("erp_link", wanted)


async def _remember(
    context: xrm.Context, system: str, kind: str, external: str, entity: str, record: str, received: Any
) -> None:
    values = {
        "record": {"entity": entity, "id": record},
        "last_synced_at": context.now.isoformat(),
        "received": received,
    }
    known = await _any_link(context, system, kind, external)
    if known:
        await context.records.update("erp_link", known["id"], values)
    else:
        names = {"system": system, "kind": kind, "external_id": external}
        await context.records.create("erp_link", {**names, **values})


def _literal(value: str) -> str:
    """Return a text as the expression language writes it."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r") + "'"
