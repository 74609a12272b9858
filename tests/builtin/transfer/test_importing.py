"""Imports through the records door: every row is accounted for, and a bad one does not hold up the others."""

from __future__ import annotations

import csv
import io
from uuid import UUID

import pytest

from xrm import SYSTEM, Forbidden, Invalid, NotFound
from xrm.builtin.transfer import importing
from xrm.builtin.transfer.exporting import export_csv, export_json_lines
from xrm.builtin.transfer.importing import Import
from xrm.builtin.transfer.mapping import load_mapping
from xrm.builtin.transfer.problems import ProblemFile
from xrm.builtin.transfer.reading import read_rows
from xrm.builtin.transfer.suggest import suggest
from xrm.errors import Unavailable
from xrm.kernel.query import Query
from xrm.testing import make_site

BY_NUMBER = "import: companies\nentity: company\nkey: number\nfields: {number: no, name: name, staff: staff}"


def mapping(text: str = BY_NUMBER, **changes: str):
    return load_mapping(text + "".join(f"\n{key}: {value}" for key, value in changes.items()))


async def run(site, text: str, rules=None, actor=SYSTEM, name: str = "x.csv"):
    return await Import(site.kernel, actor, rules or mapping()).run(read_rows(text.encode(), name))


def counts(report):
    assert report.created + report.updated + report.unchanged + report.refused == report.read
    return report.created, report.updated, report.unchanged, report.refused


async def companies(site):
    page = await site.system.list("company", sort=("number",), limit=1000)
    return [(c["number"], c["name"], c["staff"]) for c in page.records]


def reasons(report):
    return [(v.row.number, [(i.path, i.code) for i in v.issues]) for v in report.problems]


async def test_rows_are_created_then_unchanged_then_updated(site):
    assert counts(await run(site, "no,name,staff\n1,Adler,5\n2,Bär,\n")) == (2, 0, 0, 0)
    assert counts(await run(site, "no,name,staff\n1,Adler,5\n2,Bär,\n")) == (0, 0, 2, 0)
    assert counts(await run(site, "no,name,staff\n1,Adler,6\n2,Bär,\n3,Czech,1\n")) == (1, 1, 1, 0)
    assert await companies(site) == [("1", "Adler", 6), ("2", "Bär", None), ("3", "Czech", 1)]


async def test_a_key_that_comes_again_in_the_file_is_the_same_record(site):
    assert counts(await run(site, "no,name,staff\n1,Adler,5\n1,Adler,7\n1,Adler,7\n")) == (1, 1, 1, 0)
    assert await companies(site) == [("1", "Adler", 7)]


async def test_bad_rows_are_refused_with_all_reasons_and_the_others_are_written(site):
    text = "no,name,staff\n1,Adler,5\n2,,5\n3,Bär,many\n,Nobody,1\n5,Ewe\n6,Fox,6\n7," + "x" * 50 + ",1\n"
    report = await run(site, text)
    assert counts(report) == (2, 0, 0, 5)
    assert reasons(report) == [
        (2, [("name", "check_failed")]),
        (3, [("staff", "not_number")]),
        (4, [("number", "key_missing")]),
        (5, [("rows.5", "row_length")]),
        (7, [("name", "too_long")]),
    ]
    assert [c[0] for c in await companies(site)] == ["1", "6"]


async def test_chunks_do_not_matter(site, monkeypatch):
    monkeypatch.setattr(importing, "CHUNK", 3)
    text = "no,name,staff\n" + "".join(f"{n},{'' if n % 4 == 0 else 'C'},{n}\n" for n in range(1, 11))
    told = []
    report = await Import(site.kernel, SYSTEM, mapping(), told.append).run(read_rows(text.encode()))
    assert counts(report) == (8, 0, 0, 2)
    assert [(v.row.number, v.outcome) for v in told] == [
        (n, "refused" if n % 4 == 0 else "created") for n in range(1, 11)
    ]


async def test_a_unique_value_that_is_taken_refuses_only_its_row(site):
    await site.system.create("company", {"name": "Adler", "number": "1"})
    rules = mapping("import: x\nentity: company\nmode: create\nfields: {number: no, name: name}")
    report = await run(site, "no,name\n2,Bär\n1,Other\n3,Cid\n", rules)
    assert counts(report) == (2, 0, 0, 1)
    assert reasons(report) == [(2, [("number", "not_unique")])]


@pytest.mark.parametrize(
    ("mode", "expected", "code"),
    [
        ("create", (1, 0, 0, 1), "exists"),
        ("update", (0, 1, 0, 1), "no_such_record"),
        ("upsert", (1, 1, 0, 0), None),
    ],
)
async def test_the_mode_says_what_may_happen(site, mode, expected, code):
    await run(site, "no,name,staff\n1,Adler,5\n")
    report = await run(site, "no,name,staff\n1,Adler,6\n2,Bär,6\n", mapping(mode=mode))
    assert counts(report) == expected
    assert [i[1] for _, issues in reasons(report) for i in issues] == ([code] if code else [])


async def test_a_key_that_fits_several_records_is_refused(site):
    for _ in range(2):
        await site.system.create("company", {"name": "Twin"})
    rules = mapping("import: x\nentity: company\nkey: name\nfields: {name: name, staff: staff}")
    report = await run(site, "name,staff\nTwin,5\nOnly,6\n", rules)
    assert counts(report) == (1, 0, 0, 1)
    assert reasons(report) == [(1, [("name", "ambiguous_key")])]


async def test_what_is_only_for_new_records_stays_as_somebody_changed_it(site):
    rules = mapping(
        "import: x\nentity: company\nkey: number\nfields: {number: no, name: name, kind: {value: big, only_new: true}}"
    )
    await run(site, "no,name\n1,Adler\n", rules)
    record = await site.system.find("company", "number == '1'")
    await site.system.update("company", record["id"], {"kind": "small"})
    assert counts(await run(site, "no,name\n1,Adler AG\n", rules)) == (0, 1, 0, 0)
    record = await site.system.find("company", "number == '1'")
    assert (record["kind"], record["name"]) == ("small", "Adler AG")


async def test_relations_are_found_by_a_key_and_keys_may_be_relations(site):
    await run(site, "no,name,staff\n1,Adler,5\n2,Bär,5\n")
    rules = mapping(
        "import: x\nentity: item\nkey: [company, name]\n"
        "fields: {company: {column: no, by: number}, name: name, price: {column: price, currency: CHF}}"
    )
    assert counts(await run(site, "no,name,price\n1,Pen,1\n2,Pen,2\n1,Ink,3\n", rules)) == (3, 0, 0, 0)
    report = await run(site, "no,name,price\n1,Pen,1\n2,Pen,5\n9,Pen,1\n", rules)
    assert counts(report) == (0, 1, 1, 1)
    assert reasons(report) == [(3, [("company", "no_such_record")])]


async def test_more_keys_than_one_filter_holds_are_found(site, monkeypatch):
    monkeypatch.setattr("xrm.builtin.transfer.keys.MAX_FILTER", 100)
    monkeypatch.setattr("xrm.builtin.transfer.keys.MAX_PAGE", 2)
    text = "no,name,staff\n" + "".join(f"a'\\{n},C,{n}\n" for n in range(40))
    assert counts(await run(site, text)) == (40, 0, 0, 0)
    assert counts(await run(site, text)) == (0, 0, 40, 0)


async def test_a_rehearsal_says_the_same_and_keeps_nothing(site, monkeypatch):
    monkeypatch.setattr(importing, "CHUNK", 2)
    await run(site, "no,name,staff\n1,Adler,5\n")
    text = b"no,name,staff\n1,Adler,6\n2,,5\n3,Cid,1\n3,Cid,2\n"
    rehearsed = await Import(site.kernel, SYSTEM, mapping()).rehearse(read_rows(text))
    assert counts(rehearsed) == (1, 2, 0, 1)
    assert await companies(site) == [("1", "Adler", 5)]
    real = await Import(site.kernel, SYSTEM, mapping()).run(read_rows(text))
    assert (counts(real), reasons(real)) == (counts(rehearsed), reasons(rehearsed))


async def test_the_history_names_the_import(site):
    importer = await site.person("Ida", "importer")
    await run(site, "no,name,staff\n1,Adler,5\n", actor=importer)
    record = await site.system.find("company", "number == '1'")
    (entry,) = await site.records.history(SYSTEM, "company", UUID(record["id"]))
    assert (entry["source"], entry["reason"], entry["actor"]["label"]) == ("import", "import companies", "Ida")


async def test_refused_rows_leave_no_change_sets_behind(site):
    async def rows(table):
        return (await site.kernel.store.fetch(f'SELECT count(*) FROM "{table}"', []))[0][0]

    before = [await rows(t) for t in ("xrm_changeset", "xrm_change", "company")]
    assert counts(await run(site, "no,name,staff\n1,,5\n2,,5\n")) == (0, 0, 0, 2)
    assert [await rows(t) for t in ("xrm_changeset", "xrm_change", "company")] == before


async def test_every_change_belongs_to_a_change_set_after_refusals(site):
    await run(site, "no,name,staff\n1,,5\n2,Bär,5\n3,,1\n4,Dan,1\n")
    known = 'SELECT "id" FROM "xrm_changeset"'
    orphans = await site.kernel.store.fetch(f'SELECT count(*) FROM "xrm_change" WHERE "changeset" NOT IN ({known})', [])
    assert orphans[0][0] == 0


async def test_importing_is_a_right_of_its_own(site):
    reader, importer = await site.person("Rita", "reader"), await site.person("Ida", "importer")
    with pytest.raises(Forbidden):
        Import(site.kernel, reader, mapping())
    with pytest.raises(NotFound):
        Import(site.kernel, await site.person("Nemo"), mapping())
    assert counts(await run(site, "no,name,staff\n1,Adler,5\n", actor=importer)) == (1, 0, 0, 0)


async def test_the_rows_an_actor_may_write_are_those_they_may_import(site):
    actor = await site.person("Sam", "small_ones")
    rules = mapping("import: x\nentity: company\nkey: number\nfields: {number: no, name: name, kind: kind}")
    await site.system.create("company", {"number": "3", "name": "Hidden", "kind": "big"})
    report = await run(site, "no,name,kind\n1,Adler,small\n2,Bär,big\n3,Mine,small\n", rules, actor)
    assert counts(report) == (1, 0, 0, 2)
    assert [(n, issues[0][1]) for n, issues in reasons(report)] == [(2, "forbidden"), (3, "not_unique")]


async def test_a_mapping_that_does_not_fit_writes_nothing(site):
    with pytest.raises(Invalid):
        Import(site.kernel, SYSTEM, mapping("import: x\nentity: company\nkey: number\nfields: {number: no, nam: name}"))


async def test_a_database_that_is_gone_ends_the_import(site, monkeypatch):
    async def gone(*args):
        raise Unavailable

    monkeypatch.setattr(site.records, "create_many", gone)
    with pytest.raises(Unavailable):
        await run(site, "no,name,staff\n1,Adler,5\n")


async def test_refused_rows_can_be_mended_and_imported_again(site):
    out = io.StringIO(newline="")
    table = read_rows("no;name;staff\n1;Adler;5\n2;;5\n3;=Bär;many\n".encode("cp1252"))
    report = await Import(site.kernel, SYSTEM, mapping(), ProblemFile(out, table).add).run(table)
    assert counts(report) == (1, 0, 0, 2)
    lines = list(csv.DictReader(io.StringIO(out.getvalue()), delimiter=";"))
    assert [(line["no"], line["_row"]) for line in lines] == [("2", "2"), ("3", "3")]
    assert "A company needs a name" in lines[0]["_problem"]
    mended = out.getvalue().replace("2;;5", "2;Bär;5").replace("many", "7")
    assert counts(await run(site, mended)) == (2, 0, 0, 0)
    assert await companies(site) == [("1", "Adler", 5), ("2", "Bär", 5), ("3", "=Bär", 7)]


async def test_refused_rows_of_json_come_back_as_json_lines(site):
    out = io.StringIO()
    table = read_rows(b'[{"no": "1", "name": "Adler"}, {"no": "2", "staff": 1.5}]')
    await Import(site.kernel, SYSTEM, mapping(), ProblemFile(out, table).add).run(table)
    (row,) = read_rows(out.getvalue().encode(), "x.jsonl")
    assert (row.values["no"], str(row.values["staff"]), row.values["_row"]) == ("2", "1.5", 2)


# --- export ------------------------------------------------------------------------------------------------------


async def exported(site, actor=SYSTEM, entity="company", **query):
    return "".join([piece async for piece in export_csv(site.kernel, actor, entity, Query(**query))])


async def test_an_export_can_be_imported_again(site, monkeypatch):
    monkeypatch.setattr("xrm.builtin.transfer.exporting.MAX_PAGE", 2)
    parent = await site.system.create("company", {"name": "Parent", "number": "P"})
    for number in range(4):
        await site.system.create(
            "company",
            {
                "name": f"=SUM({number})",
                "number": f"-{number}",
                "turnover": {"amount": "-5.50", "currency": "CHF"},
                "tags": ["a b", "c"],
                "sorts": ["b"],
                "active": True,
                "since": "2026-01-31",
                "opens": "08:30",
                "seen": "2026-01-31T10:00:00Z",
                "data": {"x": [1]},
                "parent": parent["id"],
                "share": "12.5",
            },
        )
    text = await exported(site)
    assert not any(cell.startswith(("=", "@")) for line in csv.reader(io.StringIO(text)) for cell in line)
    table = read_rows(text.encode())
    rules = suggest(site.kernel.model.entities["company"], table.header)
    assert rules.key == ("id",)
    assert counts(await Import(site.kernel, SYSTEM, rules).run(table)) == (0, 0, 5, 0)
    changed = text.replace("12.50", "13.50")
    assert counts(await run(site, changed, rules)) == (0, 4, 1, 0)


async def test_an_export_shows_the_rows_and_fields_its_grant_gives(site):
    actor = await site.person("Ida", "importer")
    await site.system.create("company", {"name": "Big", "kind": "big"})
    await site.system.create("company", {"name": "Small", "turnover": {"amount": "1", "currency": "EUR"}})
    (line,) = csv.DictReader(io.StringIO(await exported(site, actor)))
    assert (line["name"], "turnover" in line) == ("Small", False)
    with pytest.raises(Forbidden):
        await exported(site, await site.person("Rita", "reader"))
    with pytest.raises(NotFound):
        await exported(site, actor, "item")
    with pytest.raises(Invalid):
        await exported(site, actor, fields=("name", "turnover"))


async def test_an_export_takes_a_filter_and_fields(site):
    await site.system.create("company", {"name": "A", "staff": 1})
    await site.system.create("company", {"name": "B", "staff": 2})
    assert await exported(site, filter="staff > 1", fields=("name", "staff")) == "name,staff\r\nB,2\r\n"
    assert await exported(site, filter="staff > 9", fields=("name",)) == "name\r\n"


async def test_an_empty_entity_still_has_a_header(site):
    assert (await exported(site)).startswith("id,")


async def test_json_lines_are_what_the_interface_shows(site):
    made = await site.system.create("company", {"name": "A", "turnover": {"amount": "1", "currency": "EUR"}})
    pieces = [piece async for piece in export_json_lines(site.kernel, SYSTEM, "company", Query())]
    (row,) = read_rows("".join(pieces).encode(), "x.jsonl")
    assert dict(row.values) == made


PLACES = """
entity: site
label: "{name}"
fields:
  name: {type: text, unique: true}
  address: address
  contact: person_name
  open: {type: date_range, open_ends: true}
  price: {type: money, base: true}
"""
PARTS = "import: sites\nentity: site\nkey: name\nfields: {name: name, %s}"


@pytest.fixture
async def places(tmp_path, database_url):
    async with make_site(tmp_path, database_url, {"entities/site.yaml": PLACES}, currency="EUR") as made:
        yield made


async def test_a_column_of_one_part_leaves_the_others(places):
    whole = {
        "name": "A",
        "address": {"street": "Main 1", "city": "Bonn", "postal_code": "53111", "country": "DE"},
        "contact": {"given": "Ann", "family": "Smith"},
        "open": {"start": "2026-01-01", "end": None},
        "price": {"amount": "5.00", "currency": "USD"},
    }
    made = await places.system.create("site", whole)
    rules = mapping(PARTS % "address.city: city, contact.given: first, open.end: until, price.amount: price")
    report = await run(places, "name,city,first,until,price\nA,Köln,Bea,2026-02-01,6\nB,Ulm,Cy,2026-03-01,7\n", rules)
    assert counts(report) == (1, 1, 0, 0), reasons(report)
    found = await places.system.get("site", UUID(made["id"]))
    assert {n: found["address"][n] for n in ("street", "city", "postal_code", "country")} == {
        "street": "Main 1",
        "city": "Köln",
        "postal_code": "53111",
        "country": "DE",
    }
    assert (found["contact"]["full"], found["contact"]["family"]) == ("Bea Smith", "Smith")
    assert (found["open"]["start"], found["open"]["end"]) == ("2026-01-01", "2026-02-01")
    assert (found["price"]["amount"], found["price"]["currency"]) == ("6.00", "USD")
    again = await run(places, "name,city,first,until,price\nA,Köln,Bea,2026-02-01,6\n", rules)
    assert counts(again) == (0, 0, 1, 0)


async def test_an_empty_cell_clears_its_own_part_where_empty_cells_clear(places):
    made = await places.system.create("site", {"name": "A", "address": {"street": "Main 1", "city": "Bonn"}})
    rules = mapping(PARTS % "address.city: city", empty_cells="clear")
    assert counts(await run(places, "name,city\nA,\n", rules)) == (0, 1, 0, 0)
    found = await places.system.get("site", UUID(made["id"]))
    assert (found["address"]["street"], found["address"]["city"]) == ("Main 1", None)
    kept = mapping(PARTS % "address.city: city")
    assert counts(await run(places, "name,city\nA,\n", kept)) == (0, 0, 1, 0)
