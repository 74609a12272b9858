"""Finding what webhooks are told: the feed is read for each as its user may see it, and each change becomes a job.

What is told is pinned: it is written down as it was seen then. Changes of one record are told in their order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from xrm.builtin.people.acting import actor_of
from xrm.kernel.change import SYSTEM, Actor
from xrm.kernel.jobs.kind import NewJob
from xrm.kernel.jobs.run import JobRun
from xrm.kernel.jobs.table import JobTable
from xrm.kernel.kernel import Kernel
from xrm.kernel.query import Query
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.sql import Binder

DISPATCH, DELIVER = "webhooks.dispatch", "webhooks.deliver"
PAGE = 100  # change-sets of one transaction
MOST = 500  # webhooks of a site
QUIET = frozenset({"webhook"})  # telling of them would make news of its own
_UUID, _INT = ColumnType("uuid"), ColumnType("int")


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook as it is set up."""

    id: UUID
    name: str
    user: UUID
    entities: frozenset[str]
    kinds: frozenset[str]

    def wants(self, change: dict[str, Any]) -> bool:
        """Whether it is told of a change."""
        entity, kind = change["entity"], change["kind"]
        return (
            entity not in QUIET
            and (not self.entities or entity in self.entities)
            and (not self.kinds or kind in self.kinds)
        )


async def anybody_listens(kernel: Kernel) -> bool:
    """Return whether there is any webhook to be told something."""
    if not kernel.settings.outgoing:
        return False
    page = await kernel.records.list(SYSTEM, "webhook", Query("active", fields=("name",), limit=1))
    return bool(page.records)


async def dispatch(run: JobRun) -> None:
    """Make a job of each change that a webhook is to be told."""
    page = await run.kernel.records.list(SYSTEM, "webhook", Query("active", limit=MOST))
    for record in page.records:
        webhook = Webhook(
            UUID(record["id"]),
            record["name"],
            UUID(record["reader"]["id"]),
            frozenset(record["entities"] or ()),
            frozenset(record["kinds"] or ()),
        )
        actor = await actor_of(run.kernel, webhook.user, "integration", "webhook")
        if actor is not None:
            await _one(run, webhook, actor)


async def _one(run: JobRun, webhook: Webhook, actor: Actor) -> None:
    cursor, more = await _cursor(run.kernel, webhook.id), True
    while more:
        news = await run.kernel.feed.read(actor, cursor, PAGE)
        if news.cursor == cursor:
            return
        async with run.part():
            for job in _jobs(webhook, news.changes):
                await JobTable(run.kernel.store).enqueue(job, run.now)
            await _move(run.kernel, webhook.id, news.cursor)
        cursor, more = news.cursor, news.more


def _jobs(webhook: Webhook, sets: tuple[dict[str, Any], ...]) -> Iterator[NewJob]:
    for told in sets:
        act = {name: value for name, value in told.items() if name not in ("changes", "cursor")}
        for change in told["changes"]:
            if webhook.wants(change):
                body = {
                    "type": f"{change['entity']}.{change['kind']}",
                    "timestamp": told["at"],
                    "data": {**change, "change_set": act},
                }
                yield NewJob(
                    DELIVER,
                    {"webhook": str(webhook.id), "body": msgspec.json.encode(body).decode()},
                    serial=f"webhook:{webhook.id}:{change['record']}",
                    lane=f"webhook:{webhook.id}",
                )


# --- how far each webhook was told -----------------------------------------------------------------------------------


async def _cursor(kernel: Kernel, webhook: UUID) -> int:
    """Return up to where a webhook was told: not before it was made, or switched on again."""
    binder = Binder(kernel.store.dialect)
    text = f"SELECT cursor FROM xrm_webhook WHERE webhook = {binder.bind(webhook, _UUID)}"
    rows = await kernel.store.fetch(text, binder.params)
    return max(rows[0][0] if rows else 0, await _switched_on(kernel, webhook))


async def _switched_on(kernel: Kernel, webhook: UUID) -> int:
    await kernel.feed.sealing.catch_up()
    binder = Binder(kernel.store.dialect)
    text = (
        "SELECT c.kind, c.after, s.seq FROM xrm_change c JOIN xrm_changeset s ON s.id = c.changeset"
        f" WHERE c.record = {binder.bind(webhook, _UUID)} ORDER BY c.version DESC LIMIT 100"
    )
    decode = kernel.store.dialect.decode(ColumnType("json"))
    for kind, after, place in await kernel.store.fetch(text, binder.params):
        values = decode(after) if decode else after
        if kind in ("create", "restore") or (values or {}).get("active"):
            return int(place or 0)
    return 0


async def _move(kernel: Kernel, webhook: UUID, cursor: int) -> None:
    binder = Binder(kernel.store.dialect)
    cells = (binder.bind(webhook, _UUID), binder.bind(cursor, _INT))
    text = (
        f"INSERT INTO xrm_webhook (webhook, cursor) VALUES ({', '.join(cells)})"
        " ON CONFLICT (webhook) DO UPDATE SET cursor = excluded.cursor"
    )
    await kernel.store.execute(text, binder.params)


async def failing_since(kernel: Kernel, webhook: UUID) -> datetime | None:
    """Return since when nothing was taken by a webhook; None when the last delivery was."""
    binder = Binder(kernel.store.dialect)
    text = f"SELECT failing_since FROM xrm_webhook WHERE webhook = {binder.bind(webhook, _UUID)}"
    rows = await kernel.store.fetch(text, binder.params)
    decode = kernel.store.dialect.decode(ColumnType("datetime"))
    stored = rows[0][0] if rows else None
    found: datetime | None = decode(stored) if decode else stored
    return found


async def note_failing(kernel: Kernel, webhook: UUID, since: datetime | None) -> None:
    """Note since when a webhook takes nothing."""
    binder = Binder(kernel.store.dialect)
    value = binder.bind(since, ColumnType("datetime"))
    where = binder.bind(webhook, _UUID)
    await kernel.store.execute(f"UPDATE xrm_webhook SET failing_since = {value} WHERE webhook = {where}", binder.params)
