"""A small site behind its pages, in this process."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from xrm import web
from xrm.builtin.people.accounts import Client
from xrm.http import application
from xrm.kernel.change import SYSTEM, Actor
from xrm.testing import TestSite, make_site

PASSWORD = "a long enough one"
HOST = "http://localhost"

MACHINE = """
entity: machine
title: Machine
description: What stands in the halls.
icon: gear
group: Works
label: "{name}"
search: [name, place]
uses: [owned, timeline]
fields:
  name: {type: text, required: true, max: 60, help: What it is called.}
  serial: {type: text, unique: true}
  place: text
  price: {type: money, min: 0}
  margin: {type: decimal, class: confidential}
  share: percent
  power: integer
  bought: date
  shift: time
  checked: datetime
  contact: email
  phone: phone
  page: url
  running: boolean
  kind: {type: choice, choices: [{name: lathe, title: Lathe, color: info}, {name: press, title: Press}]}
  colours: {type: choices, choices: {red: Red, blue: Blue}}
  tags: tags
  extra: json
  notes: long_text
  minutes: duration
  customer: {type: relation, to: customer, inverse: machines}
  about: {type: relation, to: [customer, machine]}
  fault: text
checks:
  - {require: "power == null || power < 1000", message: That is a lot of power., severity: warn, field: power}
workflow:
  states:
    new: {title: New, color: secondary}
    running: {title: Running, color: success}
    broken: {title: Broken, final: lost}
  transitions:
    start: {from: new, to: running, title: Start}
    break: {from: [new, running], to: broken, title: Break, ask: [fault]}
    mend: {from: broken, to: new, title: Mend, roles: [admin], set: {fault: "null"}}
views:
  list:
    columns: [name, kind, price, state, customer, margin]
    filters: [state, kind, customer, owner, running]
    sort: name
  presses: {kind: list, title: Presses, columns: [name, place], filter: "kind == 'press'", sort: -name}
  form:
    sections:
      - {title: Basics, fields: [name, serial, kind, colours, place, customer, about, owner]}
      - {title: Numbers, fields: [price, margin, share, power, minutes]}
      - {title: Rest, fields: [bought, shift, checked, contact, phone, page, running, tags, extra, notes, fault]}
  board: {by: state, sum: price, card: [customer, price]}
  kinds: {kind: board, title: By kind, by: kind, card: [place]}
"""
FILES = {
    "entities/machine.yaml": MACHINE,
    "entities/customer.yaml": """
entity: customer
plural: Customers
group: Works
label: "{name}"
search: [name]
timeline: true
fields: {name: {type: text, required: true}, secret_note: {type: text, class: confidential}}
""",
    "entities/repair.yaml": """
entity: repair
label: "{title}"
fields:
  title: {type: text, required: true}
  machine: {type: relation, to: machine, required: true, on_delete: restrict, inverse: repairs}
""",
    "entities/activity.yaml": """
entity: activity
plural: Activities
label: "{subject}"
uses: [owned]
fields:
  subject: {type: text, required: true}
  kind: {type: choice, default: task, choices: {call: Call, task: Task, note: Note}}
  regarding: {type: relation, to: "*", index: true}
  due: datetime
workflow:
  states: {open: {title: Open}, done: {title: Done, final: done}}
  transitions: {finish: {from: open, to: done, title: Done}}
""",
    "entities/roles.yaml": """
role: clerk
grants:
  - entity: [machine, customer, repair, activity]
    actions: [read, create, update, delete, restore, export]
    fields: {read: [public, internal], write: [public, internal]}
  - {entity: user, actions: [read]}
---
role: worker
grants:
  - {entity: machine, actions: [read], fields: {read: [public], write: []}}
  - {entity: machine, actions: [read, update], rows: own}
---
role: guest
grants:
  - {entity: customer, actions: [read], fields: {read: [public, internal], write: []}}
""",
}


@dataclass
class Pages:
    """A site whose pages are asked as different people."""

    site: TestSite
    app: Any
    clients: dict[str, httpx.AsyncClient] = field(default_factory=dict)
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def client(self, person: str = "clerk") -> httpx.AsyncClient:
        """Return the browser of a person, named like the role; "" has not signed in."""
        if person not in self.clients:
            transport = httpx.ASGITransport(self.app)
            client = httpx.AsyncClient(transport=transport, base_url=HOST, headers={"origin": HOST})
            self.clients[person] = await self.stack.enter_async_context(client)
            if person:
                await self._sign_in(client, person)
        return self.clients[person]

    async def _sign_in(self, client: httpx.AsyncClient, person: str) -> None:
        actor = self.site.people.get(person) or await self.site.person(person, person)
        assert actor.id is not None
        accounts = self.site.site.accounts
        await accounts.set_password(actor.id, PASSWORD)
        token, _ = await accounts.sign_in(str(actor.user["email"]), PASSWORD, Client("127.0.0.1", "Firefox/1 Linux"))
        client.cookies.set("xrm_session", token)

    def actor(self, person: str = "clerk") -> Actor:
        """Return a person as the kernel knows them."""
        return self.site.people[person]

    async def get(self, path: str, person: str = "clerk", part: bool = False) -> httpx.Response:
        """Open a page; `part` as htmx does."""
        headers = {"hx-request": "true", "hx-request-type": "partial"} if part else {}
        return await (await self.client(person)).get(path, headers=headers)

    async def post(
        self, path: str, values: Mapping[str, Any], person: str = "clerk", part: bool = False
    ) -> httpx.Response:
        """Send a form."""
        headers = {"hx-request": "true", "hx-request-type": "partial"} if part else {}
        return await (await self.client(person)).post(path, data=dict(values), headers=headers)

    async def make(self, entity: str, **values: Any) -> dict[str, Any]:
        """Create a record as the system."""
        return await self.site.records.create(SYSTEM, entity, values)

    async def read(self, entity: str, id: str) -> dict[str, Any]:
        """Return a record as the system sees it."""
        return await self.site.records.get(SYSTEM, entity, UUID(id))


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[Pages]:
    async with make_site(
        tmp_path, f"sqlite:///{tmp_path}/site.db", FILES, time_zone="Europe/Berlin", title="Test works"
    ) as site:
        found = Pages(site, application(site.site, web.routes(site.site)))
        async with found.stack:
            yield found


def text_of(answer: httpx.Response) -> str:
    """Return what a person reads on a page: no tags, spaces as one."""
    body = re.sub(r"<(script|style|head)\b.*?</\1>", " ", answer.text, flags=re.DOTALL)
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body))).strip()


def form_of(answer: httpx.Response, id: str = "record-form") -> dict[str, str]:
    """Return the inputs of a form as a browser would send them untouched (of several of one name the last)."""
    start = answer.text.index(f'id="{id}"')
    inside = answer.text[start : answer.text.index("</form>", start)]
    found: dict[str, str] = {}
    for tag in re.findall(r"<input\b[^>]*>", inside):
        name, kind = re.search(r'\bname="([^"]*)"', tag), re.search(r'\btype="([^"]*)"', tag)
        value = re.search(r'\bvalue="([^"]*)"', tag)
        if name and not (kind and kind[1] in ("checkbox", "radio") and " checked" not in tag):
            found[name[1]] = unescape(value[1] if value else "")
    for name, body in re.findall(r'<select\b[^>]*\bname="([^"]*)"[^>]*>(.*?)</select>', inside, re.DOTALL):
        chosen = re.search(r'<option(?: value="([^"]*)")? selected>([^<]*)', body)
        found[name] = unescape(chosen[1] if chosen and chosen[1] is not None else chosen[2] if chosen else "")
    for name, body in re.findall(r'<textarea\b[^>]*\bname="([^"]*)"[^>]*>(.*?)</textarea>', inside, re.DOTALL):
        found[name] = unescape(body)
    return found
