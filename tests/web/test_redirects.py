"""Where pages lead to: any text in an address makes a header, and no file name makes a failure."""

from __future__ import annotations

import pytest

from tests.web.conftest import PASSWORD, Pages


@pytest.mark.parametrize(
    ("back", "target"),
    [
        ("/e/machine?q=漢字", "/e/machine?q=%E6%BC%A2%E5%AD%97"),
        ("/e/machine?q=a%20b&f.kind=press#x", "/e/machine?q=a%20b&f.kind=press#x"),
        ("/e/a b", "/e/a%20b"),
        ("/a\r\nx-other: 1", "/"),
        ("//elsewhere.example/", "/"),
    ],
)
async def test_a_sign_in_leads_back_to_any_address_of_the_site(pages: Pages, back: str, target: str) -> None:
    await pages.client("clerk")
    email = str(pages.actor("clerk").user["email"])
    answer = await pages.post("/sign-in", {"email": email, "password": PASSWORD, "next": back}, person="")
    assert (answer.status_code, answer.headers["location"]) == (303, target)
    assert "xrm_session" in answer.headers["set-cookie"]


@pytest.mark.parametrize("part", [False, True])
async def test_a_record_that_was_made_is_never_answered_with_a_failure(pages: Pages, part: bool) -> None:
    values = {"_fields": "name", "name": "Acme", "_next": "/e/customer?q=漢"}
    answer = await pages.post("/e/customer/new", values, part=part)
    assert answer.status_code == (200 if part else 303)
    assert answer.headers["hx-redirect" if part else "location"] == "/e/customer?q=%E6%BC%A2"


async def test_ends_of_lines_do_not_end_a_header(pages: Pages) -> None:
    machine = await pages.make("machine", name="Press", kind="press")
    await pages.client()
    sent = {"_was": "press", "to": "lathe", "_from": "?view=kinds&q=a\r\nx-other: 1"}
    answer = await pages.post(f"/e/machine/{machine['id']}/place?view=kinds", sent)
    assert answer.status_code == 303
    assert answer.headers["location"].endswith("q=a%0D%0Ax-other:%201")
    assert "x-other" not in answer.headers


@pytest.mark.parametrize("name", ["%00", "a" * 300, "xrm.css/x", "..%2frender.py", "nothing.css"])
async def test_a_file_that_cannot_be_is_not_there(pages: Pages, name: str) -> None:
    answer = await pages.get(f"/static/{name}", person="")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
