"""Random expressions of every type, from a seed. All of them are correct: the checker must take each one."""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.kernel.expression.samples import DATES, IDS, TEXTS
from tests.kernel.expression.worlds import FAR, FIELDS, USER

_PATHS: dict[str, list[str]] = {}
for _name, _type in {**FIELDS, **USER, **FAR}.items():
    _PATHS.setdefault(_type.name, []).append(_name)

PATTERNS = ("", "*", "?", "a*", "*a", "?b", "A*e*", "*\\*", "%", "a_b", "**", "*\n*", "?????*", "open")
_NUMBERS = ("int", "decimal")
_ORDERED = ("text", "int", "decimal", "date", "datetime", "time")
_DAYS = ("date", "startOfWeek", "startOfMonth", "endOfMonth", "startOfQuarter", "startOfYear")
_EQUAL = (*_ORDERED, "uuid", "bool")


class Generator:
    """Makes expressions; `depth` is how many constructs may still be put into one another."""

    def __init__(self, draw: random.Random) -> None:
        self.draw = draw

    def pick(self, *makers: Callable[[], str]) -> str:
        return self.draw.choice(makers)()

    def of(self, type: str, depth: int) -> str:
        """Return an expression of a type."""
        if depth <= 0 or type in ("texts", "json") or self.draw.random() < 0.3:
            return self.leaf(type)
        if type == "bool" and self.draw.random() < 0.85:
            return self.condition(depth - 1)
        return self.pick(
            lambda: self.chosen(type, depth - 1),
            lambda: self.computed(type, depth - 1),
            lambda: self.computed(type, depth - 1),
        )

    def leaf(self, type: str) -> str:
        if type in ("uuid", "texts", "json") or self.draw.random() < 0.6:
            return self.draw.choice(_PATHS[type])
        return self.constant(type)

    def constant(self, type: str) -> str:
        draw = self.draw
        if type == "text":
            return quoted(draw.choice(TEXTS))
        if type == "int":
            return str(draw.choice((0, 1, 2, 3, 10, 30, -1, 365, 10**15, 2**63 - 1)))
        if type == "decimal":
            return draw.choice(("0.5", "2.25", "100.00", "0.001", "-3.75", "0.000001", "12345678901234.56"))
        if type == "date":
            return draw.choice(("today()", *(f"coalesce({quoted(day.isoformat())}, since)" for day in DATES)))
        if type == "datetime":
            return "now()"
        return draw.choice(("true", "false")) if type == "bool" else self.draw.choice(_PATHS[type])

    # --- values

    def chosen(self, type: str, depth: int) -> str:
        other = self.draw.choice((type, "null")) if type != "null" else type
        second = "null" if other == "null" else self.of(type, depth)
        if self.draw.random() < 0.5:
            return f"({self.of('bool', depth)} ? {self.of(type, depth)} : {second})"
        return f"coalesce({self.of(type, depth)}, {second}, {self.of(type, depth)})"

    def computed(self, type: str, depth: int) -> str:
        maker = {
            "int": self.whole,
            "decimal": self.decimal,
            "text": self.text,
            "date": self.date,
            "datetime": self.moment,
        }.get(type)
        return maker(depth) if maker else self.chosen(type, depth)

    def number(self, depth: int) -> str:
        return self.of(self.draw.choice(_NUMBERS), depth)

    def whole(self, depth: int) -> str:
        a, b = self.of("int", depth), self.of("int", depth)
        return self.pick(
            lambda: f"({a} {self.draw.choice('+-*%')} {b})",
            lambda: f"-{self.of('int', 0)}",
            lambda: f"abs({a})",
            lambda: f"round({self.of('decimal', depth)})",
            lambda: f"size({self.of('text', depth)})",
            lambda: f"size({self.draw.choice(_PATHS['texts'])})",
            lambda: f"min({a}, {b})",
            lambda: f"days({self.day(depth)}, {self.day(depth)})",
            lambda: f"year({self.day(depth)})",
            lambda: f"month({self.day(depth)})",
            lambda: f"({self.of('date', depth)} - {self.of('date', depth)})",
            lambda: f"{self.draw.choice(('floor', 'ceil', 'sign'))}({self.number(depth)})",
            lambda: f"{self.draw.choice(('day', 'quarter', 'weekday', 'week'))}({self.day(depth)})",
            lambda: f"{self.draw.choice(('hour', 'minute'))}({self.of('datetime', depth)})",
            lambda: f"{self.draw.choice(('hours', 'minutes'))}({self.moments(depth)})",
            lambda: f"find({self.of('text', depth)}, {self.of('text', depth)})",
        )

    def moments(self, depth: int) -> str:
        return f"{self.of('datetime', depth)}, {self.of('datetime', depth)}"

    def day(self, depth: int) -> str:
        return self.of(self.draw.choice(("date", "datetime")), depth)

    def decimal(self, depth: int) -> str:
        a, b = self.number(depth), self.number(depth)
        return self.pick(
            lambda: f"({self.of('decimal', depth)} {self.draw.choice('+-*%')} {b})",
            lambda: f"({a} / {b})",
            lambda: f"({a} / {b})",
            lambda: f"-({self.of('decimal', depth)})",
            lambda: f"abs({self.of('decimal', depth)})",
            lambda: f"round({self.of('decimal', depth)}, {self.draw.randint(0, 12)})",
            lambda: f"max({self.of('decimal', depth)}, {b}, {a})",
        )

    def text(self, depth: int) -> str:
        a, b = self.of("text", depth), self.of("text", depth)
        n = self.of("int", 0)
        return self.pick(
            lambda: f"({a} + {b})",
            lambda: f"lower({a})",
            lambda: f"{self.leaf('text')}.upper()",
            lambda: f"trim({a})",
            lambda: f"{self.draw.choice(('left', 'right'))}({a}, {n})",
            lambda: f"mid({a}, {n}, {self.of('int', 0)})",
            lambda: f"replace({a}, {b}, {self.of('text', 0)})",
            lambda: f"part({a}, {self.of('text', 0)}, {n})",
            lambda: f"concat({a}, {b})",
            lambda: f"join({self.of('text', 0)}, {a}, {b})",
            lambda: f"text({self.of(self.draw.choice(('int', 'date')), depth)})",
        )

    def date(self, depth: int) -> str:
        a = self.of("date", depth)
        return self.pick(
            lambda: f"({a} {self.draw.choice('+-')} {self.of('int', depth)})",
            lambda: f"max({a}, {self.of('date', depth)})",
            lambda: f"{self.draw.choice(('addMonths', 'addYears'))}({a}, {self.of('int', depth)})",
            lambda: f"{self.draw.choice(_DAYS)}({self.day(depth)})",
        )

    def moment(self, depth: int) -> str:
        a = self.of("datetime", depth)
        return self.pick(
            lambda: f"({a} {self.draw.choice('+-')} {self.of('int', depth)})",
            lambda: f"min({a}, {self.of('date', depth)})",
            lambda: f"{self.draw.choice(('addMonths', 'addYears'))}({a}, {self.of('int', depth)})",
        )

    # --- conditions

    def condition(self, depth: int) -> str:
        return self.pick(
            lambda: self.ordered(depth),
            lambda: self.ordered(depth),
            lambda: self.equal(depth),
            lambda: self.equal(depth),
            lambda: self.null_test(depth),
            lambda: self.joined(depth),
            lambda: self.joined(depth),
            lambda: f"!({self.of('bool', depth)})",
            lambda: self.one_of(depth),
            lambda: self.within(depth),
            lambda: self.text_test(depth),
            lambda: self.mixed(depth),
            lambda: f"isEmpty({self.of(self.draw.choice((*_EQUAL, 'texts')), depth)})",
        )

    def pair(self, types: tuple[str, ...], depth: int) -> tuple[str, str]:
        type = self.draw.choice(types)
        if type in _NUMBERS:
            return self.number(depth), self.number(depth)
        return self.of(type, depth), self.of(type, depth)

    def ordered(self, depth: int) -> str:
        a, b = self.pair(_ORDERED, depth)
        return f"({a} {self.draw.choice(('<', '<=', '>', '>='))} {b})"

    def equal(self, depth: int) -> str:
        a, b = self.pair(_EQUAL, depth)
        return f"({a} {self.draw.choice(('==', '!='))} {b})"

    def mixed(self, depth: int) -> str:
        """Compare a date with a time, or a date with a text that stands for one."""
        sign = self.draw.choice(("==", "!=", "<", ">="))
        return self.pick(
            lambda: f"({self.of('datetime', depth)} {sign} {self.of('date', depth)})",
            lambda: f"({self.of('date', depth)} {sign} '{self.draw.choice(DATES)}')",
            lambda: f"({self.of('datetime', depth)} {sign} '2026-03-05T14:30:00+02:00')",
            lambda: f"({self.of('time', depth)} {sign} '08:30')",
            lambda: f"(owner {self.draw.choice(('==', '!='))} '{self.draw.choice(IDS)}')",
        )

    def null_test(self, depth: int) -> str:
        type = self.draw.choice((*_EQUAL, "texts", "json"))
        return f"({self.of(type, depth)} {self.draw.choice(('==', '!='))} null)"

    def joined(self, depth: int) -> str:
        sign = self.draw.choice((" && ", " || "))
        return "(" + sign.join(self.of("bool", depth) for _ in range(self.draw.randint(2, 4))) + ")"

    def one_of(self, depth: int) -> str:
        type = self.draw.choice(("text", "int", "decimal", "date", "uuid"))
        choices = ", ".join(self.of(type, depth - 1) for _ in range(self.draw.randint(1, 4)))
        return f"({self.of(type, depth)} in [{choices}])"

    def within(self, depth: int) -> str:
        return self.pick(
            lambda: f"({self.of('text', depth)} in {self.draw.choice(_PATHS['texts'])})",
            lambda: f"({self.of('uuid', depth)} in user.teams)",
            lambda: f"{self.members()}({self.draw.choice(_PATHS['texts'])}, {self.of('text', depth)}, 'vip')",
        )

    def members(self) -> str:
        return self.draw.choice(("containsAny", "containsAll"))

    def text_test(self, depth: int) -> str:
        name = self.draw.choice(("startsWith", "endsWith", "contains"))
        if self.draw.random() < 0.25:
            return f"matches({self.of('text', depth)}, {quoted(self.draw.choice(PATTERNS))})"
        part = self.pick(lambda: self.of("text", depth), lambda: quoted(self.draw.choice(TEXTS)[:2]))
        return f"{name}({self.of('text', depth)}, {part})"


def quoted(text: str) -> str:
    """Return a text as it is written in an expression."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{escaped}'"
