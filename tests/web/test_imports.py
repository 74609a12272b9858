"""Importing on the pages: a file is sent, mapped, tried with what would change, and done as a job."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from tests.web.conftest import form_of, text_of
from xrm.kernel.change import SYSTEM
from xrm.kernel.query import Query

ROLE = """
role: importer
grants:
  - entity: machine
    actions: [read, create, update, import]
    fields: {read: [public, internal], write: [public, internal]}
"""
FILE = "Serial,Name,Where,Power\nA1,Lathe,Hall 2,12\nA2,Press,Hall 1,7\nA3,,Hall 1,7\nA4,Drill,Hall 1,many\n"


async def begin(pages, text=FILE, name="machines.csv"):
    """Send a file as the importer; return the answer."""
    await pages.site.apply({"entities/importer.yaml": ROLE})
    client = await pages.client("importer")
    page = await client.get("/e/machine/import")
    csrf = re.search(r'name="_csrf" value="([^"]+)"', page.text)[1]
    return await client.post("/e/machine/import", data={"_csrf": csrf}, files={"file": (name, text.encode())})


def mapping_of(page):
    return form_of(page, "main")


async def test_a_file_is_mapped_tried_and_brought_in(pages):
    await pages.make("machine", name="Old lathe", serial="A1", place="Hall 1")
    sent = await begin(pages)
    assert sent.status_code == 303, text_of(sent)
    mapped = await pages.get(sent.headers["location"], "importer")
    assert "machines.csv: which column is which field?" in text_of(mapped)
    form = mapping_of(mapped)
    assert (form["column.0"], form["column.1"], form["column.2"], form["key"]) == ("serial", "name", "", "serial")
    assert "Hall 2 · Hall 1" in text_of(mapped)
    form["column.2"] = "place"
    tried = await pages.post("/e/machine/import/try", form, "importer")
    shown = text_of(tried)
    assert "Of 4 rows, 1 would be new, 1 changed, 0 stay as they are, and 2 would be refused." in shown
    assert "Row 1 changed Name: Old lathe → Lathe Place: Hall 1 → Hall 2" in shown
    assert "Row 3 refused" in shown
    assert "Row 4 refused" in shown
    assert {r["name"] for r in await everything(pages)} == {"Old lathe"}, "nothing was changed yet"
    done = await pages.post("/e/machine/import/run", mapping_of(tried), "importer")
    address = done.headers["location"]
    waiting = await pages.get(address, "importer")
    assert 'http-equiv="refresh"' in waiting.text
    await pages.site.kernel.jobs.work_off()
    over = await pages.get(address, "importer")
    assert "1 new · 1 changed · 0 as they were · 2 refused" in text_of(over)
    assert 'http-equiv="refresh"' not in over.text
    assert {(r["name"], r["place"]) for r in await everything(pages)} == {("Lathe", "Hall 2"), ("Press", "Hall 1")}
    refused = await pages.get(f"{address}/refused", "importer")
    assert refused.headers["content-disposition"].startswith("attachment")
    assert refused.text.splitlines()[0] == "Serial,Name,Where,Power,_row,_problem"
    assert [line.split(",")[0] for line in refused.text.splitlines()[1:]] == ["A3", "A4"]


async def everything(pages):
    return (await pages.site.records.list(SYSTEM, "machine", Query())).records


async def test_only_who_may_import_sees_it_and_only_their_own_files(pages):
    sent = await begin(pages)
    assert "/e/machine/import" in (await pages.get("/e/machine", "importer")).text
    assert "/e/machine/import" not in (await pages.get("/e/machine")).text
    assert (await pages.get("/e/machine/import")).status_code == 404
    token = parse_qs(urlsplit(sent.headers["location"]).query)["file"][0]
    other = await pages.get(f"/e/machine/import/map?file={token}", "admin")
    assert other.status_code == 303, "a file that another sent is not there"
    form = mapping_of(await pages.get(sent.headers["location"], "importer"))
    done = await pages.post("/e/machine/import/run", form, "importer")
    await pages.site.kernel.jobs.work_off()
    assert (await pages.get(done.headers["location"], "admin")).status_code == 404
    assert (await pages.get(f"{done.headers['location']}/refused", "admin")).status_code == 404
    unknown = UUID(int=7)
    assert (await pages.get(f"/e/machine/import/{unknown}", "importer")).status_code == 404


async def test_what_cannot_be_used_is_said_where_it_arises(pages):
    empty = await begin(pages, "")
    assert (empty.status_code, "The file is empty." in text_of(empty)) == (422, True)
    twice = await begin(pages, "a,a\n1,2\n")
    assert twice.status_code == 422
    sent = await begin(pages)
    form = mapping_of(await pages.get(sent.headers["location"], "importer"))
    for number in range(4):
        form[f"column.{number}"] = ""
    none = await pages.post("/e/machine/import/try", {**form, "column.0": "margin"}, "importer")
    assert none.status_code in (200, 422)
    assert "margin" not in text_of(none), "a field one may not write is none"
