"""Lists: what the URL asks for is what is shown, and nothing that the policy withholds."""

from __future__ import annotations

import re
from html import unescape

import pytest

from tests.web.conftest import text_of
from xrm.kernel.store.errors import TookTooLong

NASTY = "<script>alert('x')</script>\"'&{{7*7}}"


async def test_a_list_shows_titles_values_and_the_number(pages):
    customer = await pages.make("customer", name="Acme & Sons")
    await pages.make(
        "machine", name="Lathe 1", kind="lathe", price={"amount": "1234.5", "currency": "EUR"}, customer=customer["id"]
    )
    answer = await pages.get("/e/machine")
    assert answer.status_code == 200
    for expected in ("1 machine", "Lathe 1", "€1,234.50", "Acme & Sons", "What stands in the halls."):
        assert expected in text_of(answer)
    assert f'href="/e/customer/{customer["id"]}"' in answer.text


async def test_an_empty_list_helps(pages):
    text = text_of(await pages.get("/e/machine"))
    assert "No machines yet" in text
    assert "New machine" in text
    assert "Nothing fits" in text_of(await pages.get("/e/machine?q=nothing"))


async def test_whatever_people_write_is_escaped(pages):
    customer = await pages.make("customer", name=NASTY)
    machine = await pages.make(
        "machine",
        name=NASTY[:60],
        place=NASTY,
        tags=[NASTY],
        notes=NASTY,
        customer=customer["id"],
        fault=NASTY,
        extra={NASTY: NASTY},
        page="https://example.com/<script>".replace("<script>", "x"),
    )
    id = machine["id"]
    paths = (
        "/",
        "/e/machine?cols=name,place,tags,notes,customer",
        f"/e/machine/{id}",
        f"/e/machine/{id}/edit",
        f"/e/machine/{id}/delete",
        f"/e/machine/{id}/do/break",
        "/e/machine/board",
        "/search?q=script",
        "/search/quick?q=script",
        f"/e/customer/{customer['id']}",
        f"/e/machine/new?name={NASTY.replace('&', '%26')}&customer={customer['id']}",
        "/e/customer/lookup?q=script",
        "/e/machine?q=<script>alert(1)</script>&filter=<script>",
        "/e/machine?f.place=<script>&sort=<script>&view=<script>",
    )
    for path in paths:
        answer = await pages.get(path)
        assert "<script>alert" not in answer.text, path
        assert not re.search(r"<script(?! src=)", answer.text), path
    assert "{{7*7}}" in text_of(await pages.get(f"/e/machine/{id}"))  # not a template either


async def test_search_facets_and_expression_narrow_together(pages):
    for number in range(4):
        await pages.make(
            "machine",
            name=f"Press {number}",
            kind="press" if number < 3 else "lathe",
            place="North" if number % 2 else "South",
            power=number,
        )
    assert "3 machines" in text_of(await pages.get("/e/machine?f.kind=press"))
    assert "4 machines" in text_of(await pages.get("/e/machine?f.kind=press&f.kind=lathe"))
    assert "1 machine" in text_of(await pages.get("/e/machine?f.kind=press&q=north"))
    assert "2 machines" in text_of(await pages.get("/e/machine?f.kind=press&filter=power+>+0"))
    assert "1 machine" in text_of(await pages.get("/e/machine?f.power.from=1&f.power.to=1"))


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("f.running=true", 1),
        ("f.running=false", 1),
        ("f.owner=me", 1),
        ("f.customer=none", 2),
        ("f.bought.from=2026-01-01", 1),
        ("f.bought.to=2025-12-31", 1),
        ("f.checked.from=2026-03-29&f.checked.to=2026-03-29", 1),
        ("f.colours=red", 1),
        ("f.colours=none", 1),
        ("f.tags=big", 1),
        ("f.place=hall", 1),
        ("f.serial=S-1", 1),
        ("f.price.from=1,000", 1),
        ("f.share.to=12.5", 1),
    ],
)
async def test_every_kind_of_facet_finds_what_it_should(pages, query, count):
    await pages.client()
    owner = str(pages.actor().id)
    await pages.make(
        "machine",
        name="One",
        running=True,
        owner=owner,
        bought="2026-05-01",
        checked="2026-03-29T21:30:00Z",
        colours=["red"],
        tags=["big"],
        place="Hall 1",
        serial="S-1",
        price={"amount": "1000", "currency": "EUR"},
        share="12.5",
    )
    await pages.make("machine", name="Two", running=False, bought="2025-05-01", checked="2026-03-29T22:30:00Z")
    assert f"{count} machine" in text_of(await pages.get(f"/e/machine?{query}"))


async def test_a_wrong_filter_is_explained_beside_its_box(pages):
    await pages.make("machine", name="One")
    answer = await pages.get("/e/machine?filter=powr+>+1")
    assert answer.status_code == 422
    assert "power" in answer.text[answer.text.index('id="filter-error"') :][:600]
    part = await pages.get("/e/machine?filter=powr+>+1", part=True)
    assert part.status_code == 422
    assert 'hx-target="#filter-error"' in part.text


@pytest.mark.parametrize(
    "query",
    [
        "f.bought.from=soon",
        "f.power.from=lots",
        "sort=nothing",
        "sort=tags",
        "after=rubbish",
        "f.customer=x",
        "filter=1",
    ],
)
async def test_what_cannot_be_listed_is_refused_with_words(pages, query):
    await pages.make("machine", name="One")
    answer = await pages.get(f"/e/machine?{query}")
    assert answer.status_code == 422
    assert "cannot be used" in text_of(answer)


async def test_nonsense_in_the_url_is_left_aside(pages):
    await pages.make("machine", name="One")
    answer = await pages.get(
        "/e/machine?view=none&cols=nothing,name&size=7&page=x&f.nothing=1&f..=2&unknown=3&trail=..."
    )
    assert answer.status_code == 200
    assert "1 machine" in text_of(answer)
    assert (await pages.get("/e/machine?q=%00")).status_code == 400
    assert (await pages.get("/e/machine?filter=" + "a" * 5000)).status_code == 400


async def test_pages_go_forth_and_back(pages):
    for number in range(60):
        await pages.make("machine", name=f"M {number:02d}")
    first = await pages.get("/e/machine?size=25")
    forth = re.search(r'href="([^"]*)" rel="next"', first.text)
    second = await pages.get(forth[1].replace("&amp;", "&"))
    assert "26–50" in text_of(second)
    assert "M 25" in text_of(second)
    third = await pages.get(re.search(r'href="([^"]*)" rel="next"', second.text)[1].replace("&amp;", "&"))
    assert "51–60" in text_of(third)
    assert 'rel="next"' not in third.text
    back = await pages.get(re.search(r'href="([^"]*)" rel="prev"', third.text)[1].replace("&amp;", "&"))
    assert "26–50" in text_of(back)
    start = await pages.get(re.search(r'href="([^"]*)" rel="prev"', back.text)[1].replace("&amp;", "&"))
    assert "1–25" in text_of(start)


async def test_the_number_is_capped(pages, monkeypatch):
    monkeypatch.setattr("xrm.kernel.query.MAX_COUNT", 3)
    for number in range(5):
        await pages.make("machine", name=f"M {number}")
    assert "3+ machines" in text_of(await pages.get("/e/machine"))


async def test_views_are_tabs_and_filter_for_themselves(pages):
    await pages.make("machine", name="A", kind="press", place="Hall")
    await pages.make("machine", name="B", kind="lathe")
    answer = await pages.get("/e/machine?view=presses")
    assert "1 machine" in text_of(answer)
    assert re.search(r'href="/e/machine\?view=presses" aria-current="page"', answer.text)
    assert 'data-label="Place"' in answer.text


async def test_chosen_columns_are_remembered(pages):
    await pages.make("machine", name="A", place="Hall 7")
    chosen = await pages.get("/e/machine?cols=name&cols=place&cols=customer.name")
    assert 'data-label="Place"' in chosen.text
    assert 'data-label="Customer: Name"' not in chosen.text  # only what the chooser offers
    again = await pages.get("/e/machine")
    assert 'data-label="Place"' in again.text
    assert 'data-label="Kind"' not in again.text
    await pages.get("/e/machine?cols=default")
    assert 'data-label="Kind"' in (await pages.get("/e/machine")).text


async def test_only_the_part_is_sent_where_htmx_asks_for_it(pages):
    await pages.make("machine", name="A")
    part = await pages.get("/e/machine?q=a&sort=&f.kind=", part=True)
    assert part.text.lstrip().startswith('<section id="list"')
    assert "<html" not in part.text
    assert part.headers["hx-push-url"] == "/e/machine?q=a"
    assert "hx-request" in part.headers["vary"]
    assert part.headers["cache-control"] == "no-store"


async def test_what_the_policy_withholds_is_not_there(pages):
    machine = await pages.make("machine", name="A", margin="77.77", place="Hall 7")
    for path in (
        "/e/machine",
        "/e/machine?cols=margin",
        "/e/machine?sort=margin",
        "/e/machine?filter=margin+>+0",
        f"/e/machine/{machine['id']}",
        f"/e/machine/{machine['id']}/edit",
        "/e/machine/new",
        "/e/machine?f.margin.from=1",
    ):
        answer = await pages.get(path)
        assert "77.77" not in answer.text, path
        assert "Margin" not in answer.text, path
    assert "77.77" in (await pages.get("/e/machine", "admin")).text


async def test_values_withheld_on_some_rows_show_a_lock(pages):
    await pages.client("worker")
    await pages.make("machine", name="Theirs", place="Hall 1")
    await pages.make("machine", name="Mine", place="Hall 2", owner=str(pages.actor("worker").id))
    text = text_of(await pages.get("/e/machine?cols=name,place", "worker"))
    assert "Hall 2" in text
    assert "Hall 1" not in text
    assert "withheld" in text


@pytest.mark.parametrize("path", ["/e/machine", "/e/machine/board", "/e/nothing", "/e/machine/new", "/e/xrm_change"])
async def test_an_entity_one_may_not_read_is_not_there(pages, path):
    answer = await pages.get(path, "guest")
    assert answer.status_code == 404
    assert "Nothing here" in text_of(answer)
    assert "Machine" not in answer.text


async def test_buttons_follow_the_rights(pages):
    await pages.make("customer", name="A")
    clerk, guest = await pages.get("/e/customer"), await pages.get("/e/customer", "guest")
    for mark in ("New customer", "/trash", "/export", 'value="delete"', 'value="edit"'):
        assert mark in clerk.text, mark
        assert mark not in guest.text, mark


async def test_a_list_offers_the_formats_that_fit(pages):
    for path in ("/e/customer?q=Ann&sort=name", "/e/machine"):
        page = await pages.get(path)
        links = {title: unescape(link) for link, title in re.findall(r'<a href="([^"]+)" download>([^<]+)<', page.text)}
        assert {"CSV", "Excel workbook"} <= links.keys()
        assert ("vCard" in links) == (path == "/e/machine")  # which has an e-mail address
        assert ("search=Ann" in links["Excel workbook"]) == ("q=Ann" in path)


async def test_suggestions_for_a_relation(pages):
    for number in range(10):
        await pages.make("customer", name=f"Customer {number}")
    answer = await pages.get("/e/customer/lookup?q=customer+7")
    assert answer.text.count('role="option"') == 1
    assert 'data-label="Customer 7"' in answer.text
    assert (await pages.get("/e/customer/lookup?q=")).text.count("data-id") == 8
    assert "No customer fits" in text_of(await pages.get("/e/customer/lookup?q=zzz"))
    assert (await pages.get("/e/machine/lookup?q=x", "guest")).status_code == 404


async def test_a_text_is_previewed_as_it_will_be_shown_without_what_could_act(pages):
    shown = await pages.post("/preview", {"kind": "markdown", "text": "**big** <script>alert(1)</script>"}, part=True)
    assert shown.status_code == 200
    assert "<strong>big</strong>" in shown.text
    assert "<script" not in shown.text
    rich = await pages.post("/preview", {"kind": "rich", "text": "<p onclick=x>A<script>b</script></p>"}, part=True)
    assert rich.text.strip() == "<p>A</p>"


async def test_a_list_that_takes_too_long_says_so_in_its_place(pages, monkeypatch):
    store = type(pages.site.kernel.store)
    plain = store.fetch

    async def fetch(self, sql, args=()):
        if 'FROM "machine" t' in sql:
            raise TookTooLong("The database took too long")
        return await plain(self, sql, args)

    monkeypatch.setattr(store, "fetch", fetch)
    answer = await pages.get("/e/machine?q=lathe")
    assert answer.status_code == 422
    assert "It was given up" in text_of(answer)
