"""What a plan tells about whoever uses the model: clients of the API, expressions, views; and about new checks."""

from __future__ import annotations

from pathlib import Path

import pytest

from xrm.testing import TestSite, make_site

FILE = "entities/deal.yaml"
DEAL = """entity: deal
label: "{name}"
fields:
  name: text
  size: {type: choice, choices: [small, big]}
  amount: integer
  rank: {type: text, formula: "size == 'big' ? 'first' : 'later'", stored: true}
checks:
  - {when: "size in ['big']", require: "amount != null", message: Say how much.}
views:
  list: {columns: [name, amount], filter: "size == 'big'", sort: -amount}
"""
ROLE = """
role: rep
grants: [{entity: deal, actions: [read], rows: {where: "size == 'big'"}}]
"""
NEEDED = "{type: text, required: true, backfill: x}"
FILES = {FILE: DEAL, "entities/rep.yaml": ROLE}


async def told(site: TestSite, text: str, *codes: str) -> list[tuple[str, str]]:
    """Return path and message of the warnings of a plan that have one of the codes."""
    await site.write({FILE: text})
    plan = await site.kernel.plan(site.kernel.sources())
    assert all(issue.severity == "warning" for issue in plan.issues if issue.code in codes)
    return [(issue.path, issue.message) for issue in plan.issues if issue.code in codes]


async def test_what_compares_with_a_choice_that_is_gone(tmp_path: Path, database_url: str):
    async with make_site(tmp_path, database_url, FILES) as site:
        found = await told(site, DEAL.replace("[small, big]", "[small, {name: large, was: big}]"), "meaning_changed")
        assert [path for path, _ in found] == [
            f"{FILE}:7:31",
            f"{FILE}:9:5",
            f"{FILE}:11:9",
            "entities/rep.yaml:3:56",
        ]
        assert found[0][1] == ("The formula of rank compares size with 'big', which is gone; it is called 'large' now.")
        assert await told(site, DEAL.replace("[small, big]", "[small, big, huge]"), "meaning_changed") == []


async def test_what_uses_a_field_that_changes_its_type(tmp_path: Path, database_url: str):
    async with make_site(tmp_path, database_url, FILES) as site:
        found = await told(site, DEAL.replace("amount: integer", "amount: money"), "meaning_changed")
        assert [path for path, _ in found] == [f"{FILE}:9:5", f"{FILE}:11:9"]
        assert found[0][1] == "A check uses deal.amount, which changes from integer to money."


@pytest.mark.parametrize(
    ("old", "new", "path", "message"),
    [
        ("  amount: integer", "  sum: {type: integer, was: amount}", "deal.amount", "amount becomes sum."),
        ("amount: integer", "amount: money", "deal.amount", "amount changes its type from integer to money."),
        (
            "amount: integer",
            "amount: {type: integer, read_only: true}",
            "deal.amount",
            "amount can no longer be written.",
        ),
        ("[small, big]", "[big]", "deal.size", "size knows small no more."),
        ("name: text", f"name: {NEEDED}", "deal.name", "A new record needs a value for name."),
        ("  name: text", f"  name: text\n  code: {NEEDED}", "deal.code", "A new record needs a value for it."),
        ("entity: deal", "entity: sale\nwas: deal", "sale", "/api/deal becomes /api/sale."),
    ],
)
async def test_what_breaks_clients(old: str, new: str, path: str, message: str, tmp_path: Path):
    text = DEAL.split("checks:", maxsplit=1)[0].replace("\n  rank:", "\n  # rank:")
    async with make_site(tmp_path, f"sqlite:///{tmp_path}/site.db", {FILE: text}) as site:
        assert await told(site, text.replace(old, new), "api_breaking") == [(path, f"Clients: {message}")]
        assert await told(site, text + "  more: text\n", "api_breaking") == []


async def test_what_is_dropped_breaks_clients(tmp_path: Path):
    text = DEAL.split("checks:", maxsplit=1)[0]
    async with make_site(tmp_path, f"sqlite:///{tmp_path}/site.db", {FILE: text}) as site:
        gone = text.replace("amount: integer", "amount: {type: integer, removed: true}")
        assert await told(site, gone, "api_breaking") == [("deal.amount", "Clients: amount is gone.")]
        dropped = await told(site, "entity: deal\nremoved: true", "api_breaking")
        assert dropped == [("deal", "Clients: /api/deal is gone.")]


async def test_records_that_do_not_meet_a_new_check(tmp_path: Path, database_url: str):
    async with make_site(tmp_path, database_url, FILES) as site:
        for name, amount in (("a", 1), ("b", 500), ("c", None)):
            await site.system.create("deal", {"name": name, "amount": amount})
        new = '  - {when: "amount != null", require: "amount < 100", message: Too much.}\nviews:'
        found = await told(site, DEAL.replace("views:", new), "breaks_check")
        assert found == [(f"{FILE}:10:5", "1 record does not meet the new check 'Too much.': 'b'.")]
        assert await told(site, DEAL, "breaks_check") == []
        await site.apply({FILE: DEAL.replace("views:", new)})
        assert (await site.system.find("deal", "name == 'b'"))["amount"] == 500
