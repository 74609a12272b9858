"""Every route × who asks. A new route refuses strangers, and people without a role, or it is declared here.

The table is short because it names what is open; whatever is not named must refuse. So a route that was given no right
fails the build, and so does one that is named here and is there no longer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from litestar.routes import HTTPRoute

from xrm.builtin.people.accounts import Client
from xrm.kernel.change import SYSTEM
from xrm.server import create_app
from xrm.testing import TestSite, make_site

HOST, PASSWORD = "http://localhost", "a long enough one"
MODEL = """
entity: machine
label: "{name}"
uses: [timeline]
fields: {name: {type: text, required: true, unique: true}, plan: file, picture: image}
workflow: {states: {new: {}, gone: {}}, transitions: {scrap: {from: new, to: gone}}}
"""
STRANGERS = frozenset(  # may be asked by anybody: how one comes in, and what is the same for all
    {
        "GET /docs",
        "GET /health/live",
        "GET /health/ready",
        "GET /openapi.json",
        "GET /sign-in",
        "POST /api/session",
        "POST /sign-in/code",
    }
)
MEMBERS = frozenset(  # may be asked by whoever signed in: what is theirs, and pages that show what they may see
    {
        "DELETE /api/session",
        "GET /",
        "GET /account",
        "GET /account/factor",
        "GET /api/changes",
        "GET /api/jobs",
        "GET /api/keys",
        "GET /api/me",
        "GET /api/me/sessions",
        "GET /api/model",
        "GET /odata",
        "GET /odata/$metadata",
        "GET /search",
        "GET /search/quick",
        "POST /account/factor",
        "POST /account/factor/codes",
        "POST /account/factor/remove",
        "POST /account/sessions/end",
        "POST /api/files",
        "POST /preview",
        "POST /sign-out",
    }
)
NEVER = "01975f0e-0000-7000-8000-000000000000"


def routes_of(app: Any) -> list[tuple[str, str]]:
    """Return the method and path of every route of an application, whatever is put around it."""
    while not hasattr(app, "routes"):
        app = app.app if hasattr(app, "app") else app._app
    found = {
        (method, route.path)
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        for method in handler.http_methods
    }
    return sorted((str(m), p) for m, p in found if m not in ("HEAD", "OPTIONS"))


class Asked:
    """A site whose every route is asked."""

    def __init__(self, site: TestSite, stack: AsyncExitStack, id: str) -> None:
        self.site, self._stack = site, stack
        self.app = create_app(site.site, None)
        self.values = {"entity": "machine", "id": id, "name": "machine", "set": "machine", "action": "scrap"}

    def address(self, path: str) -> str:
        """Return a path with its parameters filled in: where it can be, with a record that is there."""
        parts = []
        for part in path.split("/"):
            name = part.strip("{}").split(":")[0]
            parts.append(self.values.get(name, "name" if name == "field" else NEVER) if part.startswith("{") else part)
        return "/".join(parts)

    async def client(self, token: str = "") -> httpx.AsyncClient:
        """Return a browser, signed in by a token."""
        transport = httpx.ASGITransport(self.app, client=("192.0.2.1", 40_000))
        client = httpx.AsyncClient(transport=transport, base_url=HOST, headers={"origin": HOST})
        if token:
            client.cookies.set("xrm_session", token)
        return await self._stack.enter_async_context(client)

    async def one(self, method: str, path: str, token: str = "") -> httpx.Response:
        """Return the answer of a route, to a stranger or to the holder of a token."""
        client = await self.client(token)
        sent: dict[str, Any] = {}
        if method in ("POST", "PUT", "PATCH"):
            program = path.startswith(("/api/", "/odata"))
            sent = {"json" if program else "data": {"name": "Taken"}}
        return await client.request(method, self.address(path), headers={"if-match": '"1"'}, **sent)


@pytest.fixture
async def asked(tmp_path: Path) -> AsyncIterator[Asked]:
    files = {"entities/machine.yaml": MODEL}
    database = f"sqlite:///{tmp_path}/site.db"
    async with make_site(tmp_path, database, files, rate_limit=100_000) as site, AsyncExitStack() as stack:
        machine = await site.system.create("machine", {"name": "One"})
        yield Asked(site, stack, machine["id"])


def refused(answer: httpx.Response) -> bool:
    """Whether an answer sends a stranger away: to sign in, or to nowhere."""
    to_sign_in = answer.status_code == 303 and answer.headers["location"].startswith("/sign-in")
    return to_sign_in or answer.status_code in (401, 403, 404)


async def test_a_stranger_gets_nowhere_but_where_the_table_says(asked: Asked) -> None:
    await asked.site.person("Root", "admin")
    found: set[str] = set()
    for method, path in routes_of(asked.app):
        answer = await asked.one(method, path)
        assert answer.status_code < 500, path
        if not refused(answer):
            found.add(f"{method} {path}")
    assert found <= STRANGERS, found - STRANGERS
    await unchanged(asked)


async def test_who_has_no_role_gets_nowhere_but_where_the_table_says(asked: Asked) -> None:
    await asked.site.person("Root", "admin")
    person = await asked.site.person("Nobody")
    accounts = asked.site.accounts
    await accounts.set_password(person.id, PASSWORD)
    found: set[str] = set()
    for method, path in routes_of(asked.app):
        token, _ = await accounts.open_session(person.id, Client("127.0.0.1", "Firefox"))
        route = f"{method} {path}"
        answer = await asked.one(method, path, token)
        assert answer.status_code < 500, route
        if answer.status_code < 400:
            found.add(route)
    assert found <= STRANGERS | MEMBERS, found - STRANGERS - MEMBERS
    await unchanged(asked)


async def test_the_table_names_routes_that_are_there(asked: Asked) -> None:
    assert {f"{method} {path}" for method, path in routes_of(asked.app)} >= STRANGERS | MEMBERS


async def unchanged(asked: Asked) -> None:
    """Check that nothing came of all this."""
    machine = await asked.site.records.get(SYSTEM, "machine", UUID(asked.values["id"]))
    assert (machine["name"], machine["version"], machine["state"]) == ("One", 1, "new")
    assert len((await asked.site.system.list("machine")).records) == 1
    assert len((await asked.site.system.list("user")).records) <= 2
