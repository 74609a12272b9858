"""Set-up, invitation and new password in the browser, and the account of another user."""

from __future__ import annotations

import re
from unicodedata import normalize

import pytest

from tests.web.conftest import PASSWORD, text_of

NEW = "quite another long one"


def path_of(url: str) -> str:
    return re.sub(r"^https?://[^/]+", "", url)


async def test_a_new_site_is_set_up_in_the_browser(pages):
    path = path_of(await pages.site.accounts.links.set_up())
    page = await pages.get(path, "")
    assert "You become the administrator" in text_of(page)
    differ = {"name": "Ann", "email": "ann@example.com", "password": NEW, "again": "other"}
    answer = await pages.post(path, differ, "")
    assert answer.status_code == 422
    assert 'id="again-error"' in answer.text
    assert 'value="ann@example.com"' in answer.text
    answer = await pages.post(path, {"name": "", "email": "ann@example.com", "password": "x", "again": "x"}, "")
    assert 'id="name-error"' in answer.text
    assert 'id="password-error"' in answer.text
    done = await pages.post(path, {**differ, "again": NEW}, "")
    assert done.headers["location"] == "/"
    assert "httponly" in done.headers["set-cookie"].lower()
    assert "Ann" in text_of(await pages.get("/account", ""))
    pages.clients.pop("")
    assert (await pages.get(path, "")).status_code == 404
    assert (await pages.post(path, {**differ, "again": NEW}, "")).status_code == 404


async def test_an_administrator_invites_and_the_link_is_shown_once(pages):
    new = await pages.site.person("New", "guest")
    record = await pages.get(f"/e/user/{new.id}", "admin")
    assert f'href="/accounts/{new.id}"' in record.text
    page = await pages.get(f"/accounts/{new.id}", "admin")
    assert "no password yet" in text_of(page)
    made = await pages.post(f"/accounts/{new.id}/link", {}, "admin")
    url = re.search(r'id="link">([^<]+)<', made.text)[1]
    assert url not in (await pages.get(f"/accounts/{new.id}", "admin")).text
    asked = await pages.get(path_of(url), "")
    assert "For new@example.com" in text_of(asked)
    assert (await pages.get(path_of(url).replace("invitation", "new-password"), "")).status_code == 404
    done = await pages.post(path_of(url), {"password": NEW, "again": NEW}, "")
    assert done.headers["location"] == "/"
    assert (await pages.get("/account", "")).status_code == 200


async def test_a_new_password_is_chosen_and_asked_for(pages):
    await pages.client("clerk")
    clerk = pages.actor("clerk")
    made = await pages.post(f"/accounts/{clerk.id}/link", {}, "admin")
    path = path_of(re.search(r'id="link">([^<]+)<', made.text)[1])
    done = await pages.post(path, {"password": NEW, "again": NEW}, "")
    assert done.headers["location"] == "/sign-in?done=password"
    assert "Your password was changed" in text_of(await pages.get("/sign-in?done=password", ""))
    assert (await pages.get("/account", "clerk")).status_code == 303
    signed = await pages.post("/sign-in", {"email": "clerk@example.com", "password": normalize("NFD", NEW)}, "")
    assert signed.status_code == 303


async def test_the_account_of_another_is_for_those_who_look_after_them(pages):
    await pages.client("clerk")
    clerk, admin = pages.actor("clerk"), (await pages.client("admin"), pages.actor("admin"))[1]
    for method, path in (
        ("GET", f"/accounts/{admin.id}"),
        ("POST", f"/accounts/{admin.id}/link"),
        ("POST", f"/accounts/{admin.id}/sessions/end"),
        ("POST", f"/accounts/{admin.id}/keys/{admin.id}/revoke"),
    ):
        answer = await (await pages.client("clerk")).request(method, path)
        assert answer.status_code == 404, path
    await pages.post("/account/keys", {"title": "Robot", "days": ""})
    page = await pages.get(f"/accounts/{clerk.id}", "admin")
    assert "Firefox on Linux" in text_of(page)
    await pages.post(re.search(r'action="(/accounts/[^"]+/revoke)"', page.text)[1], {}, "admin")
    assert await pages.site.accounts.api_keys.list(clerk.id) == []
    await pages.post(f"/accounts/{clerk.id}/sessions/end", {}, "admin")
    assert (await pages.get("/account", "clerk")).status_code == 303


async def test_all_other_sessions_are_ended_at_once(pages):
    await pages.client("clerk")
    others = [await pages.site.accounts.sign_in("clerk@example.com", PASSWORD, c) for c in [_client()] * 2]
    assert "End all others" in text_of(await pages.get("/account"))
    assert (await pages.post("/account/sessions/end", {})).status_code == 303
    assert [await pages.site.accounts.session(token) for token, _ in others] == [None, None]
    assert "End all others" not in text_of(await pages.get("/account"))


@pytest.mark.parametrize("path", ["/set-up/x", "/invitation/x", "/new-password/" + "x" * 300, "/forgot"])
async def test_there_is_no_page_for_a_link_that_is_not_good_or_without_mail(pages, path):
    assert (await pages.get(path, "")).status_code == 404
    assert (await pages.post(path, {"password": NEW, "again": NEW, "email": "a@b.c"}, "")).status_code == 404


async def test_who_forgot_a_password_is_told_the_same_whoever_they_are(pages, monkeypatch):
    await pages.client("clerk")
    sent = []

    async def send(letter):
        sent.append(letter)

    monkeypatch.setattr(type(pages.site.accounts.mail), "ready", True)
    monkeypatch.setattr(pages.site.accounts.mail, "send", send)
    assert 'href="/forgot"' in (await pages.get("/sign-in", "")).text
    assert "Mail me a link" in text_of(await pages.get("/forgot", ""))
    answers = {
        (await pages.post("/forgot", {"email": email}, "")).text
        for email in ("clerk@example.com", "nobody@example.com", "")
    }
    await pages.site.accounts.links.close()
    assert len(answers) == 1
    assert [letter.to for letter in sent] == ["clerk@example.com"]
    assert "http://127.0.0.1:8000/new-password/" in sent[0].text


def _client():
    from xrm.builtin.people.accounts import Client

    return Client("192.0.2.9", "curl")
