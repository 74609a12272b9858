"""Who set what."""

from __future__ import annotations

import pytest

from tests.metadata.sites import model, source
from xrm.errors import NotFound
from xrm.metadata.explain import explain, explain_json
from xrm.metadata.model import Model

DEAL = """\
entity: deal
title: Deal
uses: [owned]
fields:
  amount: {type: money, min: 0}
  kind:
    type: choice
    choices: [a, b]
workflow:
  states: {new: , won: {final: won}}
  transitions: {win: {from: [new], to: won}}
views: {list: {columns: [amount]}}
checks: [{require: "amount > 0", message: M}]
"""


@pytest.fixture
def site() -> Model:
    site = "extends: deal\ntitle: Chance\nfields:\n  amount: {class: confidential, min: 5}\n  kind: {choices: [+c]}\n"
    return model(source(DEAL, "crm"), site)


def shown(site: Model, path: str) -> dict[str, tuple[object, str, str]]:
    return {p: (value, origin.layer, str(origin)) for p, value, origin in explain(site, path)}


def test_a_field_says_which_layer_and_line_set_each_property(site: Model) -> None:
    assert shown(site, "deal.amount") == {
        "type": ("money", "crm", "crm.yaml:5:18"),
        "min": (5, "site", "site.yaml:4:38"),
        "class": ("confidential", "site", "site.yaml:4:19"),
    }


def test_lists_are_those_of_all_layers(site: Model) -> None:
    assert shown(site, "deal.kind")["choices"][0] == ["a", "b", "c"]


def test_a_workflow_field_is_explained_by_its_workflow(site: Model) -> None:
    assert shown(site, "deal.state") == {
        "type": ("choice", "crm", "crm.yaml:9:1"),
        "choices": (["new", "won"], "crm", "crm.yaml:10:11"),
        "default": ("new", "crm", "crm.yaml:9:1"),
        "required": (True, "crm", "crm.yaml:9:1"),
    }


def test_trait_and_system_fields_say_where_they_come_from(site: Model) -> None:
    assert shown(site, "deal.owner")["default"] == ("$user.id", "people", "people.yaml:8:53")
    assert shown(site, "deal.version") == {"type": ("integer", "xrm", "xrm")}


def test_an_entity_says_where_its_parts_come_from(site: Model) -> None:
    parts = shown(site, "deal")
    assert parts["title"] == ("Chance", "site", "site.yaml:2:8")
    assert parts["uses"] == (("owned",), "crm", "crm.yaml:3:7")
    assert parts["fields.amount"] == ("money", "crm", "crm.yaml:5:3")
    assert parts["workflow.states.won"] == ("Won", "crm", "crm.yaml:10:24")
    assert parts["workflow.transitions.win"] == ("new → won", "crm", "crm.yaml:11:17")
    assert parts["views.list"] == ("list", "crm", "crm.yaml:12:9")
    assert parts["checks.0"] == ("amount > 0", "crm", "crm.yaml:13:10")
    assert "plural" not in parts  # nobody wrote it


@pytest.mark.parametrize(("path", "hint"), [("dael", "did you mean 'deal'?"), ("deal.amout", "did you mean 'amount'?")])
def test_what_does_not_exist_is_not_found(site: Model, path: str, hint: str) -> None:
    with pytest.raises(NotFound) as raised:
        explain(site, path)
    assert raised.value.details["hint"] == hint


PARTS = """\
extends: deal
fields: {amount: {removed: true}}
workflow: {states: {won: Sold}, transitions: {win: {guard: "kind == 'a'"}}}
views: {list: {columns: [+kind, -amount], sort: kind}, board: {removed: true}}
checks: [{name: named, severity: warn}]
---
role: sales
grants: [{name: deals, actions: [read]}, {name: people, removed: true}]
"""
OWNER = DEAL.replace("views: {list: {columns: [amount]}}", "views: {list: {columns: [amount]}, board: {by: kind}}")
OWNER = OWNER.replace('{require: "amount > 0", message: M}', '{name: named, require: "kind != null", message: M}')
OWNER += "---\nrole: sales\ngrants: [{name: deals, entity: deal, actions: [read, update], rows: own},"
OWNER += " {name: people, entity: user, actions: [read]}]\ncapabilities: [model.read]\n"


@pytest.fixture
def whole() -> Model:
    return model(source(OWNER, "crm"), PARTS)


@pytest.mark.parametrize(("path", "shown_rows"), [
    ("deal.views.list", {"columns": (["kind"], "crm", "crm.yaml:12:25"), "sort": (["kind"], "site", "site.yaml:4:49")}),
    ("deal.views.board", {"removed": (True, "site", "site.yaml:4:73")}),
    ("deal.workflow.states.won", {"final": ("won", "crm", "crm.yaml:10:32"), "title": ("Sold", "site",
                                                                                     "site.yaml:3:26")}),
    ("deal.workflow.transitions.win", {"from": (["new"], "crm", "crm.yaml:11:29"), "to": ("won", "crm",
     "crm.yaml:11:40"), "guard": ("kind == 'a'", "site", "site.yaml:3:60")}),
    ("deal.checks.named", {"name": ("named", "site", "site.yaml:5:17"), "require": ("kind != null", "crm",
     "crm.yaml:13:33"), "message": ("M", "crm", "crm.yaml:13:58"), "severity": ("warn", "site", "site.yaml:5:34")}),
    ("roles.sales.grants.deals", {"name": ("deals", "site", "site.yaml:8:17"), "entity": ("deal", "crm",
     "crm.yaml:16:32"), "actions": (["read"], "site", "site.yaml:8:33"), "rows": ("own", "crm", "crm.yaml:16:69")}),
    ("roles.sales.grants.people", {"removed": (True, "site", "site.yaml:8:66")}),
])  # fmt: skip
def test_every_part_is_explained(whole: Model, path: str, shown_rows: dict[str, object]) -> None:
    assert shown(whole, path) == shown_rows


def test_what_was_removed_is_told_with_its_place(whole: Model) -> None:
    assert shown(whole, "deal")["views.board"] == ("removed", "site", "site.yaml:4:73")
    assert shown(whole, "deal.amount")["removed"] == (True, "site", "site.yaml:2:28")
    assert shown(whole, "sales")["grants.people"] == ("removed", "site", "site.yaml:8:66")
    assert shown(whole, "sales")["capabilities.model.read"] == (True, "crm", "crm.yaml:17:16")


def test_it_tells_what_stood_there_before(site: Model) -> None:
    rows = {row["property"]: row for row in explain_json(site, "deal.amount")}
    assert rows["min"] == {
        "property": "min", "value": 5, "layer": "site", "origin": "site.yaml:4:38", "file": "site.yaml", "line": 4,
        "column": 38, "instead_of": {"value": 0, "layer": "crm", "origin": "crm.yaml:5:30"},
    }  # fmt: skip
    assert "instead_of" not in rows["type"]


def test_the_options_of_a_rollup_are_told_as_they_are_written() -> None:
    text = """
entity: order
fields:
  lines: {type: rollup, of: parts, compute: sum, field: cost, as: system}
---
entity: part
fields: {order: {type: relation, to: order, inverse: parts}, cost: integer}
"""
    told = {each["property"]: each["value"] for each in explain_json(model(source(text)), "order.lines")}
    assert (told["field"], told["as"], told["of"]) == ("cost", "system", "parts")
