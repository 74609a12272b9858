"""Signing in and out, and one's own account."""

from __future__ import annotations

import re

import pytest

from tests.web.conftest import PASSWORD, text_of


async def test_a_stranger_is_led_to_the_sign_in_page_and_back(pages):
    await pages.site.person("clerk", "clerk")
    answer = await pages.get("/e/machine?q=a%26b", "")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/sign-in?next=%2Fe%2Fmachine%3Fq%3Da%2526b"
    part = await pages.get("/e/machine", "", part=True)
    assert part.headers["hx-redirect"] == "/sign-in"


async def test_signing_in_and_out(pages):
    await pages.client("clerk")
    stranger = await pages.client("")
    wrong = await stranger.post("/sign-in", data={"email": "clerk@example.com", "password": "x", "next": "/e/machine"})
    assert wrong.status_code == 401
    assert "do not belong together" in text_of(wrong)
    assert 'value="clerk@example.com"' in wrong.text
    right = await stranger.post(
        "/sign-in", data={"email": "clerk@example.com", "password": PASSWORD, "next": "/e/machine"}
    )
    assert right.headers["location"] == "/e/machine"
    assert "httponly" in right.headers["set-cookie"].lower()
    assert (await stranger.get("/e/machine")).status_code == 200
    assert (await stranger.get("/sign-in")).status_code == 303
    assert (await stranger.post("/sign-out")).headers["location"] == "/sign-in"
    assert (await stranger.get("/e/machine")).status_code == 303


@pytest.mark.parametrize(
    "target", ["https://evil.example", "//evil.example", "/\\evil.example", "", "javascript:x", "/%0d%0aa:b\r\n"]
)
async def test_signing_in_leads_to_no_other_site(pages, target):
    await pages.client("clerk")
    answer = await pages.post("/sign-in", {"email": "clerk@example.com", "password": PASSWORD, "next": target}, "")
    assert answer.headers["location"] == "/"


async def test_guessing_passwords_is_slowed_down(pages):
    await pages.client("clerk")
    for _ in range(5):
        await pages.post("/sign-in", {"email": "clerk@example.com", "password": "no"}, "")
    answer = await pages.post("/sign-in", {"email": "clerk@example.com", "password": PASSWORD}, "")
    assert answer.status_code == 429
    assert "Try again in 15 minutes" in text_of(answer)


async def test_a_password_is_changed(pages):
    await pages.client("clerk")
    wrong = await pages.post(
        "/account/password", {"current": "x", "password": "another long one", "again": "another long one"}
    )
    assert wrong.status_code == 422
    assert "not your present password" in wrong.text
    differ = await pages.post(
        "/account/password", {"current": PASSWORD, "password": "another long one", "again": "other"}
    )
    assert "differ" in text_of(differ)
    short = await pages.post("/account/password", {"current": PASSWORD, "password": "short", "again": "short"})
    assert 'id="password-error"' in short.text
    done = await pages.post(
        "/account/password", {"current": PASSWORD, "password": "another long one", "again": "another long one"}
    )
    assert done.headers["location"] == "/account"
    assert "Your password was changed" in text_of(await pages.get("/account"))
    again = await pages.post("/sign-in", {"email": "clerk@example.com", "password": "another long one"}, "")
    assert again.status_code == 303


async def test_sessions_are_listed_and_ended(pages):
    await pages.client("clerk")
    other = await pages.client("")
    await other.post("/sign-in", data={"email": "clerk@example.com", "password": PASSWORD})
    page = await pages.get("/account")
    assert "Firefox on Linux" in text_of(page)
    ends = re.findall(r'action="(/account/sessions/[^"]+/end)"', page.text)
    assert len(ends) == 1
    await pages.post(ends[0], {})
    assert (await other.get("/account")).status_code == 303
    assert (await pages.post(ends[0], {})).status_code == 404


async def test_a_key_is_made_shown_once_and_revoked(pages):
    await pages.client("clerk")
    refused = await pages.post("/account/keys", {"title": " ", "days": "30"})
    assert refused.status_code == 422
    assert 'id="title-error"' in refused.text
    made = await pages.post("/account/keys", {"title": "<b>Import</b>", "days": "30"})
    secret = re.search(r'id="secret">(xrm_[^<]+)<', made.text)[1]
    page = await pages.get("/account")
    assert secret not in page.text
    assert "&lt;b&gt;Import" in page.text
    assert "until 3 Dec 2026, 00:00" in text_of(page)
    assert await pages.site.site.accounts.key(secret) is not None
    await pages.post(re.search(r'action="(/account/keys/[^"]+/revoke)"', page.text)[1], {})
    assert await pages.site.site.accounts.key(secret) is None
    assert (await pages.post("/account/keys", {"title": "x", "days": "7"})).status_code == 400


async def test_another_persons_session_and_key_are_out_of_reach(pages):
    await pages.client("clerk")
    await pages.client("guest")
    await pages.post("/account/keys", {"title": "mine", "days": ""})
    page = await pages.get("/account")
    key = re.search(r'action="(/account/keys/[^"]+/revoke)"', page.text)[1]
    assert (await pages.post(key, {}, "guest")).status_code == 404
    session = await pages.site.site.accounts.sessions(pages.actor().id)
    assert (await pages.post(f"/account/sessions/{session[0].id}/end", {}, "guest")).status_code == 404
    assert "mine" in text_of(await pages.get("/account"))
