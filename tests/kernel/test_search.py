"""Search: words in any notation, only where the actor may read, kept up with every write; both databases alike."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from xrm.builtin.computed.verify import verify
from xrm.errors import Invalid
from xrm.kernel.change import SYSTEM, Actor
from xrm.kernel.migration.drift import examine, reindex
from xrm.kernel.query import Query
from xrm.kernel.words import excerpt, kept_words
from xrm.testing import TestSite, make_site

PARTY = """
entity: party
label: "{name}"
search: [name, city, phone, mail, number, note]
uses: [owned]
fields:
  name: {type: text, required: true}
  city: text
  phone: phone
  mail: email
  number: text
  note: {type: long_text, class: confidential}
"""
ROLES = """
role: clerk
grants: [{entity: party, actions: [read], fields: {read: [public, internal]}}]
---
role: owner_reads_notes
grants:
  - {entity: party, actions: [read], fields: {read: [public, internal]}}
  - {entity: party, actions: [read], rows: own}
"""
FILES = {"entities/party.yaml": PARTY, "entities/roles.yaml": ROLES}


@pytest.fixture
async def site(tmp_path, database_url) -> AsyncIterator[TestSite]:
    async with make_site(tmp_path, database_url, FILES) as made:
        yield made


async def make(site: TestSite, **values: object) -> UUID:
    return UUID((await site.records.create(SYSTEM, "party", values))["id"])


async def found(site: TestSite, text: str, actor: Actor = SYSTEM, **more: object) -> list[str]:
    page = await site.records.list(actor, "party", Query(search=text, **more))  # type: ignore[arg-type]
    return [record["name"] for record in page.records]


@pytest.mark.parametrize(
    "text",
    [
        "Müller", "MULLER", "mull", "jean", "jean-cl", "jeancl", "Claude müll", "straße", "STRASSE", "Köln jean",
        "089 1234567", "+49 89 1234567", "0049 89 1234567", "+49 (0)89/1234567", "(089) 123-4567", "34567", "891234567",
        "jean@example", "example.com", "RE-2026-0042", "2026-0042", "0042", "42", "re 42", "東京", "京", " müll  köln ",
    ],
)  # fmt: skip
async def test_words_are_found_in_any_notation(site, text):
    await make(
        site,
        name="Jean-Claude Müller",
        city="Köln, Große Straße 東京都",
        phone="+49 89 1234567",
        mail="jean@example.com",
        number="RE-2026-0042",
    )
    assert await found(site, text) == ["Jean-Claude Müller"]


@pytest.mark.parametrize(
    "text", ["üller-x", "ller", "xmüller", "müller berlin", "43", "!!!", "%", "a' OR 1=1", '"', "*", "1235"]
)
async def test_what_is_not_there_is_not_found(site, text):
    await make(site, name="Jean-Claude Müller", phone="+49 89 1234567", number="42")
    assert await found(site, text) == []
    assert (await site.records.count(SYSTEM, "party", Query(search=text))).value == 0


async def test_letters_are_found_as_they_are_typed_elsewhere(site):
    for name in ("Łódź Ømega", "Müller", "Mueller", "Straße"):
        await make(site, name=name)
    for text, expected in (
        ("lodz omega", ["Łódź Ømega"]),
        ("łódź", ["Łódź Ømega"]),
        ("muel", ["Mueller", "Müller"]),
        ("müller", ["Mueller", "Müller"]),
        ("mu\u0308ller", ["Mueller", "Müller"]),
        ("muller", ["Müller"]),
        ("strasse", ["Straße"]),
    ):
        assert sorted(await found(site, text)) == expected, text


async def test_a_hit_in_a_field_that_may_not_be_read_is_none(site):
    clerk = await site.person("Clerk", "clerk")
    partly = await site.person("Partly", "owner_reads_notes")
    await make(site, name="Acme", note="zebra", city="Rome")
    await make(site, name="Mine", note="zebra", city="Rome", owner=str(partly.id))
    assert await found(site, "zebra", sort=("name",)) == ["Acme", "Mine"]
    assert await found(site, "zebra", clerk) == []
    assert await found(site, "rome zebra", clerk) == []
    assert await found(site, "rome", clerk, sort=("name",)) == ["Acme", "Mine"]
    assert await found(site, "zebra", partly) == ["Mine"]
    assert await found(site, "rome zeb", partly) == ["Mine"]
    assert (await site.records.count(clerk, "party", Query(search="zebra"))).value == 0


async def test_the_best_comes_first_and_pages_go_on(site):
    for name in ("The Ann Shop", "Annabel", "Ann", "Hanna Ann", "Annex"):
        await make(site, name=name)
    await make(site, name="Zoe", city="Ann Arbor")
    expected = ["Ann", "Annabel", "Annex", "Hanna Ann", "The Ann Shop", "Zoe"]
    assert await found(site, "ann") == expected
    query = Query(search="ann", limit=2)
    names: list[str] = []
    for _ in range(3):
        page = await site.records.list(SYSTEM, "party", query)
        names += [record["name"] for record in page.records]
        query = Query(search="ann", limit=2, after=page.next or "")
    assert (names, page.next) == (expected, None)
    assert await found(site, "ann", sort=("-name",)) == sorted(expected, reverse=True)
    with pytest.raises(Invalid):
        await site.records.list(SYSTEM, "party", Query(sort=("nothing",), search="ann"))


async def _undone(site: TestSite, id: UUID) -> None:
    async with site.records.act(SYSTEM):
        await site.records.update(SYSTEM, "party", id, {"name": "Never"})
        assert await found(site, "never") == ["Never"]
        raise ZeroDivisionError


async def test_what_is_found_follows_every_write(site):
    id = await make(site, name="Old", city="Rome")
    await site.records.update(SYSTEM, "party", id, {"name": "New"})
    assert (await found(site, "old"), await found(site, "new rome")) == ([], ["New"])
    await site.records.delete(SYSTEM, "party", id)
    assert (await found(site, "new"), await found(site, "new", trash="deleted")) == ([], ["New"])
    await site.records.restore(SYSTEM, "party", id)
    assert await found(site, "new") == ["New"]
    with pytest.raises(ZeroDivisionError):
        await _undone(site, id)
    assert (await found(site, "never"), await found(site, "new")) == ([], ["New"])


async def test_what_the_search_looks_into_can_be_made_anew(site):
    await make(site, name="Acme")
    store = site.kernel.store
    await store.execute('UPDATE "party" SET "search" = \'acme\nold notation\'')  # as earlier versions kept it
    assert await found(site, "acme") == []
    assert len(await verify(site.kernel, "party", "repair")) == 1
    assert await reindex(store, ["party", "user"]) == 2
    assert await found(site, "acme") == ["Acme"]
    assert (await examine(store)).findings == ()


async def test_what_is_found_follows_every_change_of_the_model(site):
    await make(site, name="Acme", city="Rome", number="K-7")
    for change, text in (
        (("search: [name, city, phone, mail, number, note]", "search: [name, city]"), "acme rome"),
        (("  city: text\n", "  city: {type: text, required: true, backfill: x}\n"), "acme rome"),  # SQLite rebuilds
        (("  number: text", "  number: {type: text, unique: true}"), "acme rome"),
        (("search: [name, city]", "search: [name, number]"), "acme K-7"),
        (("  number: text", "  code: {type: text, was: number}"), "k7"),
    ):
        yaml = (site.kernel.settings.folder / "entities/party.yaml").read_text(encoding="utf-8")
        yaml = yaml.replace(*change)
        if "code:" in yaml:
            yaml = yaml.replace("number: {type: text, unique: true}", "code: {type: text, unique: true, was: number}")
            yaml = yaml.replace("search: [name, number]", "search: [name, code]")
        await site.apply({"entities/party.yaml": yaml})
        assert await found(site, text) == ["Acme"], change
        assert (await examine(site.kernel.store)).findings == ()
        await site.records.create(SYSTEM, "party", {"name": "Later", "city": "Oslo"})
        assert await found(site, "later") == ["Later"]
        for record in (await site.records.list(SYSTEM, "party", Query(filter="name == 'Later'"))).records:
            await site.records.delete(SYSTEM, "party", UUID(record["id"]))
    gone = {"entities/party.yaml": yaml.replace("entity: party\n", "entity: party\nremoved: true\n")}
    await site.write({**gone, "entities/roles.yaml": ""})
    plan = await site.kernel.plan(site.kernel.sources())
    await site.apply(consent=[step.id for step in plan.destructive])
    assert (await examine(site.kernel.store)).findings == ()


def test_words_are_kept_once_and_within_bounds():
    assert kept_words([("a", "B-1 b 1"), ("c", "")]) == "a=b a=1 a=b1"
    assert kept_words([("a", "…")]) is None
    long = kept_words([("a", " ".join(f"word{n}" for n in range(5_000)))])
    assert long is not None
    assert 7_900 < len(long) <= 8_000
    assert kept_words([("a", "x" * 5_000)]) == "a=" + "x" * 40


def test_an_excerpt_shows_where_a_word_was_found():
    assert excerpt("In Ångström units", "angs") == "In Ångström units"
    assert excerpt("a " * 60 + "needle" + " b" * 60, "needle").startswith("…")
    assert excerpt("+49891234567", "34567") == "+49891234567"
    assert excerpt("nothing here", "needle") == ""
