"""The dialog of a record's shares."""

from __future__ import annotations

import pytest

from tests.web.conftest import text_of

ROLES = """
role: lender
grants:
  - {entity: machine, actions: [read, create, update, share], rows: own}
  - {entity: user, actions: [read]}
---
role: borrower
grants: [{entity: user, actions: [read]}]
"""


@pytest.fixture
async def machine(pages):
    await pages.site.apply({"entities/lender.yaml": ROLES})
    for person in ("lender", "borrower"):
        await pages.client(person)
    return await pages.make("machine", name="Drill", place="Hall", margin="3", owner=str(pages.actor("lender").id))


async def test_a_record_is_shared_from_its_page_and_taken_back(pages, machine):
    url = f"/e/machine/{machine['id']}"
    assert f'href="{url}/shares"' in (await pages.get(url, "lender")).text
    assert f'href="{url}/shares"' not in (await pages.get(url)).text
    assert (await pages.get(url, "borrower")).status_code == 404
    shown = await pages.get(f"{url}/shares", "lender", part=True)
    assert "May change" in shown.text
    assert "delete and share" not in text_of(shown)  # a level the lender does not hold
    form = {"_fields": "person,team,level,expires_at,reason,fields", "person": str(pages.actor("borrower").id)}
    told = await pages.post(f"{url}/shares", {**form, "level": "update", "reason": "On loan"}, "lender")
    assert (told.status_code, told.headers["location"]) == (303, url)
    after = text_of(await pages.get(f"{url}/shares", "lender"))
    assert "borrower May change · On loan" in after
    seen = await pages.get(url, "borrower")
    assert "Drill" in seen.text
    assert f'href="{url}/shares"' not in seen.text
    assert (await pages.get(f"{url}/shares", "borrower")).status_code == 403
    share = (await pages.site.system.list("share")).records[0]["id"]
    assert (await pages.post(f"{url}/shares/{share}/end", {}, "borrower")).status_code == 403
    assert (await pages.post(f"{url}/shares/{share}/end", {}, "lender")).status_code == 303
    assert (await pages.get(url, "borrower")).status_code == 404


async def test_what_is_refused_is_said_where_it_arose(pages, machine):
    url = f"/e/machine/{machine['id']}/shares"
    form = {"_fields": "person,team,level,expires_at,reason,fields", "level": "read", "reason": "Kept as typed"}
    nobody = await pages.post(url, form, "lender", part=True)
    assert nobody.status_code == 422
    assert "Say with whom it is shared." in nobody.text
    assert 'value="Kept as typed"' in nobody.text
    person = {"person": str(pages.actor("borrower").id)}
    higher = await pages.post(url, {**form, **person, "level": "full"}, "lender")
    assert higher.status_code == 403
    assert "more than you hold" in text_of(higher)
    past = await pages.post(url, {**form, **person, "expires_at": "2001-01-01T10:00"}, "lender", part=True)
    assert (past.status_code, "This time is past." in past.text) == (422, True)
    few = {**form, **person, "fields": "name"}
    assert (await pages.post(url, few, "lender")).status_code == 303
    assert "only Name" in text_of(await pages.get(url, "lender"))
    assert "Hall" not in (await pages.get(f"/e/machine/{machine['id']}", "borrower")).text
