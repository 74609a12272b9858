"""Every field type at every edge: written, read, refused, filtered, shown, in a form, in a file, in the history."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import pytest

from tests.kernel.type_samples import NOT_SENT, SAMPLES, UNREAD, definition, lacking
from xrm import web
from xrm.builtin.people.accounts import Client
from xrm.builtin.transfer.exporting import export_csv
from xrm.builtin.transfer.importing import Import
from xrm.builtin.transfer.reading import open_table
from xrm.builtin.transfer.suggest import suggest
from xrm.errors import Invalid
from xrm.http import application
from xrm.kernel.change import SYSTEM
from xrm.kernel.query import Query
from xrm.kernel.values import TYPES, keys
from xrm.testing import TestSite, make_site
from xrm.web.forms import to_json, to_raw
from xrm.web.show import Show


def whole(value: Any) -> Any:
    """Return a time without its zero microseconds: records tell them, the history does not."""
    return value.replace(".000000Z", "Z") if isinstance(value, str) else value


SENT = [s for s in SAMPLES if s.good]
TOLD = [s for s in SENT if s.type not in UNREAD]


@pytest.fixture
async def site(tmp_path: Path, database_url: str) -> AsyncIterator[TestSite]:
    async with make_site(tmp_path, database_url, {"entities/thing.yaml": definition()}) as made:
        yield made


def test_every_type_of_the_platform_has_a_sample() -> None:
    assert lacking() == set()


async def test_good_values_are_kept_and_told_in_the_history(site: TestSite) -> None:
    for sample in SENT:
        for sent, stored in sample.good:
            made = await site.system.create("thing", {"name": "A", sample.name: sent})
            assert whole(made[sample.name]) == stored, sample.type
            told = await site.records.history(SYSTEM, "thing", UUID(made["id"]))
            assert told[0]["after"][sample.name] == stored, sample.type
            again = await site.system.update("thing", UUID(made["id"]), {sample.name: made[sample.name]})
            assert again["version"] == made["version"], f"{sample.type}: what was read is what was there"
            gone = await site.system.update("thing", UUID(made["id"]), {sample.name: None})
            assert gone[sample.name] is None, sample.type


async def test_bad_values_are_refused_with_their_code(site: TestSite) -> None:
    for sample in SAMPLES:
        for sent, code in sample.bad:
            with pytest.raises(Invalid) as caught:
                await site.system.create("thing", {sample.name: sent})
            issues = caught.value.issues
            assert [(i.path.split(".")[0], i.code) for i in issues] == [(sample.name, code)], (sample.type, sent)


async def test_records_are_found_sorted_and_shown_by_a_part(site: TestSite) -> None:
    await site.system.create("thing", {})
    for sample in SAMPLES:
        values = {sample.name: sample.good[0][0]} if sample.good else {}
        made = await site.system.create("thing", values) if sample.type not in NOT_SENT else {"id": None}
        for text in sample.found:
            page = await site.records.list(SYSTEM, "thing", Query(sample.condition(text), fields=("name",)))
            found = [record["id"] for record in page.records]
            assert len(found) == 1, (sample.type, text)
            assert made["id"] in (None, *found), (sample.type, text)
        if TYPES[sample.type].ordered and sample.good:
            page = await site.records.list(SYSTEM, "thing", Query(sort=(f"-{sample.name}",), limit=1))
            assert page.records[0]["id"] == made["id"], sample.type
        if sample.part[0]:
            path = sample.condition(sample.part[0])
            page = await site.records.list(SYSTEM, "thing", Query(sort=(f"-{path}",), fields=(path,), limit=1))
            assert page.records[0][path] == sample.part[1], sample.type


async def test_a_form_untouched_changes_nothing(site: TestSite) -> None:
    show = Show(site.kernel.model, ZoneInfo("UTC"))
    for sample in TOLD:
        field = site.kernel.model.entities["thing"].fields[sample.name]
        for _, stored in sample.good:
            raw = to_raw(show, [field], {sample.name: stored})
            assert all(name.split(".")[0] == sample.name for name in raw)
            made = await site.system.create("thing", {sample.name: to_json(field, raw, show.zone)})
            assert whole(made[sample.name]) == stored, sample.type
            assert show.plain(field, stored), sample.type
            assert str(show.rich(field, stored)), sample.type


async def test_a_file_goes_out_and_comes_in_again(site: TestSite) -> None:
    made = []
    for sample in TOLD:
        for sent, _ in sample.good:
            made.append(await site.system.create("thing", {"name": sample.type, sample.name: sent}))
    names = ("name", *(s.name for s in TOLD))
    text = "".join([piece async for piece in export_csv(site.kernel, SYSTEM, "thing", Query(fields=names))])
    table = open_table(io.BytesIO(text.encode()), "thing.csv")
    mapping = suggest(site.kernel.model.entities["thing"], table.header)
    before = await site.records.list(SYSTEM, "thing", Query(fields=names, limit=500))
    report = await Import(site.kernel, SYSTEM, mapping).run(table)
    assert (report.to_dict()["created"], report.to_dict()["problems"]) == (len(made), []), report.to_dict()
    after = await site.records.list(SYSTEM, "thing", Query(fields=names, limit=500))
    fresh = [r for r in after.records if r["id"] not in {m["id"] for m in made}]
    bare = [{n: r[n] for n in names} for r in before.records]
    assert all({n: r[n] for n in names} in bare for r in fresh)
    assert len(fresh) == len(made)


async def test_parts_are_exported_by_their_paths_and_imported_from_them(site: TestSite) -> None:
    for sample in (s for s in SENT if keys(site.kernel.model.entities["thing"].fields[s.name])):
        made = await site.system.create("thing", {sample.name: sample.good[0][0]})
        paths = tuple(f"{sample.name}.{part}" for part in keys(site.kernel.model.entities["thing"].fields[sample.name]))
        query = Query(f"id == '{made['id']}'", fields=paths)
        text = "".join([piece async for piece in export_csv(site.kernel, SYSTEM, "thing", query)])
        assert text.split("\r\n")[0].split(",") == list(paths)
        table = open_table(io.BytesIO(text.encode()), "thing.csv")
        mapping = suggest(site.kernel.model.entities["thing"], table.header)
        report = await Import(site.kernel, SYSTEM, mapping).run(table)
        assert report.to_dict()["created"] == 1, (sample.type, report.to_dict())
        page = await site.records.list(SYSTEM, "thing", Query(sort=("-created_at", "-id"), limit=1))
        assert page.records[0][sample.name] == sample.good[0][1], sample.type


async def test_pages_show_and_ask_for_every_type(site: TestSite) -> None:
    person = await site.person("Ann", "admin")
    assert person.id is not None
    await site.accounts.set_password(person.id, "a long enough one")
    token, _ = await site.accounts.sign_in(str(person.user["email"]), "a long enough one", Client("127.0.0.1", "F/1"))
    made = await site.system.create("thing", {s.name: s.good[0][0] for s in SENT})
    columns = ",".join([*(s.name for s in SAMPLES), *(s.condition(s.part[0]) for s in SAMPLES if s.part[0])])
    transport = httpx.ASGITransport(application(site.site, web.routes(site.site)))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        client.cookies.set("xrm_session", token)
        for path in (
            f"/e/thing?cols={columns}",
            f"/e/thing/{made['id']}",
            "/e/thing/new",
            f"/e/thing/{made['id']}/edit",
        ):
            answer = await client.get(path)
            assert answer.status_code == 200, (path, answer.text[:500])
            if path.endswith(("new", "edit")):
                shown = [s.name for s in SENT if f'name="{s.name}"' not in answer.text]
                assert all(keys(site.kernel.model.entities["thing"].fields[n]) for n in shown), shown
                for sample in SENT:
                    assert f'id="f-{sample.name}' in answer.text, (path, sample.type)
