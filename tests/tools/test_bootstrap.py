"""Set-up: does nothing twice, goes on after an interruption, and says what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools import bootstrap


@pytest.fixture
def front_end(tmp_path, monkeypatch):
    """A front end below tmp_path whose npm makes every file asked for; the list tells how often it was called."""
    calls = []

    def npm_install(folder: Path) -> None:
        calls.append(folder)
        for package, files in bootstrap.FRONT_END.items():
            for source in files:
                made = folder / "node_modules" / package / source
                made.parent.mkdir(parents=True, exist_ok=True)
                made.write_text(package, encoding="utf-8")

    monkeypatch.setattr(bootstrap, "VENDOR", tmp_path / "static" / "vendor")
    monkeypatch.setattr(bootstrap, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(bootstrap, "npm_install", npm_install)
    return calls


def test_the_front_end_is_fetched_once(front_end):
    bootstrap.front_end()
    bootstrap.front_end()
    assert len(front_end) == 1
    for files in bootstrap.FRONT_END.values():
        for place in files.values():
            assert (bootstrap.VENDOR / place).is_file()


def test_a_changed_lock_fetches_again(front_end, monkeypatch, tmp_path):
    bootstrap.front_end()
    for name in ("package.json", "package-lock.json"):
        (tmp_path / name).write_text((bootstrap.ROOT / name).read_text(encoding="utf-8") + "\n", encoding="utf-8")
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    bootstrap.front_end()
    assert len(front_end) == 2


def test_an_interrupted_fetch_starts_again(front_end, monkeypatch):
    def interrupted(modules: Path, target: Path) -> None:
        target.mkdir()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(bootstrap, "copy_files", interrupted)
        with pytest.raises(KeyboardInterrupt):
            bootstrap.front_end()
    assert not bootstrap.VENDOR.exists()
    bootstrap.front_end()
    assert (bootstrap.VENDOR / "htmx.min.js").is_file()


def test_a_file_that_is_not_in_its_package_is_named(front_end, monkeypatch, capsys):
    monkeypatch.setattr(bootstrap, "npm_install", lambda folder: None)
    with pytest.raises(SystemExit):
        bootstrap.front_end()
    assert "The npm package bootstrap has no file dist/css/bootstrap.min.css" in capsys.readouterr().err
    assert not bootstrap.VENDOR.exists()


def test_front_end_files_come_from_packages_we_declare():
    declared = json.loads((bootstrap.ROOT / "package.json").read_text(encoding="utf-8"))["dependencies"]
    assert set(bootstrap.FRONT_END) == set(declared)
    for package, files in bootstrap.FRONT_END.items():
        assert any(place.startswith("licenses/") for place in files.values()), f"{package} comes without its licence"


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """An environment in tmp_path; the list holds what was done to it: "made", or what was installed."""
    done = []

    def run(*command: object) -> None:
        done.append("made")
        bootstrap.unfinished().unlink(missing_ok=True)

    monkeypatch.setattr(bootstrap, "VENV", tmp_path)
    monkeypatch.setattr(bootstrap, "python_works", lambda: True)
    monkeypatch.setattr(bootstrap, "install", lambda *arguments: done.append(arguments[-1]))
    monkeypatch.setattr(bootstrap, "run", run)
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: name)
    return done


def test_an_environment_that_is_complete_is_left_alone(environment):
    bootstrap.packages(bootstrap.RUN_LOCK)
    bootstrap.packages(bootstrap.RUN_LOCK)
    assert environment == [bootstrap.ROOT / bootstrap.RUN_LOCK, bootstrap.ROOT]


def test_the_tools_bring_what_the_product_needs(environment):
    bootstrap.packages(bootstrap.DEV_LOCK)
    bootstrap.packages(bootstrap.RUN_LOCK)
    assert environment == [bootstrap.ROOT / bootstrap.DEV_LOCK, bootstrap.ROOT]


def test_an_installation_that_was_cut_off_starts_from_nothing(environment, monkeypatch):
    def cut_off(*arguments: object) -> None:
        raise KeyboardInterrupt

    bootstrap.packages(bootstrap.RUN_LOCK)
    with monkeypatch.context() as patch:
        patch.setattr(bootstrap, "install", cut_off)
        with pytest.raises(KeyboardInterrupt):
            bootstrap.packages(bootstrap.DEV_LOCK)
    environment.clear()
    bootstrap.packages(bootstrap.RUN_LOCK)
    assert environment == ["made", bootstrap.ROOT / bootstrap.RUN_LOCK, bootstrap.ROOT]


@pytest.mark.parametrize("there", [True, False])
def test_a_machine_without_uv_gets_one_of_the_project(tmp_path, monkeypatch, there):
    ran = []
    monkeypatch.setattr(bootstrap, "VENV", tmp_path)
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: None)
    monkeypatch.setattr(bootstrap, "run_quietly", lambda program, *rest: there or program == bootstrap.PYTHON)
    monkeypatch.setattr(bootstrap, "run", lambda *command: ran.append(command))
    assert bootstrap.installer() == tmp_path / "bin" / "uv"
    assert [command[-1] for command in ran] == ([] if there else [bootstrap.ROOT / bootstrap.UV_LOCK])


def test_without_a_browser_it_says_how_to_get_one(monkeypatch, capsys):
    monkeypatch.setattr(bootstrap, "system_browser", lambda: False)
    monkeypatch.setattr(bootstrap, "playwright_browser", lambda: False)
    monkeypatch.setattr(bootstrap, "run_quietly", lambda *command: False)
    monkeypatch.setattr(bootstrap, "apt_install", lambda package: False)
    with pytest.raises(SystemExit):
        bootstrap.browser()
    assert "playwright install" in capsys.readouterr().err


def test_an_unknown_level_is_refused(capsys):
    with pytest.raises(SystemExit):
        bootstrap.main(["everything"])
    assert "run, check or test" in capsys.readouterr().err
