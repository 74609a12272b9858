"""Problems, headers, host names, origins: what every answer has, whoever made it."""

from __future__ import annotations

import logging
from urllib.parse import urlencode

import pytest

from tests.http.conftest import HANDLERS
from tests.http.raw import send
from xrm.builtin.operating.metrics import Metrics
from xrm.builtin.people.accounts import Client
from xrm.http import application
from xrm.http.csrf import csrf_token
from xrm.http.headers import content_security_policy
from xrm.testing import make_site

FORM = (b"content-type", b"application/x-www-form-urlencoded")


@pytest.fixture
async def cookie(site):
    actor = await site.person("Ann", "admin")
    await site.accounts.set_password(actor.id, "a long enough one")
    token, _ = await site.accounts.sign_in("ann@example.com", "a long enough one", Client())
    return token


# --- problems ---


async def test_our_errors_are_problems(app):
    reply = await send(app, "GET", b"/fail/conflict")
    problem = reply.json()
    assert (reply.status, reply.headers["content-type"]) == (409, "application/problem+json")
    assert problem.pop("request") == reply.headers["x-request-id"]
    assert problem == {
        "type": "urn:xrm:problem:conflict",
        "title": "This conflicts with what is already there",
        "status": 409,
        "code": "conflict",
        "detail": "Taken.",
        "issues": [{"path": "name", "code": "not_unique", "message": "There is one.", "hint": "take another"}],
    }


async def test_a_busy_site_says_when_to_come_back(app):
    reply = await send(app, "GET", b"/fail/away")
    assert (reply.status, reply.headers["retry-after"], reply.json()["retry_after"]) == (503, "3", 3)
    assert (await send(app, "GET", b"/fail/full")).status == 507


async def test_a_defect_tells_its_id_and_the_log_the_rest(app, caplog):
    reply = await send(app, "GET", b"/fail/defect", b"q=personal")
    assert (reply.status, reply.json()["code"]) == (500, "internal")
    assert b"secret value" not in reply.body
    assert b"ZeroDivision" not in reply.body
    (record,) = [r for r in caplog.records if r.levelname == "ERROR"]
    assert reply.json()["request"] in record.getMessage()
    assert "personal" not in caplog.text
    assert "ZeroDivisionError" in caplog.text


async def test_a_defect_outside_of_the_handlers_is_caught_as_well(site, caplog):
    async def broken(scope, receive, send):
        raise RuntimeError("inside")

    from xrm.http.headers import Edge

    reply = await send(Edge(broken, site.kernel.settings, Metrics()), "GET", b"/")
    assert (reply.status, reply.json()["code"]) == (500, "internal")
    assert b"inside" not in reply.body


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", b"/nothing", 404, "not_found"),
        ("DELETE", b"/mine", 405, "method_not_allowed"),
        ("GET", b"/who", 401, "unauthenticated"),
        ("POST", b"/json", 415, "unsupported_media_type"),
    ],
)
async def test_refusals_of_the_framework_have_the_same_shape(app, method, path, status, code):
    reply = await send(app, method, path)
    problem = reply.json()
    assert (reply.status, problem["status"], problem["code"]) == (status, status, code)
    assert problem["type"] == f"urn:xrm:problem:{code}"
    assert reply.headers["content-type"] == "application/problem+json"
    if status == 405:
        assert reply.headers["allow"] == "GET, OPTIONS"


# --- headers ---


async def test_every_answer_has_the_security_headers(app):
    for method, path in (
        ("GET", b"/who"),
        ("GET", b"/nothing"),
        ("GET", b"/fail/defect"),
        ("PUT", b"/who"),
        ("GET", b"/static/x"),
    ):
        headers = (await send(app, method, path)).headers
        policy = headers["content-security-policy"]
        assert "script-src 'self';" in policy
        assert "frame-ancestors 'self'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"
        assert "strict-transport-security" not in headers
        assert len(headers["x-request-id"]) == 16


async def test_a_handler_keeps_its_own_headers(app):
    headers = (await send(app, "GET", b"/mine")).headers
    assert headers["cache-control"] == "max-age=60"
    assert headers["content-security-policy"] == "default-src 'none'"
    assert headers["x-content-type-options"] == "nosniff"


def test_a_page_may_allow_scripts_by_nonce():
    assert "script-src 'self' 'nonce-abc'" in content_security_policy("abc")


async def test_behind_tls_cookies_are_secure_and_browsers_stay_with_it(tmp_path):
    from xrm.http.auth import session_cookie

    url = f"sqlite:///{tmp_path}/site.db"
    async with make_site(tmp_path, url, {}, allowed_hosts=("test",), secure_cookies=True) as site:
        reply = await send(application(site.site, HANDLERS), "GET", b"/mine")
        assert reply.headers["strict-transport-security"].startswith("max-age=")
        text = session_cookie(site.site, "t").to_header(header="")
        assert text.startswith("__Host-xrm_session=t")
        assert "Secure" in text
        assert "Path=/" in text


@pytest.mark.parametrize(
    ("host", "status"),
    [
        (b"test", 200),
        (b"TEST:8000", 200),
        (b"[::1]:8000", 200),
        (b"evil.example", 400),
        (b"test.evil.example", 400),
        (b"", 400),
        (b"test@evil", 400),
        (b"test:80:90", 400),
        (b"\xff", 400),
    ],
)
async def test_only_known_host_names_are_served(app, host, status):
    scope_headers = [(b"host", host)]

    async def wrapped(scope, receive, send):
        await app({**scope, "headers": scope_headers}, receive, send)

    reply = await send(wrapped, "GET", b"/mine")
    assert reply.status == status
    if status == 400:
        assert reply.json()["code"] == "unknown_host"


async def test_head_is_get_without_its_body(app):
    full, bare = await send(app, "GET", b"/mine"), await send(app, "HEAD", b"/mine")
    assert (bare.status, bare.body) == (200, b"")
    assert bare.headers.keys() == full.headers.keys()
    assert bare.headers["content-length"] == "2"
    assert (await send(app, "HEAD", b"/nothing")).status == 404


# --- who asks ---


async def test_what_is_no_good_token_is_refused_or_nobody(app, cookie):
    for given in (b"Bearer", b"Bearer ", b"Basic eDp5", b"Bearer xrm_nothing", b"Bearer " + b"x" * 500, b"bearer \xff"):
        assert (await send(app, "GET", b"/mine", headers=[(b"authorization", given)])).status == 401, given
    for given in (
        b"xrm_session=",
        b"xrm_session=\xff",
        b"xrm_session=" + b"x" * 500,
        b"other=1",
        b";;=",
        b"Xrm_Session=1",
    ):
        assert (await send(app, "GET", b"/who", headers=[(b"cookie", given)])).status == 401, given
        assert (await send(app, "GET", b"/mine", headers=[(b"cookie", given)])).status == 200, given
    good = [(b"cookie", f"a=b; xrm_session={cookie}; c=d".encode())]
    assert (await send(app, "GET", b"/who", headers=good)).json() == {"name": "Ann"}
    assert (await send(app, "GET", b"/static/x", headers=good)).json() == {
        "actor": False
    }  # nobody is looked up for files


async def test_a_form_may_carry_the_token_in_a_field_and_is_read_in_full(app, cookie):
    headers = [(b"cookie", f"xrm_session={cookie}".encode()), FORM]
    good = urlencode({"name": "Ä" * 500, "_csrf": csrf_token(cookie)}).encode()
    chunks = [good[:100], good[100:101], good[101:]]
    reply = await send(app, "POST", b"/echo", headers=headers, body=chunks)
    assert (reply.status, reply.json()) == (200, {"body": good.decode(), "source": "form"})
    for bad in (
        b"",
        b"_csrf=",
        b"_csrf=x",
        b"name=_csrf",
        b"\xff\xfe",
        urlencode({"_csrf": csrf_token("other")}).encode(),
    ):
        refused = await send(app, "POST", b"/echo", headers=headers, body=bad)
        assert (refused.status, refused.json()["code"]) == (403, "csrf"), bad
    assert (await send(app, "POST", b"/echo", headers=headers, body=good[:50], gone=True)).status == 403
    big = await send(app, "POST", b"/echo", headers=headers, body=[b"x" * 600_000] * 3)
    assert big.status == 403


@pytest.mark.parametrize(
    "origin", [b"http://[::1", b"://", b"http://", b"x", b"\xff", b"http://test.", b"https://test:1"]
)
async def test_a_strange_origin_is_a_foreign_one(app, cookie, origin):
    headers = [(b"cookie", f"xrm_session={cookie}".encode()), (b"origin", origin)]
    assert (await send(app, "POST", b"/echo", headers=headers)).status == 403


# --- the log ---


async def test_the_log_has_the_route_and_no_values(app, cookie, caplog):
    with caplog.at_level(logging.DEBUG, "xrm.http"):
        headers = [(b"cookie", f"xrm_session={cookie}".encode())]
        await send(app, "GET", b"/fail/conflict", b"email=ann@example.com", headers)
    text = caplog.text
    assert "route=/fail/{name" in text
    assert "status=409" in text
    assert not any(word in text for word in ("ann@", "Ann", cookie, "conflict?"))
