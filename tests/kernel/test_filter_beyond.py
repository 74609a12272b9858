"""Filters by a field of a related record find what they always did, by an index where there is one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from xrm.kernel.change import SYSTEM, Actor
from xrm.kernel.query import Query
from xrm.testing import TestSite, make_site

FILES = {
    "entities/model.yaml": """
entity: region
label: "{name}"
fields:
  name: {type: text, unique: true}
  size: {type: decimal, precision: 9, scale: 2}
  budget: money
  secret: boolean
  twice: {type: decimal, precision: 9, scale: 2, formula: size * 2, stored: false}
  above: {type: relation, to: region}
---
entity: firm
label: "{name}"
fields:
  name: text
  region: {type: relation, to: region, inverse: firms}
---
role: seller
grants:
  - {entity: firm, actions: [read]}
  - {entity: region, actions: [read], rows: {where: "secret != true"}}
""",
}


@pytest.fixture
async def site(tmp_path: Path, database_url: str) -> AsyncIterator[TestSite]:
    async with make_site(tmp_path, database_url, FILES) as made:
        top = (await made.system.create("region", {"name": "Top", "size": "1.50"}))["id"]
        for name, secret in (("North", False), ("South", True)):
            values = {"name": name, "size": "2.50", "secret": secret, "above": top}
            values["budget"] = {"amount": "5.00", "currency": "EUR"}
            region = await made.system.create("region", values)
            await made.system.create("firm", {"name": f"In {name}", "region": region["id"]})
        await made.system.create("firm", {"name": "Nowhere"})
        yield made


async def found(site: TestSite, actor: Actor, filter: str) -> list[str]:
    page = await site.records.list(actor, "firm", Query(filter, ("name",)))
    return [record["name"] for record in page.records]


@pytest.mark.parametrize(
    ("filter", "all_", "sellers"),
    [
        ("region.name == 'North'", ["In North"], ["In North"]),
        ("region.name == 'South'", ["In South"], []),
        ("region.name == 'East'", [], []),
        ("region.name == null", ["Nowhere"], ["In South", "Nowhere"]),
        ("region.name != 'North'", ["In South", "Nowhere"], ["In South", "Nowhere"]),
        ("region.size == 2.5 && name == 'In South'", ["In South"], []),
        ("region.twice == 5", ["In North", "In South"], ["In North"]),
        ("region.budget == 5 && region.budget.currency == 'EUR'", ["In North", "In South"], ["In North"]),
        ("region.label == 'North'", ["In North"], ["In North"]),
        ("region.above.name == 'Top'", ["In North", "In South"], ["In North"]),
        ("region.name == 'South' || name == 'Nowhere'", ["In South", "Nowhere"], ["Nowhere"]),
        ("!(region.name == 'North')", ["In South", "Nowhere"], ["In South", "Nowhere"]),
    ],
)
async def test_a_filter_over_a_relation(site: TestSite, filter: str, all_: list[str], sellers: list[str]) -> None:
    seller = await site.person("S", "seller")
    assert await found(site, SYSTEM, filter) == all_
    assert await found(site, seller, filter) == sellers


async def test_the_few_are_found_by_an_index(site: TestSite, monkeypatch: pytest.MonkeyPatch) -> None:
    seller = await site.person("S", "seller")
    asked: list[tuple[str, list[object]]] = []
    fetch = site.kernel.store.fetch

    async def noted(text: str, args: list[object]) -> object:
        asked.append((text, args))
        return await fetch(text, args)

    monkeypatch.setattr(site.kernel.store, "fetch", noted)
    assert await found(site, seller, "region.name == 'North'") == ["In North"]
    text, args = next(asked for asked in asked if "FROM" in asked[0] and '"firm"' in asked[0])
    monkeypatch.undo()
    if site.kernel.store.dialect.name == "sqlite":
        plan = "\n".join(str(row[3]) for row in await fetch(f"EXPLAIN QUERY PLAN {text}", args))
        assert "SCAN t" not in plan
    else:
        async with site.kernel.store.transaction():
            await site.kernel.store.execute("SET LOCAL enable_seqscan = off")
            plan = "\n".join(str(row[0]) for row in await fetch(f"EXPLAIN {text}", args))
        assert "Seq Scan on firm" not in plan
