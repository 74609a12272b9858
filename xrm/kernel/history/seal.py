"""Sealing: change-sets get their number in the feed, and a hash that holds them and all before them in place.

It is done after the commit, by one process at a time, for whatever is committed by then. So the numbers have no gaps,
nothing appears before a number that was given already, however many write at once, and no writer waits for another.
See docs/adr/0014-sealed-after-the-commit.md.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from xrm.kernel.history.rows import CHANGE_COLUMNS, SET_COLUMNS, ChangeRow, Reader, SetRow
from xrm.kernel.store.codec import Dialect
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.sql import Binder
from xrm.kernel.store.store import Store
from xrm.kernel.values import to_json

CHUNK = 200  # change-sets sealed in one transaction
MANY = 5_000  # changes they may have in all
COUNT = '(SELECT count(*) FROM "xrm_change" c WHERE c."changeset" = s."id")'
START = "0" * 64
_INT, _TEXT, _UUID = ColumnType("int"), ColumnType("text"), ColumnType("uuid")
_WAITING = 'SELECT 1 FROM "xrm_changeset" WHERE "seq" IS NULL LIMIT 1'
_HEAD = 'SELECT "seq", "hash" FROM "xrm_changeset" WHERE "seq" IS NOT NULL ORDER BY "seq" DESC LIMIT 1'


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the chain: the last number that was given, and its hash. Kept elsewhere, it proves all before it."""

    seq: int = 0
    hash: str = START


def digest(before: str, seq: int, of: SetRow, changes: Sequence[ChangeRow]) -> str:
    """Return the hash (SHA-256) of a change-set: over the one before, its number, its row and those of its changes."""
    told = [before, seq, *(to_json(getattr(of, name)) for name in _SET)]
    ordered = sorted(changes, key=lambda change: (change.number is None, change.number or 0, str(change.id)))
    return _hash([told, [change.erased or digest_of(change) for change in ordered]])


def digest_of(change: ChangeRow) -> str:
    """Return the hash of one change, which it keeps (`erased`) when what it held of a person is erased.

    The names of entities are not in it: they change when an entity is renamed. A record's id tells it for good.
    """
    return _hash([to_json(getattr(change, name)) for name in _CHANGE])


def _hash(told: object) -> str:
    text = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


_SET = tuple(n for n in SetRow.__dataclass_fields__ if n not in ("place", "seq", "hash"))
_UNHASHED = ("number", "entity", "changeset", "erased")
_CHANGE = ("number", *(n for n in ChangeRow.__dataclass_fields__ if n not in _UNHASHED))


def in_order(dialect: Dialect) -> str:
    """Return the ORDER BY by which change-sets `s` come in the order they took effect, sealed or not."""
    if dialect.name == "sqlite":  # it has one writer: its rows are in order
        return "s.rowid"
    return 's."seq" NULLS LAST, s."place" NULLS FIRST, s."at", s."id"'


class Sealing:
    """Seals what is committed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._reader = Reader(store.dialect)
        mark = store.dialect.placeholder
        self._update = (
            f'UPDATE "xrm_changeset" SET "seq" = {mark(1, _INT)}, "hash" = {mark(2, _TEXT)}'
            f' WHERE "id" = {mark(3, _UUID)}'
        )
        order = in_order(store.dialect)
        self._next = (
            f'SELECT {SET_COLUMNS}, {COUNT} FROM "xrm_changeset" s WHERE s."seq" IS NULL ORDER BY {order} LIMIT {CHUNK}'
        )

    async def catch_up(self) -> int:
        """Seal all that waits, chunk by chunk; return how many change-sets there were."""
        sealed = 0
        while await self._store.fetch(_WAITING):
            sealed += await self._chunk()
        return sealed

    async def head(self) -> Head:
        """Return the end of the chain."""
        rows = await self._store.fetch(_HEAD)
        return Head(rows[0][0], rows[0][1]) if rows else Head()

    async def _chunk(self) -> int:
        async with self._store.transaction():
            await self._store.lock("xrm seal")
            rows = bounded(await self._store.fetch(self._next), MANY)
            found = [self._reader.set_of(row[:-1]) for row in rows]
            changes = await changes_of(self._store, [one.id for one in found])
            head = await self.head()
            sealed = await asyncio.to_thread(_sealed, head, found, changes)  # hashing much takes its time
            if sealed:
                encoded = [[seq, hash, self._store.dialect.encode(_UUID, id)] for seq, hash, id in sealed]
                await self._store.execute_many(self._update, encoded)
        return len(found)


def _sealed(
    head: Head, sets: Sequence[SetRow], changes: Mapping[UUID, Sequence[ChangeRow]]
) -> list[tuple[int, str, UUID]]:
    """Return the numbers and hashes of change-sets that come after `head`."""
    made: list[tuple[int, str, UUID]] = []
    for one in sets:
        seq = head.seq + 1
        head = Head(seq, digest(head.hash, seq, one, changes.get(one.id, ())))
        made.append((seq, head.hash, one.id))
    return made


def bounded(rows: Sequence[Sequence[Any]], most: int) -> Sequence[Sequence[Any]]:
    """Return the first rows of change-sets that have so many changes at most in all, and at least one; see `COUNT`."""
    total = 0
    for number, row in enumerate(rows):
        total += row[-1]
        if total > most and number:
            return rows[:number]
    return rows


async def changes_of(store: Store, sets: Sequence[UUID]) -> Mapping[UUID, list[ChangeRow]]:
    """Return the changes of change-sets, in order."""
    if not sets:
        return {}
    binder, reader = Binder(store.dialect), Reader(store.dialect)
    marks = ", ".join(binder.bind(id, _UUID) for id in sets)
    rows = await store.fetch(
        f'SELECT {CHANGE_COLUMNS} FROM "xrm_change" c WHERE c."changeset" IN ({marks}) ORDER BY c."number", c."id"',
        binder.params,
    )
    found: dict[UUID, list[ChangeRow]] = {}
    for change in map(reader.change_of, rows):
        found.setdefault(change.changeset, []).append(change)
    return found
