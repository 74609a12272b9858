"""Shares over HTTP: given, seen from the next request on, taken back; refusals change nothing and tell nothing."""

from __future__ import annotations

import pytest

from tests.api.conftest import digest

ROLES = """
role: lender
grants:
  - {entity: machine, actions: [read, create, update, delete, share], rows: own}
  - {entity: user, actions: [read], fields: {read: ["*"], write: []}}
---
role: nobody
grants: [{entity: user, actions: [read], fields: {read: ["*"], write: []}}]
"""


@pytest.fixture
async def lender(site, callers):
    await site.apply({"entities/lender.yaml": ROLES})
    return await callers.robot("Lena", "lender")


async def test_a_record_is_shared_and_taken_back(site, callers, lender) -> None:
    bob = await callers.robot("Bob", "nobody")
    one = (await lender.post("/api/machine", json={"name": "One", "margin": "5", "power": 1})).json()["id"]
    url = f"/api/machine/{one}"
    strange = [await bob.get(u) for u in ("/api/machine", "/api/nothing")]
    assert [a.status_code for a in strange] == [404, 404]
    sent = {"person": str(site.people["Bob"].id), "level": "update", "reason": "while I am away"}
    made = await lender.post(f"{url}/shares", json=sent, headers={"idempotency-key": "k1"})
    assert made.status_code == 201, made.text
    assert made.headers["location"] == f"{url}/shares/{made.json()['id']}"
    again = await lender.post(f"{url}/shares", json=sent, headers={"idempotency-key": "k1"})
    assert again.json() == made.json()
    shares = (await lender.get(f"{url}/shares")).json()["shares"]
    assert [(s["person"]["label"], s["level"], s["reason"]) for s in shares] == [("Bob", "update", "while I am away")]
    seen = await bob.get(url)
    assert (seen.status_code, seen.json()["name"], "margin" in seen.json()) == (200, "One", False)
    assert [r["id"] for r in (await bob.get("/api/machine")).json()["records"]] == [one]
    changed = await bob.patch(url, json={"power": 2}, headers={"if-match": seen.headers["etag"]})
    assert changed.status_code == 200, changed.text
    assert (await bob.get(f"{url}/shares")).status_code == 403
    assert (await bob.delete(made.headers["location"])).status_code == 403
    assert (await lender.delete(made.headers["location"])).status_code == 204
    assert (await bob.get(url)).status_code == 404
    assert (await lender.delete(made.headers["location"])).status_code == 404


async def test_what_is_refused_leaves_nothing(site, callers, lender) -> None:
    bob, maker = await callers.robot("Bob", "nobody"), await callers.robot("Mia", "maker")
    mine = (await maker.post("/api/machine", json={"name": "Mine"})).json()["id"]
    one = (await lender.post("/api/machine", json={"name": "One"})).json()["id"]
    to = {"person": str(site.people["Bob"].id)}
    before = await digest(site)
    for client, id, sent, status in (
        (lender, mine, to, 404),
        (maker, mine, to, 403),
        (bob, one, to, 404),
        (lender, one, {**to, "level": "everything"}, 422),
        (lender, one, {**to, "fields": ["nothing"]}, 422),
        (lender, one, {**to, "fields": "name"}, 422),
        (lender, one, {**to, "expires_at": "2001-01-01T00:00:00Z"}, 422),
        (lender, one, {**to, "record": one}, 422),
        (lender, one, {**to, "created_by": one}, 422),
        (lender, one, {"person": one}, 422),
        (lender, one, {"person": 7}, 422),
        (lender, one, {}, 422),
        (lender, one, [], 400),
    ):
        answer = await client.post(f"/api/machine/{id}/shares", json=sent)
        assert answer.status_code == status, (sent, answer.text)
    assert await digest(site) == before
    assert (await callers.anybody()).headers.get("authorization") is None
    assert (await (await callers.anybody()).get(f"/api/machine/{one}/shares")).status_code == 401


async def test_the_description_tells_of_shares_to_those_who_may_share(callers, lender) -> None:
    for client, told in ((lender, True), (await callers.robot("Bob", "maker"), False)):
        paths = (await client.get("/openapi.json")).json()["paths"]
        assert ("/api/machine/{id}/shares" in paths) == told


async def test_what_is_shared_with_one_is_told_to_no_other_of_the_same_roles(site, callers, lender) -> None:
    """Answers are kept per roles: what is shared is part of what tells one from another."""
    bob, cy = await callers.robot("Bob", "nobody"), await callers.robot("Cy", "nobody")
    one = (await lender.post("/api/machine", json={"name": "One"})).json()["id"]
    await lender.post(f"/api/machine/{one}/shares", json={"person": str(site.people["Bob"].id)})
    for path, key in (("/openapi.json", "/api/machine"), ("/api/model", '"machine"')):
        assert key in (await bob.get(path)).text
        assert key not in (await cy.get(path)).text
    assert (await cy.get("/api/machine")).status_code == 404
    assert (await cy.get(f"/api/machine/{one}")).status_code == 404
