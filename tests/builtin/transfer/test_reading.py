"""Files as rows: every row comes out once, good or with the reason why it is not."""

from __future__ import annotations

import gc
import io
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xrm.builtin.transfer.formulas import guarded, plain
from xrm.builtin.transfer.layout import Layout, detect, find_delimiter
from xrm.builtin.transfer.reading import MAX_JSON, open_table, read_rows
from xrm.errors import Malformed, TooLarge


def values(content: bytes, name: str = ""):
    return [dict(row.values) for row in read_rows(content, name)]


def codes(content: bytes, name: str = ""):
    return [row.issue.code if row.issue else "" for row in read_rows(content, name)]


@pytest.mark.parametrize(
    ("encoding", "text", "expected"),
    [
        ("utf-8", "name\nŁódź\n", "utf-8"),
        ("utf-8-sig", "name\nŁódź\n", "utf-8-sig"),
        ("utf-16", "name\nŁódź\n", "utf-16"),
        ("utf-16-le", "name;city\nMuller;Bern\n", "utf-16-le"),
        ("utf-16-be", "name;city\nMuller;Bern\n", "utf-16-be"),
        ("cp1252", "name\nMüller – Söhne\n", "cp1252"),
        ("latin-1", "name\nM\x81ller\n", "latin-1"),
        ("ascii", "name\nMiller\n", "utf-8"),
    ],
)
def test_the_encoding_is_found_and_used(encoding, text, expected):
    content = text.encode(encoding)
    assert detect(io.BytesIO(content)).encoding == expected
    header, (row,) = text.splitlines()[0].split(";"), values(content)
    assert list(row.values()) == text.splitlines()[1].split(";")
    assert list(row) == header


def test_a_character_that_is_cut_by_the_chunk_is_no_wrong_encoding(monkeypatch):
    monkeypatch.setattr("xrm.builtin.transfer.layout.CHUNK", 7)
    assert detect(io.BytesIO("name\nÄÖÜ€€€\n".encode())).encoding == "utf-8"


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("a,b,c\n1,2,3\n", ","),
        ("a;b\n1,5;2,5\n2,5;3,5\n", ";"),
        ("a\tb\n1\t2\n", "\t"),
        ("a|b|c\n1|2|3\n", "|"),
        ('name;note\nx;"a, b, c, d"\n', ";"),
        ("only\nrow\n", ","),
        ("", ","),
    ],
)
def test_the_delimiter_is_the_one_that_makes_equal_rows(text, delimiter):
    assert find_delimiter(text) == delimiter


def test_a_sample_that_ends_within_a_row_does_not_mislead(monkeypatch):
    monkeypatch.setattr("xrm.builtin.transfer.layout.SAMPLE", 25)
    assert detect(io.BytesIO(b"a;b;c\n1,1;2,2;3\n1;2,5;3,4,5,6,7\n")).delimiter == ";"


def test_excels_first_line_says_the_delimiter_and_is_no_header():
    table = read_rows(b"sep=|\r\na|b\r\n1|2\r\n")
    assert (table.header, table.layout.delimiter) == (("a", "b"), "|")
    assert [(row.line, dict(row.values)) for row in table] == [(3, {"a": "1", "b": "2"})]


def test_rows_know_where_they_begin_and_blank_lines_are_none():
    rows = list(read_rows(b'a,b\n1,2\n\n"x\ny",3\n4,5'))
    assert [(row.number, row.line, row.values["a"]) for row in rows] == [(1, 2, "1"), (2, 4, "x\ny"), (3, 6, "4")]
    assert all(row.issue is None for row in rows)


def test_blanks_after_the_delimiter_belong_to_no_cell():
    assert values(b'a, b\n1, "x, y"\n') == [{"a": "1", "b": "x, y"}]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"1", "row_length"),
        (b"1,2,3", "row_length"),
        (b",", "empty_row"),
        (b'" ",""', "empty_row"),
        (b'"1"x,2', "unreadable"),
        (b'1,"never closed', "unreadable"),
    ],
)
def test_a_bad_row_is_told_and_the_others_are_read(line, code):
    content = b"a,b\n1,2\n" + line + b"\n"
    after = b"" if code == "unreadable" and line.endswith(b"closed") else b"3,4\n"
    assert codes(content + after) == ["", code, *([""] if after else [])]


def test_a_row_that_cannot_be_read_keeps_its_text_for_whoever_mends_it():
    (row,) = read_rows(b'a,b\n"1"x,2\n')
    assert row.values == {"a": '"1"x,2\n'}


def test_bytes_that_do_not_fit_a_given_encoding_are_told_by_row():
    table = open_table(io.BytesIO("name\nM\xfcller\nMay\n".encode("cp1252")), layout=Layout("csv", "utf-8"))
    assert [row.issue and row.issue.code for row in table] == ["wrong_encoding", None]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "no_header"),
        (b"\n\n", "no_header"),
        (b"a,b,a\n1,2,3\n", "duplicate_column"),
    ],
)
def test_a_file_without_a_usable_header_is_refused(content, code):
    with pytest.raises(Malformed) as refused:
        read_rows(content)
    assert [issue.code for issue in refused.value.issues] == [code]


def test_a_column_without_a_name_gets_one():
    assert read_rows(b"a,,b,\n1,2,3,4\n").header == ("a", "column_2", "b", "column_4")


@pytest.mark.parametrize("encoding", ["zlib", "no-such", "rot13", "\x00"])
def test_an_unknown_encoding_is_refused(encoding):
    with pytest.raises(Malformed):
        open_table(io.BytesIO(b"a\n1\n"), layout=Layout("csv", encoding))


def test_json_keeps_numbers_exact_and_tells_what_is_no_record():
    content = b'[{"a": 1.10, "b": [1]}, 5, {}, {"c": null}]'
    assert values(content) == [{"a": Decimal("1.10"), "b": [1]}, {}, {}, {"c": None}]
    assert codes(content) == ["", "not_a_record", "not_a_record", ""]
    assert read_rows(content).header == ("a", "b", "c")


def test_json_may_be_the_answer_of_our_own_interface():
    assert values(b'{"records": [{"a": 1}], "next": null}') == [{"a": 1}]


@pytest.mark.parametrize("content", [b'{"a": [', b'"text"', b'{"a": 1,\n "b": 2}', b'[{"a": NaN}]', b"[" * 100_000])
def test_other_json_is_refused(content):
    with pytest.raises(Malformed):
        read_rows(content, "x.json")


def test_a_huge_json_file_is_refused_before_it_is_read():
    class Endless(io.BytesIO):
        def read(self, size=-1):
            return b" " * (size if size > 0 else MAX_JSON + 1)

    with pytest.raises(TooLarge):
        open_table(Endless(), layout=Layout("json"))


def test_json_lines_tell_bad_lines_by_row():
    content = b'{"a": 1}\n\nno json\n[1]\n{"a": Infinity}\n{"b": 2}\n'
    assert codes(content) == ["", "unreadable", "not_a_record", "unreadable", ""]
    assert [row.line for row in read_rows(content)] == [1, 3, 4, 5, 6]


def test_the_ending_says_the_format():
    assert read_rows(b'{"a": 1}\n', "x.ndjson").layout.format == "jsonl"
    assert read_rows(b'{"a",b\n1,2\n', "x.csv").layout.format == "csv"


def test_the_stream_stays_open_for_its_owner():
    stream = io.BytesIO(b"a\n1\n2\n")
    table = open_table(stream)
    next(iter(table))
    del table
    gc.collect()
    assert stream.seek(0) == 0


@given(st.text())
def test_a_guarded_cell_is_no_formula_and_comes_back(text):
    cell = guarded(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert plain(cell) == text or plain(text) != text


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_but_a_refusal(content):
    try:
        rows = list(read_rows(content))
    except (Malformed, TooLarge):
        return
    assert [row.number for row in rows] == list(range(1, len(rows) + 1))


@given(st.lists(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\x00'")), min_size=2, max_size=2)))
def test_what_a_csv_writer_wrote_is_read(rows):
    import csv

    out = io.StringIO(newline="")
    csv.writer(out).writerows([["first", "second"], *rows])
    table = open_table(io.BytesIO(out.getvalue().encode()), layout=Layout())
    read = [list(row.values.values()) for row in table if row.issue is None]
    assert read == [row for row in rows if any(cell.strip() for cell in row)]
