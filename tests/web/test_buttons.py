"""Buttons on a record's page and form: as links and forms that work without JavaScript."""

from __future__ import annotations

import re
from uuid import UUID

import pytest

from tests.web.conftest import FILES, Pages, form_of, text_of

BUTTONS = """
extends: machine
buttons:
  inspect: {title: Inspect, icon: search, color: success, confirm: Did you look?, set: {checked: now()}}
  map: {title: Map, open: "https://maps.example.com/?q={place}&m={margin}", when: "place != null"}
  wreck: {title: Wreck, move: break, color: danger}
  lock: {title: Lock, set: {power: "0"}, when: "power > 0"}
---
role: clerk
grants:
  - {name: buttons, entity: machine, actions: ["run:inspect", "run:map", "run:wreck", "run:lock"]}
"""


@pytest.fixture
async def shop(pages: Pages) -> Pages:
    plain = FILES["entities/machine.yaml"]
    buttons, roles = BUTTONS.split("---")
    await pages.site.apply(
        {
            "entities/machine.yaml": plain + buttons.replace("extends: machine", "").strip() + "\n",
            "entities/roles.yaml": FILES["entities/roles.yaml"].replace("role: clerk\ngrants:", roles.strip()),
        }
    )
    return pages


async def test_a_page_offers_what_may_be_pressed_now(shop: Pages):
    machine = await shop.make("machine", name="A", place="Hall & 7", margin="1.5")
    page = await shop.get(f"/e/machine/{machine['id']}")
    assert "Inspect" in text_of(page)
    assert "/do/lock" not in page.text  # it has no power
    link = re.search(r'<a class="btn btn-quiet" href="(https://maps[^"]*)"[^>]*>', page.text)
    assert link
    assert link[1] == "https://maps.example.com/?q=Hall%20%26%207&amp;m="  # the margin is not for clerks
    assert 'target="_blank" rel="noopener noreferrer"' in link[0]
    assert page.text.count("/do/wreck") == 2  # href and hx-get: it asks for the fault
    assert "/do/break" not in page.text  # the button stands for the move
    worker = await shop.get(f"/e/machine/{machine['id']}", "worker")
    assert "/do/" not in worker.text
    assert "maps.example.com" not in worker.text


async def test_a_button_asks_before_it_is_pressed(shop: Pages):
    machine = await shop.make("machine", name="A")
    id = machine["id"]
    asked = await shop.get(f"/e/machine/{id}/do/inspect")
    assert "Did you look?" in text_of(asked)
    assert 'class="btn btn-success" type="submit"' in asked.text
    assert (await shop.read("machine", id))["checked"] is None
    pressed = await shop.post(f"/e/machine/{id}/do/inspect", {"_version": machine["version"]})
    assert pressed.status_code == 303
    assert (await shop.read("machine", id))["checked"] == "2026-11-02T09:00:00.000000Z"
    assert "clerk pressed Inspect" in text_of(await shop.get(f"/e/machine/{id}"))


async def test_a_button_that_moves_asks_for_what_the_move_needs(shop: Pages):
    machine = await shop.make("machine", name="A")
    path = f"/e/machine/{machine['id']}/do/wreck"
    refused = await shop.post(path, {"_fields": "fault", "fault": ""})
    assert refused.status_code == 422
    assert 'name="fault"' in refused.text
    done = await shop.post(path, {"_fields": "fault", "fault": "Fell"})
    assert done.status_code == 303
    found = await shop.read("machine", machine["id"])
    assert (found["state"], found["fault"]) == ("broken", "Fell")


async def test_a_form_saves_and_then_goes_to_a_button(shop: Pages):
    machine = await shop.make("machine", name="A", power=5)
    path = f"/e/machine/{machine['id']}"
    form = await shop.get(f"{path}/edit")
    assert "Save, then Lock" in text_of(form)
    assert "Save, then Map" not in text_of(form)
    saved = await shop.post(f"{path}/edit", {**form_of(form), "name": "B", "_then": "lock"})
    assert (saved.status_code, saved.headers["location"]) == (303, f"{path}/do/lock")
    assert (await shop.read("machine", machine["id"]))["name"] == "B"
    dialog = await shop.get(f"{path}/do/lock")
    assert 'type="submit">Lock' in dialog.text
    assert (await shop.post(f"{path}/do/lock", {})).status_code == 303
    assert (await shop.read("machine", machine["id"]))["power"] == 0
    late = await shop.post(f"{path}/do/lock", {})
    assert late.status_code == 409
    assert "not possible now" in text_of(late)


async def test_nobody_presses_what_they_may_not(shop: Pages):
    machine = await shop.make("machine", name="A", power=5)
    await shop.client("worker")
    owner = shop.actor("worker")
    await shop.site.system.update("machine", UUID(machine["id"]), {"owner": str(owner.id)})
    answer = await shop.post(f"/e/machine/{machine['id']}/do/lock", {}, "worker")
    assert answer.status_code == 403
    assert (await shop.read("machine", machine["id"]))["power"] == 5
