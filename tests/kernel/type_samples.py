"""One sample per field type: what it takes, keeps and refuses. Tests of every edge run through this table."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from xrm.kernel.values import TYPES

ELSEWHERE = frozenset({"file", "image", "links"})  # have tests of their own
UNREAD = frozenset({"secret"})  # types whose values nobody reads again
NOT_SENT = frozenset({"auto_number"})  # types whose values nobody sends


@dataclass(frozen=True)
class Sample:
    """What a field of one type does.

    Attributes:
        type: Its type.
        good: Pairs of a value as it is sent, and as it is read back.
        bad: Pairs of a value that is refused, and the code of the issue.
        found: Conditions that hold for a record with the first good value; `x` is the field.
        options: Options of the field in YAML.
        part: A path of one part, such as ``x.currency``, with what it reads of the first good value.
    """

    type: str
    good: tuple[tuple[Any, Any], ...]
    bad: tuple[tuple[Any, str], ...] = ()
    found: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    part: tuple[str, Any] = ("", None)

    @property
    def name(self) -> str:
        """The name of its field in `definition`."""
        return f"f_{self.type}"

    def condition(self, text: str) -> str:
        """Return a condition of `found` about its field."""
        return re.sub(r"\bx\b", self.name, text)


ID = "018f3c1e-5b1a-7c3e-9d2f-0a1b2c3d4e5f"
_LETTERS = {"a": "First", "b": "Second"}

SAMPLES = (
    Sample("text", (("Ann", "Ann"), (" two words ", "two words")), ((3, "not_text"),), ("x == 'Ann'",)),
    Sample("long_text", (("one\ntwo", "one\ntwo"),), ((3, "not_text"),), ("x.contains('two')",)),
    Sample(
        "email",
        (("ann@example.com", "ann@example.com"), ("Ann@XN--MLLER-KVA.de", "Ann@müller.de")),
        (("ann", "not_email"), ("ann@-a.de", "not_email")),
        ("x == 'ann@example.com'",),
    ),
    Sample(
        "phone",
        (("+49 30 123456", "+4930123456"), ("030/123456", "+4930123456"), ("+1 201 555 0123 x7", "+12015550123;ext=7")),
        (("no", "not_phone"), ("+49 30 12345678901234", "impossible_phone"), (3, "not_text")),
        ("x == '+4930123456'",),
    ),
    Sample("markdown", (("# A\n*b* <i>c</i>", "# A\n*b* <i>c</i>"),), ((3, "not_text"),), ("x.contains('# A')",)),
    Sample(
        "rich_text",
        (
            ("<p>A <b>b</b></p>", "<p>A <b>b</b></p>"),
            ("<p onclick=x>A<script>b</script><img src=c></p>", "<p>A</p>"),
        ),
        ((3, "not_text"),),
        ("x.contains('<b>')",),
    ),
    Sample("rating", ((4, 4), ("0", 0)), ((6, "out_of_range"), (-1, "out_of_range"), ("a", "not_integer")), ("x > 3",)),
    Sample(
        "year_month",
        (("2026-11", "2026-11"),),
        (("2026-13", "not_month"), ("11/2026", "not_month"), ("1999-12", "too_small")),
        ("x >= '2026-11'",),
        {"min": "2000-01"},
    ),
    Sample("colour", (("#1E90ff", "#1e90ff"), ("fff", "#ffffff")), (("blue", "not_colour"),), ("x == '#1e90ff'",)),
    Sample("icon", (("calendar-event", "calendar-event"), ("bi-gear", "gear")), (('a"b', "not_icon"),), ("x != null",)),
    Sample(
        "url",
        (("https://example.com/a", "https://example.com/a"), ("HTTP://Example.COM/A", "http://example.com/A")),
        (("javascript:x", "not_url"),),
        ("x != null",),
    ),
    Sample("integer", ((7, 7), ("8", 8)), (("a", "not_integer"), (2**70, "too_large")), ("x == 7", "x > 6")),
    Sample("duration", ((95, 95),), ((1.5, "not_integer"),), ("x >= 95",)),
    Sample(
        "decimal", (("12.50", "12.50"), (3, "3.00")), (("a", "not_number"), ("1.234", "too_precise")), ("x == 12.5",)
    ),
    Sample("percent", (("12.50", "12.50"),), (("a", "not_number"),), ("x > 12",)),
    Sample(
        "money",
        (
            ({"amount": "12.50", "currency": "CHF"}, {"amount": "12.50", "currency": "CHF"}),
            ("3", {"amount": "3.00", "currency": "EUR"}),
        ),
        (({"amount": "1", "currency": "euro"}, "not_currency"), ("a", "not_number"), ({"sum": 1}, "unknown_key")),
        ("x == 12.5", "x.currency == 'CHF'", "x.amount == 12.5"),
        part=("x.currency", "CHF"),
    ),
    Sample("date", (("2026-03-09", "2026-03-09"),), (("9.3.2026", "not_date"),), ("x == '2026-03-09'",)),
    Sample(
        "date_range",
        (
            ({"start": "2026-01-05", "end": "2026-03-31"}, {"start": "2026-01-05", "end": "2026-03-31"}),
            ({"end": "2026-03-31"}, {"start": None, "end": "2026-03-31"}),
            ("2026-01-05/..", {"start": "2026-01-05", "end": None}),
        ),
        (
            ({"start": "2026-03-02", "end": "2026-03-01"}, "ends_before_start"),
            ({"start": "tomorrow"}, "not_date"),
            ({"from": "2026-03-02"}, "unknown_key"),
            ("2026-03-02", "not_range"),
            (7, "not_range"),
        ),
        ("x.start <= '2026-02-01' && x.end >= '2026-02-01'", "x == '2026-01-05'"),
        {"open_ends": True},
        ("x.end", "2026-03-31"),
    ),
    Sample(
        "person_name",
        (
            (
                {"given": "Ann", "family": "de la Cruz", "prefix": "Dr."},
                {
                    "full": "Dr. Ann de la Cruz",
                    "prefix": "Dr.",
                    "given": "Ann",
                    "middle": None,
                    "family": "de la Cruz",
                    "suffix": None,
                },
            ),
            (
                " Martin  Luther King Jr. ",
                {
                    "full": "Martin Luther King Jr.",
                    "prefix": None,
                    "given": "Martin",
                    "middle": "Luther",
                    "family": "King",
                    "suffix": "Jr.",
                },
            ),
        ),
        (
            (7, "not_name"),
            ({"first": "Ann"}, "unknown_key"),
            ({"given": 7}, "not_text"),
            ({"given": "a" * 201}, "too_long"),
        ),
        ("x == 'Dr. Ann de la Cruz'", "x.family == 'de la Cruz'"),
        part=("x.given", "Ann"),
    ),
    Sample(
        "address",
        (
            (
                {"street": "Hauptstraße 1\n\n Hof ", "postal_code": "10115", "city": "Berlin", "country": "de"},
                {
                    "street": "Hauptstraße 1\nHof",
                    "postal_code": "10115",
                    "city": "Berlin",
                    "region": None,
                    "country": "DE",
                },
            ),
            (
                {"city": "London", "postal_code": "sw1a 1aa", "country": "United Kingdom"},
                {"street": None, "postal_code": "SW1A 1AA", "city": "London", "region": None, "country": "GB"},
            ),
        ),
        (
            ({"postal_code": "1011", "country": "DE"}, "not_postal_code"),
            ({"country": "Atlantis"}, "not_country"),
            ({"town": "Berlin"}, "unknown_key"),
            ("Hauptstraße 1", "not_address"),
            ({"city": 7}, "not_text"),
            ({"street": "a" * 501}, "too_long"),
        ),
        ("x.city == 'Berlin' && x.country == 'DE'", "x.postal_code == '10115'"),
        part=("x.city", "Berlin"),
    ),
    Sample(
        "geo_point",
        (
            ({"lat": "52.52", "lng": 13.405}, {"lat": "52.520000", "lng": "13.405000"}),
            ("-33.8688197, 151.2092955", {"lat": "-33.868820", "lng": "151.209296"}),
        ),
        (
            ({"lat": 91, "lng": 0}, "out_of_range"),
            ({"lat": 0, "lng": "-180.1"}, "out_of_range"),
            ({"lat": 1}, "not_point"),
            ("Berlin", "not_point"),
            (True, "not_point"),
            ({"lat": 1, "lng": 1, "alt": 3}, "unknown_key"),
        ),
        ("x.lat > 52 && x.lng < 14",),
        part=("x.lng", "13.405000"),
    ),
    Sample("time", (("06:30", "06:30:00"),), (("25:00", "not_time"),), ("x != null",)),
    Sample(
        "datetime",
        (("2026-03-09T14:00:00+01:00", "2026-03-09T13:00:00Z"),),
        (("2026-03-09T14:00:00", "no_time_zone"),),
        ("x >= '2026-03-09T13:00:00Z'",),
    ),
    Sample("boolean", ((True, True), (False, False)), (("maybe", "not_boolean"),), ("x == true",)),
    Sample("choice", (("a", "a"),), (("c", "not_a_choice"),), ("x == 'a'",), {"choices": _LETTERS}),
    Sample("choices", ((["b", "a"], ["a", "b"]),), ((["c"], "not_a_choice"),), ("'a' in x",), {"choices": _LETTERS}),
    Sample("tags", ((["big", "old"], ["big", "old"]),), (("big", "not_list"),), ("'big' in x",)),
    Sample(
        "json",
        (({"a": [1, None]}, {"a": [1, None]}), ({"size": 3}, {"size": 3})),
        (({"size": "3"}, "not_in_schema"), ([1], "not_in_schema")),
        ("x != null",),
        {"schema": {"type": "object", "properties": {"size": {"type": "integer"}}}},
    ),
    Sample(
        "encrypted_text",
        (("a b", "a b"), ("Ünter", "Ünter")),
        ((3, "not_text"), ("x" * 41, "too_long")),
        ("x != null",),
        {"max": 40},
    ),
    Sample(
        "secret",
        (("a b", {"set": True}),),
        ((3, "not_text"), ({"set": False}, "not_text")),
        ("x != null",),
        {"class": "internal"},
    ),
    Sample("uuid", ((ID, ID),), (("abc", "not_id"),), (f"x == '{ID}'",)),
    Sample("relation", (), (("abc", "not_id"),), (), {"to": "thing"}),
    Sample("auto_number", (), (), ("x == 'T-001'",), {"number": "T-{000}"}),
)


def lacking() -> set[str]:
    """Return the platform's field types that have no sample."""
    own = {name for name, type in TYPES.items() if type.parse.__module__.startswith("xrm.")}
    return own - ELSEWHERE - {sample.type for sample in SAMPLES}


def definition() -> str:
    """Return an entity `thing` in YAML (JSON is YAML) with a field of every type."""
    fields = {s.name: {"type": s.type, **s.options} for s in SAMPLES}
    return json.dumps(
        {"entity": "thing", "label": "{name}", "uses": ["timeline"], "fields": {"name": "text", **fields}}
    )
