"""The OData feed: what Excel, Power BI and a client of PyPI ask it, with the rights of whoever asks; both databases."""

from __future__ import annotations

import asyncio
import base64
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
import uvicorn

from tests.api.conftest import Callers
from xrm.kernel.change import SYSTEM
from xrm.testing import make_site

FILES = {
    "entities/all.yaml": """
entity: country
label: "{name}"
fields: {name: text, rank: integer}
---
entity: party
label: "{name}"
fields:
  name: {type: text, required: true}
  secret: {type: text, class: confidential}
  country: {type: relation, to: country, inverse: parties}
  partners: {type: relation, to: party, many: true, inverse: partner_of}
---
entity: deal
label: "{name}"
fields:
  name: {type: text, required: true}
  amount: money
  share: percent
  customer: {type: relation, to: party, inverse: deals}
  about: {type: relation, to: [party, country], inverse: told_of}
  closed: date
  met: datetime
  open: boolean
  tags: tags
  rank: integer
---
role: rep
grants:
  - {entity: [deal, country, party_partners], actions: [read]}
  - {entity: party, actions: [read], rows: {where: "name != 'Hidden'"}, fields: {read: [public, internal]}}
"""
}
EDM = "{http://docs.oasis-open.org/odata/ns/edm}"


@pytest.fixture
async def callers(tmp_path, database_url) -> AsyncIterator[Callers]:
    hosts = ("test", "127.0.0.1")
    async with make_site(tmp_path, database_url, FILES, allowed_hosts=hosts) as site, AsyncExitStack() as stack:
        made = Callers(site, stack)
        await fill(made)
        yield made


@pytest.fixture
async def rep(callers):
    return await callers.robot("Rep", "rep")


async def fill(callers: Callers) -> None:
    records = callers.site.kernel.records

    async def make(entity: str, **values: Any) -> str:
        return str((await records.create(SYSTEM, entity, values))["id"])

    chile = await make("country", name="Chile", rank=1)
    acme = await make("party", name="Acme & Söhne", country=chile, secret="s1")
    hidden = await make("party", name="Hidden", secret="s2", partners=[acme])
    for number in range(5):
        await make(
            "deal",
            name=f"D{number} o'clock",
            amount={"amount": f"{number}.10", "currency": "EUR"},
            share="12.50",
            customer=acme if number < 4 else hidden,
            about={"entity": "party", "id": acme},
            closed=f"2026-0{number + 1}-15",
            met=f"2026-0{number + 1}-15T08:00:00Z",
            open=number % 2 == 0,
            tags=["new"] if number else ["old"],
            rank=number,
        )


async def ask(client: Any, path: str, **headers: str) -> dict[str, Any]:
    answer = await client.get(f"/odata/{path}", headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["odata-version"] == "4.0"
    found: dict[str, Any] = answer.json()
    return found


async def names(client: Any, query: str) -> list[str]:
    return [row["name"][:2] for row in (await ask(client, f"deal?$orderby=name&{query}"))["value"]]


async def test_the_documents_say_what_there_is_to_read(rep):
    service = await ask(rep, "")
    assert {"name": "deal", "title": "Deals", "kind": "EntitySet", "url": "deal"} in service["value"]
    assert service["@odata.context"] == "http://test/odata/$metadata"
    answer = await rep.get("/odata/$metadata")
    assert answer.headers["content-type"] == "application/xml"
    types = {t.get("Name"): t for t in ET.fromstring(answer.text).iter(f"{EDM}EntityType")}
    deal = {p.get("Name"): p.get("Type") for p in types["deal"].iter(f"{EDM}Property")}
    expected = {
        "id": "Edm.Guid",
        "version": "Edm.Int64",
        "name": "Edm.String",
        "amount": "Edm.Decimal",
        "amount_currency": "Edm.String",
        "customer_id": "Edm.Guid",
        "customer_label": "Edm.String",
        "about_entity": "Edm.String",
        "closed": "Edm.Date",
        "met": "Edm.DateTimeOffset",
        "open": "Edm.Boolean",
        "tags": "Collection(Edm.String)",
    }
    assert {name: deal.get(name) for name in expected} == expected
    ways = {p.get("Name"): p.get("Type") for p in types["party"].iter(f"{EDM}NavigationProperty")}
    assert (ways["country"], ways["deals"], ways["partners"]) == (
        "xrm.country",
        "Collection(xrm.deal)",
        "Collection(xrm.party)",
    )
    assert "secret" not in answer.text


async def test_a_record_has_flat_typed_values(rep):
    answer = await rep.get("/odata/deal?$filter=rank eq 3")
    assert '"amount":3.10' in answer.text  # a number with its digits
    row = answer.json()["value"][0]
    shown = {
        n: row[n]
        for n in ("name", "amount_currency", "share", "customer_label", "about_entity", "closed", "met", "tags")
    }
    assert shown == {
        "name": "D3 o'clock",
        "amount_currency": "EUR",
        "share": 12.5,
        "customer_label": "Acme & Söhne",
        "about_entity": "party",
        "closed": "2026-04-15",
        "met": "2026-04-15T08:00:00.000000Z",
        "tags": ["new"],
    }
    assert row["@odata.etag"] == 'W/"1"'
    one = await rep.get(f"/odata/deal({row['id']})")
    assert (one.json()["name"], one.headers["etag"]) == ("D3 o'clock", 'W/"1"')
    same = await rep.get(f"/odata/deal({row['id']})", headers={"if-none-match": 'W/"1"'})
    assert (same.status_code, same.content) == (304, b"")


FILTERS = (
    ("name eq 'D1 o''clock'", "D1"),
    ("rank gt 1 and rank le 3", "D2 D3"),
    ("rank eq 0 or not (rank lt 4)", "D0 D4"),
    ("startswith(name,'D2') or endswith(name,'x') or contains(tolower(name),'d3')", "D2 D3"),
    ("amount ge 3.1 and amount_currency eq 'EUR'", "D3 D4"),
    ("rank mul 2 sub 1 eq 5", "D3"),
    ("rank in (1,4)", "D1 D4"),
    ("closed ge 2026-04-01", "D3 D4"),
    ("met lt 2026-02-01T00:00:00Z", "D0"),
    ("year(closed) eq 2026 and month(closed) eq 2", "D1"),
    ("open eq false", "D1 D3"),
    ("open", "D0 D2 D4"),
    ("customer_id eq null", "D4"),
    ("customer/name eq 'Acme & Söhne' and customer/country/rank eq 1 and rank lt 1", "D0"),
    ("customer/name eq 'Hidden'", ""),
    ("tags/any(t: t eq 'old')", "D0"),
)


async def test_filters(rep):
    for filter, found in FILTERS:
        asked = filter.replace("&", "%26").replace("+", "%2B")
        assert await names(rep, f"$filter={asked}") == found.split(), filter


REFUSED = (
    ("deal?$filter=secret eq 's1'", 400, "$filter"),
    ("party?$filter=secret eq 's1'", 400, "$filter"),
    ("deal?$filter=customer/secret eq 's1'", 400, "$filter"),
    ("party?$orderby=secret", 400, "$orderby"),
    ("party?$select=secret", 400, "$select"),
    ("party?$expand=secrets", 400, "$expand"),
    ("deal?$expand=customer($filter=secret eq 's1')", 400, "$filter"),
    ("deal?$filter=rank", 422, "filter"),
    ("deal?$filter=rank eq", 400, "$filter"),
    ("deal?$filter=" + "(" * 99, 400, "$filter"),
    ("deal?$filter=" + "not " * 99 + "open", 400, "$filter"),
    ("deal?$filter='a", 400, "$filter"),
    ("deal?$filter=system('x')", 400, "$filter"),
    ("deal?$top=-1", 400, "$top"),
    ("deal?$skip=x", 400, "$skip"),
    ("deal?$nope=1", 400, "$nope"),
    ("deal?$skiptoken=x", 400, ""),
    ("nothing", 404, ""),
    ("deal(00000000-0000-0000-0000-000000000000)", 404, ""),
    ("deal(--------------------------------0000)", 404, ""),
)


async def test_what_cannot_be_answered_is_told_as_odata_tells_it(rep):
    for path, status, target in REFUSED:
        answer = await rep.get(f"/odata/{path}")
        error = answer.json()["error"]
        assert (answer.status_code, answer.headers["odata-version"]) == (status, "4.0"), answer.text
        assert error["message"]
        assert not target or error["details"][0]["target"] == target


async def test_pages_go_on_by_next_links(rep):
    first = await ask(rep, "deal?$orderby=rank desc&$select=name,rank&$count=true&$top=4", prefer="odata.maxpagesize=2")
    assert first["@odata.count"] == 5
    assert [row["rank"] for row in first["value"]] == [4, 3]
    assert set(first["value"][0]) == {"@odata.etag", "name", "rank"}
    link = first["@odata.nextLink"]
    assert link.startswith("http://test/odata/deal?")
    second = (await rep.get(link, headers={"prefer": "odata.maxpagesize=2"})).json()
    assert [row["rank"] for row in second["value"]] == [2, 1]
    assert "@odata.nextLink" not in second
    assert [r["rank"] for r in (await ask(rep, "deal?$orderby=rank&$skip=3"))["value"]] == [3, 4]
    assert (await rep.get("/odata/deal/$count?$filter=rank lt 3")).text == "3"
    assert (await ask(rep, "deal?$top=0&$count=true"))["@odata.count"] == 5
    assert [r["name"][:2] for r in (await ask(rep, 'deal?$search="D2" AND clock'))["value"]] == ["D2"]


async def test_expanding_shows_what_may_be_read(rep):
    query = "deal?$orderby=name&$select=name&$expand=customer($select=name;$expand=country($select=name)),customer"
    assert (await rep.get(f"/odata/{query}")).status_code in (200, 400)
    deals = (await ask(rep, query.removesuffix(",customer")))["value"]
    assert deals[0]["customer"]["country"]["name"] == "Chile"
    assert deals[4]["customer"] is None
    expand = "deals($filter=rank ge 2;$orderby=rank desc;$top=1;$select=rank),partner_of"
    party = (await ask(rep, f"party?$expand={expand}"))["value"]
    assert [(p["name"], [d["rank"] for d in p["deals"]], p["partner_of"]) for p in party] == [("Acme & Söhne", [3], [])]


async def test_who_asks_signs_in_by_key_as_password_or_bearer(callers):
    nobody = await callers.anybody()
    refused = await nobody.get("/odata/deal")
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, 'Basic realm="xrm"')
    key = await callers.site.key(await callers.site.person("Rep", "rep"))
    for given, status in ((f"any:{key}", 200), (f"any:{key}x", 401), ("any:password", 401), ("", 401)):
        basic = base64.b64encode(given.encode()).decode()
        answer = await nobody.get("/odata/deal?$top=1", headers={"authorization": f"Basic {basic}"})
        assert (answer.status_code, answer.headers.get("www-authenticate", "")[:5]) == (
            status,
            "" if status == 200 else "Basic",
        )
    assert (await nobody.get("/api/deal", headers={"authorization": f"Basic {basic}"})).status_code == 401
    assert (await nobody.get("/odata/$metadata", headers={"authorization": "Basic ???"})).status_code == 401


SPREADSHEETS = (  # as Excel and Power BI ask
    "",
    "$metadata",
    "deal?$top=1000",
    "deal?$top=200&$skip=0&$count=true",
    "deal?$filter=closed ge 2026-02-01 and closed lt 2026-04-01&$select=name,amount,closed",
    "deal?$select=id,name&$orderby=id asc&$top=4096",
    "deal/$count",
    "party?$expand=deals($select=id,name;$top=10)&$format=json",
)


async def test_known_requests_of_spreadsheets(rep):
    headers = {
        "accept": "application/json;odata.metadata=minimal;q=1.0,application/xml;q=0.6",
        "odata-maxversion": "4.0",
        "mashupengine-clientversion": "2.9",
    }
    for path in SPREADSHEETS:
        answer = await rep.get(f"/odata/{path}", headers=headers)
        assert (answer.status_code, answer.headers["odata-version"]) == (200, "4.0"), answer.text


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[str]:
    server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", 0, log_level="error", lifespan="off"))
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - it has no event to wait for
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await task


async def test_a_client_of_others_reads_the_feed(callers):
    key = await callers.site.key(await callers.site.person("Rep", "rep"))

    def work(url: str) -> list[tuple[Any, ...]]:
        import requests
        from odata import ODataService

        session = requests.Session()
        session.auth = ("key", key)
        service = ODataService(f"{url}/odata/", session=session, reflect_entities=True)
        deal = service.entities["deal"]
        query = service.query(deal).filter(deal.rank >= 2).order_by(deal.rank.desc()).limit(2)
        return [(one.name, one.amount, one.closed, one.customer_label) for one in query]

    async with serving(callers.app) as url:
        found = await asyncio.to_thread(work, url)
    assert [name for name, *_ in found] == ["D4 o'clock", "D3 o'clock"]
    assert [(str(amount), str(closed)[:10], label) for _, amount, closed, label in found][1:] == [
        ("3.1", "2026-04-15", "Acme & Söhne")
    ]
