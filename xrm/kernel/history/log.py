"""The log: one row per act, one per record written in it, stored in the act's transaction, when it ends.

They are stored last: all that the act changed is locked by then, so that of two acts which meet in a record the one
that commits first is also the one with the lower `place`. The feed (feed.py) stands on that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from xrm.kernel.change import Actor, Change, ChangeSet, uuid7
from xrm.kernel.store.codec import Dialect
from xrm.kernel.store.errors import OtherGeneration
from xrm.kernel.store.schema import Column, ColumnType, Table
from xrm.kernel.store.sql import quote
from xrm.kernel.store.store import Store
from xrm.kernel.store.system import IN_FORCE
from xrm.kernel.store.system import SYSTEM as TABLES
from xrm.kernel.values import to_json

MANY = 500  # changes of one act that are held in memory; more are stored on the way
DERIVED = frozenset(
    {
        "id",
        "version",
        "created_at",
        "created_by",
        "updated_at",
        "updated_by",
        "label",
        "search",
        "deleted_at",
        "deleted_by",
    }
)
Bound = tuple[str, list[Any]]
_INT = ColumnType("int")
_LATER = frozenset({"seq", "hash", "erased"})  # what sealing and erasing put into a row
_PLACE = "(pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint"  # SQLite has one writer: its rows are in order


@dataclass(frozen=True, slots=True)
class Entry:
    """One record's write, as it is logged.

    Attributes:
        change: What it does.
        actor: Who made it; the system, where a hook of somebody else's act wrote.
        origin: Which part of the source it came from: "row 17".
        before, after: The JSON values of the fields that differ.
        derived: Those of them nobody sent: defaults, formulas, what hooks and transitions set.
        version: Of the record, after it.
    """

    change: Change
    actor: Actor
    origin: str
    version: int
    before: dict[str, Any] | None
    after: dict[str, Any]
    derived: tuple[str, ...]

    @classmethod
    def of(cls, change: Change, actor: Actor, origin: str) -> Entry:
        """Return the entry of a change as it is now: hooks may write the record again later."""
        names = [n for n in change.changed() if n not in DERIVED]
        before = {n: to_json(change.before.get(n)) for n in names} if change.before else None
        after = {n: to_json(change.after.get(n)) for n in names if change.before or change.after.get(n) is not None}
        derived = tuple(n for n in after if n not in change.sent)
        return cls(change, actor, origin, change.after["version"], before, after, derived)


@dataclass(frozen=True, slots=True)
class Shown:
    """A record as the statement that wrote it last showed it to an actor: its row, and how that is read."""

    actor: Actor
    id: UUID
    selection: Any
    row: Sequence[Any]


@dataclass(slots=True)
class Known:
    """What is known while a set of new records is made.

    Attributes:
        seen: Entity and id of records that exist for the actor, and are held.
        found: Relation by key → id of the record.
        numbers: Name of a sequence → numbers taken from it for records to come.
    """

    seen: set[tuple[str, UUID]] = field(default_factory=set)
    found: dict[Any, UUID] = field(default_factory=dict)
    numbers: dict[str, deque[int]] = field(default_factory=dict)


@dataclass(slots=True)
class Log:
    """What an act has done so far and is not stored yet.

    Attributes:
        actor: Who acts.
        entries: The changes, in order.
        stored: How many changes are stored already.
        attempts: How many parts that may fail are open; until they end nothing is stored.
        waiting: New records of a set that are not stored yet, see many.py.
        shown: The record that was written last, while nothing was written after it.
        known: What need not be asked again while a set is made; None otherwise.
    """

    actor: Actor
    entries: list[Entry] = field(default_factory=list)
    stored: int = 0
    attempts: int = 0
    shown: Shown | None = None
    waiting: list[Any] = field(default_factory=list)
    known: Known | None = None

    @property
    def changed(self) -> bool:
        """Whether the act changed anything."""
        return bool(self.entries or self.stored)

    @property
    def full(self) -> bool:
        """Whether some should be stored now."""
        return len(self.entries) >= MANY and not self.attempts


class LogStatements:
    """Stores logs: one statement per table and act."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        changeset = TABLES.tables["xrm_changeset"]
        last = dialect.placeholder(1 + len([c for c in changeset.columns if _given(c)]), _INT)
        self._changeset = f"{self._text(changeset)} WHERE {IN_FORCE} = {last}"
        self._change = self._text(TABLES.tables["xrm_change"])
        self._both = self._both_text(changeset) if dialect.name == "postgresql" else ""
        self._encoders = {
            name: tuple(dialect.encoder(column.type) for column in filter(_given, TABLES.tables[name].columns))
            for name in ("xrm_changeset", "xrm_change")
        }

    def _both_text(self, changeset: Table) -> str:
        """Return the statement that stores an act of one change, on PostgreSQL."""
        taken = len([c for c in TABLES.tables["xrm_change"].columns if _given(c)])
        last = self._dialect.placeholder(taken + 1 + len([c for c in changeset.columns if _given(c)]), _INT)
        return f"WITH c AS ({self._change}) {self._text(changeset, taken)} WHERE {IN_FORCE} = {last}"

    def _text(self, table: Table, taken: int = 0) -> str:
        columns = [c for c in table.columns if c.name not in _LATER]
        names = ", ".join(quote(c.name) for c in columns)
        given = [c for c in columns if _given(c)]
        places = [self._dialect.placeholder(n, c.type) for n, c in enumerate(given, 1 + taken)]
        if len(given) < len(columns):  # `place` is the last of a change-set's columns
            places.append(_PLACE if self._dialect.name == "postgresql" else "NULL")
        return f"INSERT INTO {quote(table.name)} ({names}) SELECT {', '.join(places)}"

    async def spill(self, store: Store, work: ChangeSet, log: Log) -> None:
        """Store the changes that are held, to forget them; the act goes on."""
        rows = self._rows(work, log)
        if rows:
            await store.execute_many(self._change, rows)

    async def close(self, store: Store, work: ChangeSet, log: Log) -> None:
        """Store what is left, and the row of the act; nothing if it changed nothing.

        Raises:
            OtherGeneration: the generation in force is another than that of the act, whose values may be miswritten.
                It stays what it is from here on, since the act has locked the tables it wrote to.
        """
        if not log.changed:
            return
        rows = self._rows(work, log)
        if len(rows) > 1:
            await store.execute_many(self._change, rows)
        row = [*self._bound("xrm_changeset", _changeset(work)), work.generation]
        if len(rows) == 1 and self._both:
            if await store.execute(self._both, [*rows[0], *row]) != 1:
                raise OtherGeneration
            return
        alone = [(self._change, rows[0])] if len(rows) == 1 else []
        if (await store.batch([*alone, (self._changeset, row)]))[-1] != 1:
            raise OtherGeneration

    def _rows(self, work: ChangeSet, log: Log) -> list[list[Any]]:
        told = (_change(work, log.actor, entry, number) for number, entry in enumerate(log.entries, log.stored))
        rows = [self._bound("xrm_change", values) for values in told]
        log.stored += len(rows)
        log.entries.clear()
        return rows

    def _bound(self, table: str, values: Sequence[Any]) -> list[Any]:
        pairs = zip(self._encoders[table], values, strict=True)
        return [None if value is None else encode(value) for encode, value in pairs]


def _given(column: Column) -> bool:
    """Whether a column's value is given by the act."""
    return column.name not in _LATER and column.name != "place"


def _changeset(work: ChangeSet) -> tuple[Any, ...]:
    actor = work.actor
    return (
        work.id,
        work.at,
        actor.id,
        actor.name,
        actor.source,
        work.reason or None,
        work.idempotency_key or None,
        work.generation,
        actor.kind,
        actor.behalf,
        actor.behalf_name or None,
        work.origin or None,
        work.run,
        work.undoes,
    )


def _change(work: ChangeSet, actor: Actor, entry: Entry, number: int) -> tuple[Any, ...]:
    change, own = entry.change, entry.actor is actor or entry.actor == actor
    return (
        uuid7(),
        work.id,
        change.entity.name,
        change.id,
        entry.version,
        change.kind,
        change.action or None,
        entry.before,
        entry.after,
        number,
        None if own else entry.actor.name,
        None if own else entry.actor.source,
        entry.origin or None,
        list(entry.derived) or None,
    )
