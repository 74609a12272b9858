"""A file of an ERP → orders, and what is wrong with them. Pure: knows the format, not the records.

CSV has one row for each line of an order; rows of one order share `system` and `order`:

    system,order,ordered_on,customer,email,name,currency,state,delivered_on,
    line,article,description,quantity,price,discount

JSON (a list) and JSON lines have one record for each order, with the lines inside:

    {"order": "SO-1", "ordered_on": "2026-01-31", "customer": "4711", "email": …, "name": …, "currency": "EUR",
     "lines": [{"line": "1", "article": "A-1", "quantity": "2", "price": "9.90"}]}
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import xrm

SYSTEM = "erp"  # where a file does not name the system
HEAD = ("system", "order", "ordered_on", "customer", "email", "name", "currency", "state", "delivered_on")
LINE = ("line", "article", "description", "quantity", "price", "discount")


@dataclass(slots=True)
class ErpOrder:
    """One order as a file has it: texts, or None where there is nothing."""

    head: dict[str, str | None]
    lines: list[dict[str, str | None]] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)  # numbers of the rows it was read from
    problems: list[str] = field(default_factory=list)

    @property
    def system(self) -> str:
        """The system it comes from."""
        return self.head["system"] or SYSTEM

    @property
    def number(self) -> str:
        """Its number over there."""
        return self.head["order"] or ""

    def to_json(self) -> dict[str, Any]:
        """Return it as it is remembered, to see next time whether anything has changed."""
        return {**self.head, "lines": self.lines}


def read_orders(rows: Iterable[xrm.Row]) -> list[ErpOrder]:
    """Return the orders of a file in the order of their first rows. Every row belongs to exactly one of them."""
    orders: dict[Any, ErpOrder] = {}
    for row in rows:
        if row.issue is not None:
            unread = ErpOrder(_texts({}, HEAD), rows=[row.number], problems=[row.issue.message])
            orders[f"row {row.number}"] = unread
            continue
        head = _texts(row.values, HEAD)
        key = (head["system"] or SYSTEM, head["order"]) if head["order"] else f"row {row.number}"
        order = orders.setdefault(key, ErpOrder(head))
        order.rows.append(row.number)
        order.problems.extend(_differences(order, head, row.number))
        order.lines.extend(_lines(row.values, order))
    for order in orders.values():
        order.problems.extend(_missing(order))
    return list(orders.values())


def _texts(values: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, str | None]:
    return {name: _text(values.get(name)) for name in names}


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, (dict, list)):
        return None
    return str(value).strip() or None


def _lines(values: Mapping[str, Any], order: ErpOrder) -> Iterator[dict[str, str | None]]:
    nested = values.get("lines")
    for item in nested if isinstance(nested, list) else [values]:
        if not isinstance(item, Mapping):
            order.problems.append("A line is not a table of values.")
            continue
        line = _texts(item, LINE)
        line["line"] = line["line"] or str(len(order.lines) + 1)
        yield line


def _differences(order: ErpOrder, head: Mapping[str, str | None], row: int) -> Iterator[str]:
    for name, value in head.items():
        if value != order.head[name]:
            earlier = order.head[name] or "nothing"
            yield f"Row {row} says {name} {value or 'nothing'}, an earlier row of this order {earlier}."


def _missing(order: ErpOrder) -> Iterator[str]:
    if order.problems:
        return
    for name in ("order", "ordered_on"):
        if not order.head[name]:
            yield f"{name} is missing."
    if not any(order.head[name] for name in ("customer", "email", "name")):
        yield "There is neither customer nor email nor name."
    if not order.lines:
        yield "The order has no lines."
    seen = [line["line"] for line in order.lines]
    for twice in sorted({str(name) for name in seen if seen.count(name) > 1}):
        yield f"There are two lines {twice}."
    for line in order.lines:
        for name in ("quantity", "price"):
            if line[name] is None:
                yield f"Line {line['line']}: {name} is missing."
