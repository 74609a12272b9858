"""Addresses: written as their country does, judged where the country is sure, doubted where it needs more."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from xrm.kernel.change import SYSTEM
from xrm.kernel.fieldtypes.addresses import written
from xrm.kernel.fieldtypes.countries import countries
from xrm.kernel.query import Query
from xrm.kernel.values import asked
from xrm.metadata.model import Field
from xrm.testing import make_site
from xrm.web.forms import Entry
from xrm.web.show import Show

FIELD = Field("home", "address", "Home")
SHOP = """
entity: shop
label: "{home}"
search: [home]
fields: {name: text, home: {type: address, required: true}}
"""


@pytest.mark.parametrize(
    ("value", "lines"),
    [
        (
            {"street": "Hof 1", "postal_code": "10115", "city": "Berlin", "country": "DE"},
            ("Hof 1", "10115 Berlin", "Germany"),
        ),
        (
            {"street": "1 Main St\nApt 2", "postal_code": "94105", "city": "San Jose", "region": "CA", "country": "US"},
            ("1 Main St", "Apt 2", "San Jose, CA 94105", "United States"),
        ),
        ({"city": "San Jose", "postal_code": "94105", "country": "US"}, ("San Jose 94105", "United States")),
        ({"city": "Bern", "postal_code": "3001", "country": "CH"}, ("CH-3001 Bern", "Switzerland")),
        ({"city": "Bern", "country": "CH"}, ("Bern", "Switzerland")),
        (
            {"street": "千代田1-1", "region": "東京都", "postal_code": "100-0001", "country": "JP"},
            ("〒100-0001", "東京都", "千代田1-1", "Japan"),
        ),
        ({"city": "Berlin", "region": "Mitte", "country": "DE"}, ("Berlin", "Mitte", "Germany")),
        ({"street": "1 Rue", "city": "Paris"}, ("1 Rue", "Paris")),
        ({}, ()),
    ],
)
def test_an_address_is_written_as_its_country_does(value: dict[str, str], lines: tuple[str, ...]) -> None:
    assert written(value) == lines


def test_every_country_has_a_name_and_takes_its_own_example() -> None:
    assert len(countries()) > 240
    for country in countries().values():
        assert country.name[0].isupper()
        assert not country.name.isupper()
        assert not country.postal_code or not country.example or country.postal_code.fullmatch(country.example)


def test_a_form_asks_in_the_order_of_the_country_and_by_names() -> None:
    assert [p.name for p in asked(FIELD, {"country": "JP"})] == ["postal_code", "region", "street", "city", "country"]
    assert [p.name for p in asked(FIELD, {"country": "US"})] == ["street", "city", "region", "postal_code", "country"]
    inputs = {i.name: i for i in Entry(FIELD, {"home.country": "US"}).parts}
    assert ("DE", "Germany") in inputs["home.country"].choices
    assert inputs["home"].kind == "lines"


async def test_addresses_are_found_doubted_and_searched(tmp_path: Path, database_url: str) -> None:
    async with make_site(tmp_path, database_url, {"entities/shop.yaml": SHOP}) as site:
        whole = {"street": "Hof 1", "postal_code": "10115", "city": "Köln", "country": "DE"}
        made = await site.system.create("shop", {"home": whole})
        assert made["label"] == "Hof 1, 10115 Köln, Germany"
        async with site.records.act(SYSTEM) as act:
            await site.system.update("shop", UUID(made["id"]), {"home": {**whole, "city": "Bonn"}})
            await site.system.update("shop", UUID(made["id"]), {"home": whole})
            await site.system.create("shop", {"home": {"city": "Köln", "country": "DE"}})
        warnings = [issue for change in act.changes.changes for issue in change.warnings]
        assert [(i.path, i.code) for i in warnings] == [
            ("home.street", "incomplete_address"),
            ("home.postal_code", "incomplete_address"),
        ]
        query = Query("home.city == 'Köln' && home.street != null", search="koln hof", sort=("home.city",))
        assert [r["id"] for r in (await site.records.list(SYSTEM, "shop", query)).records] == [made["id"]]
        show = Show(site.kernel.model, ZoneInfo("UTC"))
        field = site.kernel.model.entities["shop"].fields["home"]
        assert str(show.rich(field, {"street": "<b>", "country": "DE"})) == "&lt;b&gt;<br>Germany"
        assert show.part(field, "country", "DE") == "Germany"
