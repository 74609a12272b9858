"""The page of a record: what is on it, what can be done there, what happened to it."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from tests.web.conftest import form_of, text_of


async def test_a_record_shows_its_fields_as_people_read_them(pages):
    customer = await pages.make("customer", name="Acme")
    machine = await pages.make(
        "machine",
        name="Lathe 1",
        price={"amount": "1234567.8", "currency": "CHF"},
        share="12.50",
        bought="2026-03-09",
        shift="06:30",
        checked="2026-07-01T12:00:00Z",
        contact="a.b@example.com",
        phone="+49 (30) 12-34",
        page="https://example.com/a?b=1&c=2",
        colours=["blue", "red"],
        tags=["big", "old"],
        notes="one\ntwo",
        minutes=95,
        power=12000,
        customer=customer["id"],
        about={"entity": "customer", "id": customer["id"]},
        running=True,
        extra={"a": [1, 2]},
    )
    answer = await pages.get(f"/e/machine/{machine['id']}")
    text = text_of(answer)
    for shown in (
        "CHF 1,234,567.80",
        "12.5 %",
        "9 Mar 2026",
        "06:30",
        "1 Jul 2026, 14:00",
        "Red Blue",
        "big old",
        "1 h 35 min",
        "12,000",
        "Acme",
        "New",
        "Running",
    ):
        assert shown in text, shown
    for link in (
        'href="mailto:a.b@example.com"',
        'href="tel:+49301234"',
        'href="https://example.com/a?b=1&amp;c=2"',
        'rel="noopener noreferrer"',
    ):
        assert link in answer.text, link
    assert "empty field" in text


async def test_a_record_that_is_not_there_and_one_withheld_look_the_same(pages):
    machine = await pages.make("machine", name="Secret one")
    for path in (
        f"/e/machine/{machine['id']}",
        f"/e/machine/{uuid4()}",
        f"/e/machine/{machine['id']}/edit",
        f"/e/machine/{machine['id']}/do/start",
    ):
        answer = await pages.get(path, "guest")
        assert answer.status_code == 404
        assert "Secret" not in answer.text
    assert (await pages.get("/e/machine/not-an-id")).status_code == 404


async def test_a_related_record_that_is_withheld_shows_a_lock(pages):
    await pages.client("worker")
    customer = await pages.make("customer", name="Hidden customer")
    machine = await pages.make("machine", name="Mine", customer=customer["id"], owner=str(pages.actor("worker").id))
    for path in (f"/e/machine/{machine['id']}", "/e/machine?cols=name,customer", "/e/machine/board"):
        answer = await pages.get(path, "worker")
        assert answer.status_code == 200
        assert "Hidden customer" not in answer.text
        assert customer["id"] not in answer.text
    form = await pages.get(f"/e/machine/{machine['id']}/edit", "worker")
    assert 'name="customer"' not in form.text  # whoever cannot see it must not overwrite it unseen
    values = {**form_of(form), "place": "Hall 9"}
    assert (await pages.post(f"/e/machine/{machine['id']}/edit", values, "worker")).status_code == 303
    assert (await pages.read("machine", machine["id"]))["customer"]["id"] == customer["id"]


async def test_buttons_follow_rights_and_state(pages):
    await pages.client("worker")
    theirs = await pages.make("machine", name="Theirs")
    mine = await pages.make("machine", name="Mine", owner=str(pages.actor("worker").id))
    other, own = [await pages.get(f"/e/machine/{m['id']}", "worker") for m in (theirs, mine)]
    assert '/edit"' not in other.text
    assert "/do/" not in other.text
    assert '/edit"' in own.text
    assert "/do/start" in own.text
    assert "/delete" not in own.text
    assert "/do/mend" not in own.text
    assert (await pages.get(f"/e/machine/{theirs['id']}/edit", "worker")).status_code == 403


async def test_records_that_point_here_are_listed_with_a_way_to_add(pages):
    machine = await pages.make("machine", name="Lathe")
    for number in range(7):
        await pages.make("repair", title=f"Repair {number}", machine=machine["id"])
    answer = await pages.get(f"/e/machine/{machine['id']}")
    assert "Repairs 5+" in text_of(answer)
    new = re.search(r'href="(/e/repair/new\?[^"]*)"', answer.text)[1].replace("&amp;", "&")
    form = await pages.get(new)
    assert form_of(form)["machine"] == machine["id"]
    assert form_of(form)["machine.text"] == "Lathe"
    made = await pages.post("/e/repair/new", {**form_of(form), "title": "One more"})
    assert made.headers["location"] == f"/e/machine/{machine['id']}"
    every = re.search(r'href="(/e/repair\?[^"]*)"', answer.text)[1]
    assert "8 repairs" in text_of(await pages.get(every))


async def test_the_timeline_tells_who_changed_what_and_what_is_to_be_done(pages):
    machine = await pages.make("machine", name="Lathe", place="Hall 1")
    id = machine["id"]
    about = {"regarding": {"entity": "machine", "id": id}}
    await pages.make(
        "activity",
        subject="Call the smith",
        kind="call",
        due=(pages.site.clock() - timedelta(days=1)).isoformat(),
        **about,
    )
    form = await pages.get(f"/e/machine/{id}/edit")
    await pages.post(f"/e/machine/{id}/edit", {**form_of(form), "place": "Hall 2"})
    await pages.post(f"/e/machine/{id}/do/start", {})
    text = text_of(await pages.get(f"/e/machine/{id}"))
    for told in (
        "Call the smith Overdue",
        "clerk moved this to Running",
        "clerk changed this",
        "Place Hall 1 → became Hall 2",
        "System created this",
    ):
        assert told in text, told
    assert (
        text.index("Call the smith")
        < text.index("moved this")
        < text.index("changed this Place")
        < text.index("created this")
    )


async def test_history_withholds_what_the_reader_may_not_see(pages):
    machine = await pages.make("machine", name="Lathe", margin="55.55")
    await pages.client("admin")
    await pages.site.records.update(
        pages.actor("admin"), "machine", UUID(machine["id"]), {"margin": "66.66", "place": "Hall 3"}
    )
    for path in (f"/e/machine/{machine['id']}", f"/e/machine/{machine['id']}/history"):
        clerk, admin = await pages.get(path), await pages.get(path, "admin")
        assert "Hall 3" in clerk.text
        assert "66.66" not in clerk.text
        assert "55.55" not in clerk.text
        assert "66.66" in admin.text


async def test_a_transition_is_made_and_shown_on_the_path(pages):
    machine = await pages.make("machine", name="Lathe")
    answer = await pages.post(f"/e/machine/{machine['id']}/do/start", {})
    assert answer.status_code == 303
    assert (await pages.read("machine", machine["id"]))["state"] == "running"
    page = await pages.get(f"/e/machine/{machine['id']}")
    assert "Lathe: Start." in text_of(page)
    assert re.search(r'step-here[^>]*aria-current="step"><span>Running', page.text)


async def test_a_transition_asks_for_its_fields(pages):
    machine = await pages.make("machine", name="Lathe")
    path = f"/e/machine/{machine['id']}/do/break"
    asked = await pages.get(path, part=True)
    assert asked.headers["hx-retarget"] == "#dialog"
    assert 'id="f-fault"' in asked.text
    refused = await pages.post(path, {"_fields": "fault", "fault": ""}, part=True)
    assert refused.status_code == 422
    assert "Fault is needed" in refused.text
    done = await pages.post(path, {"_fields": "fault", "fault": "Belt"}, part=True)
    assert done.headers["hx-redirect"] == f"/e/machine/{machine['id']}"
    assert (await pages.read("machine", machine["id"]))["fault"] == "Belt"


@pytest.mark.parametrize(("action", "status"), [("mend", 409), ("nothing", 404)])
async def test_a_move_that_is_not_possible_is_refused(pages, action, status):
    machine = await pages.make("machine", name="Lathe")
    answer = await pages.post(f"/e/machine/{machine['id']}/do/{action}", {})
    assert answer.status_code == status
    assert (await pages.read("machine", machine["id"]))["version"] == 1


async def test_a_stale_dialog_is_refused(pages):
    machine = await pages.make("machine", name="Lathe")
    await pages.client("admin")
    await pages.site.records.update(pages.actor("admin"), "machine", UUID(machine["id"]), {"fault": "Theirs"})
    answer = await pages.post(
        f"/e/machine/{machine['id']}/do/break", {"_fields": "fault", "fault": "Mine", "_version": "1"}
    )
    assert answer.status_code == 412
    assert "Somebody changed this record meanwhile" in text_of(answer)
    assert (await pages.read("machine", machine["id"]))["fault"] == "Theirs"
