"""Kept values on their way back into the tables, set by set; only what needs another type goes through Python."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

from xrm.kernel.migration.impact import PAGE
from xrm.kernel.migration.kept import RECORD, after_id, same, sql_type
from xrm.kernel.migration.physical import base_id, plain
from xrm.kernel.migration.restore import Chain, Restores
from xrm.kernel.migration.retype import Unconvertible, convert, convertible
from xrm.kernel.store.schema import Column, Schema, Table
from xrm.kernel.store.sql import quote
from xrm.kernel.store.store import Store

_SHORT_WAY = 4  # links that one statement may take without keeping what is in between


def way(store: Store, chain: Chain, table: Table) -> str:
    """Return SQL for (xrm_id, xrm_value as text, xrm_at) of all records whose values come back.

    xrm_at tells how far a value came: it is of the type `chain.types[xrm_at]`; 0 is where it should be.
    """
    key = quote(next(c for c in table.columns if c.primary).name)
    last = len(chain.links)
    if chain.now is not None:
        base = f"SELECT {key} AS xrm_id, CAST({quote(chain.now.name)} AS text) AS xrm_value FROM {quote(table.name)}"
    else:
        assert chain.dropped is not None  # noqa: S101 - a chain starts somewhere
        value = f"CAST({quote(plain(chain.dropped.column.id))} AS text)"
        base = f"SELECT {quote(RECORD)} AS xrm_id, {value} AS xrm_value FROM {quote(chain.dropped.kept.name)}"
    steps = [f"SELECT xrm_id, xrm_value, {last} AS xrm_at, 1 AS xrm_on FROM ({base}) AS xrm_base"]
    steps += [_back(store, chain, number, f"xrm_way_{number + 1}") for number in range(last - 1, -1, -1)]
    # One after the other, not within each other: SQLite's parser and joins have limits, and a way may be long.
    kind = "MATERIALIZED " if last > _SHORT_WAY else ""
    named = ", ".join(f"xrm_way_{last - n} AS {kind}({sql})" for n, sql in enumerate(steps))
    return f"WITH {named} SELECT xrm_id, xrm_value, xrm_at FROM xrm_way_0"


def _back(store: Store, chain: Chain, number: int, source: str) -> str:
    """Return SQL for the values of `source` gone back through one link."""
    link = chain.links[number]
    before, there = f"CAST(k.{quote(plain(link.column.id))} AS text)", f"k.{quote(RECORD)}"
    equal = same(store, "w.xrm_value", f"CAST(k.{quote(after_id(link.column.id))} AS text)")
    hit = f"w.xrm_on = 1 AND {there} IS NOT NULL AND {equal}"
    return (
        f"SELECT w.xrm_id, CASE WHEN {hit} THEN {before} ELSE w.xrm_value END AS xrm_value,"
        f" CASE WHEN {hit} THEN {number} ELSE w.xrm_at END AS xrm_at,"
        f" CASE WHEN {there} IS NULL OR {hit} THEN w.xrm_on ELSE 0 END AS xrm_on"
        f" FROM {source} AS w LEFT JOIN {quote(link.kept.name)} AS k ON {there} = w.xrm_id"
    )


def _as_they_are(chain: Chain) -> list[int]:
    """Return how far values must have come to be written as they are."""
    last = len(chain.links)
    good = [at for at, type in enumerate(chain.types) if type == chain.new.type]
    return good if chain.aside else [at for at in good if at != last]  # those that did not move are there


def converted(chain: Chain) -> list[int]:
    """Return how far values may have come that still need another type."""
    return [at for at, type in enumerate(chain.types) if type != chain.new.type]


async def pages(store: Store, chain: Chain, source: str, at: int) -> AsyncIterator[list[tuple[Any, Any]]]:
    """Yield pages of (stored id, value) of what came as far as `at` and no further."""
    type = chain.types[at]
    decode = store.dialect.decode(type) or (lambda stored: stored)
    key = chain.dropped.kept.columns[0].type if chain.dropped else chain.links[0].kept.columns[0].type
    value, after = f"CAST(xrm_value AS {sql_type(store, type)})", ""
    known: list[Any] = []
    while True:
        rows = await store.fetch(
            f"SELECT xrm_id, {value} FROM ({source}) AS xrm_way WHERE xrm_at = {at} AND xrm_value IS NOT NULL{after}"
            f" ORDER BY xrm_id LIMIT {PAGE}",
            known,
        )
        if rows:
            yield [(row[0], decode(row[1])) for row in rows]
        if len(rows) < PAGE:
            return
        known = [rows[-1][0]]
        after = f" AND xrm_id > {store.dialect.placeholder(1, key)}"


def fits(chain: Chain, at: int, value: Any) -> bool:
    """Whether a value that came so far can be said in the type of the end."""
    old = chain.types[at]
    if not convertible(old, chain.new.type):
        return False
    try:
        convert(value, old, chain.new.type)
    except Unconvertible:
        return False
    return True


async def bring_back(store: Store, back: Restores, staged: Schema, new: Schema) -> None:
    """Write the values that come back; the tables are as `Restores.staged` says.

    A reference whose record is gone by now becomes empty.
    """
    plain_ones, others = _sorted(back.chains)
    for chains in plain_ones:
        await _bring_together(store, chains, staged.tables[chains[0].table])
    for chain in others:
        await _bring_chain(store, chain, staged.tables[chain.table])
    for table, column, nowhere in references(back, staged, new):
        await store.execute(f"UPDATE {quote(table)} SET {quote(column)} = NULL WHERE {nowhere}")


def references(back: Restores, staged: Schema, new: Schema) -> Iterator[tuple[str, str, str]]:
    """Yield table, column and the condition that it points nowhere, of all references that come back."""
    targets = {(c.table, c.new.id): c.target for c in back.chains}
    for id, table in new.tables.items():
        for key in table.foreign_keys:
            target = targets.get((id, key.column))
            if target is None and id in back.tables:
                target = next((c.name for c in back.tables[id].columns if c.id == key.column), None)
            column = next(c for c in table.columns if c.id == key.column)
            if target is not None and column.null:
                yield staged.tables[id].name, target, _nowhere(staged, id, target, key.table)


def _nowhere(staged: Schema, table: str, column: str, other: str) -> str:
    here, there = staged.tables[table], staged.tables.get(other)
    value = f"{quote(here.name)}.{quote(column)}"
    if there is None:
        return f"{value} IS NOT NULL"
    key = next(c for c in there.columns if c.primary)
    found = f"SELECT 1 FROM {quote(there.name)} AS xrm_that WHERE xrm_that.{quote(key.name)} = {value}"
    return f"{value} IS NOT NULL AND NOT EXISTS ({found})"


def _sorted(chains: Sequence[Chain]) -> tuple[list[list[Chain]], list[Chain]]:
    """Return the columns that were dropped and not changed before, by the table that kept them; and all others."""
    together: dict[tuple[str, str], list[Chain]] = {}
    others = []
    for chain in chains:
        if chain.dropped is None or chain.links or chain.start.type != chain.new.type:
            others.append(chain)
        else:
            together.setdefault((chain.table, chain.dropped.kept.name), []).append(chain)
    return list(together.values()), others


async def _bring_together(store: Store, chains: Sequence[Chain], table: Table) -> None:
    """Bring all columns back that one table kept, in one pass over the records."""
    name, key = quote(table.name), next(c for c in table.columns if c.primary)
    sets = ", ".join(f"{quote(c.target)} = k.{quote(plain(c.start.id))}" for c in chains)
    kept = next(c.dropped.kept for c in chains if c.dropped)
    await store.execute(
        f"UPDATE {name} SET {sets} FROM {quote(kept.name)} AS k WHERE k.{quote(RECORD)} = {name}.{quote(key.name)}"
    )
    for chain in chains:
        await _fill_newer(store, chain, table, key)


async def _bring_chain(store: Store, chain: Chain, table: Table) -> None:
    source = way(store, chain, table)
    name, target = quote(table.name), quote(chain.target)
    key = next(c for c in table.columns if c.primary)
    if good := _as_they_are(chain):
        value = f"CAST(w.xrm_value AS {sql_type(store, chain.new.type)})"
        at = ", ".join(map(str, good))
        await store.execute(
            f"UPDATE {name} SET {target} = {value} FROM ({source}) AS w"
            f" WHERE w.xrm_id = {name}.{quote(key.name)} AND w.xrm_at IN ({at})"
        )
    await _bring_converted(store, chain, source, f"UPDATE {name} SET {target}", key)
    await _fill_newer(store, chain, table, key)


async def _fill_newer(store: Store, chain: Chain, table: Table, key: Column) -> None:
    """Give records that were made after the field was dropped what a new field would give them."""
    fill = chain.new.backfill if chain.new.backfill is not None else chain.new.default
    if chain.dropped is None or fill is None:
        return
    name, literal = quote(table.name), store.dialect.literal(fill, chain.new.type)
    known = f"SELECT 1 FROM {quote(chain.dropped.kept.name)} AS k WHERE k.{quote(RECORD)} = {name}.{quote(key.name)}"
    base = next((c for c in table.columns if c.id == base_id(chain.new.id)), None)
    filled = f" AND {quote(base.name)} IS NOT NULL" if base and base.id != chain.new.id else ""
    await store.execute(f"UPDATE {name} SET {quote(chain.target)} = {literal} WHERE NOT EXISTS ({known}){filled}")


async def _bring_converted(store: Store, chain: Chain, source: str, update: str, key: Column) -> None:
    dialect, new = store.dialect, chain.new.type
    sql = f"{update} = {dialect.placeholder(1, new)} WHERE {quote(key.name)} = {dialect.placeholder(2, key.type)}"
    for at in converted(chain):
        # Read all first: what is written in place would be read again as something else.
        rows = [
            (dialect.encode(new, convert(value, chain.types[at], new)), id)
            async for page in pages(store, chain, source, at)
            for id, value in page
        ]
        await store.execute_many(sql, rows)
