"""Numbers the platform gives: counted without gaps, or taken from blocks; by year or month where asked.

A gapless number is counted in the transaction of its record: whoever comes next waits until that ends, and a refusal
gives the number back. Fast numbers come from a block that this process took before, outside of any such transaction; a
block is taken in the background when the last one runs low, so that no write ever holds one connection and waits for
another. While there is none, a number is counted in the transaction. What a process did not use when it ends is lost.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import re
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from xrm.errors import XrmError
from xrm.kernel.acts import Act
from xrm.kernel.live import Running
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.sql import Binder, quote
from xrm.metadata.model import Entity, Field

BLOCK = 50  # numbers taken at once
LOW = 20  # left: time to take the next block
_TEXT, _INT = ColumnType("text"), ColumnType("int")
_ZEROS = re.compile(r"\{(0+)\}")
_DATED = re.compile(r"\{(YYYY|YY|MM)\}")
MAX_DIGITS = 19

log = logging.getLogger("xrm.kernel")


@dataclass(frozen=True, slots=True)
class Series:
    """Numbers of one field that follow each other: all of them, or those of the year or month of a day."""

    entity: Entity
    field: Field
    day: date

    @property
    def name(self) -> str:
        """The name of its counter; that of a period ends in ``/2026`` or so."""
        period = {"year": f"/{self.day:%Y}", "month": f"/{self.day:%Y-%m}"}.get(self.field.reset, "")
        return f"{self.entity.name}.{self.field.name}{period}"

    @property
    def around(self) -> tuple[str, str]:
        """What is written before and after the digits."""
        parts = {"YYYY": f"{self.day:%Y}", "YY": f"{self.day:%y}", "MM": f"{self.day:%m}"}
        dated = _DATED.sub(lambda group: parts[group[1]], self.field.number or "{0}")
        before, _, after = _ZEROS.split(dated, maxsplit=1)
        return before, after

    def written(self, number: int) -> str:
        """Return a number in the field's pattern."""
        before, after = self.around
        zeros = _ZEROS.search(self.field.number or "{0}")
        width = len(zeros[1]) if zeros else 1
        return f"{before}{number:0{width}d}{after}"


class Numbers:
    """Gives the values of auto-number fields."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._blocks: dict[str, range] = {}  # counter → what is left of its block
        self._taking: dict[str, asyncio.Task[None]] = {}

    async def next(self, act: Act, entity: Entity, field: Field) -> str:
        """Return the next number of a field, as it is written: of many records at once one taken for them before."""
        series = _series(act, entity, field)
        taken = act.log.known.numbers.get(series.name) if act.log.known is not None else None
        if taken:
            return series.written(taken.popleft())
        number = None if field.gapless else self._of_block(series)
        return series.written(number or await self._counted(series, 1))

    async def several(self, act: Act, entity: Entity, field: Field, count: int) -> tuple[str, range]:
        """Take the next numbers of a field in the transaction; return the name of their counter, and the numbers."""
        series = _series(act, entity, field)
        last = await self._counted(series, count)
        return series.name, range(last - count + 1, last + 1)

    async def close(self) -> None:
        """Wait for the blocks that are being taken."""
        await asyncio.gather(*self._taking.values(), return_exceptions=True)

    def _of_block(self, series: Series) -> int | None:
        name = series.name
        left = self._blocks.get(name, range(0))
        if len(left) <= LOW and name not in self._taking:
            work = asyncio.create_task(self._take(series), context=contextvars.Context())  # of no transaction
            self._taking[name] = work
            work.add_done_callback(lambda _: self._taking.pop(name, None))
        if not left:
            return None
        self._blocks[name] = left[1:]
        return left[0]

    async def _take(self, series: Series) -> None:
        """Take a block; what is left of the last one is used up first if they follow each other, else lost."""
        name = series.name
        try:
            async with self._running.store.transaction():
                last = await self._counted(series, BLOCK)
        except XrmError as error:
            log.warning("No block of numbers could be taken for %s: %s", name, error)
            return
        left, first = self._blocks.get(name, range(0)), last - BLOCK + 1
        self._blocks[name] = range(left.start if left and left.stop == first else first, last + 1)
        for other in [key for key in self._blocks if _older(key, name)]:
            del self._blocks[other]

    async def _counted(self, series: Series, step: int) -> int:
        """Count on by `step`, in the open transaction; a new counter goes on after the numbers there are."""
        mark, store = self._running.store.dialect.placeholder, self._running.store
        key, more = mark(1, _TEXT), mark(2, _INT)
        rows = await store.fetch(
            f'INSERT INTO "xrm_sequence" ("name", "value") VALUES ({key}, {more}) ON CONFLICT ("name")'
            ' DO UPDATE SET "value" = "xrm_sequence"."value" + excluded."value" RETURNING "value"',
            [series.name, step],
        )
        counted = int(rows[0][0])
        if counted != step or not (there := await self._highest(series)):
            return counted
        change = f'UPDATE "xrm_sequence" SET "value" = {mark(1, _INT)} WHERE "name" = {mark(2, _TEXT)}'
        await store.execute(change, [there + step, series.name])
        return there + step

    async def _highest(self, series: Series) -> int:
        """Return the highest number a record has that could be of a series: its pattern or period may be new."""
        store, (before, after) = self._running.store, series.around
        column, binder = quote(series.field.name), Binder(self._running.store.dialect)
        begins, ends = binder.bind(before, _TEXT), binder.bind(after, _TEXT)
        rows = await store.fetch(
            f"SELECT {column} FROM {quote(series.entity.name)} WHERE substr({column}, 1, {len(before)}) = {begins}"
            f" AND substr({column}, length({column}) - {len(after) - 1}) = {ends}"
            f" ORDER BY length({column}) DESC, {column} DESC LIMIT 1",
            binder.params,
        )
        digits = str(rows[0][0])[len(before) :].removesuffix(after) if rows else ""
        return int(digits) if digits.isdecimal() and digits.isascii() and len(digits) < MAX_DIGITS else 0


def _series(act: Act, entity: Entity, field: Field) -> Series:
    return Series(entity, field, act.changes.at.astimezone(ZoneInfo(act.live.parsing.time_zone)).date())


def _older(key: str, name: str) -> bool:
    """Return whether a counter is one of an earlier period of another."""
    field, _, period = name.partition("/")
    return bool(period) and key.startswith(f"{field}/") and key < name
