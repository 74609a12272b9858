"""Privacy over HTTP: for those who hold the right, and no further than they may read."""

from __future__ import annotations

import io
import json
import zipfile

import pytest

from tests.api.conftest import digest

PEOPLE = """
entity: guest
label: "{name}"
privacy: {subject: "true", fields: [name], purpose: To let them in, basis: consent}
fields:
  name: {type: text, required: true}
  mail: {type: email, class: personal}
---
role: officer
grants:
  - {entity: guest, actions: [read, update], rows: {where: "name != 'Hidden'"}}
---
role: reader_of_guests
grants: [{entity: guest, actions: [read, update]}]
"""


@pytest.fixture
async def officer(lite, lite_callers):
    await lite.apply({"entities/guest.yaml": PEOPLE})
    return await lite_callers.robot("Officer", "officer", "privacy_officer")


async def test_a_person_is_reported_and_erased(lite, officer) -> None:
    guest = await lite.system.create("guest", {"name": "Grace", "mail": "grace@example.com"})
    place = f"/api/privacy/guest/{guest['id']}"
    zipped = await officer.get(f"{place}/report")
    assert (zipped.status_code, zipped.headers["content-type"]) == (200, "application/zip")
    with zipfile.ZipFile(io.BytesIO(zipped.content)) as archive:
        assert json.loads(archive.read("record.json"))["mail"] == "grace@example.com"
    before = await digest(lite)
    shown = (await officer.get(f"{place}/erasure")).json()
    assert [(r["entity"], r["label"], r["fields"], r["changes"]) for r in shown["records"]] == [
        ("guest", "Grace", ["mail", "name"], 1)
    ]
    assert await digest(lite) == before
    done = await officer.post(f"{place}/erasure", json={"reason": "asked to"})
    assert (done.status_code, done.json()["reason"]) == (200, "asked to")
    assert (await officer.get(f"/api/guest/{guest['id']}")).json()["mail"] is None
    assert "race" not in (await officer.get(f"/api/guest/{guest['id']}/history")).text
    kept = {one["entity"]: one for one in (await officer.get("/api/privacy/processing")).json()["processing"]}
    assert kept["guest"]["basis"] == "consent"


async def test_it_needs_the_right_and_shows_nothing_beyond_it(lite, lite_callers, officer) -> None:
    guest = await lite.system.create("guest", {"name": "Hidden", "mail": "h@example.com"})
    seen = await lite.system.create("guest", {"name": "Seen"})
    reader = await lite_callers.robot("Reader", "reader_of_guests")
    stranger = await lite_callers.anybody()
    before = await digest(lite)
    for method, tail in (("GET", "report"), ("GET", "erasure"), ("POST", "erasure")):
        answers = [
            (await client.request(method, f"/api/privacy/guest/{record['id']}/{tail}")).status_code
            for client, record in ((officer, guest), (reader, seen), (stranger, seen))
        ]
        assert answers == [404, 403, 401]
        assert (await officer.request(method, f"/api/privacy/guest/x/{tail}")).status_code == 404
        assert (await officer.request(method, f"/api/privacy/nothing/{seen['id']}/{tail}")).status_code == 404
        assert (await officer.request(method, f"/api/privacy/user/{seen['id']}/{tail}")).status_code == 404
    assert (await reader.get("/api/privacy/processing")).status_code == 403
    refused = await officer.post(f"/api/privacy/guest/{seen['id']}/erasure", json={"reasons": 1})
    assert (refused.status_code, refused.json()["issues"][0]["code"]) == (400, "unknown_key")
    assert await digest(lite) == before
