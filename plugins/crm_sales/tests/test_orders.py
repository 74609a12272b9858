from __future__ import annotations

from uuid import UUID

import pytest

from xrm import Invalid
from xrm.kernel.change import SYSTEM, Actor


@pytest.fixture
async def order(site):
    party = await site.records.create(SYSTEM, "party", {"name": "Adler Werke"})
    return await site.records.create(SYSTEM, "order", {"customer": party["id"], "discount": "10"})


def line(site, order, amount, currency="EUR", **values):
    sent = {"order": order["id"], "price": {"amount": amount, "currency": currency}, **values}
    return site.records.create(SYSTEM, "order_line", sent)


async def totals(site, order):
    record = await site.records.get(SYSTEM, "order", UUID(order["id"]))
    return tuple(record[n] and (record[n]["amount"], record[n]["currency"]) for n in ("subtotal", "total"))


async def test_lines_add_up_as_they_come_change_move_and_go(site, order):
    assert await totals(site, order) == (None, None)
    first = await line(site, order, "100", quantity="2.5", discount="20")
    assert first["amount"] == {"amount": "200.00", "currency": "EUR"}
    second = await line(site, order, "0.99")
    assert await totals(site, order) == (("200.99", "EUR"), ("180.89", "EUR"))
    await site.records.update(SYSTEM, "order_line", UUID(first["id"]), {"discount": "0"})
    assert (await totals(site, order))[0] == ("250.99", "EUR")
    await site.records.delete(SYSTEM, "order_line", UUID(first["id"]))
    assert (await totals(site, order))[0] == ("0.99", "EUR")
    other = await site.records.create(SYSTEM, "order", {"customer": order["customer"]["id"]})
    await site.records.update(SYSTEM, "order_line", UUID(second["id"]), {"order": other["id"]})
    assert await totals(site, order) == (None, None)
    assert (await totals(site, other))[0] == ("0.99", "EUR")


async def test_an_order_of_some_lines_adds_up(site, order):
    for _ in range(5):
        await line(site, order, "1.10")
    assert (await totals(site, order))[0] == ("5.50", "EUR")


async def test_an_order_has_one_currency(site, order):
    await line(site, order, "1", "CHF")
    with pytest.raises(Invalid) as refused:
        await line(site, order, "1", "EUR")
    assert [issue.code for issue in refused.value.issues] == ["other_currency"]
    assert (await totals(site, order))[0] == ("1.00", "CHF")


async def test_the_only_line_may_change_its_currency(site, order):
    first = await line(site, order, "1", "CHF")
    await site.records.update(SYSTEM, "order_line", UUID(first["id"]), {"price": {"amount": "2", "currency": "EUR"}})
    assert (await totals(site, order))[0] == ("2.00", "EUR")


async def test_a_person_is_named_by_first_and_last_name(site):
    named = await site.records.create(SYSTEM, "party", {"kind": "person", "first_name": "Ana", "last_name": "Ruiz"})
    assert (named["name"], named["label"]) == ("Ana Ruiz", "Ana Ruiz")
    known = await site.records.create(SYSTEM, "party", {"kind": "person", "name": "Anita", "first_name": "Ana"})
    assert known["name"] == "Anita"


async def test_nobody_writes_the_subtotal(site, order):
    await line(site, order, "10")
    user = await site.records.create(SYSTEM, "user", {"name": "Boss", "email": "boss@example.com"})
    boss = Actor(UUID(user["id"]), "Boss", frozenset({"admin"}))
    forged = {"subtotal": {"amount": "1", "currency": "EUR"}}
    for write in (
        site.records.update(boss, "order", UUID(order["id"]), forged),
        site.records.create(boss, "order", {"customer": order["customer"]["id"], **forged}),
    ):
        with pytest.raises(Invalid) as refused:
            await write
        assert [(issue.path, issue.code) for issue in refused.value.issues] == [("subtotal", "read_only")]
    assert await totals(site, order) == (("10.00", "EUR"), ("9.00", "EUR"))
    await site.records.update(boss, "order", UUID(order["id"]), {"discount": "0"})
    await site.records.create(boss, "order_line", {"order": order["id"], "price": "5", "quantity": "1"})
    assert await totals(site, order) == (("15.00", "EUR"), ("15.00", "EUR"))


async def test_a_new_subtotal_is_the_systems_work_in_the_same_act(site, order):
    made = await line(site, order, "10")
    newest = (await site.records.history(SYSTEM, "order", UUID(order["id"])))[0]
    assert newest["after"]["subtotal"] == {"amount": "10.00", "currency": "EUR"}
    assert newest["changeset"] == (await site.records.history(SYSTEM, "order_line", UUID(made["id"])))[0]["changeset"]
