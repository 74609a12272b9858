"""Many new records at once are stored in sets, and nothing else about them differs from records made one by one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from xrm.errors import Conflict, Forbidden, Invalid, NotFound, XrmError
from xrm.kernel.many import SET
from xrm.kernel.query import Query
from xrm.testing import TestSite, make_site

FILES = {
    "entities/firm.yaml": """
entity: firm
label: "{name} {code}"
fields:
  name: {type: text, required: true, max: 60}
  code: {type: text, unique: true}
  number: {type: auto_number, number: "F-{0000}"}
  size: {type: integer, min: 0}
  twice: {type: integer, formula: size * 2}
  stage: {type: choice, choices: [lead, customer], default: lead}
  phone: phone
  parent: {type: relation, to: firm, inverse: branches}
  town: {type: relation, to: town}
  partners: {type: relation, to: firm, many: true}
  worth: {type: rollup, of: orders, compute: sum, field: amount}
checks:
  - {when: "stage == 'customer'", require: "size != null", message: A customer has a size.}
---
entity: town
label: "{name}"
fields: {name: {type: text, unique: true}, secret: boolean}
---
entity: order
label: "{amount}"
fields: {amount: integer, firm: {type: relation, to: firm, inverse: orders}}
---
role: seller
grants:
  - {entity: firm, actions: [read]}
  - {entity: firm, actions: [create, update], rows: {where: "size < 100"}}
  - {entity: town, actions: [read], rows: {where: "secret != true"}}
  - {entity: user, actions: [read]}
""",
    "plugins/shop/plugin.yaml": "plugin: shop\nrequires: []\n",
    "plugins/shop/__init__.py": """
import xrm


async def number_of_same_name(context, change):
    if change.after.get("name") == "Same":
        page = await context.system.list("firm", "name == 'Same'", limit=100)
        change.set("size", len(page.records))
    if change.after.get("name") == "Forbidden":
        raise xrm.Invalid(issues=[xrm.Issue("name", "bad_name", "Not this name.")])


@xrm.hookimpl
def handlers(registry):
    registry.before_write("firm", number_of_same_name)
""",
}


@pytest.fixture
async def site(tmp_path: Path, database_url: str) -> AsyncIterator[TestSite]:
    async with make_site(tmp_path, database_url, FILES) as made:
        yield made


async def firms(site: TestSite, filter: str = "") -> list[dict[str, Any]]:
    return (await site.system.list("firm", filter, sort=("code",), limit=1000)).records


async def test_records_of_a_set_are_as_if_made_one_by_one(site: TestSite) -> None:
    seller = await site.person("S", "seller")
    town = (await site.system.create("town", {"name": "Bonn"}))["id"]
    row = {"name": " Ångström ", "size": 4, "phone": "+49 30 5", "town": {"name": "Bonn"}}
    alone = await site.records.create(seller, "firm", {**row, "code": "A"})
    ids = await site.records.create_many(seller, "firm", [{**row, "code": c} for c in "BC"], ["row 1", "row 2"])
    assert [firm["code"] for firm in await firms(site)] == ["A", "B", "C"]
    for number, (id, code) in enumerate(zip(ids, "BC", strict=True)):
        made = await site.records.get(seller, "firm", id)
        own = {"id": str(id), "code": code, "number": f"F-000{number + 2}", "label": f"Ångström {code}"}
        assert made == {**alone, **own}
        assert (made["twice"], made["town"], made["version"]) == (8, {"id": town, "label": "Bonn"}, 1)
    one, two, three = [(await site.records.history(seller, "firm", id))[0] for id in (UUID(alone["id"]), *ids)]
    assert two["changeset"] == three["changeset"] != one["changeset"]
    assert {**two["after"], "code": "A", "number": "F-0001"} == one["after"]
    assert (two["kind"], two["actor"]["label"], two["version"]) == ("create", "S", 1)
    found = await site.records.list(seller, "firm", _search("angstrom c"))
    assert [firm["code"] for firm in found.records] == ["C"]


def _search(words: str) -> Any:
    return Query(search=words)


def _counted(done: Any, asked: list[Any]) -> Any:
    async def counted(self: Any, text: Any, *args: Any) -> Any:
        asked.append(text)
        return await done(self, text, *args)

    return counted


def _town(towns: list[str], number: int) -> Any:
    """Name a town by its id, or by its key."""
    return towns[number % 20] if number % 2 else {"name": f"T{number % 6}"}


async def test_a_set_takes_few_statements(site: TestSite, monkeypatch: pytest.MonkeyPatch) -> None:
    seller = await site.person("S", "seller")
    towns = [(await site.system.create("town", {"name": f"T{n}"}))["id"] for n in range(20)]
    store, asked = type(site.kernel.store), []
    for name in ("fetch", "execute", "execute_many", "batch"):
        monkeypatch.setattr(store, name, _counted(getattr(store, name), asked))
    rows = [{"name": "N", "code": f"{n:04}", "size": 1, "town": _town(towns, n)} for n in range(SET + 20)]
    await site.records.create_many(seller, "firm", rows)
    assert len(asked) < 30
    monkeypatch.undo()
    assert len(await firms(site)) == SET + 20


@pytest.mark.parametrize(
    ("bad", "error", "code"),
    [
        ({"name": None}, Invalid, "required"),
        ({"size": -1}, Invalid, "too_small"),
        ({"stage": "customer", "size": None}, Invalid, "check_failed"),
        ({"name": "Forbidden"}, Invalid, "bad_name"),
        ({"code": "0"}, Conflict, "not_unique"),
        ({"code": "old"}, Conflict, "not_unique"),
        ({"size": 100}, Forbidden, ""),
        ({"town": str(uuid4())}, Invalid, "no_such_record"),
        ({"town": {"name": "Hidden"}}, Invalid, "no_such_record"),
        ({"nothing": 1}, Invalid, "unknown_field"),
    ],
)
async def test_one_bad_row_leaves_nothing(
    site: TestSite, bad: dict[str, Any], error: type[XrmError], code: str
) -> None:
    seller = await site.person("S", "seller")
    hidden = await site.system.create("town", {"name": "Hidden", "secret": True})
    await site.system.create("firm", {"name": "Old", "code": "old"})
    log = await site.kernel.store.fetch('SELECT count(*) FROM "xrm_change"')
    good = [{"name": "N", "code": str(n), "size": 1} for n in range(5)]
    with pytest.raises(error) as caught:
        await site.records.create_many(seller, "firm", [*good[:3], {**good[3], **bad}, good[4]])
    assert [issue.code for issue in caught.value.issues] == [code][: len(caught.value.issues)]
    assert len(await firms(site)) == 1
    assert (await site.kernel.store.fetch('SELECT count(*) FROM "xrm_change"'))[0][0] == log[0][0]
    with pytest.raises(Invalid):
        await site.records.create_many(seller, "firm", [{"name": "N", "size": 1, "town": hidden["id"]}])
    with pytest.raises(NotFound):
        await site.records.create_many(seller, "town", [{"name": "T"}])


async def test_a_row_finds_the_rows_before_it(site: TestSite) -> None:
    await site.system.create_many(
        "firm",
        [
            {"name": "Top", "code": "top"},
            {"name": "Branch", "code": "branch", "parent": {"code": "top"}},
            {"name": "Same", "code": "s1"},
            {"name": "Same", "code": "s2", "partners": [{"code": "top"}, {"code": "branch"}]},
            {"name": "Same", "code": "s3"},
        ],
    )
    made = {firm["code"]: firm for firm in await firms(site)}
    assert made["branch"]["parent"]["label"] == "Top top"
    assert [made[code]["size"] for code in ("s1", "s2", "s3")] == [0, 1, 2]
    partners = (await site.system.get("firm", made["s2"]["id"]))["partners"]
    assert sorted(partner["label"] for partner in partners) == ["Branch branch", "Top top"]


async def test_what_others_are_made_of_is_counted(site: TestSite) -> None:
    firm = await site.system.create("firm", {"name": "F"})
    await site.system.create_many("order", [{"amount": n, "firm": firm["id"]} for n in (1, 2, 3)])
    assert (await site.system.get("firm", firm["id"]))["worth"] == 6


async def test_a_record_pointed_to_cannot_go_meanwhile(site: TestSite) -> None:
    """On PostgreSQL it is held until the act ends; SQLite has one writer."""
    town = UUID((await site.system.create("town", {"name": "Bonn"}))["id"])

    async def make() -> None:
        rows = [{"name": "N", "code": str(n), "town": str(town)} for n in range(50)]
        await site.system.create_many("firm", rows)

    async def remove() -> None:
        await asyncio.sleep(0.01)
        await site.system.delete("town", town)

    outcomes = await asyncio.gather(make(), remove(), return_exceptions=True)
    pointing = [firm for firm in await firms(site) if firm["town"]]
    there = await site.system.count("town")
    assert all(outcome is None or isinstance(outcome, XrmError) for outcome in outcomes)
    assert not (pointing and there.value == 0)
