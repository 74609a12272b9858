"""Erasing: what the log holds of a person goes, and the chain still proves the rest.

A change that held personal data keeps its hash and loses its values, all of them, for nothing could prove what is left
of them. So the chain of the log still closes over it, and nobody can say other values were there. That it was erased,
and not taken away by somebody, is proved by a record of the ledger, whose making is in the chain as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from xrm.kernel.history.names import Names, names_since, renamed
from xrm.kernel.history.rows import CHANGE_COLUMNS, ChangeRow, Reader
from xrm.kernel.history.seal import digest_of
from xrm.kernel.live import Live
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.sql import Binder
from xrm.kernel.store.store import Store

LEDGER = "erasure"  # the entity whose records say what was erased; its field `record` is the id
_TEXT, _UUID = ColumnType("text"), ColumnType("uuid")


async def changes_that_hold(
    store: Store, live: Live, entity: str, record: UUID, fields: frozenset[str]
) -> Sequence[ChangeRow]:
    """Return the changes of a record that hold values of some fields, or of fields that are no more."""
    binder, reader = Binder(store.dialect), Reader(store.dialect)
    rows = await store.fetch(
        f'SELECT {CHANGE_COLUMNS}, s."generation" FROM "xrm_change" c'
        ' JOIN "xrm_changeset" s ON s."id" = c."changeset"'
        f' WHERE c."record" = {binder.bind(record, _UUID)} AND c."entity" = {binder.bind(entity, _TEXT)}',
        binder.params,
    )
    cells = [list(row) for row in rows]
    past = await names_since(store, live, entity, {row[-1] for row in cells})
    changes = [(reader.change_of(row[:-1]), past.get(row[-1], {})) for row in cells]
    return [change for change, names in changes if _holds(change, names, fields)]


def _holds(change: ChangeRow, names: Names, fields: frozenset[str]) -> bool:
    for side in (change.before, change.after):
        known = renamed(side, names)
        if len(known) < len(side or ()) or not fields.isdisjoint(known):
            return True
    return False


async def erase(store: Store, changes: Sequence[ChangeRow]) -> None:
    """Take the values out of changes, in a transaction of the caller's."""
    encode, mark = store.dialect.encode, store.dialect.placeholder
    rows: list[list[Any]] = [
        [encode(_TEXT, change.erased or digest_of(change)), encode(_UUID, change.id)] for change in changes
    ]
    text = (
        f'UPDATE "xrm_change" SET "before" = NULL, "after" = NULL, "derived" = NULL, "erased" = {mark(1, _TEXT)}'
        f' WHERE "id" = {mark(2, _UUID)}'
    )
    if rows:
        await store.execute_many(text, rows)
