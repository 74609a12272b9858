"""What pages of other sites may do, and where a request comes from."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from tests.api.conftest import FILES, PASSWORD, Callers
from xrm.testing import make_site

PORTAL = "https://portal.example"


@pytest.fixture
async def behind(tmp_path):
    settings = {
        "allowed_hosts": ("test",),
        "cors_origins": (PORTAL,),
        "base_url": "https://test",
        "trusted_proxies": ("192.0.2.0/24",),
    }
    async with make_site(tmp_path, f"sqlite:///{tmp_path}/x.db", FILES, **settings) as site, AsyncExitStack() as stack:
        yield Callers(site, stack)


async def test_a_page_that_is_allowed_asks_with_a_key(behind):
    robot = await behind.robot("Robot", "maker")
    asked = {"origin": PORTAL, "access-control-request-method": "PATCH"}
    before = await robot.options("/api/machine", headers=asked)
    assert before.status_code == 204
    assert before.headers["access-control-allow-origin"] == PORTAL
    assert "authorization" in before.headers["access-control-allow-headers"]
    made = await robot.post("/api/machine", json={"name": "Lathe"}, headers={"origin": PORTAL})
    assert (made.status_code, made.headers["access-control-allow-origin"]) == (201, PORTAL)
    assert "origin" in made.headers["vary"]
    assert "cross-origin-resource-policy" not in made.headers
    refused = await robot.get("/api/nothing", headers={"origin": PORTAL})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (404, PORTAL)
    assert "access-control-allow-credentials" not in {*made.headers, *before.headers}


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "", PORTAL + ".evil.example", "http://portal.example", "*"]
)
async def test_other_pages_are_told_nothing(behind, origin):
    robot = await behind.robot("Robot", "maker")
    answer = await robot.get("/api/machine", headers={"origin": origin})
    assert not any(name.startswith("access-control") for name in answer.headers)
    before = await robot.options("/api/machine", headers={"origin": origin, "access-control-request-method": "GET"})
    assert not any(name.startswith("access-control") for name in before.headers)


async def test_an_allowed_page_cannot_use_a_visitors_cookie(behind):
    ann = await behind.browser("Ann", "maker")
    del ann.headers["x-csrf-token"]
    answer = await ann.post("/api/machine", json={"name": "Lathe"}, headers={"origin": PORTAL})
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf")
    pages = await ann.get("/sign-in", headers={"origin": PORTAL})
    assert "access-control-allow-origin" not in pages.headers


async def test_with_a_base_url_the_scheme_of_an_origin_counts(behind):
    ann = await behind.browser("Ann", "maker")
    del ann.headers["x-csrf-token"]
    for origin, status in (("http://test", 403), ("https://test", 201), ("https://test:8443", 403)):
        answer = await ann.post("/api/machine", json={"name": "Lathe"}, headers={"origin": origin})
        assert answer.status_code == status, origin


async def test_the_security_log_tells_who_came_in_and_was_refused(behind):
    async def later(send, *words, **given):
        behind.site.clock.forward(timedelta(seconds=1))
        return await send(*words, **given)

    ann = await behind.browser("Ann", "maker")
    behind.site.clock.forward(timedelta(seconds=1))
    admin = await behind.robot("Admin", "admin")
    stranger = await behind.anybody()
    for email in ("ann@example.com", "secret-typed-here@example.com"):
        sent = {"email": email, "password": "not the one"}
        headers = {"x-forwarded-for": "203.0.113.7", "user-agent": "x\x7fy"}
        await later(stranger.post, "/api/session", json=sent, headers=headers)
    key = (await later(ann.post, "/api/keys", json={"title": "Robot"})).json()
    await later(ann.delete, f"/api/keys/{key['id']}")
    await later(admin.get, "/api/machine/export?format=csv")
    await later(ann.put, "/api/me/password", json={"current": PASSWORD, "password": "another long one"})
    await later(ann.delete, "/api/session")
    found = (await admin.get("/api/security-log")).json()["entries"]
    assert [entry["event"] for entry in found[:8]] == [
        "signed_out",
        "password_changed",
        "exported",
        "key_revoked",
        "key_made",
        "sign_in_failed",
        "sign_in_failed",
        "key_made",
    ]
    user = str(behind.site.people["Ann"].id)
    assert [(e["user"], e["user_name"], e["address"], e["client"]) for e in found[5:7]] == [
        (None, "", "203.0.113.7", "xy"),
        (user, "Ann", "203.0.113.7", "xy"),
    ]
    text = str(found)
    assert not any(word in text for word in (PASSWORD, "not the one", "secret-typed", key["secret"]))
    only = (await admin.get(f"/api/security-log?event=key_made&user={user}")).json()["entries"]
    assert [(e["event"], e["actor_name"], e["detail"]) for e in only] == [("key_made", "Ann", key["prefix"] + " Robot")]
    older = (await admin.get(f"/api/security-log?before={found[0]['id']}&limit=1")).json()["entries"]
    assert [e["id"] for e in older] == [found[1]["id"]]
    for query, status in (("event=nothing", 422), ("user=x", 422), ("limit=x", 400), ("other=1", 400)):
        assert (await admin.get(f"/api/security-log?{query}")).status_code == status
    maker = await behind.robot("Maker", "maker")
    assert (await maker.get("/api/security-log")).status_code == 403
    assert (await stranger.get("/api/security-log")).status_code == 401


async def test_the_security_log_forgets_in_time(behind):
    await behind.browser("Ann", "maker")
    behind.site.clock.forward(timedelta(days=366))
    await behind.browser("Bob", "maker")
    admin = await behind.robot("Admin", "admin")
    found = (await admin.get("/api/security-log?event=signed_in")).json()["entries"]
    assert [entry["user_name"] for entry in found] == ["Bob"]
