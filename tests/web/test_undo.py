"""Taking a change back on the page: the dialog shows what that would do, and what stands in the way."""

from __future__ import annotations

import re
from uuid import UUID

from tests.web.conftest import text_of


async def _changed(pages, **values):
    customer, other = await pages.make("customer", name="Acme"), await pages.make("customer", name="Other works")
    machine = await pages.make("machine", name="Lathe", customer=customer["id"])
    await pages.client()
    clerk = pages.actor()
    sent = {"customer": other["id"], "power": 7, **values}
    await pages.site.records.update(clerk, "machine", UUID(machine["id"]), sent)
    page = await pages.get(f"/e/machine/{machine['id']}")
    address = re.search(rf'href="(/e/machine/{machine["id"]}/undo/[^"]+)"', page.text)[1]
    return machine, address


async def test_a_change_is_taken_back_and_brought_back(pages):
    machine, address = await _changed(pages)
    shown = text_of(await pages.get(address, part=True))
    assert "Other works → became Acme" in shown
    assert (await pages.read("machine", machine["id"]))["power"] == 7
    csrf = re.search(r'name="_csrf" value="([^"]*)"', (await pages.get(address)).text)[1]
    done = await pages.post(address, {"_csrf": csrf})
    assert (done.status_code, done.headers["location"]) == (303, f"/e/machine/{machine['id']}")
    found = await pages.read("machine", machine["id"])
    assert (found["power"], found["customer"]["label"]) == (None, "Acme")
    page = await pages.get(f"/e/machine/{machine['id']}")
    assert "The change was taken back." in text_of(page)
    again = re.search(r'href="([^"]+)">Bring it back', page.text)[1]
    assert (await pages.post(again, {"_csrf": csrf})).status_code == 303
    assert (await pages.read("machine", machine["id"]))["power"] == 7
    refused = await pages.post(again, {"_csrf": csrf}, part=True)
    assert refused.status_code == 409
    assert "already, by clerk" in text_of(refused)


async def test_what_was_changed_since_is_shown_and_kept(pages):
    machine, address = await _changed(pages)
    await pages.site.system.update("machine", machine["id"], {"power": 9})
    page = await pages.get(address)
    assert "Power was changed since. System" in text_of(page)
    csrf = re.search(r'name="_csrf" value="([^"]*)"', page.text)[1]
    assert (await pages.post(address, {"_csrf": csrf}, part=True)).status_code == 409
    assert (await pages.post(address, {"_csrf": csrf, "_keep": "newer"})).status_code == 303
    found = await pages.read("machine", machine["id"])
    assert (found["power"], found["customer"]["label"]) == (9, "Acme")


async def test_who_may_change_nothing_is_offered_nothing(pages):
    machine, address = await _changed(pages)
    await pages.client("guest")
    assert (await pages.get(address, "guest")).status_code == 404
    await pages.client("worker")
    page = await pages.get(f"/e/machine/{machine['id']}", "worker")
    assert page.status_code == 200
    answer = await pages.post(address, {"_csrf": "x"}, "worker")
    assert answer.status_code in (403, 409)
    assert (await pages.read("machine", machine["id"]))["power"] == 7
