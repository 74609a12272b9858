"""Text → tree: precedence, literals, limits; what cannot be read says where and why."""

from __future__ import annotations

from decimal import Decimal

import pytest

from xrm.errors import Issue, Malformed
from xrm.kernel.expression import BOOL, INT, TEXT, TEXTS, ExpressionError, Names, compile
from xrm.kernel.expression.parse import MAX_DEPTH, MAX_LENGTH, parse

SCOPE = Names({"a": INT, "b": INT, "c": INT, "p": BOOL, "q": BOOL, "r": BOOL, "t": TEXT, "tags": TEXTS})


def shape(source: str) -> str:
    """Return the tree in prefix form."""

    def show(form: object) -> str:
        if isinstance(form, dict):
            if "field" in form:
                return str(form["field"])
            return f"({form.get('op') or form.get('call')} {' '.join(map(show, form['args']))})"
        return repr(form)

    return show(compile(source, SCOPE).tree_json())


@pytest.mark.parametrize(
    ("source", "tree"),
    [
        ("a + b * c", "(+ a (* b c))"),
        ("(a + b) * c", "(* (+ a b) c)"),
        ("a - b - c", "(- (- a b) c)"),
        ("a / b * c", "(* (/ a b) c)"),
        ("-a * b", "(* (- a) b)"),
        ("- -a", "(- (- a))"),
        ("a + b < c * 2", "(< (+ a b) (* c 2))"),
        ("!p && q", "(&& (! p) q)"),
        ("!(p && q)", "(! (&& p q))"),
        ("p || q && r", "(|| p (&& q r))"),
        ("(p || q) && r", "(&& (|| p q) r)"),
        ("p && q && r && a == 1", "(&& p q r (== a 1))"),
        ("p && (q && r)", "(&& p (&& q r))"),
        ("p ? a : q ? b : c", "(?: p a (?: q b c))"),
        ("(p ? q : r) ? a : b", "(?: (?: p q r) a b)"),
        ("a == b ? 1 : 2", "(?: (== a b) 1 2)"),
        ("a in [1, 2] && p", "(&& (in a [1, 2]) p)"),
        ("a in [1, 2,]", "(in a [1, 2])"),
        ("t in tags", "(in t tags)"),
        ("t.startsWith('x')", "(startsWith t 'x')"),
        ("startsWith(t, 'x')", "(startsWith t 'x')"),
        ("t.lower().contains(t)", "(contains (lower t) t)"),
        ("(t + t).upper()", "(upper (+ t t))"),
        ("-a.abs()", "(- (abs a))"),
        (" a\n+\tb ", "(+ a b)"),
    ],
)
def test_precedence(source: str, tree: str) -> None:
    assert shape(source) == tree


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("0", 0),
        ("007", 7),
        ("9223372036854775807", 2**63 - 1),
        ("1.50", Decimal("1.50")),
        ("0.000000000001", Decimal("1E-12")),
        ("123456.789012345678", Decimal("123456.789012345678")),
        ("true", True),
        ("false", False),
        ("null", None),
        ('"a\'b"', "a'b"),
        ("'a\"b'", 'a"b'),
        (r"'a\'b'", "a'b"),
        (r"'\\n\n\t\r'", "\\n\n\t\r"),
        (r"'\u00c4\ufb01'", "Äfi".replace("fi", "\ufb01")),
        ("'😀'", "😀"),
        ("''", ""),
    ],
)
def test_literals(source: str, value: object) -> None:
    assert parse(source).value == value
    assert type(parse(source).value) is type(value)


@pytest.mark.parametrize(
    ("source", "column", "reason"),
    [
        ("", 1, "the expression is empty"),
        ("  ", 1, "the expression is empty"),
        ("a +", 4, "unexpected end of the expression (a value is missing here)"),
        ("a + * b", 5, "unexpected '*' (a value is missing here)"),
        ("(a + b", 7, "expected ')', found end of the expression"),
        ("a + b)", 6, "unexpected ')'"),
        ("a b", 3, "unexpected 'b' (an operator is missing here)"),
        ("a = 1", 3, "unexpected character '=' (compare with ==)"),
        ("p & q", 3, "unexpected character '&' (write &&)"),
        ("p | q", 3, "unexpected character '|' (write ||)"),
        ("p and q", 3, "unexpected 'and' (write &&)"),
        ("p or q", 3, "unexpected 'or' (write ||)"),
        ("not p", 1, "unexpected 'not' (write !)"),
        ("'it''s'", 5, "unexpected \"'s'\" (an operator is missing here)"),
        ("a # b", 3, "unexpected character '#'"),
        ("'abc", 1, "the text is not closed (end it with ')"),
        ("'a\nb'", 1, "the text is not closed (end it with ')"),
        ("\"abc'", 1, 'the text is not closed (end it with ")'),
        (r"'a\x'", 3, r"unknown escape '\\x' (\\ \' \" \n \r \t and \uXXXX are known)"),
        (r"'\ud800'", 2, r"unknown escape '\\ud800' (\\ \' \" \n \r \t and \uXXXX are known)"),
        (r"'\u0000'", 2, r"unknown escape '\\u0000' (\\ \' \" \n \r \t and \uXXXX are known)"),
        ("'\0'", 1, "the text holds a character that cannot be stored"),
        ("'\ud800'", 1, "the text holds a character that cannot be stored"),
        ("1e5", 2, "a number and a letter need a blank or an operator between them"),
        ("1. + a", 4, "expected a name after '.', found '+'"),
        (".5", 1, "unexpected '.' (a value is missing here)"),
        ("٣", 1, "unexpected character '٣'"),
        ("9223372036854775808", 1, "the number is too large"),
        ("1234567890.123456789", 1, "at most 18 digits, 12 of them after the point"),
        ("0.1234567890123", 1, "at most 18 digits, 12 of them after the point"),
        ("a < b < c", 7, "comparisons do not chain (join two of them with &&)"),
        ("a == b != c", 8, "comparisons do not chain (join two of them with &&)"),
        ("a in [1] in [2]", 10, "comparisons do not chain (join two of them with &&)"),
        ("tags[0]", 5, "values cannot be picked by their place (ask with 'x in list')"),
        ("(a + b).c", 8, "only a field or a relation can be followed by '.' and a name"),
        ("a.1", 3, "expected a name after '.', found '1'"),
        ("(a)(b)(c)", 7, "this cannot be called"),
        ("(a + b)(c)", 8, "this cannot be called"),
        ("p ? a", 6, "expected ':', found end of the expression"),
        ("f(a, ", 6, "unexpected end of the expression (a value is missing here)"),
        ("[1, 2", 6, "expected ']', found end of the expression"),
        ("in", 1, "unexpected 'in' (write a value before it)"),
    ],
)
def test_mistakes(source: str, column: int, reason: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile(source, SCOPE)
    error = caught.value
    assert (error.line, error.column) == (1, column)
    shown = error.reason + (f" ({error.hint})" if error.hint else "")
    assert shown == reason


def test_an_error_shows_line_column_and_caret() -> None:
    with pytest.raises(ExpressionError) as caught:
        compile("a > 1 &&\n\tb > > 2", SCOPE)
    error = caught.value
    assert str(error) == "2:6: unexpected '>' (a value is missing here)\n   b > > 2\n       ^"
    assert error.issue("checks.0.when") == Issue(
        "checks.0.when", "expression_syntax", "unexpected '>' (at 2:6)", "a value is missing here"
    )
    assert error.issues == (error.issue(),)
    assert isinstance(error, Malformed)
    assert (error.status, error.code) == (400, "expression_invalid")


def test_an_error_in_a_long_line_shows_its_surroundings() -> None:
    with pytest.raises(ExpressionError) as caught:
        compile(f"a == 1 {'|| a == 1 ' * 50}? {'&& a == 1 ' * 50}", SCOPE)
    first, line, caret = str(caught.value).split("\n")
    assert first.startswith("1:510: unexpected '&&'")
    assert len(line) <= 122
    assert line[caret.index("^")] == "&"


def test_an_error_can_always_be_encoded() -> None:
    with pytest.raises(ExpressionError) as caught:
        compile("a == \ud800", SCOPE)
    assert str(caught.value).encode()


def test_the_length_is_limited() -> None:
    assert parse("a".ljust(MAX_LENGTH)).value == ("a",)
    with pytest.raises(ExpressionError, match="longer than 4000 characters") as caught:
        parse("a".ljust(MAX_LENGTH + 1))
    assert caught.value.kind == "limit"


@pytest.mark.parametrize(
    "nested",
    [
        lambda n: "(" * n + "a" + ")" * n,
        lambda n: "!" * n + "p",
        lambda n: "-" * n + "a",
        lambda n: "abs(" * n + "a" + ")" * n,
        lambda n: "a" + ".abs()" * n,
        lambda n: "a" + " + a" * n,
        lambda n: "p ? a : " * n + "b",
        lambda n: "(p ? " * n + "a" + " : b)" * n,
        lambda n: "(p && (p || " * (n // 2) + "p" + "))" * (n // 2),
    ],
)
def test_the_depth_is_limited(nested) -> None:
    with pytest.raises(ExpressionError, match="nested more than 60 deep") as caught:
        parse(nested(MAX_DEPTH + 2))
    assert caught.value.kind == "limit"
    assert parse(nested(MAX_DEPTH // 2 - 1))


def test_a_long_chain_of_conditions_is_not_deep() -> None:
    tree = parse(" || ".join(["a == 1"] * 390))
    assert (tree.depth, len(tree.args)) == (3, 390)
