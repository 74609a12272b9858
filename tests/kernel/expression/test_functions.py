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
