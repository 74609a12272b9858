"""What is kept of people: told, reported, erased also from the log, held back, ended when its time is over."""

from __future__ import annotations

import json
import zipfile
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from xrm.builtin.privacy.erasure import erase_person, preview
from xrm.builtin.privacy.processing import missing, processing
from xrm.builtin.privacy.report import report
from xrm.builtin.privacy.retention import due, replay, retain
from xrm.errors import Conflict, Forbidden, ModelError, NotFound
from xrm.kernel.change import SYSTEM
from xrm.kernel.history.audit import verify
from xrm.kernel.query import Query
from xrm.testing import TestSite, make_site

MODEL = """
entity: person
label: "{name}"
privacy:
  subject: "kind == 'human'"
  fields: [name]
  purpose: To answer their letters
  basis: contract
  keep: 365
fields:
  name: {type: text, required: true}
  kind: {type: choice, choices: [human, firm], default: human}
  mail: {type: email, class: personal, unique: true}
  born: {type: date, class: special}
  city: text
---
entity: letter
label: "{subject}"
fields:
  subject: text
  from_whom: {type: relation, to: person, inverse: letters}
  phone: {type: phone, class: personal}
  pages: integer
---
entity: order
label: "{number}"
fields:
  number: text
  buyer: {type: relation, to: person}
---
role: officer
grants:
  - {entity: [person, letter], actions: [read, update, restore, delete]}
---
role: clerk
grants: [{entity: "*", actions: ["*"]}]
"""
SECRETS = ("Ada", "ada@example.com", "1815-12-10", "+4930123456", "Augusta")


@pytest.fixture
async def site(tmp_path: Path, database_url: str) -> AsyncIterator[TestSite]:
    async with make_site(tmp_path, database_url, {"entities/a.yaml": MODEL}) as made:
        await made.person("Officer", "officer", "privacy_officer")
        await made.person("Clerk", "clerk")
        yield made


async def ada(site: TestSite) -> UUID:
    """Make a person with a past, a letter that is there, one in the trash, and an order."""
    made = await site.system.create("person", {"name": "Augusta", "mail": "augusta@example.com", "city": "London"})
    id = UUID(made["id"])
    await site.system.update("person", id, {"name": "Ada", "mail": "ada@example.com", "born": "1815-12-10"})
    for subject in ("Kept", "Thrown away"):
        letter = {"subject": subject, "from_whom": str(id), "phone": "+49 30 123456", "pages": 3}
        found = await site.system.create("letter", letter)
    await site.system.delete("letter", UUID(found["id"]))
    await site.system.create("order", {"number": "A1", "buyer": str(id)})
    return id


async def everything(site: TestSite) -> str:
    """Return all that the tables of the site hold, as one text."""
    texts = []
    for table in ("person", "letter", "order", "erasure", "xrm_change", "xrm_changeset"):
        rows = await site.kernel.store.fetch(f'SELECT * FROM "{table}"')
        texts += [str(cell) for row in rows for cell in list(row)]
    return "\n".join(texts)


async def test_the_record_of_processing_says_what_the_model_says(site: TestSite) -> None:
    found = {one.entity: one for one in processing(site.kernel)}
    person = found["person"]
    assert (person.purpose, person.basis, person.kept) == (
        "To answer their letters",
        "contract",
        "365 days from updated_at, then erased",
    )
    assert person.data == (("name", "internal"), ("mail", "personal"), ("born", "special"))
    assert "officer" in [name.lower() for name in person.readers]
    assert "order" not in found
    assert any(line.startswith("letter: no purpose") for line in missing(processing(site.kernel)))


async def test_a_person_is_told_all_that_is_kept_of_them(site: TestSite) -> None:
    id, officer = await ada(site), site.people["Officer"]
    path = await report(site.kernel, officer, "person", id)
    with zipfile.ZipFile(path) as archive:
        told = {name: json.loads(archive.read(name)) for name in archive.namelist()}
    path.unlink()
    assert told["record.json"]["mail"] == "ada@example.com"
    assert [letter["subject"] for letter in told["related/letter.from_whom.json"]] == ["Kept"]
    assert {change["kind"] for change in told["history.json"]} == {"create", "update"}
    assert "Order" in told["about.json"]["withheld"]
    with pytest.raises(Forbidden):
        await report(site.kernel, site.people["Clerk"], "person", id)


async def test_an_erased_person_is_nowhere_and_the_log_still_verifies(site: TestSite) -> None:
    id, officer = await ada(site), site.people["Officer"]
    firm = await site.system.create("person", {"name": "Firm", "kind": "firm"})
    before = await everything(site)
    assert all(secret in before for secret in SECRETS)
    found = await preview(site.kernel, officer, "person", id)
    assert await everything(site) == before
    assert [(p.entity.name, sorted(p.values), p.deleted) for p in found.parts] == [
        ("person", ["born", "mail", "name"], False),
        ("letter", ["phone"], False),
        ("letter", ["phone"], True),
    ]
    certificate = await erase_person(site.kernel, officer, "person", id, "asked to")
    after = await everything(site)
    assert [secret for secret in SECRETS if secret in after] == []
    assert [secret for secret in SECRETS if secret in json.dumps(certificate)] == []
    shown = await site.system.get("person", id)
    assert (shown["name"], shown["mail"], shown["city"]) == (f"erased {id.hex[-8:]}", None, "London")
    letters = await site.records.list(officer, "letter", Query(trash="deleted"))
    assert [(r["subject"], r["pages"], r["phone"]) for r in letters.records] == [("Thrown away", 3, None)]
    verdict = await verify(site.kernel.store)
    assert (verdict.issues, verdict.head.hash) == ((), certificate["log"]["hash"])
    with pytest.raises(Conflict):
        await erase_person(site.kernel, officer, "person", UUID(firm["id"]))
    with pytest.raises(Forbidden):
        await erase_person(site.kernel, site.people["Clerk"], "person", id)


async def test_what_is_taken_out_of_the_log_without_the_ledger_is_found(site: TestSite) -> None:
    id, officer = await ada(site), site.people["Officer"]
    await erase_person(site.kernel, officer, "person", id)
    for sql, code in (
        ("""UPDATE "xrm_change" SET "after" = '{"name": "x"}' WHERE "erased" IS NOT NULL""", "audit_changed"),
        ("""UPDATE "xrm_change" SET "after" = NULL, "erased" = 'x' WHERE "entity" = 'order'""", "audit_erased"),
    ):
        await site.kernel.store.execute(sql)
        assert code in {issue.code for issue in (await verify(site.kernel.store)).issues}


async def test_a_legal_hold_keeps_a_person(site: TestSite) -> None:
    id, officer = await ada(site), site.people["Officer"]
    about = {"entity": "person", "id": str(id)}
    hold = await site.system.create("legal_hold", {"about": about, "reason": "Case 7"})
    before = await everything(site)
    with pytest.raises(Conflict) as caught:
        await erase_person(site.kernel, officer, "person", id)
    assert [issue.code for issue in caught.value.issues] == ["legal_hold"]
    assert await everything(site) == before
    until = (site.clock() - timedelta(days=1)).date().isoformat()
    await site.system.update("legal_hold", UUID(hold["id"]), {"until": until})
    await erase_person(site.kernel, officer, "person", id)


async def test_what_a_restored_backup_brings_back_is_erased_again(site: TestSite) -> None:
    id, officer = await ada(site), site.people["Officer"]
    await erase_person(site.kernel, officer, "person", id)
    ledger = (await site.system.list("erasure")).records
    await site.system.update("person", id, {"mail": "ada@example.com", "born": "1815-12-10"})  # as a backup would
    again = [one async for one in replay(site.kernel, SYSTEM, ledger)]
    assert {one.id for one in again} >= {id}
    after = await everything(site)
    assert [secret for secret in SECRETS if secret in after] == []
    assert (await verify(site.kernel.store)).issues == ()


async def test_what_is_over_its_time_is_erased_and_what_cannot_be_is_told(site: TestSite) -> None:
    id = await ada(site)
    held = await site.system.create("person", {"name": "Held", "mail": "h@example.com"})
    about = {"entity": "person", "id": held["id"]}
    await site.system.create("legal_hold", {"about": about, "reason": "Case 7"})
    assert [one async for one in due(site.kernel, SYSTEM)] == []
    site.clock.forward(timedelta(days=366))
    young = await site.system.create("person", {"name": "Young"})
    outcomes = {one.id: (one.outcome, one.why) async for one in retain(site.kernel, SYSTEM)}
    assert outcomes == {id: ("erased", ""), UUID(held["id"]): ("kept", "Held: Case 7")}
    assert (await site.system.get("person", UUID(young["id"])))["name"] == "Young"
    site.clock.forward(timedelta(days=1))
    assert [one.id async for one in retain(site.kernel, SYSTEM)] == [UUID(held["id"])]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{subject: 'nonsense == 1'}", "expression"),
        ("{fields: [nonsense]}", "unknown_field"),
        ("{fields: [created_at]}", "not_erasable"),
        ("{since: name, keep: 3}", "not_a_date"),
        ("{keep: 3}", "nothing_to_erase"),
        ("{keep: 0}", "out_of_range"),
        ("{basis: fun}", "not_allowed"),
    ],
)
async def test_a_privacy_that_makes_no_sense_is_a_finding(tmp_path: Path, text: str, code: str) -> None:
    files = {"entities/a.yaml": f"entity: note\nprivacy: {text}\nfields: {{name: text}}\n"}
    with pytest.raises(ModelError) as caught:
        async with make_site(tmp_path, f"sqlite:///{tmp_path}/x.db", files):
            pass
    assert code in [issue.code for issue in caught.value.issues], caught.value.issues


async def test_a_record_that_is_not_there_cannot_be_reported_or_erased(site: TestSite) -> None:
    nobody: Any = UUID(int=7)
    for attempt in (report, erase_person, preview):
        with pytest.raises(NotFound):
            await attempt(site.kernel, site.people["Officer"], "person", nobody)
