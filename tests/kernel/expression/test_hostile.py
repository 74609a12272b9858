"""Whatever text comes in, the answer is an expression or an ExpressionError, and it comes soon."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kernel.expression.generate import Generator
from tests.kernel.expression.samples import ROWS
from tests.kernel.expression.worlds import NOBODY, SCOPE, SOMEBODY, in_memory
from xrm.kernel.expression import Expression, ExpressionError, compile, from_json
from xrm.kernel.store.codec import POSTGRESQL, SQLITE
from xrm.kernel.store.sql import Binder, quote

SOON = 0.5  # seconds; a correct expression of that size takes some milliseconds
WORDS = (
    "amount",
    "name",
    "active",
    "tags",
    "due",
    "at",
    "owner",
    "user.teams",
    "user.id",
    "details",
    "null",
    "true",
    "'a'",
    "1",
    "2.5",
    "'2026-01-31'",
    "(",
    ")",
    "[",
    "]",
    ",",
    ".",
    "?",
    ":",
    "&&",
    "||",
    "!",
    "==",
    "!=",
    "<",
    ">=",
    "in",
    "+",
    "-",
    "*",
    "/",
    "%",
    "lower",
    "max",
    "coalesce",
    "round",
    "today()",
    "isEmpty",
    "days",
    "'",
    '"',
    "\\",
    "\n",
    "é",
    "=",
    "and",
)


def attempt(make: Any) -> Expression | None:
    """Return the expression, used in every way, or None when it was refused; fail when that takes long."""
    started = time.process_time()
    try:
        expression = make()
    except ExpressionError as error:
        refuse_bad_error(error)
        return None
    finally:
        assert time.process_time() - started < SOON
    in_memory(expression, ROWS, SOMEBODY)
    in_memory(expression, ROWS, NOBODY)
    for dialect in (SQLITE, POSTGRESQL):
        expression.sql(Binder(dialect), lambda path: quote("_".join(path)))
    return expression


def refuse_bad_error(error: ExpressionError) -> None:
    """Fail if an error cannot be shown."""
    assert str(error).encode()
    assert error.issue().message
    assert 0 <= error.position <= len(error.source)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(max_size=200))
def test_any_text(source: str) -> None:
    attempt(lambda: compile(source, SCOPE))


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join))
def test_any_order_of_words(source: str) -> None:
    attempt(lambda: compile(source, SCOPE))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.integers(0, 2**32), st.integers(0, 10**6), st.sampled_from(WORDS))
def test_a_good_expression_damaged(seed: int, place: int, word: str) -> None:
    source = Generator(random.Random(seed)).of("bool", 3)
    assert attempt(lambda: compile(source, SCOPE)) or len(source) > 4000
    cut = place % (len(source) + 1)
    attempt(lambda: compile(source[:cut] + word + source[cut + 1 :], SCOPE))
    attempt(lambda: compile(source[:cut], SCOPE))


FORMS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just({"field": "amount"}),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["op", "args", "call", "field"]), inner)
        | st.fixed_dictionaries({"op": st.sampled_from(["==", "in", "&&", "-", "?:"]), "args": st.lists(inner)})
        | st.fixed_dictionaries({"call": st.sampled_from(["max", "lower"]), "args": st.lists(inner)})
    ),
    max_leaves=10,
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(FORMS)
def test_any_form(form: object) -> None:
    attempt(lambda: from_json(form, SCOPE))


@pytest.mark.parametrize(
    "source",
    [
        "(" * 4000,
        "[" * 4000,
        "!" * 4000,
        "-" * 4000,
        "'" * 4000,
        "'" + "\\" * 3998,
        "a." * 2000,
        "a" * 4000,
        "1" * 4000,
        "1." * 2000,
        "&&" * 2000,
        "a(" * 2000,
        "a?" * 2000,
        "a?b:" * 1000,
        "a," * 2000,
        " " * 4000,
        "\n" * 4000,
        "0." + "1" * 3998,
        "'" + "a" * 3998 + "'",
        "amount" + "+1" * 1997,
        "amount==" * 500,
        "tags[" * 800,
        "max(" + "amount," * 570,
        "'a'" + "+'a'" * 999,
        "a" + ".b" * 1999,
        "today()" * 571,
        "x" * 3990 + "(",
        "due > '" + "9" * 3000 + "'",
        "true" + "&&true" * 666,
        "lower(" * 666,
        "1==" * 1333,
        "\u0660" * 4000,
        "\u00a0" * 4000,
    ],
)
def test_long_and_repetitive(source: str) -> None:
    assert len(source) <= 4000
    attempt(lambda: compile(source, SCOPE))
