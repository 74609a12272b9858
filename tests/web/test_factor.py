"""A second factor in the browser: set up by a QR code, asked for when signing in, turned off."""

from __future__ import annotations

import base64
import re
from datetime import timedelta
from html import unescape

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from tests.web.conftest import PASSWORD, text_of


def code_of(pages, secret):
    return TOTP(base64.b32decode(secret), 6, SHA1(), 30).generate(int(pages.site.clock().timestamp())).decode()


async def test_an_app_is_set_up_asked_for_and_turned_off(pages):
    await pages.client("clerk")
    page = await pages.get("/account/factor")
    assert 'src="data:image/svg+xml' in page.text
    secret = re.search(r"Or type the key: <code>([A-Z2-7 ]+)<", page.text)[1].replace(" ", "")
    pending = unescape(re.search(r'name="pending" value="([^"]+)"', page.text)[1])
    wrong = await pages.post("/account/factor", {"pending": pending, "code": "12"})
    assert wrong.status_code == 422
    assert secret in wrong.text.replace(" ", "")
    before = pages.clients["clerk"].cookies["xrm_session"]
    done = await pages.post("/account/factor", {"pending": pending, "code": code_of(pages, secret)})
    codes = re.findall(r"<li><code>([a-z0-9-]+)</code>", done.text)
    assert len(codes) == 10
    fresh = re.search(r"xrm_session=([^;]+)", done.headers["set-cookie"])[1]
    assert fresh != before
    assert (await pages.site.accounts.session(before), (await pages.site.accounts.session(fresh)).mfa) == (None, True)
    pages.clients["clerk"].cookies.delete("xrm_session", domain="")
    assert codes[0] not in (await pages.get("/account/factor")).text
    assert "10 recovery codes left" in text_of(await pages.get("/account"))

    asked = await pages.post("/sign-in", {"email": "clerk@example.com", "password": PASSWORD, "next": "/account"}, "")
    assert asked.status_code == 200
    assert "xrm_session" not in asked.headers.get("set-cookie", "")
    sent = {
        "pending": unescape(re.search(r'name="pending" value="([^"]+)"', asked.text)[1]),
        "next": unescape(re.search(r'name="next" value="([^"]+)"', asked.text)[1]),
    }
    used = await pages.post("/sign-in/code", {**sent, "code": code_of(pages, secret)}, "")
    assert used.status_code == 401, used.headers
    pages.site.clock.forward(timedelta(seconds=30))
    assert (await pages.post("/sign-in/code", {**sent, "code": "nonsense"}, "")).status_code == 401
    right = await pages.post("/sign-in/code", {**sent, "code": code_of(pages, secret)}, "")
    assert right.headers["location"] == "/account"
    assert (await pages.get("/account", "")).status_code == 200
    assert (await pages.post("/sign-in/code", {"pending": "forged", "code": "1"}, "")).status_code == 409

    renewed = await pages.post("/account/factor/codes", {"code": codes[1]})
    newer = re.findall(r"<li><code>([a-z0-9-]+)</code>", renewed.text)
    assert (await pages.post("/account/factor/remove", {"code": codes[2]})).status_code == 422
    off = await pages.post("/account/factor/remove", {"code": newer[0]})
    assert off.headers["location"] == "/account"
    assert "Set up an app" in text_of(await pages.get("/account"))


async def test_an_administrator_takes_away_what_was_lost(pages):
    await pages.client("clerk")
    clerk, factors = pages.actor("clerk"), pages.site.accounts.factors
    begun = factors.begin(clerk)
    await factors.confirm(clerk, begun.pending, code_of(pages, begun.secret))
    assert "Take away" in text_of(await pages.get(f"/accounts/{clerk.id}", "admin"))
    assert (await pages.post(f"/accounts/{clerk.id}/factor/reset", {}, "admin")).status_code == 303
    signed = await pages.post("/sign-in", {"email": "clerk@example.com", "password": PASSWORD}, "")
    assert signed.status_code == 303
