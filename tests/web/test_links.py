"""Relations to many on pages: shown, chosen, typed without JavaScript, filtered by."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.web.conftest import Pages, text_of
from xrm import web
from xrm.http import application
from xrm.testing import make_site

FILES = {
    "entities/deal.yaml": """
entity: deal
label: "{name}"
fields:
  name: {type: text, required: true}
  competitors:
    type: relation
    to: party
    many: true
    inverse: competes_in
    through: {entity: deal_competitor, fields: {note: text}}
views:
  list: {columns: [name, competitors], filters: [competitors]}
---
entity: party
label: "{name}"
search: [name]
fields: {name: {type: text, required: true}}
---
entity: place
label: "{name}"
fields:
  name: text
  parent: {type: relation, to: place, hierarchy: true, inverse: parts}
---
entity: bond
label: "{kind}"
fields:
  kind: text
  back: text
  one: {type: relation, to: place, inverse: bonds}
  other: {type: relation, to: place, inverse: bound_by}
views:
  list: {columns: [kind, one, other]}
  bound_by: {kind: list, title: Bound by, columns: [back, one]}
---
role: clerk
grants: [{entity: "*", actions: ["*"]}]
"""
}


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[Pages]:
    async with make_site(tmp_path, f"sqlite:///{tmp_path}/site.db", FILES) as site:
        found = Pages(site, application(site.site, web.routes(site.site)))
        async with found.stack:
            yield found


async def test_links_show_on_the_record_on_the_list_and_on_the_other_side(pages: Pages) -> None:
    acme = await pages.make("party", name="Acme & Co")
    deal = await pages.make("deal", name="Big", competitors=[{"id": acme["id"], "note": "<cheap>"}])
    page = await pages.get(f"/e/deal/{deal['id']}")
    assert f'<a href="/e/party/{acme["id"]}">Acme &amp; Co</a>' in page.text
    link = deal["competitors"][0]["link"]["id"]
    assert f'href="/e/deal_competitor/{link}">(&lt;cheap&gt;)</a>' in page.text
    assert "Acme & Co" in text_of(await pages.get("/e/deal"))
    assert f'<a href="/e/deal/{deal["id"]}">Big</a>' in (await pages.get(f"/e/party/{acme['id']}")).text


async def test_a_form_adds_what_is_typed_and_takes_away_what_is_unticked(pages: Pages) -> None:
    a, b = [(await pages.make("party", name=n))["id"] for n in ("Acme", "Bolt")]
    made = await pages.post(
        "/e/deal/new", {"_fields": "name,competitors", "name": "D", "competitors.text": "acme; Bolt"}
    )
    assert made.status_code == 303, text_of(made)
    id = made.headers["location"].rsplit("/", 1)[1]
    assert [c["label"] for c in (await pages.read("deal", id))["competitors"]] == ["Acme", "Bolt"]
    form = (await pages.get(f"/e/deal/{id}/edit")).text
    assert re.findall(r'name="competitors" value="([^"]+)" checked', form) == [a, b]
    assert f'name="competitors.was" value="{a},{b}"' in form
    cora = (await pages.make("party", name="Cora"))["id"]
    await pages.site.system.update("deal", id, {"competitors": {"add": [cora]}})  # somebody else, meanwhile
    sent = {
        "_fields": "name,competitors",
        "name": "D",
        "competitors": [b],
        "competitors.was": f"{a},{b}",
        "_version": "1",
    }
    saved = await pages.post(f"/e/deal/{id}/edit", sent)
    assert saved.status_code == 303, text_of(saved)
    assert [c["label"] for c in (await pages.read("deal", id))["competitors"]] == ["Bolt", "Cora"]


async def test_a_name_that_fits_none_or_several_is_asked_about_and_nothing_typed_is_lost(pages: Pages) -> None:
    a, b = [(await pages.make("party", name=n))["id"] for n in ("Acme North", "Acme South")]
    (c,) = [(await pages.make("party", name=n))["id"] for n in ("Bolt",)]
    sent = {"_fields": "name,competitors", "name": "D", "competitors": [c], "competitors.text": "Acme; Nobody; "}
    answer = await pages.post("/e/deal/new", sent)
    assert answer.status_code == 422
    shown = text_of(answer)
    assert "Several Parties fit 'Acme'." in shown
    assert "Bolt" in shown
    assert 'value="Acme; Nobody"' in answer.text
    offered = re.findall(r'type="checkbox" name="competitors" value="([^"]+)"', answer.text)
    assert sorted(offered) == sorted([a, b, c])
    assert (await pages.site.system.count("deal")).value == 0


async def test_a_list_is_narrowed_by_records_linked_to(pages: Pages) -> None:
    a, b = [(await pages.make("party", name=n))["id"] for n in ("Acme", "Bolt")]
    for name, party in (("One", a), ("Two", b)):
        await pages.make("deal", name=name, competitors=[party])
    shown = text_of(await pages.get(f"/e/deal?f.competitors={a}", part=True))
    assert "One" in shown
    assert "Two" not in shown


async def test_a_record_of_a_hierarchy_shows_the_way_from_the_top(pages: Pages) -> None:
    top = await pages.make("place", name="Top & Co")
    mid = await pages.make("place", name="Mid", parent=top["id"])
    low = await pages.make("place", name="Low", parent=mid["id"])
    page = await pages.get(f"/e/place/{low['id']}")
    assert "Places Top & Co Mid Low" in text_of(page)
    assert f'<li><a href="/e/place/{top["id"]}">Top &amp; Co</a></li>' in page.text
    shown = text_of(await pages.get(f"/e/place?filter=under(parent, '{top['id']}')", part=True))
    assert "Low" in shown
    assert "Mid" in shown
    sent = {"_fields": "name,parent", "name": "Top & Co", "parent": low["id"], "_version": "1"}
    refused = await pages.post(f"/e/place/{top['id']}/edit", sent)
    assert refused.status_code == 422
    assert "the record would be above itself" in text_of(refused)


async def test_the_dialog_tells_what_goes_along_with_a_deleted_record(pages: Pages) -> None:
    acme = await pages.make("party", name="Acme & Co")
    deal = await pages.make("deal", name="Big", competitors=[acme["id"]])
    asked = await pages.get(f"/e/deal/{deal['id']}/delete", part=True)
    assert "Goes along: 1 Deal competitors ( Big – Acme & Co )" in text_of(asked)
    assert "It goes to the trash" in text_of(asked)
    top = await pages.make("place", name="Top")
    await pages.make("place", name="Low", parent=top["id"])
    held = await pages.get(f"/e/place/{top['id']}/delete", part=True)
    assert "It cannot be deleted" in text_of(held)
    assert "Needed by: 1 Places ( Low )" in text_of(held)
    assert "btn-danger" not in held.text


async def test_a_view_called_like_the_inverse_says_how_its_list_looks(pages: Pages) -> None:
    a, b = [(await pages.make("place", name=n))["id"] for n in "AB"]
    await pages.make("bond", kind="Parent of", back="Child of", one=a, other=b)
    one, other = [text_of(await pages.get(f"/e/place/{id}")) for id in (a, b)]
    assert "Parent of" in one
    assert "Child of" not in one
    assert "Bound by 1" in other
    assert "Child of A" in other
    assert "Parent of" not in other


async def test_a_list_is_narrowed_to_records_without_links(pages: Pages) -> None:
    party = (await pages.make("party", name="Acme"))["id"]
    await pages.make("deal", name="With", competitors=[party])
    await pages.make("deal", name="Alone")
    shown = text_of(await pages.get("/e/deal?f.competitors=none", part=True))
    assert "Alone" in shown
    assert "With" not in shown
