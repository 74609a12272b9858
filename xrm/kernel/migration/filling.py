"""A column filled with the values of another one, of another type: by one statement, or page by page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from xrm.kernel.migration.ddl import Convert
from xrm.kernel.migration.direct import Direct, direct
from xrm.kernel.migration.impact import scan
from xrm.kernel.migration.retype import Unconvertible, convert
from xrm.kernel.store.sql import quote
from xrm.kernel.store.store import Store

_LISTED = frozenset({"int", "decimal", "text", "bool", "uuid", "datetime"})  # PostgreSQL takes a list of them


async def fill_converted(store: Store, what: Convert, count: Callable[[int, int], None]) -> None:
    """Carry out a conversion; `count` hears how many of how many values are done.

    Raises:
        Unconvertible: a value cannot be said in the new type; the plan has looked for those before.
    """
    of = (await store.fetch(f"SELECT count({quote(what.source)}) FROM {quote(what.table)}"))[0][0]
    if by_itself := direct(store.dialect, what.old, what.new, quote(what.source)):
        await _at_once(store, what, by_itself)
        count(of, of)
        return
    done = 0
    async for page in scan(store, what.table, what.key, what.source, what.old):
        rows = [(store.dialect.encode(what.new, convert(cell, what.old, what.new)), id) for id, _, cell in page]
        await _write(store, what, rows)
        done += len(rows)
        count(done, of)


async def _at_once(store: Store, what: Convert, how: Direct) -> None:
    table, source = quote(what.table), quote(what.source)
    if how.unfit and await store.fetch(f"SELECT 1 FROM {table} WHERE {how.unfit} LIMIT 1"):
        raise Unconvertible(what.source)
    await store.execute(f"UPDATE {table} SET {quote(what.target)} = {how.value} WHERE {source} IS NOT NULL")


async def _write(store: Store, what: Convert, rows: Sequence[tuple[Any, Any]]) -> None:
    """Write a page of (stored value, stored key): on PostgreSQL as one statement over lists where that is possible."""
    dialect, table, target, key = store.dialect, quote(what.table), quote(what.target), quote(what.key.name)
    value, id = dialect.placeholder(1, what.new), dialect.placeholder(2, what.key.type)
    if dialect.name != "postgresql" or what.new.name not in _LISTED:
        await store.execute_many(f"UPDATE {table} SET {target} = {value} WHERE {key} = {id}", rows)
        return
    lists = [[row[0] for row in rows], [row[1] for row in rows]]
    listed = f"unnest({value}[], {id}[]) AS xrm_page(xrm_value, xrm_key)"
    await store.execute(f"UPDATE {table} SET {target} = xrm_value FROM {listed} WHERE {key} = xrm_key", lists)
