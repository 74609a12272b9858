"""A promise to whoever runs a site: no model, however wrong, does harm. Each is told with its place and how to mend it.

The same table goes through every door: the command line, the kernel on both databases, and HTTP.
"""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from tests.api.conftest import Callers, digest
from tests.stories.hostile_models import HOSTILE
from xrm.cli import main
from xrm.errors import Issue, ModelError
from xrm.kernel.change import SYSTEM
from xrm.metadata.model import Source
from xrm.testing import TestSite, make_site

FILE = "entities/thing.yaml"
GOOD = {"entities/good.yaml": "entity: good\nlabel: '{name}'\nfields: {name: text}\n"}
SECONDS = 2  # of processor time for one model: far more than it takes, so that a slow machine is no failure
SENT = 1_000_000  # characters of a file that are sent over HTTP: more is refused as a body


def faults(name: str, issues: list[dict[str, str]]) -> list[str]:
    """Return what is wrong with the findings that a model of the table gave."""
    _, code = HOSTILE[name]
    issues = [issue for issue in issues if issue.get("severity", "error") == "error"]
    codes = [issue["code"] for issue in issues]
    found = [] if code in codes and (name.endswith("*") or codes == [code]) else [f"{name}: {codes} instead of {code}"]
    for issue in issues:
        file, line, column = (*issue["path"].rsplit(":", 2), "", "")[:3]
        if not (file == FILE and line.isdigit() and column.isdigit()):
            found.append(f"{name}: no place: {issue}")
        if not issue.get("hint"):
            found.append(f"{name}: no hint: {issue}")
        if len(issue["message"]) > 600:
            found.append(f"{name}: a message of {len(issue['message'])} characters")
    return found


def plain(issues: tuple[Issue, ...]) -> list[dict[str, str]]:
    return [issue.to_dict() for issue in issues]


async def refusal(site: TestSite, text: str) -> tuple[Issue, ...]:
    """Return why a site with one more file cannot be applied; nothing when it was."""
    try:
        await site.kernel.apply(SYSTEM, site.kernel.sources([Source("site", FILE, text)]))
    except ModelError as error:
        return tuple(error.issues)
    return ()


async def test_no_hostile_model_is_applied(tmp_path: Path, database_url: str) -> None:
    async with make_site(tmp_path, database_url, GOOD) as site:
        before, wrong = await digest(site), []
        for name, (text, _) in HOSTILE.items():
            started = time.process_time()
            wrong += faults(name, plain(await refusal(site, text)))
            if time.process_time() - started > SECONDS:
                wrong.append(f"{name}: slow")
        assert wrong == []
        assert await digest(site) == before
        assert site.kernel.live.generation == 1
        assert (await site.system.create("good", {"name": "still"}))["name"] == "still"


async def test_no_hostile_model_comes_in_over_http(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/site.db"
    async with make_site(tmp_path, url, GOOD, allowed_hosts=("test",)) as site, AsyncExitStack() as stack:
        admin = await Callers(site, stack).robot("Admin", "admin")
        before, wrong = await digest(site), []
        for name, (text, _) in HOSTILE.items():
            checked = await admin.post("/api/model/check", json={"files": {FILE: text}})
            applied = await admin.post("/api/model/apply", json={"files": {FILE: text}, "hash": "x"})
            wrong += _answered(name, text, checked, applied)
        assert wrong == []
        assert await digest(site) == before
        assert not (tmp_path / FILE).exists()


def _answered(name: str, text: str, checked: httpx.Response, applied: httpx.Response) -> list[str]:
    if len(text) > SENT:
        codes = {checked.status_code, applied.status_code}
        return [] if codes <= {200, 413, 422} and applied.status_code != 200 else [f"{name}: {codes}"]
    if checked.status_code != 200 or applied.status_code != 422:
        return [f"{name}: {checked.status_code} {applied.status_code} {applied.text[:200]}"]
    return faults(name, checked.json()["issues"]) + faults(name, applied.json()["issues"])


ON_THE_COMMAND_LINE = ("alias bomb*", "ten megabytes", "NUL", "SQL for a name", "ring of formulas", "deep expression")


@pytest.mark.parametrize("name", ON_THE_COMMAND_LINE)
def test_the_command_line_tells_and_changes_nothing(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XRM_DATABASE", raising=False)
    site = tmp_path / "acme"
    assert main(["new", str(site)]) == 0
    (site / FILE).write_text(HOSTILE[name][0], "utf-8")
    capsys.readouterr()
    for word in ("check", "plan", "apply"):
        assert main(["--site", str(site), word]) == 1
        captured = capsys.readouterr()
        told = captured.out + captured.err
        assert f"{FILE}:" in told
        assert "Traceback" not in told
    assert main(["--site", str(site), "history", "--json"]) == 0
    assert capsys.readouterr().out.strip() == "[]"
