"""Products, and what customers ordered over the years: skewed amounts, seasons, growth, customers who stop.

Orders come as in the Pareto/NBD model of buying (Schmittlein, Morrison and Colombo 1987): every customer has a rate of
their own (gamma), buys at random times at that rate, and stops at a random time; amounts differ by a lognormal factor.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Any

from .parties import Party
from .rows import Draft, Key

SEASON = (0.9, 0.85, 1.05, 1.0, 1.05, 1.0, 0.75, 0.55, 1.1, 1.2, 1.4, 1.15)
"""How much is ordered in each month against the mean."""

GROWTH = 1.12  # orders of a year against those of the year before
MAX_ORDERS = 60  # of one customer
NEW = 45  # days during which an order may still be under way

FAMILIES: tuple[tuple[str, str, tuple[str, ...], tuple[int, int]], ...] = (
    ("hardware", "piece", ("Pump", "Valve", "Drive", "Sensor", "Control unit", "Compressor", "Housing"), (80, 2600)),
    ("spare_part", "piece", ("Seal kit", "Bearing", "Filter", "Gasket", "Fuse set", "Cable set"), (4, 190)),
    ("consumable", "kilogram", ("Lubricant", "Cleaner", "Coolant", "Adhesive"), (6, 60)),
    ("software", "licence", ("Monitoring", "Planning", "Remote access"), (190, 2900)),
    ("service", "hour", ("Installation", "Maintenance", "Training", "Inspection"), (70, 160)),
)
MODELS = ("A", "B", "C", "S", "XL", "Pro", "Mini", "Plus")


@dataclass(frozen=True, slots=True)
class Product:
    """A product as orders must know it."""

    name: str
    key: Key
    price: float  # EUR
    popularity: float


class Catalogue:
    """What the company sells."""

    def __init__(self, rng: Random, suppliers: Sequence[Key], count: int) -> None:
        """Make `count` products, bought from `suppliers`."""
        self.drafts: list[Draft] = []
        self.products: list[Product] = []
        self.goods: list[Product] = []  # those that can break, leak and be sent back
        for number in range(1, count + 1):
            self._add(rng, suppliers, number)

    def _add(self, rng: Random, suppliers: Sequence[Key], number: int) -> None:
        family, sold_by, nouns, (low, high) = FAMILIES[(number - 1) % len(FAMILIES)]
        price = round(low * (high / low) ** rng.random(), 2)
        name = f"{rng.choice(nouns)} {rng.choice(MODELS)}{number * 10}"
        values: dict[str, Any] = {
            "name": name,
            "number": f"A-{1000 + number}",
            "family": family,
            "sold_by": sold_by,
            "price": _eur(price),
            "cost": _eur(price * rng.uniform(0.45, 0.75)),
            "tax": rng.choice(("19", "19", "7")),
            "weight": f"{rng.lognormvariate(0.5, 1.2):.3f}" if sold_by in ("piece", "kilogram") else None,
            "delivery_days": rng.choice((1, 2, 3, 5, 10, 20)),
            "supplier": rng.choice(suppliers) if suppliers and family != "service" else None,
            "active": rng.random() > 0.05,
            "details": {"colour": rng.choice(("grey", "blue", "black")), "warranty_months": rng.choice((12, 24, 36))},
        }
        draft = Draft("product", str(number), values, kept=True)
        self.drafts.append(draft)
        product = Product(name, draft.key, price, 1 / number**0.7)
        self.products.append(product)
        if family in ("hardware", "spare_part"):
            self.goods.append(product)

    def favourites(self, rng: Random) -> list[Product]:
        """Return the products a customer usually buys, the popular ones more often."""
        weights = [product.popularity for product in self.products]
        return list(dict.fromkeys(rng.choices(self.products, weights, k=6)))


def _eur(amount: float) -> dict[str, str]:
    return {"amount": f"{amount:.2f}", "currency": "EUR"}


def order_days(rng: Random, since: date, today: date, years: float) -> list[date]:
    """Return the working days on which one customer ordered, oldest first."""
    begun = max(since, today - timedelta(days=int(years * 365)))
    rate = rng.gammavariate(0.9, 5.0)  # orders a year
    stops = begun + timedelta(days=min(20_000, int(rng.expovariate(1 / (3.5 * 365)))))
    days: list[date] = []
    day, top = begun, max(SEASON)
    while rate > 0.01 and len(days) < MAX_ORDERS:
        day += timedelta(days=max(1, int(rng.expovariate(rate * top / 365))))
        if day >= min(stops, today):
            break
        back = GROWTH ** -((today - day).days / 365)
        if rng.random() < SEASON[day.month - 1] / top * back:
            days.append(day - timedelta(days=max(0, day.weekday() - 4)))
    return days


def orders_of(rng: Random, party: Party, catalogue: Catalogue, today: date, years: float) -> Iterator[Draft]:
    """Yield the orders of a customer with their lines."""
    favourites = catalogue.favourites(rng)
    for number, day in enumerate(order_days(rng, party.since, today, years)):
        order = _order(rng, party, day, today, number)
        yield order
        yield from _lines(rng, order, party, favourites)


def _order(rng: Random, party: Party, day: date, today: date, number: int) -> Draft:
    delivered = day + timedelta(days=rng.randint(1, 21))
    state = _state(rng, (today - day).days)
    done = state in ("delivered", "paid")
    return Draft(
        "order",
        f"{party.draft.name}/{number}",
        {
            "customer": party.key,
            "ordered_on": day.isoformat(),
            "deliver_by": (day + timedelta(days=14)).isoformat(),
            "delivered_on": min(delivered, today).isoformat() if done else None,
            "reference": f"PO {rng.randint(1000, 99999)}" if rng.random() < 0.4 else None,
            "state": state,
            "owner": Key("user", party.owner),
            "unit": party.draft.values.get("unit"),
        },
    )


def _state(rng: Random, age: int) -> str:
    if age > NEW:
        return rng.choices(("paid", "delivered", "cancelled"), (93, 3, 4))[0]
    return rng.choices(("draft", "confirmed", "delivered", "paid"), (12, 38, 30, 20))[0]


def _lines(rng: Random, order: Draft, party: Party, favourites: Sequence[Product]) -> Iterator[Draft]:
    for position in range(1, min(6, 1 + int(rng.expovariate(0.7))) + 1):
        product = rng.choice(favourites)
        quantity = max(1, min(500, int(rng.paretovariate(1.3) * party.spend)))
        yield Draft(
            "order_line",
            f"{order.name}/{position}",
            {
                "order": order.key,
                "position": position,
                "product": product.key,
                "description": product.name,
                "quantity": str(quantity),
                "price": _eur(product.price),
                "discount": party.draft.values.get("discount") or "0",
            },
        )
