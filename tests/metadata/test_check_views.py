"""Labels, search, views, workflows and roles refer to what exists."""

from __future__ import annotations

import pytest

from tests.metadata.sites import entity, found, hints, reviewed

FIELDS = """\
entity: deal
fields:
  name: text
  customer: {type: relation, to: party}
  about: {type: relation, to: [party, user]}
  amount: money
  notes: json
  tags: tags
  kind: {type: choice, choices: [a, b]}
  gone: {type: text, removed: true}
  key: {type: text, class: secret}
"""
LINES = FIELDS.count("\n")


def below(text: str) -> list[str]:
    """Return the findings about what is written below FIELDS, as `line:column code`, lines counted from there."""
    entries = (entry.removeprefix("site.yaml:").partition(":") for entry in found(FIELDS + text))
    return [f"{int(line) - LINES}:{rest}" for line, _, rest in entries]


@pytest.mark.parametrize("text", [
    "label: '{name}'", "label: '{name|kind} ({amount})'", "label: '{id}'", "label: 'Deal {created_at}'",
    "search: [name, kind, tags]",
    "views: {list: {columns: [name, customer.name, customer.created_by.email, created_at], filters: [kind, customer]}}",
    "views: {list: {sort: [-amount, customer.name]}}",
    "views: {form: {sections: [{title: A, fields: [name, notes]}]}}",
    "views: {board: {by: kind, sum: amount, card: [name, customer.name]}}",
    "views: {open: {kind: list, columns: [about]}}",
])  # fmt: skip
def test_good_labels_searches_and_views(text: str) -> None:
    assert below(text) == []


@pytest.mark.parametrize(("text", "findings"), [
    ("label: Deal", ["1:8 bad_label"]),
    ("label: '{name'", ["1:8 bad_label"]),
    ("label: '{name}}'", ["1:8 bad_label"]),
    ("label: '{}'", ["1:8 unknown_field"]),
    ("label: '{nam}'", ["1:8 unknown_field"]),
    ("label: '{name|nix|nox}'", ["1:8 unknown_field", "1:8 unknown_field"]),
    ("label: '{customer.name}'", ["1:8 bad_label"]),
    ("label: '{label}'", ["1:8 bad_label"]),
    ("label: '{notes}'", ["1:8 wrong_field"]),
    ("label: '{key}'", ["1:8 wrong_field"]),
    ("label: '{gone}'", ["1:8 removed_name"]),
    ("search: [name, amount]", ["1:16 wrong_field"]),
    ("search: [nam, name, name]", ["1:10 unknown_field", "1:21 duplicate_item"]),
    ("views: {list: {columns: [nam]}}", ["1:26 unknown_field"]),
    ("views: {list: {columns: [name, name]}}", ["1:32 duplicate_item"]),
    ("views: {list: {columns: [customer.nam]}}", ["1:26 unknown_field"]),
    ("views: {list: {columns: [name.x]}}", ["1:26 not_a_relation"]),
    ("views: {list: {columns: [about.name]}}", ["1:26 not_a_relation"]),
    ("views: {list: {columns: [a.b.c.d.e]}}", ["1:26 bad_name"]),
    ("views: {list: {filters: [kind, kid]}}", ["1:32 unknown_field"]),
    ("views: {list: {sort: -amout}}", ["1:22 unknown_field"]),
    ("views: {list: {sort: [name, -notes]}}", ["1:29 not_indexable"]),
    ("views: {list: {sections: []}}", []),
    ("views: {list: {by: kind}}", ["1:20 option_not_for_view"]),
    ("views: {form: {columns: [name]}}", ["1:25 option_not_for_view"]),
    ("views: {form: {sections: [{title: A, fields: [nam]}]}}", ["1:47 unknown_field"]),
    ("views: {form: {sections: [{title: A, fields: [name]}, {title: B, fields: [name]}]}}", ["1:75 duplicate_item"]),
    ("views: {board: {}}", ["1:16 missing_key"]),
    ("views: {board: {by: name}}", ["1:21 wrong_field"]),
    ("views: {board: {by: knd}}", ["1:21 unknown_field"]),
    ("views: {board: {by: kind, sum: name}}", ["1:32 wrong_field"]),
    ("views: {board: {by: kind, card: [nam]}}", ["1:34 unknown_field"]),
    ("views: {mine: {columns: [name]}}", ["1:15 unknown_view_kind"]),
    ("views: {mine: {kind: lst}}", ["1:22 not_allowed"]),
    ("views: {Mine: {kind: list}}", ["1:9 bad_name"]),
    ("checks: [{require: 'true', message: m, field: nam}]", ["1:47 unknown_field"]),
])  # fmt: skip
def test_labels_searches_and_views_that_do_not_fit(text: str, findings: list[str]) -> None:
    assert below(text) == findings


FLOW = """\
entity: deal
fields: {reason: text, total: {type: integer, formula: "1"}, state_note: text}
workflow:
"""


def flow(text: str) -> list[str]:
    lines = "".join(f"  {line}\n" for line in text.splitlines())
    return [entry.removeprefix("site.yaml:") for entry in found(FLOW + lines)]


def test_a_good_workflow() -> None:
    assert flow(
        "initial: new\n"
        "states: {new: {title: New, probability: 10}, won: {final: won}, lost: {final: lost}}\n"
        "transitions:\n"
        "  win: {from: new, to: won, guard: 'true', set: {reason: 'null'}}\n"
        "  lose: {from: '*', to: lost, ask: [reason]}\n"
        "  reopen: {from: [won, lost], to: new}"
    ) == []  # fmt: skip


@pytest.mark.parametrize(("transitions", "findings"), [
    ("go: {from: nwe, to: done}", ["6:14 unknown_state", "4:17 dead_end", "4:25 unreachable_state"]),
    ("go: {from: new, to: dnoe}", ["4:25 unreachable_state", "6:23 unknown_state"]),
    ("go: {from: [new, x], to: done}", ["6:20 unknown_state"]),
    ("go: {to: done}", ["6:3 missing_key"]),
    ("go: {from: new, to: done, roles: [boss]}", ["6:38 unknown_role"]),
    ("go: {from: new, to: done, ask: [reasn]}", ["6:35 unknown_field"]),
    ("go: {from: new, to: done, ask: [total]}", ["6:35 wrong_field"]),
    ("go: {from: new, to: done, ask: [created_at]}", ["6:35 wrong_field"]),
    ("go: {from: new, to: done, set: {total: '1'}}", ["6:42 wrong_field"]),
    ("go: {from: new, to: done, set: {state: \"'new'\"}}", ["6:42 wrong_field"]),
    ("go: {from: new, to: done, set: {reasn: '1'}}", ["6:42 unknown_field"]),
])  # fmt: skip
def test_transitions_that_do_not_fit(transitions: str, findings: list[str]) -> None:
    got = flow(f"states: {{new: {{}}, done: {{final: done}}}}\ntransitions:\n  {transitions}")
    wanted = {entry.split()[1] for entry in findings}
    assert {entry.split()[1] for entry in got} >= wanted
    assert not {entry.split()[1] for entry in got} - wanted - {"dead_end", "unreachable_state"}


def test_states_that_cannot_be_reached_or_left_are_warned_about() -> None:
    text = (
        FLOW
        + "  states: {new: {}, stuck: {}, lonely: {}, won: {final: won}}\n  transitions: {go: {from: new, to: stuck}}\n"
    )
    result = reviewed(text)
    assert [(issue.code, issue.severity) for issue in result.issues] == [
        ("dead_end", "warning"), ("unreachable_state", "warning"), ("unreachable_state", "warning"),
    ]  # fmt: skip
    assert "'stuck'" in result.issues[0].message
    assert result.valid


def test_two_ways_between_the_same_states_are_warned_about() -> None:
    moves = "transitions: {a: {from: new, to: won}, b: {from: '*', to: won}}"
    assert flow(f"states: {{new: {{}}, won: {{final: won}}}}\n{moves}") == ["5:45 ambiguous_transition"]


def test_an_unknown_initial_state_is_told_once() -> None:
    moves = "transitions: {a: {from: '*', to: new}, b: {from: '*', to: won}}"
    assert flow(f"initial: nwe\nstates: {{new: {{}}, won: {{final: won}}}}\n{moves}") == [
        "4:12 unknown_state",
    ]  # fmt: skip


def test_a_workflow_without_states() -> None:
    assert flow("transitions: {}") == ["3:1 missing_key"]
    assert flow("field: label\nstates: {a: {final: done}}") == ["4:10 reserved_name"]


def test_a_board_takes_the_lanes_of_the_workflow() -> None:
    text = FLOW + "  states: {new: {final: done}}\nviews: {board: {}}\n"
    assert entity(text).views["board"].by == "state"


@pytest.mark.parametrize(("grant", "finding"), [
    ("{entity: prty, actions: [read]}", "13 unknown_entity"),
    ("{entity: [party, usr], actions: [read]}", "21 unknown_entity"),
    ("{entity: party, actions: [raed]}", "30 unknown_action"),
    ("{entity: party, actions: read}", "29 bad_name"),
    ("{entity: party, actions: [read], rows: mine}", "43 not_allowed"),
    ("{entity: party, actions: [read], rows: {scope: mine}}", "51 not_allowed"),
    ("{entity: party, actions: [read], fields: {read: [pubic]}}", "53 unknown_class"),
    ("{entity: party, actions: [read], fields: {read: [name]}}", "53 unknown_class"),
    ("{entity: party, actions: [read], fields: {read: [+nam]}}", "53 unknown_field"),
    ("{entity: party, actions: [read], fields: {write: [public, -nam]}}", "62 unknown_field"),
    ("{entity: '*', actions: [read], fields: {read: [+nam]}}", "51 unknown_field"),
])  # fmt: skip
def test_grants_that_do_not_fit(grant: str, finding: str) -> None:
    got = [entry.split()[1] for entry in found(f"role: r\ngrants:\n  - {grant}\n")]
    assert got == [finding.split()[1]]


def test_good_grants() -> None:
    text = """\
        role: r
        grants:
          - {entity: "*", actions: [read, export], fields: {read: [public, +email, -name]}}
          - {entity: party, actions: ["run:anything", "run:*", "*"], rows: team}
        capabilities: [model.read, "*"]
        """
    assert found(text) == []


def test_grants_say_where_and_what_was_meant() -> None:
    text = (
        "role: r\ngrants:\n  - {entity: prty, actions: [raed]}\n"
        "  - {entity: party, actions: [read], fields: {read: [name]}}\n"
    )
    assert found(text) == [
        "site.yaml:3:14 unknown_entity",
        "site.yaml:3:30 unknown_action",
        "site.yaml:4:54 unknown_class",
    ]
    assert hints(text)[:2] == ["did you mean 'party'?", "did you mean 'read'?"]
    assert "+name" in hints(text)[2]
