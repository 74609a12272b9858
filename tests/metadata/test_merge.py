"""Layers become one model: extensions, traits, workflow and system fields, and who wins."""

from __future__ import annotations

import pytest

from tests.metadata.sites import PEOPLE, entity, found, hints, model, reviewed, source
from xrm.errors import ModelError
from xrm.metadata import build
from xrm.metadata.names import SYSTEM_FIELDS

DEAL = """\
entity: deal
fields:
  name: {type: text, required: true}
  customer: {type: relation, to: party, inverse: deals}
  amount: {type: money}
"""


def test_short_forms_and_defaults() -> None:
    deal = entity("entity: deal\nfields: {close_date: date, name: text}\n")
    assert (deal.title, deal.plural, deal.label, deal.timeline) == ("Deal", "Deals", "{name}", False)
    assert deal.fields["close_date"].type == "date"
    assert deal.fields["close_date"].title == "Close date"
    assert deal.fields["close_date"].field_class == "internal"


@pytest.mark.parametrize(("title", "plural"), [
    ("Party", "Parties"), ("Day", "Days"), ("Address", "Addresses"), ("Tax", "Taxes"), ("Order line", "Order lines"),
])  # fmt: skip
def test_plurals(title: str, plural: str) -> None:
    assert entity(f"entity: deal\ntitle: {title}\nfields: {{}}\n").plural == plural


@pytest.mark.parametrize("choices", [
    "[new, won]", "[{name: new}, {name: won, title: Won}]", "{new: New, won: }", "{new: {title: New}, won: Won}",
])  # fmt: skip
def test_choices_have_three_forms(choices: str) -> None:
    field = entity(f"entity: deal\nfields: {{x: {{type: choice, choices: {choices}}}}}\n").fields["x"]
    assert [(choice.name, choice.title) for choice in field.choices] == [("new", "New"), ("won", "Won")]


def test_system_fields_come_last_in_every_entity() -> None:
    for each in model(DEAL).entities.values():
        assert tuple(each.fields)[-len(SYSTEM_FIELDS) :] == SYSTEM_FIELDS
        assert all(each.fields[name].system and each.fields[name].read_only for name in SYSTEM_FIELDS)


def test_fields_come_in_the_order_own_workflow_traits_system() -> None:
    deal = entity(
        """\
        entity: deal
        uses: [owned]
        fields: {b: text, a: text}
        workflow: {states: {open: , done: {final: done}}, transitions: {finish: {from: open, to: done}}}
        """
    )
    assert tuple(deal.fields) == ("b", "a", "state", "owner", "unit", *SYSTEM_FIELDS)


def test_the_workflow_makes_its_field() -> None:
    deal = entity(
        """\
        entity: deal
        fields:
          stage: {title: Stage of the deal, index: true}
          name: text
        workflow:
          field: stage
          states: {new: {color: info}, won: {title: Won it, final: won}}
          transitions: {win: {from: new, to: won}}
        """
    )
    field = deal.fields["stage"]
    assert (field.type, field.title, field.index, field.required) == ("choice", "Stage of the deal", True, True)
    assert (field.default, field.backfill) == ("new", "new")
    assert [(c.name, c.title, c.color) for c in field.choices] == [("new", "New", "info"), ("won", "Won it", "")]
    assert next(iter(deal.fields)) == "stage"


def test_the_workflow_field_is_not_written_twice() -> None:
    text = """\
        entity: deal
        fields: {state: {type: choice, choices: [a, b], default: a}}
        workflow: {states: {a: , b: {final: done}}, transitions: {go: {from: a, to: b}}}
        """
    assert found(text) == ["site.yaml:2:41 workflow_field", "site.yaml:2:58 workflow_field"]


def test_a_trait_brings_fields_and_an_entity_may_change_them() -> None:
    deal = entity("entity: deal\nuses: [owned]\nfields: {unit: {required: true}, name: text}\n")
    assert list(deal.fields)[:3] == ["unit", "name", "owner"]
    assert deal.fields["owner"].default == "$user.id"
    assert deal.fields["unit"].to == ("unit",)
    assert deal.fields["unit"].required
    assert str(deal.fields["unit"].origins["required"]) == "site.yaml:3:27"
    assert str(deal.fields["unit"].origins["to"]).startswith("people.yaml:8:")


def test_a_trait_switches_the_timeline_on_unless_the_entity_says_no() -> None:
    trait = "---\ntrait: watched\ntimeline: true\n"
    assert entity("entity: deal\nuses: [watched]\nfields: {}\n" + trait).timeline
    assert not entity("entity: deal\nuses: [watched]\ntimeline: false\nfields: {}\n" + trait).timeline


def test_an_unknown_trait_is_told_once() -> None:
    text = "entity: deal\nuses: [ownd]\nfields: {name: text}\nviews: {list: {filters: [owner]}}\n"
    assert found(text) == ["site.yaml:2:8 unknown_trait"]
    assert hints(text) == ["did you mean 'owned'?"]


def test_two_traits_that_differ_about_a_field() -> None:
    text = "trait: other\nfields: {owner: text}\n---\nentity: deal\nuses: [owned, other]\nfields: {}\n"
    assert found(text) == ["site.yaml:5:15 trait_conflict"]


def test_a_system_field_cannot_be_written() -> None:
    assert found("entity: deal\nfields: {id: integer, created_at: date, name: text}\n") == [
        "site.yaml:2:10 reserved_name", "site.yaml:2:23 reserved_name",
    ]  # fmt: skip


def test_an_extension_adds_and_changes() -> None:
    party = entity(
        """\
        extends: party
        title: Partner
        search: [name]
        fields:
          credit: money
          email: {required: true, title: Mail}
          kind: {choices: [-person, +reseller, {name: +organisation, color: info}]}
        unique: [[email]]
        checks: [{require: "name != null", message: Name please.}]
        views:
          list: {columns: [+credit, -email], sort: -name}
          form: {sections: [{title: Basics, fields: [name]}]}
        """,
        name="party",
    )
    assert (party.title, party.plural) == ("Partner", "Partners")
    assert list(party.fields)[:4] == ["name", "email", "kind", "credit"]
    assert (party.fields["email"].type, party.fields["email"].required, party.fields["email"].title) == (
        "email", True, "Mail",
    )  # fmt: skip
    assert [(c.name, c.title, c.color) for c in party.fields["kind"].choices] == [
        ("organisation", "Organisation", "info"), ("reseller", "Reseller", ""),
    ]  # fmt: skip
    assert party.views["list"].columns == ("name", "credit")
    assert party.views["list"].sort == ("-name",)
    assert party.views["form"].sections[0].fields == ("name",)
    assert party.unique == (("email",),)


def test_lists_take_signs_or_a_full_list() -> None:
    first = source("extends: party\nviews: {list: {columns: [kind]}}\n", "crm")
    second = "extends: party\nviews: {list: {columns: [+name, +kind]}}\n"
    assert entity(first, second, name="party").views["list"].columns == ("kind", "name")


def test_an_extension_may_add_to_lists_nobody_wrote() -> None:
    party = entity("extends: party\nuses: [+owned]\nsearch: [+name]\n", name="party")
    assert (party.uses, party.search) == (("owned",), ("name",))
    assert "owner" in party.fields


def test_any_entity_and_one_more_is_a_contradiction() -> None:
    first = source("entity: note\nfields: {about: {type: relation, to: '*'}}\n", "crm")
    assert found(first, "extends: note\nfields: {about: {to: [+party]}}\n") == ["site.yaml:2:23 option_conflict"]


def test_relation_targets_take_signs() -> None:
    first = source("entity: note\nfields: {about: {type: relation, to: [party, user]}}\n", "crm")
    note = entity(first, "extends: note\nfields: {about: {to: [-user, +unit]}}\n", name="note")
    assert note.fields["about"].to == ("party", "unit")
    assert note.fields["about"].polymorphic


def test_checks_and_groups_of_fields_add_up() -> None:
    first = source("extends: party\nunique: [[name, email]]\nindexes: [[name]]\n", "crm")
    second = "extends: party\nunique: [[name, email], [email]]\nindexes: [[email]]\n"
    party = entity(first, second, name="party")
    assert party.unique == (("name", "email"), ("email",))
    assert party.indexes == (("name",), ("email",))


def test_form_sections_are_merged_by_title() -> None:
    form = "extends: party\nviews: {form: {sections: ["
    first = source(form + "{title: A, fields: [name]}, {title: B, fields: [kind]}]}}\n", "crm")
    second = form + "{title: A, fields: [+email]}, {title: B, fields: [version]}, {title: C, fields: [id]}]}}\n"
    sections = entity(first, second, name="party").views["form"].sections
    assert [(s.title, s.fields) for s in sections] == [("A", ("name", "email")), ("B", ("version",)), ("C", ("id",))]


def test_workflows_are_merged_state_by_state() -> None:
    flow = """\
        entity: deal
        fields: {note: text}
        workflow:
          states: {new: , won: {final: won}}
          transitions: {win: {from: new, to: won, title: Win}}
        """
    change = """\
        extends: deal
        workflow:
          states: {won: Won at last, lost: {final: lost}}
          transitions: {win: {ask: [note]}, lose: {from: [new], to: lost}}
        """
    deal = entity(source(flow, "crm"), change)
    assert deal.workflow is not None
    assert [(s.name, s.title, s.final) for s in deal.workflow.states] == [
        ("new", "New", ""), ("won", "Won at last", "won"), ("lost", "Lost", "lost"),
    ]  # fmt: skip
    assert [(t.name, t.sources, t.target, t.ask) for t in deal.workflow.transitions] == [
        ("win", ("new",), "won", ("note",)), ("lose", ("new",), "lost", ()),
    ]  # fmt: skip
    assert [c.name for c in deal.fields["state"].choices] == ["new", "won", "lost"]


@pytest.mark.parametrize(("text", "finding"), [
    ("extends: party\nfields: {kind: {choices: [+a, b]}}", "site.yaml:2:26 mixed_list"),
    ("extends: party\nviews: {list: {columns: [name, +kind]}}", "site.yaml:2:25 mixed_list"),
    ("extends: party\nviews: {board: {by: kind, card: [+name]}}", "site.yaml:2:33 sign_without_base"),
    ("entity: deal\nfields: {x: {type: choice, choices: [+a]}}", "site.yaml:2:37 sign_without_base"),
    ("entity: deal\nfields: {x: text}\nsearch: [+x]", "site.yaml:3:9 sign_without_base"),
    ("extends: party\nfields: {kind: {choices: [-persn]}}", "site.yaml:2:27 not_in_list"),
    ("extends: party\nviews: {list: {columns: [-nme]}}", "site.yaml:2:26 not_in_list"),
])  # fmt: skip
def test_signs_that_have_nothing_to_change(text: str, finding: str) -> None:
    assert found(text) == [finding]


def test_a_definition_written_twice_names_both_places() -> None:
    result = reviewed("entity: deal\nfields: {}\n---\nentity: deal\nfields: {}\n")
    (issue,) = result.issues
    assert (issue.path, issue.code) == ("site.yaml:4:9", "duplicate_definition")
    assert "site.yaml:1:9" in issue.message


@pytest.mark.parametrize("text", [
    "trait: owned\n",
    "trait: t\n---\ntrait: t\n",
    "role: r\n---\nrole: r\n",
    "extends: party\n---\nextends: party\n",
    "entity: party\nfields: {}\n",
])  # fmt: skip
def test_what_may_be_defined_once(text: str) -> None:
    assert [entry.split()[1] for entry in found(text)] == ["duplicate_definition"]


def test_an_entity_of_another_layer_is_extended_instead() -> None:
    assert hints("entity: party\nfields: {}\n") == ["write extends: party to add to it"]


def test_a_role_of_several_layers_adds_up() -> None:
    first = source(
        "role: sales\ntitle: Sales\ngrants: [{entity: party, actions: [read]}]\ncapabilities: [a.b]\n", "crm"
    )
    role = model(first, "role: sales\ngrants: [{entity: user, actions: [read]}]\n").roles["sales"]
    assert [grant.entity for grant in role.grants] == ["party", "user"]
    assert (role.title, role.capabilities) == ("Sales", ("a.b",))


def test_an_extension_belongs_to_a_later_layer() -> None:
    assert found("entity: deal\nfields: {}\n---\nextends: deal\n") == ["site.yaml:4:10 extends_own"]
    early, late = source("extends: deal\n", "a"), source("entity: deal\nfields: {}\n", "b")
    assert found(early, late) == ["a.yaml:1:10 extends_unknown"]
    assert found("extends: prty\n") == ["site.yaml:1:10 extends_unknown"]
    assert hints("extends: prty\n") == ["did you mean 'party'?"]


def test_two_plugins_that_disagree_are_told_both_places() -> None:
    one = source("extends: party\nfields: {email: {required: true, title: Mail}}\n", "one")
    two = source("extends: party\nfields: {email: {required: false, title: Mail}}\n", "two")
    (issue,) = reviewed(one, two).issues
    assert (issue.path, issue.code) == ("two.yaml:2:28", "plugin_conflict")
    assert "one.yaml:2:28" in issue.message
    assert "'one'" in issue.message


def test_the_site_decides_between_plugins() -> None:
    one = source("extends: party\nfields: {email: {required: true}}\n", "one")
    two = source("extends: party\nfields: {email: {required: false}}\n", "two")
    party = entity(one, two, "extends: party\nfields: {email: {required: true}}\n", name="party")
    assert party.fields["email"].required


def test_plugins_that_add_to_the_same_list_agree_unless_one_takes_away() -> None:
    one = source("extends: party\nviews: {list: {columns: [+kind]}}\n", "one")
    two = source("extends: party\nviews: {list: {columns: [+kind, -email]}}\n", "two")
    three = source("extends: party\nviews: {list: {columns: [-kind]}}\n", "three")
    assert entity(one, two, name="party").views["list"].columns == ("name", "kind")
    assert found(one, two, three) == ["three.yaml:2:26 plugin_conflict"]
    assert found(one, three, "extends: party\nviews: {list: {columns: [name]}}\n") == []


def test_a_plugin_may_change_what_the_owner_wrote() -> None:
    one = source("extends: party\nfields: {kind: {required: true}, email: {class: personal}}\n", "one")
    assert entity(one, name="party").fields["email"].field_class == "personal"


def test_the_same_field_from_two_plugins_must_be_the_same() -> None:
    one = source("extends: party\nfields: {region: {type: text}}\n", "one")
    same = source("extends: party\nfields: {region: text}\n", "same")
    other = source("extends: party\nfields: {region: integer}\n", "other")
    assert found(one, same) == []
    assert found(one, other) == ["other.yaml:2:18 plugin_conflict"]


def test_a_removed_field_stays_in_the_model_and_may_not_be_used() -> None:
    text = "extends: party\nfields: {email: {removed: true}}\n"
    assert found(text) == ["people.yaml:15:32 removed_name"]
    party = entity(text + "views: {list: {columns: [-email]}}\n", name="party")
    assert party.fields["email"].removed


def test_order_is_that_of_layers_then_files_then_lines() -> None:
    first, second = (
        source("entity: z\nfields: {}\n---\nentity: y\nfields: {}\n", "a"),
        source("entity: x\nfields: {}\n", "b"),
    )
    third = source("entity: w\nfields: {}\n", "a", "more.yaml")
    assert list(build([first, second, third]).entities) == ["z", "y", "w", "x"]


def test_the_same_sources_make_an_equal_model() -> None:
    sources = [source(PEOPLE, "people"), source(DEAL)]
    assert build(sources).entities == build(sources).entities


def test_a_line_moved_is_no_change_of_the_model() -> None:
    assert build([source(PEOPLE, "people")]).entities == build([source("# moved\n\n" + PEOPLE, "people")]).entities


def test_build_raises_all_errors_and_ignores_warnings() -> None:
    with pytest.raises(ModelError) as raised:
        build(
            [
                source("entity: a\nfields: {x: {type: relation, to: b}}\n", file="a.yaml"),
                source("entity: c\nfields: {y: {type: choice}}\n", file="c.yaml"),
            ]
        )
    assert [issue.code for issue in raised.value.issues] == ["unknown_entity", "missing_option"]
    warned = source("entity: a\nfields: {x: {type: choice, choices: [b, b]}}\n")
    assert build([warned]).entities["a"].fields["x"].choices[0].name == "b"


def test_the_model_keeps_its_sources() -> None:
    sources = [source(PEOPLE, "people"), source(DEAL)]
    assert build(sources).sources == tuple(sources)
    assert build(build(sources).sources).entities == build(sources).entities


def test_views_default_to_the_kind_they_are_named_after() -> None:
    deal = entity("entity: deal\nfields: {name: text}\nviews: {list: {}, mine: {kind: list, columns: [name]}}\n")
    assert {name: view.kind for name, view in deal.views.items()} == {"list": "list", "mine": "list"}
    assert deal.views["mine"].title == "Mine"


def test_grants_have_short_forms() -> None:
    role = model(
        """\
        role: reader
        grants:
          - {entity: [party, user], actions: "*"}
          - {entity: "*", actions: [read], rows: own, fields: {read: [public]}}
          - {entity: unit, actions: [update], rows: {scope: team, where: "name != ''"}, fields: {write: [+name]}}
        """
    ).roles["reader"]
    first, second, third, fourth = role.grants
    assert (first.entity, second.entity, first.actions, first.scope, first.read) == (
        "party",
        "user",
        ("*",),
        "all",
        ("*",),
    )
    assert (third.entity, third.scope, third.read, third.write) == ("*", "own", ("public",), ("public",))
    assert (fourth.scope, fourth.where, fourth.read, fourth.write) == ("team", "name != ''", ("*",), ("+name",))


def test_the_search_box_looks_into_the_texts_of_the_label_unless_told_otherwise() -> None:
    fields = 'fields: {name: text, mail: email, size: integer, both: {type: text, formula: "name"}}'
    label = 'label: "{name|mail} {size} {both}"'
    assert entity(f"entity: deal\n{label}\n{fields}").search == ("name", "mail")
    assert entity(f"entity: deal\n{label}\nsearch: [mail]\n{fields}").search == ("mail",)
    assert entity(f"entity: deal\n{label}\nsearch: []\n{fields}").search == ()
