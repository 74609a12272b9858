"""Who set what."""

from __future__ import annotations

import pytest

from tests.metadata.sites import model, source
from xrm.errors import NotFound
from xrm.metadata.explain import explain
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
