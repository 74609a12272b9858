"""Two processes on one database: one changes the model while the other serves, and no request of the other notices."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from xrm.errors import Invalid, NotFound, Unavailable
from xrm.kernel.change import SYSTEM
from xrm.kernel.kernel import Kernel
from xrm.kernel.query import Query
from xrm.kernel.records import Bound
from xrm.kernel.totals import Totals
from xrm.testing import TestSite, make_site

DEAL = """
entity: deal
label: "{name}"
search: [name]
fields:
  name: text
  amount: {type: decimal, precision: 10, scale: 2}
  code: text
"""
RENAMED = DEAL.replace("  code: text", "  mark: {type: text, was: code}")
DROPPED = DEAL.replace("  code: text", "  code: {type: text, removed: true}")
RETYPED = DEAL.replace("  code: text", "  code: integer")
REQUIRED = DEAL.replace("  code: text", "  code: {type: text, required: true, backfill: old}")
RESCALED = DEAL.replace("scale: 2", "scale: 4")
CHANCE = DEAL.replace("entity: deal", "entity: chance\nwas: deal")


@pytest.fixture
async def site(tmp_path: Path, database_url: str) -> AsyncIterator[TestSite]:
    async with make_site(tmp_path, database_url, {"entities/deal.yaml": DEAL}) as made:
        yield made


@pytest.fixture
async def other(site: TestSite) -> AsyncIterator[Bound]:
    """The door of another process, which has not noticed yet: it does not watch."""
    kernel = await Kernel.open(site.kernel.settings)
    yield kernel.records.bound(SYSTEM)
    await kernel.close()


async def _drop(site: TestSite) -> None:
    await site.write({"entities/deal.yaml": DROPPED})
    sources = site.kernel.sources()
    steps = frozenset(step.id for step in (await site.kernel.plan(sources)).destructive)
    await site.kernel.apply(SYSTEM, sources, steps)


async def _warm(other: Bound) -> str:
    """Let everything be prepared for the tables as they are; return the id of a record."""
    made = await other.create("deal", {"name": "Lathe", "code": "7"})
    await other.update("deal", made["id"], {"code": "8"})
    await other.list("deal", "code == '8'")
    await other.get("deal", made["id"])
    return str(made["id"])


async def test_reads_and_writes_go_on_over_a_rename(site: TestSite, other: Bound) -> None:
    id = await _warm(other)
    await site.apply({"entities/deal.yaml": RENAMED})
    assert (await other.get("deal", id))["mark"] == "8"
    await site.apply({"entities/deal.yaml": RENAMED.replace("was: code", "was: code, max: 9").replace("mark", "sign")})
    assert await other.update("deal", id, {"name": "Drill"})


async def test_a_list_goes_on_over_a_rename(site: TestSite, other: Bound) -> None:
    await _warm(other)
    await site.apply({"entities/deal.yaml": RENAMED})
    assert [r["mark"] for r in (await other.list("deal")).records] == ["8"]


async def test_what_names_a_column_that_is_no_more_is_refused_as_if_it_had_never_been(
    site: TestSite, other: Bound
) -> None:
    id = await _warm(other)
    await _drop(site)
    with pytest.raises(Invalid) as caught:
        await other.update("deal", id, {"name": "Drill", "code": "9"})
    assert caught.value.issues[0].path == "code"
    record = await other.get("deal", id)
    assert (record["name"], "code" in record) == ("Lathe", False)


async def test_what_does_not_name_it_is_done(site: TestSite, other: Bound) -> None:
    id = await _warm(other)
    await _drop(site)
    assert (await other.create("deal", {"name": "Saw"}))["name"] == "Saw"
    assert (await other.update("deal", id, {"name": "Drill"}))["name"] == "Drill"
    history = await other.door.history(SYSTEM, "deal", UUID(id))
    assert len(history) == 3, "the create, the update before, and this one once"


async def test_a_value_of_the_former_type_is_judged_by_the_new_one(site: TestSite, other: Bound) -> None:
    await _warm(other)
    await site.apply({"entities/deal.yaml": RETYPED})
    with pytest.raises(Invalid):
        await other.create("deal", {"name": "Saw", "code": "seven"})
    assert (await other.create("deal", {"name": "Saw", "code": 7}))["code"] == 7


async def test_a_process_that_has_not_noticed_misreads_no_number(site: TestSite, other: Bound) -> None:
    id = (await other.create("deal", {"name": "Lathe", "amount": "12.50"}))["id"]
    await site.apply({"entities/deal.yaml": RESCALED})
    assert Decimal((await other.get("deal", id))["amount"]) == Decimal("12.5")
    await site.apply({"entities/deal.yaml": RESCALED.replace("scale: 4", "scale: 3")})
    assert [Decimal(r["amount"]) for r in (await other.list("deal", "amount == 12.5")).records] == [Decimal("12.5")]
    await site.apply({"entities/deal.yaml": RESCALED})
    assert (await other.count("deal", "amount == 12.5")).value == 1
    await site.apply({"entities/deal.yaml": RESCALED.replace("scale: 4", "scale: 3")})
    totals = await other.aggregate("deal", Totals(values=("sum(amount)",)))
    assert Decimal(totals[0]["sum(amount)"]) == Decimal("12.5")


async def test_a_process_that_has_not_noticed_writes_no_number_wrongly(site: TestSite, other: Bound) -> None:
    id = (await other.create("deal", {"name": "Lathe", "amount": "12.50"}))["id"]
    await site.apply({"entities/deal.yaml": RESCALED})
    made = await other.create("deal", {"name": "Saw", "amount": "3.5"})
    await site.apply({"entities/deal.yaml": RESCALED.replace("scale: 4", "scale: 3")})
    await other.update("deal", id, {"name": "Drill"})
    await site.apply({"entities/deal.yaml": RESCALED})
    await other.update("deal", id, {"amount": "7.25"})
    amounts = {r["id"]: Decimal(r["amount"]) for r in (await site.system.list("deal")).records}
    assert amounts == {id: Decimal("7.25"), made["id"]: Decimal("3.5")}
    assert len(await other.door.history(SYSTEM, "deal", UUID(id))) == 3


async def test_a_choice_that_went_is_not_written_by_a_process_that_has_not_noticed(
    site: TestSite, other: Bound
) -> None:
    sized = DEAL + "  size: {type: choice, choices: [%s]}\n"
    await site.apply({"entities/deal.yaml": sized % "small, big"})
    assert await other.create("deal", {"name": "Saw", "size": "small"})
    await site.apply({"entities/deal.yaml": sized % "small, {name: large, was: big}"})
    with pytest.raises(Invalid):
        await other.create("deal", {"name": "Lathe", "size": "big"})


async def test_what_is_new_is_known_at_once(site: TestSite, other: Bound) -> None:
    await site.apply({"entities/deal.yaml": DEAL + "  note: text\n", "entities/new.yaml": DEAL.replace("deal", "new")})
    assert (await other.create("deal", {"name": "Saw", "note": "sharp"}))["note"] == "sharp"
    await site.apply({"entities/newer.yaml": DEAL.replace("deal", "newer")})
    assert (await other.list("newer")).records == []
    with pytest.raises(NotFound):
        await other.list("never")


async def test_a_field_that_became_required_is_asked_for(site: TestSite, other: Bound) -> None:
    await _warm(other)
    await site.apply({"entities/deal.yaml": REQUIRED})
    with pytest.raises(Invalid) as caught:
        await other.create("deal", {"name": "Saw"})
    assert [issue.code for issue in caught.value.issues] == ["required"]


async def test_an_entity_of_another_name_is_not_there(site: TestSite, other: Bound) -> None:
    id = await _warm(other)
    await site.apply({"entities/deal.yaml": CHANCE})
    with pytest.raises(NotFound):
        await other.get("deal", id)
    assert (await other.get("chance", id))["code"] == "8"


async def test_an_act_of_several_writes_is_told_to_come_again_and_none_is_done(site: TestSite, other: Bound) -> None:
    id = await _warm(other)
    await site.apply({"entities/deal.yaml": RENAMED})

    async def work() -> None:
        async with other.door.act(SYSTEM):
            await other.create("deal", {"name": "Saw"})
            await other.update("deal", id, {"name": "Drill"})

    with pytest.raises(Unavailable) as caught:
        await work()
    assert caught.value.details["retry_after"] == 1
    assert [r["name"] for r in (await other.list("deal")).records] == ["Lathe"]
    await work()
    await site.apply({"entities/deal.yaml": RENAMED.replace("was: code", "was: code, max: 9").replace("mark", "sign")})
    await other.door.again(work)
    assert (await other.count("deal")).value == 3


async def test_a_wrong_statement_is_told_as_what_it_is(site: TestSite, other: Bound) -> None:
    async def wrong() -> None:
        await site.kernel.store.fetch("SELECT t.absent FROM deal t")

    with pytest.raises((sqlite3.OperationalError, asyncpg.UndefinedColumnError)):
        await other.door.again(wrong)


async def test_many_requests_at_once_read_the_new_model_once(site: TestSite, other: Bound) -> None:
    id = await _warm(other)
    await site.apply({"entities/deal.yaml": RENAMED})
    found = await asyncio.gather(*(other.get("deal", id) for _ in range(20)))
    assert {r["mark"] for r in found} == {"8"}
    page = await other.door.list(SYSTEM, "deal", Query())
    assert len(page.records) == 1
