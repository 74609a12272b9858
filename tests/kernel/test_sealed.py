"""Secrets and encrypted texts: not in the database, not in the history, not in answers; keys are changed and lost."""

from __future__ import annotations

import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from xrm import api, web
from xrm.builtin.people.accounts import Client
from xrm.builtin.transfer.exporting import export_csv, export_json_lines
from xrm.errors import Invalid, ModelError
from xrm.http import application
from xrm.kernel.change import SYSTEM
from xrm.kernel.query import Query
from xrm.kernel.store.store import Store
from xrm.kernel.totals import Totals
from xrm.kernel.vault import Vault
from xrm.settings import load_settings
from xrm.testing import TestSite, make_site, site_settings

BOX = """
entity: box
label: "{name}"
search: [name]
fields:
  name: {type: text, unique: true}
  token: {type: secret, class: internal}
  note: {type: encrypted_text, max: 40}
checks:
  - {when: "name == 'needs'", require: "token != null", message: It needs a token.}
"""
FILES = {"entities/box.yaml": BOX}
SECRET, NOTE = "s3cr3t-hunter-2", "born in Ünterwössen"
HOST = "http://localhost"
OLD, NEW = "an old key of forty characters, or more…", "a new key of forty characters, or more…!"


@pytest.fixture
async def site(tmp_path: Path, database_url: str) -> AsyncIterator[TestSite]:
    async with make_site(tmp_path, database_url, FILES) as made:
        yield made


async def _everything(store: Store) -> str:
    """Return all that the database holds of records, changes and answers, as text."""
    found = ""
    for table in ("box", "xrm_change", "xrm_changeset", "xrm_idempotency"):
        found += repr([tuple(row) for row in await store.fetch(f'SELECT * FROM "{table}"', [])])
    return found


async def test_what_is_sealed_is_nowhere_in_the_database(site: TestSite) -> None:
    made = await site.system.create("box", {"name": "A", "token": SECRET, "note": NOTE})
    assert (made["token"], made["note"]) == ({"set": True}, NOTE)
    await site.system.update("box", UUID(made["id"]), {"note": NOTE + "!", "token": SECRET + "!"})
    kept = await _everything(site.kernel.store)
    assert "xrm1." in kept
    assert SECRET not in kept
    assert "nterw" not in kept


async def test_the_history_and_every_list_tell_no_secret(site: TestSite) -> None:
    made = await site.system.create("box", {"name": "A", "token": SECRET, "note": NOTE})
    history = await site.records.history(SYSTEM, "box", UUID(made["id"]))
    assert history[0]["after"]["token"] == {"set": True}
    assert history[0]["after"]["note"] == NOTE
    page = await site.records.list(SYSTEM, "box", Query())
    lines = "".join([piece async for piece in export_json_lines(site.kernel, SYSTEM, "box", Query())])
    table = "".join([piece async for piece in export_csv(site.kernel, SYSTEM, "box", Query())])
    for text in (json.dumps([*page.records, *history], default=str), lines, table):
        assert SECRET not in text
        assert "xrm1." not in text
        assert "nterw" in text
    assert "token" not in table.partition("\r\n")[0]
    with pytest.raises(Invalid):
        _ = [piece async for piece in export_csv(site.kernel, SYSTEM, "box", Query(fields=("token",)))]


async def test_unchanged_values_are_seen_as_unchanged_and_what_was_read_may_be_sent_back(site: TestSite) -> None:
    made = await site.system.create("box", {"name": "A", "token": SECRET, "note": NOTE})
    id = UUID(made["id"])
    for sent in ({"token": SECRET}, {"note": NOTE}, {"token": {"set": True}}, {"note": {"lost": True}}):
        assert (await site.system.update("box", id, sent))["version"] == 1, sent
    cleared = await site.system.update("box", id, {"token": None})
    assert (cleared["token"], cleared["version"]) == (None, 2)
    with pytest.raises(Invalid, match="needs a token"):
        await site.system.create("box", {"name": "needs", "token": {"set": True}})
    await site.system.create("box", {"name": "needs", "token": SECRET})


async def test_sealed_values_are_not_compared_sorted_by_or_added_up(site: TestSite) -> None:
    await site.system.create("box", {"name": "A", "token": SECRET, "note": NOTE})
    for query in (Query(f"note == '{NOTE}'"), Query(sort=("note",)), Query("token.contains('s')")):
        with pytest.raises(Invalid):
            await site.records.list(SYSTEM, "box", query)
    for totals in (Totals(("note",)), Totals((), ("max(token)",))):
        with pytest.raises(Invalid):
            await site.records.aggregate(SYSTEM, "box", totals)
    assert len((await site.records.list(SYSTEM, "box", Query("note != null && token != null"))).records) == 1
    with pytest.raises(Invalid) as caught:
        await site.system.create("box", {"note": "x" * 41})
    assert [(i.path, i.code) for i in caught.value.issues] == [("note", "too_long")]


async def test_keys_are_changed_and_a_lost_one_breaks_no_list(tmp_path: Path, database_url: str) -> None:
    async with make_site(tmp_path, database_url, FILES, secret_key=(OLD,)) as site:
        made = await site.system.create("box", {"name": "A", "token": SECRET, "note": NOTE})
    id = UUID(made["id"])
    async with make_site(tmp_path, database_url, FILES, secret_key=(NEW, OLD)) as site:
        assert (await site.records.get(SYSTEM, "box", id))["note"] == NOTE
        other = await site.system.create("box", {"name": "B", "note": NOTE})
    async with make_site(tmp_path, database_url, FILES, secret_key=(NEW,)) as site:
        page = await site.records.list(SYSTEM, "box", Query(sort=("name",)))
        assert [r["note"] for r in page.records] == [{"lost": True}, NOTE]
        assert (await site.records.history(SYSTEM, "box", id))[0]["after"]["note"] == {"lost": True}
        kept = await site.system.update("box", id, {"name": "A2", "note": {"lost": True}})
        assert kept["note"] == {"lost": True}
        assert not (tmp_path / "xrm.key").exists()
    async with make_site(tmp_path, database_url, FILES, secret_key=(OLD, NEW)) as site:  # the key is found again
        notes = {r["id"]: r["note"] for r in (await site.records.list(SYSTEM, "box", Query())).records}
        assert notes == {str(id): NOTE, other["id"]: NOTE}


async def test_a_key_is_made_beside_the_database_for_its_owner_alone(site: TestSite) -> None:
    assert not site.kernel.settings.key_file.exists()  # only when one is needed
    await site.system.create("box", {"note": NOTE})
    file = site.kernel.settings.key_file
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(file.read_text().strip()) > 64


def test_a_token_opens_only_with_its_key_and_for_its_purpose(tmp_path: Path) -> None:
    vault = Vault((OLD,), tmp_path / "none")
    token = vault.seal(NOTE, "encrypted_text")
    assert vault.open(token, "encrypted_text") == NOTE
    assert vault.open(token, "secret") is None
    assert vault.open(token[:-3] + "AAA", "encrypted_text") is None
    assert vault.open("xrm1.0123456789ab.AAAA", "secret") is None
    assert vault.open(NOTE, "secret") is None
    assert Vault((NEW,), tmp_path / "none").open(token, "encrypted_text") is None
    assert OLD not in repr(vault)


def test_a_short_key_is_refused_and_no_key_is_shown(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        load_settings(tmp_path, {"XRM_SECRET_KEY": "short"})
    assert [i.path for i in caught.value.issues] == ["secret_key"]
    assert OLD not in repr(site_settings(tmp_path, "sqlite:///x.db", secret_key=(OLD,)))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{type: secret, unique: true}", "option_not_for_type"),
        ("{type: secret, default: a}", "option_not_for_type"),
        ("{type: encrypted_text, index: true}", "option_not_for_type"),
        ("{type: encrypted_text, formula: name}", "option_not_for_type"),
    ],
)
async def test_what_would_reveal_it_is_refused(tmp_path: Path, database_url: str, text: str, code: str) -> None:
    box = BOX.replace("{type: secret, class: internal}", text)
    with pytest.raises(ModelError) as caught:
        async with make_site(tmp_path, database_url, {"entities/box.yaml": box}):
            pass
    assert code in [i.code for i in caught.value.issues]
    for line in ('label: "{token}"', 'label: "{name}"\nsearch: [token]'):
        wrong = BOX.replace('label: "{name}"\nsearch: [name]', line)
        with pytest.raises(ModelError) as caught:
            async with make_site(tmp_path, database_url, {"entities/box.yaml": wrong}):
                pass
        assert "wrong_field" in [i.code for i in caught.value.issues]


async def test_a_secret_is_of_class_secret_unless_it_says_otherwise(tmp_path: Path, database_url: str) -> None:
    async with make_site(tmp_path, database_url, {"entities/box.yaml": BOX.replace(", class: internal", "")}) as site:
        assert site.kernel.model.entities["box"].fields["token"].field_class == "secret"


async def _person(site: TestSite) -> dict[str, Any]:
    person = await site.person("Ann", "admin")
    assert person.id is not None
    await site.accounts.set_password(person.id, "a long enough one")
    token, _ = await site.accounts.sign_in(str(person.user["email"]), "a long enough one", Client("127.0.0.1", "F/1"))
    return {"key": await site.key(person), "session": token}


async def test_a_form_shows_no_secret_and_keeps_it_when_nothing_is_typed(site: TestSite) -> None:
    made = await site.system.create("box", {"name": "A", "token": SECRET, "note": NOTE})
    known = await _person(site)
    transport = httpx.ASGITransport(application(site.site, web.routes(site.site)))
    async with httpx.AsyncClient(transport=transport, base_url=HOST, headers={"origin": "http://localhost"}) as client:
        client.cookies.set("xrm_session", known["session"])
        page = (await client.get(f"/e/box/{made['id']}/edit")).text
        assert SECRET not in page
        assert "xrm1." not in page
        assert 'type="password"' in page
        assert NOTE in page
        csrf = page.partition('name="_csrf" value="')[2].partition('"')[0]
        shown = page.partition('name="_fields" value="')[2].partition('"')[0]
        sent = {
            "_csrf": csrf,
            "_version": "1",
            "_fields": shown,
            "name": "A2",
            "note": NOTE,
            "token": "",
            "token.kept": "set",
        }
        answer = await client.post(f"/e/box/{made['id']}/edit", data=sent)
        assert answer.status_code == 303, answer.text
        after = await site.records.get(SYSTEM, "box", UUID(made["id"]))
        assert (after["name"], after["token"], after["version"]) == ("A2", {"set": True}, 2)
        answer = await client.post(f"/e/box/{made['id']}/edit", data={**sent, "_version": "2", "token.clear": "true"})
        assert (await site.records.get(SYSTEM, "box", UUID(made["id"])))["token"] is None


async def test_an_answer_kept_for_a_repeated_request_is_sealed_too(site: TestSite) -> None:
    known = await _person(site)
    headers = {"authorization": f"Bearer {known['key']}", "idempotency-key": "once"}
    transport = httpx.ASGITransport(application(site.site, api.routes(site.site)))
    async with httpx.AsyncClient(transport=transport, base_url=HOST) as client:
        sent = {"name": "A", "token": SECRET, "note": NOTE}
        first = await client.post("/api/box", json=sent, headers=headers)
        again = await client.post("/api/box", json=sent, headers=headers)
        assert first.status_code == again.status_code == 201, first.text
        assert first.json() == again.json()
        assert again.headers["idempotency-replayed"] == "true"
        assert SECRET not in first.text
        document = (await client.get("/openapi.json", headers=headers)).text
        assert SECRET not in document
    kept = await _everything(site.kernel.store)
    assert "nterw" not in kept
    assert SECRET not in kept


async def test_a_text_does_not_become_encrypted_by_a_word_in_the_file_nor_the_other_way(site: TestSite) -> None:
    await site.system.create("box", {"name": "A", "note": NOTE})
    plain = BOX.replace("{type: encrypted_text, max: 40}", "text")
    sealed = BOX.replace("{type: text, unique: true}", "encrypted_text").replace(
        'label: "{name}"\nsearch: [name]\n', ""
    )
    for changed in (plain, sealed.partition("checks:")[0]):
        text = changed.replace('label: "{name}"\n', "").replace("entity: box\n", 'entity: box\nlabel: "{id}"\n', 1)
        with pytest.raises(ModelError, match="cannot become"):
            await site.apply({"entities/box.yaml": text})
