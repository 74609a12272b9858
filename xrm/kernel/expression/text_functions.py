"""The functions of texts. A result of more than 100,000 characters is null, so that nothing grows without bound."""

from __future__ import annotations

from collections.abc import Sequence

from xrm.kernel.expression import functions_sql as sql
from xrm.kernel.expression.function import Function, Mismatch, always
from xrm.kernel.expression.functions_sql import Bind, Native
from xrm.kernel.expression.tree import Call, Literal, Node
from xrm.kernel.expression.types import BOOL, INT, TEXT, Type

MAX_TEXT = 100_000  # characters of a text that is made
MAX_WILDCARDS = 10  # stars in a pattern
_BLANKS = " \t\n\r\f\v\u00a0"
_COUNT = f"LEAST(GREATEST({{}}, 0), {MAX_TEXT})::integer"  # how many characters


def _left(text: str, count: int) -> str:
    return text[: max(count, 0)]


def _right(text: str, count: int) -> str:
    return text[-count:] if count > 0 else ""


def _mid(text: str, start: int, count: int) -> str:
    first = max(start, 1) - 1
    return text[first : first + max(count, 0)]


def _replace(text: str, old: str, new: str) -> str | None:
    if not old:
        return text
    longer = len(text) + text.count(old) * (len(new) - len(old))
    return text.replace(old, new) if longer <= MAX_TEXT else None


def _part(text: str, separator: str, number: int) -> str | None:
    parts = text.split(separator) if separator else [text]
    if number < 1:
        return None
    return parts[number - 1] if number <= len(parts) else ""


def _concat(*texts: str | None) -> str | None:
    found = "".join(text for text in texts if text is not None)
    return found if len(found) <= MAX_TEXT else None


def _join(separator: str | None, *texts: str | None) -> str | None:
    if separator is None:
        return None
    found = separator.join(text for text in texts if text is not None)
    return found if len(found) <= MAX_TEXT else None


def _bounded(function: str) -> sql.Writer:
    def write(call: Call, args: Sequence[str], bind: Bind) -> str:
        made = f"{function}({', '.join(args)})"
        return f"(SELECT CASE WHEN char_length(a) <= {MAX_TEXT} THEN a END FROM (VALUES ({made})) AS q(a))"

    return write


def _like(text: str, pattern: str) -> bool:
    """Match a pattern whose * stands for any characters and ? for one, in at most len(text) * len(pattern) steps."""
    place = at = 0
    star, mark = -1, 0
    while place < len(text):
        if at < len(pattern) and pattern[at] == "*":
            star, mark, at = at, place, at + 1
        elif at < len(pattern) and pattern[at] in ("?", text[place]):
            place, at = place + 1, at + 1
        elif star >= 0:
            mark += 1
            place, at = mark, star + 1
        else:
            return False
    return not pattern[at:].strip("*")


def _of_pattern(args: Sequence[Node]) -> Type:
    pattern = args[1]
    if not isinstance(pattern, Literal):
        raise Mismatch(1, "the pattern must be written as a text")
    if pattern.value.count("*") > MAX_WILDCARDS:
        raise Mismatch(1, f"the pattern has more than {MAX_WILDCARDS} stars")
    return BOOL


def _pg_like() -> sql.Writer:
    pattern = "{1}"
    for sign, replacement in (("\\", "\\\\"), ("%", "\\%"), ("_", "\\_"), ("*", "%"), ("?", "_")):
        pattern = f"replace({pattern}, '{sign}', '{replacement}')"
    return sql.template(f"({{0}} LIKE {pattern} ESCAPE '\\')")


_TEXT = ("text",)
_INT = ("int",)
TEXT_FUNCTIONS = (
    Function(
        "trim",
        "The text without blanks at its ends.",
        (_TEXT,),
        always(TEXT),
        lambda text: text.strip(_BLANKS),
        lambda call, args, bind: f"btrim({args[0]}, {bind(_BLANKS, TEXT)})",
    ),
    Function(
        "left",
        "The first so many characters.",
        (_TEXT, _INT),
        always(TEXT),
        _left,
        sql.pg_over(f"left(a, {_COUNT.format('b')})"),
    ),
    Function(
        "right",
        "The last so many characters.",
        (_TEXT, _INT),
        always(TEXT),
        _right,
        sql.pg_over(f"right(a, {_COUNT.format('b')})"),
    ),
    Function(
        "mid",
        "So many characters from a place on; the first is 1: mid('abcd', 2, 2) is 'bc'.",
        (_TEXT, _INT, _INT),
        always(TEXT),
        _mid,
        sql.pg_over(f"substr(a, GREATEST({_COUNT.format('b')}, 1), {_COUNT.format('c')})"),
    ),
    Function(
        "find",
        "The place of the first occurrence of the other, from 1; 0 when it does not occur.",
        (_TEXT, _TEXT),
        always(INT),
        lambda text, part: text.find(part) + 1,
        sql.template("strpos({0}, {1})::bigint"),
        Native(sql.template("instr({0}, {1})")),
    ),
    Function(
        "replace",
        "The text with every occurrence of the second replaced by the third.",
        (_TEXT, _TEXT, _TEXT),
        always(TEXT),
        _replace,
        sql.pg_over(
            "CASE WHEN b = '' THEN a WHEN char_length(a)::bigint + (char_length(a) - char_length(replace(a, b, '')))"
            f" / NULLIF(char_length(b), 0) * (char_length(c) - char_length(b))::bigint <= {MAX_TEXT}"
            " THEN replace(a, b, c) END"
        ),
    ),
    Function(
        "part",
        "Which part of a text that a separator divides, from 1: part('a-b', '-', 2) is 'b'; empty beyond the last.",
        (_TEXT, _TEXT, _INT),
        always(TEXT),
        _part,
        sql.pg_over("CASE WHEN c >= 1 THEN split_part(a, b, LEAST(GREATEST(c, 1), 2000000000)::integer) END"),
    ),
    Function(
        "concat",
        "The texts one after the other; a missing one counts as empty.",
        (_TEXT, _TEXT),
        always(TEXT),
        _concat,
        _bounded("concat"),
        repeated=True,
        nulls="given",
    ),
    Function(
        "join",
        "The texts after the first with the first between them; missing ones are left out.",
        (_TEXT, _TEXT, _TEXT),
        always(TEXT),
        _join,
        _bounded("concat_ws"),
        repeated=True,
        nulls="given",
    ),
    Function(
        "matches",
        "Whether the text is like a pattern in which * stands for any characters and ? for one.",
        (_TEXT, _TEXT),
        _of_pattern,
        _like,
        _pg_like(),
    ),
)
