"""Verifying the log: that nothing in it was changed, taken away or slipped in since it was sealed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from xrm.errors import Issue
from xrm.kernel.history.erasing import LEDGER
from xrm.kernel.history.rows import SET_COLUMNS, Reader
from xrm.kernel.history.seal import COUNT, MANY, Head, Sealing, bounded, changes_of, digest
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.sql import Binder, quote
from xrm.kernel.store.store import Store

CHUNK = 500  # change-sets that are looked at together
MOST = 50  # findings that are told
_ORPHANS = (
    'SELECT count(*) FROM "xrm_change" c WHERE NOT EXISTS'
    ' (SELECT 1 FROM "xrm_changeset" s WHERE s."id" = c."changeset")'
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What verifying found.

    Attributes:
        head: The end of the chain: note it elsewhere, and hold it against the log later.
        issues: What is wrong; empty when all is as it was sealed.
    """

    head: Head
    issues: tuple[Issue, ...]


async def verify(store: Store, anchor: Head | None = None, entities: Iterable[str] = ()) -> Verdict:
    """Return whether the log is as it was sealed, and whether the records of `entities` are of its versions.

    Args:
        store: The database.
        anchor: A head that was noted earlier; without one nothing tells whether the end was taken away as a whole.
        entities: Whose records are held against the log.
    """
    sealing = Sealing(store)
    await sealing.catch_up()
    issues: list[Issue] = []
    async for issue in _issues(store, anchor):
        issues.append(issue)
        if len(issues) == MOST:
            break
    for entity in entities:
        issues += await _past_the_log(store, entity)
    return Verdict(await sealing.head(), tuple(issues))


async def _issues(store: Store, anchor: Head | None) -> AsyncIterator[Issue]:
    head, met = Head(), anchor is None
    erased, ledger = set[str](), set[str]()
    reader = Reader(store.dialect)
    while rows := await store.fetch(*_after(store, head.seq)):
        sets = [reader.set_of(row[:-1]) for row in bounded(rows, MANY)]
        changes = await changes_of(store, [one.id for one in sets])
        for one in sets:
            seq = one.seq or 0
            if seq != head.seq + 1:
                yield Issue(str(head.seq + 1), "audit_gap", f"Change-sets {head.seq + 1} to {seq - 1} are missing.")
            elif one.hash != digest(head.hash, seq, one, changes.get(one.id, ())):
                yield Issue(str(seq), "audit_changed", f"Change-set {one.id} is not as it was sealed.")
            if any(change.erased and (change.before or change.after) for change in changes.get(one.id, ())):
                yield Issue(str(seq), "audit_changed", f"Change-set {one.id} has values where they were erased.")
            erased |= {str(change.record) for change in changes.get(one.id, ()) if change.erased}
            ledger |= {str((c.after or {}).get("record")) for c in changes.get(one.id, ()) if c.entity == LEDGER}
            head = Head(seq, one.hash or "")
            met = met or head == anchor
    if not met and anchor is not None:
        yield Issue(str(anchor.seq), "audit_anchor", "The log does not go through the anchor: its end was replaced.")
    for record in sorted(erased - ledger):
        yield Issue(record, "audit_erased", f"Changes of the record {record} were erased, and no ledger says so.")
    ((orphans,),) = await store.fetch(_ORPHANS)
    if orphans:
        yield Issue("xrm_change", "audit_orphans", f"{orphans} changes belong to no change-set.")


async def _past_the_log(store: Store, entity: str) -> list[Issue]:
    """Return a finding if records of an entity have another version than the log says."""
    logged = 'SELECT max(c."version") FROM "xrm_change" c WHERE c."record" = t."id"'
    text = f'SELECT count(*) FROM {quote(entity)} t WHERE t."version" <> ({logged})'
    ((count,),) = await store.fetch(text)
    message = f"{count} records of {entity} were written past the log, or their last changes are missing in it."
    return [Issue(entity, "audit_records", message)] if count else []


def _after(store: Store, seq: int) -> tuple[str, list[object]]:
    binder = Binder(store.dialect)
    mark = binder.bind(seq, ColumnType("int"))
    text = f'SELECT {SET_COLUMNS}, {COUNT} FROM "xrm_changeset" s WHERE s."seq" > {mark} ORDER BY s."seq" LIMIT {CHUNK}'
    return text, binder.params
