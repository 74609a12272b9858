"""What holds of every page: policy headers, no inline code, escaping, errors in the same look, the front-end files."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.web.conftest import HOST, text_of
from xrm.errors import Unavailable
from xrm.web.render import STATIC

TEMPLATES = sorted((Path(STATIC).parent / "templates").glob("*.html"))


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_templates_hold_no_inline_code(template):
    text = template.read_text("utf-8")
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|hx-on|javascript:|js:", text)
    assert not re.search(r"<script(?! src=\"\{\{ asset\()", text)
    assert not re.search(r"https?://|//cdn", text)
    unsafe = re.findall(r"\{\{ ?([\w.]+)\|safe", text)
    assert set(unsafe) <= {"rows", "r.rows"}  # made by a template of our own


def test_every_file_a_page_names_is_there():
    names = {n for path in TEMPLATES for n in re.findall(r"asset\('([^']+)'\)", path.read_text("utf-8"))}
    assert {"vendor/bootstrap.min.css", "vendor/htmx.min.js", "xrm.css", "xrm.js"} <= names
    assert [n for n in names if not (STATIC / n).is_file()] == []


def test_every_icon_has_a_picture():
    known = (STATIC / "vendor" / "bootstrap-icons.min.css").read_text("utf-8")
    used = {n for path in TEMPLATES for n in re.findall(r"\bbi-([a-z0-9-]+)", path.read_text("utf-8"))}
    used |= {n for path in TEMPLATES for n in re.findall(r'icon\("([a-z0-9-]+)"\)', path.read_text("utf-8"))}
    assert [n for n in used if f".bi-{n}::before" not in known] == []


async def test_every_page_carries_the_policy(pages):
    for path in ("/", "/e/machine", "/nothing", "/sign-in"):
        answer = await pages.get(path)
        policy = answer.headers["content-security-policy"]
        assert "script-src 'self';" in policy
        assert "style-src 'self';" in policy
        assert "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-store"


async def test_files_are_served_and_kept(pages):
    client = await pages.client("")
    page = await client.get("/sign-in")
    for link in re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text):
        answer = await client.get(link)
        assert answer.status_code == 200, link
        assert "immutable" in answer.headers["cache-control"]
    assert (await client.get("/static/../render.py")).status_code == 404


async def test_a_form_from_another_site_is_refused(pages):
    machine = await pages.make("machine", name="A")
    client = await pages.client()
    for headers in ({"origin": "https://evil.example"}, {"origin": HOST, "sec-fetch-site": "cross-site"}):
        answer = await client.post(f"/e/machine/{machine['id']}/delete", headers=headers, data={"_version": "1"})
        assert answer.status_code == 403
    assert (await pages.get(f"/e/machine/{machine['id']}")).status_code == 200


async def test_forms_carry_the_token(pages):
    machine = await pages.make("machine", name="A")
    client = await pages.client()
    del client.headers["origin"]
    page = await client.get(f"/e/machine/{machine['id']}")
    assert (await client.post(f"/e/machine/{machine['id']}/do/start", data={})).status_code == 403
    token = re.search(r'name="_csrf" value="([^"]+)"', page.text)[1]
    assert (await client.post(f"/e/machine/{machine['id']}/do/start", data={"_csrf": token})).status_code == 303


async def test_errors_are_pages_in_the_same_look(pages):
    for person in ("clerk", ""):
        answer = await pages.get("/nothing/here", person)
        assert answer.status_code == 404
        assert "Nothing here" in text_of(answer)
        assert "Test works" in answer.text
    part = await pages.get("/e/nothing", part=True)
    assert part.headers["hx-retarget"] == "#problems"
    assert "<html" not in part.text
    problem = await pages.get("/api/nothing")
    assert problem.headers["content-type"] == "application/problem+json"


async def test_a_defect_tells_nothing_but_its_number(pages, monkeypatch, caplog):
    async def broken(*_: object) -> None:
        raise RuntimeError("the secret inside")

    await pages.client()
    monkeypatch.setattr(pages.site.records, "list", broken)
    answer = await pages.get("/e/machine")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.headers["x-request-id"] in answer.text
    assert "the secret inside" in caplog.text


async def test_a_database_that_cannot_answer_gives_503(pages, monkeypatch):
    async def away(*_: object) -> None:
        raise Unavailable

    await pages.client()
    monkeypatch.setattr(pages.site.records, "list", away)
    answer = await pages.get("/e/machine")
    assert answer.status_code == 503
    assert "Not available just now" in text_of(answer)


async def test_a_notice_is_shown_once_and_cannot_be_forged_into_code(pages):
    client = await pages.client()
    client.cookies.set("xrm_notice", "rubbish")
    assert (await client.get("/")).status_code == 200
    import base64
    import json

    forged = base64.urlsafe_b64encode(
        json.dumps([["success", "<script>x</script>", "https://evil.example", "go"]]).encode()
    ).decode()
    client.cookies.set("xrm_notice", forged)
    answer = await client.get("/")
    assert "<script>x" not in answer.text
    assert "evil.example" not in answer.text


async def test_the_navigation_shows_what_one_may_read(pages):
    clerk, guest = await pages.get("/"), await pages.get("/", "guest")
    assert 'href="/e/machine"' in clerk.text
    assert 'href="/e/machine"' not in guest.text
    assert 'href="/e/customer"' in guest.text
    assert 'href="/studio"' not in clerk.text
    assert 'href="/studio"' in (await pages.get("/", "admin")).text


async def test_a_new_entity_has_its_pages_at_once(pages):
    assert (await pages.get("/e/tool", "admin")).status_code == 404
    await pages.site.apply(
        {"entities/tool.yaml": "entity: tool\nfields: {name: {type: text, required: true}}\nlabel: '{name}'\n"}
    )
    assert (await pages.get("/e/tool", "admin")).status_code == 200
    answer = await pages.post("/e/tool/new", {"_fields": "name", "name": "Hammer"}, "admin")
    assert "Hammer" in text_of(await pages.get(answer.headers["location"], "admin"))


# --- home and search ---


async def test_the_home_page_is_what_a_day_begins_with(pages):
    await pages.client()
    owner, now = str(pages.actor().id), pages.site.clock()
    for name, hours in (("Late one", -30), ("Due today", 5), ("Later", 60)):
        await pages.make("activity", subject=name, owner=owner, due=(now + timedelta(hours=hours)).isoformat())
    await pages.make("activity", subject="Somebody else's", due=now.isoformat())
    await pages.make("machine", name="My machine", owner=owner, price={"amount": "2500", "currency": "EUR"})
    answer = await pages.get("/")
    text = text_of(answer)
    assert "Good morning, clerk" in text
    assert "1 overdue" in text
    assert "1 due today" in text
    assert text.index("Late one") < text.index("Due today") < text.index("Later")
    assert "Somebody else's" not in text
    assert "€2,500 in the pipeline" in text
    assert "New 1 €2,500.00" in text  # the table beside the chart
    assert "My machine Machine · just now" in text
    done = re.search(r'action="(/e/activity/[^"]+/do/finish)"', answer.text)[1]
    assert (await pages.post(done, {"_next": "/"})).headers["location"] == "/"
    assert "Late one" not in text_of(await pages.get("/")).partition("Changed lately")[0].partition("Your open")[2]


async def test_an_empty_home_page_is_friendly(pages):
    pages.site.clock.now = datetime(2026, 11, 2, 20, 0, tzinfo=UTC)
    await pages.client()
    text = text_of(await pages.get("/"))
    assert "Good evening" in text
    assert "Nothing to do" in text
    assert text_of(await pages.get("/", "guest")).count("Good evening") == 1


async def test_search_looks_everywhere_one_may_look(pages):
    await pages.make("customer", name="Möller Works")
    await pages.make("machine", name="Möller press", margin="3")
    clerk, guest = text_of(await pages.get("/search?q=moller")), text_of(await pages.get("/search?q=moller", "guest"))
    assert "Möller press" in clerk
    assert "Möller Works" in clerk
    assert "Möller press" not in guest
    assert "Möller Works" in guest
    assert "Nothing found" in text_of(await pages.get("/search?q=zzz"))
    assert "What are you looking for" in text_of(await pages.get("/search"))
    quick = await pages.get("/search/quick?q=moller+press")
    assert quick.text.count('role="option"') == 1
    assert (await pages.get("/search/quick?q=m")).text.strip() == ""
