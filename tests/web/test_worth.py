"""Amounts that are also kept in the site's currency show what they are worth there; lists offer parts as columns."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.web.conftest import FILES, Pages, text_of

BASED = FILES["entities/machine.yaml"].replace("price: {type: money,", "price: {type: money, base: true,")


RATES = (Path(__file__).parents[2] / "entities" / "currency_rate.yaml").read_text("utf-8")


@pytest.fixture
async def shop(pages: Pages) -> Pages:
    await pages.site.apply({"entities/machine.yaml": BASED, "entities/currency_rate.yaml": RATES})
    await pages.make("currency_rate", currency="USD", date="2026-01-01", rate="0.5")
    return pages


async def test_an_amount_shows_its_worth(shop: Pages):
    machine = await shop.make("machine", name="A", price={"amount": "10.00", "currency": "USD"})
    assert "$10.00 (€5.00)" in text_of(await shop.get(f"/e/machine/{machine['id']}"))
    assert "$10.00 (€5.00)" in text_of(await shop.get("/e/machine"))
    own = await shop.make("machine", name="B", price={"amount": "3.00", "currency": "EUR"})
    assert "€3.00 (" not in text_of(await shop.get(f"/e/machine/{own['id']}"))


async def test_a_board_adds_up_what_amounts_are_worth_together(shop: Pages):
    await shop.make("machine", name="A", price={"amount": "10.00", "currency": "USD"})
    await shop.make("machine", name="B", price={"amount": "3.00", "currency": "EUR"})
    assert "€3 · $10 · together €8" in text_of(await shop.get("/e/machine/board"))
    await shop.make("machine", name="C", price={"amount": "3.00", "currency": "JPY"})  # no rate: nothing is claimed
    assert "together" not in text_of(await shop.get("/e/machine/board"))


async def test_parts_are_offered_as_columns(shop: Pages):
    await shop.make("machine", name="A", price={"amount": "10.00", "currency": "USD"})
    page = await shop.get("/e/machine")
    assert 'value="price.currency"' in page.text
    assert 'value="customer.entity"' not in page.text
    chosen = await shop.get("/e/machine?cols=name&cols=price.currency&cols=price.base")
    text = text_of(chosen)
    assert "Price: currency" in text
    assert "USD" in text
