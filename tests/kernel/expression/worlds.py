"""One table of records in three worlds: in memory, in SQLite, in PostgreSQL. An expression must not tell them apart."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from xrm.kernel.expression import (
    BOOL,
    DATE,
    DATETIME,
    INT,
    JSON,
    TEXT,
    TEXTS,
    TIME,
    UUID,
    Expression,
    Names,
    Path,
    Type,
    decimal,
    list_of,
    sqlite_functions,
)
from xrm.kernel.store.codec import SQLITE
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.sql import Binder, Var, quote
from xrm.kernel.store.store import Store, open_store

Row = Mapping[str, Any]

NOW = datetime(2026, 3, 5, 14, 30, 15, 123456, tzinfo=UTC)

FIELDS: Mapping[str, Type] = {
    "amount": decimal(2),
    "price": decimal(4),
    "total": decimal(2),
    "tiny": decimal(12),
    "units": decimal(0),
    "qty": INT,
    "stock": INT,
    "name": TEXT,
    "state": TEXT,
    "active": BOOL,
    "done": BOOL,
    "since": DATE,
    "due": DATE,
    "at": DATETIME,
    "seen": DATETIME,
    "opens": TIME,
    "closes": TIME,
    "owner": UUID,
    "buyer": UUID,
    "tags": TEXTS,
    "value": TEXTS,
    "details": JSON,
}
USER: Mapping[str, Type] = {
    "user.id": UUID,
    "user.teams": list_of(UUID),
    "user.limit": decimal(2),
    "user.since": DATE,
    "user.name": TEXT,
}
FAR: Mapping[str, Type] = {"partner.country": TEXT, "partner.rating": decimal(3)}  # across a relation
SCOPE = Names({**FIELDS, **USER, **FAR})

SOMEBODY: Row = {
    "id": uuid.UUID("00000000-0000-7000-8000-000000000001"),
    "teams": (uuid.UUID("00000000-0000-7000-8000-000000000002"), uuid.UUID("00000000-0000-7000-8000-000000000003")),
    "limit": Decimal("10.00"),
    "since": NOW.date(),
    "name": "Ab",
}
NOBODY: Row = {"id": None, "teams": (), "limit": None, "since": None, "name": None}


def record(row: Row, user: Row) -> Callable[[Path], Any]:
    """Return `read` for a row."""
    known = {tuple(name.split(".")): row.get(name) for name in (*FIELDS, *FAR)}
    known |= {("user", name): value for name, value in user.items()}
    return known.__getitem__


def in_memory(expression: Expression, rows: Sequence[Row], user: Row) -> list[Any]:
    """Return the value of the expression for each row."""
    return [expression.evaluate(record(row, user), NOW) for row in rows]


@dataclass
class World:
    """A database with rows in the table t; what they relate to is in the table partner."""

    store: Store

    @classmethod
    async def open(cls, url: str, rows: Sequence[Row]) -> World:
        """Return the world with the rows in it. PostgreSQL must not be led astray by its time zone."""
        world = cls(open_store(url, sqlite_functions()))
        await world.store.start()
        await world._fill("t", FIELDS, rows)
        await world._fill("partner", FAR, rows)
        return world

    async def _fill(self, table: str, types: Mapping[str, Type], rows: Sequence[Row]) -> None:
        dialect = self.store.dialect
        names = {quote(name.rpartition(".")[2]): type.column for name, type in types.items()}
        columns = ", ".join(f"{name} {dialect.column_type(type)}" for name, type in names.items())
        await self.store.execute(f'CREATE TABLE {quote(table)} ("record" bigint, {columns})')
        places = ", ".join(dialect.placeholder(n, type) for n, type in enumerate((INT.column, *names.values()), 1))
        stored = [
            [i, *(dialect.encode(type.column, row.get(name)) for name, type in types.items())]
            for i, row in enumerate(rows)
        ]
        await self.store.execute_many(f"INSERT INTO {quote(table)} VALUES ({places})", stored)

    async def close(self) -> None:
        """Close the database."""
        await self.store.close()

    def column(self, binder: Binder) -> Callable[[Path], str]:
        """Return the SQL of paths: fields by plain name, relations by subselect, the user as parameters."""

        def write(path: Path) -> str:
            name = ".".join(path)
            if name == "user.teams":
                place = binder.bind(Var(name, ColumnType("texts")), ColumnType("texts"))
                return f"SELECT value FROM json_each({place})" if self.lite else f"SELECT unnest({place})::uuid"
            if path[0] == "user":
                return binder.bind(Var(name, USER[name].column), USER[name].column)
            if path[0] == "partner":
                return f'(SELECT p.{quote(path[1])} FROM partner p WHERE p."record" = "t"."record")'
            return quote(path[0])

        return write

    @property
    def lite(self) -> bool:
        """Whether it is SQLite."""
        return self.store.dialect is SQLITE

    def condition(self, expression: Expression, user: Row = SOMEBODY) -> tuple[str, list[Any]]:
        """Return a query for the records for which a condition holds, and its arguments."""
        binder = Binder(self.store.dialect)
        sql = expression.sql(binder, self.column(binder))
        return self._statement(binder, f'SELECT "record" FROM "t" WHERE {sql}', user)

    def _statement(self, binder: Binder, text: str, user: Row) -> tuple[str, list[Any]]:
        variables = {f"user.{name}": value for name, value in user.items()}
        variables["user.teams"] = [str(team) for team in user["teams"]]
        variables |= {"now": NOW, "today": NOW.date()}
        statement = binder.statement(text)
        return statement.text, statement.arguments(binder.dialect, variables)

    async def values(self, expression: Expression, user: Row) -> list[Any]:
        """Return the value of the expression for each row; of a condition, that it is never NULL is checked too."""
        binder = Binder(self.store.dialect)
        sql = expression.sql(binder, self.column(binder))
        if expression.type == BOOL:
            sql = f"CASE WHEN {sql} THEN 1 ELSE 0 END + CASE WHEN ({sql}) IS NULL THEN 100 ELSE 0 END"
        text, args = self._statement(binder, f'SELECT {sql} FROM "t" ORDER BY "t"."record"', user)
        return self._decoded(expression, [row[0] for row in await self.store.fetch(text, args)])

    def _decoded(self, expression: Expression, stored: Sequence[Any]) -> list[Any]:
        if expression.type == BOOL:
            return [{0: False, 1: True}.get(value, f"NULL in a condition: {value}") for value in stored]
        read = self.store.dialect.decode(expression.type.column) or (lambda value: value)
        return [read(value) for value in stored]

    async def plan(self, source: Expression) -> str:
        """Return the query plan of a condition, when an index is used wherever one can be."""
        text, args = self.condition(source)
        if self.lite:
            return "\n".join(row[3] for row in await self.store.fetch(f"EXPLAIN QUERY PLAN {text}", args))
        async with self.store.transaction():
            await self.store.execute("SET LOCAL enable_seqscan = off")
            return "\n".join(row[0] for row in await self.store.fetch(f"EXPLAIN {text}", args))


def exact(value: Any) -> Any:
    """Return a value so that decimals which differ in their digits differ."""
    return format(value, "f") if isinstance(value, Decimal) else value
