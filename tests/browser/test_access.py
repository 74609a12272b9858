"""Pages for everybody: no barriers that axe knows, light and dark, on a desk and on a phone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

PAGES = {
    "home": "/",
    "list": "/e/party",
    "board": "/e/deal/board",
    "form": "/e/deal/new",
    "account": "/account",
    "search": "/search?q=company",
    "filter": "/e/party?filter=nonsense",
}


def record(page: Page) -> None:
    page.goto("/e/deal?q=Deal+02")
    page.get_by_role("link", name="Deal 02", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Deal 02")
    page.wait_for_load_state()  # the heading is there before the page has its width


@pytest.mark.parametrize(("theme", "size"), [("light", "desktop"), ("dark", "phone")])
def test_no_page_has_barriers(visit, barriers, theme, size):
    page = visit("manager", color_scheme=theme)
    found = {}
    for name, path in PAGES.items():
        page.goto(path)
        found[name] = barriers(page)
    record(page)
    found["record"] = barriers(page)
    page.get_by_role("link", name="Lose").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    found["dialog"] = barriers(page)
    assert {name: problems for name, problems in found.items() if problems} == {}


def test_the_sign_in_page_has_no_barriers(visit, barriers):
    page = visit("")
    page.goto("/sign-in")
    assert barriers(page) == []


@pytest.mark.parametrize("size", ["phone"])
def test_on_a_phone_nothing_is_wider_than_the_screen(visit):
    page = visit("manager")
    wide = {}
    for name, path in PAGES.items():
        page.goto(path)
        wide[name] = page.evaluate("document.documentElement.scrollWidth")
    record(page)
    wide["record"] = page.evaluate("document.documentElement.scrollWidth")
    assert {name: width for name, width in wide.items() if width > 390} == {}


SMALL = """() => {
  const targets = "button, summary, select, input:not([type=hidden]), a.btn, .sidebar a, .pager a, .view-tabs a";
  const seen = (e) => e.checkVisibility({ visibilityProperty: true }) && e.getBoundingClientRect().width > 1;
  const area = (e) => (e.matches("[type=checkbox], [type=radio]") && e.closest("label, .form-check")) || e;
  return [...document.querySelectorAll(targets)]
    .filter((e) => seen(e) && !e.closest(".visually-hidden") && area(e).getBoundingClientRect().height < 43.5)
    .map((e) => `${Math.round(area(e).getBoundingClientRect().height)} ${e.outerHTML.slice(0, 120)}`);
}"""


@pytest.mark.parametrize("size", ["phone"])
def test_on_a_phone_fingers_find_their_targets(visit):
    page = visit("manager")
    small = {}
    for name, path in PAGES.items():
        page.goto(path)
        small[name] = page.evaluate(SMALL)
    record(page)
    small["record"] = page.evaluate(SMALL)
    assert {name: found for name, found in small.items() if found} == {}


@pytest.mark.parametrize("size", ["phone"])
def test_on_a_phone_the_menu_leads_everywhere(visit):
    page = visit("rep")
    page.goto("/")
    menu = page.get_by_role("button", name="Menu")
    expect(page.locator("#sidebar")).to_be_hidden()
    menu.click()
    page.get_by_role("link", name="Parties").click()
    expect(page).to_have_url(re.compile("/e/party$"))


def test_the_theme_is_switched_and_kept(page):
    page.goto("/")
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "light")
    page.get_by_label("Your account").click()
    page.locator("[data-theme-switch]").click()
    page.locator("[data-theme-switch]").click()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    page.goto("/e/party")
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
