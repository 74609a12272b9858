"""Signing in and out over HTTP, the cookie, forged requests, keys."""

from __future__ import annotations

import asyncio
import base64
from datetime import timedelta

import httpx
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from tests.api.conftest import HOST, PASSWORD


async def test_the_cookie_is_for_this_site_alone(callers):
    ann = await callers.browser("Ann", "maker")
    answer = await ann.post("/api/session", json={"email": "ann@example.com", "password": PASSWORD})
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/" in cookie
    assert "Secure" not in cookie
    assert "Domain" not in cookie
    assert ann.cookies["xrm_session"] not in answer.text


async def test_who_am_i(callers):
    ann = await callers.browser("Ann", "maker")
    me = (await ann.get("/api/me")).json()
    assert (me["name"], me["roles"], me["kind"], me["capabilities"]) == ("Ann", ["maker"], "person", [])
    assert me["csrf"] == ann.headers["x-csrf-token"]
    robot = await callers.robot("Robot", "maker")
    assert "csrf" not in (await robot.get("/api/me")).json()
    nobody = await callers.anybody()
    refused = await nobody.get("/api/me")
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
    assert refused.headers["www-authenticate"] == "Bearer"


async def test_signing_out_ends_the_session(callers):
    ann = await callers.browser("Ann", "maker")
    token = ann.cookies["xrm_session"]
    assert (await ann.delete("/api/session")).status_code == 204
    assert "xrm_session" not in ann.cookies
    ann.cookies.set("xrm_session", token)
    assert (await ann.get("/api/me")).status_code == 401


async def test_a_token_chosen_by_the_client_is_never_taken(callers):
    await callers.browser("Ann", "maker")
    victim = await callers.anybody()
    victim.cookies.set("xrm_session", "chosen-by-an-attacker")
    answer = await victim.post("/api/session", json={"email": "ann@example.com", "password": PASSWORD})
    assert answer.status_code == 201
    assert "chosen-by-an-attacker" not in answer.headers["set-cookie"]
    attacker = await callers.anybody()
    attacker.cookies.set("xrm_session", "chosen-by-an-attacker")
    assert (await attacker.get("/api/me")).status_code == 401


async def test_signing_in_again_ends_the_session_before(callers):
    ann = await callers.browser("Ann", "maker")
    before = ann.cookies["xrm_session"]
    await ann.post("/api/session", json={"email": "ann@example.com", "password": PASSWORD})
    assert ann.cookies["xrm_session"] != before
    thief = await callers.anybody()
    thief.cookies.set("xrm_session", before)
    assert (await thief.get("/api/me")).status_code == 401


async def test_failed_sign_ins_look_alike_and_are_throttled(lite_callers):
    await lite_callers.browser("Ann", "maker")
    client = await lite_callers.anybody("198.51.100.9")
    texts = set()
    for email in ("ann@example.com", "nobody@example.com"):
        answer = await client.post("/api/session", json={"email": email, "password": "not the one"})
        body = answer.json()
        body.pop("request")
        texts.add((answer.status_code, str(body), tuple(sorted(answer.headers.keys()))))
    assert len(texts) == 1
    for n in range(10):
        headers = {"x-forwarded-for": f"203.0.113.{n}", "forwarded": f"for=203.0.113.{n}", "user-agent": f"agent {n}"}
        answer = await client.post(
            "/api/session", json={"email": "ann@example.com", "password": "not the one"}, headers=headers
        )
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_requests")
    assert 0 < int(answer.headers["retry-after"]) <= 900
    assert answer.json()["retry_after"] == int(answer.headers["retry-after"])


async def test_a_cookie_alone_writes_nothing(lite_callers):
    ann = await lite_callers.browser("Ann", "maker")
    token = ann.headers.pop("x-csrf-token")
    new = {"name": "Lathe"}
    for headers, expected in (
        ({}, 403),
        ({"x-csrf-token": "wrong"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://test.evil.example"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "cross-site", "x-csrf-token": token}, 403),
        ({"sec-fetch-site": "same-origin"}, 201),
        ({"origin": "http://test"}, 201),
        ({"x-csrf-token": token}, 201),
    ):
        answer = await ann.post("/api/machine", json=new, headers=headers)
        assert answer.status_code == expected, headers
        if expected == 403:
            assert answer.json()["code"] == "csrf"
    assert (await ann.get("/api/machine", headers={"sec-fetch-site": "cross-site"})).status_code == 200


async def test_the_token_of_one_session_is_worthless_in_another(lite_callers):
    ann, bob = await lite_callers.browser("Ann", "maker"), await lite_callers.browser("Bob", "maker")
    ann.headers["x-csrf-token"] = bob.headers["x-csrf-token"]
    assert (await ann.post("/api/machine", json={"name": "Lathe"})).status_code == 403


async def test_a_foreign_page_cannot_sign_somebody_in(lite_callers):
    await lite_callers.browser("Ann", "maker")
    victim = await lite_callers.anybody()
    answer = await victim.post(
        "/api/session",
        json={"email": "ann@example.com", "password": PASSWORD},
        headers={"origin": "https://evil.example"},
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf")


async def test_keys_are_made_in_person_and_revoked_at_once(callers):
    ann = await callers.browser("Ann", "maker")
    made = await ann.post("/api/keys", json={"title": "Robot"})
    assert made.status_code == 201
    robot = await callers.anybody()
    robot.headers["authorization"] = f"Bearer {made.json()['secret']}"
    assert (await robot.get("/api/me")).json()["kind"] == "integration"
    assert (await robot.post("/api/keys", json={"title": "Offspring"})).status_code == 403
    assert (await robot.get("/api/me/sessions")).status_code == 403
    listed = (await ann.get("/api/keys")).json()["keys"]
    assert [key["title"] for key in listed] == ["Robot"]
    assert made.json()["secret"] not in str(listed)
    assert (await ann.delete(f"/api/keys/{made.json()['id']}")).status_code == 204
    refused = await robot.get("/api/me")
    assert (refused.status_code, refused.json()["detail"]) == (401, "This token is not, or no longer, good.")


async def test_a_key_may_end_by_itself(lite_callers):
    ann = await lite_callers.browser("Ann", "maker")
    for wrong in ("yesterday", "2026-12-01T00:00:00", "2020-01-01T00:00:00Z"):
        assert (await ann.post("/api/keys", json={"title": "Robot", "expires_at": wrong})).status_code == 422
    made = await ann.post("/api/keys", json={"title": "Robot", "expires_at": "2026-11-03T09:00:00+01:00"})
    assert made.json()["expires_at"] == "2026-11-03T08:00:00Z"
    robot = await lite_callers.anybody()
    robot.headers["authorization"] = f"Bearer {made.json()['secret']}"
    assert (await robot.get("/api/me")).status_code == 200
    lite_callers.site.clock.forward(timedelta(days=2))
    assert (await robot.get("/api/me")).status_code == 401


async def test_passwords_and_sessions_of_ones_own(lite_callers):
    ann = await lite_callers.browser("Ann", "maker")
    other = await lite_callers.anybody()
    await other.post("/api/session", json={"email": "ann@example.com", "password": PASSWORD})
    sessions = (await ann.get("/api/me/sessions")).json()["sessions"]
    assert sorted(s["current"] for s in sessions) == [False, True]
    weak = await ann.put("/api/me/password", json={"current": PASSWORD, "password": "short"})
    assert [(i["path"], i["code"]) for i in weak.json()["issues"]] == [("password", "too_short")]
    wrong = await ann.put("/api/me/password", json={"current": "something else", "password": "another long one"})
    assert [(i["path"], i["code"]) for i in wrong.json()["issues"]] == [("current", "wrong_password")]
    assert (await other.get("/api/me")).status_code == 200
    done = await ann.put("/api/me/password", json={"current": PASSWORD, "password": "another long one"})
    assert done.status_code == 204
    assert (await other.get("/api/me")).status_code == 401
    assert (await ann.get("/api/me")).status_code == 200
    (mine,) = (await ann.get("/api/me/sessions")).json()["sessions"]
    assert (await ann.delete(f"/api/me/sessions/{mine['id']}")).status_code == 204
    assert (await ann.get("/api/me")).status_code == 401


async def test_an_administrator_looks_after_others(lite_callers):
    admin, ann = await lite_callers.browser("Admin", "admin"), await lite_callers.browser("Ann", "maker")
    user = lite_callers.site.people["Ann"].id
    assert len((await admin.get(f"/api/accounts/{user}/sessions")).json()["sessions"]) == 1
    assert (await ann.get(f"/api/accounts/{lite_callers.site.people['Admin'].id}/sessions")).status_code == 403
    made = await admin.post("/api/keys", json={"title": "For Ann", "user": str(user)})
    assert made.status_code == 201
    assert [k["title"] for k in (await admin.get(f"/api/accounts/{user}/keys")).json()["keys"]] == ["For Ann"]
    assert (await admin.put(f"/api/accounts/{user}/password", json={"password": "another long one"})).status_code == 204
    assert (await ann.get("/api/me")).status_code == 401
    again = await ann.post("/api/session", json={"email": "ann@example.com", "password": "another long one"})
    assert again.status_code == 201
    assert (await admin.delete(f"/api/accounts/{user}/sessions")).status_code == 204
    assert (await ann.get("/api/me")).status_code == 401


async def test_a_storm_of_sign_ins_does_not_stop_the_others(lite_callers):
    ann = await lite_callers.browser("Ann", "maker")
    clients = [await lite_callers.anybody(f"203.0.113.{n}") for n in range(12)]
    body = {"email": "nobody@example.com", "password": "whatever it is"}
    storm = [asyncio.create_task(c.post("/api/session", json=body)) for c in clients]
    served = 0
    while not all(task.done() for task in storm):
        assert (await ann.get("/api/me")).status_code == 200
        served += 1
    assert served > 20
    assert {task.result().status_code for task in storm} == {401}


async def test_a_session_token_serves_programs_of_the_site_as_well(lite_callers):
    ann = await lite_callers.browser("Ann", "maker")
    transport = httpx.ASGITransport(lite_callers.app)
    headers = {"authorization": f"Bearer {ann.cookies['xrm_session']}", "x-xrm-client": "studio"}
    async with httpx.AsyncClient(transport=transport, base_url=HOST, headers=headers) as studio:
        made = await studio.post("/api/machine", json={"name": "Lathe"})
        assert made.status_code == 201
        history = await studio.get(f"/api/machine/{made.json()['id']}/history")
    assert history.json()["changes"][0]["source"] == "studio"


async def test_a_second_factor_is_asked_for_and_withheld_roles_are_told(lite_callers):
    ann = await lite_callers.browser("Ann", "maker")
    assert ((await ann.get("/api/me")).json()["mfa"], (await ann.get("/api/me")).json()["withheld"]) == (False, [])
    actor, factors = lite_callers.site.people["Ann"], lite_callers.site.accounts.factors
    begun = factors.begin(actor)
    app = TOTP(base64.b32decode(begun.secret), 6, SHA1(), 30)
    moment = lambda: int(lite_callers.site.clock().timestamp())  # noqa: E731
    await factors.confirm(actor, begun.pending, app.generate(moment()).decode())
    client = await lite_callers.anybody()
    sent = {"email": "ann@example.com", "password": PASSWORD}
    asked = await client.post("/api/session", json=sent)
    assert (asked.status_code, asked.json()["code"]) == (401, "second_factor")
    assert "set-cookie" not in asked.headers
    assert "pending" not in asked.json()
    lite_callers.site.clock.forward(timedelta(seconds=30))
    good = await client.post("/api/session", json={**sent, "code": app.generate(moment()).decode()})
    assert (good.status_code, good.json()["mfa"]) == (201, True)
