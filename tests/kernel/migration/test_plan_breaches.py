"""Records that do not meet a rule that is new."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from tests.kernel.migration.planning import field, one, put
from xrm.kernel.change import SYSTEM
from xrm.kernel.migration.apply import apply
from xrm.kernel.migration.breaches import breaches
from xrm.kernel.migration.plan import propose
from xrm.kernel.store.store import Store
from xrm.metadata.model import Choice

A, B = Choice("a", "A"), Choice("b", "B")
CASES: list[tuple[dict[str, Any], dict[str, Any], list[Any], list[str]]] = [
    ({}, {"max": 3}, ["abc", "abcd", "äöü", None], ["abcd"]),
    ({}, {"pattern": "[a-z]+"}, ["abc", "ABC"], ["ABC"]),
    ({}, {"kind": "email"}, ["ann@example.com", "ann"], ["ann"]),
    ({}, {"kind": "integer", "max": 10}, ["7", "11"], ["11"]),
    ({"kind": "integer"}, {"kind": "integer", "min": 1}, [0, 1], ["0"]),
    ({"kind": "money"}, {"kind": "money", "max": 5}, [Decimal(5), Decimal("5.01")], ["5.01"]),
    ({"kind": "date"}, {"kind": "date", "min": "2026-01-01"}, [date(2025, 12, 31), date(2026, 1, 1)], ["2025-12-31"]),
    ({"kind": "choice", "choices": (A, B)}, {"kind": "choice", "choices": (A,)}, ["a", "b"], ["b"]),
    (
        {"kind": "choices", "choices": (A, B)},
        {"kind": "choices", "choices": (A,)},
        [("a",), ("a", "b")],
        ["('a', 'b')"],
    ),
]


@pytest.mark.parametrize(("before", "then", "held", "broken"), CASES)
async def test_are_counted_and_shown(store: Store, before, then, held, broken):
    first, second = one(field("a", **before)), one(field("b", was="a", **then))
    found = (await apply(store, first, SYSTEM)).generation
    for value in held:
        await put(store, found, "thing", a=value)
    issues = await breaches(store, propose(second, found), first, second)
    assert [(i.path, i.code, i.severity) for i in issues] == [("thing.b", "breaks_rule", "warning")]
    assert issues[0].message == f"1 record does not meet the new rules of thing.b: {broken[0]!r}."
    assert (await apply(store, second, SYSTEM)).changed or before == then


async def test_same_rules_are_not_asked_about(store: Store):
    first = one(field("a", max=3), field("b", "choice", choices=(A,)))
    second = one(field("a", max=3, help="Other words"), field("b", "choice", choices=(A, B)))
    found = (await apply(store, first, SYSTEM)).generation
    await put(store, found, "thing", a="much too long", b="a")
    assert await breaches(store, propose(second, found), first, second) == ()
