"""What amounts are worth in the site's currency, at the rate of their day: the latest one on or before it.

Rates are records of the entity `currency_rate`: currency, date, and what one unit is worth in the site's currency.
A worth that is kept stays as it is until the amount or its day changes, or somebody asks for it to be computed anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from xrm.errors import Issue
from xrm.kernel.change import SYSTEM, Actor, Change
from xrm.kernel.fieldtypes.money import BASE, Money
from xrm.kernel.live import Live, Running
from xrm.kernel.query import Query
from xrm.kernel.reading import Reading
from xrm.metadata.model import Entity, Field

ENTITY = "currency_rate"
REFRESH = "rates"  # the source of an act that computes what is kept anew
_STEP = Decimal(1).scaleb(-BASE.scale)


class Rates:
    """Fills in what amounts are worth."""

    def __init__(self, running: Running, reading: Reading) -> None:
        self._running, self._reading = running, reading

    async def fill(self, actor: Actor, entity: Entity, change: Change, now: datetime) -> None:
        """Give the amounts of a change their worth; one without a known rate has none, and a warning says so."""
        for field in kept(entity):
            value = change.after.get(field.name)
            if not isinstance(value, Money) or change.kind == "delete":
                continue
            if actor.source != REFRESH and _same(field, change):
                change.after[field.name] = change.before[field.name]
                continue
            day = _day(change.after.get(field.rate_date)) or now.date()
            worth = await self._worth(value, day)
            if worth is None:
                message = f"No exchange rate of {value.currency} is known for {day.isoformat()}."
                change.warnings.append(Issue(f"{field.name}.base", "no_rate", message, severity="warning"))
            change.after[field.name] = value._replace(base=worth)

    async def _worth(self, value: Money, day: date) -> Decimal | None:
        live = self._running.live
        rate = Decimal(1) if value.currency == live.parsing.currency else await self._rate(live, value.currency, day)
        if rate is None:
            return None
        try:
            worth = (value.amount * rate).quantize(_STEP, ROUND_HALF_UP)
        except InvalidOperation:
            return None
        return worth if worth.adjusted() < BASE.precision - BASE.scale else None

    async def _rate(self, live: Live, currency: str, day: date) -> Decimal | None:
        if ENTITY not in live.model.entities:
            return None
        query = Query(f"currency == '{currency}' && date <= '{day}'", ("-date",), ("rate",), limit=1)
        found = (await self._reading.list(SYSTEM, ENTITY, query)).records
        return Decimal(found[0]["rate"]) if found and found[0]["rate"] is not None else None


def kept(entity: Entity) -> Iterator[Field]:
    """Yield the fields whose worth in the site's currency is kept."""
    return (field for field in entity.fields.values() if field.base and field.type == "money" and not field.removed)


def _same(field: Field, change: Change) -> bool:
    """Whether an amount and its day are what they were; one whose worth was never known gets another chance."""
    before, after = change.before.get(field.name), change.after[field.name]
    same = isinstance(before, Money) and before[:2] == after[:2] and before.base is not None
    return same and (not field.rate_date or not change.changes(field.rate_date))


def _day(value: Any) -> date | None:
    return value.date() if isinstance(value, datetime) else value if isinstance(value, date) else None
