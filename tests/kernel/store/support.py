"""Tables and values the store's tests share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xrm.kernel.store.schema import Column, ColumnType, Schema, Table
from xrm.kernel.store.sql import Binder, quote
from xrm.kernel.store.store import Store

TEXT, INT, BOOL, UUID = ColumnType("text"), ColumnType("int"), ColumnType("bool"), ColumnType("uuid")
DATE, TIME, DATETIME = ColumnType("date"), ColumnType("time"), ColumnType("datetime")
JSON, TEXTS, MONEY = ColumnType("json"), ColumnType("texts"), ColumnType("decimal", 18, 2)


def create_sql(store: Store, table: Table) -> str:
    """CREATE TABLE without foreign keys, as plain as can be."""
    columns = [
        f"{quote(c.name)} {store.dialect.column_type(c.type)}"
        + (" PRIMARY KEY" if c.primary else "")
        + ("" if c.null else " NOT NULL")
        + (f" DEFAULT {store.dialect.literal(c.default, c.type)}" if c.default is not None else "")
        for c in table.columns
    ]
    return f"CREATE TABLE {quote(table.name)} ({', '.join(columns)})"


def table(name: str, /, **columns: ColumnType) -> Table:
    """A table whose first column is the key."""
    made = [Column(n, n, t, null=i > 0, primary=i == 0) for i, (n, t) in enumerate(columns.items())]
    return Table(name, name, tuple(made))


def schema(*tables: Table) -> Schema:
    return Schema({t.id: t for t in tables})


def sql(store: Store, text: str, *values: tuple[Any, ColumnType]) -> tuple[str, list[Any]]:
    """`text` with {} for each value → a statement and its arguments."""
    binder = Binder(store.dialect)
    places = [binder.bind(value, kind) for value, kind in values]
    return text.format(*places), binder.params


async def make(store: Store, *tables: Table) -> None:
    for one in tables:
        await store.execute(create_sql(store, one))


async def cells(store: Store, text: str, kinds: Sequence[ColumnType]) -> list[tuple[Any, ...]]:
    """The rows of a query as Python values."""
    read = [store.dialect.decode(kind) or (lambda cell: cell) for kind in kinds]
    return [tuple(r(cell) for r, cell in zip(read, row, strict=True)) for row in await store.fetch(text)]


class Stop(Exception):
    """Raised to leave a transaction."""


async def together(store: Store, *statements: str, error: Exception | None = None) -> None:
    """Run statements in one transaction, and then raise `error` within it."""
    async with store.transaction():
        for text in statements:
            await store.execute(text)
        if error is not None:
            raise error
