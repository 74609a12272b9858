"""YAML text becomes values that know their place; nothing surprises, and nothing hostile gets far."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.metadata.sites import source
from xrm.metadata import compose as limits
from xrm.metadata.compose import compose


def read(text: str) -> Any:
    documents, issues = compose(source(text))
    assert not issues, [str(issue) for issue in issues]
    return documents[0].plain()


def refused(text: str) -> list[str]:
    _, issues = compose(source(text))
    return [f"{issue.path.removeprefix('site.yaml:')} {issue.code}" for issue in issues]


@pytest.mark.parametrize("text", [
    "no", "on", "yes", "off", "y", "n", "No", "TRUE", "True", "False", "Null", "NULL", "~", "12:30", "12:30:00", "010",
    "0x1F", "0o17", "0b1", "1_000", "+1", ".5", "1.", "1e9999", ".inf", "-.inf", ".nan", "2024-01-02", "1.2.3",
    "2024-01-02T03:04:05Z", "=", "<<", "-x", "+x",
])  # fmt: skip
def test_a_plain_word_stays_what_it_looks_like(text: str) -> None:
    assert read(f"key: {text}") == {"key": text}
    assert read(f"[{text}]") == [text]


@pytest.mark.parametrize(("text", "value"), [
    ("true", True), ("false", False), ("null", None), ("", None), ("0", 0), ("-7", -7), ("1.10", 1.1), ("-0.5", -0.5),
    ("1e3", 1000.0), ("'1'", "1"), ('"true"', "true"), ("999999999999999999", 999_999_999_999_999_999),
])  # fmt: skip
def test_json_words_and_numbers_are_values(text: str, value: object) -> None:
    got = read(f"key: {text}")["key"]
    assert got == value
    assert type(got) is type(value)


def test_keys_are_always_text() -> None:
    assert read("on: 1\nno: 2\n12:30: 3\n010: 4\n1: 5\nnull: 6\ntrue: 7") == {
        "on": 1, "no": 2, "12:30": 3, "010": 4, "1": 5, "null": 6, "true": 7,
    }  # fmt: skip


def test_every_value_knows_its_place() -> None:
    (node,), _ = compose(source("a:\n  b: [x, {c: 1}]\n  'd': |\n    text\n"))
    origin = node.find(("a", "b", 1, "c")).origin
    assert (origin.layer, origin.file, origin.line, origin.column) == ("site", "site.yaml", 2, 14)
    assert str(node.find(("a",)).origin) == "site.yaml:1:1"  # a block: where its key is
    assert str(node.find(("a", "d")).origin) == "site.yaml:3:8"
    assert str(node.find(("a", "d")).key_origin) == "site.yaml:3:3"


def test_places_count_characters_and_know_windows_lines() -> None:
    (node,), _ = compose(source("é: {ü💡: 1, b: 2}\r\nc: 3\r\n"))
    assert str(node.find(("é", "b")).origin) == "site.yaml:1:15"
    assert str(node.find(("c",)).origin) == "site.yaml:2:4"


def test_a_key_written_twice_names_the_first_and_keeps_its_value() -> None:
    documents, issues = compose(source("a: 1\nb: {c: 1, c: {d: 2}}\na: [3]\n"))
    assert [(issue.path, issue.code) for issue in issues] == [
        ("site.yaml:2:11", "duplicate_key"), ("site.yaml:3:1", "duplicate_key"),
    ]  # fmt: skip
    assert "line 1" in issues[1].message
    assert documents[0].plain() == {"a": 1, "b": {"c": 1}}


@pytest.mark.parametrize(("text", "findings"), [
    ("a: &x 1\nb: *x", ["1:4 anchor_refused", "2:4 anchor_refused"]),
    ("a: &x [1]", ["1:4 anchor_refused"]),
    ("a: !!python/object/apply:os.system [ls]", ["1:4 tag_refused"]),
    ("a: !!str 1", ["1:4 tag_refused"]),
    ("a: !x 1", ["1:4 tag_refused"]),
    ("a: ! 1", ["1:4 tag_refused"]),
    ("{a: 1}: 2", ["1:1 bad_key"]),
    ("[a]: 2", ["1:1 bad_key"]),
    ("? *x\n: 1", ["1:3 anchor_refused", "1:3 bad_key"]),
    ("k" * 201 + ": 1", ["1:1 bad_key"]),
    ("a: \0", ["1:4 bad_character"]),
    ("a: 1\nb: \x1b[0m", ["2:4 bad_character"]),
    ("a: x\x85b", ["1:5 bad_character"]),
    ("a: \u2028b", ["1:4 bad_character"]),
    ("a: \ud800", ["1:4 bad_character"]),
    ("\ufeffa: 1", ["1:1 bad_character"]),
    (r'a: "\0"', ["1:4 bad_character"]),
    (r'a: "\u2029"', ["1:4 bad_character"]),
    (r'a: "\ud800"', ["1:7 yaml_syntax"]),
    ("a: 12345678901234567890", ["1:4 number_too_long"]),
    ("a: 0.12345678901234567891", ["1:4 number_too_long"]),
    ("a: 1e999", ["1:4 number_too_long"]),
    ("a: " + "9" * 10_000, ["1:4 number_too_long"]),
    ("a: [1", ["2:1 yaml_syntax"]),
    ("a:\n\tb: 1", ["2:1 yaml_syntax"]),
    ("a: b: c", ["1:5 yaml_syntax"]),
    ("'a", ["1:3 yaml_syntax"]),
    ("a: @x", ["1:4 yaml_syntax"]),
    ("%YAML 3.0\n---\na: 1", ["1:1 yaml_syntax"]),
    ("a: 1\n...\n}", ["3:1 yaml_syntax"]),
])  # fmt: skip
def test_what_is_not_of_the_grammar_is_refused_at_its_place(text: str, findings: list[str]) -> None:
    assert refused(text) == findings


@pytest.mark.parametrize("text", [
    "[" * 100_000,
    "{a: " * 100_000,
    "- " * 100_000,
    "a:\n" + "".join(f"{' ' * depth}a:\n" for depth in range(1, 900)),
    "? " * 100_000,
    "[" * 41 + "]" * 41,
], ids=["lists", "tables", "dashes", "blocks", "keys", "just too deep"])  # fmt: skip
def test_deep_nesting_ends_early(text: str) -> None:
    started = time.process_time()
    codes = {entry.split()[1] for entry in refused(text)}
    assert codes <= {"too_deep", "bad_key"}
    assert codes
    assert time.process_time() - started < 1


def test_forty_levels_are_enough_for_anybody() -> None:
    assert read("[" * 40 + "]" * 40)


def test_the_number_of_values_is_bounded() -> None:
    assert refused("[" + "1," * limits.MAX_NODES + "]") == ["1:100000 file_too_large"]
    assert len(read("[" + "1," * (limits.MAX_NODES - 1) + "]")) == limits.MAX_NODES - 1


def test_the_size_is_bounded_in_bytes() -> None:
    assert refused("# " + "x" * limits.MAX_BYTES) == ["1:1 file_too_large"]
    assert refused("# " + "é" * (limits.MAX_BYTES // 2)) == ["1:1 file_too_large"]
    assert refused("# " + "é" * (limits.MAX_BYTES // 2 - 1)) == []


def test_aliases_cannot_make_a_small_text_large() -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))
    started = time.process_time()
    assert {entry.split()[1] for entry in refused(bomb)} == {"anchor_refused"}
    assert time.process_time() - started < 0.5


def test_a_file_of_faults_is_not_listed_without_end() -> None:
    assert len(refused("\n".join("a: 1" for _ in range(10_000)))) == limits.MAX_ISSUES


def test_documents_before_a_syntax_error_are_kept() -> None:
    documents, issues = compose(source("a: 1\n---\nb: 2\n---\nc: [\n"))
    assert [node.plain() for node in documents] == [{"a": 1}, {"b": 2}]
    assert [issue.code for issue in issues] == ["yaml_syntax"]
