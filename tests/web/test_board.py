"""Boards: lanes, what they add up to, and moves."""

from __future__ import annotations

import re

from tests.web.conftest import text_of


def lanes(answer) -> dict[str, str]:
    """Return what each lane shows, by its name."""
    parts = re.split(r'data-lane="(\w+)"', answer.text[answer.text.index('id="board"') :])
    return {
        name: re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body))
        for name, body in zip(parts[1::2], parts[2::2], strict=True)
    }


async def test_lanes_count_and_add_up_per_currency(pages):
    for number, currency in enumerate(("EUR", "EUR", "CHF")):
        await pages.make("machine", name=f"M {number}", price={"amount": "1000.40", "currency": currency})
    await pages.make("machine", name="Run", state="running")
    found = lanes(await pages.get("/e/machine/board"))
    assert list(found) == ["new", "running", "broken"]
    assert "New 3" in found["new"]
    assert "CHF 1,000 · €2,000" in found["new"]
    assert "M 0" in found["new"]
    assert "Run" in found["running"]
    assert "None" in found["broken"]


async def test_a_board_is_searched_and_filtered(pages):
    await pages.make("machine", name="Lathe 1", kind="lathe")
    await pages.make("machine", name="Press 1", kind="press")
    assert "Press 1" not in lanes(await pages.get("/e/machine/board?f.kind=lathe"))["new"]
    assert "Lathe 1" not in lanes(await pages.get("/e/machine/board?q=press"))["new"]
    part = await pages.get("/e/machine/board?q=press&f.kind=", part=True)
    assert part.text.lstrip().startswith('<section id="board"')
    assert part.headers["hx-push-url"] == "/e/machine/board?q=press"


async def test_a_full_lane_shows_the_first_and_leads_to_the_rest(pages):
    for number in range(27):
        await pages.make("machine", name=f"M {number:02d}")
    answer = await pages.get("/e/machine/board")
    assert "2 more" in lanes(answer)["new"]
    assert 'href="/e/machine?f.state=new"' in answer.text


async def test_a_move_answers_with_the_board_and_says_so(pages):
    machine = await pages.make("machine", name="Lathe")
    path = f"/e/machine/{machine['id']}/do/start"
    answer = await pages.post(path, {"_from": "board?q=lathe"}, part=True)
    assert answer.status_code == 200
    assert "Lathe is now in Running." in answer.text
    assert "Lathe" in lanes(answer)["running"]
    assert (await pages.read("machine", machine["id"]))["state"] == "running"
    plain = await pages.post(
        f"/e/machine/{machine['id']}/do/break", {"_from": "board?q=lathe", "_fields": "fault", "fault": "x"}
    )
    assert plain.headers["location"] == "/e/machine/board?q=lathe"


async def test_a_move_that_asks_opens_its_dialog_and_keeps_the_card(pages):
    machine = await pages.make("machine", name="Lathe")
    assert f"/e/machine/{machine['id']}/do/break?_from=board" in (await pages.get("/e/machine/board")).text
    answer = await pages.post(
        f"/e/machine/{machine['id']}/do/break", {"_from": "board?", "_fields": "fault"}, part=True
    )
    assert answer.status_code == 422
    assert answer.headers["hx-retarget"] == "#dialog"
    assert 'id="f-fault-error"' in answer.text
    assert "Lathe" in lanes(answer)["new"]


async def test_somebody_else_was_faster(pages):
    machine = await pages.make("machine", name="Lathe")
    await pages.post(f"/e/machine/{machine['id']}/do/start", {}, "admin")
    answer = await pages.post(f"/e/machine/{machine['id']}/do/start", {"_from": "board?"}, part=True)
    assert answer.status_code == 409
    assert "It is in Running now: admin changed it just now." in text_of(answer)
    assert 'type="submit">Start' not in answer.text[: answer.text.index('id="board"')]
    assert "Lathe" in lanes(answer)["running"]


async def test_lanes_may_be_choices_as_well(pages):
    machine = await pages.make("machine", name="Lathe", kind="press")
    answer = await pages.get("/e/machine/board?view=kinds")
    assert "Lathe" in lanes(answer)["press"]
    moved = await pages.post(
        f"/e/machine/{machine['id']}/place", {"_from": "board?view=kinds", "_was": "press", "to": "lathe"}, part=True
    )
    assert "Lathe is now in Lathe." in moved.text
    assert (await pages.read("machine", machine["id"]))["kind"] == "lathe"
    stale = await pages.post(
        f"/e/machine/{machine['id']}/place", {"_from": "board?view=kinds", "_was": "press", "to": "press"}, part=True
    )
    assert stale.status_code == 409
    assert (await pages.read("machine", machine["id"]))["kind"] == "lathe"


async def test_a_board_shows_only_records_whose_lane_one_may_know(pages):
    await pages.client("worker")
    await pages.make("machine", name="Theirs")
    await pages.make("machine", name="Mine", owner=str(pages.actor("worker").id))
    answer = await pages.get("/e/machine/board", "worker")
    assert "Mine" in lanes(answer)["new"]
    assert "New 1" in lanes(answer)["new"]
    assert "Theirs" not in answer.text


async def test_an_entity_without_a_board_has_none(pages):
    assert (await pages.get("/e/repair/board")).status_code == 404
