"""Forms with files: sent, kept when something else is wrong, replaced and removed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.web.conftest import Pages, form_of, text_of
from xrm import web
from xrm.api.routes import routes
from xrm.http import application
from xrm.testing import make_site

FILES = {
    "entities/paper.yaml": """
entity: paper
label: "{name}"
fields: {name: {type: text, required: true}, scan: {type: file}}
""",
    "entities/roles.yaml": "role: clerk\ngrants: [{entity: paper, actions: [read, create, update]}]\n",
}


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[Pages]:
    async with make_site(tmp_path, f"sqlite:///{tmp_path}/site.db", FILES, max_file=1000) as site:
        found = Pages(site, application(site.site, [*web.routes(site.site), *routes(site.site)]))
        async with found.stack:
            yield found


async def test_a_form_sends_keeps_replaces_and_removes_a_file(pages: Pages) -> None:
    client = await pages.client()
    empty = form_of(await pages.get("/e/paper/new"))
    empty.pop("scan", None)
    refused = await client.post("/e/paper/new", data=empty, files={"scan": ("a<b>.txt", b"one", "image/png")})
    assert refused.status_code == 422, text_of(refused)
    again = form_of(refused)
    again.pop("scan")
    assert "a_b_.txt" in text_of(refused)
    saved = await client.post("/e/paper/new", data={**again, "name": "A"}, files={"scan": ("", b"", "")})
    assert saved.status_code == 303, text_of(saved)
    id = saved.headers["location"].rsplit("/", 1)[1]
    assert (await pages.read("paper", id))["scan"]["name"] == "a_b_.txt"
    page = await pages.get(f"/e/paper/{id}")
    assert f"/api/paper/{id}/files/scan" in page.text
    assert (await client.get(f"/api/paper/{id}/files/scan")).content == b"one"

    edit = form_of(await pages.get(f"/e/paper/{id}/edit"))
    edit.pop("scan")
    assert (await client.post(f"/e/paper/{id}/edit", data={**edit, "name": "B"})).status_code == 303
    record = await pages.read("paper", id)
    assert (record["name"], record["scan"]["name"]) == ("B", "a_b_.txt")
    edit["_version"] = str(record["version"])
    large = await client.post(f"/e/paper/{id}/edit", data=edit, files={"scan": ("b.txt", b"x" * 1001, "")})
    assert large.status_code == 422
    assert "A file may have 1,000 bytes" in text_of(large)
    await client.post(f"/e/paper/{id}/edit", data={**edit, "scan.remove": "true"})
    assert (await pages.read("paper", id))["scan"] is None
