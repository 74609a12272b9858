"""What people do with the pages, in a browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import sign_in

BOTH = pytest.mark.parametrize("size", ["desktop", "phone"])


def card(page: Page, title: str):
    return page.locator(".card-box", has=page.get_by_role("link", name=title, exact=True))


def lane(page: Page, name: str):
    return page.locator(f'[data-lane="{name}"]')


def drag(page: Page, title: str, to: str) -> None:
    """Drag a card by its lower edge, in the small steps a hand makes."""
    target = lane(page, to).locator("[data-cards]")
    target.scroll_into_view_if_needed()
    card(page, title).scroll_into_view_if_needed()
    start, end = card(page, title).bounding_box(), target.bounding_box()
    page.mouse.move(start["x"] + 30, start["y"] + start["height"] - 8)
    page.mouse.down()
    page.mouse.move(start["x"] + 45, start["y"] + start["height"] - 4, steps=3)
    page.mouse.move(end["x"] + 60, end["y"] + 20, steps=8)
    page.wait_for_timeout(100)
    page.mouse.up()


@BOTH
def test_a_person_signs_in_and_out(visit):
    page = visit("")
    page.goto("/e/deal?q=Deal")
    expect(page).to_have_url(re.compile(r"/sign-in\?next="))
    page.get_by_label("E-mail address").fill("rep@example.com")
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("do not belong together")
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile(r"/e/deal\?q=Deal$"))
    page.get_by_label("Your account").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile("/sign-in$"))
    page.goto("/")
    expect(page).to_have_url(re.compile("/sign-in"))


@BOTH
def test_a_list_is_searched_while_typing(page):
    page.goto("/e/party")
    expect(page.locator(".list-count")).to_contain_text("70 parties")
    page.get_by_label("Search parties").press_sequentially("company 42")
    expect(page.locator(".list-count")).to_contain_text("1 party")
    expect(page).to_have_url(re.compile(r"q=company\+42"))
    page.reload()
    expect(page.get_by_role("link", name="Company 42", exact=True)).to_be_visible()
    page.get_by_label(re.compile("Remove search")).click()
    expect(page.locator(".list-count")).to_contain_text("70 parties")


@BOTH
def test_what_a_list_shows_is_what_is_exported(visit):
    page = visit("manager")
    page.goto("/e/party")
    page.get_by_label("Search parties").press_sequentially("company 42")
    expect(page.locator(".list-count")).to_contain_text("1 party")
    page.locator("#export summary").focus()
    page.keyboard.press("Enter")
    for title, format in (("CSV", "csv"), ("Excel workbook", "xlsx"), ("vCard", "vcf")):
        link = page.get_by_role("link", name=title, exact=True)
        expect(link).to_be_in_viewport(ratio=1)
        expect(link).to_have_attribute("href", re.compile(rf"format={format}.*search=company\+42"))


def test_a_list_is_filtered_by_facets_and_by_an_expression(page):
    page.goto("/e/deal")
    page.locator(".facet summary", has_text=re.compile("^State")).click()
    page.get_by_role("checkbox", name="Qualified").check()
    expect(page.locator(".list-count")).to_contain_text("4 deals")
    expect(page).to_have_url(re.compile(r"f\.state=qualified"))
    page.keyboard.press("Escape")
    page.locator("#expression summary").click()
    page.get_by_role("textbox", name="Filter expression").fill("amoun > 5000")
    page.locator("#expression").get_by_role("button", name="Apply").click()
    expect(page.locator("#filter-error")).to_contain_text("amount")
    page.get_by_role("textbox", name="Filter expression").fill("amount > 5000")
    page.locator("#expression").get_by_role("button", name="Apply").click()
    expect(page.locator(".list-count")).to_contain_text("2 deals")
    expect(page.locator("#filter-error")).to_be_empty()
    page.get_by_role("link", name="Remove filter State: Qualified").click()
    expect(page.locator(".list-count")).to_contain_text("7 deals")


def test_a_list_is_sorted_and_paged(page):
    page.goto("/e/party?size=25")
    page.get_by_role("link", name="Name", exact=True).click()
    expect(page.get_by_role("columnheader", name="Name")).to_have_attribute("aria-sort", "ascending")
    page.get_by_role("link", name="Name", exact=True).click()
    expect(page.locator("tbody .first").first).to_have_text("Company 69")
    page.get_by_role("link", name="Next").click()
    expect(page.locator(".pager-place")).to_have_text("26–50")
    expect(page.locator("tbody .first").first).to_have_text("Company 44")
    page.get_by_role("link", name="Next").click()
    expect(page.locator(".pager-place")).to_have_text("51–70")
    expect(page.get_by_role("link", name="Next")).to_have_count(0)
    page.get_by_role("link", name="Previous").click()
    expect(page.locator("tbody .first").first).to_have_text("Company 44")
    page.go_back()
    expect(page.locator(".pager-place")).to_have_text("51–70")


def test_columns_are_chosen_and_remembered(page):
    page.goto("/e/party")
    page.locator(".columns-menu summary").click()
    page.get_by_role("checkbox", name="Country").uncheck()
    expect(page.get_by_role("columnheader", name="Country")).to_have_count(0)
    page.get_by_role("checkbox", name="Email").check()
    expect(page.get_by_role("columnheader", name="Email")).to_have_count(1)
    page.goto("/e/party")
    expect(page.get_by_role("columnheader", name="Email")).to_have_count(1)
    expect(page.get_by_role("columnheader", name="Country")).to_have_count(0)
    page.locator(".columns-menu summary").click()
    page.get_by_role("link", name="Back to the view's own").click()
    expect(page.get_by_role("columnheader", name="Country")).to_have_count(1)


@BOTH
def test_a_form_tells_all_errors_at_once_and_keeps_what_was_typed(page):
    page.goto("/e/deal/new")
    page.get_by_label("Amount", exact=True).fill("a lot")
    page.get_by_label("Next step").fill("Send <the> offer")
    page.get_by_role("button", name="Create", exact=True).click()
    summary = page.locator("#error-summary")
    expect(summary).to_be_focused()
    expect(summary).to_contain_text("3 things need your attention")
    for field in ("name", "customer", "amount"):
        expect(page.locator(f"#f-{field}-error")).to_be_visible()
    expect(page.get_by_label("Amount", exact=True)).to_have_value("a lot")
    summary.get_by_role("link", name="Name").click()
    expect(page.get_by_label("Name")).to_be_focused()
    page.get_by_label("Name").fill("A <b>big</b> one")
    page.get_by_label("Amount", exact=True).fill("12,500.50")
    customer = page.get_by_role("combobox", name="Customer")
    customer.press_sequentially("company 07")
    expect(page.get_by_role("option", name="Company 07")).to_be_visible()
    customer.press("ArrowDown")
    customer.press("Enter")
    expect(customer).to_have_value("Company 07")
    page.keyboard.press("Control+s")
    expect(page.get_by_role("heading", level=1)).to_have_text("A <b>big</b> one")
    expect(page.get_by_text("€12,500.50")).to_be_visible()
    expect(page.locator(".notice")).to_contain_text("was created")
    page.reload()
    expect(page.locator(".notice")).to_have_count(0)


def test_leaving_a_changed_form_asks_first(page):
    page.goto("/e/party/new")
    page.get_by_label("Name", exact=True).fill("Half typed")
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    page.get_by_role("link", name="Cancel").click()
    page.wait_for_timeout(200)
    assert asked == ["beforeunload"]
    expect(page.get_by_label("Name", exact=True)).to_have_value("Half typed")


def test_a_card_is_dragged_to_another_lane(page):
    page.goto("/e/deal/board")
    before = int(lane(page, "qualified").locator(".count").inner_text())
    drag(page, "Deal 00", "qualified")
    expect(lane(page, "qualified").get_by_role("link", name="Deal 00")).to_be_visible()
    expect(lane(page, "qualified").locator(".count")).to_have_text(str(before + 1))
    expect(page.locator("#live")).to_have_text("Deal 00 is now in Qualified.")
    page.reload()
    expect(lane(page, "qualified").get_by_role("link", name="Deal 00")).to_be_visible()


def test_a_card_is_moved_by_keyboard(page):
    page.goto("/e/deal/board")
    link = page.get_by_role("link", name="Deal 03", exact=True)
    link.focus()
    page.keyboard.press("Shift+ArrowRight")
    expect(lane(page, "qualified").get_by_role("link", name="Deal 03")).to_be_visible()
    expect(page.locator("#live")).to_have_text("Deal 03 is now in Qualified.")
    expect(link).to_be_focused()
    page.keyboard.press("m")
    expect(card(page, "Deal 03").get_by_role("button", name="Back to new")).to_be_focused()
    page.keyboard.press("Enter")
    expect(lane(page, "new").get_by_role("link", name="Deal 03")).to_be_visible()


def test_a_deal_dragged_to_lost_demands_its_reason(page):
    page.goto("/e/deal/board")
    drag(page, "Deal 01", "lost")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", name="Lose")).to_be_visible()
    expect(lane(page, "qualified").get_by_role("link", name="Deal 01")).to_be_attached()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(lane(page, "qualified").get_by_role("link", name="Deal 01")).to_be_visible()
    drag(page, "Deal 01", "lost")
    dialog.get_by_role("button", name="Lose").click()
    expect(dialog.locator("#f-lost_reason-error")).to_be_visible()
    dialog.get_by_label("Lost reason").select_option("Price")
    dialog.get_by_label("Lost note").fill("Too dear")
    dialog.get_by_role("button", name="Lose").click()
    expect(lane(page, "lost").get_by_role("link", name="Deal 01")).to_be_visible()
    expect(dialog).to_have_count(0)


def test_a_card_that_somebody_else_moved_is_put_back_with_a_message(visit):
    one, other = visit("rep"), visit("manager")
    one.goto("/e/deal/board")
    other.goto("/e/deal/board")
    card(other, "Deal 06").locator("summary").click()
    card(other, "Deal 06").get_by_role("button", name="Qualify").click()
    expect(lane(other, "qualified").get_by_role("link", name="Deal 06")).to_be_visible()
    drag(one, "Deal 06", "qualified")
    expect(one.get_by_role("dialog")).to_contain_text("It is in Qualified now: Mona Manager changed it")
    expect(lane(one, "qualified").get_by_role("link", name="Deal 06")).to_be_attached()


@pytest.mark.parametrize("size", ["phone"])
def test_on_a_phone_a_card_is_moved_by_its_menu(page):
    page.goto("/e/deal/board")
    box = card(page, "Deal 09")
    box.locator("summary").click()
    box.get_by_role("button", name="Qualify").click()
    expect(lane(page, "qualified").get_by_role("link", name="Deal 09")).to_be_attached()


def open_record(page: Page, name: str) -> None:
    page.goto(f"/e/party?q={name}")
    page.get_by_role("link", name=name, exact=True).click()


def test_two_people_edit_the_same_field(visit):
    one, other = visit("rep"), visit("manager")
    for window in (one, other):
        open_record(window, "Company 50")
        window.get_by_role("link", name="Edit").click()
    other.get_by_label("City").fill("Vienna")
    other.get_by_label("Website").fill("https://fifty.example")
    other.get_by_role("button", name="Save").click()
    expect(other.locator(".notice")).to_contain_text("was saved")
    one.get_by_label("City").fill("Prague")
    one.get_by_label("Region").fill("Bohemia")
    one.get_by_role("button", name="Save").click()
    expect(one.get_by_role("heading", level=1)).to_have_text("Somebody else changed this, too")
    clash = one.locator(".clash")
    expect(clash).to_have_count(1)
    expect(clash).to_contain_text("Mona Manager changed it")
    expect(clash).to_contain_text("Vienna")
    clash.get_by_label("Take yours").check()
    one.get_by_role("button", name="Save this").click()
    for text in ("Prague", "Bohemia", "fifty.example"):
        expect(one.locator(".details").get_by_text(text)).to_be_visible()


def test_two_people_edit_different_fields(visit):
    one, other = visit("rep"), visit("manager")
    for window in (one, other):
        open_record(window, "Company 51")
        window.get_by_role("link", name="Edit").click()
    other.get_by_label("City").fill("Vienna")
    other.get_by_role("button", name="Save").click()
    expect(other.locator(".notice")).to_contain_text("was saved")
    one.get_by_label("Region").fill("Bohemia")
    one.get_by_role("button", name="Save").click()
    expect(one.locator(".notice").nth(1)).to_contain_text("City (Mona Manager)")
    for text in ("Vienna", "Bohemia"):
        expect(one.locator(".details").get_by_text(text)).to_be_visible()


def test_a_day_without_a_mouse(visit):
    page = visit("")
    page.goto("/")
    page.keyboard.type("rep@example.com")
    page.keyboard.press("Tab")
    page.keyboard.type("correct horse battery")
    page.keyboard.press("Enter")
    page.wait_for_url("**/")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Rob")
    page.wait_for_load_state()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.keyboard.press("/")
    page.keyboard.type("company 60")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("company 60")
    page.wait_for_load_state()
    page.keyboard.press("Control+k")
    page.keyboard.type("company 60")
    expect(page.get_by_role("option", name="Company 60")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Company 60")
    page.wait_for_load_state()
    page.keyboard.press("e")
    expect(page.get_by_role("heading", level=1)).to_have_text("Edit Company 60")
    page.wait_for_load_state()
    page.get_by_label("City").focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("Tromsø")
    page.keyboard.press("Control+s")
    expect(page.locator(".details").get_by_text("Tromsø")).to_be_visible()
    page.wait_for_load_state()
    page.keyboard.press("Control+k")
    page.keyboard.type("new deal")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("New deal")


def test_an_activity_is_done_from_the_home_page(page):
    page.goto("/")
    row = page.locator(".task", has_text="Call them back")
    expect(row).to_contain_text("yesterday")
    row.get_by_role("button", name="Done").click()
    expect(page.locator(".notice")).to_contain_text("Done")
    expect(page.locator(".task", has_text="Call them back")).to_have_count(0)


def test_several_records_are_edited_and_deleted_together(visit):
    page = visit("admin")
    page.goto("/e/party?q=company+6&sort=name")
    for number in (61, 62):
        page.get_by_role("checkbox", name=f"Select Company {number}").check()
    expect(page.locator("[data-bulk-count]")).to_have_text("2")
    page.get_by_role("button", name="Edit a field").click()
    page.get_by_label("Which field?").select_option("Rating")
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("Rating").select_option("A")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".notice")).to_contain_text("Rating of 2 parties changed")
    page.get_by_role("checkbox", name="Select all on this page").check()
    page.get_by_role("checkbox", name="Select Company 60").uncheck()
    for number in range(63, 70):
        page.get_by_role("checkbox", name=f"Select Company {number}").uncheck()
    for number in (6, 16, 26, 36, 46, 56):
        box = page.get_by_role("checkbox", name=f"Select Company {number:02d}")
        if box.count():
            box.uncheck()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Delete 2 parties?")
    page.get_by_role("button", name="Delete").click()
    expect(page.locator(".notice")).to_contain_text("2 parties deleted")
    page.goto("/e/party/trash")
    page.locator(".row-list li", has_text="Company 61").get_by_role("button", name="Restore").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Company 61")


def test_without_javascript_a_deal_is_made_and_lost(visit):
    page = visit("", java_script_enabled=False)
    sign_in(page, "rep")
    page.goto("/e/deal/new")
    page.get_by_label("Name").fill("Made by hand")
    page.get_by_role("textbox", name="Customer").fill("company")
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.locator("#f-customer-error")).to_contain_text("Several Parties fit")
    page.get_by_role("textbox", name="Customer").fill("Company 13")
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Made by hand")
    page.get_by_role("link", name="Lose").click()
    page.get_by_label("Lost reason").select_option("Timing")
    page.get_by_label("Lost note").fill("Next year")
    page.get_by_role("button", name="Lose").click()
    expect(page.locator(".step-here")).to_have_text("Lost")
    page.goto("/e/deal")
    page.get_by_label("Search deals").fill("by hand")
    page.get_by_label("Search deals").press("Enter")
    expect(page.locator(".list-count")).to_contain_text("1 deal")
