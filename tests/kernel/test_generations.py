"""A model changes while the site runs: computed values follow, other processes follow, nothing is half done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest

from xrm.errors import Conflict, ModelError, NotFound
from xrm.kernel.change import SYSTEM
from xrm.kernel.kernel import Kernel
from xrm.kernel.query import Query
from xrm.testing import TestSite, make_site

DEAL = """
entity: deal
label: "{name}"
search: [name]
fields:
  name: text
  amount: money
  share: {type: percent, default: 50}
  part: {type: money, formula: "amount * share / 100"}
"""


@pytest.fixture
async def site(tmp_path: Path, database_url: str) -> AsyncIterator[TestSite]:
    async with make_site(tmp_path, database_url, {"entities/deal.yaml": DEAL}) as made:
        await made.system.create("deal", {"name": "Lathe", "amount": "100"})
        yield made


async def _only(site: TestSite) -> dict[str, object]:
    return (await site.system.list("deal")).records[0]


async def test_a_new_label_search_and_formula_reach_the_records_that_are_there(site: TestSite) -> None:
    before = await _only(site)
    assert before["part"] == {"amount": "50.00", "currency": "EUR"}
    changed = (
        DEAL.replace('"{name}"', '"{name}: {amount}"')
        .replace("[name]", "[name, code]")
        .replace("  name: text", "  name: text\n  code: {type: text, default: x}")
        .replace("/ 100", "/ 10")
    )
    await site.apply({"entities/deal.yaml": changed})
    after = await _only(site)
    assert after["label"] == "Lathe: 100.00 EUR"
    assert after["part"] == {"amount": "500.00", "currency": "EUR"}
    assert after["version"] == before["version"], "a computed value is no change of the record"


async def test_a_rename_keeps_the_values(site: TestSite) -> None:
    renamed = DEAL.replace("entity: deal", "entity: chance\nwas: deal").replace(
        "  amount: money", "  value: {type: money, was: amount}"
    )
    await site.apply({"entities/deal.yaml": renamed.replace("amount *", "value *")})
    kept = (await site.system.list("chance")).records[0]
    assert (kept["name"], kept["value"]) == ("Lathe", {"amount": "100.00", "currency": "EUR"})
    with pytest.raises(NotFound):
        await site.system.list("deal")
    assert len(await site.records.history(SYSTEM, "chance", UUID(str(kept["id"])))) == 1


async def test_what_is_only_left_out_is_not_dropped(site: TestSite) -> None:
    without = DEAL.replace("  share: {type: percent, default: 50}\n", "").replace('"amount * share / 100"', '"amount"')
    await site.apply({"entities/deal.yaml": without})
    assert "share" not in await _only(site)
    await site.apply({"entities/deal.yaml": DEAL})
    assert (await _only(site))["share"] == "50.00"


async def test_a_drop_wants_consent(site: TestSite) -> None:
    dropped = DEAL.replace("  name: text", "  name: {type: text, removed: true}").replace('"{name}"', '"{amount}"')
    dropped = dropped.replace("search: [name]\n", "")
    with pytest.raises(Conflict) as caught:
        await site.apply({"entities/deal.yaml": dropped})
    assert (await _only(site))["name"] == "Lathe"
    await site.apply(consent=caught.value.details["steps"])
    assert "name" not in await _only(site)


async def test_records_that_stand_in_the_way_are_named(site: TestSite) -> None:
    await site.system.create("deal", {"amount": "1"})
    with pytest.raises(ModelError) as caught:
        await site.apply({"entities/deal.yaml": DEAL.replace("name: text", "name: {type: text, required: true}")})
    assert caught.value.issues[0].path == "deal.name"
    await site.apply(
        {"entities/deal.yaml": DEAL.replace("name: text", "name: {type: text, required: true, backfill: '?'}")}
    )
    assert {r["name"] for r in (await site.system.list("deal")).records} == {"Lathe", "?"}


async def test_a_bad_file_leaves_the_good_model_in_force(site: TestSite) -> None:
    generation = site.kernel.live.generation
    with pytest.raises(ModelError) as caught:
        await site.apply({"entities/deal.yaml": DEAL.replace("type: percent", "type: percnt")})
    assert caught.value.issues[0].path.startswith("entities/deal.yaml:8:")
    assert site.kernel.live.generation == generation
    assert await _only(site)


async def test_another_process_follows(site: TestSite) -> None:
    other = await Kernel.open(site.kernel.settings)
    try:
        other.watch()
        await site.apply({"entities/machine.yaml": "entity: machine\nlabel: '{name}'\nfields: {name: text}\n"})
        for _ in range(40):
            if other.live.generation == site.kernel.live.generation:
                break
            await asyncio.sleep(0.1)
        assert await other.records.list(SYSTEM, "machine", Query())
    finally:
        await other.close()


async def test_a_kernel_starts_with_the_model_in_the_journal_not_the_files(site: TestSite) -> None:
    await site.write({"entities/deal.yaml": "entity: [broken"})
    other = await Kernel.open(site.kernel.settings)
    try:
        assert "deal" in other.model.entities
    finally:
        await other.close()


async def test_writes_go_on_while_the_model_changes(site: TestSite) -> None:
    failures: list[Exception] = []
    stop = asyncio.Event()

    async def write() -> int:
        count = 0
        while not stop.is_set():
            try:
                await site.system.create("deal", {"name": f"n{count}", "amount": "1"})
                count += 1
            except Exception as error:  # noqa: BLE001  # whatever it is, it is the finding
                failures.append(error)
            await asyncio.sleep(0)
        return count

    writer = asyncio.create_task(write())
    for number in range(4):
        await site.apply({"entities/deal.yaml": DEAL + f"  extra{number}: text\n"})
        await asyncio.sleep(0.05)
    stop.set()
    written = await writer
    assert not failures
    assert (await site.system.count("deal")).value == written + 1
