from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from xrm import Actor, Conflict, Forbidden, Invalid
from xrm.kernel.change import SYSTEM


async def lead(site, **values):
    return await site.records.create(SYSTEM, "lead", values)


def convert(site, record, actor=SYSTEM, **values):
    return site.records.run(actor, "lead", UUID(record["id"]), "convert", values)


async def all_of(site, entity):
    return (await site.records.bound(SYSTEM).list(entity)).records


async def test_a_lead_becomes_company_person_deal_and_first_step(site):
    record = await lead(
        site,
        name="Ann Le Clerc",
        company="Clerc & Fils",
        email="ann@clerc.example",
        interest="A press",
        country="FR",
        budget={"amount": "5000", "currency": "EUR"},
        source="event",
    )
    done = await convert(site, record, close_date="2026-06-30")
    parties = {p["name"]: p for p in await all_of(site, "party")}
    company, person = parties["Clerc & Fils"], parties["Ann Le Clerc"]
    assert (company["kind"], company["roles"], company["country"], company["source"]) == (
        "organisation",
        ["prospect"],
        "FR",
        "event",
    )
    assert (person["first_name"], person["last_name"], person["parent"]["id"]) == ("Ann Le", "Clerc", company["id"])
    assert person["roles"] is None
    (deal,) = await all_of(site, "deal")
    assert (deal["name"], deal["amount"]["amount"], deal["close_date"]) == ("A press", "5000.00", "2026-06-30")
    assert (deal["customer"]["id"], deal["contact"]["id"]) == (company["id"], person["id"])
    (activity,) = await all_of(site, "activity")
    assert (activity["subject"], activity["regarding"]["id"]) == ("First conversation", deal["id"])
    assert (done["state"], done["party"]["id"], done["deal"]["id"]) == ("converted", company["id"], deal["id"])


async def test_known_parties_are_taken_and_not_doubled(site):
    company = await site.records.create(SYSTEM, "party", {"name": "clerc & fils"})
    known = {"kind": "person", "name": "A. Clerc", "email": "Ann@Clerc.example"}
    person = await site.records.create(SYSTEM, "party", known)
    await convert(site, await lead(site, name="Ann Clerc", company="Clerc & Fils", email="ann@clerc.example"))
    assert {p["id"] for p in await all_of(site, "party")} == {company["id"], person["id"]}
    (deal,) = await all_of(site, "deal")
    assert (deal["customer"]["id"], deal["contact"]["id"]) == (company["id"], person["id"])


@pytest.mark.parametrize("values", [{"name": "Jo"}, {"email": "jo@example.com"}, {"company": "Jo's"}])
async def test_any_one_name_is_enough(site, values):
    await convert(site, await lead(site, **values))
    (party,) = await all_of(site, "party")
    (deal,) = await all_of(site, "deal")
    assert deal["customer"]["id"] == party["id"]
    assert deal["contact"] is None
    assert party["roles"] == ["prospect"]


async def test_all_of_it_is_one_change_set(site):
    record = await convert(site, await lead(site, name="Jo", company="Jo's"))
    sets = set()
    for entity in ("party", "deal", "activity"):
        for made in await all_of(site, entity):
            sets.add((await site.records.history(SYSTEM, entity, UUID(made["id"])))[0]["changeset"])
    sets.add((await site.records.history(SYSTEM, "lead", UUID(record["id"])))[0]["changeset"])
    assert len(sets) == 1


async def test_a_lead_is_converted_once(site):
    record = await lead(site, name="Jo")
    await convert(site, record)
    with pytest.raises(Conflict):
        await convert(site, record)
    assert len(await all_of(site, "party")) == 1


async def test_a_conversion_that_fails_leaves_nothing_behind(site):
    record = await lead(site, name="Jo", company="Jo's")
    with pytest.raises(Invalid):
        await convert(site, record, amount={"amount": "-1", "currency": "EUR"})
    assert await all_of(site, "party") == []
    assert (await site.records.get(SYSTEM, "lead", UUID(record["id"])))["state"] == "new"


async def test_a_reader_cannot_convert_and_a_rep_can(site):
    user = await site.records.create(SYSTEM, "user", {"name": "Rep", "email": "rep@example.com"})
    rep = Actor(UUID(user["id"]), "Rep", frozenset({"sales_rep"}), user={"id": UUID(user["id"])})
    reader = Actor(uuid4(), "Reader", frozenset({"reader"}))
    record = await site.records.create(rep, "lead", {"name": "Jo", "company": "Jo's"})
    with pytest.raises(Forbidden):
        await convert(site, record, reader)
    done = await convert(site, record, rep)
    assert done["owner"]["id"] == user["id"]
    (deal,) = await all_of(site, "deal")
    assert deal["owner"]["id"] == user["id"]


async def test_dropping_needs_a_reason_and_reopening_forgets_it(site):
    record = await lead(site, name="Jo")
    with pytest.raises(Invalid):
        await site.records.run(SYSTEM, "lead", UUID(record["id"]), "drop", {})
    await site.records.run(SYSTEM, "lead", UUID(record["id"]), "drop", {"drop_reason": "spam"})
    record = await site.records.run(SYSTEM, "lead", UUID(record["id"]), "reopen", {})
    assert (record["state"], record["drop_reason"]) == ("new", None)
