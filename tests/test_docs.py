"""The documentation is true: its links lead somewhere, its commands exist, its lists are complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import xrm
from xrm.cli import make_parser
from xrm.kernel.kernel import BUILTIN, check_expression
from xrm.kernel.plugins import load_plugins
from xrm.metadata.grammar import KINDS
from xrm.metadata.load import read_layer
from xrm.metadata.merge import review
from xrm.metadata.model import Source

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    page
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("plugins/*/README.md")]
    if page.name != "template.md"
)
DECISIONS = sorted(ROOT.glob("docs/adr/[0-9]*.md"))


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith("http"):
            continue
        place, _, anchor = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        assert target.exists(), f"{link} leads nowhere"
        assert not anchor or anchor in anchors(target), f"{link}: there is no such heading"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"(?:^|[`&] ?)make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE))
    assert named <= targets


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_exist(page: Path) -> None:
    commands = load_plugins(ROOT, ("*",), BUILTIN).collect("commands")
    (known,) = [action.choices for action in make_parser(commands)._actions if isinstance(action.choices, dict)]
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"(?:`|^|bin/)xrm ([a-z][a-z-]*)", text, re.MULTILINE)
    assert set(named) <= set(known)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_definitions_that_are_shown_are_good(page: Path) -> None:
    ours = (*load_plugins(ROOT, ("*",), BUILTIN).sources(), *read_layer("site", ROOT / "entities", "entities/"))
    for text in re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        if re.match(rf"({'|'.join(KINDS)}):", text):
            assert review((*ours, Source("site", "entities/shown.yaml", text)), check_expression).issues == ()


def test_every_make_target_is_explained() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = set(re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[0].split())
    explained = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    assert explained == {target for target in phony if not target.startswith("setup-")}


def test_the_changelog_names_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## {re.escape(xrm.__version__)} \(", text, re.MULTILINE)


def test_every_decision_is_in_the_index() -> None:
    index = (ROOT / "docs" / "adr" / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"\((\d{4}-[a-z-]+\.md)\)", index) == [page.name for page in DECISIONS]


@pytest.mark.parametrize("page", DECISIONS, ids=name)
def test_a_decision_has_its_parts(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {page.name[:4]}: ")
    assert re.search(r"^Status: (proposed|accepted|replaced by \d{4})\. Date: \d{4}-\d{2}-\d{2}\.$", text, re.MULTILINE)
    heads = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert heads == ["Context", "Decision", "Consequences", "Enforced by"]


@pytest.mark.parametrize("page", DECISIONS, ids=name)
def test_what_a_decision_names_exists(page: Path) -> None:
    for path in re.findall(r"`((?:xrm|tests|tools|docs|plugins|studio)/[\w./-]+)`", page.read_text(encoding="utf-8")):
        assert path == "xrm/web/static/vendor" or (ROOT / path).exists(), f"{path} does not exist"
