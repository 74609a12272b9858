from __future__ import annotations

import json
from uuid import UUID

import pytest

from xrm import SYSTEM, Actor, Malformed

HEADER = "system,order,ordered_on,customer,email,name,currency,state,line,article,description,quantity,price,discount\n"
TWO = (
    "tryton,SO-1,2026-01-31,4711,,Adler Werke,EUR,confirmed,1,A-1,,2,10.00,\n"
    "tryton,SO-1,2026-01-31,4711,,Adler Werke,EUR,confirmed,2,X-9,Odd job,1,5.00,10\n"
    "tryton,SO-2,2026-02-01,,ann@example.com,Ann,CHF,paid,1,,Advice,1.5,100,\n"
)


@pytest.fixture
async def product(site):
    return await site.records.create(SYSTEM, "product", {"name": "Bolt", "number": "A-1"})


async def run(site, text: str, name: str = "erp_orders"):
    importer = next(i for i in site.plugins.collect("importers") if i.name == name)
    report = await importer.run(site.records.context(SYSTEM), text.encode())
    counts = (report.created, report.updated, report.unchanged, len(report.refused))
    assert sum(counts) == report.read
    return counts, report.refused


async def all_of(site, entity, sort="created_at"):
    return (await site.records.bound(SYSTEM).list(entity, sort=(sort,))).records


async def test_orders_lines_customers_and_links_are_made(site, product):
    assert await run(site, HEADER + TWO) == ((3, 0, 0, 0), [])
    first, second = await all_of(site, "order")
    assert (first["external_number"], first["state"], first["total"]) == (
        "SO-1",
        "confirmed",
        {"amount": "24.50", "currency": "EUR"},
    )
    assert (second["customer"]["label"], second["total"]) == ("Ann", {"amount": "150.00", "currency": "CHF"})
    bolt, odd, advice = await all_of(site, "order_line")
    assert (bolt["product"]["id"], bolt["description"]) == (product["id"], "Bolt")
    assert (odd["product"], odd["description"], advice["description"]) == (None, "X-9 Odd job", "Advice")
    links = {(k["system"], k["kind"], k["external_id"]) for k in await all_of(site, "erp_link")}
    assert links == {
        ("tryton", "customer", "4711"),
        ("tryton", "order", "SO-1"),
        ("tryton", "order", "SO-2"),
        ("tryton", "order_line", "SO-1/1"),
        ("tryton", "order_line", "SO-1/2"),
        ("tryton", "order_line", "SO-2/1"),
    }


async def test_the_same_file_again_changes_nothing(site, product):
    await run(site, HEADER + TWO)
    entities = ("party", "order", "order_line", "erp_link")
    before = {e: [(r["id"], r["version"]) for r in await all_of(site, e)] for e in entities}
    assert await run(site, HEADER + TWO) == ((0, 0, 3, 0), [])
    after = {e: [(r["id"], r["version"]) for r in await all_of(site, e)] for e in before}
    assert after == before


async def test_a_newer_file_updates_adds_and_takes_away_lines(site, product):
    await run(site, HEADER + TWO)
    newer = (
        "tryton,SO-1,2026-01-31,4711,,Adler Werke,EUR,delivered,1,A-1,,3,10.00,\n"
        "tryton,SO-1,2026-01-31,4711,,Adler Werke,EUR,delivered,3,A-1,,1,1.00,\n"
    )
    (_, refused) = await run(site, HEADER + newer)
    assert "Delivered on" in refused[0][1]  # the workflow asks for it, whoever moves the order
    dated = HEADER.replace("state,", "state,delivered_on,") + newer.replace("delivered,", "delivered,2026-02-03,")
    assert await run(site, dated) == ((0, 2, 0, 0), [])
    assert await run(site, HEADER + newer.replace("delivered", "paid")) == ((0, 2, 0, 0), [])
    (order, *_) = [o for o in await all_of(site, "order") if o["external_number"] == "SO-1"]
    lines = [x for x in await all_of(site, "order_line", "position") if x["order"]["id"] == order["id"]]
    assert [(x["position"], x["quantity"]) for x in lines] == [(1, "3.000"), (2, "1.000")]
    assert (order["state"], order["total"]["amount"]) == ("paid", "31.00")
    assert len(await all_of(site, "order")) == 2
    assert await run(site, HEADER + newer.replace("delivered", "paid")) == ((0, 0, 2, 0), [])


async def test_a_line_added_by_hand_stays(site, product):
    await run(site, HEADER + TWO)
    order = (await all_of(site, "order"))[0]
    by_hand = {"order": order["id"], "description": "By hand", "price": {"amount": "1", "currency": "EUR"}}
    await site.records.create(SYSTEM, "order_line", by_hand)
    await run(site, HEADER + TWO.replace("10.00", "11.00"))
    assert "By hand" in [x["description"] for x in await all_of(site, "order_line")]


async def test_a_customer_is_known_by_link_number_or_address(site):
    numbered = await site.records.create(SYSTEM, "party", {"name": "Adler", "number": "4711"})
    mailed = await site.records.create(SYSTEM, "party", {"name": "Ann B.", "email": "Ann@Example.com"})
    await run(site, HEADER + TWO)
    assert len(await all_of(site, "party")) == 2
    assert {o["customer"]["id"] for o in await all_of(site, "order")} == {numbered["id"], mailed["id"]}
    await site.records.update(SYSTEM, "party", UUID(numbered["id"]), {"number": "K-1"})
    await run(site, HEADER + TWO.replace("SO-", "SP-"))
    assert len(await all_of(site, "party")) == 2


async def test_an_address_that_several_have_is_refused_and_nothing_is_left(site):
    for _ in range(2):
        await site.records.create(SYSTEM, "party", {"email": "ann@example.com"})
    counts, refused = await run(site, HEADER + TWO)
    assert counts == (2, 0, 0, 1)
    assert refused == [(3, "email: Several parties have the address ann@example.com.")]
    assert [o["external_number"] for o in await all_of(site, "order")] == ["SO-1"]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ("a,,2026-01-31,1,,,EUR,,1,,x,1,1,\n", "order is missing."),
        ("a,S,,1,,,EUR,,1,,x,1,1,\n", "ordered_on is missing."),
        ("a,S,2026-01-31,,,,EUR,,1,,x,1,1,\n", "There is neither customer nor email nor name."),
        ("a,S,2026-01-31,1,,,EUR,,1,,x,,1,\n", "Line 1: quantity is missing."),
        ("a,S,2026-01-31,1,,,EUR,,1,,x,1,1,\na,S,2026-01-31,1,,,EUR,,1,,x,1,1,\n", "There are two lines 1."),
        (
            "a,S,2026-01-31,1,,,EUR,,1,,x,1,1,\na,S,2026-01-30,1,,,EUR,,2,,x,1,1,\n",
            "Row 2 says ordered_on 2026-01-30, an earlier row of this order 2026-01-31.",
        ),
        ("a,S,2026-01-31,1\n", "This row has 4 cells where the header has 14."),
        ("a,S,31.1.2026,1,,,EUR,,1,,x,1,1,\n", "ordered_on: This is not a date. (like 2026-12-31)"),
        ("a,S,2026-01-31,1,,,EUR,lost,1,,x,1,1,\n", "state: This is not one of the choices."),
        ("a,S,2026-01-31,1,,,EUR,,1,,x,one,1,\n", "quantity: This must be a number. (like 1234.50)"),
    ],
)
async def test_what_is_wrong_with_an_order_is_told_for_each_of_its_rows(site, rows, reason):
    counts, refused = await run(site, HEADER + rows)
    assert counts == (0, 0, 0, len(rows.splitlines()))
    assert [number for number, _ in refused] == list(range(1, len(refused) + 1))
    assert all(told.startswith(reason) for _, told in refused)
    for entity in ("order", "order_line", "party", "erp_link"):
        assert await all_of(site, entity) == []


async def test_an_order_that_was_thrown_away_is_made_again(site, product):
    await run(site, HEADER + TWO)
    order = (await all_of(site, "order"))[0]
    await site.records.delete(SYSTEM, "order", UUID(order["id"]))
    assert await run(site, HEADER + TWO) == ((2, 0, 1, 0), [])
    assert len(await all_of(site, "order")) == 2
    assert len(await all_of(site, "order_line")) == 3


async def test_json_has_the_lines_inside(site, product):
    order = {
        "order": "SO-1",
        "ordered_on": "2026-01-31",
        "name": "Adler",
        "currency": "EUR",
        "lines": [
            {"article": "A-1", "quantity": 2, "price": 9.9},
            {"description": "Freight", "quantity": "1", "price": "5"},
        ],
    }
    for text in (json.dumps([order]), json.dumps(order) + "\n"):
        counts, refused = await run(site, text)
        assert not refused
    assert counts == (0, 0, 1, 0)
    (made,) = await all_of(site, "order")
    assert made["total"]["amount"] == "24.80"
    (link,) = [k for k in await all_of(site, "erp_link") if k["kind"] == "order"]
    assert (link["system"], link["record"]["id"]) == ("erp", made["id"])


async def test_a_file_that_is_none_is_refused(site):
    with pytest.raises(Malformed):
        await run(site, "")


async def test_the_account_of_an_erp_may_do_just_that(site, product):
    user = await site.records.create(SYSTEM, "user", {"name": "ERP", "email": "erp@example.com"})
    id = UUID(user["id"])
    actor = Actor(id, "ERP", frozenset({"erp_integration"}), "integration", user={"id": id})
    importer = site.plugins.collect("importers")[0]
    report = await importer.run(site.records.context(actor), (HEADER + TWO).encode())
    assert (report.created, report.refused) == (3, [])
    report = await importer.run(site.records.context(actor), (HEADER + TWO.replace(",2,X-9", ",3,X-9")).encode())
    assert (report.updated, report.unchanged, report.refused) == (2, 1, [])
