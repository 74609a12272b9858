from __future__ import annotations

from uuid import UUID

import pytest

from xrm import Conflict, Invalid
from xrm.kernel.change import SYSTEM


@pytest.fixture
async def customer(site):
    party = await site.records.create(SYSTEM, "party", {"name": "Adler Werke", "roles": ["customer"]})
    return party["id"]


async def deal(site, customer, **values):
    sent = {"name": "Ten machines", "customer": customer, "amount": {"amount": "1000", "currency": "EUR"}, **values}
    return await site.records.create(SYSTEM, "deal", sent)


def act(site, record, action, values=None):
    return site.records.run(SYSTEM, "deal", UUID(record["id"]), action, values or {})


async def test_the_probability_follows_the_state(site, customer):
    record = await deal(site, customer)
    assert (record["state"], record["probability"]) == ("new", "10.00")
    record = await act(site, record, "propose")
    assert (record["state"], record["probability"], record["weighted"]["amount"]) == ("proposal", "50.00", "500.00")


async def test_a_probability_set_with_the_move_is_kept(site, customer):
    record = await act(site, await deal(site, customer), "propose", {"probability": "65"})
    assert record["probability"] == "65.00"


async def test_a_won_deal_is_certain_whatever_is_sent(site, customer):
    record = await act(site, await deal(site, customer, state="negotiation"), "win", {"probability": "65"})
    assert (record["probability"], record["closed_on"]) == ("100.00", "2026-03-02")


@pytest.mark.parametrize(
    ("sent", "missing"),
    [
        ({}, {"lost_reason", "lost_note"}),
        ({"lost_reason": "price"}, {"lost_note"}),
        ({"lost_note": "They went elsewhere."}, {"lost_reason"}),
    ],
)
async def test_a_lost_deal_demands_reason_and_note(site, customer, sent, missing):
    record = await deal(site, customer)
    with pytest.raises(Invalid) as refused:
        await act(site, record, "lose", sent)
    assert {issue.path for issue in refused.value.issues} == missing
    assert (await site.records.get(SYSTEM, "deal", UUID(record["id"])))["state"] == "new"


async def test_reopening_forgets_why_it_was_lost(site, customer):
    record = await act(site, await deal(site, customer), "lose", {"lost_reason": "price", "lost_note": "Too dear."})
    record = await act(site, record, "reopen")
    assert [record[n] for n in ("state", "lost_reason", "lost_note", "closed_on", "probability")] == [
        "qualified",
        None,
        None,
        None,
        "25.00",
    ]


async def test_a_deal_is_not_won_out_of_nothing(site, customer):
    with pytest.raises(Conflict):
        await act(site, await deal(site, customer), "win")


async def test_a_deal_entered_closed_was_closed_on_its_closing_date(site, customer):
    record = await deal(site, customer, state="won", close_date="2025-11-20")
    assert (record["closed_on"], record["probability"]) == ("2025-11-20", "100.00")


async def follow_ups(site, record):
    page = await site.records.bound(SYSTEM).list("activity", f"regarding == '{record['id']}'")
    return [(a["kind"], a["subject"], a["due"][:10], a["party"]["label"]) for a in page.records]


async def test_a_move_plans_the_next_activity_once(site, customer):
    record = await deal(site, customer)
    assert await follow_ups(site, record) == []
    expected = [("call", "Ask what they think of the proposal", "2026-03-09", "Adler Werke")]
    record = await act(site, record, "propose")
    assert await follow_ups(site, record) == expected
    for action in ("restart", "propose"):
        record = await act(site, record, action)
    assert await follow_ups(site, record) == expected


async def test_the_follow_up_is_part_of_the_same_change_set(site, customer):
    record = await act(site, await deal(site, customer), "propose")
    activity = await site.records.bound(SYSTEM).find("activity", f"regarding == '{record['id']}'")
    of_deal = (await site.records.history(SYSTEM, "deal", UUID(record["id"])))[0]
    of_activity = (await site.records.history(SYSTEM, "activity", UUID(activity["id"])))[0]
    assert of_deal["changeset"] == of_activity["changeset"]
