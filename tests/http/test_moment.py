"""Grants that count only at some moments: with a second factor, by a way, from a network, at an hour."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from tests.api.conftest import Callers
from xrm.errors import ModelError
from xrm.kernel.change import Actor
from xrm.testing import TestSite, make_site

MODEL = """
entity: note
fields: {name: text}
---
role: base
grants: [{entity: note, actions: [read], rows: {where: "name == 'Seen'"}}]
---
role: inside
grants: [{entity: note, actions: [read], when: {network: [10.0.0.0/8, "2001:db8::/32"]}}]
---
role: daily
grants: [{entity: note, actions: [read], when: {hours: "08:00-18:00"}}]
---
role: nightly
grants: [{entity: note, actions: [read], when: {hours: "22:00-06:00"}}]
---
role: robot
grants: [{entity: note, actions: [read], when: {channel: [ui]}}]
---
role: careful
grants: [{entity: note, actions: [read], when: {mfa: true}}]
---
role: loader
grants: [{entity: note, actions: [read, create, import], when: {channel: [import]}}]
"""


async def _seen(callers: Callers, actor: Actor, address: str = "192.0.2.1") -> int:
    client = await callers.anybody(address)
    client.headers["authorization"] = f"Bearer {await callers.site.key(actor)}"
    answer: httpx.Response = await client.get("/api/note")
    assert answer.status_code == 200, answer.text
    return len(answer.json()["records"])


async def test_a_grant_counts_only_at_its_moment(tmp_path: Path, database_url: str) -> None:
    async with (
        make_site(
            tmp_path, database_url, {"entities/a.yaml": MODEL}, allowed_hosts=("test",), time_zone="Europe/Berlin"
        ) as site,
        AsyncExitStack() as stack,
    ):
        callers = Callers(site, stack)
        for name in ("Seen", "Hidden"):
            await site.system.create("note", {"name": name})
        people = {role: await site.person(role, "base", role) for role in ("inside", "daily", "nightly", "robot")}
        assert [await _seen(callers, people["inside"], a) for a in ("10.1.2.3", "11.1.2.3", "2001:db8::7")] == [2, 1, 2]
        assert await _seen(callers, people["robot"]) == 1
        for hour, daily, nightly in ((7, 1, 1), (8, 2, 1), (17, 2, 1), (18, 1, 1), (22, 1, 2), (5, 1, 2), (6, 1, 1)):
            _set_hour(site, hour)
            assert await _seen(callers, people["daily"]) == daily, hour
            assert await _seen(callers, people["nightly"]) == nightly, hour


def _set_hour(site: TestSite, hour: int) -> None:
    """Let it be that hour in Berlin, later than now: keys and sessions stay good."""
    now = site.clock()
    wanted = datetime(2026, 1, 10, hour, 0, tzinfo=UTC) - timedelta(hours=1)
    step = timedelta(seconds=(wanted - now).total_seconds() % 86_400)
    site.clock.forward(step)


async def test_the_way_of_an_import_and_a_second_factor_count(tmp_path: Path, database_url: str) -> None:
    async with (
        make_site(tmp_path, database_url, {"entities/a.yaml": MODEL}, allowed_hosts=("test",)) as site,
        AsyncExitStack() as stack,
    ):
        callers = Callers(site, stack)
        loader = await callers.robot("Loader", "base", "loader")
        send = {"content": "Name\nNew\n", "headers": {"content-type": "text/csv"}}
        assert (await loader.post("/api/note", json={"name": "x"})).status_code in (403, 404)
        brought = await loader.post("/api/note/import", **send)
        assert (brought.status_code, brought.json()["created"]) == (200, 1), brought.text
        assert (await loader.get("/api/note")).json()["records"] == []
        careful = await site.person("Careful", "base", "careful")
        assert await _seen(callers, careful) == 0


@pytest.mark.parametrize(
    ("when", "code"),
    [
        ("{network: [10.0.0.0/99]}", "bad_network"),
        ("{hours: '25:00-26:00'}", "bad_hours"),
        ("{channel: [pigeon]}", "not_allowed"),
        ("{mfa: false}", "grammar"),
        ("{}", "out_of_range"),
    ],
)
async def test_a_moment_that_makes_no_sense_is_a_finding(tmp_path: Path, when: str, code: str) -> None:
    role = f"role: r\ngrants: [{{entity: user, actions: [read], when: {when}}}]\n"
    with pytest.raises(ModelError) as caught:
        async with make_site(tmp_path, f"sqlite:///{tmp_path}/x.db", {"entities/r.yaml": role}):
            pass
    assert [issue.code for issue in caught.value.issues] == [code]
