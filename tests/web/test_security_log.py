"""The page of the security log."""

from __future__ import annotations

from tests.web.conftest import text_of


async def test_the_log_is_read_by_who_may(pages):
    await pages.client("clerk")
    await pages.post("/sign-in", {"email": "clerk@example.com", "password": "<b>no</b>"}, "")
    page = await pages.get("/security-log", "admin")
    assert "Sign-in failed · clerk" in text_of(page)
    assert "<b>no" not in page.text
    assert 'href="/security-log"' in page.text
    only = await pages.get("/security-log?event=signed_in", "admin")
    assert "Sign-in failed ·" not in text_of(only)
    assert (await pages.get(f"/security-log?user={pages.actor('clerk').id}", "admin")).status_code == 200
    assert (await pages.get("/security-log?user=x", "admin")).status_code == 400
    assert (await pages.get("/security-log")).status_code == 404
    assert 'href="/security-log"' not in (await pages.get("/account")).text
