"""Which kept values a plan brings back, and through which schemas. Pure; rollback.py does it.

A value comes back along a chain. It starts with the column as it is now (or as it was when it was dropped) and goes
back through each change that kept the values before it: while a value is still what that change made of it, it becomes
what it was before. Where somebody changed it since, the chain ends, and the value is converted.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from xrm.kernel.migration.kept import after_id, is_gone, kept_columns, kept_tables
from xrm.kernel.migration.physical import plain
from xrm.kernel.store.schema import Column, ColumnType, Schema, Table


@dataclass(frozen=True, slots=True)
class Link:
    """One change that kept values: the table they are in, and the column as it was."""

    kept: Table
    column: Column

    @property
    def after(self) -> Column:
        """The column that says what the values became."""
        return next(c for c in self.kept.columns if c.id == after_id(self.column.id))


@dataclass(frozen=True, slots=True)
class Chain:
    """How one column comes back.

    Attributes:
        table: Id of the table.
        new: The column as it will be.
        now: The column as it is; None if it was dropped.
        dropped: What kept its values when it was dropped; None if it is there.
        links: The changes to go back through, the oldest first.
    """

    table: str
    new: Column
    now: Column | None
    dropped: Link | None
    links: tuple[Link, ...]

    @property
    def start(self) -> Column:
        """The column the chain starts with."""
        column = self.now or (self.dropped.column if self.dropped else None)
        assert column is not None  # noqa: S101 - one of both is always there
        return column

    @property
    def types(self) -> tuple[ColumnType, ...]:
        """The type of a value that came so far: 0 is the oldest, the last is that of the start."""
        return (*(link.column.type for link in self.links), self.start.type)

    @property
    def aside(self) -> bool:
        """Whether the values need a column of their own beside the present one."""
        return self.now is None or self.now.type != self.new.type or not self.now.null

    @property
    def target(self) -> str:
        """Name of the column the values are written to before the tables change."""
        if not self.aside:
            assert self.now is not None  # noqa: S101
            return self.now.name
        return f"xrm_back_{plain(self.new.id)}"


@dataclass(frozen=True, slots=True)
class Restores:
    """All that a plan brings back.

    Attributes:
        tables: Dropped tables that come back as they were, by the id they get again.
        chains: The columns whose values come back.
        since: The generation that is gone back to.
    """

    tables: dict[str, Table]
    chains: tuple[Chain, ...]
    since: int

    def relabelled(self, schema: Schema) -> Schema:
        """Return the present schema with everything under the id by which the next step knows it."""
        gone = {table.id for table in self.tables.values()}
        stay = {id: table for id, table in schema.tables.items() if id not in gone}
        back = {id: dataclasses.replace(table, id=id) for id, table in self.tables.items()}
        all_tables = {**stay, **back}
        return Schema({id: _relabel(table, self._moved(id)) for id, table in all_tables.items()})

    def staged(self, relabelled: Schema) -> Schema:
        """Return the schema in which values are brought back: with a free column for each that needs one."""
        return Schema({id: self._stage(table) for id, table in relabelled.tables.items()})

    def _moved(self, table: str) -> dict[str, str]:
        ids = [c.new.id for c in self.chains if c.table == table and c.now is not None and c.aside]
        return {id: f"xrm_now_{plain(id)}" for id in ids}

    def _stage(self, table: Table) -> Table:
        fresh = [Column(c.new.id, c.target, c.new.type) for c in self.chains if c.table == table.id and c.aside]
        moved = set(self._moved(table.id).values())
        return dataclasses.replace(
            table,
            columns=(*table.columns, *fresh),
            indexes=tuple(i for i in table.indexes if not moved & set(i.columns)),
            foreign_keys=tuple(k for k in table.foreign_keys if k.column not in moved),
        )


def _relabel(table: Table, ids: dict[str, str]) -> Table:
    if not ids:
        return table
    return dataclasses.replace(
        table,
        columns=tuple(dataclasses.replace(c, id=ids.get(c.id, c.id)) for c in table.columns),
        indexes=tuple(dataclasses.replace(i, columns=tuple(ids.get(c, c) for c in i.columns)) for i in table.indexes),
        foreign_keys=tuple(dataclasses.replace(k, column=ids.get(k.column, k.column)) for k in table.foreign_keys),
    )


def restores(old: Schema, new: Schema, since: int) -> Restores:
    """Return what can come back on the way from `old` to `new`, which is the schema of generation `since`."""
    kept = [(id, table) for generation, id, table in kept_tables(old) if generation > since]
    gone = {id: table for id, table in kept if is_gone(table) and id in new.tables and id not in old.tables}
    values: dict[str, list[Table]] = {}
    for id, table in kept:
        if not is_gone(table):
            values.setdefault(id, []).append(table)
    chains: list[Chain] = []
    for id, table in new.tables.items():
        before = old.tables.get(id) or gone.get(id)
        if before is not None and id in values:
            chains += _chains(before, table, values[id])
    return Restores(gone, tuple(chains), since)


def _chains(old: Table, new: Table, kept: list[Table]) -> Iterator[Chain]:
    present = {c.id: c for c in old.columns}
    for column in new.columns:
        links, dropped = [], None
        for table in kept:
            found = kept_columns(table).get(column.id)
            if found is None:
                continue
            if after_id(column.id) in {c.id for c in table.columns}:
                links.append(Link(table, found))
            else:
                dropped = Link(table, found)  # only the last drop counts: what came back before it was kept again
        now = present.get(column.id)
        if now is not None and links:
            yield Chain(new.id, column, now, None, tuple(links))
        elif now is None and dropped is not None:
            yield Chain(new.id, column, None, dropped, tuple(links))
