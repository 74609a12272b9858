"""The JSON form: filters come in it, the studio shows it."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from tests.kernel.expression.samples import FULL
from tests.kernel.expression.worlds import SCOPE, SOMEBODY, in_memory
from xrm.kernel.expression import BOOL, ExpressionError, compile, from_json

FIELD = {"field": "state"}


def nested(depth: int) -> object:
    form: object = {"field": "active"}
    for _ in range(depth):
        form = {"op": "!", "args": [form]}
    return form


@pytest.mark.parametrize(
    ("form", "source"),
    [
        ({"op": "==", "args": [FIELD, "open"]}, "(state == 'open')"),
        (
            {"op": "&&", "args": [{"field": "active"}, True, {"op": "!", "args": [{"field": "done"}]}]},
            "(active && true && !done)",
        ),
        ({"op": "in", "args": [FIELD, ["open", "won"]]}, "(state in ['open', 'won'])"),
        ({"op": "in", "args": [{"field": "owner"}, {"field": "user.teams"}]}, "(owner in user.teams)"),
        ({"op": ">", "args": [{"field": "amount"}, 12.5]}, "(amount > 12.5)"),
        ({"op": ">", "args": [{"field": "amount"}, 1e-7]}, "(amount > 0.0000001)"),
        ({"op": ">", "args": [{"field": "amount"}, {"decimal": "-12.50"}]}, "(amount > -12.50)"),
        ({"op": ">", "args": [{"field": "amount"}, Decimal("12.50")]}, "(amount > 12.50)"),
        ({"op": ">", "args": [{"field": "amount"}, -3]}, "(amount > -3)"),
        (
            {"op": "<", "args": [{"op": "-", "args": [{"field": "qty"}]}, {"op": "-", "args": [1, 2]}]},
            "(-qty < (1 - 2))",
        ),
        ({"op": "?:", "args": [{"field": "active"}, 1, 2]}, "(active ? 1 : 2)"),
        ({"op": "==", "args": [{"field": "name"}, None]}, "(name == null)"),
        (
            {"op": "==", "args": [{"call": "lower", "args": [{"field": "name"}]}, "it's \\ two\nlines\r"]},
            "(lower(name) == 'it\\'s \\\\ two\\nlines\\r')",
        ),
        ({"op": "<", "args": [{"field": "due"}, {"call": "today", "args": []}]}, "(due < today())"),
        (True, "true"),
        (None, "null"),
        ({"field": "partner.country"}, "partner.country"),
    ],
)
def test_a_form_is_its_text(form: object, source: str) -> None:
    expression = from_json(form, SCOPE)
    assert expression.source == source
    assert expression.tree_json() == compile(source, SCOPE).tree_json()
    assert in_memory(expression, [FULL], SOMEBODY) == in_memory(compile(source, SCOPE), [FULL], SOMEBODY)


@pytest.mark.parametrize(
    "source",
    [
        "due > '2026-01-31' && at < '2026-01-31T10:00:00+02:00' && opens >= '08:30'",
        "owner == '0196f0c4-7d5e-7000-8000-000000000000'",
        "amount > 12.50 && price in [0.125, 3]",
        "at > due",
        "user.limit >= -0.5",
        "active ? 'a' : name + 'b'",
        "coalesce(name, null, '') == ''",
        "1 / 0 == amount",
        "midnight('2026-01-31') == at",
    ],
)
def test_what_comes_out_can_be_sent_and_goes_in_again(source: str) -> None:
    expression = compile(source, SCOPE)
    form = json.loads(json.dumps(expression.tree_json()))
    assert from_json(form, SCOPE, BOOL if expression.type == BOOL else None).tree_json() == expression.tree_json()


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ({}, "unknown form with the keys (none); known are field, decimal, op with args, call with args"),
        ({"fields": "a"}, "unknown form with the keys fields; known are field, decimal, op with args, call with args"),
        ({"op": "=="}, "unknown form with the keys op; known are field, decimal, op with args, call with args"),
        ({"op": "==", "args": [1]}, "operator '==' with 1 operands"),
        ({"op": "&&", "args": [True]}, "operator '&&' with 1 operands"),
        ({"op": "!", "args": [1, 2]}, "operator '!' with 2 operands"),
        ({"op": "^", "args": [1, 2]}, "unknown operator '^'"),
        ({"op": ["=="], "args": [1, 2]}, "unknown operator \"['==']\""),
        ({"op": "==", "args": "ab"}, "args must be a list"),
        ({"field": "a b"}, "'a b' is no field"),
        ({"field": "a' || 'b"}, "\"a' || 'b\" is no field"),
        ({"field": 3}, "'3' is no field"),
        ({"field": "a."}, "'a.' is no field"),
        ({"call": "f(", "args": []}, "'f(' is no function"),
        ({"decimal": "1e5"}, "'1e5' is no decimal"),
        ({"decimal": 1.5}, "'1.5' is no decimal"),
        (float("nan"), "the number is too large or too small"),
        (float("inf"), "the number is too large or too small"),
        (1e300, "the number is too large or too small"),
        (2**63, "the number is too large"),
        (b"x", "bytes is no value of an expression"),
        ([1, 2], "a list is only possible after 'in'"),
        (nested(61), "nested more than 60 deep"),
        ({"op": "in", "args": [FIELD, ["x" * 100] * 2000]}, "the expression is longer than 200000 characters"),
        ({"field": "stat"}, "unknown field 'stat'"),
        ("a\ud800", "the text holds a character that cannot be stored"),
        ({"op": ">", "args": [{"field": "amount"}, 1e-20]}, "at most 18 digits, 12 of them after the point"),
    ],
)
def test_what_is_no_form(form: object, reason: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        from_json(form, SCOPE)
    assert caught.value.reason == reason


def test_lists_may_be_longer_than_a_person_writes() -> None:
    many = [f"state {n}" for n in range(5000)]
    expression = from_json({"op": "in", "args": [FIELD, [*many, "open"]]}, SCOPE)
    assert in_memory(expression, [FULL], SOMEBODY) == [True]


def test_as_deep_as_a_person_writes() -> None:
    assert in_memory(from_json(nested(59), SCOPE), [FULL], SOMEBODY) == [False]


def test_an_error_of_the_form_itself_has_no_place() -> None:
    with pytest.raises(ExpressionError) as caught:
        from_json({"op": "^", "args": []}, SCOPE)
    assert str(caught.value) == "unknown operator '^'"
    assert caught.value.issue("filter").to_dict() == {
        "path": "filter",
        "code": "expression_syntax",
        "message": "unknown operator '^'",
    }
