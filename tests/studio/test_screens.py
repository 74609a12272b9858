"""The studio's screens: what is typed lands in the draft at once, as clean YAML; what is applied is what was shown."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from studio import desk as desks
from studio.client import Problem
from studio.draft import Draft
from tests.studio.samples import MACHINE
from xrm.errors import ModelError

MACHINE_FILE = "entities/machine.yaml"
DEAL_FILE = "entities/deal.yaml"


def shown(test: AppTest) -> str:
    """Return all words on the screen."""
    assert not test.exception, test.exception
    parts = [str(e.proto.body) for e in test.get("html")]
    parts += [
        str(e.value) for kind in ("markdown", "caption", "error", "warning", "success", "info") for e in test.get(kind)
    ]
    return "\n".join(parts)


def button(test: AppTest, label: str) -> Any:
    return next(b for b in test.button if b.label == label)


def labelled(elements: Any, label: str) -> Any:
    return next(e for e in elements if e.label == label)


def panel(screen: Any, entity: str, field: str) -> AppTest:
    """Open the designer with a field chosen."""
    test = screen("entity", name=entity)
    test.session_state["fields.chosen"] = {entity: field}
    return test.run()


# --- the frame ------------------------------------------------------------------------------------------------------


def test_the_overview_says_what_is_in_force(screen):
    assert "3 entities, 2 roles. Generation 1 is in force." in shown(screen())


def test_no_name_of_a_person_becomes_markup(screen):
    assert "Signed in as Ada &lt;b&gt;" in shown(screen())


def test_whoever_is_not_signed_in_any_more_is_told_and_keeps_the_draft(screen, paper):
    test = screen("entity", name="machine")
    paper.signed_in = False
    assert "Your session has ended. Your draft is kept." in shown(test.run())


def test_a_site_that_does_not_answer_is_said_so(screen, monkeypatch):
    def fail() -> Any:
        raise Problem(0, {"title": "The site does not answer", "detail": "refused"})

    monkeypatch.setattr(desks, "open_desk", fail)
    assert "The site does not answer. refused" in shown(screen())


def test_seeing_is_not_changing(screen, paper):
    paper.capabilities = ["model.read"]
    test = panel(screen, "machine", "price")
    assert "changing it needs the capability model.edit" in shown(test)
    assert all(element.disabled for element in test.text_input)
    assert all(element.disabled for element in test.checkbox if element.key != "fields.system")


def test_an_edit_without_the_right_is_refused_wherever_it_comes_from(paper):
    desk = desks.Desk(None, {"capabilities": ["model.read"]}, {}, paper.sources(), Draft(), paper.folder / "draft.json")
    with pytest.raises(ModelError, match="not change it"):
        desk.keep({MACHINE_FILE: "entity: machine\nfields: {}\n"})
    assert not desk.path.exists()


@pytest.mark.parametrize("name", ["roles", "history", "changes", "new", "entity"])
def test_every_screen_opens(screen, name):
    assert shown(screen(name))


@pytest.mark.parametrize("entity", ["machine", "deal", "user"])
@pytest.mark.parametrize("tab", ["Fields", "Form and lists", "Workflow", "Rules", "Settings", "YAML"])
def test_every_tab_opens_for_entities_of_every_layer(screen, entity, tab):
    assert shown(screen("entity", name=entity, tab=tab))


# --- edits ----------------------------------------------------------------------------------------------------------


def test_a_new_entity_goes_into_the_draft_with_its_rights(screen, paper):
    test = screen("new")
    labelled(test.text_input, "What is one of them called?").set_value("Service contract").run()
    labelled(test.selectbox, "Keeper").set_value("all").run()
    button(test, "Add it to the draft").click().run()
    assert paper.drafted()["entities/service_contract.yaml"] == (
        'entity: service_contract\nlabel: "{name}"\nsearch: [name]\n'
        "fields:\n  name: {type: text, required: true, max: 200}\n"
    )
    assert "  - {entity: service_contract, actions: [read, create, update]}\n" in paper.drafted()["entities/roles.yaml"]
    assert "Service contract" in shown(test)


def test_a_new_entity_that_is_there_already_is_refused(screen, paper):
    test = screen("new")
    labelled(test.text_input, "What is one of them called?").set_value("Machine").run()
    button(test, "Add it to the draft").click().run()
    assert paper.drafted() == {}
    assert "The name 'machine' is taken by another entity." in shown(test)


def test_a_field_is_added_with_what_its_type_needs(screen, paper):
    test = screen("entity", name="machine")
    labelled(test.text_input, "What is it called?").set_value("Bought from").run()
    labelled(test.selectbox, "What does it hold?").set_value("relation").run()
    assert button(test, "Add the field").disabled
    labelled(test.multiselect, "Which records may it point to?").set_value(["deal"]).run()
    labelled(test.checkbox, "Every record needs it").check().run()
    button(test, "Add the field").click().run()
    assert "\n  bought_from: {type: relation, to: deal, required: true}\n" in paper.drafted()[MACHINE_FILE]
    assert labelled(test.text_input, "What is it called?").value == ""


def test_a_property_is_kept_as_it_is_typed_and_undone(screen, paper):
    test = panel(screen, "machine", "price")
    test.text_input(key="spot.machine.fields.price.title").set_value("Cost").run()
    assert "  price: {type: money, title: Cost}\n" in paper.drafted()[MACHINE_FILE]
    test.checkbox(key="spot.machine.fields.price.required").check().run()
    assert "  price: {type: money, title: Cost, required: true}\n" in paper.drafted()[MACHINE_FILE]
    button(test, "Undo the last edit").click().run()
    assert "  price: {type: money, title: Cost}\n" in paper.drafted()[MACHINE_FILE]
    assert not test.checkbox(key="spot.machine.fields.price.required").value


def test_what_a_plugin_defines_is_changed_beside_it_and_taken_back(screen, paper):
    test = panel(screen, "deal", "amount")
    test.text_input(key="spot.deal.fields.amount.min").set_value("0").run()
    assert paper.drafted() == {DEAL_FILE: "extends: deal\nfields:\n  amount: {min: 0}\n"}
    button(test, "Take back this site's changes of it").click().run()
    assert paper.drafted() == {}


def test_a_number_that_is_none_is_refused_and_not_kept(screen, paper):
    test = panel(screen, "machine", "price")
    test.text_input(key="spot.machine.fields.price.min").set_value("much").run()
    assert paper.drafted() == {}
    assert "'much' is not a number." in shown(test)


def test_a_finding_stands_beside_its_field(screen, paper):
    test = panel(screen, "machine", "price")
    test.text_input(key="spot.machine.fields.price.max").set_value("5").run()
    test.text_input(key="spot.machine.fields.price.min").set_value("9").run()
    assert f"{MACHINE_FILE}:" in shown(test)
    assert "1 finding to mend" in shown(test)


def test_a_field_is_renamed_and_removed(screen, paper):
    test = panel(screen, "machine", "price")
    test.text_input(key="rename.machine.price").set_value("cost").run()
    button(test, "Rename").click().run()
    assert "  cost: {type: money, was: price}\n" in paper.drafted()[MACHINE_FILE]
    assert "machine.cost" in shown(test)
    button(test, "Remove it").click().run()
    assert "  cost: {type: money, was: price, removed: true}\n" in paper.drafted()[MACHINE_FILE]
    button(test, "Keep the field").click().run()
    assert "  cost: {type: money, was: price}\n" in paper.drafted()[MACHINE_FILE]


def test_a_workflow_begins_with_a_template(screen, paper):
    test = screen("entity", name="deal", tab="Workflow")
    button(test, "Start with: Open, closed").click().run()
    assert paper.drafted()[DEAL_FILE].startswith("extends: deal\nworkflow:\n  states:\n    open:")
    labelled(test.text_input, "What the button says").set_value("Look again").run()
    labelled(test.multiselect, "From").set_value(["closed"]).run()
    button(test, "Add the move").click().run()
    assert "    look_again: {from: closed, to: open}\n" in paper.drafted()[DEAL_FILE]


def test_a_rule_is_added_changed_and_removed(screen, paper):
    test = screen("entity", name="machine", tab="Rules")
    labelled(test.text_input, "What people read").set_value("Too dear.").run()
    labelled(test.text_input, "This must hold").set_value("price < 1000").run()
    button(test, "Add the rule").click().run()
    assert '  - {require: "price < 1000", message: Too dear.}\n' in paper.drafted()[MACHINE_FILE]
    test.session_state["rules.chosen"] = {"machine": "1"}
    test.run().selectbox(key="spot.machine.checks.1.severity").set_value("warn").run()
    assert '  - {require: "price < 1000", message: Too dear., severity: warn}\n' in paper.drafted()[MACHINE_FILE]
    button(test, "Remove this rule").click().run()
    assert paper.drafted() == {}


def test_a_column_is_added_to_a_list(screen, paper):
    test = screen("entity", name="deal", tab="Form and lists")
    labelled(test.selectbox, "Add to columns").set_value("reason").run()
    assert paper.drafted()[DEAL_FILE] == "extends: deal\nviews:\n  list: {columns: [name, amount, reason]}\n"


def test_a_plugins_section_becomes_the_sites_to_change(screen, paper):
    test = screen("entity", name="deal", tab="Form and lists")
    test.session_state["views.chosen.deal"] = "form"
    button(test.run(), "Change this section").click().run()
    labelled(test.selectbox, "Add to basics").set_value("reason").run()
    assert "sections: [{title: Basics, fields: [name, amount, reason]}]" in paper.drafted()[DEAL_FILE]


def test_a_right_is_added_in_the_settings(screen, paper):
    test = screen("entity", name="deal", tab="Settings")
    labelled(test.selectbox, "Let a role").set_value("keeper").run()
    labelled(test.selectbox, "do this").set_value("own").run()
    button(test, "Add the right").click().run()
    assert "  - {entity: deal, actions: [read, create, update], rows: own}\n" in paper.drafted()["entities/roles.yaml"]


def test_yaml_is_kept_when_it_can_be_read_and_findings_tell_their_place(screen, paper):
    test = screen("entity", name="machine", tab="YAML")
    test.text_area[0].set_value(MACHINE.replace("price: {type: money}", "price: {type: money"))
    button(test, "Check and keep").click().run()
    assert paper.drafted() == {}
    assert f"{MACHINE_FILE}:12:" in shown(test)
    test.text_area[0].set_value(MACHINE.replace("price: {type: money}", "price: {type: money, titel: X}"))
    button(test, "Check and keep").click().run()
    assert "titel" in paper.drafted()[MACHINE_FILE]
    assert "did you mean" in shown(test)


# --- changes --------------------------------------------------------------------------------------------------------

DROP = {
    "id": "drop_field:1.2",
    "kind": "drop_field",
    "entity": "machine",
    "field": "price",
    "severity": "destructive",
    "description": "Drop machine.price with all its values.",
    "rows": 9,
    "affected": 4,
    "samples": ["12 EUR"],
}


def drafted(screen: Any) -> AppTest:
    """Open the changes after an edit."""
    test = panel(screen, "machine", "price")
    test.text_input(key="spot.machine.fields.price.title").set_value("Cost").run()
    return test.switch_page("screens/changes.py").run()


def test_an_empty_draft_has_nothing_to_apply(screen):
    test = screen("changes")
    assert "Your draft is empty." in shown(test)
    assert not [b for b in test.button if b.label == "Apply"]


def test_what_was_shown_is_applied_and_the_draft_is_empty(screen, paper):
    test = drafted(screen)
    assert "No table changes" in shown(test)
    button(test, "Apply").click().run()
    assert "Done. Generation 2 is in force." in shown(test)
    assert paper.applied[0]["hash"] == "h1"
    assert paper.applied[0]["consent"] == []
    assert "title: Cost" in paper.text(MACHINE_FILE)
    assert paper.drafted() == {}
    assert "Machines" in shown(test)


def test_what_loses_data_needs_consent(screen, paper):
    paper.plan["steps"] = [DROP]
    test = drafted(screen)
    words = shown(test)
    assert "4 of 9 records" in words
    assert "such as 12 EUR" in words
    assert button(test, "Apply").disabled
    labelled(
        test.checkbox,
        "Drop machine.price with all its values. I agree that 4 values leave the records; "
        "the history keeps them until they are purged.",
    ).check().run()
    button(test, "Apply").click().run()
    assert paper.applied[0]["consent"] == ["drop_field:1.2"]


def test_what_the_records_do_not_allow_cannot_be_applied(screen, paper):
    paper.plan["issues"] = [{"path": "machine.price", "code": "empty_values", "message": "3 records have no price"}]
    test = drafted(screen)
    assert "3 records have no price." in shown(test)
    assert button(test, "Apply").disabled


def test_when_somebody_else_applied_first_the_draft_stays_and_the_plan_is_made_again(screen, paper):
    test = drafted(screen)
    paper.refuse = (
        409,
        {"code": "conflict", "title": "Conflict", "detail": "The model changed since this plan was made."},
    )
    paper.plan["hash"] = "h2"
    button(test, "Apply").click().run()
    assert "The model changed since this plan was made. This is the plan as it is now." in shown(test)
    assert paper.drafted()
    button(test, "Apply").click().run()
    assert paper.applied[0]["hash"] == "h2"


def test_a_file_somebody_else_changed_is_not_overwritten_unseen(screen, paper):
    test = drafted(screen)
    (paper.folder / MACHINE_FILE).write_text(MACHINE + "# theirs\n")
    test.run()
    assert f"Somebody else changed these files after you began: {MACHINE_FILE}." in shown(test)
    assert button(test, "Apply").disabled
    button(test, "Keep mine: I have seen the differences").click().run()
    assert not button(test, "Apply").disabled
    (paper.folder / MACHINE_FILE).write_text(MACHINE + "# theirs again\n")
    button(test.run(), "Take theirs: drop my changes of these files").click().run()
    assert paper.drafted() == {}


def test_a_draft_is_discarded_and_comes_back(screen, paper):
    test = drafted(screen)
    before = paper.drafted()
    button(test, "Discard everything").click().run()
    assert paper.drafted() == {}
    button(test, "Undo the last edit").click().run()
    assert paper.drafted() == before


def test_a_file_of_the_site_that_cannot_be_read_is_named(screen, paper):
    (paper.folder / "entities" / "broken.yaml").write_bytes(b"\xff\xfe")
    assert "entities/broken.yaml:1:1" in shown(screen())


def test_what_was_changed_outside_the_studio_waits_to_be_applied(screen, paper):
    (paper.folder / "entities" / "tool.yaml").write_text("entity: tool\nfields: {name: text}\n")
    test = screen("changes")
    assert "changed outside the studio and wait to be applied: entities/tool.yaml." in shown(test)
    button(test, "Apply").click().run()
    assert paper.applied == [{"files": {}, "hash": "h1", "consent": []}]
    assert "wait to be applied" not in shown(test)


def test_every_property_says_which_layer_set_it(screen):
    text = shown(panel(screen, "machine", "price"))
    assert '<th>type</th><td>money <span class="xs-badge xs-good">this site</span>' in text
    assert "entities/machine.yaml:" in text


# --- buttons --------------------------------------------------------------------------------------------------------


def test_a_button_is_added_and_then_changed(screen, paper):
    test = screen("entity", name="machine", tab="Buttons")
    labelled(test.text_input, "What the button says").input("Sell it").run()
    labelled(test.text_input, "Expression").input("today()").run()
    labelled(test.selectbox, "Field").select("bought_on").run()
    button(test, "Add the button").click().run()
    assert 'sell_it: {set: {bought_on: "today()"}}' in paper.drafted()[MACHINE_FILE]
    labelled(test.text_input, "Question before").input("Really?").run()
    assert "confirm: Really?" in paper.drafted()[MACHINE_FILE]
    button(test, "Remove this button").click().run()
    assert paper.drafted().get(MACHINE_FILE, MACHINE) == MACHINE


# --- record types ---------------------------------------------------------------------------------------------------


def test_record_types_are_added_and_told_what_they_have(screen, paper):
    test = screen("entity", name="machine", tab="Record types")
    labelled(test.text_input, "Title").input("Small drill").run()
    button(test, "Add the type").click().run()
    labelled(test.multiselect, "Fields it does not have").select("price").run()
    labelled(test.multiselect, "States").select("new").run()
    drafted = paper.drafted()[MACHINE_FILE]
    assert "record_types:\n  small_drill: {hidden: [price], states: [new]}" in drafted
    button(test, "Remove this type").click().run()
    assert paper.drafted().get(MACHINE_FILE, MACHINE) == MACHINE


# --- going back -----------------------------------------------------------------------------------------------------


def test_the_way_back_is_shown_agreed_to_and_taken(screen, paper):
    paper.plan["steps"] = [DROP]
    paper.applied.append({})
    test = screen("history")
    assert "Generation 2 · in force" in test.expander[0].label
    button(test, "Look at the way back to it").click().run()
    assert "Back to generation 1" in [found.value for found in test.subheader]
    assert "4 of 9 records" in shown(test)
    assert button(test, "Go back to generation 1").disabled
    test.checkbox[0].check().run()
    button(test, "Go back to generation 1").click().run()
    assert paper.applied[-1] == {"generation": 1, "hash": "h1", "consent": ["drop_field:1.2"]}
    assert "The site is back at generation 1, as generation 3." in shown(test)
    assert "Back to generation 1" not in [found.value for found in test.subheader]


def test_a_way_back_that_the_records_do_not_allow_is_not_offered(screen, paper):
    paper.plan["issues"] = [{"path": "machine.code", "code": "not_unique", "message": "2 records share a value"}]
    paper.applied.append({})
    test = screen("history")
    button(test, "Look at the way back to it").click().run()
    assert "2 records share a value" in shown(test)
    assert button(test, "Go back to generation 1").disabled
    button(test, "Stay where we are").click().run()
    assert "2 records share a value" not in shown(test)


def test_what_is_kept_is_removed_for_good(screen, paper):
    paper.kept = [{"generation": 1, "at": "2026-11-02T09:00:00Z", "description": "4 values of machine.price"}]
    test = screen("history")
    assert "took away 4 values of machine.price" in shown(test)
    button(test, "Remove them for good").click().run()
    assert "Removed for good: 4 values of machine.price." in shown(test)
    assert "Kept values" not in [found.value for found in test.subheader]


def test_whoever_may_only_see_the_model_is_offered_no_way_back(screen, paper):
    paper.capabilities = ["model.read"]
    paper.applied.append({})
    test = screen("history")
    assert "Look at the way back to it" not in [found.label for found in test.button]


# --- fields that gather, and amounts -------------------------------------------------------------------------------

PARTS = """\
entity: part
fields:
  machine: {type: relation, to: machine, inverse: parts}
  day: date
  cost: {type: money, base: true}
  maker: {type: lookup, of: machine.serial}
  code: secret
"""


def test_what_a_field_gathers_is_said_in_its_panel(screen, paper):
    (paper.folder / "entities" / "part.yaml").write_text(PARTS, "utf-8")
    machine = MACHINE.replace("  parent:", "  total: {type: rollup, of: parts, compute: count}\n  parent:")
    (paper.folder / "entities" / "machine.yaml").write_text(machine, "utf-8")
    paper.in_force = paper.sources()
    test = panel(screen, "machine", "total")
    labelled(test.selectbox, "Makes of them").select("sum").run()
    labelled(test.text_input, "Their field").input("cost").run()
    assert "total: {type: rollup, of: parts, compute: sum, field: cost}" in paper.drafted()[MACHINE_FILE]
    test = panel(screen, "part", "cost")
    labelled(test.selectbox, "At the rate of").select("day").run()
    assert "cost: {type: money, base: true, rate_date: day}" in paper.drafted()["entities/part.yaml"]
    test = panel(screen, "part", "maker")
    assert labelled(test.text_input, "Shows").value == "machine.serial"
    for name in ("maker", "code"):  # what cannot have a default or a formula is not offered one
        test = panel(screen, "part", name)
        assert not [e for e in test.text_input if e.label in ("Value of a new record", "Formula")]
