"""Formulas over relations and the time, lookups and rollups: computed when read, everywhere a field may be used."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from xrm.errors import Conflict, Invalid, ModelError, NotFound
from xrm.kernel.change import SYSTEM
from xrm.kernel.query import Query
from xrm.kernel.totals import Totals
from xrm.testing import TestSite, make_site

MODEL = """
entity: client
label: "{name}"
fields:
  name:     {type: text, class: public}
  country:  {type: choice, choices: {DE: Germany, AT: Austria}, class: public}
  discount: {type: percent, class: confidential}
  budget:   {type: money, class: public}
  orders:   {type: rollup, of: sales, class: public}
  volume:   {type: rollup, of: sales, compute: sum, field: amount, class: public}
  open:     {type: rollup, of: sales, where: "!done", class: public}
  largest:  {type: rollup, of: sales, compute: max, field: amount, class: public}
  usual:    {type: rollup, of: sales, compute: avg, field: pieces, class: public}
  pieces:   {type: rollup, of: sales, compute: sum, field: pieces, class: public}
  names:    {type: rollup, of: sales, compute: list, field: name, class: public}
  last_due: {type: rollup, of: sales, compute: max, field: due, class: public}
  busy:     {type: boolean, formula: "orders > 1", class: public}
---
entity: sale
label: "{name}"
fields:
  name:      {type: text, class: public}
  client:    {type: relation, to: client, inverse: sales, class: public}
  amount:    {type: money, class: public}
  pieces:    {type: integer, class: public}
  done:      {type: boolean, default: false, class: public}
  due:       {type: date, class: public}
  double:    {type: integer, formula: "pieces * 2", class: public}
  net:       {type: money, formula: "amount * (100 - client.discount) / 100", class: public}
  days_left: {type: integer, formula: "due - today()", class: public}
  late:      {type: boolean, formula: "days_left < 0 && !done", class: public}
  country:   {type: lookup, of: client.country, class: public}
  budget:    {type: lookup, of: client.budget, class: public}
  siblings:  {type: rollup, of: client.sales, class: public}
  shown:     {type: money, formula: "amount * (100 - client.discount) / 100", as: system, class: public}
"""
ROLES = """
role: reader
grants:
  - {entity: client, actions: [read], fields: {read: [public]}}
  - {entity: sale, actions: [read], fields: {read: [public]}}
---
role: half
grants:
  - {entity: client, actions: [read], fields: {read: ["*"]}}
  - {entity: sale, actions: [read], rows: {where: "done"}, fields: {read: ["*"]}}
---
role: blind
grants:
  - {entity: client, actions: [read], fields: {read: ["*"]}}
---
role: boss
grants:
  - {entity: "*", actions: ["*"]}
"""


@pytest.fixture
async def site(tmp_path: Path, database_url: str) -> AsyncIterator[TestSite]:
    async with make_site(
        tmp_path, database_url, {"entities/m.yaml": MODEL, "entities/r.yaml": ROLES}, currency="EUR"
    ) as made:
        yield made


async def fill(site: TestSite) -> dict[str, Any]:
    """Make a client with three sales and one without any."""
    today = site.clock.now.date()
    acme = await site.system.create(
        "client", {"name": "Acme", "country": "DE", "discount": "10", "budget": {"amount": "500", "currency": "EUR"}}
    )
    bare = await site.system.create("client", {"name": "Bare", "country": "AT"})
    rows = [("a", "100.00", 1, True, -1), ("b", "20.50", 2, False, -2), ("c", "3.25", 4, False, 5)]
    sales = [
        await site.system.create(
            "sale",
            {
                "name": name,
                "client": acme["id"],
                "amount": {"amount": amount, "currency": "EUR"},
                "pieces": pieces,
                "done": done,
                "due": (today + timedelta(days=days)).isoformat(),
            },
        )
        for name, amount, pieces, done, days in rows
    ]
    return {"acme": acme["id"], "bare": bare["id"], "sales": sales, "today": today}


async def test_they_are_computed_when_read(site: TestSite) -> None:
    made = await fill(site)
    sale = await site.system.get("sale", made["sales"][1]["id"])
    assert sale["double"] == 4
    assert sale["net"] == {"amount": "18.45", "currency": "EUR"}
    assert (sale["days_left"], sale["late"], sale["country"], sale["siblings"]) == (-2, True, "DE", 3)
    assert sale["budget"] == {"amount": "500.00", "currency": "EUR"}
    acme, bare = await site.system.get("client", made["acme"]), await site.system.get("client", made["bare"])
    assert (acme["orders"], acme["open"], acme["pieces"], acme["usual"], acme["busy"]) == (3, 2, 7, "2.33", True)
    assert acme["volume"] == {"amount": "123.75", "currency": "EUR"}
    assert acme["largest"] == {"amount": "100.00", "currency": "EUR"}
    assert acme["names"] == ["a", "b", "c"]
    assert acme["last_due"] == (made["today"] + timedelta(days=5)).isoformat()
    assert (bare["orders"], bare["open"], bare["busy"]) == (0, 0, False)
    assert [bare[n] for n in ("volume", "largest", "usual", "pieces", "names", "last_due")] == [None] * 6


async def test_time_passes(site: TestSite) -> None:
    made = await fill(site)
    site.clock.forward(timedelta(days=10))
    assert (await site.system.get("sale", made["sales"][2]["id"]))["days_left"] == -5
    late = await site.system.list("sale", "late", sort=("name",))
    assert [r["name"] for r in late.records] == ["b", "c"]


async def test_a_source_that_changes_shows_at_once(site: TestSite) -> None:
    made = await fill(site)
    await site.system.update("client", made["acme"], {"discount": "50", "country": "AT"})
    sale = await site.system.get("sale", made["sales"][0]["id"])
    assert (sale["net"]["amount"], sale["country"]) == ("50.00", "AT")
    await site.system.update("sale", made["sales"][0]["id"], {"client": made["bare"]})
    await site.system.delete("sale", made["sales"][1]["id"])
    acme, bare = await site.system.get("client", made["acme"]), await site.system.get("client", made["bare"])
    assert (acme["orders"], acme["volume"]["amount"], bare["orders"]) == (1, "3.25", 1)
    await site.records.restore(SYSTEM, "sale", UUID(made["sales"][1]["id"]))
    assert (await site.system.get("client", made["acme"]))["orders"] == 2


async def test_filter_sort_group_total(site: TestSite) -> None:
    await fill(site)
    found = await site.system.list("sale", "net > 10 && country == 'DE' && client.orders == 3", sort=("-net",))
    assert [r["name"] for r in found.records] == ["a", "b"]
    found = await site.system.list("client", "'b' in names && volume > 100 && volume.currency == 'EUR'")
    assert [r["name"] for r in found.records] == ["Acme"]
    for sort, names in ((("orders",), ["Bare", "Acme"]), (("-volume",), ["Acme", "Bare"])):
        page = await site.system.list("client", sort=sort, limit=1)
        rest = await site.system.list("client", sort=sort, limit=1, after=page.next or "")
        assert [r["name"] for r in (*page.records, *rest.records)] == names
    groups = await site.system.aggregate("sale", Totals(("country", "late"), ("count", "sum(net)", "max(days_left)")))
    assert [tuple(g.values()) for g in groups] == [("DE", False, 2, "92.93", 5), ("DE", True, 1, "18.45", -2)]
    total = await site.system.aggregate("client", Totals((), ("sum(orders)", "avg(usual)")))
    assert total[0]["sum(orders)"] == 3
    shown = await site.records.list(SYSTEM, "sale", Query(fields=("client.orders", "client.volume", "client.busy")))
    assert shown.records[0]["client.volume"] == {"amount": "123.75", "currency": "EUR"}


async def test_amounts_of_several_currencies_have_no_sum(site: TestSite) -> None:
    made = await fill(site)
    await site.system.update("sale", made["sales"][0]["id"], {"amount": {"amount": "1", "currency": "USD"}})
    acme = await site.system.get("client", made["acme"])
    assert (acme["volume"], acme["largest"], acme["orders"]) == (None, None, 3)


async def test_a_sum_that_is_too_large_is_null(site: TestSite) -> None:
    made = await fill(site)
    for sale in made["sales"]:
        await site.system.update("sale", sale["id"], {"pieces": 2**63 - 1})
    assert (await site.system.get("client", made["acme"]))["pieces"] is None
    for sale in made["sales"]:
        await site.system.update("sale", sale["id"], {"pieces": -(10**17)})
    assert (await site.system.get("client", made["acme"]))["pieces"] == -3 * 10**17


async def test_nobody_writes_them(site: TestSite) -> None:
    made = await fill(site)
    for entity, id, name in (("client", made["acme"], "orders"), ("sale", made["sales"][0]["id"], "country")):
        with pytest.raises(Invalid) as caught:
            await site.system.update(entity, id, {name: 1})
        assert caught.value.issues[0].code == "read_only"


# --- who sees them


async def test_a_formula_is_only_as_visible_as_what_it_is_made_of(site: TestSite) -> None:
    made = await fill(site)
    reader = await site.person("Reader", "reader")
    sale = await site.records.get(reader, "sale", UUID(made["sales"][1]["id"]))
    assert "net" not in sale, "made of client.discount, which is confidential"
    assert sale["shown"] == {"amount": "18.45", "currency": "EUR"}, "says as: system"
    assert (sale["country"], sale["days_left"]) == ("DE", -2)
    for query in (Query("net > 0"), Query(sort=("net",)), Query(fields=("net",))):
        with pytest.raises(Invalid):
            await site.records.list(reader, "sale", query)
    with pytest.raises(Invalid):
        await site.records.aggregate(reader, "sale", Totals((), ("sum(net)",)))


async def test_a_rollup_counts_what_its_reader_may_read(site: TestSite) -> None:
    made = await fill(site)
    half, blind = await site.person("Half", "half"), await site.person("Blind", "blind")
    acme = await site.records.get(half, "client", UUID(made["acme"]))
    assert (acme["orders"], acme["open"], acme["names"], acme["volume"]["amount"]) == (1, 0, ["a"], "100.00")
    assert (await site.records.list(half, "client", Query("orders == 3"))).records == []
    acme = await site.records.get(blind, "client", UUID(made["acme"]))
    assert not {"orders", "volume", "names", "busy"} & acme.keys()
    with pytest.raises(Invalid):
        await site.records.count(blind, "client", Query("orders == 3"))
    with pytest.raises(NotFound):
        await site.records.count(blind, "sale", Query())


@pytest.mark.parametrize("role", ["reader", "half", "blind"])
async def test_two_worlds(tmp_path: Path, database_url: str, site: TestSite, role: str) -> None:
    """What a reader may not read does not show through a computed field: change it, and every answer stays."""
    made = await fill(site)
    actor = await site.person("Somebody", role)
    before = await answers(site, actor)
    if role == "reader":
        await site.system.update("client", made["acme"], {"discount": "99"})
    for sale in made["sales"][1:] if role != "reader" else ():
        await site.system.update("sale", sale["id"], {"pieces": 77, "amount": "9999.00", "name": "zzz"})
    if role != "reader":
        await site.system.create("sale", {"name": "new", "client": made["bare"], "pieces": 5})
    after = await answers(site, actor)
    assert before == after


async def answers(site: TestSite, actor: Any) -> list[Any]:
    """Return all that an actor gets to see of the computed fields; not what says ``as: system``."""
    found: list[Any] = []
    asked = [
        *(("client", q) for q in ("orders > 1", "volume > 100", "'zzz' in names", "busy", "usual > 2", "open > 0")),
        *(("sale", q) for q in ("net > 0", "siblings > 1", "country == 'DE'", "budget > 1", "client.orders > 1")),
    ]
    for entity, filter in asked:
        found.append(await _answer(site, actor, entity, Query(filter, limit=100)))
    for entity, names in (
        ("client", ("orders", "volume", "largest", "usual", "pieces")),
        ("sale", ("net", "siblings")),
    ):
        found.append(await _answer(site, actor, entity, Query(limit=100)))
        for name in names:
            found.append(await _answer(site, actor, entity, Query(sort=(name,), limit=100)))
    return found


async def _answer(site: TestSite, actor: Any, entity: str, query: Query) -> Any:
    try:
        page = await site.records.list(actor, entity, query)
    except (Invalid, NotFound) as error:
        return [str(error), [issue.message for issue in getattr(error, "issues", ())]]
    hidden = {"version", "updated_at", "shown"}
    return [{n: v for n, v in record.items() if n not in hidden} for record in page.records]


# --- what the check refuses


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ("a: {type: integer, formula: b + 1}, b: {type: integer, formula: a + 1}", "computed_cycle"),
        ("a: {type: lookup, of: up.b}, b: {type: lookup, of: up.a}, up: {type: relation, to: x}", "computed_cycle"),
        ("n: {type: integer}, a: {type: lookup, of: up.nothing}, up: {type: relation, to: x}", "unknown_field"),
        ("a: {type: rollup, of: nothing}", "unknown_list"),
        ("a: {type: lookup}", "missing_option"),
        ("a: {type: date, formula: 'today()', stored: true}", "option_conflict"),
        ("a: {type: integer, stored: true}", "option_conflict"),
        ("a: {type: integer, formula: up.n, index: true}, up: {type: relation, to: x}, n: integer", "option_conflict"),
        ("a: {type: rollup, of: downs, compute: sum}, up: {type: relation, to: x, inverse: downs}", "unknown_field"),
        (
            "a: {type: rollup, of: ds, compute: sum, field: t}, t: text, u: {type: relation, to: x, inverse: ds}",
            "wrong_field",
        ),
        ("a: {type: rollup, of: downs, where: 'n ='}, up: {type: relation, to: x, inverse: downs}", "expression"),
        ("a: {type: lookup, of: up.n, required: true}, up: {type: relation, to: x}, n: integer", "option_not_for_type"),
    ],
)
async def test_a_bad_definition_is_refused(site: TestSite, fields: str, code: str) -> None:
    with pytest.raises(ModelError) as caught:
        await site.apply({"entities/x.yaml": f"entity: x\nlabel: x {{id}}\nfields: {{{fields}}}\n"})
    assert [issue.code for issue in caught.value.issues] == [code], caught.value.issues


async def test_formulas_of_formulas_have_a_limit(site: TestSite) -> None:
    fields = ["up: {type: relation, to: x}", "n: integer", "f0: {type: integer, formula: up.n}"]
    fields += [f"f{i}: {{type: integer, formula: f{i - 1} + f{i - 1}}}" for i in range(1, 40)]
    with pytest.raises(ModelError) as caught:
        await site.apply({"entities/x.yaml": f"entity: x\nlabel: x {{id}}\nfields: {{{', '.join(fields)}}}\n"})
    assert [issue.code for issue in caught.value.issues] == ["computed_size"]


async def test_a_kept_formula_may_become_one_that_is_not_and_back(site: TestSite) -> None:
    made = await fill(site)
    virtual = MODEL.replace('"pieces * 2"', '"pieces * 2", stored: false')
    with pytest.raises(Conflict) as caught:
        await site.apply({"entities/m.yaml": virtual})
    await site.apply(consent=caught.value.details["steps"])
    assert (await site.system.get("sale", made["sales"][1]["id"]))["double"] == 4
    await site.apply({"entities/m.yaml": MODEL})
    assert (await site.system.get("sale", made["sales"][1]["id"]))["double"] == 4
