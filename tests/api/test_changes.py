"""What happened, over HTTP: the feed as pages and as events, blame, the history of a field."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import quote

import pytest

from xrm.api import changes as feed


@pytest.fixture
async def maker(callers):
    return await callers.robot("Maker", "maker")


async def test_pages_go_on_where_the_last_one_ended(callers, maker):
    start = (await maker.get("/api/changes?limit=200")).json()["next"]
    made = [(await maker.post("/api/machine", json={"name": name})) for name in "ABC"]
    first = (await maker.get(f"/api/changes?after={start}&limit=2")).json()
    rest = (await maker.get(f"/api/changes?after={first['next']}")).json()
    assert (first["more"], rest["more"]) == (True, False)
    sets = [*first["changes"], *rest["changes"]]
    assert [s["id"] for s in sets] == [answer.headers["change-set"] for answer in made]
    assert [s["changes"][0]["after"]["name"] for s in sets] == ["A", "B", "C"]
    assert (await maker.get(f"/api/changes/{sets[0]['id']}")).json() == sets[0]
    assert (await maker.get(f"/api/changes?after={rest['next']}")).json()["changes"] == []


@pytest.mark.parametrize("query", ["after=x", "after=-1", "limit=0", "limit=999", "after=99999999999999999999", "x=1"])
async def test_a_bad_question_is_refused(lite_callers, query):
    maker = await lite_callers.robot("Maker", "maker")
    assert (await maker.get(f"/api/changes?{query}")).status_code == 400
    assert (await maker.get("/api/changes?entity=secret_plan")).status_code == 404
    assert (await (await lite_callers.anybody()).get("/api/changes")).status_code == 401


async def _events(client, expected, **headers):
    """Return the first events of a stream: (id, change-set)."""
    found = []
    asked = {"accept": "text/event-stream", **headers}
    async with client.stream("GET", "/api/changes", headers=asked) as answer:
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream")
        async for line in answer.aiter_lines():
            if line.startswith("id: "):
                found.append((line[4:],))
            if line.startswith("data: "):
                found[-1] += (json.loads(line[6:]),)
                if len(found) == expected:
                    break
    return found


async def test_events_go_on_behind_the_last_one_that_came(callers, maker, monkeypatch):
    monkeypatch.setattr(feed, "STREAM_SECONDS", 1.0)  # the test's client reads a stream when it has ended
    start = (await maker.get("/api/changes?limit=200")).json()["next"]
    await maker.post("/api/machine", json={"name": "A"})
    await maker.post("/api/machine", json={"name": "B"})

    async def later():
        await asyncio.sleep(0.3)
        await maker.post("/api/machine", json={"name": "C"})

    writing = asyncio.create_task(later())
    found = await _events(maker, 3, **{"last-event-id": str(start)})
    await writing
    assert [told["changes"][0]["after"]["name"] for _, told in found] == ["A", "B", "C"]
    again = await _events(maker, 1, **{"last-event-id": found[1][0]})
    assert again == found[2:]
    bad = await maker.get("/api/changes", headers={"accept": "text/event-stream", "last-event-id": "x"})
    assert bad.status_code == 400


async def test_who_put_a_value_there(callers, maker):
    made = (await maker.post("/api/machine", json={"name": "Lathe", "place": "Ost"})).json()
    why = {"if-match": '"1"', "change-reason": quote("moved: Söder")}
    await maker.patch(f"/api/machine/{made['id']}", json={"place": "Süd", "power": 4}, headers=why)
    base = f"/api/machine/{made['id']}"
    blamed = (await maker.get(f"{base}/blame")).json()["fields"]
    assert [blamed["place"][n] for n in ("value", "before", "reason")] == ["Süd", "Ost", "moved: Söder"]
    assert [blamed["name"][n] for n in ("kind", "source")] == ["create", "api"]
    assert blamed["name"]["actor"]["label"] == "Maker"
    assert [blamed[n]["derived"] for n in ("name", "power", "double", "number")] == [False, False, True, True]
    values = (await maker.get(f"{base}/fields/place/history")).json()["values"]
    assert [(v["value"], v["version"]) for v in values] == [("Süd", 2), ("Ost", 1)]
    assert (await maker.get(f"{base}/fields/nothing/history")).status_code == 404


async def test_what_one_may_not_read_has_no_history(callers, maker):
    admin = await callers.robot("Admin", "admin")
    made = (await admin.post("/api/machine", json={"name": "Lathe", "margin": "1.5"})).json()
    reader = await callers.robot("Reader", "reader")
    base = f"/api/machine/{made['id']}"
    assert (await reader.get(f"{base}/fields/margin/history")).status_code == 404
    assert "margin" not in (await reader.get(f"{base}/blame")).json()["fields"]
    assert (await maker.get(f"{base}/blame")).status_code == 404
    assert (await maker.get(f"{base}/fields/name/history")).status_code == 404
    await admin.delete(base, headers={"if-match": "*"})
    assert (await reader.get(f"{base}/history")).status_code == 404
    assert [c["kind"] for c in (await admin.get(f"{base}/history")).json()["changes"]] == ["delete", "create"]
