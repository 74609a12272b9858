"""Mapping files: what they may say, and what a row becomes by them."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from xrm.builtin.transfer.mapping import check_mapping, load_mapping
from xrm.builtin.transfer.shaping import shape
from xrm.builtin.transfer.suggest import mapping_data, suggest
from xrm.errors import Invalid
from xrm.metadata.write import render

ROOT = Path(__file__).parents[3]


def mapping(fields: str, top: str = "mode: create"):
    return load_mapping(f"import: test\nentity: company\n{top}\nfields:\n{fields}")


def one(model, fields: str, row, top: str = "mode: create"):
    """Return the only value a row gets, or the code of what is wrong."""
    shaped = shape(mapping(fields, top), model.entities["company"], row)
    if shaped.issues:
        (issue,) = shaped.issues
        return issue.code
    return next(iter(shaped.values.values()), None)


# --- the file ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "place", "code"),
    [
        ("import: x\nentity: company\nfeilds: {}\n", "3:1", "unknown_key"),
        ("import: x\nentity: company\n", "1:1", "missing_key"),
        ("import: x\nentity: company\nmode: append\nfields: {name: a}\n", "3:7", "not_allowed"),
        ("import: x\nentity: company\nfields: {name: 5}\n", "3:16", "wrong_type"),
        ("import: x\nentity: company\nfields:\n  name: {colum: a}\n", "4:10", "unknown_key"),
        ("import: x\nentity: company\nfields:\n  name: {case: upper}\n", "4:3", "missing_key"),
        ("import: x\nentity: company\nfields:\n  name: {column: a, value: b}\n", "4:3", "not_allowed"),
        ("import: x\nentity: company\nfields:\n  name: {column: a, values: [b]}\n", "4:29", "wrong_type"),
        ("import: x\nentity: company\nfields:\n  name: {column: a, otherwise: refuse}\n", "4:3", "missing_key"),
        ("import: x\nentity: company\nfields:\n  name: {column: a, only_new: x}\n", "4:31", "wrong_type"),
        ("import: x\nentity: company\nfile: {delimiter: ab}\nfields: {name: a}\n", "3:19", "out_of_range"),
        ("import: x\nentity: company\nfields: {name: a}\nkey: [1]\n", "4:7", "wrong_type"),
        ("import: x\n---\nimport: y\n", "1:1", "grammar"),
        ("import: x\nimport: y\n", "2:1", "duplicate_key"),
        ("- a\n", "1:1", "wrong_type"),
    ],
)
def test_a_wrong_file_says_where(text, place, code):
    with pytest.raises(Invalid) as refused:
        load_mapping(text, "m.yaml")
    assert (f"m.yaml:{place}", code) in {(issue.path, issue.code) for issue in refused.value.issues}


@pytest.mark.parametrize(
    ("fields", "top", "code"),
    [
        ("  nam: a", "mode: create", "unknown_field"),
        ("  code: a", "mode: create", "read_only"),
        ("  double: a", "mode: create", "read_only"),
        ("  name: {column: a, by: email}", "mode: create", "not_allowed"),
        ("  name: {column: a, split: x}", "mode: create", "not_allowed"),
        ("  parent: {column: a, by: name}", "mode: create", "not_unique"),
        ("  about: a", "mode: create", "missing_key"),
        ("  about: {column: a, entity: campany}", "mode: create", "unknown_entity"),
        ("  name: a", "mode: upsert", "missing_key"),
        ("  name: a", "key: number", "unknown_field"),
        ("  tags: a", "key: tags", "not_allowed"),
    ],
)
def test_a_mapping_that_does_not_fit_the_model_is_told(model, fields, top, code):
    assert [issue.code for issue in check_mapping(mapping(fields, top), model)] == [code]


def test_columns_that_are_not_there_and_columns_nobody_reads_are_told(model):
    rules = mapping("  name: '{First} {Name}'", "mode: create\nignore: [Fax]")
    issues = check_mapping(rules, model, ("first", "Name", "Fax", "Tel", "_row"))
    assert [(i.code, i.severity) for i in issues] == [
        ("unknown_column", "error"),
        ("unused_column", "warning"),
        ("unused_column", "warning"),
    ]
    assert "did you mean 'first'" in issues[0].hint


def test_numbers_and_ids_of_ours_may_be_keys(model):
    assert check_mapping(mapping("  code: a\n  name: b", "key: code"), model) == []
    assert check_mapping(mapping("  id: a\n  name: b", "key: id"), model) == []


@pytest.mark.parametrize("path", sorted((ROOT / "mappings").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_mappings_of_the_repository_can_be_read(path):
    assert load_mapping(path.read_text("utf-8"), path.name).name == path.stem


# --- a row -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "row", "expected"),
    [
        ("  name: a", {"a": " Ann "}, "Ann"),
        ("  name: a", {"a": "n/a"}, None),
        ("  name: a", {}, None),
        ("  name: {column: a, default: Nobody}", {"a": " "}, "Nobody"),
        ("  name: '{a} {b}'", {"a": "Ann", "b": ""}, "Ann"),
        ("  name: '{a} {b}'", {"a": "", "b": "NULL"}, None),
        ("  name: {value: x}", {}, "x"),
        ("  name: {column: a, prefix: 'P-', suffix: '!', case: upper}", {"a": "x"}, "P-X!"),
        ("  name: {column: a, values: {x: Ex}}", {"a": "x"}, "Ex"),
        ("  name: {column: a, values: {x: Ex}}", {"a": "y"}, "y"),
        ("  name: {column: a, values: {x: Ex}, otherwise: empty}", {"a": "y"}, None),
        ("  name: {column: a, values: {x: Ex}, otherwise: refuse}", {"a": "y"}, "unknown_value"),
        ("  name: a", {"a": 12}, "12"),
        ("  name: a", {"a": Decimal("1.50")}, "1.50"),
        ("  kind: a", {"a": "BIG ONE"}, "big"),
        ("  kind: a", {"a": "huge"}, "huge"),
        ("  sorts: a", {"a": "second; First"}, ["b", "a"]),
        ("  tags: a", {"a": "x, y,"}, ["x", "y"]),
        ("  tags: {column: a, split: '|'}", {"a": "x, y|z"}, ["x, y", "z"]),
        ("  tags: a", {"a": ["x", "y"]}, ["x", "y"]),
        ("  tags: {value: [x]}", {}, ["x"]),
        ("  staff: a", {"a": "1,200"}, "1200"),
        ("  staff: a", {"a": "1'200"}, "1200"),
        ("  staff: a", {"a": "1,20"}, "not_number"),
        ("  staff: a", {"a": "twelve"}, "not_number"),
        ("  staff: a", {"a": 12}, 12),
        ("  share: a", {"a": "12.5 %"}, "12.5"),
        ("  weight: a", {"a": "-1 234.5"}, "-1234.5"),
        ("  weight: a", {"a": Decimal("1.5")}, "1.5"),
        ("  weight: a", {"a": "."}, "not_number"),
        ("  turnover: a", {"a": "12.50"}, "12.50"),
        ("  turnover: {column: a, currency: CHF}", {"a": "12.50"}, {"amount": "12.50", "currency": "CHF"}),
        ("  turnover: {column: a, currency: CHF}", {"a": "EUR 12.50"}, {"amount": "12.50", "currency": "EUR"}),
        ("  turnover: {column: a, currency_column: b}", {"a": "12", "b": "USD"}, {"amount": "12", "currency": "USD"}),
        ("  turnover: a", {"a": "$ 12"}, "12"),
        ("  turnover: a", {"a": "much"}, "not_number"),
        ("  turnover: a", {"a": {"amount": "1", "currency": "EUR"}}, {"amount": "1", "currency": "EUR"}),
        ("  active: a", {"a": "Yes"}, True),
        ("  active: a", {"a": "0"}, False),
        ("  active: a", {"a": "perhaps"}, "perhaps"),
        ("  active: {column: a, values: {ja: true, nein: false}}", {"a": "nein"}, False),
        ("  since: a", {"a": "2020-02-29"}, "2020-02-29"),
        ("  since: a", {"a": "2020-02-29T00:00:00Z"}, "2020-02-29"),
        ("  since: a", {"a": "2020-02-29 11:00"}, "2020-02-29 11:00"),
        ("  since: {column: a, date: '%d.%m.%Y'}", {"a": "29.02.2020"}, "2020-02-29"),
        ("  since: {column: a, date: ['%d.%m.%Y', '%d.%m.%y']}", {"a": "29.02.20"}, "2020-02-29"),
        ("  since: {column: a, date: '%d.%m.%Y'}", {"a": "30.02.2020"}, "not_date"),
        ("  opens: {column: a, date: '%I:%M %p'}", {"a": "02:30 PM"}, "14:30:00"),
        ("  seen: a", {"a": "2026-03-29T02:30:00+01:00"}, "2026-03-29T01:30:00+00:00"),
        ("  seen: a", {"a": "2026-07-01 12:00"}, "2026-07-01T12:00:00"),
        ("  seen: a", {"a": "soon"}, "soon"),
        ("  data: a", {"a": '{"x": 1}'}, {"x": 1}),
        ("  data: a", {"a": "{"}, "not_json"),
        ("  data: a", {"a": {"x": [Decimal("1.5")]}}, {"x": [1.5]}),
        ("  parent: {column: a, by: number}", {"a": "7"}, {"number": "7"}),
        ("  parent: {column: a, by: number, prefix: 'N'}", {"a": 7}, {"number": "N7"}),
        ("  parent: a", {"a": "an-id"}, "an-id"),
        ("  about: {column: a, entity: item, by: id}", {"a": "an-id"}, {"entity": "item", "id": "an-id"}),
    ],
)
def test_what_a_cell_becomes(model, fields, row, expected):
    assert one(model, fields, row) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.234,5", "1234.5"),
        ("1,5", "1.5"),
        ("1.5", "not_number"),
        ("1 234", "1234"),
        ("-,5", "-.5"),
    ],
)
def test_the_decimal_sign_of_the_file_counts(model, text, expected):
    assert one(model, "  weight: a", {"a": text}, "mode: create\ndecimal: ','") == expected


def test_times_without_a_zone_are_in_that_of_the_mapping(model):
    top = "mode: create\ntime_zone: Europe/Prague"
    assert one(model, "  seen: a", {"a": "2026-07-01 12:00"}, top) == "2026-07-01T10:00:00+00:00"
    assert one(model, "  seen: a", {"a": "2026-07-01 12:00"}, "mode: create\ntime_zone: Mars") == "unknown_time_zone"


def test_an_empty_cell_clears_only_if_the_mapping_says_so(model):
    company = model.entities["company"]
    assert shape(mapping("  name: a"), company, {"a": ""}).values == {}
    assert shape(mapping("  name: a", "mode: create\nempty_cells: clear"), company, {"a": ""}).values == {"name": None}


def test_all_that_is_wrong_with_a_row_is_told_at_once(model):
    rules = mapping("  staff: a\n  share: b\n  name: c")
    shaped = shape(rules, model.entities["company"], {"a": "x", "b": "y", "c": "z"})
    assert [(i.path, i.code) for i in shaped.issues] == [("staff", "not_number"), ("share", "not_number")]
    assert shaped.values == {"name": "z"}


# --- guessing ----------------------------------------------------------------------------------------------------


def test_columns_are_taken_for_the_fields_they_are_named_after(model):
    header = ("Company Name", "Number", "turnover", "Turnover currency", "parent.number", "parent.label")
    header += ("Else", "code")
    guessed = suggest(model.entities["company"], header)
    found = {rule.field: (rule.column, rule.by, rule.currency_column) for rule in guessed.rules}
    assert found == {
        "name": ("Company Name", "", ""),
        "number": ("Number", "", ""),
        "turnover": ("turnover", "", "Turnover currency"),
        "parent": ("parent.number", "number", ""),
    }
    assert (guessed.key, guessed.mode) == (("number",), "upsert")
    assert guessed.ignore == ("parent.label", "Else", "code")
    assert check_mapping(guessed, model, header) == []


def test_without_a_unique_column_every_row_is_new(model):
    guessed = suggest(model.entities["company"], ("name",))
    assert (guessed.key, guessed.mode) == ((), "create")


def test_a_guess_can_be_written_down_and_read_again(model):
    guessed = suggest(model.entities["company"], ("name", "number", "turnover", "parent.number", "x"))
    again = load_mapping(render(mapping_data(guessed)))
    for name in ("entity", "key", "mode", "ignore"):
        assert getattr(again, name) == getattr(guessed, name)
    assert [(r.field, r.columns(), r.by) for r in again.rules] == [(r.field, r.columns(), r.by) for r in guessed.rules]
