"""The studio's door: nobody reaches it without a session, nor without the right to see the model."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from xrm.builtin.people.accounts import Client
from xrm.http import application
from xrm.kernel.change import Actor
from xrm.studio_mount import Studio, StudioMount, with_studio
from xrm.testing import TestSite, make_site

PASSWORD = "a long enough one"
PAGE = {"accept": "text/html,*/*"}
ROLES = """
role: looker
capabilities: [model.read]
---
role: clerk
grants: [{entity: user, actions: [read]}]
"""


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[TestSite]:
    async with make_site(tmp_path, f"sqlite:///{tmp_path}/site.db", {"entities/roles.yaml": ROLES}) as made:
        yield made


def client(site: TestSite, folder: Path, token: str = "") -> httpx.AsyncClient:
    app = with_studio(application(site.site, []), site.site, folder)
    cookies = {"xrm_session": token} if token else {}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost:8000", cookies=cookies)


async def token_of(site: TestSite, actor: Actor) -> str:
    assert actor.id is not None
    await site.accounts.set_password(actor.id, PASSWORD)
    token, _ = await site.accounts.sign_in(actor.user["email"], PASSWORD, Client("127.0.0.1"))
    return token


async def test_a_stranger_is_sent_to_the_sign_in_and_from_there_back(site, tmp_path):
    async with client(site, tmp_path) as http:
        answer = await http.get("/studio/entity?name=deal&tab=Rules", headers=PAGE)
        assert answer.status_code == 303
        assert answer.headers["location"] == "/sign-in?next=%2Fstudio%2Fentity%3Fname%3Ddeal%26tab%3DRules"
        assert (await http.get("/studio", headers=PAGE)).headers["location"] == "/sign-in?next=%2Fstudio"


@pytest.mark.parametrize(
    "path", ["/studio/static/js/index.js", "/studio/_stcore/health", "/studio/_stcore/host-config"]
)
async def test_a_stranger_gets_no_part_of_it(site, tmp_path, path):
    async with client(site, tmp_path) as http:
        answer = await http.get(path)
        assert answer.status_code == 401
        assert answer.json()["code"] == "unauthenticated"


@pytest.mark.parametrize("token", ["nonsense", "x" * 5000])
async def test_a_token_that_is_not_good_is_none(site, tmp_path, token):
    async with client(site, tmp_path, token) as http:
        assert (await http.get("/studio/", headers=PAGE)).status_code == 303


async def test_seeing_the_model_is_a_right(site, tmp_path):
    token = await token_of(site, await site.person("Clerk", "clerk"))
    async with client(site, tmp_path, token) as http:
        answer = await http.get("/studio/", headers=PAGE)
        assert answer.status_code == 403
        assert "model.read" in answer.text
        assert answer.headers["content-security-policy"].startswith("default-src 'self'")


async def test_the_address_without_a_slash_leads_to_the_one_with_it(site, tmp_path):
    token = await token_of(site, await site.person("Looker", "looker"))
    async with client(site, tmp_path, token) as http:
        answer = await http.get("/studio", headers=PAGE)
        assert (answer.status_code, answer.headers["location"]) == (307, "/studio/")


async def test_a_session_that_was_ended_opens_nothing(site, tmp_path):
    token = await token_of(site, await site.person("Looker", "looker"))
    await site.accounts.sign_out(token)
    async with client(site, tmp_path, token) as http:
        assert (await http.get("/studio/", headers=PAGE)).status_code == 303


async def test_a_site_without_the_studios_files_says_so(site, tmp_path):
    token = await token_of(site, await site.person("Looker", "looker"))
    async with client(site, tmp_path / "none", token) as http:
        answer = await http.get("/studio/", headers=PAGE)
        assert answer.status_code == 503
        assert "app.py is missing" in answer.text


async def test_a_site_without_streamlit_says_how_to_get_it(site, tmp_path, monkeypatch):
    (tmp_path / "app.py").write_text("")
    monkeypatch.setitem(sys.modules, "streamlit", None)
    token = await token_of(site, await site.person("Looker", "looker"))
    async with client(site, tmp_path, token) as http:
        answer = await http.get("/studio/", headers=PAGE)
        assert answer.status_code == 503
        assert "pip install &#x27;xrm[studio]&#x27;" in answer.text


async def test_other_addresses_are_not_the_studios(site, tmp_path):
    async with client(site, tmp_path) as http:
        assert (await http.get("/studios", headers=PAGE)).status_code == 404
        assert (await http.get("/api/studio")).status_code == 404


async def socket(site: TestSite, token: str, origin: str) -> list[Any]:
    """Return what is sent to a WebSocket that a page of `origin` opens."""
    sent: list[Any] = []
    app = with_studio(application(site.site, []), site.site, site.kernel.settings.folder)
    headers = [(b"host", b"localhost:8000"), (b"origin", origin.encode()), (b"cookie", f"xrm_session={token}".encode())]
    scope = {
        "type": "websocket",
        "path": "/studio/_stcore/stream",
        "headers": headers,
        "query_string": b"",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 1),
    }

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


@pytest.mark.parametrize("origin", ["http://evil.example", "http://localhost:9000", "null", ""])
async def test_a_page_of_another_site_opens_no_socket(site, origin):
    token = await token_of(site, await site.person("Looker", "looker"))
    assert await socket(site, token, origin) == [{"type": "websocket.close", "code": 4403}]


async def test_a_stranger_opens_no_socket(site):
    assert await socket(site, "", "http://localhost:8000") == [{"type": "websocket.close", "code": 4403}]


async def test_the_end_of_the_site_reaches_the_application_inside(site, tmp_path):
    heard = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        heard.append((await receive())["type"])
        heard.append((await receive())["type"])

    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> Any:
        return next(messages)

    await StudioMount(inner, site.site, tmp_path)({"type": "lifespan"}, receive, None)
    assert heard == ["lifespan.startup", "lifespan.shutdown"]


async def test_a_studio_that_never_ran_ends_at_once(site, tmp_path):
    async def receive() -> Any:
        return {"type": "lifespan.shutdown"}

    assert await Studio(site.site, tmp_path).closing(receive)() == {"type": "lifespan.shutdown"}
