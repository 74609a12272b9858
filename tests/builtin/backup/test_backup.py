"""A backup is a site at one moment in one file: put back elsewhere it is the same, also in the other database."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from xrm.builtin.backup.archive import MANIFEST, BackupInvalid
from xrm.builtin.backup.loading import check, copy, restore
from xrm.builtin.backup.saving import save
from xrm.builtin.people.accounts import Client
from xrm.errors import StorageFull, XrmError
from xrm.kernel.change import SYSTEM
from xrm.kernel.query import Query
from xrm.kernel.store.store import open_store
from xrm.site import open_site
from xrm.testing import TestSite, make_site, site_settings

THINGS = """
entity: thing
label: "{name}"
fields:
  name: {type: text, unique: true}
  price: {type: money}
  weight: {type: decimal, scale: 3}
  at: datetime
  day: date
  hour: time
  tags: tags
  more: json
  note: encrypted_text
  paper: file
  part_of: {type: relation, to: thing, inverse: parts}
  old: integer
"""
FILES = {"entities/thing.yaml": THINGS}


@pytest.fixture
async def site(tmp_path: Path, database_url: str) -> AsyncIterator[TestSite]:
    folder = tmp_path / "site"
    url = database_url.replace(f"{tmp_path}/site.db", f"{folder}/site.db")
    async with make_site(folder, url, FILES) as made:
        await fill(made)
        yield made


async def fill(site: TestSite) -> None:
    """Make records of every sort, a file, a history, and values kept from before a change of the model."""

    async def pieces() -> AsyncIterator[bytes]:
        yield b"a paper of some length"

    upload = await site.kernel.files.receive("paper.txt", None, pieces())
    one = await site.system.create(
        "thing",
        {
            "name": "Ünter",
            "price": {"amount": "12.30", "currency": "EUR"},
            "weight": "1.500",
            "at": "2026-11-02T09:00:00.123456Z",
            "day": "9999-12-31",
            "hour": "13:05",
            "tags": ["b", "a"],
            "more": {"z": 1.0, "a": [1, None, "x", 1e30], "é": {"b": True}},
            "note": "sealed",
            "paper": {"file": upload.token},
            "old": 7,
        },
    )
    two = await site.system.create("thing", {"name": "two", "part_of": one["id"]})
    await site.system.update("thing", two["id"], {"part_of": two["id"], "name": "three"})
    ann = await site.person("Ann", "admin")
    await site.accounts.set_password(ann.id, "a long enough one")
    await site.accounts.sign_in("ann@example.com", "a long enough one", Client())
    changed = THINGS.replace("  old: integer\n", "  old: {type: integer, removed: true}\n")
    await site.write({"entities/thing.yaml": changed})
    plan = await site.kernel.plan(site.kernel.sources())
    await site.apply(consent=[step.id for step in plan.destructive])


async def everything(site: Any) -> dict[str, Any]:
    """Return what a person would compare: records, their history, the generations, what is kept."""
    door = site.kernel.records
    page = await door.list(SYSTEM, "thing", Query(sort=("name",), limit=100))
    return {
        "records": page.records,
        "history": [await door.history(SYSTEM, "thing", _id(r["id"])) for r in page.records],
        "generations": [(g.number, g.hash) for g in await site.kernel.history()],
        "kept": [k.to_dict() for k in await site.kernel.kept(_all())],
        "sealed": [one async for one in _feed(site)],
    }


def _id(text: str) -> Any:
    from uuid import UUID

    return UUID(text)


def _all() -> Any:
    from xrm.kernel.migration.purge import Selection

    return Selection()


async def _feed(site: Any) -> AsyncIterator[Any]:
    for one in (await site.kernel.feed.read(SYSTEM, 0, 200)).changes:
        yield one["id"], one["cursor"]


async def back(path: Path, folder: Path, url: str, passphrase: str = "") -> Any:
    """Put a backup back into a new folder."""
    await asyncio.to_thread(folder.mkdir)
    settings = site_settings(folder, url)
    async with open_site(settings) as empty:
        return await restore(empty.kernel.store, settings, path, passphrase)


async def test_it_comes_back_in_both_databases_with_files_history_and_keys(
    site: TestSite, tmp_path: Path, postgres_url: str
) -> None:
    path = tmp_path / "site.backup"
    manifest = await save(site.kernel, path, "0", "a long passphrase")
    assert await check(path) == manifest
    assert path.stat().st_mode & 0o077 == 0
    before = await everything(site)
    assert before["kept"], "the test shows something"
    for name, url in (("lite", f"sqlite:///{tmp_path}/lite/new.db"), ("pg", postgres_url)):
        if url == site.kernel.settings.database:
            continue
        folder = tmp_path / name
        assert await back(path, folder, url, "a long passphrase") == manifest
        async with open_site(site_settings(folder, url)) as other:
            assert await everything(other) == before
            assert before["records"][0]["note"] or before["records"][1]["note"] == "sealed"
            digest = next(iter(manifest.files))
            pieces = [piece async for piece in other.kernel.files.read(digest)]
            assert b"".join(pieces) == b"a paper of some length"
            assert (folder / "entities" / "thing.yaml").read_text() == (
                tmp_path / "site/entities/thing.yaml"
            ).read_text()
            assert (await other.kernel.plan(other.kernel.sources())).empty
            user = await other.kernel.records.bound(SYSTEM).find("user", "email == 'ann@example.com'")
            assert user
            assert await other.accounts.sessions(_id(user["id"])) == [], "nobody is signed in at the new place"
            made = await other.kernel.records.create(SYSTEM, "thing", {"name": "goes on"})
            assert made["version"] == 1


async def test_a_copy_in_the_other_database_is_the_same_and_so_is_the_way_back(
    site: TestSite, tmp_path: Path, postgres_server: Any
) -> None:
    names = [postgres_server.create() for _ in range(2)]
    urls = [f"sqlite:///{tmp_path}/copy.db", postgres_server.url(names[0]), f"sqlite:///{tmp_path}/again.db"]
    store, url, sums = site.kernel.store, site.kernel.settings.database_url, []
    opened = []
    try:
        for target_url in urls:
            target = open_store(target_url)
            await target.start()
            opened.append(target)
            sums.append({n: (s.rows, s.digest) for n, s in (await copy(store, url, target)).items()})
            store, url = target, target_url
    finally:
        for one in opened:
            await one.close()
        for name in names:
            postgres_server.drop(name)
    assert sums[0] == sums[1] == sums[2]
    assert sums[0]["thing"][0] == 2


async def test_it_is_one_moment_while_others_write(site: TestSite, tmp_path: Path) -> None:
    stopped = False

    async def write() -> int:
        number = 0
        while not stopped:
            async with site.records.act(SYSTEM):
                for half in ("left", "right"):
                    await site.system.create("thing", {"name": f"{half} {number}"})
            number += 1
        return number

    writing = asyncio.create_task(write())
    await asyncio.sleep(0.1)
    await save(site.kernel, tmp_path / "b", "0")
    stopped = True
    assert await writing > 3
    url = f"sqlite:///{tmp_path}/lite/new.db"
    await back(tmp_path / "b", tmp_path / "lite", url)
    async with open_site(site_settings(tmp_path / "lite", url)) as other:
        page = await other.kernel.records.list(SYSTEM, "thing", Query(fields=("name",), limit=1000))
    names = {r["name"] for r in page.records}
    assert {n.split()[1] for n in names if n.startswith("left")} == {
        n.split()[1] for n in names if n.startswith("right")
    }


async def test_a_damaged_backup_is_refused_and_leaves_the_site_empty(site: TestSite, tmp_path: Path) -> None:
    path = tmp_path / "b"
    await save(site.kernel, path, "0")
    whole = path.read_bytes()
    (tmp_path / "half").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "other").write_bytes(b"no backup")
    rewritten(path, tmp_path / "changed", "tables/thing.jsonl", lambda b: b.replace("Ünter".encode(), b"Unter"))
    rewritten(path, tmp_path / "short", "tables/thing.jsonl", lambda b: b.split(b"\n")[0] + b"\n")
    rewritten(path, tmp_path / "newer", MANIFEST, lambda b: json.dumps({**json.loads(b), "format": 2}).encode())
    content = next(n for n in zipfile.ZipFile(path).namelist() if n.startswith("files/"))
    rewritten(path, tmp_path / "file", content, lambda b: b + b"!")
    for number, name in enumerate(("half", "other", "changed", "short", "newer", "file", "nowhere")):
        with pytest.raises(BackupInvalid):
            await check(tmp_path / name)
        folder = tmp_path / f"new{number}"
        with pytest.raises(XrmError):
            await back(tmp_path / name, folder, f"sqlite:///{folder}/new.db")
        async with open_site(site_settings(folder, f"sqlite:///{folder}/new.db")) as empty:
            assert not empty.kernel.ready, name
    with pytest.raises(BackupInvalid, match="empty site"):
        await restore(site.kernel.store, site.kernel.settings, path)
    with pytest.raises(BackupInvalid):
        await save(site.kernel, path, "0")
    assert path.read_bytes() == whole


async def test_the_keys_need_their_passphrase(site: TestSite, tmp_path: Path) -> None:
    await save(site.kernel, tmp_path / "b", "0", "a long passphrase")
    with pytest.raises(BackupInvalid):
        await back(tmp_path / "b", tmp_path / "new", f"sqlite:///{tmp_path}/new/new.db", "another passphrase")
    key = site.kernel.settings.key_file.read_text().strip()
    assert key.encode() not in (tmp_path / "b").read_bytes()
    await save(site.kernel, tmp_path / "without", "0")
    assert "keys.json" not in zipfile.ZipFile(tmp_path / "without").namelist()


def rewritten(path: Path, target: Path, name: str, change: Any) -> None:
    """Write a backup anew with one member changed."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for member in old.namelist():
            content = old.read(member)
            new.writestr(member, change(content) if member == name else content)


async def test_a_full_disk_leaves_no_half_backup_and_no_half_upload(
    site: TestSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    async def pieces() -> AsyncIterator[bytes]:
        yield b"more than there is room for"

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageFull):
        await save(site.kernel, tmp_path / "b", "0")
    with pytest.raises(StorageFull):
        await site.kernel.files.receive("x.txt", None, pieces())
    assert not [name for name in names(tmp_path) if name.startswith("b")]
    assert names(site.kernel.settings.files_folder / "incoming") == []


def names(folder: Path) -> list[str]:
    """Return what is in a folder."""
    return [path.name for path in folder.iterdir()]
