"""A later layer takes away what an earlier one brought: views, states, moves, checks, grants, choices, roles."""

from __future__ import annotations

import pytest

from tests.metadata.sites import entity, found, hints, model, reviewed, source

DEAL = """\
entity: deal
fields:
  name: {type: text}
  amount: {type: money}
  kind: {type: choice, choices: [big, small]}
checks:
  - {name: named, require: "name != null", message: Name please.}
  - {name: paid, require: "amount != null", message: Amount please., severity: warn}
workflow:
  states: {new: , talk: , won: {final: won}, lost: {final: lost}}
  transitions:
    talk: {from: new, to: talk}
    win: {from: [new, talk], to: won}
    lose: {from: [new, talk], to: lost}
views:
  list: {columns: [name]}
  board: {sum: amount}
restrict:
  - {name: small, where: "kind != 'big'", except: [sales]}
---
role: sales
title: Sales
grants:
  - {name: deals, entity: deal, actions: [read, create, update, delete], rows: own}
  - {name: people, entity: [party, user], actions: [read]}
capabilities: [model.read, users.edit]
---
role: clerk
grants: [{entity: deal, actions: [read]}]
"""
CRM = source(DEAL, "crm")


def test_a_view_goes() -> None:
    deal = entity(CRM, "extends: deal\nviews: {board: {removed: true}}\n")
    assert list(deal.views) == ["list"]
    assert str(deal.gone["views.board"]) == "site.yaml:2:26"


def test_a_state_goes_with_the_moves_that_need_it() -> None:
    deal = entity(
        CRM,
        """\
        extends: deal
        workflow:
          states: {talk: {removed: true}}
          transitions: {talk: {removed: true}, win: {from: [-talk]}, lose: {from: [-talk]}}
        """,
    )
    assert deal.workflow is not None
    assert [state.name for state in deal.workflow.states] == ["new", "won", "lost"]
    assert [move.name for move in deal.workflow.transitions] == ["win", "lose"]
    assert [choice.name for choice in deal.fields["state"].choices] == ["new", "won", "lost"]
    assert set(deal.gone) == {"workflow.states.talk", "workflow.transitions.talk"}


def test_a_move_to_a_state_that_went_names_both_places() -> None:
    text = "extends: deal\nworkflow: {states: {lost: {removed: true}}}\n"
    (issue,) = reviewed(CRM, text).issues
    assert (issue.path, issue.code) == ("crm.yaml:14:35", "removed_name")
    assert "'site' at site.yaml:2:37" in issue.message


def test_a_move_goes() -> None:
    moves = "{lose: {removed: true}, drop: {from: talk, to: lost}}"
    deal = entity(CRM, f"extends: deal\nworkflow: {{transitions: {moves}}}\n")
    assert deal.workflow is not None
    assert [move.name for move in deal.workflow.transitions] == ["talk", "win", "drop"]


def test_a_named_check_is_changed_or_goes() -> None:
    text = "extends: deal\nchecks: [{name: named, removed: true}, {name: paid, severity: block}]\n"
    deal = entity(CRM, text)
    assert [(c.name, c.severity, c.require) for c in deal.checks] == [("paid", "block", "amount != null")]
    assert str(deal.origins["checks.0.severity"]) == "site.yaml:2:63"
    assert str(deal.origins["checks.0.require"]) == "crm.yaml:8:27"


def test_a_restriction_is_changed_added_or_goes() -> None:
    change = "{name: small, except: [+boss]}, {where: 'name != null'}"
    deal = entity(CRM, f"extends: deal\nrestrict: [{change}]\n---\nrole: boss\n")
    assert [(r.name, r.where, r.excepted) for r in deal.restrict] == [
        ("small", "kind != 'big'", ("sales", "boss")),
        ("", "name != null", ()),
    ]
    assert entity(CRM, "extends: deal\nrestrict: [{name: small, removed: true}]\n").restrict == ()


def test_a_choice_goes() -> None:
    deal = entity(CRM, "extends: deal\nfields: {kind: {choices: [-small]}}\n")
    assert [choice.name for choice in deal.fields["kind"].choices] == ["big"]


def test_a_grant_is_changed_or_goes_and_capabilities_too() -> None:
    role = model(
        CRM,
        """\
        role: sales
        grants: [{name: deals, actions: [read], rows: team}, {name: people, removed: true}]
        capabilities: [-users.edit, audit.read]
        """,
    ).roles["sales"]
    assert [(g.name, g.entity, g.actions, g.scope) for g in role.grants] == [("deals", "deal", ("read",), "team")]
    assert role.capabilities == ("model.read", "audit.read")
    assert str(role.gone["grants.people"]) == "site.yaml:2:78"


def test_a_role_goes() -> None:
    made = model(CRM, "role: clerk\nremoved: true\n")
    assert "clerk" not in made.roles
    assert str(made.removed_roles["clerk"]) == "site.yaml:2:10"


def test_a_role_that_went_cannot_be_asked_for() -> None:
    text = "role: clerk\nremoved: true\n---\nextends: deal\nworkflow: {transitions: {win: {roles: [clerk]}}}\n"
    assert found(CRM, text) == ["site.yaml:5:40 removed_name"]


def test_a_field_of_an_earlier_layer_gets_another_name() -> None:
    deal = entity(CRM, "extends: deal\nfields: {price: {was: kind, title: Price class}}\n")
    assert list(deal.fields)[:4] == ["name", "amount", "price", "state"]
    assert (deal.fields["price"].type, deal.fields["price"].was) == ("choice", "kind")


@pytest.mark.parametrize(("text", "finding", "hint"), [
    ("extends: deal\nviews: {bord: {removed: true}}", "site.yaml:2:9", "did you mean 'board'?"),
    ("extends: deal\nworkflow: {states: {tlk: {removed: true}}}", "site.yaml:2:21", "did you mean 'talk'?"),
    ("extends: deal\nworkflow: {transitions: {wim: {removed: true}}}", "site.yaml:2:26", "did you mean 'win'?"),
    ("extends: deal\nchecks: [{name: nmed, removed: true}]", "site.yaml:2:10", "did you mean 'named'?"),
    ("extends: deal\nfields: {amout: {removed: true}}", "site.yaml:2:10", "did you mean 'amount'?"),
    ("extends: deal\nfields: {amout: {required: true}}", "site.yaml:2:10", "did you mean 'amount'?"),
    ("role: sales\ngrants: [{name: dals, removed: true}]", "site.yaml:2:10", "did you mean 'deals'?"),
    ("extends: deal\nfields: {extra: {type: text, replaces: money}}", "site.yaml:2:40", "take this line out"),
])  # fmt: skip
def test_what_is_not_there_cannot_go(text: str, finding: str, hint: str) -> None:
    assert (found(CRM, text), hints(CRM, text)) == ([f"{finding} nothing_to_change"], [hint])


def test_two_checks_of_one_layer_need_two_names() -> None:
    one, two = "{name: a, require: '1 == 1', message: A}", "{name: a, require: '2 == 2', message: B}"
    text = f"extends: deal\nchecks: [{one}, {two}]\n"
    assert found(CRM, text) == ["site.yaml:2:52 name_clash"]


def test_a_named_check_says_what_it_requires() -> None:
    text = "entity: deal\nfields: {a: text}\nchecks: [{name: one, message: A}]\n"
    assert found(text) == ["site.yaml:3:10 missing_key"]


def test_the_site_keeps_what_a_plugin_removes() -> None:
    other = source("extends: deal\nviews: {board: {removed: true}}\n", "other")
    assert "board" not in entity(CRM, other).views
    assert "board" in entity(CRM, other, "extends: deal\nviews: {board: {removed: false, sum: amount}}\n").views


def test_a_plugin_that_removes_what_another_changes_is_told() -> None:
    one = source("extends: deal\nviews: {board: {card: [name]}}\n", "one")
    two = source("extends: deal\nviews: {board: {removed: true}}\n", "two")
    (issue,) = reviewed(CRM, one, two).issues
    assert (issue.path, issue.code) == ("one.yaml:2:23", "changed_and_removed")
    assert "two.yaml:2:26" in issue.message
    assert found(CRM, one, two, "extends: deal\nviews: {board: {removed: true}}\n") == []
