"""A carry on a database: counted, and done."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from xrm.kernel.migration.carry.find import Carry
from xrm.kernel.migration.retype import Unconvertible
from xrm.kernel.store.folding import fold
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.sql import Binder, quote
from xrm.kernel.store.store import Store
from xrm.kernel.values import Refused

PAGE = 1000  # records read at a time
SAMPLES = 3
_CASES = 200  # different values that one statement may tell apart
_UUID, _NIL = ColumnType("uuid"), UUID(int=0)

Group = tuple[tuple[Any, ...], tuple[Any, ...] | None]  # what was read, what becomes of it (None: unfit)


@dataclass(slots=True)
class Tally:
    """What a carry would do.

    Attributes:
        given: How many records get a value, or another one.
        lost: How many lose theirs, because it does not fit or is mapped to nothing.
        refused: How many of those are not meant to.
        empty: How many have no value in the end.
        samples: Values that do not fit, as people know them.
        groups: What was read → what becomes of it.
    """

    given: int = 0
    lost: int = 0
    refused: int = 0
    empty: int = 0
    samples: list[str] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)


async def survey(store: Store, carry: Carry) -> Tally:
    """Count what a carry would do. Reads only."""
    tally = Tally()
    for shown, raw, rows in await _groups(store, carry):
        _count(tally, carry, shown, raw, rows)
    return tally


async def _groups(store: Store, carry: Carry, where: str = "") -> list[tuple[Any, tuple[Any, ...], int]]:
    """Return what is read of the records, most frequent first: what is shown, what is given, of how many."""
    binder = Binder(store.dialect)
    inner, types = _select(binder, carry, where)
    names = ", ".join(["xrm_shown", *_raw(types)])
    places = ", ".join(str(n + 1) for n in range(len(types)))
    rows = await store.fetch(
        f"SELECT {names}, count(*) FROM ({inner}) AS x GROUP BY {places} ORDER BY count(*) DESC, {places}",
        binder.params,
    )
    decode = [store.dialect.decode(type) or (lambda stored: stored) for type in types]
    found = []
    for row in rows:
        shown, *raw = [read(cell) for read, cell in zip(decode, row, strict=False)]
        found.append((shown, tuple(raw), row[-1]))
    return found


@dataclass(frozen=True, slots=True)
class Twins:
    """How many records would share a value with another, and some of those values."""

    count: int
    samples: list[str]


async def twins(store: Store, carry: Carry, *, live: bool, folded: bool) -> Twins:
    """Count the records whose value after a carry another has too; `live` leaves those in the trash out."""
    found: Counter[Any] = Counter()
    for shown, raw, rows in await _groups(store, carry, 't."deleted_at" IS NULL' if live else ""):
        cells = _fit(carry, shown, raw)
        if cells is not None and cells[0] is not None:
            found[fold(cells[0]) if folded and isinstance(cells[0], str) else cells[0]] += rows
    shared = {value: rows for value, rows in found.items() if rows > 1}
    return Twins(sum(shared.values()), [str(value) for value in list(shared)[:SAMPLES]])


def _count(tally: Tally, carry: Carry, shown: Any, raw: tuple[Any, ...], rows: int) -> None:
    cells = _fit(carry, shown, raw)
    tally.groups.append((raw, cells))
    unfit, empty = cells is None, cells is None or cells[0] is None
    tally.empty += rows if empty else 0
    if unfit or (empty and shown is not None and carry.maps):
        tally.lost += rows
        tally.refused += rows if unfit and carry.otherwise != "clear" else 0
        if unfit and len(tally.samples) < SAMPLES:
            tally.samples.append(_shown(shown))
    elif not empty and not carry.same(shown, raw, cells):
        tally.given += rows


def _fit(carry: Carry, shown: Any, raw: tuple[Any, ...]) -> tuple[Any, ...] | None:
    if raw[0] is None and shown is not None and carry.way.whole:
        return None
    try:
        return carry.fit.cells(raw)
    except (Refused, Unconvertible):
        return None


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _select(binder: Binder, carry: Carry, where: str = "") -> tuple[str, list[ColumnType]]:
    """Return the statement that reads a carry's records, and the types of what it shows and gives."""
    reading = carry.way.read(binder)
    cells = [reading.shown, *reading.cells]
    named = zip(cells, ["xrm_shown", *_raw(cells)], strict=False)
    listed = ", ".join(f"{cell.sql} AS {name}" for cell, name in named)
    where = " AND ".join(f"({condition})" for condition in (reading.where, where) if condition)
    where = f" WHERE {where}" if where else ""
    text = f'SELECT t."id" AS xrm_id, {listed} FROM {quote(carry.source)} t{reading.joins}{where}'
    return text, [cell.type for cell in cells]


def _raw(cells: Sequence[Any]) -> list[str]:
    return [f"xrm_raw_{n}" for n in range(len(cells) - 1)]


# --- doing it ------------------------------------------------------------------------------------------------------


async def lay(store: Store, carry: Carry) -> None:
    """Put the values of a carry into a table of their own, by the id of their record."""
    dialect = store.dialect
    columns = ", ".join(f"{quote(name)} {dialect.column_type(type)}" for name, type in carry.laid)
    await store.execute(
        f'CREATE TEMP TABLE {quote(carry.scratch)} ("id" {dialect.column_type(_UUID)} PRIMARY KEY, {columns})'
    )
    tally = await survey(store, carry)
    changed = [(raw, cells) for raw, cells in tally.groups if carry.changes(raw, cells)]
    if all(cells == raw for raw, cells in tally.groups) and not carry.keeps:
        await _lay_as_read(store, carry)
    elif len(carry.laid) == 1 and len(changed) <= _CASES:
        await _lay_cases(store, carry, changed)
    else:
        await _lay_each(store, carry)


async def _lay_as_read(store: Store, carry: Carry) -> None:
    """What is read is what is kept: one statement, and no value leaves the database."""
    binder = Binder(store.dialect)
    inner, types = _select(binder, carry)
    where = "" if carry.in_place else " WHERE xrm_raw_0 IS NOT NULL"
    await store.execute(
        f"{_insert(carry)} SELECT xrm_id, {', '.join(_raw(types))} FROM ({inner}) AS x{where}", binder.params
    )


async def _lay_cases(store: Store, carry: Carry, changed: Sequence[Group]) -> None:
    """A few different values: one statement tells them apart."""
    if not changed:
        return
    binder = Binder(store.dialect)
    inner, types = _select(binder, carry)
    read, kept = types[1], carry.laid[0][1]
    cases, listed, null = [], [], ""
    for raw, cells in changed:
        value = binder.bind(cells[0], kept) if cells is not None and cells[0] is not None else "NULL"
        if raw[0] is None:
            null = f"WHEN xrm_raw_0 IS NULL THEN {value} "
        else:
            place = binder.bind(raw[0], read)
            cases.append(f"WHEN xrm_raw_0 = {place} THEN {value}")
            listed.append(place)
    meant = [f"xrm_raw_0 IN ({', '.join(listed)})"] if listed else []
    meant += ["xrm_raw_0 IS NULL"] if null else []
    typed = f"CAST(CASE {null}{' '.join(cases)} END AS {store.dialect.column_type(kept).partition(' ')[0]})"
    text = f"{_insert(carry)} SELECT xrm_id, {typed} FROM ({inner}) AS x WHERE {' OR '.join(meant)}"
    await store.execute(text, binder.params)


async def _lay_each(store: Store, carry: Carry) -> None:
    """Many different values: each is read, made to fit and written."""
    dialect = store.dialect
    places = ", ".join(dialect.placeholder(n + 2, type) for n, (_, type) in enumerate(carry.laid))
    text = f"{_insert(carry)} VALUES ({dialect.placeholder(1, _UUID)}, {places})"
    async for page in _pages(store, carry):
        rows = []
        for id, shown, raw in page:
            cells = _fit(carry, shown, raw)
            if carry.changes(raw, cells):
                kept = cells if cells is not None else (None,) * len(carry.laid)
                rows.append([id, *(dialect.encode(type, c) for (_, type), c in zip(carry.laid, kept, strict=True))])
        await store.execute_many(text, rows)


def _insert(carry: Carry) -> str:
    names = ", ".join(['"id"', *(quote(name) for name, _ in carry.laid)])
    return f"INSERT INTO {quote(carry.scratch)} ({names})"


async def _pages(store: Store, carry: Carry) -> AsyncIterator[list[tuple[Any, Any, tuple[Any, ...]]]]:
    binder = Binder(store.dialect)
    inner, types = _select(binder, carry)
    decode = [store.dialect.decode(type) or (lambda stored: stored) for type in types]
    names = ", ".join(["xrm_id", "xrm_shown", *_raw(types)])
    mark = store.dialect.placeholder(len(binder.params) + 1, _UUID)
    last: Any = store.dialect.encode(_UUID, _NIL)
    while True:
        rows = await store.fetch(
            f"SELECT {names} FROM ({inner}) AS x WHERE xrm_id > {mark} ORDER BY xrm_id LIMIT {PAGE}",
            [*binder.params, last],
        )
        read = [(row[0], [d(c) for d, c in zip(decode, row[1:], strict=True)]) for row in rows]
        yield [(id, cells[0], tuple(cells[1:])) for id, cells in read]
        if len(rows) < PAGE:
            return
        last = rows[-1][0]


async def clear_away(store: Store, carries: Sequence[Carry]) -> None:
    """Drop what was laid down."""
    for carry in carries:
        await store.execute(f"DROP TABLE {quote(carry.scratch)}")
