"""The policy against a naive oracle, and by non-interference: what may not be seen must not show anywhere.

The oracle decides row by row in plain Python, by the rules as they are written in docs; the policy decides in SQL.
The two-worlds test needs no oracle: two sites differ only in what an actor may not read, so every answer must be equal.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from xrm.builtin.transfer.exporting import export_csv
from xrm.errors import Conflict, Invalid, ModelError, XrmError
from xrm.kernel.change import SYSTEM, Actor
from xrm.kernel.policy import Access
from xrm.kernel.query import Place, Query
from xrm.kernel.totals import Totals
from xrm.kernel.visible import Visible
from xrm.testing import TestSite, make_site

ENTITY = """
entity: account
label: "{name}"
uses: [owned]
search: [name, secret_note]
fields:
  name: {type: text, class: public}
  region: {type: choice, choices: [north, south], class: public}
  revenue: {type: integer, class: confidential}
  secret_note: {type: text, class: confidential}
---
entity: contact
label: "{name}"
fields:
  name: {type: text, class: public}
  account: {type: relation, to: account, inverse: contacts, class: public}
---
entity: contract
label: "{number} {account}"
fields:
  number: {type: text, class: public}
  account: {type: relation, to: account, class: public}
  about: {type: relation, to: [account, user], class: public}
"""
FIELDS = ("name", "region", "revenue", "secret_note")
WHERE: dict[str, Callable[[dict[str, Any]], bool]] = {
    "": lambda row: True,
    "region == 'north'": lambda row: row["region"] == "north",
    "revenue != null && revenue > 50": lambda row: row["revenue"] is not None and row["revenue"] > 50,
    "region != 'south'": lambda row: row["region"] != "south",
}
READ: dict[str, frozenset[str]] = {
    '["*"]': frozenset(FIELDS),
    "[public]": frozenset({"name", "region"}),
    "[public, +revenue]": frozenset({"name", "region", "revenue"}),
    '["*", -secret_note]': frozenset({"name", "region", "revenue"}),
    "[confidential]": frozenset({"revenue", "secret_note"}),
}
SCOPES = ("own", "team", "unit", "unit_tree", "managed", "all")
Grant = tuple[str, str, str]  # scope, where, read
EXCEPTED = ("", "[auditor]", "[auditor, tested]")


def random_grants(chance: random.Random) -> list[Grant]:
    return [
        (chance.choice(SCOPES), chance.choice(list(WHERE)), chance.choice(list(READ)))
        for _ in range(chance.randint(1, 3))
    ]


def random_restriction(chance: random.Random) -> tuple[str, str]:
    """Return a condition, and the roles that are excepted from it."""
    return chance.choice(list(WHERE)), chance.choice(EXCEPTED)


def entity_yaml(restriction: tuple[str, str]) -> str:
    where, excepted = restriction
    if not where:
        return ENTITY
    text = f'restrict: [{{where: "{where}"{f", except: {excepted}" if excepted else ""}}}]'
    return ENTITY.replace("search: [name, secret_note]", f"search: [name, secret_note]\n{text}")


def role_yaml(grants: Sequence[Grant]) -> str:
    lines = ["role: auditor", "---", "role: tested", "grants:", "  - {entity: user, actions: [read]}"]
    for scope, where, read in grants:
        condition = f', where: "{where}"' if where else ""
        rows = f"{{scope: {scope}{condition}}}"
        lines.append(f"  - {{entity: account, actions: [read, update], rows: {rows}, fields: {{read: {read}}}}}")
    return "\n".join([*lines, "  - {entity: contact, actions: [read], rows: {via: account}}"])


Places = dict[str, set[UUID | None]]  # scope → owners; of unit and unit_tree: units


class Oracle:
    """Decides as the rules are written, one row at a time."""

    def __init__(self, grants: Sequence[Grant], places: Places, restriction: tuple[str, str]) -> None:
        self.grants, self.places = grants, places
        where, excepted = restriction
        self.restriction = WHERE["" if "tested" in excepted else where]

    def holds(self, grant: Grant, row: dict[str, Any]) -> bool:
        scope, where, _ = grant
        place = row["unit"] if scope in ("unit", "unit_tree") else row["owner"]
        return (scope == "all" or place in self.places[scope]) and WHERE[where](row) and self.restriction(row)

    def sees(self, row: dict[str, Any]) -> dict[str, Any] | None:
        holding = [grant for grant in self.grants if self.holds(grant, row)]
        if not holding:
            return None
        allowed = frozenset().union(*(READ[g[2]] for g in holding))
        known = frozenset().union(*(READ[g[2]] for g in self.grants))
        return {name: row[name] if name in allowed else None for name in FIELDS if name in known}


async def fill(site: TestSite, chance: random.Random) -> tuple[list[dict[str, Any]], Actor, Places]:
    """Fill a site: my team, the people below me (one of them twice), my unit, one below and one beside it."""
    me = await site.person("Me", "tested", team="A", unit="Mine")
    mate = await site.person("Mate", "tested", team="A")
    other = await site.person("Other", "tested", team="B")
    report = await site.person("Report", "tested")
    deep = await site.person("Deep", "tested")
    for below, above in ((report, me), (deep, report)):
        await site.system.update("user", str(below.id), {"manager": str(above.id)})
    mine = await site.system.find("unit", "name == 'Mine'")
    under = await site.system.create("unit", {"name": "Under", "parent": (mine or {})["id"]})
    beside = await site.system.create("unit", {"name": "Beside"})
    units = [UUID(unit["id"]) for unit in (mine or {}, under, beside)]
    rows = []
    for number in range(24):
        row = {
            "name": f"N{number:02d}" if chance.random() < 0.9 else None,
            "region": chance.choice(["north", "south", None]),
            "revenue": chance.choice([None, 10, 60, 90]),
            "secret_note": chance.choice([None, "alpha", "beta"]),
        }
        owner, unit = chance.choice([me, mate, other, report, deep]), chance.choice([*units, None])
        placed = {"owner": str(owner.id), "unit": str(unit) if unit else None}
        made = await site.system.create("account", {**row, **placed})
        await site.system.create("contact", {"name": f"C{number}", "account": made["id"]})
        rows.append({**row, "owner": owner.id, "unit": unit, "id": made["id"]})
    places: Places = {
        "own": {me.id},
        "team": {me.id, mate.id},
        "managed": {me.id, report.id, deep.id},
        "unit": {units[0]},
        "unit_tree": set(units[:2]),
    }
    return rows, me, places


@pytest.mark.parametrize("seed", range(6))
async def test_the_policy_agrees_with_the_oracle(tmp_path: Path, database_url: str, seed: int) -> None:
    chance = random.Random(seed)
    grants, restriction = random_grants(chance), random_restriction(chance)
    files = {"entities/a.yaml": entity_yaml(restriction), "entities/r.yaml": role_yaml(grants)}
    async with make_site(tmp_path, database_url, files) as site:
        rows, me, places = await fill(site, chance)
        for round_ in range(4):
            if round_:
                grants, restriction = random_grants(chance), random_restriction(chance)
                files = {"entities/a.yaml": entity_yaml(restriction), "entities/r.yaml": role_yaml(grants)}
                await site.apply(files)
            await _compare(site, rows, Oracle(grants, places, restriction), me, chance)


async def _compare(
    site: TestSite, rows: list[dict[str, Any]], oracle: Oracle, me: Actor, chance: random.Random
) -> None:
    expected = {row["id"]: seen for row in rows if (seen := oracle.sees(row)) is not None}
    page = await site.records.list(me, "account", Query(limit=100))
    shown = {r["id"]: {n: r[n] for n in FIELDS if n in r} for r in page.records}
    assert shown == expected
    assert (await site.records.count(me, "account", Query())).value == len(expected)
    contacts = await site.records.list(me, "contact", Query(limit=100))
    numbers = {f"C{number}" for number, row in enumerate(rows) if row["id"] in expected}
    assert {record["name"] for record in contacts.records} == numbers
    known = next(iter(expected.values())).keys() if expected else ()
    for name, test in (("revenue", lambda v: v is not None and v > 50), ("secret_note", lambda v: v == "alpha")):
        text = "revenue > 50" if name == "revenue" else "secret_note == 'alpha'"
        if name in known:
            found = await site.records.list(me, "account", Query(filter=text, limit=100))
            assert {r["id"] for r in found.records} == {i for i, seen in expected.items() if test(seen[name])}
    if "revenue" in known:
        order = await site.records.list(me, "account", Query(sort=("revenue", "id"), limit=100))
        keys = [(v is not None, v or 0, r["id"]) for r in order.records for v in [expected[r["id"]]["revenue"]]]
        assert keys == sorted(keys)
        totals = await site.records.aggregate(me, "account", Totals((), ("sum(revenue)", "max(revenue)")))
        values = [seen["revenue"] for seen in expected.values() if seen["revenue"] is not None]
        assert totals[0]["sum(revenue)"] == (sum(values) if values else None)
        assert totals[0]["max(revenue)"] == max(values, default=None)
    for row in chance.sample(rows, 5):
        await _compare_write(site, me, row, expected)


async def _compare_write(site: TestSite, me: Actor, row: dict[str, Any], expected: dict[str, Any]) -> None:
    """A record that is not seen cannot be written either; the refusal leaves it as it was."""
    if row["id"] in expected:
        return
    with pytest.raises(XrmError) as caught:
        await site.records.update(me, "account", UUID(row["id"]), {"name": "stolen"})
    assert caught.value.status == 404
    assert (await site.system.get("account", row["id"]))["name"] == row["name"]


GRANTS = """
role: tested
grants:
  - {entity: account, actions: [read], rows: own}
  - {entity: account, actions: [read], rows: {where: "region == 'north'"}, fields: {read: [public]}}
  - {entity: contact, actions: [read, update]}
  - {entity: contract, actions: [read, update, export]}
"""


async def _world(site: TestSite, variant: int) -> list[Any]:
    """Fill a site; what `variant` changes is exactly what the actor may not read. Return every answer they get."""
    me, other = await site.person("Me", "tested"), await site.person("Other", "tested")
    rows = [
        {"name": "Mine", "region": "south", "revenue": 5, "secret_note": "own", "owner": str(me.id)},
        {
            "name": "Seen",
            "region": "north",
            "revenue": 10 + variant * 80,
            "secret_note": ["x", "zebra"][variant],
            "owner": str(other.id),
        },
        {"name": ["Hidden", "Concealed"][variant], "region": "south", "revenue": 7 * variant, "owner": str(other.id)},
    ]
    ids = [(await site.system.create("account", row))["id"] for row in rows]
    for number, account in enumerate(ids):
        await site.system.create("contact", {"name": f"C{number}", "account": account})
    spare = await site.system.create("account", {"name": "Spare", "region": "south", "owner": str(other.id)})
    ends = [("account", ids[0]), ("account", ids[1]), (("account", ids[2]), ("user", str(other.id)))[variant]]
    named = [ids[0], ids[1], (ids[2], spare["id"])[variant]]
    for number, (account, (entity, id)) in enumerate(zip(named, ends, strict=True)):
        contract = {"number": f"V{number}", "account": account, "about": {"entity": entity, "id": id}}
        ids.append((await site.system.create("contract", contract))["id"])
    if variant:
        await site.system.create("account", {"name": "More", "region": "south", "owner": str(other.id)})
    return [await _answer(site, me, ask) for ask in _questions(ids)]


def _questions(ids: list[str]) -> list[Callable[[TestSite, Actor], Any]]:
    lists = [
        Query(),
        Query(sort=("revenue",)),
        Query(sort=("-secret_note", "name")),
        Query(filter="revenue > 50"),
        Query(filter="secret_note == 'zebra' || secret_note == null"),
        Query(search="zebra"),
        Query(search="hidden"),
        Query(filter="name == 'Concealed'"),
        Query(filter="owner.name == 'Other'"),
        Query(limit=1),
    ]
    contacts = [
        Query(),
        Query(filter="account.revenue > 50"),
        Query(filter="account.name == 'Hidden'"),
        Query(sort=("account.revenue", "name")),
        Query(sort=("account", "name")),
        Query(fields=("name", "account.name", "account.revenue")),
        Query(filter="account.region == 'south'"),
    ]
    contracts = [
        Query(),
        Query(fields=("number", "label", "about.entity")),
        *(Query(filter=f"account == '{id}'") for id in ids[:3]),
        *(Query(filter=f"number != 'V1' && account != '{id}'") for id in ids[:3]),
        *(Query(filter=f"about == '{id}' || label == null") for id in ids[:3]),
        Query(filter="about.entity == 'account'"),
        Query(sort=("label",)),
        Query(filter="'Hidden' in label || label == 'V2 Hidden'"),
        Query(search="Hidden"),
    ]
    totals = [
        Totals((), ("count", "sum(revenue)", "avg(revenue)", "min(secret_note)")),
        Totals(("revenue",), ("count",)),
        Totals(("region", "secret_note"), ("count", "max(revenue)")),
    ]
    asked: list[Callable[[TestSite, Actor], Any]] = []
    asked += [lambda s, a, q=q: s.records.list(a, "account", q) for q in lists]
    asked += [lambda s, a, q=q: s.records.count(a, "account", q) for q in lists]
    asked += [lambda s, a, q=q: s.records.list(a, "contact", q) for q in contacts]
    asked += [lambda s, a, q=q: s.records.list(a, "contract", q) for q in contracts]
    asked += [lambda s, a, q=q: _rows(export_csv(s.kernel, a, "contract", q)) for q in contracts]
    asked += [lambda s, a, t=t: s.records.aggregate(a, "account", t) for t in totals]
    asked += [lambda s, a: s.records.aggregate(a, "contact", Totals(("account.revenue",), ("count",)))]
    asked += [lambda s, a, i=i: s.records.get(a, "account", UUID(i)) for i in ids[:3]]
    asked += [lambda s, a, i=i: s.records.history(a, "account", UUID(i)) for i in ids[:3]]
    asked += [lambda s, a, i=i: s.records.get(a, "contract", UUID(i)) for i in ids[3:]]
    asked += [lambda s, a, i=i: s.records.history(a, "contract", UUID(i)) for i in ids[3:]]
    asked += [lambda s, a: s.records.aggregate(a, "contract", Totals(("about.entity",), ("count", "max(label)")))]
    asked += [lambda s, a: s.records.visible_ids(a, "account", [UUID(i) for i in ids])]
    return asked


async def _rows(pieces: AsyncIterator[str]) -> str:
    return "".join([piece async for piece in pieces])


async def _answer(site: TestSite, me: Actor, ask: Callable[[TestSite, Actor], Any]) -> Any:
    try:
        return repr(await ask(site, me))
    except XrmError as error:
        return f"{error.status} {error.code} {error}"


async def _both_worlds(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    answers = []
    for variant in (0, 1):
        numbers = iter(range(1, 10_000))
        for place in ("xrm.kernel.writing.uuid7", "xrm.kernel.acts.uuid7"):
            monkeypatch.setattr(place, lambda *_, numbers=numbers: UUID(int=next(numbers)))
        monkeypatch.setattr("xrm.kernel.history.log.uuid7", lambda: UUID(int=0xFFFF << 64 | random.getrandbits(60)))
        url = database_url if database_url.startswith("postgresql") else f"{database_url}{variant}"
        async with make_site(
            tmp_path / str(variant), url, {"entities/a.yaml": ENTITY, "entities/r.yaml": GRANTS}
        ) as site:
            answers.append([_without_change_ids(a) for a in await _world(site, variant)])
            if url.startswith("postgresql"):
                await site.kernel.store.execute("DROP SCHEMA public CASCADE")
                await site.kernel.store.execute("CREATE SCHEMA public")
    return answers


async def test_two_worlds_look_the_same(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = await _both_worlds(tmp_path, database_url, monkeypatch)
    assert one == other


def _raw_column(self: Visible, access: Access, alias: str, name: str, column: str) -> str:
    return f'{alias}."{column}"'


def _any_row(self: Visible, rules: object, entity: object, alias: str) -> str:
    return "1 = 1"


def _joined_unchecked(self: Visible, target: object, alias: str, pointer: str) -> str:
    return f'{alias}."id" = {pointer}'


def _everywhere(access: Access) -> Any:
    return (Place(access.entity.search, ()),)


def _nothing_needed(*_: object) -> list[str]:
    return []


@pytest.mark.parametrize(
    ("place", "leak"),
    [
        ("xrm.kernel.visible.Visible.column", _raw_column),
        ("xrm.kernel.visible.Visible.rows", _any_row),
        ("xrm.kernel.visible.Visible.joined", _joined_unchecked),
        ("xrm.kernel.query.search_places", _everywhere),
        ("xrm.kernel.visible.Visible.value", Visible.path),
        ("xrm.kernel.labels.needed", _nothing_needed),
    ],
)
async def test_a_seeded_leak_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, leak: Callable[..., Any]
) -> None:
    monkeypatch.setattr(place, leak)
    one, other = await _both_worlds(tmp_path, f"sqlite:///{tmp_path}/x.db", monkeypatch)
    assert one != other


def _without_change_ids(text: str) -> str:
    return re.sub(r"'id': '00000000-0000-ffff-[^']*'", "'id': '…'", text)


async def test_a_field_that_is_never_readable_is_as_unknown_as_one_that_does_not_exist(
    tmp_path: Path, database_url: str
) -> None:
    role = "role: tested\ngrants:\n  - {entity: account, actions: ['*'], fields: {read: [public], write: [public]}}\n"
    async with make_site(tmp_path, database_url, {"entities/a.yaml": ENTITY, "entities/r.yaml": role}) as site:
        me = await site.person("Me", "tested")
        made = await site.records.create(me, "account", {"name": "A"})
        for name in ("revenue", "nonsense"):
            texts = []
            for ask in (
                site.records.list(me, "account", Query(filter=f"{name} == null")),
                site.records.list(me, "account", Query(sort=(name,))),
                site.records.list(me, "account", Query(fields=(name,))),
                site.records.update(me, "account", UUID(made["id"]), {name: 1}),
                site.records.aggregate(me, "account", Totals((name,))),
            ):
                with pytest.raises(Invalid) as caught:
                    await ask
                texts.append(str(caught.value).replace(name, "…"))
            if name == "revenue":
                first = texts
        assert texts == first


async def test_a_write_may_not_leave_the_actor_without_the_record(tmp_path: Path, database_url: str) -> None:
    role = (
        "role: tested\ngrants:\n  - {entity: user, actions: [read]}\n"
        "  - {entity: account, actions: [read, create, update], rows: {where: \"region == 'north'\"}}\n"
    )
    async with make_site(tmp_path, database_url, {"entities/a.yaml": ENTITY, "entities/r.yaml": role}) as site:
        me = await site.person("Me", "tested")
        made = await site.records.create(me, "account", {"name": "A", "region": "north"})
        for attempt in (
            site.records.update(me, "account", UUID(made["id"]), {"region": "south"}),
            site.records.create(me, "account", {"region": "south"}),
        ):
            with pytest.raises(XrmError) as caught:
                await attempt
            assert caught.value.status == 403
        assert (await site.system.get("account", made["id"]))["region"] == "north"
        assert (await site.kernel.records.count(SYSTEM, "account", Query())).value == 1


ROLE = """
role: tested
grants:
  - {entity: user, actions: [read]}
  - entity: account
    actions: [read, create, update]
    rows: own
    preset: {owner: $user.id, region: north}
    check: "name != 'Forbidden'"
  - {entity: contact, actions: [read, create, update, delete], rows: {via: account}}
"""


async def _refused(attempt: Any, status: int) -> None:
    with pytest.raises(XrmError) as caught:
        await attempt
    assert caught.value.status == status


async def test_presets_are_forced_and_a_check_must_hold_after_the_write(tmp_path: Path, database_url: str) -> None:
    async with make_site(tmp_path, database_url, {"entities/a.yaml": ENTITY, "entities/r.yaml": ROLE}) as site:
        me, other = await site.person("Me", "tested"), await site.person("Other", "tested")
        made = await site.records.create(me, "account", {"name": "A", "owner": str(other.id), "region": "south"})
        assert (made["owner"]["id"], made["region"]) == (str(me.id), "north")
        await _refused(site.records.create(me, "account", {"name": "Forbidden"}), 403)
        await _refused(site.records.update(me, "account", UUID(made["id"]), {"name": "Forbidden"}), 403)
        assert (await site.system.get("account", made["id"]))["name"] == "A"


async def test_records_by_way_of_another_are_reached_as_that_one_is(tmp_path: Path, database_url: str) -> None:
    async with make_site(tmp_path, database_url, {"entities/a.yaml": ENTITY, "entities/r.yaml": ROLE}) as site:
        me, other = await site.person("Me", "tested"), await site.person("Other", "tested")
        mine, theirs = [
            (await site.system.create("account", {"name": "A", "owner": str(who.id)}))["id"] for who in (me, other)
        ]
        contact = await site.records.create(me, "contact", {"name": "C", "account": mine})
        hidden = await site.system.create("contact", {"name": "H", "account": theirs})
        await _refused(site.records.get(me, "contact", UUID(hidden["id"])), 404)
        await _refused(site.records.create(me, "contact", {"name": "X"}), 403)
        await _refused(site.records.delete(me, "contact", UUID(contact["id"])), 403)
        await site.system.update("account", mine, {"owner": str(other.id)})
        await _refused(site.records.get(me, "contact", UUID(contact["id"])), 404)


@pytest.mark.parametrize(
    ("grant", "code"),
    [
        ("rows: {via: name}", "not_a_relation"),
        ("rows: {via: nothing}", "unknown_field"),
        ("rows: {via: parent}", "circular_way"),
        ("preset: {nothing: 1}", "unknown_field"),
        ("preset: {size: many}", "bad_default"),
        ("preset: {created_at: $now}", "not_writable"),
        ('check: "nothing == 1"', "expression"),
    ],
)
async def test_a_grant_that_makes_no_sense_is_a_finding(tmp_path: Path, grant: str, code: str) -> None:
    entity = (
        "entity: part\nfields:\n  name: {type: text}\n  size: {type: integer}\n  parent: {type: relation, to: part}\n"
    )
    role = f"role: tested\ngrants:\n  - {{entity: part, actions: [read, create], {grant}}}\n"
    async with make_site(tmp_path, f"sqlite:///{tmp_path}/x.db", {}) as site:
        with pytest.raises(XrmError) as caught:
            await site.apply({"entities/a.yaml": entity, "entities/r.yaml": role})
    assert code in {issue.code for issue in caught.value.issues}


WORKFLOW = """
entity: request
label: "{name}"
fields:
  name: {type: text, class: public, unique: true}
  amount: {type: integer, class: public}
  state: {type: choice, class: public}
workflow:
  field: state
  initial: draft
  states: {draft: {}, asked: {}, minor: {}, agreed: {}, paid: {final: done}}
  transitions:
    ask: {from: draft, to: asked, ask: [amount]}
    agree: {from: asked, to: agreed, roles: [head]}
    small: {from: asked, to: minor, guard: "amount < 10"}
    pay: {from: [agreed, minor], to: paid}
---
role: clerk
grants:
  - {entity: request, actions: ['*']}
---
role: head
grants:
  - {entity: request, actions: ['*']}
---
role: half
grants:
  - {entity: request, actions: [read, create], rows: own, fields: {read: ['*'], write: ['*']}}
  - {entity: request, actions: [read], rows: all, fields: {read: [+state]}}
"""


@pytest.mark.parametrize(
    ("role", "values", "starts"),
    [
        ("clerk", {"state": "asked", "amount": 50}, True),
        ("clerk", {"state": "asked"}, False),
        ("clerk", {"state": "paid", "amount": 50}, False),
        ("clerk", {"state": "paid", "amount": 5}, True),
        ("clerk", {"state": "agreed", "amount": 50}, False),
        ("head", {"state": "paid", "amount": 50}, True),
        ("head", {"state": "paid"}, False),
    ],
)
async def test_a_record_starts_where_its_maker_could_have_brought_it(
    tmp_path: Path, role: str, values: dict[str, Any], starts: bool
) -> None:
    async with make_site(tmp_path, f"sqlite:///{tmp_path}/x.db", {"entities/a.yaml": WORKFLOW}) as site:
        me = await site.person("Me", role)
        if starts:
            made = await site.records.create(me, "request", {"name": "R", **values})
            assert made["state"] == values["state"]
            return
        with pytest.raises(Invalid) as caught:
            await site.records.create(me, "request", {"name": "R", **values})
        assert {issue.path for issue in caught.value.issues} <= {"state", "amount"}
        assert (await site.records.list(me, "request", Query())).records == []


async def test_a_clash_names_no_field_that_is_withheld_on_some_rows(tmp_path: Path, database_url: str) -> None:
    async with make_site(tmp_path, database_url, {"entities/a.yaml": WORKFLOW}) as site:
        await site.system.create("request", {"name": "Taken"})
        for role, named in (("clerk", ["name"]), ("half", [])):
            with pytest.raises(Conflict) as caught:
                await site.records.create(await site.person(role, role), "request", {"name": "Taken"})
            assert [issue.path for issue in caught.value.issues] == named


async def test_two_administrators_cannot_take_each_other_away(tmp_path: Path, database_url: str) -> None:
    async with make_site(tmp_path, database_url, {}) as site:
        one, other = await site.person("One", "admin"), await site.person("Other", "admin")
        answers = await asyncio.gather(
            *(
                site.records.update(who, "user", whom.id, {"active": False})
                for who, whom in ((one, other), (other, one))
                if whom.id
            ),
            return_exceptions=True,
        )
        left = await site.system.list("user", "active && 'admin' in roles")
        assert len(left.records) == 1
        assert sum(isinstance(answer, XrmError) for answer in answers) == 1


def restricted(text: str) -> dict[str, str]:
    entity = ENTITY.replace("search: [name, secret_note]", f"search: [name, secret_note]\nrestrict: [{text}]")
    roles = "".join(f"---\nrole: {name}\ngrants: [{{entity: account, actions: ['*']}}]\n" for name in ("head", "clerk"))
    return {"entities/a.yaml": entity + roles}


async def test_a_restriction_holds_for_everybody_but_the_excepted(tmp_path: Path, database_url: str) -> None:
    files = restricted("{where: \"region != 'south'\", except: [head]}")
    async with make_site(tmp_path, database_url, files) as site:
        clerk, head = await site.person("Clerk", "clerk"), await site.person("Head", "head")
        both = await site.person("Both", "clerk", "head")
        made = await site.records.create(head, "account", {"name": "S", "region": "south"})
        mine = await site.records.create(clerk, "account", {"name": "N", "region": "north"})
        seen = [len((await site.records.list(who, "account", Query())).records) for who in (clerk, head, both)]
        assert seen == [1, 2, 2]
        await _refused(site.records.get(clerk, "account", UUID(made["id"])), 404)
        await _refused(site.records.update(clerk, "account", UUID(made["id"]), {"name": "x"}), 404)
        await _refused(site.records.create(clerk, "account", {"name": "S2", "region": "south"}), 403)
        await _refused(site.records.update(clerk, "account", UUID(mine["id"]), {"region": "south"}), 403)
        assert (await site.records.count(head, "account", Query())).value == 2


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{where: nonsense == 1}", "expression"),
        ("{where: 'true', except: [nobody]}", "unknown_role"),
        ("{except: [admin]}", "missing_key"),
    ],
)
async def test_a_restriction_that_makes_no_sense_is_a_finding(tmp_path: Path, text: str, code: str) -> None:
    with pytest.raises(ModelError) as caught:
        async with make_site(tmp_path, f"sqlite:///{tmp_path}/x.db", restricted(text)):
            pass
    assert [issue.code for issue in caught.value.issues] == [code]
