"""A copy of a site: as it was at one moment, while others write; it is itself, and nothing of the site's is touched."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from xrm.builtin.environments.environment import drop, environments, fork
from xrm.cli import main
from xrm.errors import Conflict, Invalid, NotFound, NothingGoesOut
from xrm.kernel.change import SYSTEM
from xrm.kernel.kernel import Kernel
from xrm.site import open_site
from xrm.testing import TestSite, make_site, site_settings

FILES = {
    "xrm.yaml": "title: Boats\nport: 8100\n",
    "entities/boat.yaml": "entity: boat\nlabel: '{number}'\nfields: {name: text,"
    " number: {type: auto_number, number: 'B-{0000}'},"
    " sister: {type: relation, to: boat}}\n",
    "entities/pair.yaml": "entity: pair\nfields: {one: {type: relation, to: boat, required: true},"
    " two: {type: relation, to: boat, required: true}}\n",
    "plugins/fleet/plugin.yaml": "plugin: fleet\n",
    "plugins/fleet/entities/harbour.yaml": "entity: harbour\nfields: {name: text}\n",
    "var/studio/draft.json": "{}",
}


@pytest.fixture
async def site(tmp_path: Path, database_url: str):
    async with make_site(tmp_path / "site", database_url, FILES) as made:
        yield made


def settings_of(folder: str) -> Any:
    told = yaml.safe_load((Path(folder) / "xrm.yaml").read_text("utf-8"))
    return site_settings(Path(folder), told["database"])


async def rows(kernel: Kernel, table: str) -> int:
    return int((await kernel.store.fetch(f'SELECT count(*) FROM "{table}"'))[0][0])


def there(folder: str | Path) -> bool:
    return Path(folder).is_dir()


async def twins(site: TestSite, number: int) -> None:
    """Write two boats that name each other and a pair of both, in one act."""
    async with site.records.act(SYSTEM):
        one = await site.system.create("boat", {"name": f"A{number}"})
        two = await site.system.create("boat", {"name": f"B{number}", "sister": one["id"]})
        await site.system.update("boat", one["id"], {"sister": two["id"]})
        await site.system.create("pair", {"one": one["id"], "two": two["id"]})


async def test_a_copy_is_of_one_moment_while_others_write(site: TestSite) -> None:
    stop = asyncio.Event()

    async def write(first: int) -> int:
        number = first
        while not stop.is_set():
            await twins(site, number)
            number += 1
        return number - first

    writers = [asyncio.create_task(write(first)) for first in (0, 10_000, 20_000)]
    await asyncio.sleep(0.3)
    made = await fork(site.kernel, "trial", None, "")
    await asyncio.sleep(0.1)
    stop.set()
    written = sum(await asyncio.gather(*writers))
    async with open_site(settings_of(made.folder)) as copy:
        records = copy.kernel.records.bound(SYSTEM)
        pairs = await rows(copy.kernel, "pair")
        assert await rows(copy.kernel, "boat") == 2 * pairs
        assert 0 < pairs < written
        assert copy.kernel.live.generation == made.generation == 1
        for pair in (await records.list("pair", limit=1000)).records:
            one = await records.get("boat", pair["one"]["id"])
            assert one["sister"]["id"] == pair["two"]["id"]
        assert await rows(copy.kernel, "xrm_change") == 4 * pairs
        assert not (await copy.kernel.plan(copy.kernel.sources())).steps
    await drop(site.kernel.settings, "trial")


async def test_a_copy_lives_its_own_life(site: TestSite) -> None:
    await twins(site, 1)
    ann = await site.person("Ann", "admin")
    await site.key(ann)
    made = await fork(site.kernel, "trial", None, "")
    folder = Path(made.folder)
    assert folder == site.kernel.settings.folder / "var/environments/trial"
    assert yaml.safe_load((folder / "xrm.yaml").read_text("utf-8"))["title"] == "Boats (trial)"
    assert (folder / "plugins/fleet/entities/harbour.yaml").is_file()
    assert not (folder / "var").exists()
    assert (folder / "xrm.yaml").stat().st_mode & 0o077 == 0
    async with open_site(settings_of(made.folder)) as copy:
        assert not copy.settings.outgoing
        with pytest.raises(NothingGoesOut):
            await copy.kernel.outbound.fetch("GET", "https://example.com/")
        assert await rows(copy.kernel, "xrm_api_key") == 0
        records = copy.kernel.records.bound(SYSTEM)
        assert (await records.create("boat", {"name": "C"}))["number"] == "B-0003"
        text = (
            (folder / "entities/boat.yaml").read_text("utf-8").replace("name: text", "title: {type: text, was: name}")
        )
        (folder / "entities/boat.yaml").write_text(text, "utf-8")
        await copy.kernel.apply(SYSTEM, copy.kernel.sources())
        assert {boat["title"] for boat in (await records.list("boat")).records} == {"A1", "B1", "C"}
    assert {boat["name"] for boat in (await site.system.list("boat")).records} == {"A1", "B1"}
    assert await rows(site.kernel, "xrm_api_key") == 1
    assert [each.name for each in environments(site.kernel.settings.folder)] == ["trial"]
    await drop(site.kernel.settings, "trial")
    assert not there(folder)
    assert environments(site.kernel.settings.folder) == []


async def test_values_kept_from_before_go_along(site: TestSite) -> None:
    await twins(site, 1)
    gone = {
        "entities/boat.yaml": FILES["entities/boat.yaml"].replace("name: text", "name: {type: text, removed: true}")
    }
    await site.write(gone)
    plan = await site.kernel.plan(site.kernel.sources())
    await site.apply(gone, [step.id for step in plan.destructive])
    made = await fork(site.kernel, "trial", None, "")
    query = "SELECT name FROM sqlite_master WHERE name LIKE 'xrm_kept%'"
    if site.kernel.store.dialect.name == "postgresql":
        query = "SELECT tablename FROM pg_tables WHERE tablename LIKE 'xrm_kept%'"
    (table,) = (await site.kernel.store.fetch(query))[0]
    async with open_site(settings_of(made.folder)) as copy:
        assert await rows(copy.kernel, table) == 2
    await drop(site.kernel.settings, "trial")


async def test_places_that_are_taken_are_left_alone(site: TestSite, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("mine")
    with pytest.raises(Invalid):
        await fork(site.kernel, "trial", tmp_path / "full", "")
    with pytest.raises(Invalid):
        await fork(site.kernel, "../trial", None, "")
    other = "postgresql://localhost/x" if site.kernel.store.dialect.name == "sqlite" else f"sqlite:///{tmp_path}/x.db"
    with pytest.raises(Invalid):
        await fork(site.kernel, "trial", None, other)
    with pytest.raises(Invalid):  # the site itself is no place for its copy
        await fork(site.kernel, "trial", None, site.kernel.settings.database_url)
    assert environments(site.kernel.settings.folder) == []
    assert (tmp_path / "full" / "x").read_text() == "mine"
    made = await fork(site.kernel, "trial", tmp_path / "copy", "")
    with pytest.raises(Conflict):
        await fork(site.kernel, "trial", tmp_path / "copy2", "")
    (Path(made.folder) / ".environment").unlink()  # somebody made something else of the folder
    await drop(site.kernel.settings, "trial")
    assert there(made.folder)
    with pytest.raises(NotFound):
        await drop(site.kernel.settings, "trial")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XRM_DATABASE", raising=False)
    for command in (["new", str(tmp_path / "acme")], ["--site", str(tmp_path / "acme"), "apply"]):
        assert main(command) == 0
    capsys.readouterr()
    site = ["--site", str(tmp_path / "acme"), "env"]
    assert main([*site, "fork", "trial"]) == 0
    told = capsys.readouterr().out
    assert f"xrm --site {tmp_path}/acme/var/environments/trial serve" in told
    assert main([*site, "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["name"] == "trial"
    assert main(["--site", f"{tmp_path}/acme/var/environments/trial", "plan"]) == 0
    assert "Nothing to do" in capsys.readouterr().out
    assert main([*site, "drop", "trail"]) == 1
    assert main([*site, "drop", "trial"]) == 0
    assert not (tmp_path / "acme/var/environments/trial").exists()


async def pieces(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def test_a_copy_has_the_files_and_the_key(tmp_path: Path, database_url: str) -> None:
    boat = "entity: boat\nlabel: '{name}'\nfields: {name: text, plan: file, code: encrypted_text}\n"
    files = {"xrm.yaml": "title: Boats\n", "entities/boat.yaml": boat}
    async with make_site(tmp_path / "site", database_url, files) as site:
        sent = await site.kernel.files.receive("plan.txt", None, pieces(b"lines"))
        made = await site.system.create("boat", {"name": "A", "plan": {"file": sent.token}, "code": "red"})
        trial = await fork(site.kernel, "trial", None, "")
        async with open_site(settings_of(trial.folder)) as copy:
            record = await copy.kernel.records.bound(SYSTEM).get("boat", made["id"])
            assert record["code"] == "red"
            contents = [p.read_bytes() for p in copy.kernel.settings.files_folder.rglob("*") if p.is_file()]
            assert b"lines" in contents
        await drop(site.kernel.settings, "trial")
