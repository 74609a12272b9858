"""Buttons of an entity: offered and pressed where their condition holds, by whoever has the right."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest

from xrm.errors import Conflict, Forbidden, Invalid, NotFound
from xrm.kernel.buttons import Press, opened
from xrm.kernel.hooks import Action
from xrm.metadata.explain import explain_json
from xrm.site import open_site
from xrm.testing import TestSite, make_site, site_settings, write_files

LOAN = """
entity: loan
label: "{title}"
fields:
  title: {type: text, required: true, max: 12}
  amount: {type: integer, required: true}
  approved_by: {type: user, read_only: true}
  approved_on: {type: date, read_only: true}
  note: {type: text, max: 20, class: confidential}
  page: url
workflow:
  states: {draft: {}, sent: {}, closed: {final: done}}
  transitions:
    send: {from: draft, to: sent, ask: [note]}
    close: {from: sent, to: closed}
buttons:
  approve:
    title: Approve it
    icon: check2-circle
    color: success
    confirm: Really?
    when: "amount <= 1000 && approved_by == null"
    set: {approved_by: user.id, approved_on: today()}
  submit: {move: send, when: "amount > 0"}
  lookup: {open: "https://search.example.com/find?q={title + ' ' + note}&n={amount}"}
  visit: {open: "{page}"}
  shout: {set: {title: "title + title"}}
  swell: {run: grow, confirm: Grow it?}
"""
ROLES = """
role: approver
grants:
  - {entity: loan, actions: [read], fields: {read: [internal]}}
  - {entity: user, actions: [read]}
  - {entity: loan, actions: ["run:approve", "run:lookup", "run:visit", "run:shout"]}
---
role: clerk
grants:
  - {entity: loan, actions: [read, update, "run:submit", "run:swell", "run:lookup"]}
---
role: chief
grants: [{entity: loan, actions: [read, update, "run:*"]}]
---
role: reader
grants: [{entity: loan, actions: [read]}]
"""
CODE = """
import xrm


async def grow(context, record, values):
    await context.records.update("loan", record["id"], {"amount": record["amount"] + values["by"]})


@xrm.hookimpl
def actions():
    return [xrm.Action("loan", "grow", "Grow", grow, (xrm.Field("by", "integer", "By", required=True),))]
"""
FILES = {
    "entities/loan.yaml": LOAN,
    "entities/roles.yaml": ROLES,
    "plugins/growing/plugin.yaml": "plugin: growing\ntitle: Growing\n",
    "plugins/growing/__init__.py": CODE,
}


async def a_loan(site: TestSite, **values: object) -> UUID:
    made = await site.system.create("loan", {"title": "Car & Co", "amount": 10, "note": "n/../?", **values})
    return UUID(made["id"])


async def test_a_button_sets_fields_its_presser_may_not_write(tmp_path: Path, database_url: str) -> None:
    async with make_site(tmp_path, database_url, FILES) as site:
        ann = await site.person("Ann", "approver")
        id = await a_loan(site)
        with pytest.raises(Forbidden):
            await site.records.update(ann, "loan", id, {"approved_on": "2026-01-01"})
        shown = await site.records.run(ann, "loan", id, "approve", {})
        assert shown["approved_by"]["id"] == str(ann.id)
        assert shown["approved_on"] == "2026-11-02"
        latest = (await site.records.history(ann, "loan", id))[0]
        assert (latest["action"], latest["actor"]["label"]) == ("approve", "Ann")
        with pytest.raises(Conflict):  # its condition no longer holds
            await site.records.run(ann, "loan", id, "approve", {})


async def test_only_whoever_has_the_right_may_press(tmp_path: Path, database_url: str) -> None:
    async with make_site(tmp_path, database_url, FILES) as site:
        id = await a_loan(site)
        people = {role: await site.person(role, role) for role in ("approver", "clerk", "chief", "reader")}
        for role, name in (("reader", "approve"), ("clerk", "approve"), ("approver", "submit"), ("approver", "swell")):
            assert f"run:{name}" not in await site.records.permitted(people[role], "loan", id)
            with pytest.raises(Forbidden):
                await site.records.run(people[role], "loan", id, name, {"by": 1} if name == "swell" else {})
        with pytest.raises(NotFound):
            await site.records.run(people["chief"], "loan", id, "nothing", {})
        held = await site.records.permitted(people["chief"], "loan", id)
        assert {n for n in held if n.startswith("run:")} == {
            f"run:{n}" for n in ("approve", "submit", "lookup", "visit", "shout", "swell", "grow")
        }


async def test_a_button_makes_a_move_as_the_workflow_allows(tmp_path: Path, database_url: str) -> None:
    async with make_site(tmp_path, database_url, FILES) as site:
        clerk = await site.person("Carl", "clerk")
        id = await a_loan(site, note=None)
        with pytest.raises(Invalid):  # the move asks for a note
            await site.records.run(clerk, "loan", id, "submit", {})
        moved = await site.records.run(clerk, "loan", id, "submit", {"note": "please"})
        assert (moved["state"], moved["note"]) == ("sent", "please")
        with pytest.raises(Conflict):
            await site.records.run(clerk, "loan", id, "submit", {"note": "again"})


async def test_a_button_runs_a_plugins_action_for_whoever_may_run_both(tmp_path: Path, database_url: str) -> None:
    async with make_site(tmp_path, database_url, FILES) as site:
        id = await a_loan(site)
        clerk, chief = await site.person("Carl", "clerk"), await site.person("Cleo", "chief")
        with pytest.raises(Forbidden):  # the button, but not the action
            await site.records.run(clerk, "loan", id, "swell", {"by": 5})
        with pytest.raises(Invalid):
            await site.records.run(chief, "loan", id, "swell", {})
        assert (await site.records.run(chief, "loan", id, "swell", {"by": 5}))["amount"] == 15


async def test_what_a_button_sets_must_fit_the_field(tmp_path: Path, database_url: str) -> None:
    async with make_site(tmp_path, database_url, FILES) as site:
        ann = await site.person("Ann", "approver")
        id = await a_loan(site)
        with pytest.raises(Invalid) as refused:
            await site.records.run(ann, "loan", id, "shout", {})
        assert [issue.path for issue in refused.value.issues] == ["title"]
        assert (await site.system.get("loan", id))["title"] == "Car & Co"
        with pytest.raises(Invalid):  # and nobody sends it values of their own
            await site.records.run(ann, "loan", id, "shout", {"title": "x"})


async def test_an_address_is_made_of_what_its_reader_may_read(tmp_path: Path, database_url: str) -> None:
    async with make_site(tmp_path, database_url, FILES) as site:
        id = await a_loan(site)
        ann, cleo = await site.person("Ann", "approver"), await site.person("Cleo", "chief")
        whole = await site.records.run(cleo, "loan", id, "lookup", {})
        assert whole["_open"] == "https://search.example.com/find?q=Car%20%26%20Co%20n%2F..%2F%3F&n=10"
        before = whole["version"]
        partly = await site.records.run(ann, "loan", id, "lookup", {})
        assert "n%2F" not in partly["_open"]
        assert partly["version"] == before  # nothing changes


@pytest.mark.parametrize(
    ("written", "opens"),
    [
        ("https://example.com/a?b=1", True),
        ("http://example.com/", False),
        ("https://user@example.com/", False),
        (None, False),
    ],
)
async def test_a_field_alone_opens_only_where_it_is_safe(tmp_path: Path, written: str | None, opens: bool) -> None:
    async with make_site(tmp_path, f"sqlite:///{tmp_path}/site.db", FILES) as site:
        cleo = await site.person("Cleo", "chief")
        id = await a_loan(site, page=written)
        shown = await site.records.run(cleo, "loan", id, "visit", {})
        assert shown["_open"] == (written if opens else "")


async def test_a_site_starts_without_the_action_of_a_button(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/site.db"
    async with make_site(tmp_path, url, FILES) as site:
        offered = site.kernel.live.entities["loan"].actions
        assert isinstance(offered["grow"], Action)
        assert isinstance(offered["swell"], Press)
    write_files(tmp_path, {"plugins/growing/__init__.py": ""})
    async with open_site(site_settings(tmp_path, url)) as reopened:
        offered = reopened.kernel.live.entities["loan"].actions
        assert list(offered) == ["approve", "submit", "lookup", "visit", "shout"]
        issues = reopened.kernel.review(reopened.kernel.sources()).issues
        (finding,) = [issue for issue in issues if issue.severity == "error"]
        assert finding.code == "unknown_action"


BROKEN = {
    "nothing: {title: Nothing}": "missing_key",
    "both: {move: send, set: {amount: '1'}}": "option_conflict",
    "send: {set: {amount: '1'}}": "name_clash",
    "grow: {set: {amount: '1'}}": "name_clash",
    "delete: {set: {amount: '1'}}": "reserved_name",
    "a: {move: sned}": "unknown_action",
    "a: {run: grwo}": "unknown_action",
    "a: {set: {state: \"'sent'\"}}": "wrong_field",
    "a: {set: {created_at: now()}}": "wrong_field",
    "a: {set: {amuont: '1'}}": "unknown_field",
    "a: {set: {amount: title}}": "expression",
    "a: {set: {amount: '1'}, when: 'amount'}": "expression",
    "a: {open: 'http://example.com/{title}'}": "expression",
    "a: {open: 'https://{title}.example.com/'}": "expression",
    "a: {open: 'https://example.com{title}'}": "expression",
    "a: {open: '{title}{note}'}": "expression",
    "a: {open: 'javascript:alert(1)'}": "expression",
    "a: {open: 'https://example.com/{titel}'}": "expression",
    "a: {open: 'https://example.com/{title'}": "expression",
    "a: {color: red, run: grow}": "not_allowed",
    "a: {runs: grow}": "unknown_key",
}


@pytest.mark.parametrize("written", BROKEN)
async def test_a_wrong_button_is_told_with_its_place(tmp_path: Path, written: str) -> None:
    async with make_site(tmp_path, f"sqlite:///{tmp_path}/site.db", FILES) as site:
        await site.write({"entities/loan.yaml": f"{LOAN}  {written}\n"})
        findings = [i for i in site.kernel.review(site.kernel.sources()).issues if i.severity == "error"]
        assert [(i.code, i.path.split(":")[:2]) for i in findings] == [
            (BROKEN[written], ["entities/loan.yaml", str(len(LOAN.splitlines()) + 1)])
        ]


async def test_a_site_changes_and_takes_away_the_buttons_of_a_plugin(tmp_path: Path) -> None:
    layered = {
        "plugins/growing/plugin.yaml": FILES["plugins/growing/plugin.yaml"],
        "plugins/growing/__init__.py": CODE,
        "plugins/growing/entities/loan.yaml": LOAN,
        "entities/loan.yaml": """
extends: loan
buttons:
  approve: {title: Grant, set: {note: "'ok'"}}
  shout: {removed: true}
  reset: {set: {amount: "0"}}
""",
        "entities/roles.yaml": ROLES,
    }
    async with make_site(tmp_path, f"sqlite:///{tmp_path}/site.db", layered) as site:
        buttons = site.kernel.model.entities["loan"].buttons
        assert list(buttons) == ["approve", "submit", "lookup", "visit", "swell", "reset"]
        assert (buttons["approve"].title, buttons["approve"].color) == ("Grant", "success")
        assert list(buttons["approve"].set) == ["approved_by", "approved_on", "note"]
        told = {each["property"]: each for each in explain_json(site.kernel.model, "loan.buttons.approve")}
        assert (told["title"]["layer"], told["icon"]["layer"]) == ("site", "growing")
        assert told["title"]["instead_of"]["value"] == "Approve it"
        gone = explain_json(site.kernel.model, "loan.buttons.shout")
        assert [(each["property"], each["layer"]) for each in gone] == [("removed", "site")]
        press = site.kernel.live.entities["loan"].actions["lookup"]
        assert isinstance(press, Press)
        cleo = await site.person("Cleo", "chief")
        address = opened(press, {"title": "..", "amount": 1}, cleo, site.kernel.parsing, site.clock.now)
        assert address == "https://search.example.com/find?q=&n=1"
