"""Widgets that help while one types: layouts with preview, choices that follow others, sets of records, buttons."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import served

BOTH = pytest.mark.parametrize("size", ["desktop", "phone"])


@pytest.fixture(scope="module")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A site of its own, with a model that uses them all."""
    folder = tmp_path_factory.mktemp("workshop")
    yield from served("tests.browser.workshop", folder, folder)


def errand(page: Page) -> Page:
    page.goto("/e/task/new?record_type=errand")
    return page


def select(page: Page, words: str) -> None:
    """Select some words of the notes, as a mouse would."""
    page.get_by_label("Notes", exact=True).evaluate(
        "(area, words) => { const at = area.value.indexOf(words); area.focus();"
        " area.setSelectionRange(at, at + words.length); }",
        words,
    )


@BOTH
def test_marks_are_put_around_what_is_selected(page):
    notes = errand(page).get_by_label("Notes", exact=True)
    notes.fill("buy fresh bread")
    select(page, "fresh")
    bar = page.get_by_role("toolbar", name="Layout of Notes")
    bar.get_by_role("button", name="Bold").click()
    expect(notes).to_have_value("buy **fresh** bread")
    expect(notes).to_be_focused()
    select(page, "bread")
    notes.press("Control+i")
    expect(notes).to_have_value("buy **fresh** *bread*")
    story = page.get_by_label("Story", exact=True)
    story.fill("once")
    story.press("Control+a")
    page.get_by_role("toolbar", name="Layout of Story").get_by_role("button", name="List").press("Enter")
    expect(story).to_have_value("<ul>\n<li>once</li>\n</ul>")


@BOTH
def test_a_preview_shows_what_people_will_read_and_runs_nothing(page):
    notes = errand(page).get_by_label("Notes", exact=True)
    notes.fill("**bold** <img src=x onerror=\"document.title='owned'\"> <script>document.title='owned'</script>")
    look = page.get_by_role("toolbar", name="Layout of Notes").get_by_role("button", name="Preview")
    look.press("Enter")
    shown = page.get_by_role("region", name="Preview of Notes")
    expect(shown.locator("strong")).to_have_text("bold")
    expect(shown.locator("script, img")).to_have_count(0)
    expect(look).to_have_attribute("aria-expanded", "true")
    look.press("Enter")
    expect(shown).to_be_hidden()
    assert page.title() != "owned"


@BOTH
def test_choices_follow_what_they_depend_on(page):
    errand(page)
    city, sights = page.get_by_label("City"), page.get_by_role("group", name="Sights")
    page.get_by_label("Country").select_option("de")
    expect(city.locator("option")).to_have_text(["", "Bonn", "Ulm", "At sea"])
    city.select_option("bonn")
    expect(sights.get_by_role("checkbox")).to_have_count(1)
    sights.get_by_label("Rhine").check()
    page.get_by_label("Country").select_option("fr")
    expect(city).to_have_value("")  # Bonn is not in France
    expect(city.locator("option")).to_have_text(["", "Lyon", "At sea"])
    expect(sights.get_by_label("Rhone")).not_to_be_checked()
    city.select_option("sea")
    page.get_by_label("Country").select_option("de")
    expect(city).to_have_value("sea")  # it fits everywhere


@BOTH
def test_a_set_of_records_is_put_together_by_keyboard(page):
    errand(page).get_by_label("Name", exact=False).first.fill("Shopping")
    box = page.get_by_role("combobox", name="People")
    for typed, name in (("ann", "Ann Adams"), ("b", "Bea Black")):
        box.press_sequentially(typed)
        options = page.get_by_role("listbox", name="Suggestions").get_by_role("option")
        expect(options.filter(has_text=name)).to_be_visible()
        while name not in (page.locator('[role="option"][aria-selected="true"]').text_content() or ""):
            box.press("ArrowDown")
        box.press("Enter")
        expect(page.get_by_label(name)).to_be_checked()
        expect(box).to_have_value("")
    page.get_by_label("Ann Adams").uncheck()
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page).to_have_url(re.compile(r"/e/task/[0-9a-f-]{36}$"))
    expect(page.locator("dl.pairs").first).to_contain_text("Bea Black")
    expect(page.locator("dl.pairs").first).not_to_contain_text("Ann Adams")


@BOTH
def test_a_new_record_is_asked_for_its_type_and_a_button_is_pressed(page, barriers):
    page.goto("/e/task/new")
    expect(page.get_by_role("heading", name="Which type?")).to_be_visible()
    assert barriers(page) == []
    page.get_by_role("link", name="House work").press("Enter")
    expect(page.get_by_role("heading", name="New House work")).to_be_visible()
    expect(page.get_by_label("City")).to_have_count(0)
    page.get_by_label("Name", exact=False).first.fill("Dishes")
    page.get_by_role("button", name="Create", exact=True).click()
    finish = page.get_by_role("link", name="Finish")
    expect(finish).to_be_visible()
    page.wait_for_load_state()  # before that it is a link to a page
    finish.focus()
    finish.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Is it done?")
    assert barriers(page) == []
    dialog.get_by_role("button", name="Finish").press("Enter")
    expect(page.locator("dl.pairs").first).to_contain_text("Done on")
    expect(page.get_by_role("link", name="Finish")).to_have_count(0)
