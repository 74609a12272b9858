"""Two schemas compared, by id: what is new, gone and different. Neither sentences nor SQL yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from xrm.kernel.store.schema import Column, ForeignKey, Index, Schema, Table

Pair = tuple[Column, Column]  # the same column before and after


@dataclass(frozen=True, slots=True)
class TableChange:
    """One table before and after, and what is different about it."""

    old: Table
    new: Table
    added: tuple[Column, ...]
    dropped: tuple[Column, ...]
    renamed: tuple[Pair, ...]
    retyped: tuple[Pair, ...]
    tightened: tuple[Pair, ...]  # may no longer be null
    relaxed: tuple[Pair, ...]
    redefaulted: tuple[Pair, ...]
    taken: tuple[Column, ...]  # get values that were laid down
    indexes_added: tuple[Index, ...]
    indexes_dropped: tuple[Index, ...]
    keys_added: tuple[ForeignKey, ...]
    keys_dropped: tuple[ForeignKey, ...]

    @property
    def moved(self) -> bool:
        """Whether the table has another name."""
        return self.old.name != self.new.name

    @property
    def empty(self) -> bool:
        """Whether nothing is different."""
        return not (
            self.moved
            or self.added
            or self.dropped
            or self.renamed
            or self.retyped
            or self.tightened
            or self.relaxed
            or self.redefaulted
            or self.taken
            or self.indexes_added
            or self.indexes_dropped
            or self.keys_added
            or self.keys_dropped
        )


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """Tables that are new, gone, and different."""

    created: tuple[Table, ...]
    dropped: tuple[Table, ...]
    changed: tuple[TableChange, ...]


def compare(old: Schema, new: Schema) -> SchemaChange:
    """Return what turns `old` into `new`. The order of tables and columns is no difference."""
    both = (_compare_tables(old.tables[id], table) for id, table in new.tables.items() if id in old.tables)
    return SchemaChange(
        created=tuple(table for id, table in new.tables.items() if id not in old.tables),
        dropped=tuple(table for id, table in old.tables.items() if id not in new.tables),
        changed=tuple(change for change in both if not change.empty),
    )


def _compare_tables(old: Table, new: Table) -> TableChange:
    before = {c.id: c for c in old.columns}
    after = {c.id: c for c in new.columns}
    pairs = [(before[id], column) for id, column in after.items() if id in before]
    return TableChange(
        old,
        new,
        added=tuple(c for id, c in after.items() if id not in before),
        dropped=tuple(c for id, c in before.items() if id not in after),
        renamed=_where(pairs, lambda a, b: a.name != b.name),
        retyped=_where(pairs, lambda a, b: a.type != b.type),
        tightened=_where(pairs, lambda a, b: a.null and not b.null),
        relaxed=_where(pairs, lambda a, b: b.null and not a.null),
        redefaulted=_where(pairs, lambda a, b: a.default != b.default),
        taken=tuple(c for c in new.columns if c.taken),
        indexes_added=_minus(new.indexes, old.indexes),
        indexes_dropped=_minus(old.indexes, new.indexes),
        keys_added=_minus(new.foreign_keys, old.foreign_keys),
        keys_dropped=_minus(old.foreign_keys, new.foreign_keys),
    )


def _where(pairs: Iterable[Pair], differ: Callable[[Column, Column], bool]) -> tuple[Pair, ...]:
    return tuple(pair for pair in pairs if differ(*pair))


def _minus(these: Iterable[Any], those: Iterable[Any]) -> tuple[Any, ...]:
    gone = set(those)
    return tuple(one for one in these if one not in gone)
