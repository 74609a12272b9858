"""Every kind of change of a model, on both databases: the plan, the data afterwards, and the way back."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.migration.change_cases import CASES, Case, Rows
from tests.kernel.migration.planning import look
from xrm.errors import Conflict, ModelError
from xrm.kernel.change import SYSTEM as ACTOR
from xrm.kernel.migration.plan import Plan
from xrm.testing import TestSite, make_site

FILE = "entities/case.yaml"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "_"))
async def test_change(case: Case, tmp_path: Path, database_url: str):
    async with make_site(tmp_path, database_url, {FILE: case.before}) as site:
        made = await fill(site, case.rows)
        shape = await shape_of(site)
        plan = await planned(site, case.after)
        told_of = [told(step) for step in plan.shown if not beside(case, step)]
        assert told_of == expected(case)
        for part in case.says:
            assert any(part in step.description for step in plan.shown), part
        found = [i for i in plan.issues if i.code not in IGNORED]
        assert [(i.code, i.path) for i in found] == [(code, path) for code, path, _ in case.issues]
        assert all(part in i.message for i, (_, _, part) in zip(found, case.issues, strict=True)), found
        if case.then is None:
            await refused(site, case, made, shape)
            return
        await done(site, plan)
        await agrees(site, case.then, made)
        await done(site, await planned(site, case.back or case.before))
        assert await shape_of(site) == shape


IGNORED = {"kept", "api_breaking", "meaning_changed"}


async def refused(site: TestSite, case: Case, made: dict[str, str], shape: Any) -> None:
    """Apply what must be refused; see that nothing changed."""
    with pytest.raises(ModelError):
        await site.apply()
    assert await shape_of(site) == shape
    await site.write({FILE: case.before})
    assert (await site.kernel.plan(site.kernel.sources())).empty
    await agrees(site, {name: [dict(row) for row in rows] for name, rows in case.rows.items()}, made)


async def planned(site: TestSite, text: str) -> Plan:
    await site.write({FILE: text})
    return await site.kernel.plan(site.kernel.sources())


async def done(site: TestSite, plan: Plan) -> None:
    """Apply a plan as it was shown, with consent to what it loses."""
    assert not plan.blocking, plan.blocking
    consent = frozenset(step.id for step in plan.destructive)
    applied = await site.kernel.apply(ACTOR, site.kernel.sources(), consent, plan.seal)
    assert [told(s) for s in applied.steps] == [told(s) for s in plan.shown]
    left = await site.kernel.store.fetch(TEMPORARY[site.kernel.store.dialect.name])
    assert left == []


TEMPORARY = {
    "sqlite": "SELECT name FROM sqlite_temp_schema",
    "postgresql": "SELECT relname FROM pg_class WHERE relpersistence = 't' AND relname LIKE 'xrm_laid%'",
}


def told(step: Any) -> str:
    name = f"{step.entity}.{step.field}".rstrip(".")
    numbers = " ".join(str(n) for n in (step.affected, step.lost) if n is not None)
    return f"{step.kind} {name} {step.severity} {numbers}".strip()


def beside(case: Case, step: Any) -> bool:
    """Whether a step only goes with another one: keys, and indexes where the case is not about them."""
    return step.kind.endswith("_key") or (step.kind.endswith("_index") and "index" not in str(case.steps))


def expected(case: Case) -> list[str]:
    """Return what the plan must say; numbers that a case leaves out are 0."""
    return [f"{text} 0" if len(text.split()) == 3 else text for text in case.steps]


async def fill(site: TestSite, rows: Rows) -> dict[str, str]:
    """Create records; return their ids by the names that relations use for them."""
    made: dict[str, str] = {}
    for entity, given in rows.items():
        for number, row in enumerate(given):
            values = {name: pointed(site, entity, name, value, made) for name, value in row.items()}
            site.clock.forward(timedelta(seconds=1))
            made[f"#{entity}.{number}"] = (await site.system.create(entity, values))["id"]
    return made


def pointed(site: TestSite, entity: str, name: str, value: Any, made: dict[str, str]) -> Any:
    if not (isinstance(value, str) and value.startswith("#")):
        return value
    field = site.kernel.model.entities[entity].fields[name]
    return {"entity": value[1:].partition(".")[0], "id": made[value]} if field.polymorphic else made[value]


async def agrees(site: TestSite, then: Rows, made: dict[str, str]) -> None:
    for entity, rows in then.items():
        names = tuple(dict.fromkeys(name for row in rows for name in row))
        page = await site.system.list(entity, sort=("created_at", "id"))
        found = [{n: shown(r[n]) for n in names} for r in page.records]
        wanted = [{n: made.get(v, v) if isinstance(v, str) else v for n, v in row.items()} for row in rows]
        assert found == wanted


def shown(value: Any) -> Any:
    return value["id"] if isinstance(value, dict) and "id" in value else value


async def shape_of(site: TestSite) -> Any:
    """Return the tables with everything on them; only the names made of ids are left out."""
    tables = await look(site.kernel.store)
    return {
        name: (table["columns"], sorted(map(str, table["indexes"].values())), table["keys"])
        for name, table in tables.items()
        if not name.startswith("xrm_")
    }


async def test_a_seal_tells_of_the_records_that_would_be_hit(tmp_path: Path, database_url: str):
    field = "entity: thing\nfields:\n  name: text\n  a: {type: text, max: 9"
    async with make_site(tmp_path, database_url, {FILE: field + "}"}) as site:
        await site.system.create("thing", {"a": "much"})
        plan = await planned(site, field.replace("9", "3, convert: {otherwise: clear}") + "}")
        consent = frozenset(step.id for step in plan.destructive)
        await site.system.create("thing", {"name": "in nobody's way", "a": "few"})
        assert (await site.kernel.plan(site.kernel.sources())).seal == plan.seal
        await site.system.create("thing", {"a": "more"})
        with pytest.raises(Conflict, match="records changed"):
            await site.kernel.apply(ACTOR, site.kernel.sources(), consent, plan.seal)
        with pytest.raises(Conflict, match="consent"):
            await site.kernel.apply(ACTOR, site.kernel.sources())
        await done(site, await site.kernel.plan(site.kernel.sources()))
        await agrees(site, {"thing": [{"a": None}, {"a": "few"}, {"a": None}]}, {})


async def test_a_definition_that_cannot_be_carried_out_is_a_finding(tmp_path: Path, database_url: str):
    plain = "entity: thing\nfields:\n  n: integer\n  a: text\n"
    async with make_site(tmp_path, database_url, {FILE: plain}) as site:
        cases = {
            plain.replace("a: text", 'a: {type: integer, convert: "m * 2"}'): ("expression", "error"),
            plain.replace("a: text", 'a: {type: integer, convert: "n > 1"}'): ("expression", "error"),
            plain.replace("n: integer", "m: {type: text, was: n}")
            + '  b: {type: text, backfill: {expression: "m"}}\n': ("expression", "error"),
            plain + "  b: {type: text, was: nowhere.a}\n": ("nothing_to_move", "warning"),
        }
        for text, wanted in cases.items():
            plan = await planned(site, text)
            found = [(i.code, i.severity) for i in plan.issues if i.code not in IGNORED]
            assert found == [wanted], text
        await site.write({FILE: plain})


@pytest.mark.parametrize(
    ("field", "code"),
    [
        ("{type: choice, choices: [a, {name: b, was: a}]}", "was_conflict"),
        ("{type: choice, choices: [{name: a, was: c}, {name: b, was: c}]}", "was_conflict"),
        ("{type: choice, choices: [a], convert: {map: {x: z}}}", "bad_option"),
        ('{type: integer, convert: "1 +"}', "expression"),
        ('{type: integer, convert: {expression: "1", map: {a: 1}}}', "option_conflict"),
        ("{type: integer, convert: {by: code}}", "option_conflict"),
        ("{type: relation, to: user, convert: {by: codes}}", "unknown_field"),
        ('{type: integer, backfill: {expression: "b"}}', "expression"),
        ('{type: text, backfill: {expression: "user.email"}}', "expression"),
        ('{type: integer, formula: "1", convert: "2"}', "option_conflict"),
        ("{type: choice, choices: [a], convert: {otherwise: what}}", "not_allowed"),
        ("{type: text, was: a.b.c}", "bad_name"),
    ],
)
async def test_what_the_files_may_not_say(field: str, code: str, tmp_path: Path):
    plain = "entity: thing\nfields:\n  n: integer\n"
    async with make_site(tmp_path, f"sqlite:///{tmp_path}/site.db", {FILE: plain}) as site:
        await site.write({FILE: f"{plain}  a: {field}\n"})
        found = [i for i in site.kernel.review(site.kernel.sources()).issues if i.path.startswith("entities/")]
        assert [issue.code for issue in found] == [code]
        assert found[0].path.startswith(f"{FILE}:4:")


DEAL = "entity: party\nfields: {name: text}\n---\nentity: deal\nlabel: '{name}'\nfields:\n  name: text\n  who: "
ONE, MANY = DEAL + "{type: relation, to: party}\n", DEAL + "{type: relation, to: party, many: true}\n"


async def _links(site: TestSite) -> dict[str, list[str]]:
    records = (await site.system.list("deal", sort=("name",))).records
    return {r["name"]: [one["label"] for one in r["who"]] for r in records}


async def test_a_relation_to_one_becomes_one_to_many_and_back(tmp_path: Path, database_url: str):
    async with make_site(tmp_path, database_url, {FILE: ONE}) as site:
        made = {name: (await site.system.create("party", {"name": name}))["id"] for name in ("Ann", "Bob")}
        x = await site.system.create("deal", {"name": "x", "who": made["Ann"]})
        await site.system.create("deal", {"name": "y", "who": made["Bob"]})
        await site.system.create("deal", {"name": "z"})
        plan = await planned(site, MANY)
        assert [told(s) for s in plan.shown if not s.kind.endswith(("_key", "_index"))] == [
            "create_table deal_who safe 0",
            "copy_links deal.who slow 2",
        ]
        await done(site, plan)
        assert await _links(site) == {"x": ["Ann"], "y": ["Bob"], "z": []}
        labels = [r["label"] for r in (await site.system.list("deal_who", sort=("label",))).records]
        assert labels == ["x – Ann", "y – Bob"]

        await site.system.update("deal", x["id"], {"who": {"add": [made["Bob"]]}})
        plan = await planned(site, ONE)
        assert [(i.code, i.path) for i in plan.blocking] == [("values_differ", "deal.who")]
        assert "1 record" in plan.blocking[0].message
        await site.system.update("deal", x["id"], {"who": {"remove": [made["Ann"]]}})
        await done(site, await planned(site, ONE))
        records = (await site.system.list("deal", sort=("name",))).records
        assert [r["who"] and r["who"]["label"] for r in records] == ["Bob", "Bob", None]

        await site.system.update("deal", x["id"], {"who": made["Ann"]})
        await done(site, await planned(site, MANY))
        assert await _links(site) == {"x": ["Ann"], "y": ["Bob"], "z": []}


async def test_a_rollback_brings_a_relation_to_one_back(tmp_path: Path, database_url: str):
    async with make_site(tmp_path, database_url, {FILE: ONE}) as site:
        ann = await site.system.create("party", {"name": "Ann"})
        await site.system.create("deal", {"name": "x", "who": ann["id"]})
        await done(site, await planned(site, MANY))
        back = await site.kernel.plan_rollback(1)
        consent = frozenset(step.id for step in back.destructive)
        await site.kernel.rollback(ACTOR, 1, consent, back.seal)
        assert (await site.system.list("deal")).records[0]["who"]["label"] == "Ann"


async def test_links_that_ask_for_more_are_not_made_up(tmp_path: Path, database_url: str):
    through = "through: {entity: seat, fields: {role: {type: text, required: true}}}"
    async with make_site(tmp_path, database_url, {FILE: ONE}) as site:
        ann = await site.system.create("party", {"name": "Ann"})
        await site.system.create("deal", {"name": "x", "who": ann["id"]})
        plan = await planned(site, MANY.replace("many: true", f"many: true, {through}"))
        assert "drop_field deal.who destructive 1" in [told(step) for step in plan.shown]


UNIQUE = "{type: choice, choices: [%s], unique: true}"


async def test_values_that_become_the_same_are_counted_before(tmp_path: Path, database_url: str):
    before = "entity: thing\nfields:\n  a: {type: choice, choices: [one, two, three]}\n"
    async with make_site(tmp_path, database_url, {FILE: before}) as site:
        made = [await site.system.create("thing", {"a": value}) for value in ("one", "two", "three")]
        after = "entity: thing\nfields:\n  a: " + UNIQUE % "{name: first, was: [one, two]}, three" + "\n"
        plan = await planned(site, after)
        assert [(i.code, i.path) for i in plan.blocking] == [("not_unique", "thing.a")]
        assert "2 records share their value with another, like first" in plan.blocking[0].message
        with pytest.raises(ModelError) as caught:
            await site.apply()
        assert [i.code for i in caught.value.issues] == ["not_unique"]
        await site.system.delete("thing", made[1]["id"])
        await done(site, await planned(site, after))


async def test_what_only_the_database_finds_is_a_finding_too(tmp_path: Path, database_url: str):
    before = "entity: thing\nfields:\n  a: {type: choice, choices: [one, two]}\n  b: text\n"
    after = before.replace("[one, two]", "[{name: one, was: two}]") + "unique: [[a, b]]\n"
    async with make_site(tmp_path, database_url, {FILE: before}) as site:
        for value in ("one", "two"):
            await site.system.create("thing", {"a": value, "b": "x"})
        await planned(site, after)
        with pytest.raises(ModelError) as caught:
            await site.apply()
        assert [(i.code, i.path) for i in caught.value.issues] == [("not_unique", "thing.a")]
        assert "a and b" in caught.value.issues[0].message
        assert {r["a"] for r in (await site.system.list("thing")).records} == {"one", "two"}


async def test_records_that_are_above_themselves_are_in_the_way_of_a_hierarchy(tmp_path: Path, database_url: str):
    before = "entity: unit_of\nlabel: '{name}'\nfields:\n  name: text\n  up: {type: relation, to: unit_of}\n"
    async with make_site(tmp_path, database_url, {FILE: before}) as site:
        top = await site.system.create("unit_of", {"name": "Top"})
        a = await site.system.create("unit_of", {"name": "A", "up": top["id"]})
        b = await site.system.create("unit_of", {"name": "B", "up": a["id"]})
        below = await site.system.create("unit_of", {"name": "Below", "up": b["id"]})
        await site.system.update("unit_of", a["id"], {"up": b["id"]})
        after = before.replace("to: unit_of}", "to: unit_of, hierarchy: true}")
        plan = await planned(site, after)
        assert [(i.code, i.path) for i in plan.blocking] == [("circular", "unit_of.up")]
        assert "2 records are above themselves, like 'A', 'B'" in plan.blocking[0].message
        with pytest.raises(ModelError):
            await site.apply()
        await site.system.update("unit_of", a["id"], {"up": top["id"]})
        await done(site, await planned(site, after))
        found = await site.system.list("unit_of", f"under(up, '{a['id']}')", sort=("name",))
        assert {r["name"] for r in found.records} >= {"B", "Below"}, below
