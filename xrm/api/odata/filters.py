"""``$filter`` → the JSON form of our expressions (kernel/expression/json_form.py).

Source: OData Version 4.01, Part 2: URL Conventions, sections 5.1.1 and 5.1.2.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from xrm.errors import Issue, Malformed

Json = Any
FieldOf = Callable[[str], str]  # an OData path → our path; raises Malformed

MAX_DEPTH = 40
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<text>'(?:[^']|'')*')
    | (?P<guid>[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12})
    | (?P<moment>\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d))?)
    | (?P<time>\d\d:\d\d(?::\d\d(?:\.\d+)?)?)
    | (?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    | (?P<name>[A-Za-z_@$][\w.]*(?:/[A-Za-z_$][\w.]*)*)
    | (?P<sign>[(),:\-])
    )""",
    re.VERBOSE,
)
_COMPARE = MappingProxyType({"eq": "==", "ne": "!=", "gt": ">", "ge": ">=", "lt": "<", "le": "<="})
_ADD = MappingProxyType({"add": "+", "sub": "-"})
_MULTIPLY = MappingProxyType({"mul": "*", "div": "/", "divby": "/", "mod": "%"})
_CALLS: Mapping[str, tuple[str, int]] = MappingProxyType(
    {
        "contains": ("contains", 2),
        "startswith": ("startsWith", 2),
        "endswith": ("endsWith", 2),
        "tolower": ("lower", 1),
        "toupper": ("upper", 1),
        "length": ("size", 1),
        "trim": ("trim", 1),
        "concat": ("concat", 2),
        "year": ("year", 1),
        "month": ("month", 1),
        "day": ("day", 1),
        "hour": ("hour", 1),
        "minute": ("minute", 1),
        "date": ("date", 1),
        "now": ("now", 0),
        "round": ("round", 1),
        "floor": ("floor", 1),
        "ceiling": ("ceil", 1),
    }
)


def read_filter(text: str, field_of: FieldOf) -> Json:
    """Return a filter in the JSON form of our expressions.

    Raises:
        Malformed: it is no filter, or uses what this feed has not.
    """
    reader = _Reader(_tokens(text), field_of)
    found = reader.either(0)
    if reader.kind != "end":
        _refuse(f"{reader.value!r} is not expected here")
    return found


def _refuse(reason: str) -> Any:
    raise Malformed("The filter cannot be read.", [Issue("$filter", "syntax", f"{reason[:200]}.")])


def _tokens(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    place, text = 0, text.rstrip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None or match.lastgroup is None:
            _refuse(f"{text[place : place + 20]!r} is not understood")
        else:
            found.append((match.lastgroup, match[match.lastgroup]))
            place = match.end()
    return [*found, ("end", "")]


class _Reader:
    """Recursive descent; each method reads what binds at least as closely as its name says."""

    def __init__(self, tokens: Sequence[tuple[str, str]], field_of: FieldOf) -> None:
        self._tokens, self._place, self._field_of = tokens, 0, field_of

    @property
    def kind(self) -> str:
        return self._tokens[self._place][0]

    @property
    def value(self) -> str:
        return self._tokens[self._place][1]

    def _take(self) -> tuple[str, str]:
        found = self._tokens[self._place]
        self._place += found[0] != "end"
        return found

    def _sign(self, sign: str) -> None:
        if self._take() != ("sign", sign):
            _refuse(f"{sign!r} is missing")

    def _word(self, words: Mapping[str, str]) -> str:
        return self._take()[1] if self.kind == "name" and self.value in words else ""

    def either(self, depth: int) -> Json:
        if depth > MAX_DEPTH:
            _refuse("It is nested too deep")
        terms = [self._both(depth)]
        while self._word({"or": ""}):
            terms.append(self._both(depth))
        return terms[0] if len(terms) == 1 else {"op": "||", "args": terms}

    def _both(self, depth: int) -> Json:
        terms = [self._not(depth)]
        while self._word({"and": ""}):
            terms.append(self._not(depth))
        return terms[0] if len(terms) == 1 else {"op": "&&", "args": terms}

    def _not(self, depth: int) -> Json:
        if self._word({"not": ""}):
            if depth >= MAX_DEPTH:
                _refuse("It is nested too deep")
            return {"op": "!", "args": [self._not(depth + 1)]}
        return self._compared(depth)

    def _compared(self, depth: int) -> Json:
        left = self._chain(_ADD, depth)
        if word := self._word(_COMPARE):
            return {"op": _COMPARE[word], "args": [left, self._chain(_ADD, depth)]}
        if self._word({"in": ""}):
            self._sign("(")
            return {"op": "in", "args": [left, self._list(depth)]}
        return left

    def _chain(self, words: Mapping[str, str], depth: int) -> Json:
        found = self._operand(words, depth)
        while word := self._word(words):
            found = {"op": words[word], "args": [found, self._operand(words, depth)]}
        return found

    def _operand(self, words: Mapping[str, str], depth: int) -> Json:
        return self._chain(_MULTIPLY, depth) if words is _ADD else self._single(depth)

    def _list(self, depth: int) -> list[Json]:
        """Read what stands in parentheses, of which the first was read."""
        found: list[Json] = []
        while (self.kind, self.value) != ("sign", ")"):
            found.append(self.either(depth + 1))
            if (self.kind, self.value) != ("sign", ","):
                break
            self._take()
        self._sign(")")
        return found

    def _single(self, depth: int) -> Json:
        kind, value = self._take()
        match kind:
            case "text":
                return value[1:-1].replace("''", "'")
            case "guid" | "moment" | "time":
                return value
            case "number":
                return {"decimal": value} if "." in value and "e" not in value.lower() else _number(value)
            case "sign" if value == "(":
                found = self.either(depth + 1)
                self._sign(")")
                return found
            case "sign" if value == "-" and depth < MAX_DEPTH:
                return {"op": "-", "args": [self._single(depth + 1)]}
            case "name":
                return self._named(value, depth)
            case _:
                return _refuse("It ends too early" if kind == "end" else f"{value!r} is not expected here")

    def _named(self, name: str, depth: int) -> Json:
        if name in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[name]
        if (self.kind, self.value) == ("sign", "("):
            self._take()
            if name.endswith("/any"):
                return self._any(name.removesuffix("/any"), depth)
            return _call(name.lower(), self._list(depth))
        if name.endswith("/$count"):
            return {"call": "size", "args": [{"field": self._field_of(name.removesuffix("/$count"))}]}
        return {"field": self._field_of(name)}

    def _any(self, path: str, depth: int) -> Json:
        """Read ``tags/any(t: t eq 'x')`` and ``deals/any(d: d/id eq …)``: what is looked for in a set or list."""
        field = {"field": self._field_of(path)}
        if (self.kind, self.value) == ("sign", ")"):
            self._take()
            return {"op": ">", "args": [{"call": "size", "args": [field]}, 0]}
        _, variable = self._take()
        self._sign(":")
        _, name = self._take()
        if name not in (variable, f"{variable}/id") or not self._word({"eq": ""}):
            _refuse("any() takes one comparison: tags/any(t: t eq 'x')")
        wanted = self._single(depth + 1)
        self._sign(")")
        return {"op": "in", "args": [wanted, field]}


def _number(text: str) -> Json:
    return int(text) if re.fullmatch(r"-?\d{1,18}", text) else float(text)


def _call(name: str, args: list[Json]) -> Json:
    ours, count = _CALLS.get(name, ("", -1))
    if not ours:
        _refuse(f"There is no function {name!r} here; known are {', '.join(sorted(_CALLS))}")
    if len(args) != count:
        _refuse(f"{name}() takes {count} values, not {len(args)}")
    return {"call": ours, "args": args}
