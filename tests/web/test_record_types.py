"""Record types on the pages: a new record's type is asked for, and its form and page are those of the type."""

from __future__ import annotations

from uuid import UUID

import pytest

from tests.web.conftest import FILES, Pages, form_of, text_of

TYPES = """
record_types:
  drill:
    title: Drilling machine
    description: Makes holes.
    hidden: [share, colours]
    required: [serial]
    defaults: {place: Hall 1}
    choices: {kind: [press]}
    sections: [{title: Holes, fields: [name, serial, place, kind, power]}]
  saw:
    states: [new, running]
"""


@pytest.fixture
async def shop(pages: Pages) -> Pages:
    await pages.site.apply({"entities/machine.yaml": FILES["entities/machine.yaml"] + TYPES})
    return pages


async def test_a_new_record_is_asked_for_its_type(shop: Pages):
    asked = await shop.get("/e/machine/new?name=Bosch")
    assert "Which type?" in text_of(asked)
    assert "Drilling machine Makes holes." in text_of(asked)
    assert "/e/machine/new?name=Bosch&amp;record_type=drill" in asked.text
    form = await shop.get("/e/machine/new?name=Bosch&record_type=drill")
    assert "New Drilling machine" in text_of(form)
    assert 'name="share"' not in form.text
    assert ">Lathe<" not in form.text
    values = form_of(form)
    assert (values["name"], values["place"], values["record_type"]) == ("Bosch", "Hall 1", "drill")
    refused = await shop.post("/e/machine/new", values)
    assert refused.status_code == 422
    assert "Serial is needed" in text_of(refused)
    assert form_of(refused)["record_type"] == "drill"
    made = await shop.post("/e/machine/new", {**form_of(refused), "serial": "7", "_then": "new"})
    assert made.headers["location"] == "/e/machine/new?record_type=drill"
    found = await shop.site.system.find("machine", "serial == '7'")
    assert found is not None
    assert found["record_type"] == "drill"


async def test_a_records_page_and_moves_are_those_of_its_type(shop: Pages):
    saw = await shop.make("machine", name="S", record_type="saw", share="5")
    page = await shop.get(f"/e/machine/{saw['id']}")
    assert "Saw · " in text_of(page)
    assert "/do/start" in page.text
    assert "/do/break" not in page.text
    refused = await shop.post(f"/e/machine/{saw['id']}/do/break", {"_fields": "fault", "fault": "x"})
    assert refused.status_code == 404
    drill = await shop.make("machine", name="D", record_type="drill", serial="1", power=3)
    text = text_of(await shop.get(f"/e/machine/{drill['id']}"))
    assert "Holes" in text
    assert "Share" not in text
    assert "Drilling machine · " in text


async def test_the_type_is_changed_in_the_form(shop: Pages):
    saw = await shop.make("machine", name="S", record_type="saw", kind="lathe")
    path = f"/e/machine/{saw['id']}/edit"
    values = form_of(await shop.get(path))
    assert values["record_type"] == "saw"
    refused = await shop.post(path, {**values, "record_type": "drill"})
    assert refused.status_code == 422
    assert "Lathe is not for Drilling machine" in text_of(refused)
    assert "Serial is needed" in text_of(refused)
    assert 'name="share"' not in refused.text
    saved = await shop.post(path, {**form_of(refused), "serial": "9", "kind": "press"})
    assert saved.status_code == 303
    assert (await shop.site.system.get("machine", UUID(saw["id"])))["record_type"] == "drill"


async def test_whose_type_is_given_is_not_asked(shop: Pages):
    roles = (
        FILES["entities/roles.yaml"]
        .replace(
            "role: clerk\ngrants:\n",
            "role: clerk\ngrants:\n"
            "  - {name: saws, entity: machine, actions: [read, create], preset: {record_type: saw}}\n",
        )
        .replace("[machine, customer, repair, activity]", "[customer, repair, activity]")
    )
    await shop.site.apply({"entities/roles.yaml": roles})
    form = await shop.get("/e/machine/new")
    assert "Which type?" not in text_of(form)
    made = await shop.post("/e/machine/new", {**form_of(form), "name": "S", "record_type": "drill"})
    assert made.status_code == 303
    found = await shop.site.system.find("machine", "name == 'S'")
    assert found is not None
    assert found["record_type"] == "saw"
