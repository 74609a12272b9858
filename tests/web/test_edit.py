"""Forms: every type of field, all errors at once, and two people at the same record."""

from __future__ import annotations

import re
from uuid import UUID

import pytest

from tests.web.conftest import form_of, text_of

EVERYTHING = {
    "name": "Lathe",
    "serial": "S-9",
    "kind": "press",
    "colours": ["red", "blue"],
    "place": "Hall 1",
    "price": "1,234.50",
    "price.currency": "CHF",
    "share": "12.5 %",
    "power": "7",
    "minutes": "1:35",
    "bought": "2026-03-09",
    "shift": "06:30",
    "checked": "2026-07-01T14:00",
    "contact": "a@example.com",
    "phone": "+49 30 1234",
    "page": "https://example.com",
    "running": "true",
    "tags": "big, old ,",
    "extra": '{"a": [1]}',
    "notes": "one\r\ntwo",
}
STORED = {
    "name": "Lathe",
    "serial": "S-9",
    "kind": "press",
    "colours": ["red", "blue"],
    "place": "Hall 1",
    "price": {"amount": "1234.50", "currency": "CHF"},
    "share": "12.50",
    "power": 7,
    "minutes": 95,
    "bought": "2026-03-09",
    "shift": "06:30:00",
    "checked": "2026-07-01T12:00:00Z",
    "contact": "a@example.com",
    "phone": "+49301234",
    "page": "https://example.com",
    "running": True,
    "tags": ["big", "old"],
    "extra": {"a": [1]},
    "notes": "one\ntwo",
}


async def created(pages, answer) -> dict:
    assert answer.status_code == 303, text_of(answer)
    return await pages.read("machine", answer.headers["location"].rsplit("/", 1)[1])


async def test_every_type_of_field_goes_in_and_comes_back(pages):
    customer = await pages.make("customer", name="Acme")
    form = form_of(await pages.get("/e/machine/new"))
    chosen = {f"{name}.{part}": "Acme" for name in ("customer", "about") for part in ("text", "was")}
    chosen |= {"customer": customer["id"], "about.entity": "customer", "about": customer["id"]}
    sent = {**form, **EVERYTHING, **chosen}
    record = await created(pages, await pages.post("/e/machine/new", sent))
    assert {name: record[name] for name in STORED} | {"checked": record["checked"].replace(".000000", "")} == STORED
    assert record["customer"]["label"] == record["about"]["label"] == "Acme"
    assert record["owner"]["label"] == "clerk"
    again = form_of(await pages.get(f"/e/machine/{record['id']}/edit"))
    assert again["checked"] == "2026-07-01T14:00"
    assert again["share"] == "12.5"
    assert again["minutes"] == "1:35"
    assert again["customer.text"] == "Acme"
    assert again["about.entity"] == "customer"
    saved = await pages.post(f"/e/machine/{record['id']}/edit", {**again, "colours": ["red", "blue"]})
    assert saved.status_code == 303
    assert (await pages.read("machine", record["id"]))["version"] == 1  # sent untouched, nothing changed


async def test_all_errors_come_at_once_beside_their_fields_and_nothing_typed_is_lost(pages):
    form = form_of(await pages.get("/e/machine/new"))
    sent = {
        **form,
        "name": "",
        "price": "much",
        "bought": "soon",
        "contact": "nobody",
        "extra": "{",
        "customer.text": "Nobody",
        "notes": "kept <b>",
    }
    answer = await pages.post("/e/machine/new", sent)
    assert answer.status_code == 422
    assert "6 things need your attention" in text_of(answer)
    for name in ("name", "price", "bought", "contact", "extra", "customer"):
        assert f'id="f-{name}-error"' in answer.text, name
    again = form_of(answer)
    for name in ("price", "bought", "contact", "extra", "customer.text", "notes"):
        assert again[name] == sent[name]
    assert (await pages.get("/e/machine")).text.count("row-link") == 0


async def test_a_check_that_only_warns_is_told_after_saving(pages):
    form = form_of(await pages.get("/e/machine/new"))
    answer = await pages.post("/e/machine/new", {**form, "name": "Big", "power": "5000"})
    assert "That is a lot of power." in text_of(await pages.get(answer.headers["location"]))


async def test_a_taken_value_is_told_beside_its_field(pages):
    await pages.make("machine", name="One", serial="S-1")
    form = form_of(await pages.get("/e/machine/new"))
    answer = await pages.post("/e/machine/new", {**form, "name": "Two", "serial": "S-1"})
    assert answer.status_code == 409
    assert "already" in answer.text[answer.text.index('id="f-serial-error"') :][:300]


async def test_a_form_is_filled_in_by_the_address(pages):
    customer = await pages.make("customer", name="Acme")
    path = (
        f"/e/machine/new?name=X&kind=press&customer={customer['id']}&about.entity=customer&about={customer['id']}"
        "&bought=2026-01-01&nothing=1&state=broken"
    )
    form = form_of(await pages.get(path))
    assert form["name"] == "X"
    assert form["kind"] == "press"
    assert form["customer.text"] == form["about.text"] == "Acme"
    assert "state" not in form
    assert form_of(await pages.get("/e/machine/new?customer=rubbish"))["customer"] == ""


async def test_a_relation_typed_as_text_is_looked_up(pages):
    for name in ("Acme North", "Acme South", "Bolt"):
        await pages.make("customer", name=name)
    form = form_of(await pages.get("/e/machine/new"))
    several = await pages.post("/e/machine/new", {**form, "name": "A", "customer.text": "acme"})
    assert several.status_code == 422
    assert "Several Customers fit" in text_of(several)
    picked = re.search(r'name="customer.pick" value="([^"]*)"> Acme South', several.text)[1]
    made = await created(pages, await pages.post("/e/machine/new", {**form_of(several), "customer.pick": picked}))
    assert made["customer"]["label"] == "Acme South"
    one = await created(pages, await pages.post("/e/machine/new", {**form, "name": "B", "customer.text": "bolt"}))
    assert one["customer"]["label"] == "Bolt"
    edit = form_of(await pages.get(f"/e/machine/{one['id']}/edit"))
    await pages.post(f"/e/machine/{one['id']}/edit", {**edit, "customer.text": "Acme North"})
    assert (await pages.read("machine", one["id"]))["customer"]["label"] == "Acme North"
    edit = form_of(await pages.get(f"/e/machine/{one['id']}/edit"))
    await pages.post(f"/e/machine/{one['id']}/edit", {**edit, "customer.text": ""})
    assert (await pages.read("machine", one["id"]))["customer"] is None


async def test_a_form_writes_only_what_it_showed_and_the_actor_may_write(pages):
    machine = await pages.make("machine", name="A", place="Hall 1", margin="5")
    form = form_of(await pages.get(f"/e/machine/{machine['id']}/edit"))
    assert "margin" not in form["_fields"].split(",")
    sent = {
        "_fields": "name,margin,state,version,created_at,nothing",
        "_version": form["_version"],
        "name": "B",
        "margin": "9",
        "state": "broken",
        "place": "x",
    }
    answer = await pages.post(f"/e/machine/{machine['id']}/edit", sent)
    assert answer.status_code == 303
    record = await pages.read("machine", machine["id"])
    assert (record["name"], record["margin"], record["state"], record["place"]) == ("B", "5.00", "new", "Hall 1")


async def test_create_and_add_another_stays_on_the_form(pages):
    form = form_of(await pages.get("/e/customer/new"))
    answer = await pages.post("/e/customer/new", {**form, "name": "A", "_then": "new"})
    assert answer.headers["location"] == "/e/customer/new"


@pytest.mark.parametrize(
    "back", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/a\r\nb: c"]
)
async def test_a_form_leads_to_no_other_site(pages, back):
    form = form_of(await pages.get("/e/customer/new"))
    answer = await pages.post("/e/customer/new", {**form, "name": "A", "_next": back})
    assert answer.headers["location"] == "/"


# --- two people ---


async def both(pages, **values):
    await pages.client("admin")
    machine = await pages.make("machine", name="A", place="Hall 1", power=1, **values)
    return machine["id"], form_of(await pages.get(f"/e/machine/{machine['id']}/edit"))


async def others(pages, id, **values):
    await pages.site.records.update(pages.actor("admin"), "machine", UUID(id), values)


async def test_changes_to_different_fields_are_both_kept(pages):
    id, form = await both(pages)
    await others(pages, id, place="Hall 2")
    answer = await pages.post(f"/e/machine/{id}/edit", {**form, "power": "9"})
    assert answer.status_code == 303
    record = await pages.read("machine", id)
    assert (record["place"], record["power"]) == ("Hall 2", 9)
    assert "Meanwhile others changed Place (admin)" in text_of(await pages.get(f"/e/machine/{id}"))


async def test_changes_to_the_same_field_are_put_side_by_side(pages):
    id, form = await both(pages)
    await others(pages, id, place="Hall 2", share="5")
    await others(pages, id, place="Hall 3", notes="theirs")
    answer = await pages.post(f"/e/machine/{id}/edit", {**form, "place": "Hall 9", "power": "9"})
    assert answer.status_code == 412
    text = text_of(answer)
    assert "admin changed it" in text
    assert "Before, it was: Hall 1" in text
    for value in (
        "Hall 3",
        "Hall 9",
        "Saved from you as well: Power",
        "Kept from others: Share (admin), Notes (admin)",
    ):
        assert value in text, value
    assert (await pages.read("machine", id))["place"] == "Hall 3"


@pytest.mark.parametrize(("choice", "place"), [("theirs", "Hall 3"), ("yours", "Hall 9")])
async def test_the_choice_between_two_values_is_kept_with_everything_else(pages, choice, place):
    id, form = await both(pages)
    await others(pages, id, place="Hall 3", notes="theirs")
    conflict = await pages.post(f"/e/machine/{id}/edit", {**form, "place": "Hall 9", "power": "9"})
    inputs = dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', conflict.text))
    answer = await pages.post(f"/e/machine/{id}/edit", {**inputs, "_choose.place": choice})
    assert answer.status_code == 303
    record = await pages.read("machine", id)
    assert (record["place"], record["power"], record["notes"]) == (place, 9, "theirs")


async def test_the_same_change_twice_is_no_conflict(pages):
    id, form = await both(pages)
    await others(pages, id, place="Hall 2", price={"amount": "5.00", "currency": "EUR"})
    answer = await pages.post(f"/e/machine/{id}/edit", {**form, "place": "Hall 2", "price": "5"})
    assert answer.status_code == 303


async def test_a_conflict_hides_what_the_reader_may_not_see(pages):
    id, form = await both(pages, margin="11.11")
    await others(pages, id, margin="22.22", place="Hall 2")
    answer = await pages.post(f"/e/machine/{id}/edit", {**form, "place": "Hall 9"})
    assert "22.22" not in answer.text
    assert "Margin" not in answer.text


async def test_a_record_deleted_meanwhile_is_told(pages):
    id, form = await both(pages)
    await pages.site.records.delete(pages.actor("admin"), "machine", UUID(id))
    assert (await pages.post(f"/e/machine/{id}/edit", {**form, "place": "x"})).status_code == 404


# --- delete, restore ---


async def test_a_record_goes_to_the_trash_and_comes_back(pages):
    machine = await pages.make("machine", name="A")
    assert "Delete A?" in text_of(await pages.get(f"/e/machine/{machine['id']}/delete"))
    answer = await pages.post(f"/e/machine/{machine['id']}/delete", {"_version": "1"})
    assert answer.headers["location"] == "/e/machine"
    assert (await pages.get(f"/e/machine/{machine['id']}")).status_code == 404
    assert "deleted just now by clerk" in text_of(await pages.get("/e/machine/trash"))
    back = await pages.post(f"/e/machine/{machine['id']}/restore", {})
    assert back.headers["location"] == f"/e/machine/{machine['id']}"
    assert (await pages.get(f"/e/machine/{machine['id']}")).status_code == 200
    assert (await pages.get("/e/customer/trash", "guest")).status_code == 403


async def test_a_refused_delete_says_what_holds_the_record(pages):
    machine = await pages.make("machine", name="A")
    await pages.make("repair", title="R", machine=machine["id"])
    answer = await pages.post(f"/e/machine/{machine['id']}/delete", {"_version": "1"})
    assert answer.status_code == 409
    assert "It is used by Repairs." in text_of(answer)


async def test_several_at_once_all_or_none(pages):
    free, held = await pages.make("machine", name="Free"), await pages.make("machine", name="Held")
    await pages.make("repair", title="R", machine=held["id"])
    both = {"id": [free["id"], held["id"]], "_next": "/e/machine"}
    assert "Delete 2 machines?" in text_of(await pages.post("/e/machine/bulk", {**both, "do": "delete"}))
    refused = await pages.post("/e/machine/bulk", {**both, "do": "delete", "_sure": "1"})
    assert refused.status_code == 409
    assert "Held : It is used by Repairs." in text_of(refused)
    assert (await pages.read("machine", free["id"]))["version"] == 1
    edited = await pages.post(
        "/e/machine/bulk", {**both, "do": "edit", "field": "power", "_fields": "power", "power": "x", "_sure": "1"}
    )
    assert edited.status_code == 422
    done = await pages.post(
        "/e/machine/bulk", {**both, "do": "edit", "field": "power", "_fields": "power", "power": "4", "_sure": "1"}
    )
    assert done.status_code == 303
    assert [(await pages.read("machine", m["id"]))["power"] for m in (free, held)] == [4, 4]
    assert (await pages.post("/e/machine/bulk", {"do": "edit", "_next": "/e/machine"})).status_code == 303
    for wrong in ({"do": "explode"}, {"do": "delete", "id": "x"}):
        assert (await pages.post("/e/machine/bulk", {**both, **wrong})).status_code == 400
    assert (await pages.post("/e/customer/bulk", {"do": "edit", "id": free["id"]}, "guest")).status_code == 403
