"""A site behind its HTTP interface, in this process."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from xrm.api import create_api
from xrm.http.headers import Edge
from xrm.kernel.change import Actor
from xrm.testing import TestSite, make_site

PASSWORD = "a long enough one"
HOST = "http://test"

FILES = {
    "entities/machine.yaml": """
entity: machine
title: Machine
label: "{name}"
search: [name, place]
uses: [owned]
fields:
  name: {type: text, required: true, max: 100}
  serial: {type: text, unique: true, max: 40}
  place: text
  price: {type: money}
  margin: {type: decimal, class: confidential}
  power: integer
  weight: {type: decimal, scale: 3}
  share: percent
  bought: date
  shift: time
  checked_at: datetime
  contact: email
  site: url
  kind: {type: choice, choices: [lathe, mill]}
  extras: {type: choices, choices: [cooling, robot]}
  tags: tags
  details: json
  number: {type: auto_number, number: "M-{0000}"}
  double: {type: integer, formula: "power * 2"}
  part_of: {type: relation, to: machine}
  about: {type: relation, to: "*"}
checks:
  - {when: "power != null", require: "power < 1000", message: Too strong., severity: block}
  - {when: "price != null", require: "kind != null", message: Say what it is., severity: warn}
workflow:
  field: state
  states: {new: {}, running: {}, gone: {final: done}}
  transitions:
    start: {from: new, to: running, ask: [place]}
    scrap: {from: "*", to: gone}
""",
    "entities/secret_plan.yaml": """
entity: secret_plan
search: [name]
fields: {name: {type: text, required: true}, machine: {type: relation, to: machine}}
""",
    "entities/roles.yaml": """
role: maker
grants:
  - {entity: machine, actions: [read, create, update, delete, restore], rows: own}
  - {entity: user, actions: [read], fields: {read: ["*"], write: []}}
---
role: reader
grants:
  - {entity: machine, actions: [read], fields: {read: [public, internal], write: []}}
---
role: designer
grants:
  - {entity: machine, actions: [read, create, update]}
capabilities: [model.read, model.edit]
""",
}


@pytest.fixture
async def site(tmp_path, database_url) -> AsyncIterator[TestSite]:
    async with make_site(tmp_path, database_url, FILES, allowed_hosts=("test",)) as made:
        yield made


@pytest.fixture
async def lite(tmp_path) -> AsyncIterator[TestSite]:
    """The same site on SQLite alone, for what does not touch the kernel."""
    async with make_site(tmp_path, f"sqlite:///{tmp_path}/site.db", FILES, allowed_hosts=("test",)) as made:
        yield made


class Callers:
    """HTTP clients of one site."""

    def __init__(self, site: TestSite, stack: AsyncExitStack) -> None:
        self.site, self._stack = site, stack
        self.app: Edge = create_api(site.site)

    async def anybody(self, address: str = "192.0.2.1") -> httpx.AsyncClient:
        """Return a client that is not signed in."""
        transport = httpx.ASGITransport(self.app, client=(address, 40_000))
        return await self._stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url=HOST))

    async def robot(self, name: str, *roles: str) -> httpx.AsyncClient:
        """Return a client with an API key of a new user's."""
        return await self.with_key(await self.site.person(name, *roles))

    async def with_key(self, actor: Actor) -> httpx.AsyncClient:
        """Return a client with an API key."""
        client = await self.anybody()
        client.headers["authorization"] = f"Bearer {await self.site.key(actor)}"
        return client

    async def browser(self, name: str, *roles: str) -> httpx.AsyncClient:
        """Return a client with a new user's session cookie, as a page of the site uses it."""
        actor = await self.site.person(name, *roles)
        await self.site.accounts.set_password(actor.id, PASSWORD)
        client = await self.anybody()
        email = f"{name.lower()}@example.com"
        answer = await client.post("/api/session", json={"email": email, "password": PASSWORD})
        assert answer.status_code == 201, answer.text
        client.headers["x-csrf-token"] = answer.json()["csrf"]
        return client


@pytest.fixture
async def callers(site) -> AsyncIterator[Callers]:
    async with AsyncExitStack() as stack:
        yield Callers(site, stack)


@pytest.fixture
async def lite_callers(lite) -> AsyncIterator[Callers]:
    async with AsyncExitStack() as stack:
        yield Callers(lite, stack)


async def digest(site: TestSite) -> str:
    """Return a digest of everything that is stored, but for when sessions and keys were used last."""
    store = site.kernel.store
    tables = [table.name for table in site.kernel.model.entities.values() if not table.removed]
    tables += ["xrm_journal", "xrm_changeset", "xrm_change", "xrm_sequence", "xrm_credential", "xrm_idempotency"]
    found = hashlib.sha256()
    for table in sorted(tables):
        rows: list[Any] = sorted(map(str, map(tuple, await store.fetch(f'SELECT * FROM "{table}"'))))
        found.update(f"{table}{rows}".encode())
    return found.hexdigest()
