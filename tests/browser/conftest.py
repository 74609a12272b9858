"""A browser on a running site. A test fails on a request to another host, an error of the page or in its console."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, sync_playwright

from tests.browser.company import PASSWORD, ROOT

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SYSTEM_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SHOTS = ROOT / ".pytest_cache" / "screenshots"
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
SIZES = {"desktop": {"width": 1280, "height": 860}, "phone": {"width": 390, "height": 844}}
REFUSED = re.compile(r"the server responded with a status of (401|409|412|422)\b")  # answers, not accidents


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report = yield
    setattr(item, f"report_{report.when}", report)
    return report


def program(playwright: Playwright) -> str:
    """Return the path of a Chromium: Playwright's own, else the system's."""
    own = Path(playwright.chromium.executable_path)
    found = str(own) if own.exists() else next((p for n in SYSTEM_BROWSERS if (p := shutil.which(n))), "")
    if not found:
        pytest.fail("The browser tests need Chromium: run `playwright install --with-deps chromium`.", pytrace=False)
    return found


@pytest.fixture(scope="session")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("site")
    yield from served("tests.browser.company", folder, folder / "site.db")


def served(module: str, folder: Path, what: Path) -> Iterator[str]:
    """Yield the address of a site that a program serves, given a path and a port, until the tests are done."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder / "log.txt"
    arguments = [sys.executable, "-m", module, str(what), str(port)]
    with log.open("wb") as out, subprocess.Popen(arguments, cwd=ROOT, stdout=out, stderr=out) as server:
        try:
            _wait(server, port, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
    assert "Traceback" not in log.read_text(), log.read_text()


def _wait(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _ in range(300):
        if server.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"The site did not start:\n{log.read_text()}", pytrace=False)


@pytest.fixture(scope="module")  # it runs an event loop in this thread, which asyncio tests after it could not bear
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program(playwright), args=list(FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def cookies(browser: Browser, base_url: str) -> Callable[[str], list[Any]]:
    """Return the cookies of somebody signed in; each person signs in once for the whole run."""
    known: dict[str, list[Any]] = {}

    def of(person: str) -> list[Any]:
        if person not in known:
            context = browser.new_context(base_url=base_url)
            page = context.new_page()
            sign_in(page, person)
            known[person] = context.cookies()
            context.close()
        return known[person]

    return of


def sign_in(page: Page, person: str) -> None:
    page.goto("/sign-in")
    page.get_by_label("E-mail address").fill(f"{person}@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/")


@pytest.fixture
def size() -> str:
    """The size of the screen; a test may say otherwise by ``@pytest.mark.parametrize("size", …)``."""
    return "desktop"


@pytest.fixture
def visit(
    browser: Browser, base_url: str, cookies: Callable[[str], list[Any]], size: str, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Page]]:
    """Return a function that opens a browser window of its own for a person ("" = nobody signed in)."""
    opened: list[tuple[BrowserContext, Page]] = []
    problems: list[str] = []

    def opener(person: str = "rep", **options: Any) -> Page:
        context = browser.new_context(
            **{
                "base_url": base_url,
                "viewport": SIZES[size],
                "is_mobile": size == "phone",
                "has_touch": size == "phone",
                "reduced_motion": "reduce",
                "service_workers": "block",
                **options,
            }
        )
        context.set_default_timeout(5_000)
        context.route(lambda url: not url.startswith(base_url), lambda route: problems.append(route.request.url))
        if person:
            context.add_cookies(cookies(person))
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.extend(_complaint(message)))
        opened.append((context, page))
        return page

    yield opener
    report = getattr(request.node, "report_call", None)
    if report is not None and report.failed:
        SHOTS.mkdir(parents=True, exist_ok=True)
        for number, (_, page) in enumerate(opened):
            page.screenshot(path=SHOTS / f"{re.sub(r'[^a-z0-9]+', '-', request.node.name.lower())}-{number}.png")
    for context, _ in opened:
        context.close()
    assert not problems, problems


def _complaint(message: ConsoleMessage) -> list[str]:
    wrong = message.type == "error" and not REFUSED.search(message.text)
    return [f"{message.text} ({message.location.get('url')})"] if wrong else []


@pytest.fixture
def page(visit: Callable[..., Page]) -> Page:
    """A window of the sales representative."""
    return visit("rep")


@pytest.fixture(scope="session")
def barriers() -> Callable[[Page], list[str]]:
    """Return a function that lists what axe finds against WCAG 2.2 AA on a page."""
    axe = Axe()

    def look(page: Page) -> list[str]:
        found = axe.run(page, options={"runOnly": {"type": "tag", "values": AXE_TAGS}}).response["violations"]
        return [
            f"{v['id']}: {n['target']} {n['html'][:140]} {n.get('failureSummary', '')[:200]}"
            for v in found
            for n in v["nodes"][:3]
        ]

    return look
