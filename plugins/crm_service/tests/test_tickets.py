from __future__ import annotations

from uuid import UUID

import pytest

from xrm import Conflict, Invalid
from xrm.kernel.change import SYSTEM


@pytest.fixture
async def queue(site):
    return await site.records.create(SYSTEM, "queue", {"name": "First line", "hours_to_answer": 8})


def ticket(site, queue, **values):
    return site.records.create(SYSTEM, "ticket", {"subject": "It does not start", "queue": queue["id"], **values})


@pytest.mark.parametrize(
    ("priority", "due"),
    [
        ("low", "2026-03-03T01:00"),
        ("normal", "2026-03-02T17:00"),
        ("high", "2026-03-02T13:00"),
        ("urgent", "2026-03-02T11:00"),
    ],
)
async def test_the_queue_and_the_priority_say_by_when(site, queue, priority, due):
    record = await ticket(site, queue, priority=priority)
    assert record["due"].startswith(due)


async def test_a_due_time_that_is_given_stays(site, queue):
    assert (await ticket(site, queue, due="2026-05-01T00:00:00Z"))["due"].startswith("2026-05-01")


async def test_tickets_are_numbered_and_named(site, queue):
    records = [await ticket(site, queue) for _ in range(2)]
    assert [r["label"] for r in records] == ["T-00001 It does not start", "T-00002 It does not start"]


async def test_a_ticket_goes_its_way(site, queue):
    record = await ticket(site, queue)
    for action in ("accept", "wait", "resume", "resolve", "close"):
        values = {"resolution": "A new fuse."} if action == "resolve" else {}
        record = await site.records.run(SYSTEM, "ticket", UUID(record["id"]), action, values)
    assert (record["state"], record["resolved_at"][:10]) == ("closed", "2026-03-02")
    record = await site.records.run(SYSTEM, "ticket", UUID(record["id"]), "reopen", {})
    assert (record["state"], record["resolved_at"]) == ("open", None)


async def test_it_is_not_resolved_without_saying_how(site, queue):
    record = await ticket(site, queue)
    with pytest.raises(Invalid) as refused:
        await site.records.run(SYSTEM, "ticket", UUID(record["id"]), "resolve", {})
    assert {issue.path for issue in refused.value.issues} == {"resolution"}
    with pytest.raises(Conflict):
        await site.records.run(SYSTEM, "ticket", UUID(record["id"]), "close", {})


async def test_a_ticket_entered_closed_was_resolved_by_its_due_time(site, queue):
    record = await ticket(site, queue, state="closed", resolution="Told them.", due="2025-10-01T10:00:00Z")
    assert record["resolved_at"].startswith("2025-10-01T10:00")
