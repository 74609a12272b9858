"""One request, one effect: Idempotency-Key, on both databases."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from xrm.api.once import KEPT, Writes
from xrm.testing import TestSite


@pytest.fixture
async def maker(callers):
    return await callers.robot("Maker", "maker")


async def count(site: TestSite, table: str) -> int:
    return (await site.kernel.store.fetch(f'SELECT count(*) FROM "{table}"'))[0][0]


async def test_a_repeated_request_gets_the_same_answer_and_has_no_effect(callers, maker):
    key = {"idempotency-key": "order-1"}
    first = await maker.post("/api/machine", json={"name": "Lathe"}, headers=key)
    again = await maker.post("/api/machine", json={"name": "Lathe"}, headers=key)
    assert (again.status_code, again.content, again.headers["etag"]) == (201, first.content, first.headers["etag"])
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert await count(callers.site, "machine") == 1
    assert await count(callers.site, "xrm_changeset") == 2  # the machine, and the user


async def test_every_kind_of_write_can_be_repeated(callers, maker):
    made = (await maker.post("/api/machine", json={"name": "Lathe"})).json()
    path = f"/api/machine/{made['id']}"
    version = 1
    for number, (method, url, body, match) in enumerate(
        [
            ("PATCH", path, {"name": "Mill"}, '"1"'),
            ("POST", f"{path}/actions/start", {"place": "Ost"}, '"2"'),
            ("PUT", "/api/machine/by/serial/S1", {"name": "Saw"}, None),
            ("DELETE", path, None, '"3"'),
            ("POST", f"{path}/restore", None, None),
            ("POST", "/api/machine/bulk", {"create": [{"name": "A"}, {"name": "B"}]}, None),
        ]
    ):
        headers = {"idempotency-key": f"k{number}", **({"if-match": match} if match else {})}
        answers = [await maker.request(method, url, json=body, headers=headers) for _ in range(2)]
        assert answers[0].status_code < 300, (method, url, answers[0].text)
        assert answers[0].content == answers[1].content
        assert answers[0].status_code == answers[1].status_code
        version += 1
    assert (await maker.get(path)).json()["version"] == 5
    assert await count(callers.site, "machine") == 4


async def test_another_request_under_the_same_key_is_refused(callers, maker):
    key = {"idempotency-key": "order-1"}
    first = await maker.post("/api/machine", json={"name": "Lathe"}, headers=key)
    for method, url, body in (
        ("POST", "/api/machine", {"name": "Mill"}),
        ("PUT", "/api/machine/by/serial/S1", {"name": "Lathe"}),
        ("DELETE", f"/api/machine/{first.json()['id']}", None),
    ):
        answer = await maker.request(method, url, json=body, headers={**key, "if-match": "*"})
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_mismatch")
    assert await count(callers.site, "machine") == 1
    other = await callers.robot("Other", "maker")
    assert (await other.post("/api/machine", json={"name": "Lathe"}, headers=key)).status_code == 201


async def test_fifty_at_once_have_one_effect(callers, maker):
    key = {"idempotency-key": "storm"}
    answers = await asyncio.gather(
        *(maker.post("/api/machine", json={"name": "Lathe"}, headers=key) for _ in range(50))
    )
    codes = {answer.status_code for answer in answers}
    assert codes <= {201, 409}
    assert len({a.content for a in answers if a.status_code == 201}) == 1
    assert {a.json()["code"] for a in answers if a.status_code == 409} <= {"idempotency_running"}
    assert await count(callers.site, "machine") == 1
    assert (await maker.post("/api/machine", json={"name": "Lathe"}, headers=key)).status_code == 201


async def test_two_processes_have_one_effect(callers, maker):
    """A second set of routes over the same database knows nothing of what runs in the first."""
    from xrm.api import create_api

    key = {"idempotency-key": "storm"}
    actor = callers.site.people["Maker"]
    other = await callers.with_key(actor)
    other._transport.app = create_api(callers.site.site)
    answers = await asyncio.gather(
        *(
            client.post("/api/machine", json={"name": "Lathe"}, headers=key)
            for _ in range(10)
            for client in (maker, other)
        )
    )
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({a.content for a in answers if a.status_code == 201}) == 1
    assert await count(callers.site, "machine") == 1


async def test_a_refused_request_leaves_the_key_free(callers, maker):
    key = {"idempotency-key": "order-1"}
    assert (await maker.post("/api/machine", json={"nmae": "Lathe"}, headers=key)).status_code == 422
    assert await count(callers.site, "xrm_idempotency") == 0
    assert (await maker.post("/api/machine", json={"name": "Lathe"}, headers=key)).status_code == 201


async def test_answer_and_effect_are_stored_together_or_not_at_all(callers, maker, monkeypatch):
    async def crash(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Writes, "_store", crash)
    with pytest.raises(KeyboardInterrupt):
        await maker.post("/api/machine", json={"name": "Lathe"}, headers={"idempotency-key": "order-1"})
    monkeypatch.undo()
    assert await count(callers.site, "machine") == 0
    again = await maker.post("/api/machine", json={"name": "Lathe"}, headers={"idempotency-key": "order-1"})
    assert again.status_code == 201


async def test_answers_are_kept_for_a_day_and_more_and_then_forgotten(callers, maker):
    key = {"idempotency-key": "order-1"}
    first = await maker.post("/api/machine", json={"name": "Lathe"}, headers=key)
    callers.site.clock.forward(timedelta(hours=25))
    again = await maker.post("/api/machine", json={"name": "Lathe"}, headers=key)
    assert again.content == first.content
    callers.site.clock.forward(KEPT)
    await maker.post("/api/machine", json={"name": "Mill"}, headers={"idempotency-key": "order-2"})
    assert await count(callers.site, "xrm_idempotency") == 1


@pytest.mark.parametrize("key", ["x" * 201, "two words", "tab\t"])
async def test_a_key_is_visible_ascii(lite_callers, key):
    maker = await lite_callers.robot("Maker", "maker")
    answer = await maker.post("/api/machine", json={"name": "Lathe"}, headers={"idempotency-key": key})
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")
