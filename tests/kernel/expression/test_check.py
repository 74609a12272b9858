"""Types: what fits together, what does not and how that is said, and what the result is."""

from __future__ import annotations

import pytest

from tests.kernel.expression.worlds import SCOPE
from xrm.kernel.expression import (
    BOOL,
    DATE,
    DATETIME,
    INT,
    NULL,
    TEXT,
    TIME,
    UUID,
    ExpressionError,
    Type,
    compile,
    decimal,
    list_of,
    of_column,
)
from xrm.kernel.store.schema import ColumnType

ORDERED = "a whole number or a decimal number or a date or a date and time or a time of day"


@pytest.mark.parametrize(
    ("source", "type"),
    [
        ("qty + stock", INT),
        ("qty * stock", INT),
        ("qty % stock", INT),
        ("-qty", INT),
        ("abs(qty)", INT),
        ("qty / stock", decimal(6)),
        ("amount + qty", decimal(2)),
        ("amount - price", decimal(4)),
        ("amount % price", decimal(4)),
        ("amount * price", decimal(6)),
        ("amount * qty", decimal(2)),
        ("amount * 0.5", decimal(3)),
        ("amount / 3", decimal(6)),
        ("round(amount)", INT),
        ("round(price, 2)", decimal(2)),
        ("round(qty, 2)", INT),
        ("amount > 0 ? amount : price", decimal(4)),
        ("coalesce(amount, 0)", decimal(2)),
        ("max(qty, price)", decimal(4)),
        ("min(at, due)", DATETIME),
        ("name + state", TEXT),
        ("lower(name)", TEXT),
        ("size(name)", INT),
        ("size(tags)", INT),
        ("due + 7", DATE),
        ("at - 7", DATETIME),
        ("due - since", INT),
        ("due - '2026-01-01'", INT),
        ("days(due, at)", INT),
        ("year(due)", INT),
        ("month(at)", INT),
        ("today()", DATE),
        ("now()", DATETIME),
        ("midnight(due)", DATETIME),
        ("owner", UUID),
        ("opens", TIME),
        ("active ? owner : null", UUID),
        ("null", NULL),
        ("active ? null : null", NULL),
        ("tags", Type("texts")),
        ("isEmpty(tags)", BOOL),
        ("name in ['a']", BOOL),
        ("'a' in tags", BOOL),
        ("owner in user.teams", BOOL),
        ("details == null", BOOL),
        ("partner.rating * 2", decimal(3)),
    ],
)
def test_types(source: str, type: Type) -> None:
    assert compile(source, SCOPE).type == type


@pytest.mark.parametrize(
    ("source", "scale"),
    [
        ("tiny * tiny > 0", 12),
        ("tiny / tiny > 0", 12),
        ("price * price * price > 0", 12),
        ("price * price > 0", 8),
    ],
)
def test_scales_within(source: str, scale: int) -> None:
    assert compile(source, SCOPE).tree.left.type == decimal(scale)


def test_a_result_has_six_digits_unless_more_are_expected() -> None:
    assert compile("price * price", SCOPE).type == decimal(6)
    assert compile("price * price", SCOPE, decimal(8)).type == decimal(8)


@pytest.mark.parametrize(
    ("source", "reason", "hint"),
    [
        ("amout > 1", "unknown field 'amout'", "did you mean 'amount'?"),
        ("partner.contry == 'DE'", "unknown field 'partner.contry'", "did you mean 'partner.country'?"),
        ("User.id == owner", "unknown field 'User.id'", "did you mean 'user.id'?"),
        ("zzz", "unknown field 'zzz'", ""),
        ("due < today", "unknown field 'today'", "the function is called with parentheses: today()"),
        ("name.startswith('a')", "unknown function 'startswith'", "did you mean 'startsWith'?"),
        ("qqq(1)", "unknown function 'qqq'", ""),
        ("amount && active", "expected a condition, found a decimal number", "compare it, for example with > 0"),
        ("name || active", "expected a condition, found a text", "compare it, for example with != null"),
        ("!null", "expected a condition, found null", ""),
        ("qty ? 1 : 2", "expected a condition, found a whole number", "compare it, for example with > 0"),
        ("name == 1", "cannot compare a text and a whole number", ""),
        ("qty == '1'", "cannot compare a whole number and a text", "leave out the quotes"),
        ("amount > '-1.5'", "cannot compare a decimal number and a text", "leave out the quotes"),
        ("active > true", "a condition has no order", "compare with == or !="),
        ("owner < buyer", "a record has no order", "compare with == or !="),
        ("qty > null", "null has no order", "compare with == null or != null"),
        ("tags == 'a'", "cannot compare a set of texts and a text", ""),
        ("tags == value", "a set of texts can only be compared with null", "ask with 'x in tags'"),
        ("details == details", "structured data can only be compared with null", ""),
        ("user.teams == null", "cannot compare null and a list of records", ""),
        ("user.teams", "a list is only possible after 'in'", ""),
        ("[1, 2]", "a list is only possible after 'in'", ""),
        ("size([1])", "a list is only possible after 'in'", ""),
        ("due > 'soon'", "'soon' is not a date", "write it as '2026-01-31'"),
        ("due > '2026-02-30'", "'2026-02-30' is not a date", "write it as '2026-01-31'"),
        ("due > '20260131'", "'20260131' is not a date", "write it as '2026-01-31'"),
        (
            "at > '2026-01-31T10:00:00'",
            "'2026-01-31T10:00:00' is not a date and time",
            "write it as '2026-01-31T13:05:00Z'",
        ),
        (
            "at > '0001-01-01T00:00:00+14:00'",
            "'0001-01-01T00:00:00+14:00' is not a date and time",
            "write it as '2026-01-31T13:05:00Z'",
        ),
        ("at > '0001-01-01'", "'0001-01-01' is not a date and time", "write it as '2026-01-31T13:05:00Z'"),
        ("opens > '25:00'", "'25:00' is not a time of day", "write it as '13:05'"),
        ("owner == 'me'", "'me' is not a record", "write it as '0196f0c4-7d5e-7000-8000-000000000000'"),
        ("due > opens", "cannot compare a date and a time of day", ""),
        ("state in []", "the list is empty", ""),
        ("state in ['a', null]", "null is in no list", "add '|| x == null'"),
        ("null in ['a']", "cannot look for null in a list", ""),
        ("state in [1]", "cannot look for a text and a whole number", ""),
        ("state in ['a', 1]", "cannot look for a text and a whole number", ""),
        ("tags in [tags]", "cannot look for a set of texts in a list", ""),
        ("state in 'abc'", "'in' needs a list or a set of texts, found a text", "contains() looks into a text"),
        ("state in name", "'in' needs a list or a set of texts, found a text", "contains() looks into a text"),
        ("qty in amount", "'in' needs a list or a set of texts, found a decimal number", ""),
        ("qty in tags", "cannot look for a whole number in a set of texts", ""),
        ("name in user.teams", "cannot look for a text in a list of records", ""),
        ("name + 1", "'+' is not possible with a text and a whole number", ""),
        ("amount + null", "'+' is not possible with a decimal number and null", "use coalesce() to replace null"),
        ("active * 2", "'*' is not possible with a condition and a whole number", ""),
        ("due + since", "'+' is not possible with a date and a date", "days(a, b) counts the days between two dates"),
        (
            "at - seen",
            "'-' is not possible with a date and time and a date and time",
            "days(a, b) counts the days between two dates",
        ),
        ("7 + due", "'+' is not possible with a whole number and a date", ""),
        ("due + 1.5", "'+' is not possible with a date and a decimal number", ""),
        ("-name", "'-' needs a number, found a text", ""),
        ("active ? 1 : 'a'", "cannot choose between a whole number and a text", ""),
        ("active ? tags : value", "cannot choose between a set of texts and another", ""),
        ("coalesce(qty, name)", "cannot use coalesce() with a whole number and a text", ""),
        ("coalesce(qty)", "coalesce() takes 2 or more values, found 1", ""),
        (f"max({', '.join(['qty'] * 101)})", "max() takes at most 100 values", ""),
        ("max(1)", "max() takes 2 or more values, found 1", ""),
        ("max(name, state)", f"max() needs {ORDERED}, found a text", ""),
        ("lower(name, state)", "lower() takes 1 value, found 2", ""),
        ("lower()", "lower() takes 1 value, found 0", ""),
        ("round()", "round() takes 1 to 2 values, found 0", ""),
        ("round(amount, qty)", "round(): the number of digits must be written as a number from 0 to 12", ""),
        ("round(amount, 13)", "round(): the number of digits must be written as a number from 0 to 12", ""),
        ("round(amount, -1)", "round(): the number of digits must be written as a number from 0 to 12", ""),
        ("today(1)", "today() takes 0 values, found 1", ""),
        ("size(qty)", "size() needs a text or a set of texts, found a whole number", ""),
        ("name.startsWith(1)", "startsWith() needs a text, found a whole number", ""),
        ("year('soon')", "'soon' is not a date", "write it as '2026-01-31'"),
        ("midnight(at)", "midnight() needs a date, found a date and time", ""),
    ],
)
def test_what_does_not_fit(source: str, reason: str, hint: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile(source, SCOPE)
    assert (caught.value.reason, caught.value.hint) == (reason, hint)


@pytest.mark.parametrize(
    ("source", "expected", "reason"),
    [
        ("name", BOOL, "this must be a condition, but is a text"),
        ("null", BOOL, "this must be a condition, but is null"),
        ("amount", INT, "this must be a whole number, but is a decimal number"),
        ("qty", TEXT, "this must be a text, but is a whole number"),
        ("at", DATE, "this must be a date, but is a date and time"),
        ("'soon'", DATE, "'soon' is not a date"),
        ("active", decimal(2), "this must be a decimal number, but is a condition"),
    ],
)
def test_what_is_not_expected(source: str, expected: Type, reason: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile(source, SCOPE, expected)
    assert caught.value.reason == reason
    assert caught.value.kind == "type"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("qty", decimal(2)),
        ("price", decimal(2)),
        ("null", INT),
        ("null", TEXT),
        ("due", DATETIME),
        ("'2026-01-31'", DATE),
        ("'0196f0c4-7d5e-7000-8000-000000000000'", UUID),
        ("amount > 1", BOOL),
    ],
)
def test_what_is_expected(source: str, expected: Type) -> None:
    assert compile(source, SCOPE, expected).type == expected


def test_the_place_of_a_finding() -> None:
    with pytest.raises(ExpressionError) as caught:
        compile("amount > 1\n  && stat == 'new'", SCOPE)
    assert (caught.value.line, caught.value.column, caught.value.kind) == (2, 6, "unknown_field")
    assert str(caught.value).endswith("\n    && stat == 'new'\n       ^")


def test_long_names_are_not_compared_with_the_known_ones() -> None:
    with pytest.raises(ExpressionError, match="unknown field") as caught:
        compile("amount" * 600, SCOPE)
    assert caught.value.hint == ""


def test_the_paths_of_an_expression() -> None:
    expression = compile("amount > user.limit && partner.country in ['DE'] && owner in user.teams && amount < 9", SCOPE)
    assert expression.paths == {("amount",), ("user", "limit"), ("partner", "country"), ("owner",), ("user", "teams")}
    assert compile("1 + 1", SCOPE).paths == frozenset()


@pytest.mark.parametrize(
    ("source", "form"),
    [
        ("qty > 2 * 500", {"op": ">", "args": [{"field": "qty"}, 1000]}),
        ("qty > -5", {"op": ">", "args": [{"field": "qty"}, -5]}),
        ("amount > 1.5 * 0.5", {"op": ">", "args": [{"field": "amount"}, {"decimal": "0.75"}]}),
        ("1 / 0 == amount", {"op": "==", "args": [{"op": "/", "args": [1, 0]}, {"field": "amount"}]}),
        ("'a' + 'b' == name", {"op": "==", "args": ["ab", {"field": "name"}]}),
        ("due > '2026-01-31'", {"op": ">", "args": [{"field": "due"}, "2026-01-31"]}),
        ("1 > 2", False),
    ],
)
def test_constants_are_folded(source: str, form: object) -> None:
    assert compile(source, SCOPE).tree_json() == form


def test_the_number_of_fields_is_limited() -> None:
    wide = {f"f{n}": INT for n in range(101)}

    class Wide:
        def type_of(self, path):
            return wide.get(path[0])

        def names(self):
            return wide

    tests = [f"{name} == 1" for name in wide]
    assert compile(" || ".join([*tests[:100], *tests[:50]]), Wide())
    with pytest.raises(ExpressionError, match="more than 100 different fields"):
        compile(" || ".join(tests), Wide())


def test_the_type_of_a_column() -> None:
    assert of_column(ColumnType("decimal", 18, 4)) == decimal(4)
    assert of_column(ColumnType("text")) == TEXT
    assert str(list_of(UUID)) == "a list of records"
