"""Definitions go from one site to another, with what they need, and nothing that is there is overwritten."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from xrm.cli import main

DEAL = """\
# what we sell
extends: boat
fields:
  price: {type: money}
  dealer: {type: relation, to: dealer}
---
entity: dealer
uses: [rated]
fields:
  name: {type: text, required: true}
"""
FILES = {
    "xrm.yaml": "database: sqlite:///xrm.db\n",
    "plugins/fleet/plugin.yaml": "plugin: fleet\ntitle: Fleet\nversion: 1.2.0\n",
    "plugins/fleet/entities/boat.yaml": "entity: boat\nfields: {name: text}\n",
    "plugins/fleet/__init__.py": "",
    "entities/deal.yaml": DEAL,
    "entities/rated.yaml": "trait: rated\nfields: {rating: integer}\n",
    "entities/note.yaml": "entity: note\nfields: {text: text}\n",
    "entities/role.yaml": "role: seller\ngrants: [{entity: dealer, actions: [read]}]\n",
}


def site(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(FILES[name], "utf-8")
    return folder


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("XRM_DATABASE", raising=False)

    def command(folder: Path, *words: str, code: int = 0) -> str:
        found = main(["--site", str(folder), "package", *words])
        captured = capsys.readouterr()
        assert found == code, captured
        return captured.out + captured.err

    return command


@pytest.fixture
def first(tmp_path: Path) -> Path:
    return site(tmp_path / "first", *FILES)


def test_a_package_goes_from_site_to_site(run, first: Path, tmp_path: Path) -> None:
    package = tmp_path / "dealers.zip"
    told = json.loads(run(first, "export", str(package), "--entities", "boat,dealer", "--json"))
    assert told["exported"] == [
        {"file": "entities/deal.yaml", "kind": "extends", "name": "boat"},
        {"file": "entities/deal.yaml", "kind": "entity", "name": "dealer"},
        {"file": "entities/rated.yaml", "kind": "trait", "name": "rated"},
    ]
    assert told["foreign"] == [{"entity": "boat", "layer": "fleet"}]
    assert told["needs"]["plugins"] == {"fleet": "1.2.0"}
    assert told["needs"]["field_types"] == ["integer", "money", "relation", "text"]
    left = {row["what"]: row["reason"] for row in told["excluded"]}
    assert left["entity note (entities/note.yaml)"] == "it was not asked for"
    assert left["role seller (entities/role.yaml)"] == "roles go with the whole layer only"
    assert {"records", "xrm.yaml", "layer fleet", "users, passwords, sessions and API keys"} <= left.keys()

    fleet = ("xrm.yaml", "plugins/fleet/plugin.yaml", "plugins/fleet/entities/boat.yaml")
    second = site(tmp_path / "second", *fleet)
    shown = run(second, "import", str(package), "--dry-run")
    assert "Create dealer." in shown
    assert not (second / "entities").exists()
    assert "Written." in run(second, "import", str(package))
    assert (second / "entities/deal.yaml").read_text("utf-8") == DEAL
    assert main(["--site", str(second), "apply"]) == 0
    assert "there already: entities/deal.yaml" in run(second, "import", str(package))


def test_one_definition_of_a_file_is_taken_alone(run, first: Path, tmp_path: Path) -> None:
    run(first, "export", str(tmp_path / "p"), "--entities", "boat")
    assert (tmp_path / "p/entities/deal.yaml").read_text("utf-8") == DEAL.split("---\n", maxsplit=1)[0]
    assert (tmp_path / "p/package.yaml").read_text("utf-8").startswith("package: p\n")


def test_the_same_site_makes_the_same_bytes(run, first: Path, tmp_path: Path) -> None:
    for name in ("one.zip", "two.zip"):
        run(first, "export", str(tmp_path / name), "--name", "all")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    assert "exists" in run(first, "export", str(tmp_path / "one.zip"), code=1)


def test_a_plugin_goes_without_its_code(run, first: Path, tmp_path: Path) -> None:
    told = run(first, "export", str(tmp_path / "fleet.zip"), "--plugin", "fleet")
    assert "plugins/fleet/__init__.py: code is installed, never imported" in told
    second = site(tmp_path / "second", "xrm.yaml")
    assert "Create boat." in run(second, "import", str(tmp_path / "fleet.zip"))
    assert (second / "plugins/fleet/entities/boat.yaml").is_file()
    assert main(["--site", str(second), "check"]) == 0


def test_what_a_package_needs_must_be_there(run, first: Path, tmp_path: Path) -> None:
    package = str(tmp_path / "dealers.zip")
    run(first, "export", package, "--entities", "boat,dealer")
    second = site(tmp_path / "second", "xrm.yaml")
    told = run(second, "import", package, code=1)
    assert "It needs the plugin 'fleet'" in told
    assert "It needs 'boat'" in told
    site(second, "plugins/fleet/plugin.yaml", "plugins/fleet/entities/boat.yaml")
    (second / "plugins/fleet/plugin.yaml").write_text("plugin: fleet\nversion: 1.1.9\n", "utf-8")
    assert "It needs fleet 1.2.0; here is 1.1.9." in run(second, "import", package, code=1)


def test_nothing_that_is_there_is_overwritten(run, first: Path, tmp_path: Path) -> None:
    package = str(tmp_path / "all.zip")
    run(first, "export", package)
    second = site(tmp_path / "second", *(name for name in FILES if not name.startswith("entities")))
    other = second / "entities" / "note.yaml"
    other.parent.mkdir()
    other.write_text("entity: memo\nfields: {text: text}\n", "utf-8")
    assert "entities/note.yaml: The site has another file of this name." in run(second, "import", package, code=1)
    assert other.read_text("utf-8").startswith("entity: memo")
    other.rename(other.with_name("mine.yaml"))
    other.with_name("mine.yaml").write_text("entity: note\nfields: {other: text}\n", "utf-8")
    assert "'note' is defined here and at" in run(second, "import", package, code=1)
    assert sorted(path.name for path in other.parent.iterdir()) == ["mine.yaml"]


def test_a_link_in_the_site_does_not_lead_out(run, first: Path, tmp_path: Path) -> None:
    package = str(tmp_path / "all.zip")
    run(first, "export", package)
    second = site(tmp_path / "second", *(name for name in FILES if not name.startswith("entities")))
    (tmp_path / "outside").mkdir()
    (second / "entities").symlink_to(tmp_path / "outside")
    assert "leads out" in run(second, "import", package, code=1)
    assert not list((tmp_path / "outside").iterdir())


@pytest.mark.parametrize(("words", "said"), [
    (["--plugin", "flet"], "did you mean 'fleet'?"),
    (["--entities", "bot"], "did you mean 'boat'?"),
    (["--plugin", "fleet", "--entities", "note"], "says nothing about note"),
    (["--name", "a b"], "small letters"),
])  # fmt: skip
def test_what_cannot_be_exported(run, first: Path, tmp_path: Path, words: list[str], said: str) -> None:
    assert said in run(first, "export", str(tmp_path / "p.zip"), *words, code=1)
    assert not (tmp_path / "p.zip").exists()
