"""Numbers the platform gives: by year and month, without gaps or fast, never twice, also under a race."""

from __future__ import annotations

import asyncio
import re
from contextvars import Context
from datetime import UTC, datetime
from pathlib import Path

import pytest

from xrm.errors import Invalid
from xrm.kernel.change import SYSTEM
from xrm.testing import TestSite, make_site

BILL = """
entity: bill
label: "{number}"
fields:
  number: {type: auto_number, number: "INV-{YYYY}-{0000}", reset: year}
  month: {type: auto_number, number: "{YY}{MM}/{00}", reset: month}
  plain: {type: auto_number, number: "P{000}"}
  fast: {type: auto_number, number: "F-{00000}", gapless: false}
  amount: {type: integer, max: 100}
"""


async def bill(site: TestSite, amount: int = 1) -> dict[str, str]:
    return await site.system.create("bill", {"amount": amount})


async def test_numbers_begin_again_in_the_sites_time_zone(tmp_path: Path, database_url: str) -> None:
    async with make_site(tmp_path, database_url, {"entities/bill.yaml": BILL}, time_zone="Asia/Tokyo") as site:
        shown = []
        for now in (
            datetime(2026, 11, 30, 14, 59, tzinfo=UTC),
            datetime(2026, 11, 30, 15, 0, tzinfo=UTC),  # the first of December in Tokyo
            datetime(2026, 12, 31, 15, 30, tzinfo=UTC),  # 2027 there
            datetime(2027, 1, 1, 0, 0, tzinfo=UTC),
        ):
            site.clock.now = now
            made = await bill(site)
            shown.append((made["number"], made["month"], made["plain"]))
        assert shown == [
            ("INV-2026-0001", "2611/01", "P001"),
            ("INV-2026-0002", "2612/01", "P002"),
            ("INV-2027-0001", "2701/01", "P003"),
            ("INV-2027-0002", "2701/02", "P004"),
        ]


async def test_under_a_race_no_number_is_left_out_or_given_twice(tmp_path: Path, database_url: str) -> None:
    async with make_site(tmp_path, database_url, {"entities/bill.yaml": BILL}) as site:
        work = [bill(site, 1 if n % 3 else 500) for n in range(45)]  # every third is refused
        made = [m for m in await asyncio.gather(*work, return_exceptions=True) if not isinstance(m, BaseException)]
        assert len(made) == 30
        assert sorted(m["plain"] for m in made) == [f"P{n:03d}" for n in range(1, 31)]
        assert sorted(m["number"] for m in made) == [f"INV-2026-{n:04d}" for n in range(1, 31)]
        assert len({m["fast"] for m in made}) == 30


async def test_fast_numbers_of_several_processes_differ(tmp_path: Path, database_url: str) -> None:
    files = {"entities/bill.yaml": BILL}
    async with make_site(tmp_path, database_url, files) as one, make_site(tmp_path, database_url, files) as two:
        for _ in range(3):  # several blocks of each
            made = await asyncio.gather(*(bill(site) for site in (one, two) for _ in range(20)))
            assert len(made) == 40
        rows = await one.kernel.store.fetch('SELECT "fast", "plain" FROM "bill"')
        assert len({row[0] for row in rows}) == 120
        assert sorted(row[1] for row in rows) == [f"P{n:03d}" for n in range(1, 121)]


async def test_a_fast_number_does_not_wait_for_another_record(tmp_path: Path, postgres_url: str) -> None:
    fast = "entity: note\nlabel: '{number}'\nfields: {number: {type: auto_number, number: 'N{0}', gapless: false}}\n"
    async with make_site(tmp_path, postgres_url, {"entities/note.yaml": fast}) as site:
        await site.system.create("note", {})  # the first is counted; a block is taken behind it
        await site.records.close()
        async with site.records.act(SYSTEM):
            held = await site.system.create("note", {})
            other = await asyncio.wait_for(asyncio.create_task(_apart(site)), 5)
            assert held["number"] != other["number"]


async def _apart(site: TestSite) -> dict[str, str]:
    """Create a note in a transaction of its own."""
    loop, made = asyncio.get_running_loop(), []

    async def work() -> None:
        made.append(await site.system.create("note", {}))

    await loop.create_task(work(), context=Context())
    found: dict[str, str] = made[0]
    return found


async def test_a_rename_takes_the_counters_along(tmp_path: Path, database_url: str) -> None:
    async with make_site(tmp_path, database_url, {"entities/bill.yaml": BILL}) as site:
        await bill(site)
        gone = BILL.replace("gapless: false}", "gapless: false, removed: true}")
        await site.write({"entities/bill.yaml": gone})
        plan = await site.kernel.plan(site.kernel.sources())
        await site.apply(consent=[step.id for step in plan.steps])
        renamed = (
            re.sub(r"  fast: .*\n", "", BILL)
            .replace("entity: bill", "entity: invoice\nwas: bill")
            .replace("  number: {type", "  code: {was: number, type")
            .replace("  plain: {", "  fast: {was: plain, ")  # whose counter was left behind
            .replace('"{number}"', '"{code}"')
        )
        await site.apply({"entities/bill.yaml": renamed})
        made = await site.system.create("invoice", {"amount": 1})
        assert (made["code"], made["month"], made["fast"]) == ("INV-2026-0002", "2611/02", "P002")


async def test_a_new_counter_goes_on_after_the_numbers_there_are(tmp_path: Path, database_url: str) -> None:
    plain = BILL.replace(", reset: year", "").replace("fields:", "fields:\n  late: {type: integer}")
    async with make_site(tmp_path, database_url, {"entities/bill.yaml": plain}) as site:
        for _ in range(3):
            await bill(site)
        await site.apply({"entities/bill.yaml": BILL.replace("fields:", "fields:\n  late: {type: integer}")})
        assert [(await bill(site))["number"] for _ in range(2)] == ["INV-2026-0004", "INV-2026-0005"]
        site.clock.now = datetime(2027, 5, 1, tzinfo=UTC)
        assert (await bill(site))["number"] == "INV-2027-0001"


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ('number: "A-{0000}", reset: year', "tell them apart by {YYYY}"),
        ('number: "A-{YYYY}-{0000}", reset: month', "tell them apart by {MM}"),
        ('number: "A-{YYYY}"', "one group of zeros"),
        ('number: "A-{00}-{00}"', "one group of zeros"),
        ('number: "A-{DD}-{00}"', "the pattern has {DD}"),
        ('number: "A-{00"', "a brace without its partner"),
        ('number: "A-{00}", reset: daily', "'daily' is not allowed"),
        ('number: "A-{00}", gapless: 1', "true or false is expected"),
    ],
)
async def test_a_pattern_that_would_give_a_number_twice_is_told(tmp_path: Path, written: str, hint: str) -> None:
    url = f"sqlite:///{tmp_path}/site.db"
    async with make_site(tmp_path, url, {"entities/bill.yaml": BILL}) as site:
        text = f"entity: t\nlabel: '{{a}}'\nfields: {{a: {{type: auto_number, {written}}}}}\n"
        await site.write({"entities/t.yaml": text})
        (found,) = [i for i in site.kernel.review(site.kernel.sources()).issues if i.severity == "error"]
        assert hint in found.message
        assert found.path.startswith("entities/t.yaml:3:")


async def test_a_refused_record_gives_its_number_back(tmp_path: Path, database_url: str) -> None:
    async with make_site(tmp_path, database_url, {"entities/bill.yaml": BILL}) as site:
        with pytest.raises(Invalid):
            await bill(site, 101)
        assert (await bill(site))["plain"] == "P001"
