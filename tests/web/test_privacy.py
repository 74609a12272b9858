"""Personal data on pages: who may opens the dialog, reads what would go, and erases it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.web.conftest import Pages, text_of
from xrm import web
from xrm.http import application
from xrm.testing import make_site

FILES = {
    "entities/guest.yaml": """
entity: guest
label: "{name}"
privacy: {subject: "true", fields: [name]}
fields:
  name: {type: text, required: true}
  mail: {type: email, class: personal}
---
role: officer
grants: [{entity: guest, actions: [read, update]}]
---
role: clerk
grants: [{entity: "*", actions: ["*"]}]
"""
}


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[Pages]:
    async with make_site(tmp_path, f"sqlite:///{tmp_path}/site.db", FILES) as site:
        found = Pages(site, application(site.site, web.routes(site.site)))
        async with found.stack:
            yield found


async def test_a_person_is_erased_from_their_page(pages: Pages) -> None:
    grace = await pages.make("guest", name="Grace", mail="grace@example.com")
    place = f"/e/guest/{grace['id']}"
    await pages.site.person("officer", "officer", "privacy_officer")
    assert f'href="{place}/privacy"' in (await pages.get(place, "officer")).text
    shown = await pages.get(f"{place}/privacy", "officer")
    assert f'href="/api/privacy/guest/{grace["id"]}/report"' in shown.text
    assert "Guest Grace : Name, Mail" in text_of(shown)
    refused = await pages.post(f"{place}/privacy", {"reason": "Asked to"}, "officer")
    assert (refused.status_code, "Tick the box" in text_of(refused)) == (422, True)
    assert (await pages.read("guest", grace["id"]))["mail"] == "grace@example.com"
    done = await pages.post(f"{place}/privacy", {"reason": "Asked to", "sure": "yes"}, "officer")
    assert (done.status_code, done.headers["location"]) == (303, place)
    assert (await pages.read("guest", grace["id"]))["mail"] is None
    assert "grace" not in (await pages.get(f"{place}/history", "officer")).text.lower()


async def test_a_hold_is_shown_and_there_is_no_button(pages: Pages) -> None:
    grace = await pages.make("guest", name="Grace")
    await pages.make("legal_hold", about={"entity": "guest", "id": grace["id"]}, reason="Case <7>")
    await pages.site.person("officer", "officer", "privacy_officer")
    shown = await pages.get(f"/e/guest/{grace['id']}/privacy", "officer")
    assert "Grace: Case &lt;7&gt;" in shown.text
    assert 'name="sure"' not in shown.text
    sent = await pages.post(f"/e/guest/{grace['id']}/privacy", {"sure": "yes"}, "officer")
    assert (sent.status_code, "A legal hold keeps this" in text_of(sent)) == (409, True)


async def test_it_is_neither_offered_nor_open_without_the_right(pages: Pages) -> None:
    grace = await pages.make("guest", name="Grace")
    place = f"/e/guest/{grace['id']}"
    assert "/privacy" not in (await pages.get(place)).text
    for answer in (await pages.get(f"{place}/privacy"), await pages.post(f"{place}/privacy", {"sure": "yes"})):
        assert answer.status_code == 403
    assert (await pages.read("guest", grace["id"]))["name"] == "Grace"
