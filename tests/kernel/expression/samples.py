"""Records with the values at which rules break: nulls, zero, the ends of every range, unusual letters."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from tests.kernel.expression.worlds import FAR, FIELDS

IDS = tuple(UUID(int=n + (7 << 76) + (8 << 60)) for n in range(1, 5))
TEXTS = (
    "",
    "a",
    "A",
    "ab",
    "Ab",
    "Acme AG",
    "open",
    "won",
    "O'Brien",
    '"',
    "%",
    "a_b",
    "back\\slash",
    "two\nlines",
    "10",
    "Ä",
    "ä",
    "Ångström",
    "straße",
    "STRASSE",
    "İstanbul",
    "ığ",
    "ŉ",
    "ǅ",
    "Σίσυφος",
    "ЁЖ",
    "Việt",
    "ﬁn",
    "\ufb01",
    "e\u0301",
    "\uffff",
    "\U00010000",
    "😀",
    "2026-03-05",
)
DATES = (
    date(2026, 3, 5),
    date(2026, 3, 4),
    date(2024, 2, 29),
    date(1999, 12, 31),
    date(1, 1, 1),
    date(1, 1, 2),
    date(9999, 12, 30),
    date(9999, 12, 31),
)
TIMES = (
    datetime(2026, 3, 5, 14, 30, 15, 123456, tzinfo=UTC),
    datetime(2026, 3, 5, tzinfo=UTC),
    datetime(2026, 3, 4, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(2026, 3, 8, 7, 30, tzinfo=UTC),
    datetime(1, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
    datetime(1, 1, 1, 12, tzinfo=UTC),
    datetime(9999, 12, 31, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999998, tzinfo=UTC),
)
CLOCK = (time(0), time(8, 30), time(12, 0, 0, 1), time(23, 59, 59, 999999))
INTS = (0, 1, -1, 2, 3, 7, -5, 10, 100, 365, 3652058, -3652058, 10**12, 2**31, 2**63 - 1, -(2**63 - 1), -(2**63))


def decimals(scale: int) -> tuple[Decimal, ...]:
    """Return decimals of 18 digits in all: small ones, and the ends of the range."""
    unit = Decimal(1).scaleb(-scale)
    most = 10 ** (18 - scale)
    whole = tuple(Decimal(n) for n in (0, 1, -1, 2, 3, 10, -7, 100) if abs(n) < most)
    ends = (most - unit, unit - most, (most - unit) // 2 + 5 * unit)
    return (*whole, *ends, *(n * unit for n in (1, -1, 5, 25, 33)))


VALUES: Mapping[str, Callable[[Any], Sequence[Any]]] = {
    "text": lambda type: TEXTS,
    "int": lambda type: INTS,
    "decimal": lambda type: decimals(type.scale),
    "bool": lambda type: (True, False),
    "date": lambda type: DATES,
    "datetime": lambda type: TIMES,
    "time": lambda type: CLOCK,
    "uuid": lambda type: IDS,
    "json": lambda type: ({"a": 1}, [], "x", 0),
}


def row(draw: random.Random) -> dict[str, Any]:
    """Return a record of edge values, one in five of them null."""
    return {name: None if draw.random() < 0.2 else _value(draw, type) for name, type in {**FIELDS, **FAR}.items()}


def _value(draw: random.Random, type: Any) -> Any:
    if type.name == "texts":
        return tuple(draw.choice(TEXTS) for _ in range(draw.randint(0, 3)))
    return draw.choice(VALUES[type.name](type))


FULL: Mapping[str, Any] = {
    "amount": Decimal("100.00"),
    "price": Decimal("0.1250"),
    "total": Decimal("-7.50"),
    "tiny": Decimal("0.000000000001"),
    "units": Decimal(3),
    "qty": 7,
    "stock": -3,
    "name": "Acme AG",
    "state": "open",
    "active": True,
    "done": False,
    "since": date(2026, 3, 1),
    "due": date(2026, 4, 4),
    "at": TIMES[0],
    "seen": TIMES[2],
    "opens": time(8, 30),
    "closes": time(17),
    "owner": IDS[0],
    "buyer": IDS[1],
    "tags": ("vip", "a,b"),
    "value": (),
    "details": {"a": 1},
    "partner.country": "DE",
    "partner.rating": Decimal("4.500"),
}
NULLS: Mapping[str, Any] = {}
EDGE: Mapping[str, Any] = {
    "amount": Decimal("9999999999999999.99"),
    "price": Decimal("-99999999999999.9999"),
    "total": Decimal("0.00"),
    "tiny": Decimal("999999.999999999999"),
    "units": Decimal(10**18 - 1),
    "qty": 2**63 - 1,
    "stock": -(2**63),
    "name": "",
    "state": "Ångström",
    "active": False,
    "done": True,
    "since": date.min,
    "due": date.max,
    "at": TIMES[7],
    "seen": TIMES[4],
    "opens": time(0),
    "closes": time(23, 59, 59, 999999),
    "owner": IDS[2],
    "buyer": IDS[2],
    "tags": (),
    "value": ("",),
    "details": [],
    "partner.country": "",
    "partner.rating": Decimal(0),
}
ROWS = (FULL, NULLS, EDGE)
