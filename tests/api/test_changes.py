"""What happened, over HTTP: the feed as pages and as events, blame, the history of a field."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
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


async def test_an_undo_is_shown_done_once_and_undone(callers, maker):
    made = (await maker.post("/api/machine", json={"name": "Lathe", "place": "Ost"})).json()
    base = f"/api/machine/{made['id']}"
    changed = await maker.patch(base, json={"place": "Süd"}, headers={"if-match": '"1"'})
    act = changed.headers["change-set"]
    shown = (await maker.post(f"/api/changes/{act}/undo", json={"dry_run": True})).json()
    assert (shown["dry_run"], shown["changeset"], shown["changes"][0]["fields"]) == (
        True,
        None,
        {"place": {"from": "Süd", "to": "Ost"}},
    )
    assert (await maker.get(base)).json()["version"] == 2
    key = {"idempotency-key": "u1", "change-reason": "mistake"}
    done = await maker.post(f"/api/changes/{act}/undo", headers=key)
    assert done.content == (await maker.post(f"/api/changes/{act}/undo", headers=key)).content
    assert (await maker.get(base)).json()["place"] == "Ost"
    told = (await maker.get(f"/api/changes/{done.headers['change-set']}")).json()
    assert (told["undoes"], told["reason"], told["id"]) == (act, "mistake", done.json()["changeset"])
    again = await maker.post(f"/api/changes/{act}/undo")
    assert (again.status_code, again.json()["undone_by"]) == (409, told["id"])
    await maker.post(f"/api/changes/{told['id']}/undo")
    assert (await maker.get(base)).json()["place"] == "Süd"


async def test_what_stands_in_the_way_of_an_undo_is_told(callers, maker):
    made = (await maker.post("/api/machine", json={"name": "Lathe", "place": "Ost"})).json()
    base = f"/api/machine/{made['id']}"
    act = (await maker.patch(base, json={"place": "A"}, headers={"if-match": "*"})).headers["change-set"]
    await maker.patch(base, json={"place": "B"}, headers={"if-match": "*"})
    refused = await maker.post(f"/api/changes/{act}/undo", json={})
    assert refused.status_code == 409
    (conflict,) = refused.json()["conflicts"]
    assert [conflict[n] for n in ("field", "then", "now")] == ["place", "Ost", "B"]
    kept = await maker.post(f"/api/changes/{act}/undo", json={"keep": "newer"})
    assert (kept.status_code, kept.json()["changes"]) == (200, [])
    assert (await maker.post(f"/api/changes/{act}/undo", json={"keep": "older"})).status_code == 400
    assert (await maker.post("/api/changes/nothing/undo")).status_code == 404


async def test_an_import_with_updates_is_taken_back(callers):
    admin = await callers.robot("Admin", "admin")
    await admin.post("/api/machine", json={"name": "Old", "serial": "1", "place": "Ost"})
    sent = await admin.post(
        "/api/machine/import?key=serial",
        content="serial,name,place\n1,New,West\n2,Other,Nord\n",
        headers={"content-type": "text/csv"},
    )
    assert (sent.json()["created"], sent.json()["updated"]) == (1, 1)
    done = await admin.post(f"/api/changes/{sent.headers['change-set']}/undo")
    assert done.status_code == 200, done.text
    records = (await admin.get("/api/machine?fields=name,place")).json()["records"]
    assert [(r["name"], r["place"]) for r in records] == [("Old", "Ost")]


async def test_records_are_read_as_they_were(callers, maker):
    made = (await maker.post("/api/machine", json={"name": "Lathe", "power": 3})).json()
    moment = callers.site.clock.now.isoformat().replace("+00:00", "Z")
    callers.site.clock.forward(timedelta(minutes=5))
    base = f"/api/machine/{made['id']}"
    await maker.patch(base, json={"name": "Mill", "power": 9}, headers={"if-match": "*"})
    shown = await maker.get(base, params={"as_of": moment, "fields": "name,double"})
    assert (shown.json()["name"], shown.json()["double"], "etag" in shown.headers) == ("Lathe", 6, False)
    page = (await maker.get("/api/machine", params={"as_of": moment, "filter": "power == 3", "count": "true"})).json()
    assert ([r["name"] for r in page["records"]], page["count"]["value"]) == (["Lathe"], 1)
    totals = (await maker.get("/api/machine/aggregate", params={"as_of": moment, "values": "sum(power)"})).json()
    assert totals["groups"] == [{"sum(power)": 3}]
    for bad in ("yesterday", "2026-01-01T00:00:00", "99999-01-01T00:00:00Z"):
        assert (await maker.get("/api/machine", params={"as_of": bad})).status_code == 400
    assert (await maker.get(base, params={"as_of": "2999-01-01T00:00:00Z"})).status_code == 422
