from __future__ import annotations

import importlib
import tracemalloc
from collections import Counter, defaultdict
from datetime import date
from itertools import islice

import pytest

from plugins.demo.company import Plan, batches
from plugins.demo.places import ascii_name, make_world
from plugins.demo.rows import Key
from plugins.demo.staff import PERSONAS
from xrm import XrmError

TODAY = date(2026, 3, 2)


@pytest.fixture(scope="module")
def world():
    return make_world(1)


@pytest.fixture(scope="module")
def large(world):
    """Two thousand parties, by entity."""
    made = defaultdict(list)
    for batch in batches(Plan(2000, 1, TODAY), world):
        for draft in batch:
            made[draft.entity].append(draft)
    return made


def everything(world, **changes):
    return list(batches(Plan(**{"parties": 150, "seed": 1, "today": TODAY, **changes}), world))


def test_the_same_seed_makes_the_same_company(world):
    assert everything(world) == everything(make_world(1))
    assert everything(world) != everything(world, seed=2)


@pytest.mark.parametrize("parties", [1, 2, 7, 100, 101, 250])
def test_there_are_exactly_as_many_parties_as_asked_for(world, parties):
    drafts = [draft for batch in everything(world, parties=parties) for draft in batch]
    named = [draft.name for draft in drafts if draft.entity == "party"]
    assert len(named) == len(set(named)) == parties


def test_every_record_comes_after_those_it_names(world):
    kept: set[Key] = set()
    for batch in everything(world, parties=450):
        known = set(kept)
        for draft in batch:
            assert draft.key not in known
            for value in draft.values.values():
                assert not isinstance(value, Key) or value in known, (draft, value)
            known.add(draft.key)
        kept |= {draft.key for draft in batch if draft.kept}


def test_the_four_personas_and_their_colleagues_work_there(world):
    users = {d.name: d.values for d in everything(world)[0] if d.entity == "user"}
    assert set(PERSONAS) < set(users)
    assert len(users) == 10
    assert users["rep@example.com"]["manager"] == Key("user", "manager@example.com")
    assert users["manager@example.com"]["manager"] == Key("user", "admin@example.com")
    assert all(user["unit"].entity == "unit" for user in users.values())


def test_deals_are_in_every_state_and_the_lost_ones_say_why(large):
    states = Counter(deal.values["state"] for deal in large["deal"])
    assert set(states) == {"new", "qualified", "proposal", "negotiation", "won", "lost"}
    for deal in large["deal"]:
        lost = deal.values["state"] == "lost"
        assert lost == ("lost_reason" in deal.values) == ("lost_note" in deal.values)
        closed = deal.values["state"] in ("won", "lost")
        assert not closed or deal.values["close_date"] < TODAY.isoformat()
    assert len({deal.values.get("lost_reason") for deal in large["deal"]}) > 5


def test_parties_are_persons_and_organisations_of_several_countries_in_every_role(large):
    assert {p.values["kind"] for p in large["party"]} == {"person", "organisation"}
    countries = Counter(p.values["country"] for p in large["party"])
    assert len(countries) > 8
    assert countries["DE"] > countries["SE"] > 0
    roles = Counter(role for p in large["party"] for role in p.values.get("roles") or ())
    assert set(roles) == {"customer", "prospect", "supplier", "partner", "competitor", "other"}
    assert any(len(p.values.get("roles") or ()) == 2 for p in large["party"])


def totals(large):
    """Return what each order comes to, without its discount."""
    amounts: Counter[Key] = Counter()
    for line in large["order_line"]:
        price, quantity = float(line.values["price"]["amount"]), float(line.values["quantity"])
        amounts[line.values["order"]] += price * quantity
    return {order.key: (order, amounts[order.key]) for order in large["order"]}


def test_a_few_customers_bring_most_of_the_money(large):
    customers: Counter[Key] = Counter()
    for order, amount in totals(large).values():
        customers[order.values["customer"]] += amount
    ranked = [amount for _, amount in customers.most_common()]
    assert 0.6 < sum(ranked[: len(ranked) // 5]) / sum(ranked) < 0.95


def test_orders_follow_the_seasons_and_grow(large):
    months = Counter(order.values["ordered_on"][5:7] for order in large["order"])
    assert months["11"] > 1.5 * months["08"]
    years = Counter(order.values["ordered_on"] > "2025-03-02" for order in large["order"])
    assert years[True] > years[False] / 2


def test_orders_are_placed_on_working_days_of_the_past(large):
    days = [date.fromisoformat(order.values["ordered_on"]) for order in large["order"]]
    assert max(days) <= TODAY
    assert (TODAY - min(days)).days > 900
    assert {day.weekday() for day in days} == {0, 1, 2, 3, 4}
    states = Counter(order.values["state"] for order in large["order"])
    assert set(states) == {"draft", "confirmed", "delivered", "paid", "cancelled"}


def test_some_customers_have_stopped(large):
    last = {}
    for order in large["order"]:
        customer = order.values["customer"]
        last[customer] = max(last.get(customer, ""), order.values["ordered_on"])
    gone = sum(day < "2025-06-01" for day in last.values()) / len(last)
    assert 0.05 < gone < 0.6


def test_the_data_is_a_little_dirty(large):
    parties = [p.values for p in large["party"]]
    assert all(p.get("name") or p.get("email") for p in parties)
    shares = {
        "no name": sum(not p.get("name") for p in parties),
        "no address": sum(not p.get("email") for p in parties),
        "no country": sum(not p.get("country") for p in parties),
        "capitals": sum(str(p.get("name")).isupper() for p in parties),
        "odd telephone": sum("ext" in str(p.get("phone")) or "/" in str(p.get("phone")) for p in parties),
    }
    for what, count in shares.items():
        assert 0.003 < count / len(parties) < 0.1, what
    addresses = Counter(p["email"] for p in parties if p.get("email"))
    assert 5 < sum(n > 1 for n in addresses.values()) < 0.1 * len(parties)


def test_a_company_without_history_is_only_parties(world):
    entities = {draft.entity for batch in everything(world, years=0)[1:] for draft in batch}
    assert entities == {"party", "product", "contact_point", "connection"}


def test_a_million_parties_are_made_as_a_stream(world):
    tracemalloc.start()
    try:
        made = sum(len(batch) for batch in islice(batches(Plan(1_000_000, 1, TODAY), world), 20))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert made > 1900
    assert peak < 20_000_000


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Łukasz Żółć", "lukasz.zolc"),
        ("Weiß & Söhne", "weiss.sohne"),
        ("O'Neil-Smith", "o.neil.smith"),
        ("Øre", "ore"),
    ],
)
def test_names_are_spelled_for_addresses(name, expected):
    assert ascii_name(name) == expected


def test_a_library_that_is_missing_is_named(monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(XrmError, match=r"needs faker; install it with: pip install 'xrm\[demo\]'"):
        make_world(1)
