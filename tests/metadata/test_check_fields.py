"""Options fit the type, defaults fit the options, names are free."""

from __future__ import annotations

import time

import pytest

from tests.metadata.sites import found, hints, reviewed
from xrm.metadata.pattern import matches


def field(text: str) -> list[str]:
    """Return the findings about one field, as `column code`; its table begins in column 4."""
    return [entry.removeprefix("site.yaml:3:") for entry in found(f"entity: deal\nfields:\n x: {text}\n")]


@pytest.mark.parametrize("text", [
    "{type: text, max: 10, pattern: '[a-z]+', default: abc}",
    "{type: integer, min: 1, max: 9, default: 9}",
    "{type: decimal, precision: 5, scale: 3, default: '12.345', min: -1.5}",
    "{type: money, default: 10, min: 0}",
    "{type: money, default: {amount: '10.50', currency: EUR}}",
    "{type: percent, default: 12.5, max: 100}",
    "{type: boolean, default: false}",
    "{type: date, default: $today, min: '2020-01-01'}",
    "{type: date, default: 2026-02-28, min: 2020-01-01, max: 2030-01-01}",
    "{type: time, default: '14:30', min: '08:00'}",
    "{type: datetime, default: $now}",
    "{type: datetime, default: '2026-01-31T10:00:00Z', min: '2020-01-01T00:00:00Z'}",
    "{type: choice, choices: [a, b], default: b, backfill: a}",
    "{type: choices, choices: [a, b], default: [a, b]}",
    "{type: relation, to: user, default: $user.id, on_delete: clear, inverse: deals}",
    "{type: relation, to: [user, party], on_delete: cascade, default: $user.id}",
    "{type: relation, to: '*', inverse: things}",
    "{type: relation, to: unit, default: $user.unit}",
    "{type: relation, to: unit, default: 018f0000-0000-7000-8000-000000000000}",
    "{type: email, default: $user.email, unique: true}",
    "{type: tags, default: [a, b]}",
    "{type: json, default: {a: [1, null]}}",
    "{type: uuid, default: 018f0000-0000-7000-8000-000000000000}",
    "{type: auto_number, number: 'T-{00000}'}",
    "{type: duration, default: 90, max: 600}",
    "{type: text, default: $100, help: Not a word of ours.}",
    "{type: long_text, max: 10000}",
    "{type: url, read_only: true, class: personal, index: true}",
])  # fmt: skip
def test_good_fields(text: str) -> None:
    assert field(text) == []


@pytest.mark.parametrize(("text", "finding"), [
    ("{title: X}", "2 missing_type"),
    ("{type: relation}", "2 missing_option"),
    ("{type: choice}", "2 missing_option"),
    ("{type: choices, choices: []}", "2 missing_option"),
    ("{type: auto_number}", "2 missing_option"),
    ("{type: text, to: user}", "22 option_not_for_type"),
    ("{type: boolean, max: 3}", "26 option_not_for_type"),
    ("{type: text, min: 3}", "23 option_not_for_type"),
    ("{type: text, choices: [a]}", "27 option_not_for_type"),
    ("{type: date, scale: 2}", "25 option_not_for_type"),
    ("{type: integer, pattern: a}", "30 option_not_for_type"),
    ("{type: relation, to: user, formula: a}", "41 option_conflict"),
    ("{type: integer, formula: '1', required: true}", "45 option_conflict"),
    ("{type: integer, formula: '1', default: 0}", "44 option_conflict"),
    ("{type: relation, to: user, required: true, on_delete: clear}", "59 option_conflict"),
    ("{type: relation, to: ['*', user]}", "27 bad_name"),
    ("{type: relation, to: '*', on_delete: cascade}", "42 option_conflict"),
    ("{type: decimal, precision: 3, scale: 4}", "42 option_conflict"),
    ("{type: text, max: 0}", "23 bad_option"),
    ("{type: text, max: ten}", "23 bad_option"),
    ("{type: text, max: 2.5}", "23 bad_option"),
    ("{type: integer, min: 5, max: 4}", "34 bad_option"),
    ("{type: integer, min: '5'}", "26 bad_option"),
    ("{type: date, min: tomorrow}", "23 bad_option"),
    ("{type: date, min: 5}", "23 bad_option"),
    ("{type: date, min: 2026-02-01, max: 2026-01-01}", "40 bad_option"),
    ("{type: datetime, min: '2026-01-01T00:00:00Z', max: '2025-01-01T00:00:00'}", "56 bad_option"),
    ("{type: auto_number, number: T-}", "33 bad_option"),
    ("{type: auto_number, number: '{00}{00}'}", "33 bad_option"),
    ("{type: text, pattern: '(a'}", "27 bad_pattern"),
    ("{type: text, pattern: 'a{2,1}'}", "27 bad_pattern"),
    ("{type: text, pattern: 'a)|(b'}", "27 bad_pattern"),
    ("{type: text, pattern: '(?=a)b'}", "27 bad_pattern"),
    ("{type: text, pattern: 'a{1000}{1000}'}", "27 bad_pattern"),
    ("{type: text, was: x}", "23 option_conflict"),
    ("{type: text, was: id}", "23 was_conflict"),
    ("{type: json, unique: true}", "26 not_indexable"),
    ("{type: tags, index: true}", "25 not_indexable"),
    ("{type: relation, to: usr}", "26 unknown_entity"),
    ("{type: relation, to: [user, prty]}", "33 unknown_entity"),
])  # fmt: skip
def test_options_that_do_not_fit(text: str, finding: str) -> None:
    assert field(text) == [finding]


@pytest.mark.parametrize(("type_and_options", "value"), [
    ("text", "5"), ("text, max: 2", "abc"), ("text, pattern: '[0-9]+'", "abc"), ("text", "$today"),
    ("text", "$user.id"),
    ("text", "$user.name"), ("text", "[a]"), ("text", "true"),
    ("integer", "1.5"), ("integer", "'1'"), ("integer", "true"), ("integer, max: 3", "4"), ("integer, min: 3", "2"),
    ("integer", "'99999999999999999999'"), ("duration", "soon"),
    ("decimal, scale: 1", "1.25"), ("decimal, precision: 3, scale: 2", "10"), ("decimal", "nan"), ("decimal", "x"),
    ("money", "{amount: 1, unit: EUR}"), ("money", "{currency: EUR}"), ("money", "{amount: 1, currency: 5}"),
    ("percent, max: 100", "101"), ("percent", "[]"),
    ("boolean", "yes"), ("boolean", "1"),
    ("date", "2026-02-30"), ("date", "tomorrow"), ("date", "$now"), ("date, max: 2020-01-01", "2021-01-01"),
    ("date", "5"), ("time", "25:00"), ("datetime", "$today"), ("datetime", "now"),
    ("datetime, min: '2020-01-01T00:00:00Z'", "'2021-01-01T00:00:00'"),
    ("choice, choices: [a, b]", "c"), ("choice, choices: [a, b]", "[a]"), ("choice, choices: [a, b]", "{a: b}"),
    ("choices, choices: [a, b]", "a"), ("choices, choices: [a, b]", "[a, c]"),
    ("tags", "a"), ("tags", "[1]"),
    ("relation, to: party", "$user.id"), ("relation, to: user", "$user.unit"), ("relation, to: user", "me"),
    ("uuid", "1"), ("auto_number, number: '{0}'", "'1'"),
])  # fmt: skip
@pytest.mark.parametrize("option", ["default", "backfill"])
def test_values_that_do_not_fit(type_and_options: str, value: str, option: str) -> None:
    start = f"{{type: {type_and_options}, {option}: "
    assert field(f"{start}{value}}}") == [f"{len(start) + 5} bad_default"]


def test_a_wrong_default_says_which_was_meant() -> None:
    issues = reviewed("entity: deal\nfields: {x: {type: choice, choices: [person, company], default: persn}}\n").issues
    assert "did you mean 'person'?" in issues[0].message


def test_no_pattern_is_slow() -> None:
    started = time.process_time()
    assert field(f"{{type: text, pattern: '(a+)+b', default: {'a' * 10_000}}}") == ["46 bad_default"]
    assert time.process_time() - started < 1


@pytest.mark.parametrize(("pattern", "text", "expected"), [
    ("a|b", "a", True), ("a|b", "ab", False), ("[0-9]{3}", "1234", False), ("a", "a\n", False), ("[A-Z]+", "ÄB", False),
    (r"\d+", "٣", False), (r"\p{L}+", "Ä", True), ("(?i)abc", "ABC", True), ("^abc$", "abc", True), ("(", "x", True),
    ("a", "\ud800", True),
])  # fmt: skip
def test_the_whole_text_must_match(pattern: str, text: str, expected: bool) -> None:
    assert matches(pattern, text) is expected


@pytest.mark.parametrize("name", ["true", "false", "null", "in"])
def test_words_of_the_expression_language_are_no_fields(name: str) -> None:
    assert found(f"entity: deal\nfields:\n {name}: text\n") == ["site.yaml:3:2 reserved_name"]


def test_a_field_called_user_is_only_warned_about() -> None:
    result = reviewed("entity: deal\nfields:\n user: {type: relation, to: user}\n")
    assert [(issue.code, issue.severity) for issue in result.issues] == [("shadowed_name", "warning")]
    assert result.valid


@pytest.mark.parametrize("name", ["session", "model", "me", "xrm_journal", "sqlite_master", "pg_class"])
def test_names_of_the_platform_are_no_entities(name: str) -> None:
    assert [entry.split()[1] for entry in found(f"entity: {name}\nfields: {{a: text}}\n")] == ["reserved_name"]


def test_second_columns_are_kept_free() -> None:
    text = "entity: deal\nfields:\n a: money\n a_currency: text\n r: {type: relation, to: '*'}\n r_entity: text\n"
    assert found(text) == [
        "site.yaml:4:2 name_clash", "site.yaml:6:2 name_clash",
    ]  # fmt: skip


def test_former_names() -> None:
    was_d = "{type: text, was: d}"
    text = f"entity: deal\nfields:\n a: {{type: text, was: b}}\n b: text\n c: {was_d}\n e: {was_d}\n"
    assert found(text) == ["site.yaml:3:23 was_conflict", "site.yaml:6:23 was_conflict"]
    assert found("entity: deal\nwas: party\nfields: {}\n") == ["site.yaml:2:6 was_conflict"]
    both = "entity: deal\nwas: old\nfields: {}\n---\nentity: lead\nwas: old\nfields: {}\n"
    assert found(both) == ["site.yaml:6:6 was_conflict"]


def test_inverses_are_unique_on_their_target() -> None:
    text = """\
        entity: deal
        fields:
          a: {type: relation, to: party, inverse: deals}
          b: {type: relation, to: [user, party], inverse: deals}
          c: {type: relation, to: party, inverse: name}
          d: {type: relation, to: '*', inverse: deals}
        """
    got = found(text)
    assert "site.yaml:4:51 name_clash" in got
    assert "site.yaml:5:43 name_clash" in got
    assert {entry.split()[0] for entry in got if "6:" in entry} == {"site.yaml:6:41"}
    assert {entry.split()[1] for entry in got} == {"name_clash"}


def test_groups_of_fields() -> None:
    text = "entity: deal\nfields: {a: text, b: json}\nunique: [[a, c]]\nindexes: [[a, b], [a, a]]\n"
    assert found(text) == [
        "site.yaml:3:14 unknown_field",
        "site.yaml:4:15 not_indexable",
        "site.yaml:4:23 duplicate_item",
    ]


def test_a_removed_field_is_not_judged_but_may_not_be_used() -> None:
    assert field("{type: relation, removed: true}") == []
    text = "entity: deal\nfields: {x: {type: text, removed: true}}\nunique: [[x]]\n"
    assert found(text) == ["site.yaml:3:11 removed_name"]


def test_a_relation_to_a_removed_entity() -> None:
    text = "entity: gone\nremoved: true\nfields: {}\n---\nentity: deal\nfields: {x: {type: relation, to: gone}}\n"
    assert found(text) == ["site.yaml:6:34 removed_name"]


def test_trait_fields_are_judged_once_however_many_use_them() -> None:
    users = "".join(f"---\nentity: {name}\nuses: [t]\nfields: {{}}\n" for name in "ab")
    assert found("trait: t\nfields: {x: {type: choice}}\n" + users) == ["site.yaml:2:10 missing_option"]


def test_unknown_names_come_with_a_hint() -> None:
    assert hints("entity: deal\nfields: {x: {type: relation, to: prty}}\n") == ["did you mean 'party'?"]
    assert hints("entity: deal\nfields: {x: int}\n") == ["did you mean 'integer'?"]
    assert hints("entity: deal\nfields: {x: {type: reference}}\n") == ["did you mean 'relation'?"]


def test_what_is_computed_of_a_field_that_cannot_be_read_is_not_a_second_fault() -> None:
    broken = """
    entity: deal
    fields:
      customer: {type: relation, to: party, invers: deals}
      mail: {type: lookup, of: customer.email}
    """
    mended = broken.replace("invers: deals", "inverse: deals").replace(".email", ".mail")
    assert [line.split()[1] for line in found(broken)] == ["unknown_key"]
    assert [line.split()[1] for line in found(mended)] == ["unknown_field"]


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("last", ["f0", "n"])
def test_a_long_chain_of_computed_fields_is_an_issue_whichever_end_comes_first(order: int, last: str) -> None:
    names = [f"f{number}" for number in range(300)]
    fields = [f"  {a}: {{type: integer, formula: {b}}}" for a, b in zip(names, [*names[1:], last], strict=True)]
    text = "\n".join(["entity: deal", "fields:", "  n: integer", *fields[::order]])
    assert [line.split()[1] for line in found(text)].count("computed_chain") == 1


@pytest.mark.parametrize("order", [1, -1])
def test_a_chain_of_fifty_computed_fields_is_good(order: int) -> None:
    names = [f"f{number}" for number in range(50)]
    fields = [f"  {a}: {{type: integer, formula: {b}}}" for a, b in zip(names, [*names[1:], "n"], strict=True)]
    assert found("\n".join(["entity: deal", "fields:", "  n: integer", *fields[::order]])) == []
