"""An import as a job: exact after being killed anywhere, with the rights of who asked, refused rows to be mended."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from xrm.builtin.imports import background
from xrm.builtin.imports.background import Progress, ask, refused_rows
from xrm.builtin.transfer.suggest import suggest
from xrm.errors import Forbidden, NotFound
from xrm.kernel.change import SYSTEM, Actor
from xrm.kernel.query import Query
from xrm.testing import TestSite, make_site

FILES = {
    "entities/item.yaml": """
entity: item
label: "{name}"
fields:
  number: {type: text, unique: true}
  name: {type: text, required: true}
  stock: integer
---
role: clerk
grants:
  - {entity: item, actions: [read, create, update, import], fields: {read: ["*"], write: ["*"]}}
---
role: reader
grants:
  - {entity: item, actions: [read]}
"""
}


@pytest.fixture
async def site(tmp_path: Path, database_url: str) -> AsyncIterator[TestSite]:
    async with make_site(tmp_path, database_url, FILES) as made:
        yield made


async def sent(site: TestSite, actor: Actor, text: str) -> str:
    async def pieces() -> AsyncIterator[bytes]:
        yield text.encode()

    return (await site.kernel.files.receive("items.csv", actor.id, pieces())).token


def rows(count: int, bad: int = 0) -> str:
    """Return a file of so many rows; every `bad`th has no name."""
    lines = [f"{n},{'' if bad and n % bad == 0 else f'item {n}'},{n}" for n in range(1, count + 1)]
    return "\n".join(["number,name,stock", *lines])


def mapping(site: TestSite) -> Any:
    return suggest(site.kernel.model.entities["item"], ("number", "name", "stock"))


async def test_it_is_exact_after_it_was_killed_in_each_chunk(site: TestSite, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    clerk = await site.person("Carl", "clerk")
    await site.system.create("item", {"number": "3", "name": "old", "stock": 1})
    monkeypatch.setattr(background, "CHUNK", 10)
    id = await ask(site.kernel, clerk, await sent(site, clerk, rows(45, bad=9)), mapping(site))
    keep, seen = background.Refused.keep, []

    def killed(self: Any, first: int, verdicts: Any) -> None:
        keep(self, first, verdicts)
        if first not in seen:  # once in each chunk, before it is committed
            seen.append(first)
            raise Killed

    monkeypatch.setattr(background.Refused, "keep", killed)
    for _ in range(10):
        try:
            await site.kernel.jobs.work_off()
            break
        except Killed:
            site.clock.forward(timedelta(minutes=1))
    job = await site.kernel.jobs.table.find(id)
    assert job is not None
    assert (job.state, job.attempts, job.done, job.total) == ("done", 6, 45, 45)
    assert Progress.of(job) == Progress(45, 39, 1, 0, 5)
    page = await site.records.list(SYSTEM, "item", Query(limit=100))
    assert len(page.records) == 40
    assert {r["created_by"]["label"] for r in page.records if r["name"] != "item 3"} == {"Carl"}
    refused = list(csv.DictReader(io.StringIO(refused_rows(site.kernel, job))))
    assert [row["_row"] for row in refused] == ["9", "18", "27", "36", "45"]
    assert {"Name" in row["_problem"] or "name" in row["_problem"] for row in refused} == {True}
    mended = refused_rows(site.kernel, job).replace(",,", ",mended,")
    again = await ask(site.kernel, clerk, await sent(site, clerk, mended), mapping(site))
    await site.kernel.jobs.work_off()
    job = await site.kernel.jobs.table.find(again)
    assert job is not None
    assert Progress.of(job) == Progress(5, 5, 0, 0, 0)


async def test_all_of_it_is_taken_back_at_once(site: TestSite, monkeypatch: pytest.MonkeyPatch) -> None:
    clerk = await site.person("Carl", "clerk")
    monkeypatch.setattr(background, "CHUNK", 5)
    id = await ask(site.kernel, clerk, await sent(site, clerk, rows(12)), mapping(site))
    await site.kernel.jobs.work_off()
    job = await site.kernel.jobs.table.find(id)
    assert job is not None
    news = await site.kernel.feed.read(SYSTEM, 0, 200)
    runs = {one["run"] for one in news.changes if one["source"] == "import"}
    assert runs == {job.payload["run"]}


async def test_the_rights_are_those_of_who_asked_when_it_runs(site: TestSite) -> None:
    clerk, reader = await site.person("Carl", "clerk"), await site.person("Rita", "reader")
    with pytest.raises(Forbidden):
        await ask(site.kernel, reader, await sent(site, reader, rows(1)), mapping(site))
    token = await sent(site, clerk, rows(3))
    with pytest.raises(NotFound):
        await ask(site.kernel, replace(reader, roles=clerk.roles), token, mapping(site))
    id = await ask(site.kernel, clerk, token, mapping(site))
    assert clerk.id
    await site.system.update("user", str(clerk.id), {"roles": ["reader"]})
    await site.kernel.jobs.work_off()
    job = await site.kernel.jobs.table.find(id)
    assert job is not None
    assert (job.state, job.error) == ("failed", "You may not import records of this entity.")
    assert (await site.records.count(SYSTEM, "item", Query())).value == 0
