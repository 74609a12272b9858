"""Record types: form, fields, choices, states and rules of some of an entity's records, enforced on every write."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest

from xrm.errors import Conflict, Invalid
from xrm.kernel.change import SYSTEM
from xrm.kernel.query import Query
from xrm.metadata.explain import explain_json
from xrm.testing import make_site

FIELDS = """
label: "{name}"
fields:
  name: {type: text, required: true}
  birthday: date
  legal_form: text
  sector: {type: choice, choices: [trade, craft, none]}
  interests: {type: choices, choices: [a, b, c]}
  country: text
  size: integer
workflow:
  states: {lead: {}, active: {}, dormant: {}, gone: {final: done}}
  transitions:
    win: {from: lead, to: active}
    sleep: {from: active, to: dormant}
    leave: {from: "*", to: gone}
"""
TYPES = """
record_types:
  firm:
    title: Company
    hidden: [birthday]
    required: [legal_form]
    defaults: {country: DE, size: 1}
    choices: {sector: [trade, craft]}
    checks:
      - {name: small, when: "country == 'DE'", require: "size < 100", message: Too large for a German company.}
  human:
    title: Person
    hidden: [legal_form]
    choices: {sector: [none], interests: [a, b]}
    states: [active, gone]
"""
FILES = {
    "entities/client.yaml": f"entity: client{FIELDS}{TYPES}",
    "entities/roles.yaml": """
role: clerk
grants: [{entity: client, actions: [read, create, update]}]
---
role: humans
grants:
  - entity: client
    actions: [read, create, update]
    preset: {record_type: human}
    rows: {where: "record_type == 'human'"}
""",
}


async def refused(write) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as error:
        await write
    return sorted((issue.path, issue.code) for issue in error.value.issues)


async def test_a_new_record_has_a_type_and_what_that_gives(tmp_path: Path, database_url: str) -> None:
    async with make_site(tmp_path, database_url, FILES) as site:
        clerk = await site.person("Carl", "clerk")
        firm = await site.records.create(clerk, "client", {"name": "A", "legal_form": "Ltd"})
        assert {n: firm[n] for n in ("record_type", "country", "size", "state")} == {
            "record_type": "firm",
            "country": "DE",
            "size": 1,
            "state": "lead",
        }
        human = await site.records.create(clerk, "client", {"name": "B", "record_type": "human"})
        assert (human["state"], human["country"], human["size"]) == ("active", None, None)
        page = await site.records.list(clerk, "client", Query("record_type == 'human'", fields=("name",)))
        assert [r["name"] for r in page.records] == ["B"]
        forced = await site.records.create(await site.person("Hal", "humans"), "client", {"name": "C"})
        assert (forced["record_type"], forced["state"]) == ("human", "active")


async def test_what_its_type_does_not_allow_is_refused(tmp_path: Path, database_url: str) -> None:
    async with make_site(tmp_path, database_url, FILES) as site:
        create = site.system.create
        firm = {"name": "A", "record_type": "firm"}
        assert await refused(create("client", firm)) == [("legal_form", "required")]
        given = {**firm, "legal_form": "x", "birthday": "2000-01-01", "sector": "none", "size": 500}
        assert await refused(create("client", given)) == [
            ("birthday", "not_of_type"),
            ("sector", "choice_not_of_type"),
            ("size", "check_failed"),
        ]
        human = {"name": "B", "record_type": "human"}
        assert await refused(create("client", {**human, "interests": ["a", "c"]})) == [
            ("interests", "choice_not_of_type")
        ]
        assert await refused(create("client", {**human, "state": "lead"})) == [("state", "transition_not_allowed")]
        assert await refused(create("client", {**human, "record_type": "robot"})) == [("record_type", "not_a_choice")]
        made = await create("client", {**human, "size": 500, "legal_form": None})
        assert await refused(site.system.update("client", UUID(made["id"]), {"legal_form": "x"})) == [
            ("legal_form", "not_of_type")
        ]
        assert await refused(site.system.update("client", UUID(made["id"]), {"record_type": None})) == [
            ("record_type", "required")
        ]


async def test_a_type_has_moves_of_its_own(tmp_path: Path, database_url: str) -> None:
    async with make_site(tmp_path, database_url, FILES) as site:
        human = await site.system.create("client", {"name": "B", "record_type": "human"})
        id = UUID(human["id"])
        with pytest.raises(Conflict):
            await site.system.run("client", id, "sleep", {})
        assert await refused(site.system.update("client", id, {"state": "dormant"})) == [
            ("state", "transition_not_allowed")
        ]
        assert (await site.system.run("client", id, "leave", {}))["state"] == "gone"


async def test_a_record_becomes_one_of_another_type(tmp_path: Path, database_url: str) -> None:
    async with make_site(tmp_path, database_url, FILES) as site:
        firm = await site.system.create("client", {"name": "A", "legal_form": "Ltd", "sector": "craft"})
        id = UUID(firm["id"])
        assert await refused(site.system.update("client", id, {"record_type": "human"})) == [
            ("sector", "choice_not_of_type")
        ]
        human = await site.system.update("client", id, {"record_type": "human", "sector": "none"})
        assert (human["state"], human["legal_form"]) == ("active", "Ltd")  # it had no lead; what was written stays
        back = await site.system.update("client", id, {"record_type": "firm", "sector": None})
        assert back["state"] == "active"


async def test_old_records_get_the_default_and_follow_a_rename(tmp_path: Path, database_url: str) -> None:
    async with make_site(tmp_path, database_url, {"entities/client.yaml": f"entity: client{FIELDS}"}) as site:
        old = UUID((await site.system.create("client", {"name": "Old", "birthday": "2000-01-01"}))["id"])
        typed = FILES["entities/client.yaml"]
        await site.write({"entities/client.yaml": typed})
        plan = await site.kernel.plan(site.kernel.sources())
        told = [issue.message for issue in plan.issues if issue.code == "breaks_check"]
        assert told == []  # the type is new: nothing can be said of records yet
        await site.apply()
        assert (await site.system.get("client", old))["record_type"] == "firm"
        renamed = typed.replace("  firm:\n", "  company:\n    was: firm\n")
        await site.apply({"entities/client.yaml": renamed})
        assert (await site.system.get("client", old))["record_type"] == "company"


async def test_a_plan_counts_records_that_a_type_would_not_take(tmp_path: Path, database_url: str) -> None:
    async with make_site(tmp_path, database_url, FILES) as site:
        await site.system.create("client", {"name": "B", "record_type": "human"})
        await site.system.create("client", {"name": "A", "legal_form": "Ltd"})
        stricter = FILES["entities/client.yaml"].replace(
            "states: [active, gone]", "states: [gone]\n    required: [birthday]"
        )
        await site.write({"entities/client.yaml": stricter})
        plan = await site.kernel.plan(site.kernel.sources())
        told = sorted(issue.message for issue in plan.issues if issue.code == "breaks_check")
        assert told == [
            "1 record does not meet the new check 'Birthday is needed.': 'B'.",
            "1 record does not meet the new check 'State has a value that is not for Person.': 'B'.",
        ]


async def test_a_type_that_goes_needs_to_say_what_becomes_of_its_records(tmp_path: Path, database_url: str) -> None:
    async with make_site(tmp_path, database_url, FILES) as site:
        id = UUID((await site.system.create("client", {"name": "B", "record_type": "human"}))["id"])
        without = FILES["entities/client.yaml"].partition("  human:")[0]
        await site.write({"entities/client.yaml": without, "entities/roles.yaml": ""})
        plan = await site.kernel.plan(site.kernel.sources())
        assert any("record_type" in issue.path or "record_type" in issue.message for issue in plan.issues)
        mapped = without.replace("fields:\n", "fields:\n  record_type: {convert: {map: {human: firm}}}\n")
        await site.write({"entities/client.yaml": mapped})
        plan = await site.kernel.plan(site.kernel.sources())
        await site.kernel.apply(SYSTEM, site.kernel.sources(), frozenset(step.id for step in plan.steps))
        assert (await site.system.get("client", id))["record_type"] == "firm"


BROKEN = {
    "a: {hidden: [nmae]}": "unknown_field",
    "a: {hidden: [name]}": "option_conflict",
    "a: {hidden: [state]}": "wrong_field",
    "a: {required: [created_at]}": "wrong_field",
    "a: {hidden: [size], required: [size]}": "option_conflict",
    "a: {choices: {name: [x]}}": "wrong_field",
    "a: {choices: {sector: [trde]}}": "bad_option",
    "a: {defaults: {size: many}}": "bad_default",
    "a: {defaults: {sector: none}, choices: {sector: [trade]}}": "bad_default",
    "a: {states: [nowhere]}": "unknown_state",
    "a: {initial: dormant, states: [lead]}": "unknown_state",
    "a: {transitions: [wni]}": "unknown_action",
    "a: {sections: [{title: A, fields: [naem]}]}": "unknown_field",
    "a: {checks: [{require: 'size', message: m}]}": "expression",
    "a: {hiden: [size]}": "unknown_key",
    "human: {title: Again}": "duplicate_key",
    "fields_of: {was: [firm]}": "was_conflict",
}


@pytest.mark.parametrize("written", BROKEN)
async def test_a_wrong_type_is_told_with_its_place(tmp_path: Path, written: str) -> None:
    async with make_site(tmp_path, f"sqlite:///{tmp_path}/site.db", FILES) as site:
        text = FILES["entities/client.yaml"]
        await site.write({"entities/client.yaml": f"{text}  {written}\n"})
        findings = [i for i in site.kernel.review(site.kernel.sources()).issues if i.severity == "error"]
        assert [i.code for i in findings] == [BROKEN[written]]
        assert findings[0].path.startswith("entities/client.yaml:")


async def test_layers_change_add_and_take_away_types(tmp_path: Path) -> None:
    layered = {
        "plugins/base/plugin.yaml": "plugin: base\n",
        "plugins/base/entities/client.yaml": FILES["entities/client.yaml"],
        "entities/client.yaml": """
extends: client
fields: {record_type: {title: Sort, default: robot}}
record_types:
  firm:
    hidden: [+interests]
    required: [-legal_form]
    choices: {sector: [+none]}
    defaults: {size: 3}
    checks: [{name: small, removed: true}, {require: "size != 7", message: Not seven.}]
  human: {removed: true}
  robot: Machine
""",
        "entities/roles.yaml": "role: clerk\ngrants: [{entity: client, actions: [read, create, update]}]\n",
    }
    async with make_site(tmp_path, f"sqlite:///{tmp_path}/site.db", layered) as site:
        entity = site.kernel.model.entities["client"]
        firm = entity.record_types["firm"]
        assert list(entity.record_types) == ["firm", "robot"]
        assert (firm.hidden, firm.required, firm.choices["sector"]) == (
            ("birthday", "interests"),
            (),
            ("trade", "craft", "none"),
        )
        assert dict(firm.defaults) == {"country": "DE", "size": 3}
        assert [check.message for check in firm.checks] == ["Not seven."]
        assert (entity.fields["record_type"].title, entity.fields["record_type"].default) == ("Sort", "robot")
        told = {each["property"]: each["layer"] for each in explain_json(site.kernel.model, "client.record_types.firm")}
        assert (told["title"], told["hidden"], told["defaults"]) == ("base", "base", "base")
        made = await site.system.create("client", {"name": "R"})
        assert made["record_type"] == "robot"
        gone = explain_json(site.kernel.model, "client.record_types.human")
        assert [each["layer"] for each in gone] == ["site"]
