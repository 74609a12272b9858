"""The table of functions: what a plugin may add, and that letters are the same everywhere."""

from __future__ import annotations

import pytest

from tests.kernel.expression.samples import FULL
from tests.kernel.expression.worlds import SCOPE, SOMEBODY, World, in_memory
from xrm.kernel.expression import (
    FUNCTIONS,
    INT,
    TEXT,
    ExpressionError,
    Function,
    compile,
    sqlite_functions,
    with_functions,
)
from xrm.kernel.expression.functions_sql import Native
from xrm.kernel.expression.letters import LOWER, UPPER, lower, upper
from xrm.kernel.store.codec import SQLITE
from xrm.kernel.store.sql import Binder, quote

INITIAL = Function(
    "initial",
    "The first character.",
    (("text",),),
    lambda args: TEXT,
    lambda text: text[:1],
    lambda call, args, bind: f"left({args[0]}, 1)",
)
LENGTH = Function(
    "length",
    "As size.",
    (("text",),),
    lambda args: INT,
    len,
    lambda call, args, bind: f"char_length({args[0]})",
    Native(lambda call, args, bind: f"length({args[0]})"),
)
ADDED = with_functions(FUNCTIONS, [INITIAL, LENGTH])


def test_a_function_of_a_plugin_is_used_like_the_others() -> None:
    expression = compile("initial(name) == 'A' && length(name) > 3", SCOPE, functions=ADDED)
    assert in_memory(expression, [FULL, {}], SOMEBODY) == [True, False]
    assert "initial" not in FUNCTIONS


def test_its_sql() -> None:
    binder = Binder(SQLITE)
    expression = compile("initial(name) == 'A' && length(name) > 3", SCOPE, functions=ADDED)
    text = expression.sql(binder, lambda path: quote(path[0]))
    assert text == '(xrm_value(?1, "name") AND COALESCE(length("name") > ?2, 0))'
    _, call = sqlite_functions(ADDED)["xrm_value"]
    assert (call(binder.params[0], "Abc"), call(binder.params[0], "abc"), call(binder.params[0], None)) == (1, 0, 0)


def test_a_name_is_given_once() -> None:
    with pytest.raises(ValueError, match="there is a function lower already"):
        with_functions(FUNCTIONS, [Function("lower", "", (), lambda args: TEXT, str, lambda call, args, bind: "")])


def test_an_unknown_function_of_a_plugin_is_suggested() -> None:
    with pytest.raises(ExpressionError) as caught:
        compile("inital(name) == 'A'", SCOPE, functions=ADDED)
    assert caught.value.hint == "did you mean 'initial'?"


def test_every_function_says_what_it_does() -> None:
    for name, function in FUNCTIONS.items():
        assert function.name == name
        assert function.summary.endswith(".")


@pytest.mark.parametrize(
    ("change", "text", "changed"),
    [
        (lower, "ÅNGSTRÖM Éa", "ångström éa"),
        (upper, "ångström Éa", "ÅNGSTRÖM ÉA"),
        (lower, "ASCII Z", "ascii z"),
        (upper, "straße", "STRAßE"),
        (lower, "İ ẞ", "İ ẞ"),
        (upper, "ŉ ǰ", "ŉ ǰ"),
        (lower, "ЁЖ ΆΩ Ệ", "ёж άω ệ"),
    ],
)
def test_letters(change, text: str, changed: str) -> None:
    assert change(text) == changed


def test_letters_have_one_partner() -> None:
    assert len(set(UPPER)) == len(set(LOWER)) == len(UPPER) == len(LOWER) > 450
    assert not set(UPPER) & set(LOWER)
    assert upper(lower(UPPER)) == UPPER


async def test_all_letters_are_changed_alike(world: World) -> None:
    blocks = (range(1, 0x3000), range(0xA640, 0xAB70), range(0xFB00, 0xFF60), range(0x10400, 0x10450))
    text = "".join(chr(n) for block in blocks for n in block)
    for source, wanted in (("lower(name)", lower(text)), ("upper(name)", upper(text))):
        await world.store.execute(f'UPDATE "t" SET "name" = {world.store.dialect.placeholder(1, TEXT.column)}', [text])
        assert await world.values(compile(source, SCOPE), SOMEBODY) == [wanted] * 3


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("left('abc', 2) + right('abc', 2) + mid('abcdef', 3, 2)", "abbccd"),
        ("mid('abc', 0, 2) + '|' + mid('abc', 9, 2) + '|' + left('abc', -1) + '|' + right('abc', 0)", "ab|||"),
        ("trim('  a b \\t')", "a b"),
        ("find('abcabc', 'ca')", 3),
        ("find('abc', 'x')", 0),
        ("replace('a-b-c', '-', '+')", "a+b+c"),
        ("replace('abc', '', 'x')", "abc"),
        ("part('a-b-c', '-', 2) + part('a-b-c', '-', 9) + part('abc', '', 1)", "babc"),
        ("concat('a', state == 'lost' ? 'x' : null, 'b')", "ab"),
        ("join(', ', 'a', state == 'lost' ? 'x' : null, 'b')", "a, b"),
        ("matches('Acme AG', 'A*e *?') && !matches('Acme', 'acme') && matches('', '*') && !matches('ab', '?')", True),
        ("matches('a%b', 'a%b') && !matches('axb', 'a%b') && !matches('axb', 'a_b')", True),
        ("floor(-2.5) * 100 + ceil(2.1) * 10 + sign(-3)", -271),
        ("text(addMonths(since, 12) + 27) + text(qty)", "2027-03-287"),
        ("text(endOfMonth(coalesce('2024-02-10', since)))", "2024-02-29"),
        ("text(addYears(endOfMonth(coalesce('2024-02-10', since)), 1))", "2025-02-28"),
        ("text(addMonths(coalesce('2026-01-31', since), 1))", "2026-02-28"),
        ("addMonths(since, 999999999999) == null && addYears(since, -3000) == null", True),
        ("text(startOfQuarter(since)) + text(startOfYear(since))", "2026-01-012026-01-01"),
        ("text(startOfWeek(since))", "2026-02-23"),
        ("quarter(since) * 10000 + week(since) * 100 + weekday(since) * 10 + day(since)", 10971),
        ("hours(at, seen) * 100 + minutes(at, at)", 1400),
        ("hour(at) * 100 + minute(at)", 1430),
        ("date(at) == '2026-03-05'", True),
        ("containsAny(tags, 'x', 'vip') && containsAll(tags, 'vip', 'a,b') && !containsAll(tags, 'vip', 'x')", True),
    ],
)
async def test_what_functions_give(world: World, source: str, value: object) -> None:
    expression = compile(source, SCOPE)
    assert in_memory(expression, [FULL], SOMEBODY) == [value]
    assert (await world.values(expression, SOMEBODY))[0] == value


def test_a_text_does_not_grow_without_bound() -> None:
    source = "name"
    for _ in range(20):
        source = f"replace({source}, 'A', 'AAAAAAAAAA')"
    assert in_memory(compile(source, SCOPE), [FULL], SOMEBODY) == [None]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("matches(name, state)", "the pattern must be written as a text"),
        ("matches(name, '***********')", "more than 10 stars"),
        ("containsAny(name, 'a')", "needs a set of texts"),
        ("containsAny(tags, 1)", "needs a text"),
    ],
)
def test_what_functions_refuse(source: str, reason: str) -> None:
    with pytest.raises(ExpressionError, match=reason):
        compile(source, SCOPE)
