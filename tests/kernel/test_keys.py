"""Unique keys of every kind, on both databases: what they refuse, what finds a record, what a plan says of twins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.api.conftest import Callers
from xrm.errors import Conflict, Invalid, ModelError
from xrm.kernel.change import SYSTEM
from xrm.testing import TestSite, make_site

DEAL = """
entity: deal
label: "{name}"
fields:
  name: text
  customer: {type: relation, to: party}
  state: {type: choice, choices: [open, won, lost], default: open}
  amount: money
  active: boolean
  since: date
"""
KEYS = """unique:
  - [customer, since]
  - {fields: [customer, name], where: "state != 'lost' && (active || since > '2020-01-01' || active == null)"}
"""
PARTY = """
entity: party
label: "{name}"
fields: {name: text, email: text, number: {type: integer, unique: true}}
unique:
  - {fields: [name], ignore: case}
  - {fields: [email], where: "email != 'none'"}
---
role: boss
grants: [{entity: "*", actions: ["*"]}]
"""
FILES = {"entities/deal.yaml": DEAL + KEYS, "entities/party.yaml": PARTY}


@pytest.fixture
async def site(tmp_path: Path, database_url: str) -> AsyncIterator[TestSite]:
    async with make_site(tmp_path, database_url, FILES, allowed_hosts=("test",)) as site:
        yield site


async def test_a_partial_key_is_about_the_rows_its_condition_holds_for(site: TestSite) -> None:
    p = (await site.system.create("party", {"name": "P"}))["id"]

    async def make(**values: Any) -> dict[str, Any]:
        return await site.system.create("deal", {"customer": p, "name": "A", **values})

    first = await make()
    with pytest.raises(Conflict) as refused:
        await make()
    assert sorted(i.path for i in refused.value.issues) == ["customer", "name"]
    await make(state="lost")
    await make(state="lost")
    await make(active=False)  # not active, no date: the condition does not hold
    await make(active=False, since="2019-01-01")
    with pytest.raises(Conflict):
        await make(active=False, since="2021-01-01")
    await make(name=None)
    await make(name=None)  # null equals nothing
    await make(name="a")
    await site.system.delete("deal", first["id"])
    await make()
    with pytest.raises(Conflict):
        await site.records.restore(SYSTEM, "deal", UUID(first["id"]))


async def test_a_key_may_ignore_case_and_accents(site: TestSite) -> None:
    await site.system.create("party", {"name": "Café Groß"})
    for twin in ("CAFÉ GROSS", "cafe gross"):
        with pytest.raises(Conflict) as refused:
            await site.system.create("party", {"name": twin})
        assert [i.path for i in refused.value.issues] == ["name"]
    await site.system.create("party", {"name": "Cafe Gros"})
    made = await site.system.create("deal", {"customer": {"name": "cafe GROSS"}})
    assert made["customer"]["label"] == "Café Groß"


async def test_records_are_found_by_keys_of_several_fields(site: TestSite) -> None:
    for n, name in ((1, "P"), (2, "Q")):
        await site.system.create("party", {"name": name, "number": n, "email": "none"})
        await site.system.create("deal", {"name": "D", "customer": {"number": n}})
    await site.apply(
        {"entities/line.yaml": 'entity: line\nlabel: "{id}"\nfields: {deal: {type: relation, to: deal}}\n'}
    )
    made = await site.system.create("line", {"deal": {"customer": {"name": "q"}, "name": "D"}})
    deal = await site.system.get("deal", made["deal"]["id"])
    assert deal["customer"]["label"] == "Q"
    for bad, code in (
        ({"customer": {"name": "q"}, "amount": "1"}, "not_unique_key"),
        ({"customer": {"name": "x"}, "name": "D"}, "no_such_record"),
        ({"customer": {"email": "none"}, "name": "D"}, "no_such_record"),
        ({"customer": {"name": "q"}, "nom": "D"}, "unknown_field"),
        ({"customer": None, "name": "D"}, "not_relation"),
    ):
        with pytest.raises(Invalid) as refused:
            await site.system.create("line", {"deal": bad})
        assert [(i.path, i.code) for i in refused.value.issues] == [("deal", code)], bad


async def test_64_upserts_of_one_key_at_once_make_one_record(site: TestSite) -> None:
    p = (await site.system.create("party", {"name": "P"}))["id"]
    async with AsyncExitStack() as stack:
        client = await Callers(site, stack).robot("Boss", "boss")
        addresses = [(f"/api/deal/by?customer={p}&name=D", {"since": "2026-01-01"}), ("/api/party/by/name/New", {})]
        for address, values in addresses:
            name = "amount" if "deal" in address else "email"
            sent = [client.put(address, json={**values, name: str(n)}) for n in range(64)]
            statuses = sorted(a.status_code for a in await asyncio.gather(*sent))
            assert set(statuses) <= {200, 201, 503}, statuses
            assert statuses.count(201) == 1
        assert (await site.system.count("deal")).value == 1
        assert (await site.system.count("party", "name == 'New'")).value == 1
        again = await client.put("/api/party/by/name/NEW", json={"email": "x"})
        assert (again.status_code, again.json()["name"]) == (200, "New")
        for query, status in (("", 400), ("?name=D", 422), (f"?customer={p}&name=D&name=E", 400), ("?nom=D", 404)):
            answer = await client.put(f"/api/deal/by{query}", json={})
            assert answer.status_code == status, (query, answer.text)


async def test_a_plan_counts_the_twins_of_every_kind_of_key(tmp_path: Path, database_url: str) -> None:
    files = {"entities/deal.yaml": DEAL, "entities/party.yaml": "entity: party\nfields: {name: text, email: text}\n"}
    async with make_site(tmp_path, database_url, files) as site:
        p = (await site.system.create("party", {"name": "Café", "email": "none"}))["id"]
        await site.system.create("party", {"name": "CAFE", "email": "none"})
        for state in ("open", "won", "lost"):
            await site.system.create("deal", {"customer": p, "name": "A", "state": state})
        with pytest.raises(ModelError) as refused:
            await site.apply(FILES)
        told = sorted(i.message for i in refused.value.issues)
        assert len(told) == 2, told
        assert all(message.startswith("2 records share") for message in told), told
        for record in (await site.system.list("party", "name == 'CAFE'")).records:
            await site.system.update("party", record["id"], {"name": "Other"})
        for record in (await site.system.list("deal", "state == 'won'")).records:
            await site.system.update("deal", record["id"], {"name": "B"})
        await site.apply()
        with pytest.raises(Conflict):
            await site.system.create("party", {"name": "cafe"})
        renamed = DEAL.replace("  state: {", "  phase: {was: state, ") + KEYS.replace("state", "phase")
        await site.apply({"entities/deal.yaml": renamed})
        with pytest.raises(Conflict):
            await site.system.create("deal", {"customer": p, "name": "A"})
        without = renamed.replace(KEYS.replace("state", "phase"), "").replace("  phase: {", "  phase: {removed: true, ")
        with pytest.raises(Conflict) as asked:
            await site.apply({"entities/deal.yaml": without})
        await site.apply(consent=asked.value.details["steps"])
        await site.system.create("deal", {"customer": p, "name": "A"})


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("{fields: [name], where: \"customer.name == 'x'\"}", "expression"),
        ('{fields: [name], where: "since < today()"}', "expression"),
        ("{fields: [name], where: \"name > 'x'\"}", "expression"),
        ("{fields: [name], where: \"lower(name) == 'x'\"}", "expression"),
        ("{fields: [name], where: \"nom == 'x'\"}", "expression"),
        ('{fields: [nom], where: "active"}', "unknown_field"),
        ("{fields: [name], ignore: accents}", "not_allowed"),
        ("{where: active}", "missing_key"),
    ],
)
async def test_keys_that_no_index_can_hold_are_refused(tmp_path: Path, key: str, code: str) -> None:
    files = {**FILES, "entities/deal.yaml": f"{DEAL}unique:\n  - {key}\n"}
    with pytest.raises(ModelError) as refused:
        async with make_site(tmp_path, f"sqlite:///{tmp_path}/x.db", files):
            pass
    (issue,) = refused.value.issues
    assert issue.code == code
    assert issue.path.startswith("entities/deal.yaml:12:")
