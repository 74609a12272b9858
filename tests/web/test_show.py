"""Values as people read and type them."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from xrm.kernel.values import Refused
from xrm.metadata.model import Choice, Field, Model
from xrm.web.facets import Facet, expression, quoted
from xrm.web.forms import plain_number, to_json, to_raw
from xrm.web.pages.account import local_path, program
from xrm.web.show import Show, day_bounds, duration, initials, short, trimmed

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


def of(type: str, **options) -> Field:
    return Field("f", type, "F", **options)


@pytest.fixture
def show() -> Show:
    return Show(Model({}), BERLIN)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"amount": "1234.5", "currency": "EUR"}, "€1,234.5"),
        ({"amount": "-5.00", "currency": "USD"}, "\u2212$5.00"),
        ({"amount": "-5.00", "currency": "CHF"}, "CHF \u22125.00"),
        ({"amount": None, "currency": "EUR"}, ""),
        (None, ""),
    ],
)
def test_money(show, value, shown):
    assert show.money(value) == shown


@pytest.mark.parametrize(
    ("at", "shown"),
    [
        ("2026-11-02T08:59:30Z", "just now"),
        ("2026-11-02T08:30:00Z", "30 min ago"),
        ("2026-11-02T09:30:00Z", "in 30 min"),
        ("2026-11-02T05:00:00Z", "today, 06:00"),
        ("2026-11-01T22:30:00Z", "yesterday, 23:30"),
        ("2026-11-01T23:30:00Z", "today, 00:30"),
        ("2026-11-03T09:00:00Z", "tomorrow, 10:00"),
        ("2026-10-29T09:00:00Z", "4 days ago"),
        ("2026-10-01T09:00:00Z", "1 Oct 2026"),
        ("rubbish", "rubbish"),
    ],
)
def test_how_long_ago(show, at, shown):
    assert show.ago(at, NOW) == shown


def test_links_are_made_only_of_what_is_one(show):
    assert "href" not in show.rich(of("url"), "javascript:alert(1)")
    assert show.rich(of("email"), 'a"b@example.com').count('"') == 2
    assert "<b>" not in show.rich(of("phone"), "<b>1</b>")
    assert show.link(of("relation", to=("nothing",)), {"id": "x", "label": "<i>"}) == "&lt;i&gt;"
    assert "withheld" in show.link(of("relation", to=("user",)), {"_restricted": True})


def test_choices_without_a_title_show_their_name(show):
    field = of("choice", choices=(Choice("a", "<A>", 'success" onx'),))
    assert show.rich(field, "a") == '<span class="tag tag-plain">&lt;A&gt;</span>'
    assert show.plain(field, "gone") == "gone"


@pytest.mark.parametrize(
    ("minutes", "shown"), [(0, "0 min"), (59, "59 min"), (60, "1 h"), (95, "1 h 35 min"), (-90, "\u22121 h 30 min")]
)
def test_durations(minutes, shown):
    assert duration(minutes) == shown


def test_small_things():
    assert trimmed("12.50") == "12.5"
    assert trimmed("100") == "100"
    assert initials("Ada Byron Lovelace") == "AL"
    assert initials("") == ""
    assert short("a " * 100, 10) == "a a a a a…"
    assert program("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/1 Safari/1 Edg/1") == "Edge on Windows"
    assert program("curl/8") == "curl/8"
    assert local_path("/e/deal?x=//y") == "/e/deal?x=//y"
    assert local_path("//evil") == "/"


def test_a_day_ends_at_midnight_also_where_the_clocks_change():
    begin, end = day_bounds(datetime(2026, 10, 25, 12, tzinfo=UTC), BERLIN)
    assert (end - begin).total_seconds() == 25 * 3600
    begin, end = day_bounds(datetime(2026, 3, 29, 12, tzinfo=UTC), BERLIN)
    assert (end - begin).total_seconds() == 23 * 3600


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("1,234.50", "1234.50"),
        ("1 234,5", "1234,5"),
        ("1'234", "1234"),
        ("12 %", "12"),
        ("1,23", "1,23"),
        ("-1,000,000", "-1000000"),
        ("", ""),
    ],
)
def test_numbers_as_typed(typed, number):
    assert plain_number(typed) == number


@pytest.mark.parametrize(
    ("typed", "minutes"),
    [("1:30", 90), ("90", "90"), ("1 h 30 min", 90), ("2h", 120), ("45m", 45), ("", None), ("soon", "soon")],
)
def test_durations_as_typed(typed, minutes):
    assert to_json(of("duration"), {"f": typed}, BERLIN) == minutes


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("2026-07-01T14:00", "2026-07-01T12:00:00Z"),
        ("2026-01-01T00:30", "2025-12-31T23:30:00Z"),
        ("2026-07-01T14:00:00Z", "2026-07-01T14:00:00Z"),
        ("soon", "soon"),
        ("", ""),
    ],
)
def test_times_as_typed_are_in_the_zone_of_the_site(typed, stored):
    assert to_json(of("datetime"), {"f": typed}, BERLIN) == stored


def test_times_out_of_range_are_refused():
    with pytest.raises(Refused):
        to_json(of("datetime"), {"f": "0001-01-01T00:00"}, BERLIN)


def test_what_a_form_shows_comes_back_as_it_was(show):
    cases = {
        "money": {"amount": "12.30", "currency": "CHF"},
        "datetime": "2026-07-01T12:00:00Z",
        "tags": ["a", "b"],
        "choices": ["a"],
        "json": {"a": [1, None]},
        "boolean": True,
        "percent": "12.5",
        "relation": "01a2078a-ecf3-74f4-a9d5-a38599d3f95a",
    }
    for type, value in cases.items():
        field = of(type, to=("x",))
        given = {"id": value, "label": "L"} if type == "relation" else value
        assert to_json(field, to_raw(show, [field], {"f": given}), BERLIN) == value, type


@pytest.mark.parametrize("text", ["it's", 'a"b', "back\\slash", "tab\tline\n", "${x}", "'||'1'=='1"])
def test_a_facets_value_stays_a_value(text):
    found = expression([Facet(of("text"), "text", (text,))], BERLIN)
    assert found == [f"(lower(f).contains(lower({quoted(text)})))"]
    inside = quoted(text)[1:-1]
    assert "\n" not in inside
    assert "'" not in inside.replace("\\\\", "").replace("\\'", "")
