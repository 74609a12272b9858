"""Files in and out over HTTP."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.api.conftest import digest

CSV = (
    "Name;Serial;Power;Unknown\r\n"
    "Lathe;S1;5;x\r\n"
    "Mill;S2;much;x\r\n"
    ";S3;1;x\r\n"
    "Saw;S4;7;x\r\n"
)  # fmt: skip


SHOP = """
import: shop
entity: machine
key: serial
fields:
  name: {column: Bezeichnung, case: upper}
  serial: Nr
"""


@pytest.fixture
async def admin(callers):
    return await callers.robot("Admin", "admin")


async def test_an_import_is_one_run_and_says_which_row_made_what(callers, admin):
    answer = await send(admin, CSV)
    rows = await callers.site.kernel.store.fetch(
        'SELECT c."origin", s."origin", s."run" FROM "xrm_change" c JOIN "xrm_changeset" s ON s."id" = c."changeset"'
        ' WHERE s."source" = \'import\' ORDER BY c."number"'
    )
    assert [tuple(map(str, row)) for row in rows] == [
        (f"row {n}", rows[0][1], answer.headers["change-set"]) for n in (1, 4)
    ]


async def send(client, content, query="", media="text/csv"):
    return await client.post(f"/api/machine/import{query}", content=content, headers={"content-type": media})


async def test_every_row_is_accounted_for(callers, admin):
    before = await digest(callers.site)
    rehearsed = (await send(admin, CSV, "?rehearse=true")).json()
    assert await digest(callers.site) == before
    report = (await send(admin, CSV)).json()
    assert rehearsed == report
    assert {n: report[n] for n in ("read", "created", "updated", "unchanged", "refused")} == {
        "read": 4,
        "created": 2,
        "updated": 0,
        "unchanged": 0,
        "refused": 2,
    }
    assert [(p["row"], p["issues"][0]["path"]) for p in report["problems"]] == [(2, "power"), (3, "name")]
    assert (report["key"], report["ignored"]) == (["serial"], ["Unknown"])
    again = (await send(admin, CSV)).json()
    assert (again["created"], again["unchanged"]) == (0, 2)
    records = (await admin.get("/api/machine?sort=name&fields=name,power")).json()["records"]
    assert [(r["name"], r["power"]) for r in records] == [("Lathe", 5), ("Saw", 7)]
    history = (await admin.get(f"/api/machine/{records[0]['id']}/history")).json()["changes"]
    assert history[0]["source"] == "import"


async def test_a_mapping_of_the_site_is_used_by_name(callers, admin):
    await callers.site.write(
        {
            "mappings/shop.yaml": SHOP,
            "mappings/users.yaml": SHOP.replace("machine", "user").replace("serial", "email"),
        }
    )
    report = (await send(admin, "Nr,Bezeichnung\n7,drill\n", "?mapping=shop")).json()
    assert report["created"] == 1, report
    assert (await admin.get("/api/machine?fields=name,serial")).json()["records"][0]["name"] == "DRILL"
    for name in ("users", "nothing", "../xrm", "shop.yaml", ""):
        assert (await send(admin, "Nr,Bezeichnung\n7,drill\n", f"?mapping={name}")).status_code == 422, name


async def test_what_is_exported_can_be_imported_again(admin):
    await send(admin, CSV)
    file = await admin.get("/api/machine/export?fields=name,serial,power&sort=name")
    assert file.headers["content-type"] == "text/csv; charset=utf-8"
    assert file.headers["content-disposition"] == 'attachment; filename="machine.csv"'
    lines = file.text.splitlines()
    assert len(lines) == 3
    back = (await send(admin, file.content)).json()
    assert (back["read"], back["unchanged"], back["refused"]) == (2, 2, 0)
    rows = (await admin.get("/api/machine/export?format=jsonl&filter=power > 5")).text.splitlines()
    assert [json.loads(row)["name"] for row in rows] == ["Saw"]


async def test_rights_and_wrong_requests(callers, admin):
    maker, reader = await callers.robot("Maker", "maker"), await callers.robot("Reader", "reader")
    for client in (maker, reader):
        assert (await client.get("/api/machine/export")).status_code == 403
        assert (await send(client, CSV)).status_code == 403
        assert (await client.get("/api/secret_plan/export")).status_code == 404
    before = await digest(callers.site)
    assert (await send(admin, CSV, media="text/plain")).status_code == 415
    for content in (b"", b"\xff\xfe\x00", b"Name\n" + b"\x00" * 10, b"Name,Name\n1,2\n"):
        assert (await send(admin, content)).status_code in (200, 400, 422), content
    assert (await send(admin, b"{", media="application/json")).status_code in (400, 422)
    assert (await admin.get("/api/machine/export?format=docx")).status_code == 400
    assert (await admin.get("/api/machine/export?filter=(((")).status_code == 422
    assert (await admin.get("/api/machine/export?limit=5")).status_code == 400
    assert await digest(callers.site) == before


async def test_cells_that_a_spreadsheet_would_run_are_disarmed(admin):
    await admin.post("/api/machine", json={"name": "=HYPERLINK(1)"})
    text = (await admin.get("/api/machine/export?fields=name")).text
    assert "\n=HYPERLINK" not in text
    assert ",=HYPERLINK" not in text


def test_what_only_some_exports_need_is_not_loaded_at_the_start():
    heavy = ("icalendar", "numpy", "openpyxl", "pyarrow", "xlsxwriter")
    program = f"import sys, xrm.server, xrm.api.routes, xrm.web.routes; print([n for n in {heavy} if n in sys.modules])"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
