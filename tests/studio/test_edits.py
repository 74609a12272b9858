"""What the studio writes: clean YAML, in the right file, and nothing but what was asked for."""

from __future__ import annotations

import difflib

import pytest

from studio import edits
from tests.studio.samples import MACHINE, ROLES, after, model, sources
from xrm.errors import ModelError
from xrm.metadata.model import Source
from xrm.metadata.write import Remove, Set

FILE = "entities/machine.yaml"


def changed(texts: dict[str, str], file: str = FILE, before: str = MACHINE) -> list[str]:
    """Return the lines that differ, as `-old` and `+new`."""
    assert list(texts) == [file]
    lines = difflib.ndiff(before.splitlines(), texts[file].splitlines())
    return [line[0] + line[2:] for line in lines if line[0] in "+-"]


# --- where things go ------------------------------------------------------------------------------------------------


def test_the_site_changes_its_own_entity_where_it_is_defined():
    place = edits.home(sources(), "machine")
    assert (place.file, place.kind, place.text) == (FILE, "entity", MACHINE)


def test_what_a_plugin_defines_is_extended_in_a_file_of_the_site():
    place = edits.home(sources(), "deal")
    assert (place.file, place.kind, place.data) == ("entities/deal.yaml", "extends", None)
    texts = edits.put(sources(), "deal", ("fields", "amount", "required"), value=True)
    assert texts == {"entities/deal.yaml": "extends: deal\nfields:\n  amount: {required: true}\n"}
    assert model(after(sources(), texts)).entities["deal"].fields["amount"].required


def test_a_second_change_goes_to_the_same_place():
    first = after(sources(), edits.put(sources(), "deal", ("title",), "Chance"))
    texts = edits.put(first, "deal", ("plural",), "Chances")
    assert texts == {"entities/deal.yaml": "extends: deal\ntitle: Chance\nplural: Chances\n"}


def test_an_extension_that_says_nothing_any_more_goes_with_its_file():
    first = after(sources(), edits.put(sources(), "deal", ("fields", "amount", "required"), value=True))
    assert edits.put(first, "deal", ("fields", "amount", "required"), None) == {"entities/deal.yaml": ""}


def test_an_extension_goes_alone_when_its_file_says_more():
    text = "role: seller\ngrants: []\n---\nextends: deal\ntitle: Chance\n---\nrole: buyer\ngrants: []\n"
    texts = edits.put(sources(("entities/deal.yaml", text)), "deal", ("title",), "")
    assert texts == {"entities/deal.yaml": "role: seller\ngrants: []\n---\nrole: buyer\ngrants: []\n"}


# --- properties -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, "", [], "Machine"])
def test_a_property_that_says_nothing_is_not_written(value):
    assert edits.put(sources(), "machine", ("title",), value, "Machine") == {}


def test_a_property_is_set_changed_and_taken_back():
    texts = edits.put(sources(), "machine", ("fields", "bought_on", "required"), value=True)
    assert changed(texts) == ["-  bought_on: date", "+  bought_on: {type: date, required: true}"]
    now = after(sources(), texts)
    again = edits.put(now, "machine", ("fields", "bought_on", "required"), value=False, default=False)
    assert changed(again) == ["-  bought_on: date", "+  bought_on: {type: date}"]


def test_in_an_extension_a_default_is_written_for_it_may_undo_what_the_plugin_says():
    texts = edits.put(sources(), "deal", ("fields", "name", "required"), value=False, default=False)
    assert not model(after(sources(), texts)).entities["deal"].fields["name"].required


def test_removing_the_last_check_leaves_no_empty_list():
    texts = edits.change(sources(), "machine", [Remove(("checks", 0))])
    assert "checks" not in texts[FILE]


def test_an_entity_keeps_its_fields_even_when_there_are_none():
    own = sources(("entities/thing.yaml", "entity: thing\nfields: {a: text}\n"))
    assert edits.remove_field(own, "thing", "a", applied=False) == {
        "entities/thing.yaml": "entity: thing\nfields: {}\n"
    }


def test_an_edit_of_what_is_not_there_is_refused():
    with pytest.raises(ModelError, match=r"there is nothing at fields\.nothing"):
        edits.change(sources(), "machine", [Remove(("fields", "nothing"))])


# --- names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Bought on", "bought_on"),
        ("Größe (cm)", "grosse_cm"),
        ("2nd owner", "nd_owner"),
        ("Číslo", "cislo"),
        ("???", ""),
        ("A" * 60, "a" * 40),
    ],
)
def test_a_title_suggests_a_name(title, name):
    assert edits.name_of(title) == name


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Name", "field"),
        ("", "field"),
        ("id", "field"),
        ("null", "field"),
        ("taken", "field"),
        ("model", "entity"),
        ("xrm_x", "entity"),
        ("a-b", "view"),
    ],
)
def test_a_name_that_cannot_be_one_is_refused(name, kind):
    with pytest.raises(ModelError):
        edits.check_name(name, ["taken"], kind)


def test_entities_may_be_called_what_fields_may_not():
    edits.check_name("label", [], "entity")


# --- entities -------------------------------------------------------------------------------------------------------


def test_a_new_entity_is_a_clean_file():
    texts = edits.new_entity(
        sources(), {"fields": {"name": {"required": True, "type": "text"}}, "icon": "gear", "entity": "tool"}
    )
    assert texts == {"entities/tool.yaml": "entity: tool\nicon: gear\nfields:\n  name: {type: text, required: true}\n"}


@pytest.mark.parametrize("name", ["machine", "deal", "user", "Machine", "model"])
def test_a_new_entity_needs_a_name_of_its_own(name):
    with pytest.raises(ModelError):
        edits.new_entity(sources(), {"entity": name, "fields": {}})


def test_a_new_entity_joins_a_file_of_its_name():
    own = sources(("entities/tool.yaml", "role: smith\ngrants: []\n"))
    assert edits.new_entity(own, {"entity": "tool", "fields": {"a": "text"}})["entities/tool.yaml"].startswith(
        "role: smith\ngrants: []\n---\nentity: tool\n"
    )


def test_an_entity_that_was_applied_is_marked_and_one_that_was_not_is_gone():
    assert changed(edits.remove_entity(sources(), "machine", applied=True)) == ["+removed: true"]
    texts = edits.remove_entity(sources(), "machine", applied=False)
    assert texts[FILE] == ""
    assert texts["entities/roles.yaml"] == ROLES.replace(
        "grants:\n  - {entity: machine, actions: [read]}   # looks only\n", ""
    )


def test_what_only_gave_a_right_to_an_entity_goes_with_it():
    role = "role: seller\ngrants:\n  - {entity: tool, actions: [read]}\n"
    own = sources(("entities/tool.yaml", "entity: tool\nfields: {a: text}\n"), ("entities/roles/seller.yaml", role))
    texts = edits.remove_entity(own, "tool", applied=False)
    assert texts == {"entities/tool.yaml": "", "entities/roles/seller.yaml": ""}


# --- fields ---------------------------------------------------------------------------------------------------------


def test_a_field_is_added_at_the_end():
    texts = edits.add_field(sources(), "machine", "power", {"type": "integer", "min": 0})
    assert changed(texts) == ["+  power: {type: integer, min: 0}"]


def test_a_field_is_added_to_what_a_plugin_defines():
    texts = edits.add_field(sources(), "deal", "margin", {"type": "percent"})
    assert texts == {"entities/deal.yaml": "extends: deal\nfields:\n  margin: {type: percent}\n"}


@pytest.mark.parametrize("name", ["name", "created_at", "No"])
def test_a_field_needs_a_name_of_its_own(name):
    with pytest.raises(ModelError):
        edits.add_field(sources(), "machine", name, {"type": "text"})


def test_fields_move_with_their_comments():
    texts = edits.move_fields(sources(), "machine", ["serial", "name", "bought_on", "price", "double", "parent"])
    assert changed(texts) == ["-  name: {type: text, required: true}", "+  name: {type: text, required: true}"]
    assert "  # as on the plate\n  serial: {type: text, unique: true}\n  name:" in texts[FILE]


def test_a_field_that_was_applied_is_marked():
    assert changed(edits.remove_field(sources(), "machine", "price", applied=True)) == [
        "-  price: {type: money}",
        "+  price: {type: money, removed: true}",
    ]


def test_a_field_that_was_not_goes_with_its_places_in_lists():
    texts = edits.remove_field(sources(), "machine", "serial", applied=False)
    assert "serial" not in texts[FILE]
    assert "search: [name]\n" in texts[FILE]
    assert model(after(sources(), texts))


def test_a_section_may_become_empty_but_a_list_may_not():
    views = "views:\n  form: {sections: [{title: X, fields: [a]}]}\n"
    own = sources(("entities/t.yaml", f"entity: t\nsearch: [a]\nfields: {{a: text, b: text}}\n{views}"))
    assert edits.remove_field(own, "t", "a", applied=False) == {
        "entities/t.yaml": "entity: t\nfields: {b: text}\nviews:\n  form: {sections: [{title: X, fields: []}]}\n"
    }


def test_a_rename_follows_the_name_everywhere_in_the_entity():
    texts = edits.rename_field(sources(), "machine", "price", "cost", "price")
    found = model(after(sources(), texts)).entities["machine"]
    assert found.fields["cost"].was == "price"
    assert "price" not in found.fields
    assert found.fields["double"].formula == "cost * 2"
    assert found.unique == (("name", "cost"),)
    assert found.checks[0].when == "cost > 0 && name != 'price'"
    assert found.checks[0].field == "cost"
    assert found.workflow.transitions[0].ask == ("cost",)
    assert found.workflow.transitions[0].set == {"cost": "cost / 2"}
    assert found.views["list"].columns == ("name", "cost", "parent.cost")
    assert found.views["list"].sort == ("-cost",)
    assert found.views["board"].sum == "cost"
    assert found.views["form"].sections[1].fields == ("cost",)
    assert "# as on the plate" in texts[FILE]


LINKED = """entity: t
unique:
- {fields: [b], where: "a != 'a'"}
buttons:
  go: {open: "https://x.example/a?q={a + 'a'}", when: "a > 1", set: {a: "a + 1"}}
record_types:
  x: {hidden: [b], required: [a], choices: {d: [a]}, defaults: {a: 1}, sections: [{title: a, fields: [a]}]}
fields:
  a: integer
  above: {type: relation, to: t}
  b: {type: lookup, of: above.a}
  c: {type: rollup, of: list, compute: sum, field: a, where: "a > 1"}
  d: {type: choice, choices: [x]}
  e: {type: choice, depends_on: d, choices: {a: {when: x}}}
"""


def test_a_rename_knows_what_is_about_other_records():
    own = (Source("site", "entities/t.yaml", LINKED),)
    text = edits.rename_field(own, "t", "a", "z")["entities/t.yaml"]
    for kept in ('field: a, where: "a > 1"', "choices: {a:"):
        assert kept in text, kept
    for changed in ("of: above.z", "where: \"z != 'a'\"", "{z + 'a'}", 'when: "z > 1"', 'set: {z: "z + 1"}'):
        assert changed in text, changed
    assert "x: {hidden: [b], required: [z], choices: {d: [a]}, defaults: {z: 1}," in text
    assert "sections: [{title: a, fields: [z]}]" in text
    assert "depends_on: upon" in edits.rename_field(own, "t", "d", "upon")["entities/t.yaml"]


def test_the_label_follows_a_rename():
    own = sources(("entities/t.yaml", 'entity: t\nlabel: "{name|mail} name"\nfields: {name: text, mail: email}\n'))
    text = edits.rename_field(own, "t", "name", "called")["entities/t.yaml"]
    assert text == 'entity: t\nlabel: "{called|mail} name"\nfields: {called: text, mail: email}\n'


def test_a_field_that_was_never_applied_says_no_former_name():
    assert "was" not in edits.rename_field(sources(), "machine", "price", "cost")[FILE]


def test_renamed_back_it_says_no_former_name():
    once = after(sources(), edits.rename_field(sources(), "machine", "serial", "plate", "serial"))
    assert edits.rename_field(once, "machine", "plate", "serial", "serial")[FILE] == MACHINE.replace(
        "serial: {type: text, unique: true}", "serial: {type: text, unique: true}"
    )


def test_renamed_twice_it_says_the_name_the_database_knows():
    once = after(sources(), edits.rename_field(sources(), "machine", "serial", "plate", "serial"))
    twice = edits.rename_field(once, "machine", "plate", "number", "serial")
    assert "number: {type: text, unique: true, was: serial}" in twice[FILE]


# --- roles ----------------------------------------------------------------------------------------------------------


def test_a_right_is_added_where_the_site_speaks_of_the_role():
    texts = edits.grant(sources(), "keeper", {"entity": "deal", "actions": ["read"]})
    assert changed(texts, "entities/roles.yaml", ROLES) == ["+  - {entity: deal, actions: [read]}"]


def test_a_right_of_a_plugins_role_goes_into_a_file_of_the_site():
    texts = edits.grant(sources(), "boss", {"entity": "deal", "actions": ["read"], "rows": "own"})
    assert texts == {
        "entities/roles/boss.yaml": "role: boss\ngrants:\n  - {entity: deal, actions: [read], rows: own}\n"
    }


def test_a_role_without_rights_gets_its_first():
    own = sources(("entities/roles.yaml", "role: keeper\ngrants: []\n"))
    text = edits.grant(own, "keeper", {"entity": "deal", "actions": ["read"]})["entities/roles.yaml"]
    assert model(after(own, {"entities/roles.yaml": text})).roles["keeper"].grants[0].entity == "deal"


def test_several_edits_at_once_are_made_in_order():
    texts = edits.change(sources(), "machine", [Set(("title",), "Engine"), Set(("plural",), "Engines")])
    assert changed(texts) == ["+title: Engine", "+plural: Engines"]
