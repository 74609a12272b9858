"""Dependent choices, json with a schema, and fields that name a user or a team."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from xrm import web
from xrm.builtin.people.accounts import Client
from xrm.errors import Invalid, ModelError
from xrm.http import application
from xrm.kernel.query import Query
from xrm.metadata.explain import explain
from xrm.testing import TestSite, make_site

PLACE = """
entity: place
label: "{name}"
fields:
  name: text
  country: {type: choice, choices: {DE: Germany, AT: Austria, CH: Switzerland}}
  region:
    type: choice
    depends_on: country
    choices:
      - {name: bavaria, when: [DE]}
      - {name: alps, title: The Alps, when: [AT, CH]}
      - {name: other}
  offers: {type: choices, depends_on: country, choices: [{name: visit, when: DE}, {name: call}]}
  extra:
    type: json
    schema:
      type: object
      required: [size]
      properties:
        size: {$ref: "#/$defs/size"}
        code: {type: string, pattern: "^[a-z]+$"}
        list: {type: array, items: {type: integer}}
      $defs: {size: {type: integer, minimum: 1}}
  keeper: {type: user, default: $user.id}
  crew: team
  judge: {type: user, required: true, default: $user.id}
"""

EASY = PLACE.replace(", required: true", "")


@pytest.fixture
async def site(tmp_path: Path, database_url: str) -> AsyncIterator[TestSite]:
    async with make_site(tmp_path, database_url, {"entities/place.yaml": EASY}) as made:
        yield made


def _codes(caught: pytest.ExceptionInfo[Invalid]) -> list[tuple[str, str]]:
    return [(i.path, i.code) for i in caught.value.issues]


async def test_a_dependent_choice_fits_what_it_depends_on(site: TestSite) -> None:
    made = await site.system.create("place", {"country": "AT", "region": "alps"})
    id = UUID(made["id"])
    with pytest.raises(Invalid) as caught:
        await site.system.create("place", {"country": "DE", "region": "alps"})
    assert _codes(caught) == [("region", "choice_does_not_fit")]
    assert caught.value.issues[0].message == "The Alps does not fit Country."
    assert caught.value.issues[0].hint == "one of bavaria, other"
    with pytest.raises(Invalid) as caught:
        await site.system.create("place", {"region": "alps"})
    assert _codes(caught) == [("region", "choice_does_not_fit")]
    with pytest.raises(Invalid) as caught:
        await site.system.update("place", id, {"country": "DE"})  # makes the region wrong
    assert _codes(caught) == [("region", "choice_does_not_fit")]
    with pytest.raises(Invalid) as caught:
        await site.system.create("place", {"country": "AT", "offers": ["call", "visit"]})
    assert _codes(caught) == [("offers", "choice_does_not_fit")]
    await site.system.update("place", id, {"country": "DE", "region": "bavaria", "offers": ["visit", "call"]})
    await site.system.update("place", id, {"country": None, "region": "other", "offers": ["call"]})


async def test_what_fits_is_not_told_to_those_who_may_not_know(site: TestSite) -> None:
    await site.apply(
        {
            "entities/place.yaml": PLACE.replace("{type: choice, choices", "{type: choice, class: special, choices"),
            "entities/role.yaml": "role: clerk\ngrants: [{entity: place, actions: [read, create, update], "
            "fields: {read: [internal], write: [internal]}}]\n",
        }
    )
    clerk = await site.person("Clerk", "clerk")
    made = await site.system.create("place", {"country": "DE", "judge": str(clerk.id)})
    with pytest.raises(Invalid) as caught:
        await site.records.update(clerk, "place", UUID(made["id"]), {"region": "alps"})
    assert [(i.code, i.hint) for i in caught.value.issues] == [("choice_does_not_fit", "")]


async def test_a_record_that_came_to_be_wrong_by_the_model_may_be_changed_elsewhere(site: TestSite) -> None:
    made = await site.system.create("place", {"country": "AT", "region": "alps"})
    await site.apply({"entities/place.yaml": EASY.replace("when: [AT, CH]", "when: [CH]")})
    await site.system.update("place", UUID(made["id"]), {"name": "New"})
    with pytest.raises(Invalid):
        await site.system.update("place", UUID(made["id"]), {"country": "DE"})


async def test_a_form_offers_only_what_fits(site: TestSite) -> None:
    person = await site.person("Ann", "admin")
    assert person.id is not None
    await site.accounts.set_password(person.id, "a long enough one")
    token, _ = await site.accounts.sign_in(str(person.user["email"]), "a long enough one", Client("127.0.0.1", "F/1"))
    made = await site.system.create("place", {"country": "AT", "region": "alps"})
    transport = httpx.ASGITransport(application(site.site, web.routes(site.site)))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        client.cookies.set("xrm_session", token)
        page = (await client.get(f"/e/place/{made['id']}/edit")).text
        select = page[page.index('<select class="form-select" id="f-region"') :].partition("</select>")[0]
        assert re.findall(r'<option value="(\w*)"', select) == ["", "alps", "other"]
        assert 'data-depends="country"' in select
        assert "bavaria" in select.partition("data-choices")[2].partition(">")[0]  # for the script
        boxes = page[page.index('id="f-offers"') :].partition("</fieldset>")[0]
        assert re.findall(r'name="offers" value="(\w+)"', boxes) == ["call"]
        new = (await client.get("/e/place/new")).text
        select = new[new.index('<select class="form-select" id="f-region"') :].partition("</select>")[0]
        assert re.findall(r'<option value="(\w*)"', select) == ["", "bavaria", "alps", "other"]


async def test_json_fits_its_schema_and_every_fault_names_its_place(site: TestSite) -> None:
    with pytest.raises(Invalid) as caught:
        await site.system.create("place", {"extra": {"size": 0, "code": "A1", "list": [1, "b"]}})
    assert sorted(_codes(caught)) == [(f"extra.{at}", "not_in_schema") for at in ("code", "list.1", "size")]
    with pytest.raises(Invalid) as caught:
        await site.system.create("place", {"extra": {}})
    assert _codes(caught) == [("extra", "not_in_schema")]
    await site.system.create("place", {"extra": {"size": 1, "code": "abc", "list": [1, 2], "more": None}})


@pytest.mark.parametrize(
    ("schema", "code"),
    [
        ("{type: nonsense}", "bad_schema"),
        ("{$ref: 'https://example.com/s.json'}", "bad_schema"),
        ("{$ref: 'file:///etc/passwd'}", "bad_schema"),
        ("{pattern: '(?=a)'}", "bad_schema"),
        ("{$ref: '#/$defs/none'}", "bad_schema"),
        ("{anyOf: [" + ", ".join(["{$ref: '#'}"] * 50) + "]}", "bad_schema"),
        ("7", "wrong_type"),
    ],
)
async def test_a_schema_that_cannot_be_used_is_an_error_with_its_place(
    tmp_path: Path, database_url: str, schema: str, code: str
) -> None:
    text = f'entity: place\nlabel: "{{name}}"\nfields:\n  name: text\n  extra: {{type: json, schema: {schema}}}\n'
    with pytest.raises(ModelError) as caught:
        async with make_site(tmp_path, database_url, {"entities/place.yaml": text}):
            pass
    assert [(i.code, i.path.partition(":")[0]) for i in caught.value.issues] == [(code, "entities/place.yaml")]


async def test_a_pattern_of_a_schema_takes_no_longer_than_the_text(tmp_path: Path, database_url: str) -> None:
    text = "entity: place\nlabel: \"{id}\"\nfields: {extra: {type: json, schema: {pattern: '^(a+)+$'}}}\n"
    async with make_site(tmp_path, database_url, {"entities/place.yaml": text}) as site:
        begun = time.process_time()
        with pytest.raises(Invalid):
            await site.system.create("place", {"extra": "a" * 5000 + "b"})
        assert time.process_time() - begun < 5  # an engine that goes back would need longer than the universe is old


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("    depends_on: country\n", "", "option_conflict"),
        ("depends_on: country\n", "depends_on: county\n", "unknown_field"),
        ("depends_on: country\n", "depends_on: name\n", "option_conflict"),
        ("depends_on: country\n", "depends_on: region\n", "option_conflict"),
        ("when: [DE]", "when: [FR]", "bad_option"),
        ("crew: team", "crew: {type: team, to: unit}", "option_not_for_type"),
        ("name: text", "name: {type: text, depends_on: country}", "option_not_for_type"),
    ],
)
async def test_what_makes_no_sense_is_told_with_its_place(
    tmp_path: Path, database_url: str, old: str, new: str, code: str
) -> None:
    with pytest.raises(ModelError) as caught:
        async with make_site(tmp_path, database_url, {"entities/place.yaml": PLACE.replace(old, new, 1)}):
            pass
    assert code in [i.code for i in caught.value.issues]
    assert all(i.path.startswith("entities/place.yaml:") for i in caught.value.issues)


async def test_a_user_field_is_a_relation_and_is_explained_as_written(site: TestSite) -> None:
    ann = await site.person("Ann", "admin", team="North")
    made = await site.records.create(ann, "place", {"name": "A"})
    assert made["keeper"]["label"] == "Ann"
    fields = site.kernel.model.entities["place"].fields
    assert (fields["keeper"].type, fields["keeper"].to, fields["keeper"].on_delete) == ("relation", ("user",), "clear")
    assert {e.property: e.value for e in explain(site.kernel.model, "place.keeper")}["type"] == "user"
    team = await site.system.find("team", "name == 'North'")
    assert team is not None
    await site.system.update("place", UUID(made["id"]), {"crew": team["id"]})
    await site.apply({"entities/place.yaml": PLACE})
    assert site.kernel.model.entities["place"].fields["judge"].on_delete == "restrict"
    mine = await site.records.list(ann, "place", Query("keeper == user.id"))
    assert len(mine.records) == 1
