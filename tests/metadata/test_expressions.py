"""Every expression of a model is judged by who knows the language, and faults point into the file."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tests.metadata.sites import found, source
from xrm.metadata import Complaint, ExpressionUse, build, check
from xrm.metadata.model import Entity, Field, Grant, Model, Origin, Role, View
from xrm.metadata.positions import locate

ALL = """\
entity: deal
fields:
  name: text
  amount: money
  weighted: {type: money, formula: "amount / 2"}
checks:
  - {when: "name != null", require: "amount > 1", message: M}
workflow:
  states: {new: , done: {final: done}}
  transitions:
    go: {from: new, to: done, guard: "amount > 2", set: {name: "'x'"}}
views:
  list: {filter: "amount > 3"}
---
role: r
grants:
  - {entity: [deal, party], actions: [read], rows: {where: "name == 'a'"}}
"""


def test_every_expression_is_asked_about() -> None:
    asked: list[ExpressionUse] = []

    def judge(model: Model, use: ExpressionUse) -> Iterable[Complaint]:
        assert "deal" in model.entities
        asked.append(use)
        return ()

    assert found(ALL, expressions=judge) == []
    assert asked == [
        ExpressionUse("deal", "amount / 2", "formula", "money", "weighted"),
        ExpressionUse("deal", "name != null", "check"),
        ExpressionUse("deal", "amount > 1", "check"),
        ExpressionUse("deal", "'x'", "set", "text", "name"),
        ExpressionUse("deal", "amount > 2", "guard"),
        ExpressionUse("deal", "amount > 3", "filter"),
        ExpressionUse("deal", "name == 'a'", "where"),
        ExpressionUse("party", "name == 'a'", "where"),
    ]


def test_faults_point_into_the_expression() -> None:
    def judge(_: Model, use: ExpressionUse) -> Iterable[Complaint]:
        return [Complaint("no", use.source.index(">"), "try <")] if ">" in use.source else []

    assert found(ALL, expressions=judge) == [
        "site.yaml:7:45 expression",
        "site.yaml:11:46 expression",
        "site.yaml:13:26 expression",
    ]


def test_a_grant_on_all_entities_is_judged_for_each() -> None:
    asked: list[str] = []

    def judge(_: Model, use: ExpressionUse) -> Iterable[Complaint]:
        asked.append(use.entity)
        return [Complaint("the same everywhere")]

    text = "role: r\ngrants: [{entity: '*', actions: [read], rows: {where: owned}}]\n"
    assert found(text, expressions=judge) == ["site.yaml:2:55 expression"]
    assert asked == ["user", "unit", "party"]


def test_what_leads_to_an_unreadable_entity_is_not_judged() -> None:
    def judge(_: Model, use: ExpressionUse) -> Iterable[Complaint]:
        return [Complaint(f"about {use.entity}")]

    broken = source("entity: far\nfields: {x: txt}\n", file="far.yaml")
    chain = (
        "entity: near\nfields: {f: {type: relation, to: far}, y: {type: integer, formula: z}}\n---\n"
        "entity: here\nfields: {n: {type: relation, to: near}, y: {type: integer, formula: z}}\n---\n"
        "entity: apart\nfields: {y: {type: integer, formula: z}}\n"
    )
    assert found(broken, chain, expressions=judge) == ["far.yaml:2:13 not_allowed", "site.yaml:8:38 expression"]


@pytest.mark.parametrize(("text", "value", "offset", "place"), [
    ("a: b + c", "b + c", 2, "1:6"),
    ("a: 'b + c'", "b + c", 2, "1:7"),
    ('a: "b + c"', "b + c", 2, "1:7"),
    ("a: 'b == ''x'' + c'", "b == 'x' + c", 9, "1:16"),
    ('a: "b \\" c"', 'b " c', 4, "1:4"),  # an escape: the beginning will do
    ("a: |\n  b +\n  c", "b +\nc", 4, "3:3"),
    ("a: |-\n    b +\n\n    cd", "b +\n\ncd", 6, "4:6"),
    ("a: >\n  b +\n  c", "b + c", 4, "1:4"),  # folded: the beginning will do
    ("a: b\n  + c", "b + c", 2, "1:4"),
    ("a: 'b", "gone", 2, "1:4"),
])  # fmt: skip
def test_a_place_inside_a_value(text: str, value: str, offset: int, place: str) -> None:
    at = locate(text, Origin("site", "x.yaml", 1, 4), value, offset)
    assert str(at) == f"x.yaml:{place}"


def test_a_place_outside_the_text_stays() -> None:
    origin = Origin("site", "x.yaml", 9, 1)
    assert locate("a: b", origin, "b", 0) == origin
    assert locate("", origin, "b", 0) == origin


def test_a_model_made_in_memory_is_checked_too() -> None:
    name = Field("name", "txt", "Name")
    customer = Field("customer", "relation", "Customer", to=("party",))
    view = View("list", "list", columns=("nam",))
    deal = Entity("deal", "Deal", "Deals", {"name": name, "customer": customer}, views={"list": view}, label="{name}")
    role = Role("r", "R", grants=(Grant("dael", ("read",)),))
    issues = check(Model({"deal": deal}, {"r": role}))
    assert [(issue.path, issue.code) for issue in issues] == [
        ("deal.customer.to.0", "unknown_entity"),
        ("deal.views.list.columns.0", "unknown_field"),
        ("r.grants.0.entity", "unknown_entity"),
    ]


def test_without_a_judge_expressions_are_left_alone() -> None:
    assert (
        build([source("entity: a\nfields: {x: {type: integer, formula: '((('}}\n")]).entities["a"].fields["x"].formula
        == "((("
    )
