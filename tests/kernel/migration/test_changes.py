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
        found = site.kernel.review(site.kernel.sources()).issues
        assert [issue.code for issue in found] == [code]
        assert found[0].path.startswith(f"{FILE}:4:")
