"""Webhooks: a real receiver is told each change once, signed, in order, as the subscriber may see it; for a day."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from xrm.errors import Forbidden, Invalid
from xrm.kernel.jobs.table import Wanted
from xrm.kernel.kernel import Kernel
from xrm.testing import TestSite, make_site

FILES = {
    "entities/deal.yaml": """
entity: deal
label: "{name}"
fields:
  name: {type: text, class: public}
  margin: {type: integer, class: confidential}
---
role: seller
grants:
  - {entity: deal, actions: [read], rows: {where: "name != 'hidden'"}, fields: {read: [public], write: []}}
  - {entity: user, actions: [read]}
  - {entity: webhook, actions: [read, create, update], fields: {read: ["*"], write: ["*"]}}
""",
}


class Receiver:
    """A server that keeps what it is told, and answers as it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[dict[str, str], str]] = []
        self.statuses: list[int] = []  # of the next answers; 200 when there is none
        self.gate: asyncio.Event | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def names(self) -> list[str]:
        return [f"{e['type']} {e['data']['after'].get('name')}" for e in map(json.loads, (b for _, b in self.told))]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:-2]
        headers = {n.lower(): v for n, _, v in (line.partition(": ") for line in head)}
        body = (await reader.readexactly(int(headers["content-length"]))).decode()
        if self.gate is not None:
            await self.gate.wait()
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 200:
            self.told.append((headers, body))
        writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()


@pytest.fixture
async def site(tmp_path: Path, database_url: str) -> AsyncIterator[TestSite]:
    async with make_site(tmp_path, database_url, FILES, outbound_allow=("127.0.0.0/8",)) as made:
        yield made


async def hook(site: TestSite, receiver: Receiver, **values: Any) -> dict[str, Any]:
    """Make a webhook whose user is an administrator."""
    admin = site.people.get("Admin") or await site.person("Admin", "admin")
    sent = {"name": "ERP", "url": receiver.url, "reader": str(admin.id), "entities": ["deal"], **values}
    return await site.system.create("webhook", sent)


async def tell(site: TestSite) -> None:
    """Do what the runner does a moment after a write."""
    await site.kernel.jobs.follow()
    await site.kernel.jobs.work_off()


async def letters(site: TestSite) -> list[tuple[str, str]]:
    found = await site.kernel.jobs.table.page(Wanted(kind="webhooks.deliver"))
    return [(job.state, job.error or "") for job in found]


def signed(headers: dict[str, str], body: str, secret: str) -> bool:
    """Check a signature as the standard's own receivers do."""
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{body}".encode()
    digest = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), content, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}" in headers["webhook-signature"].split()


async def test_each_change_is_told_once_signed_and_in_order(site: TestSite, receiver: Receiver) -> None:
    await site.system.create("deal", {"name": "before"})
    made = await hook(site, receiver)
    deal = await site.system.create("deal", {"name": "a"})
    await site.system.update("deal", deal["id"], {"name": "b"})
    await site.system.delete("deal", deal["id"])
    await tell(site)
    await tell(site)
    assert [name.split()[0] for name in receiver.names] == ["deal.create", "deal.update", "deal.delete"]
    assert receiver.names[:2] == ["deal.create a", "deal.update b"], "and nothing from before it was set up"
    for headers, body in receiver.told:
        assert signed(headers, body, made["secret"])
        assert not signed(headers, body + " ", made["secret"])
        assert headers["webhook-timestamp"] == str(int(site.clock().timestamp()))
    assert len({headers["webhook-id"] for headers, _ in receiver.told}) == 3
    event = json.loads(receiver.told[1][1])
    assert event["data"]["before"]["name"] == "a"
    assert event["data"]["change_set"]["actor"]["label"] == "System"
    assert event["data"]["record"] == deal["id"]


async def test_it_is_told_what_its_user_may_see_and_no_more(site: TestSite, receiver: Receiver) -> None:
    seller = await site.person("Sue", "seller")
    await hook(site, receiver, reader=str(seller.id), entities=[])
    for name in ("seen", "hidden"):
        await site.system.create("deal", {"name": name, "margin": 40})
    await site.system.create("team", {"name": "no business of theirs"})
    await tell(site)
    assert receiver.names == ["deal.create seen"]
    assert "40" not in json.dumps(json.loads(receiver.told[0][1])["data"]["after"])
    await site.system.create("deal", {"name": "later"})
    await site.kernel.jobs.follow()
    await site.system.update("user", str(seller.id), {"active": False})
    await site.kernel.jobs.work_off()
    assert len(receiver.told) == 1, "a user who may not come in is told nothing, also of what waits"


async def test_what_fails_is_tried_again_and_holds_up_that_record_alone(site: TestSite, receiver: Receiver) -> None:
    await hook(site, receiver)
    receiver.statuses = [500]
    first = await site.system.create("deal", {"name": "a"})
    await site.kernel.jobs.follow()
    await site.kernel.jobs.work_off()
    await site.system.update("deal", first["id"], {"name": "b"})
    await site.system.create("deal", {"name": "other"})
    await tell(site)
    assert receiver.names == ["deal.create other"]
    site.clock.forward(timedelta(seconds=15))
    await tell(site)
    assert receiver.names == ["deal.create other", "deal.create a", "deal.update b"]
    headers, _ = receiver.told[1]
    assert headers["webhook-timestamp"] == str(int(site.clock().timestamp())), "signed anew at each attempt"


async def test_who_takes_nothing_for_a_day_is_switched_off_and_can_be_told_later(
    site: TestSite, receiver: Receiver
) -> None:
    made = await hook(site, receiver)
    receiver.statuses = [503] * 40
    await site.system.create("deal", {"name": "a"})
    began = site.clock()
    for _ in range(40):
        await tell(site)
        if not (await site.system.get("webhook", made["id"]))["active"]:
            break
        site.clock.forward(timedelta(hours=2))
    off = await site.system.get("webhook", made["id"])
    assert not off["active"]
    assert off["problem"] == "It took nothing for a day. The other side answered 503."
    assert timedelta(days=1) <= site.clock() - began < timedelta(days=3)
    receiver.statuses = []
    await site.system.create("deal", {"name": "missed"})
    await site.system.update("webhook", made["id"], {"active": True})
    await site.system.create("deal", {"name": "heard"})
    await tell(site)
    assert "deal.create heard" in receiver.names
    assert "deal.create missed" not in receiver.names, "it begins when it is switched on"
    assert (await site.system.get("webhook", made["id"]))["problem"] is None
    (job,) = [j for j in await site.kernel.jobs.table.page(Wanted(kind="webhooks.deliver")) if j.state != "done"]
    await site.kernel.jobs.retry(job.id)
    await tell(site)
    assert receiver.names[-1] == "deal.create a", "the letter that was left is told when it is asked for"


async def test_a_secret_is_changed_without_a_gap(site: TestSite, receiver: Receiver) -> None:
    made = await hook(site, receiver)
    fresh = "whsec_" + base64.b64encode(b"x" * 32).decode()
    await site.system.update("webhook", made["id"], {"secret": fresh})
    await site.system.create("deal", {"name": "a"})
    await tell(site)
    assert all(signed(*receiver.told[0], secret) for secret in (made["secret"], fresh))
    site.clock.forward(timedelta(days=1))
    await site.system.create("deal", {"name": "b"})
    await tell(site)
    assert signed(*receiver.told[1], fresh)
    assert not signed(*receiver.told[1], made["secret"])
    with pytest.raises(Invalid):
        await site.system.update("webhook", made["id"], {"secret": "short"})


async def test_nobody_sends_out_what_another_sees(site: TestSite, receiver: Receiver) -> None:
    admin, seller = await site.person("Admin", "admin"), await site.person("Sue", "seller")
    own = await site.records.create(seller, "webhook", {"name": "own", "url": receiver.url})
    assert own["reader"]["id"] == str(seller.id)
    with pytest.raises(Forbidden):
        await site.records.create(seller, "webhook", {"name": "x", "url": receiver.url, "reader": str(admin.id)})
    theirs = await hook(site, receiver)
    with pytest.raises(Forbidden):
        await site.records.bound(seller).update("webhook", theirs["id"], {"url": receiver.url + "/mine"})


async def test_addresses_inside_are_refused_unless_they_are_allowed(tmp_path: Path, receiver: Receiver) -> None:
    async with make_site(tmp_path, f"sqlite:///{tmp_path}/s.db", FILES) as site:
        await hook(site, receiver)
        await site.system.create("deal", {"name": "a"})
        await tell(site)
        ((state, error),) = await letters(site)
        assert state == "waiting"
        assert receiver.told == []
        assert error


async def test_one_that_hangs_does_not_hold_up_another(site: TestSite, receiver: Receiver) -> None:
    slow = Receiver()
    slow.gate = asyncio.Event()
    server = await asyncio.start_server(slow.serve, "127.0.0.1", 0)
    slow.port = server.sockets[0].getsockname()[1]
    await hook(site, slow, name="slow")
    await hook(site, receiver, name="quick")
    for number in range(8):
        await site.system.create("deal", {"name": f"{number}"})
    await site.kernel.jobs.follow()
    site.kernel.jobs.start(4)
    try:
        for _ in range(500):
            if len(receiver.told) == 8:
                break
            await asyncio.sleep(0.02)
        assert len(receiver.told) == 8
        assert slow.told == []
    finally:
        slow.gate.set()
        await site.kernel.jobs.stop(5)
        server.close()


async def test_a_copy_tells_nobody(site: TestSite, receiver: Receiver, tmp_path: Path) -> None:
    await hook(site, receiver)
    await site.system.create("deal", {"name": "waits"})
    await site.kernel.jobs.follow()
    quiet = replace(site.kernel.settings, outgoing=False)
    copy = await Kernel.open(quiet, site.clock)
    try:
        await copy.jobs.follow()
        await copy.jobs.work_off()
    finally:
        await copy.close()
    assert receiver.told == []
    assert await letters(site) == [("failed", "Nothing goes out from here: the setting `outgoing` is off.")]
