"""The studio's promise: an entity is added in the browser, applied and used without a restart; a clean file stays."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.company import PASSWORD, ROOT
from tests.browser.conftest import SIZES, sign_in
from xrm.kernel.change import SYSTEM
from xrm.settings import load_settings
from xrm.site import open_site

PEOPLE = {"admin": ["admin"], "manager": ["sales_manager"], "rep": ["sales_rep"]}
SLOW = 20_000  # milliseconds: the first visitor waits for Streamlit to be loaded


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this repository's site, with people who can sign in."""
    copy = tmp_path_factory.mktemp("studio") / "site"
    for name in ("entities", "plugins"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "tests"))
    shutil.copy(ROOT / "xrm.yaml", copy)
    (copy / "var").mkdir()
    with ThreadPoolExecutor(1) as thread:  # Playwright's event loop runs in this one
        thread.submit(asyncio.run, _people(copy)).result()
    return copy


async def _people(copy: Path) -> None:
    async with open_site(load_settings(copy, {})) as site:
        await site.kernel.apply(SYSTEM, site.kernel.sources())
        for word, roles in PEOPLE.items():
            values = {"name": word.title(), "email": f"{word}@example.com", "roles": roles}
            user = await site.kernel.records.create(SYSTEM, "user", values)
            await site.accounts.set_password(UUID(user["id"]), PASSWORD)
        await site.kernel.records.create(SYSTEM, "party", {"kind": "organisation", "name": "Acme"})


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """The address of that site, served as `xrm serve` does."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder.parent / "log.txt"
    arguments = [sys.executable, "-m", "xrm", "--site", str(folder), "serve", "--port", str(port)]
    with log.open("wb") as out, subprocess.Popen(arguments, cwd=ROOT, stdout=out, stderr=out) as server:
        try:
            _wait(server, port, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            code = server.wait(20)
    assert "Traceback" not in log.read_text(), log.read_text()
    assert code == 0, f"the site ended with {code}: {log.read_text()}"


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


@pytest.fixture
def window(browser: Browser, address: str) -> Iterator[Callable[..., Page]]:
    """Return a function that opens a window for somebody, signed in; what goes wrong in it fails the test."""
    opened: list[BrowserContext] = []
    problems: list[str] = []

    def opener(person: str, size: str = "desktop") -> Page:
        context = browser.new_context(base_url=address, viewport=SIZES[size], reduced_motion="reduce")
        context.set_default_timeout(10_000)
        context.route(lambda url: not url.startswith(address), lambda route: problems.append(route.request.url))
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        opened.append(context)
        sign_in(page, person)
        return page

    yield opener
    for context in opened:
        context.close()
    assert not problems, problems


def settled(page: Page) -> None:
    """Wait until Streamlit has shown the outcome of the last interaction."""
    page.wait_for_timeout(250)
    page.wait_for_function("() => !document.querySelector('[data-testid=stStatusWidget], [data-stale=true]')")
    page.wait_for_timeout(100)


def type_in(page: Page, label: str, text: str) -> None:
    page.get_by_role("textbox", name=label, exact=True).fill(text)
    page.keyboard.press("Tab")
    settled(page)


def choose(page: Page, label: str, text: str) -> None:
    page.get_by_role("combobox", name=label).click()
    page.keyboard.type(text)
    page.keyboard.press("Enter")
    settled(page)


def add_field(page: Page, title: str, kind: str = "", to: str = "", *, unique: bool = False) -> None:
    type_in(page, "What is it called?", title)
    if kind:
        choose(page, "What does it hold?", kind)
    if to:
        choose(page, "Which records may it point to?", to)
        page.keyboard.press("Escape")
    if unique:
        page.get_by_text("No two records share a value").click()
        settled(page)
    page.get_by_role("button", name="Add the field").click()
    expect(field(page, title)).to_be_visible()
    settled(page)


def field(page: Page, title: str) -> Any:
    return page.locator(".xs-list .xs-main", has=page.get_by_text(title, exact=True))


def open_studio(page: Page, path: str = "/studio") -> None:
    page.goto(path)
    expect(page.get_by_test_id("stSidebar")).to_be_attached(timeout=SLOW)
    settled(page)


@pytest.mark.story
def test_a_machine_is_added_planned_applied_and_used_without_a_restart(window, folder):
    page = window("admin")
    open_studio(page)
    expect(page.get_by_role("heading", name="The model of this site")).to_be_visible(timeout=SLOW)
    expect(field(page, "Party")).to_be_visible()
    page.get_by_role("tab", name="Diagram").click()
    diagram = page.get_by_role("img", name="Entities and their relations")
    expect(diagram).to_be_visible(timeout=SLOW)
    assert diagram.evaluate("async image => { await image.decode(); return image.naturalWidth }") > 300

    page.get_by_role("tab", name="Entities").click()
    page.get_by_role("button", name="New entity").click()
    type_in(page, "What is one of them called?", "Machine")
    type_in(page, "Icon", "gear")
    choose(page, "Sales representative", "See and change all")
    page.get_by_role("button", name="Add it to the draft").click()
    expect(page.get_by_role("heading", name="Machine")).to_be_visible()
    add_field(page, "Serial", unique=True)
    add_field(page, "Bought on", "Date")
    add_field(page, "Price", "Money")
    add_field(page, "Owner", "Link to a record", "Party")
    assert not (folder / "entities" / "machine.yaml").exists()

    page.get_by_role("link", name="Review and apply").click()
    expect(page.get_by_text("Create machine.")).to_be_visible()
    expect(page.get_by_text("with Name, Serial, Bought on, Price, Owner")).to_be_visible()
    page.get_by_role("button", name="Apply", exact=True).click()
    expect(page.get_by_text("Done. Generation 2 is in force.")).to_be_visible(timeout=SLOW)
    assert (folder / "entities" / "machine.yaml").read_text() == (
        'entity: machine\nicon: gear\nlabel: "{name}"\nsearch: [name]\nfields:\n'
        "  name: {type: text, required: true, max: 200}\n  serial: {type: text, unique: true}\n"
        "  bought_on: {type: date}\n  price: {type: money}\n  owner: {type: relation, to: party}\n"
    )
    role = (folder / "entities" / "roles" / "sales_rep.yaml").read_text()
    assert role == (ROOT / "entities" / "roles" / "sales_rep.yaml").read_text() + (
        "  - {entity: machine, actions: [read, create, update]}\n"
    )
    expect(page.get_by_role("link", name="Open the list")).to_have_attribute("href", "/e/machine")

    page.goto("/e/machine")
    expect(page.get_by_role("heading", level=1)).to_have_text("Machines")
    page.goto("/e/machine/new")
    page.get_by_label("Name").fill("Lathe 1")
    page.get_by_role("button", name="Create", exact=True).first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Lathe 1")

    other = window("rep")
    other.goto("/e/machine")
    expect(other.get_by_role("link", name="Lathe 1").first).to_be_visible()


def test_fields_are_put_in_order_by_keyboard_and_the_edit_is_taken_back(window, folder):
    page = window("admin")
    open_studio(page, "/studio/entity?name=product")
    names = page.locator(".xs-list .xs-title")
    expect(names.first).to_be_visible(timeout=SLOW)
    before = names.all_inner_texts()
    field(page, before[0]).focus()
    page.keyboard.press("Alt+ArrowDown")
    expect(names.nth(1)).to_have_text(before[0])
    settled(page)
    assert page.evaluate("document.activeElement.textContent").strip().startswith(before[0])
    expect(page.get_by_text("1 changed file, not applied")).to_be_visible()
    page.get_by_role("button", name="Undo the last edit").click()
    expect(names.first).to_have_text(before[0])
    settled(page)
    assert list((folder / "var" / "studio").iterdir()) == []


def test_a_draft_is_there_again_after_a_reload(window):
    page = window("admin")
    open_studio(page, "/studio/entity?name=deal")
    field(page, "Next step").click()
    settled(page)
    type_in(page, "Title", "What next?")
    page.reload()
    expect(field(page, "What next?")).to_be_visible(timeout=SLOW)
    page.get_by_role("button", name="Undo the last edit").click()
    expect(field(page, "Next step")).to_be_visible()


def test_whoever_may_only_look_changes_nothing_and_whoever_may_not_does_not_come_in(window):
    page = window("manager")
    open_studio(page)
    expect(page.get_by_text("changing it needs the capability model.edit")).to_be_visible(timeout=SLOW)
    expect(page.get_by_role("button", name="New entity")).to_be_disabled()
    other = window("rep")
    answer = other.request.get("/studio/", headers={"accept": "text/html"})
    assert answer.status == 403


def test_the_designer_is_usable_on_a_phone(window):
    page = window("admin", "phone")
    open_studio(page, "/studio/entity?name=party")
    expect(field(page, "Country")).to_be_visible(timeout=SLOW)
    field(page, "Country").click()
    settled(page)
    expect(page.get_by_role("textbox", name="Title", exact=True)).to_be_in_viewport(timeout=SLOW)
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES["phone"]["width"]


@pytest.mark.parametrize("path", ["", "entity?name=deal", "entity?name=deal&tab=Form+and+lists", "changes", "roles"])
def test_no_screen_has_barriers(window, barriers, path):
    page = window("admin")
    open_studio(page, f"/studio/{path}")
    expect(page.get_by_role("heading", level=1)).to_be_visible(timeout=SLOW)
    settled(page)
    assert barriers(page) == []


def test_the_page_takes_only_scripts_of_this_site(window, address):
    page = window("admin")
    answer = page.request.get("/studio/entity?name=party", headers={"accept": "text/html"})
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self' 'sha256-" in policy
    assert "'unsafe-inline'" not in policy.partition("style-src")[0]
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    assert "<title>Studio</title>" in answer.text()
