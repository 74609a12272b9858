"""Workbooks, Parquet, vCards and calendars: what goes out comes back, and what is no such file is refused."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pyarrow.parquet
import pytest
import xlsxwriter
from icalendar import Calendar
from openpyxl import load_workbook

from xrm import SYSTEM, Forbidden, Invalid, Malformed
from xrm.builtin.transfer import workbook
from xrm.builtin.transfer.exporting import FORMATS, export
from xrm.builtin.transfer.importing import Import
from xrm.builtin.transfer.reading import read_rows
from xrm.builtin.transfer.suggest import suggest
from xrm.errors import TooLarge
from xrm.kernel.query import Query

FULL = {
    "name": "Müller & Co",
    "number": "=1+1",
    "turnover": {"amount": "-1234567.89", "currency": "CHF"},
    "share": "12.50",
    "staff": 7,
    "weight": "0.125",
    "active": True,
    "since": "2024-02-29",
    "opens": "08:30:00",
    "seen": "2026-01-02T03:04:05Z",
    "tags": ["a", "b"],
    "data": {"x": [1]},
}


async def exported(site, format, entity="company", **query):
    return b"".join([piece async for piece in export(site.kernel, SYSTEM, entity, Query(**query), format)])


def sheet(*rows, **more):
    out = io.BytesIO()
    options = {"in_memory": True, "default_date_format": "yyyy-mm-dd", "strings_to_formulas": False}
    with xlsxwriter.Workbook(out, options) as book:
        for name, lines in {"Sheet1": rows, **more}.items():
            page = book.add_worksheet(name)
            for number, row in enumerate(lines):
                page.write_row(number, 0, row)
    return out.getvalue()


def cells_of(content):
    return [list(row) for row in load_workbook(io.BytesIO(content)).worksheets[0].values]


def altered(content, old, new):
    """A workbook with something else in its first sheet."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as parts, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name in parts.namelist():
            part = parts.read(name)
            if name.endswith("sheet1.xml"):
                assert old in part
                part = part.replace(old, new, 1)
            made.writestr(name, part)
    return out.getvalue()


async def import_(site, content, name, key=""):
    table = read_rows(content, name)
    mapping = suggest(site.kernel.model.entities["company"], table.header, key)
    return await Import(site.kernel, SYSTEM, mapping).run(table)


async def test_a_workbook_has_typed_cells_and_no_formulas(site):
    await site.system.create("company", FULL)
    content = await exported(site, "xlsx")
    header, row = cells_of(content)
    cells = dict(zip(header, row, strict=True))
    assert cells["number"] == "=1+1"
    assert (cells["turnover"], cells["turnover_currency"]) == (-1234567.89, "CHF")
    assert (cells["staff"], cells["active"], cells["share"]) == (7, True, 12.5)
    assert (cells["since"], cells["opens"]) == (datetime(2024, 2, 29), time(8, 30))  # noqa: DTZ001
    assert cells["seen (UTC)"] == datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001  # a sheet knows no zones
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        assert b"<f>" not in parts.read("xl/worksheets/sheet1.xml")


async def test_an_exported_workbook_can_be_imported_again(site):
    await site.system.create("company", FULL)
    await site.system.create("company", {"name": "Small", "staff": 1})
    content = await exported(site, "xlsx")
    report = await import_(site, content, "out.xlsx")
    assert (report.read, report.unchanged, report.refused) == (2, 2, 0), report.problems
    changed = await import_(site, sheet(["number", "name", "staff"], ["=1+1", "Müller", 8]), "x")
    assert (changed.updated, changed.refused) == (1, 0)


async def test_cells_of_a_workbook_are_read_for_what_they_are(site):
    rows = [
        ["Number", "Name", "Turnover", "Since", "Active", "Weight"],
        [],
        [4711, "A", 1234.5, date(2026, 3, 1), True, 0.1],
        ["K-2", "B", "12.00 USD", "2026-03-02", "no", 2],
        ["K-3", "", 1, "", "", ""],
    ]
    report = await import_(site, sheet(*rows), "list.xlsx")
    assert (report.read, report.created, report.refused) == (3, 2, 1)
    assert [(v.row.number, v.row.line) for v in report.problems] == [(3, 5)]
    found = await site.system.find("company", "number == '4711'")
    assert (found["turnover"]["amount"], found["since"], found["active"], found["weight"]) == (
        "1234.50",
        "2026-03-01",
        True,
        "0.100",
    )


async def test_the_first_sheet_with_rows_is_taken_and_cells_beside_the_header_are_told(site):
    content = sheet(Second=[["number", "name"], ["1", "A", None, "stray"], ["2", "B"]])
    report = await import_(site, content, "x.xlsx")
    assert (report.created, report.refused) == (1, 1)
    assert report.problems[0].issues[0].code == "row_length"


@pytest.mark.parametrize("content", [b"PK\x03\x04", b"PK\x03\x04" + b"\0" * 400, b"not a workbook", b""])
def test_what_is_no_workbook_is_refused(content):
    with pytest.raises(Malformed):
        read_rows(content, "x.xlsx")


@pytest.mark.parametrize(("limit", "told"), [("MAX_UNPACKED", "unpacks to more"), ("MAX_ELEMENTS", "in one row")])
def test_a_workbook_that_needs_too_much_room_is_refused(monkeypatch, limit, told):
    monkeypatch.setattr(workbook, limit, 1000)
    bomb = altered(sheet(["a"], ["b"]), b"</row>", b"<c/>" * 1001 + b"</row>")
    with pytest.raises(TooLarge, match=told):
        read_rows(bomb, "x.xlsx")


def test_a_cell_far_away_costs_nothing():
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        page = book.add_worksheet()
        for row, column, text in ((0, 0, "name"), (1, 0, "A"), (1_048_575, 16_383, "far")):
            page.write(row, column, text)
    near, far = list(read_rows(out.getvalue(), "x.xlsx"))
    assert (near.values, near.issue) == ({"name": "A"}, None)
    assert (far.line, far.issue.code) == (1_048_576, "row_length")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'r="A1"', b'r="ZZZZZZZZ99999999999"'),
        (b"<worksheet", b'<!DOCTYPE w [<!ENTITY x SYSTEM "file:///etc/passwd">]><worksheet'),
        (b"<v>0</v>", b"<v>99999</v>"),
        (b"<sheetData>", b"<sheetData"),
    ],
)
def test_a_workbook_that_lies_is_refused(old, new):
    with pytest.raises(Malformed):
        read_rows(altered(sheet(["name"], ["A"]), old, new), "x.xlsx")


def test_rows_before_a_broken_end_are_read_and_the_break_is_told():
    broken = altered(sheet(["name"], ["A"], ["B"]), b"</sheetData>", b"<row>")
    rows = list(read_rows(broken, "x.xlsx"))
    assert [row.values.get("name") for row in rows] == ["A", "B", None]
    assert [row.issue.code if row.issue else "" for row in rows] == ["", "", "unreadable"]


async def test_texts_of_every_kind_come_back_as_they_were(site):
    texts = ["'=a", "''=a", "=1+1", "'", "_x0041_", "a\tb", "1e5", "TRUE", "007", "-0", "https://x.example/", "é"]
    for number, text in enumerate(texts):
        await site.system.create("company", {"name": text, "staff": number})
    for format in ("xlsx", "csv"):
        rows = read_rows(await exported(site, format, fields=("name", "staff")), f"x.{format}")
        assert {int(row.values["staff"]): row.values["name"] for row in rows} == dict(enumerate(texts))


async def test_what_does_not_fit_into_a_cell_is_refused_and_not_cut(site):
    await site.system.create("company", {"name": "Long", "data": {"x": "y" * 40_000}})
    with pytest.raises(TooLarge) as caught:
        await exported(site, "xlsx")
    assert caught.value.issues[0].path == "data"
    assert len((await exported(site, "csv")).decode()) > 40_000


async def test_parquet_keeps_types_and_exact_amounts(site):
    await site.system.create("company", FULL)
    table = pyarrow.parquet.read_table(io.BytesIO(await exported(site, "parquet")))
    (row,) = table.to_pylist()
    assert (row["turnover"], row["turnover_currency"]) == (Decimal("-1234567.89"), "CHF")
    assert (row["staff"], row["active"], row["since"], row["opens"]) == (7, True, date(2024, 2, 29), time(8, 30))
    assert row["seen"] == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert json.loads(row["data"]) == {"x": [1]}


async def test_an_empty_export_is_a_whole_file_in_every_format_that_has_a_header(site):
    for name in ("csv", "xlsx", "parquet"):
        content = await exported(site, name, fields=("name",), filter="name == 'nobody'")
        if name == "parquet":
            assert pyarrow.parquet.read_table(io.BytesIO(content)).num_rows == 0
        else:
            assert read_rows(content, f"x.{name}").header == ("name",)


CARDS = (
    "BEGIN:VCARD\r\nVERSION:3.0\r\nN:Doe;Jane\\, Dr;;;\r\nFN:Jane Doe\r\nORG:ACME\\; Inc;Sales\r\n"
    "item1.TEL;TYPE=CELL:+49 170 \r\n 1234567\r\nTEL;TYPE=WORK,VOICE:+49 30 1\r\nTEL;TYPE=WORK:+49 30 2\r\n"
    "EMAIL;TYPE=work:jane@example.com\r\nADR;TYPE=work:;;Main St 1;Berlin;;10115;Germany\r\n"
    "NOTE:first\\nsecond\r\nPHOTO;ENCODING=b:" + "A" * 5000 + "\r\nEND:VCARD\r\n"
    "BEGIN:VCARD\r\nVERSION:2.1\r\nN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:M=C3=BCller;J=C3=B6rg\r\n"
    "FN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:J=C3=B6rg =\r\nM=C3=BCller\r\nEND:VCARD\r\n"
)


def test_cards_of_all_versions_become_rows():
    table = read_rows(CARDS.encode(), "x.vcf")
    jane, joerg = [row.values for row in table]
    assert (jane["first name"], jane["last name"], jane["company"], jane["department"]) == (
        "Jane, Dr",
        "Doe",
        "ACME; Inc",
        "Sales",
    )
    assert (jane["mobile"], jane["phone"], jane["phone 2"]) == ("+49 170 1234567", "+49 30 1", "+49 30 2")
    assert (jane["street"], jane["city"], jane["postal code"], jane["notes"]) == (
        "Main St 1",
        "Berlin",
        "10115",
        "first\nsecond",
    )
    assert (joerg["name"], joerg["last name"]) == ("Jörg Müller", "Müller")
    assert len(jane["photo"]) == 5000  # so that an import tells that it is left out


def test_a_card_may_say_the_same_thing_often():
    (row,) = read_rows(b"BEGIN:VCARD\r\n" + b"TEL:1\r\n" * 20_000 + b"END:VCARD\r\n", "x.vcf")
    assert len(row.values) == 20_000
    assert row.values["phone 20000"] == "1"


@pytest.mark.parametrize(
    "content", [b"BEGIN:VCARD\r\n", b"BEGIN:VCARD\nEND:VCARD\n", b"BEGIN:VCARD\nN\n;;\n:\n", b"END:VCARD"]
)
def test_broken_cards_are_no_error_of_the_server(content):
    try:
        rows = list(read_rows(content, "x.vcf"))
    except Malformed:
        return
    assert all(row.issue for row in rows)


async def test_cards_are_imported_and_exported(site):
    report = await import_(site, CARDS.encode(), "x.vcf")
    assert (report.created, report.refused) == (2, 0)
    content = await exported(site, "vcf")
    names = {row.values["name"] for row in read_rows(content, "x.vcf")}
    assert names == {"Jane Doe", "Jörg Müller"}
    await site.system.create("company", {"name": "Evil\r\nEND:VCARD\r\nBEGIN:VCARD; ,\\"})
    again = [row.values["name"] for row in read_rows(await exported(site, "vcf"), "x.vcf")]
    assert len(again) == 3
    assert "Evil END:VCARD BEGIN:VCARD; ,\\" in again


async def test_records_with_a_date_become_events(site):
    await site.system.create("company", {"name": "Open day", "since": "2026-05-01"})
    await site.system.create("company", {"name": "No day"})
    calendar = Calendar.from_ical(await exported(site, "ics", fields=("name", "since", "label")))
    (event,) = calendar.walk("VEVENT")
    assert (str(event["summary"]), event["dtstart"].dt) == ("Open day", date(2026, 5, 1))
    with pytest.raises(Invalid, match="calendar"):
        await exported(site, "ics", "item")


@pytest.mark.parametrize("format", sorted(FORMATS))
async def test_every_format_asks_for_the_right_to_export(site, format):
    await site.system.create("company", {"name": "small one", "since": "2026-01-01", "turnover": "5"})
    await site.system.create("company", {"name": "big one", "since": "2026-01-02", "kind": "big", "turnover": "6"})
    reader, importer = await site.person("R", "reader"), await site.person("I", "importer")
    with pytest.raises(Forbidden):
        _ = [p async for p in export(site.kernel, reader, "company", Query(), format)]
    content = b"".join([p async for p in export(site.kernel, importer, "company", Query(), format)])
    text = content.decode("latin-1")
    if format == "xlsx":
        text = str(cells_of(content))
    if format == "parquet":
        text = str(pyarrow.parquet.read_table(io.BytesIO(content)).to_pylist())
    assert "small one" in text
    assert "big one" not in text
    assert "turnover" not in text
