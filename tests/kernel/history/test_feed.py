"""The feed: nothing is missed and nothing comes twice, however many write; and nobody sees more than they may."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest

from xrm.errors import NotFound
from xrm.kernel.change import SYSTEM
from xrm.kernel.history.audit import verify
from xrm.kernel.history.seal import Head
from xrm.testing import TestSite, make_site

FILES = {
    "entities/deal.yaml": """
entity: deal
uses: [owned]
fields:
  name: text
  amount: integer
  margin: {type: integer, class: confidential}
---
entity: secret
fields:
  name: text
  deal: {type: relation, to: deal}
""",
    "entities/roles.yaml": """
role: rep
grants:
  - {entity: deal, actions: [read, create, update, delete], rows: own, fields: {read: [internal], write: [internal]}}
---
role: boss
grants: [{entity: deal, actions: [read, create, update, delete, restore]}]
""",
}


@pytest.fixture
async def site(tmp_path: Path, database_url: str) -> AsyncIterator[TestSite]:
    async with make_site(tmp_path, database_url, FILES) as made:
        await made.person("Rep", "rep")
        await made.person("Boss", "boss")
        yield made


async def _write(site: TestSite, shared: list[UUID], seed: int, done: list[str]) -> None:
    chance = random.Random(seed)
    boss = site.people["Boss"]
    for number in range(12):
        async with site.records.act(boss) as act:
            await site.records.create(boss, "deal", {"name": f"{seed}-{number}"})
            await asyncio.sleep(chance.random() * 0.01)
            for id in sorted(chance.sample(shared, 2)):  # in one order: no deadlock
                await site.records.update(boss, "deal", id, {"amount": seed * 100 + number})
            await asyncio.sleep(chance.random() * 0.01)
        done.append(str(act.changes.id))


async def _follow(site: TestSite, writers: asyncio.Task[None], seen: list[dict[str, object]]) -> None:
    cursor = 0
    while True:
        ended = writers.done()
        news = await site.kernel.feed.read(SYSTEM, cursor, 7)
        seen.extend(news.changes)
        cursor = news.cursor
        if ended and not news.more and not news.changes:
            return
        await asyncio.sleep(0)


async def test_who_follows_gets_everything_once_and_in_order_while_eight_write(site: TestSite) -> None:
    boss = site.people["Boss"]
    shared = list(await site.records.create_many(boss, "deal", [{"name": str(n)} for n in range(4)]))
    done: list[str] = []

    async def writing() -> None:
        await asyncio.gather(*(_write(site, shared, seed, done) for seed in range(8)))

    writers = asyncio.create_task(writing())
    followers: list[list[dict[str, object]]] = [[], []]
    await asyncio.gather(writers, *(_follow(site, writers, seen) for seen in followers))
    for seen in followers:
        ids = [told["id"] for told in seen]
        assert len(ids) == len(set(ids))
        assert set(done) <= set(ids)
        versions: dict[str, int] = {}
        for told in seen:
            for change in told["changes"]:
                assert change["version"] == versions.get(change["record"], 0) + 1
                versions[change["record"]] = change["version"]
    assert followers[0] == followers[1]
    assert (await verify(site.kernel.store)).issues == ()


async def test_everybody_gets_what_they_may_see_today(site: TestSite) -> None:
    rep, boss = site.people["Rep"], site.people["Boss"]
    own = await site.records.create(rep, "deal", {"name": "mine", "amount": 1})
    await site.records.update(boss, "deal", UUID(own["id"]), {"margin": 7, "amount": 2})
    await site.records.create(boss, "deal", {"name": "not mine"})
    await site.system.create("secret", {"name": "x", "deal": own["id"]})
    news = await site.kernel.feed.read(rep, 0)
    told = [(c["entity"], c["kind"], c["before"], c["after"]) for t in news.changes for c in t["changes"]]
    assert [(e, k, b, {n: v for n, v in a.items() if n != "owner"}) for e, k, b, a in told] == [
        ("deal", "create", {}, {"name": "mine", "amount": 1}),
        ("deal", "update", {"amount": 1}, {"amount": 2}),
    ]
    await site.records.update(boss, "deal", UUID(own["id"]), {"owner": str(boss.id)})
    assert (await site.kernel.feed.read(rep, 0)).changes == ()
    with pytest.raises(NotFound):
        await site.kernel.feed.read(rep, 0, entity="secret")
    with pytest.raises(NotFound):
        await site.kernel.feed.find(rep, UUID(news.changes[0]["id"]))


async def test_a_delete_is_told_without_values_to_who_may_not_look_into_the_trash(site: TestSite) -> None:
    rep, boss = site.people["Rep"], site.people["Boss"]
    own = await site.records.create(rep, "deal", {"name": "mine"})
    await site.records.delete(rep, "deal", UUID(own["id"]))
    told = [c for t in (await site.kernel.feed.read(rep, 0)).changes for c in t["changes"]]
    assert [(c["kind"], c["record"], c["before"], c["after"]) for c in told] == [("delete", own["id"], {}, {})]
    seen = [c for t in (await site.kernel.feed.read(boss, 0)).changes for c in t["changes"]]
    assert [(c["kind"], c["after"].get("name")) for c in seen] == [("create", "mine"), ("delete", None)]


async def _tampered(site: TestSite, sql: str) -> list[str]:
    await site.kernel.store.execute(sql)
    return [issue.code for issue in (await verify(site.kernel.store)).issues]


async def _three(site: TestSite) -> Head:
    for number in range(3):
        await site.records.create(site.people["Boss"], "deal", {"name": f"deal {number}"})
    found = await verify(site.kernel.store)
    assert found.issues == ()
    return found.head


@pytest.mark.parametrize(
    ("sql", "codes"),
    [
        ("UPDATE xrm_change SET after = '{\"name\": \"other\"}' WHERE entity = 'deal' AND version = 1", 3),
        ("UPDATE xrm_changeset SET actor_name = 'Somebody else' WHERE seq = 4", 1),
        ("UPDATE xrm_changeset SET at = (SELECT min(at) FROM xrm_changeset) , reason = 'x' WHERE seq = 4", 1),
        ("DELETE FROM xrm_change WHERE changeset = (SELECT id FROM xrm_changeset WHERE seq = 4)", 1),
        ("UPDATE xrm_changeset SET hash = 'made up' WHERE seq = 4", 2),
    ],
)
async def test_what_was_changed_after_it_was_sealed_is_found(site: TestSite, sql: str, codes: int) -> None:
    await _three(site)
    assert await _tampered(site, sql) == ["audit_changed"] * codes


async def test_a_record_that_was_written_past_the_log_is_found(site: TestSite) -> None:
    await _three(site)
    entities = site.kernel.model.entities
    assert (await verify(site.kernel.store, None, entities)).issues == ()
    await site.kernel.store.execute("UPDATE deal SET version = version + 1 WHERE name = 'deal 1'")
    assert [i.code for i in (await verify(site.kernel.store, None, entities)).issues] == ["audit_records"]


async def test_what_was_taken_away_or_slipped_in_is_found(site: TestSite) -> None:
    head = await _three(site)
    gone = "DELETE FROM xrm_change WHERE changeset = (SELECT id FROM xrm_changeset WHERE seq = {0})"
    await site.kernel.store.execute(gone.format(head.seq))
    await site.kernel.store.execute(f"DELETE FROM xrm_changeset WHERE seq = {head.seq}")
    assert (await verify(site.kernel.store)).issues == ()  # the end of a chain cannot tell by itself
    await site.records.create(site.people["Boss"], "deal", {"name": "instead"})
    assert [i.code for i in (await verify(site.kernel.store, head)).issues] == ["audit_anchor"]
    assert await _tampered(site, "DELETE FROM xrm_changeset WHERE seq = 2") == [
        "audit_gap",
        "audit_orphans",
    ]


async def test_large_change_sets_make_small_pages(site: TestSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xrm.kernel.history.feed.MANY", 5)
    boss = site.people["Boss"]
    start = await site.kernel.feed.end()
    for size in (1, 3, 2, 9, 1):
        await site.records.create_many(boss, "deal", [{"name": "x"}] * size)
    pages = []
    while (news := await site.kernel.feed.read(boss, start)).changes:
        pages.append([len(told["changes"]) for told in news.changes])
        start = news.cursor
    assert pages == [[1, 3, 2], [9], [1]]
