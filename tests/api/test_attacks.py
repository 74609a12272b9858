"""What attackers try over HTTP: no 5xx, nothing told that may not be read, nothing written by a refused request."""

from __future__ import annotations

import json
import random
from uuid import uuid4

import pytest

from tests.api.conftest import digest
from tests.http.raw import send

JSON = (b"content-type", b"application/json")

NOBODY = "01890a5d-ac96-774b-bcce-b302099a8057"  # the id of no record; a fixed one, since it names a test


def bare(answer, *names) -> str:
    """Return status and body without what differs anyhow: the request's id and the names asked for."""
    body = answer.json()
    body.pop("request", None)
    text = f"{answer.status_code} {json.dumps(body, sort_keys=True)}"
    for name in names:
        text = text.replace(name, "NAME")
    return text


async def test_system_fields_roles_and_computed_values_cannot_be_sent(callers):
    maker = await callers.robot("Maker", "maker")
    made = (await maker.post("/api/machine", json={"name": "Lathe"})).json()
    before = await digest(callers.site)
    for name, value in {
        "id": str(uuid4()),
        "version": 99,
        "created_at": "2020-01-01T00:00:00Z",
        "created_by": str(uuid4()),
        "updated_by": str(uuid4()),
        "deleted_at": None,
        "label": "Fake",
        "search": "fake",
        "double": 5,
        "number": "M-9999",
        "_masked": [],
        "__class__": {},
        "constructor": {},
        "xrm_session": "x",
    }.items():
        created = await maker.post("/api/machine", json={"name": "X", name: value})
        assert created.status_code in (403, 422), (name, created.text)
        changed = await maker.patch(f"/api/machine/{made['id']}", json={name: value}, headers={"if-match": "*"})
        assert changed.status_code in (403, 422), (name, changed.text)
    me = callers.site.people["Maker"].id
    for values in ({"roles": ["admin"]}, {"active": False}, {"email": "x@example.com"}):
        assert (await maker.patch(f"/api/user/{me}", json=values, headers={"if-match": "*"})).status_code in (403, 422)
    assert await digest(callers.site) == before


async def test_what_may_not_be_read_looks_like_what_is_not_there(callers):
    admin, maker = await callers.robot("Admin", "admin"), await callers.robot("Maker", "maker")
    plan = (await admin.post("/api/secret_plan", json={"name": "Plan"})).json()
    theirs = (await admin.post("/api/machine", json={"name": "Lathe", "serial": "S-1"})).json()
    reader = await callers.robot("Reader", "reader")
    for method, path, body in (
        ("GET", "/api/NAME", None),
        ("POST", "/api/NAME", {"name": "x"}),
        ("GET", "/api/NAME/aggregate", None),
        ("GET", f"/api/NAME/{plan['id']}", None),
        ("PATCH", f"/api/NAME/{plan['id']}", {"name": "x"}),
        ("DELETE", f"/api/NAME/{plan['id']}", None),
        ("POST", f"/api/NAME/{plan['id']}/restore", None),
        ("GET", f"/api/NAME/{plan['id']}/history", None),
        ("POST", f"/api/NAME/{plan['id']}/actions/x", {}),
        ("PUT", "/api/NAME/by/name/x", {"name": "x"}),
        ("GET", "/api/NAME?filter=name=='x'", None),
        ("POST", "/api/NAME/bulk", {"create": [{"name": "x"}]}),
        ("GET", "/api/NAME?trash=deleted", None),
    ):
        seen = set()
        for name in ("secret_plan", "nothing_here"):
            answer = await maker.request(method, path.replace("NAME", name), json=body, headers={"if-match": "*"})
            assert 400 <= answer.status_code < 500
            seen.add(bare(answer, name))
        assert len(seen) == 1, seen
    for method, path, body in (
        ("GET", "/api/machine/ID", None),
        ("PATCH", "/api/machine/ID", {"name": "x"}),
        ("DELETE", "/api/machine/ID", None),
        ("GET", "/api/machine/ID/history", None),
        ("POST", "/api/machine/ID/actions/scrap", {}),
        ("POST", "/api/machine/ID/restore", None),
        ("POST", "/api/machine/bulk", {"delete": [{"id": "ID", "version": 1}]}),
        ("POST", "/api/machine", {"name": "x", "part_of": "ID"}),
    ):
        seen = set()
        for id in (theirs["id"], str(uuid4())):
            sent = json.loads(json.dumps(body).replace("ID", id))
            answer = await maker.request(method, path.replace("ID", id), json=sent, headers={"if-match": "*"})
            assert 400 <= answer.status_code < 500
            seen.add(bare(answer, id))
        assert len(seen) == 1, (method, path, seen)
    for query in ("fields=NAME", "sort=NAME", "sort=-NAME", "filter=NAME > 1.0", "filter=NAME == null"):
        seen = {
            bare(await reader.get("/api/machine?" + query.replace("NAME", name)), name) for name in ("margin", "margix")
        }
        assert len(seen) == 1, seen
    for query in ("group=NAME", "values=sum(NAME)", "values=max(NAME)"):
        seen = {
            bare(await reader.get("/api/machine/aggregate?" + query.replace("NAME", name)), name)
            for name in ("margin", "margix")
        }
        assert len(seen) == 1, seen
    seen = {
        bare(await reader.put(f"/api/machine/by/{name}/1", json={"name": "x"}), name) for name in ("margin", "margix")
    }
    assert len(seen) == 1, seen


async def test_only_json_is_taken(lite_callers):
    maker = await lite_callers.robot("Maker", "maker")
    before = await digest(lite_callers.site)
    body = b'{"name": "Lathe"}'
    for media in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "",
        "json",
        "*/*",
        "application/json; charset=utf-16",
        "application/xml",
        "application/x-msgpack",
        "application/jsonx",
    ):
        answer = await maker.post("/api/machine", content=body, headers={"content-type": media})
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type"), media
    assert await digest(lite_callers.site) == before
    for media in ("application/json", "Application/JSON; charset=UTF-8", 'application/json;charset="utf-8"'):
        assert (await maker.post("/api/machine", content=body, headers={"content-type": media})).status_code == 201, (
            media
        )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"null",
        b"1",
        b"{'a': 1}",
        b'{"name": NaN}',
        b'{"name": Infinity}',
        b'{"name": 1e999}',
        b'{"name": "\xff\xfe"}',
        b'{"name": "\\ud800"}',
        b'{"name": "\xed\xa0\x80"}',
        b'{"power": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"details": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"a":' * 20_000,
        b"\xef\xbb\xbf{}",
        b"{} {}",
    ],
    ids=range(19),
)
async def test_bodies_that_are_no_json_object_are_refused(lite_callers, body):
    maker = await lite_callers.robot("Maker", "maker")
    before = await digest(lite_callers.site)
    answer = await maker.post("/api/machine", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed"), answer.text
    assert await digest(lite_callers.site) == before


@pytest.mark.parametrize(
    "values",
    [
        {"name": "a\x00b"},
        {"power": 2**63},
        {"power": 1e30},
        {"power": 1.5},
        {"power": True},
        {"power": [1]},
        {"name": 5},
        {"price": {"amount": "1", "currency": "EURO"}},
        {"price": {"amount": "1e99", "currency": "EUR"}},
        {"price": "NaN"},
        {"price": "1" * 70},
        {"weight": 0.1234567},
        {"bought": "2026-02-30"},
        {"bought": "0000-00-00"},
        {"shift": "25:00"},
        {"checked_at": "2026-01-01T00:00:00"},
        {"checked_at": "9999-12-31T23:59:59-14:00"},
        {"site": "javascript:alert(1)"},
        {"contact": "a@b@c"},
        {"extras": ["cooling", 1]},
        {"tags": "x"},
        {"tags": ["x"] * 300},
        {"part_of": {"id": 5}},
        {"part_of": {"name": {"$ne": 1}}},
        {"about": {"entity": "xrm_session", "id": NOBODY}},
        {"about": NOBODY},
        {"details": {"a" * 200_000: 1}},
        {"power": 10**30},
        {"weight": 10**30},
        {"price": {"amount": 10**400}},
    ],
    ids=lambda values: str(values)[:60],
)
async def test_values_that_do_not_fit_are_refused(lite_callers, values):
    maker = await lite_callers.robot("Maker", "maker")
    before = await digest(lite_callers.site)
    answer = await maker.post("/api/machine", json={"name": "X", **values})
    assert answer.status_code in (400, 422), answer.text
    assert await digest(lite_callers.site) == before


async def test_parameters_are_bounded(lite_callers):
    maker = await lite_callers.robot("Maker", "maker")
    for query in (
        "limit=0",
        "limit=-1",
        "limit=1001",
        "limit=1e3",
        "limit=1.0",
        "limit=",
        "limit=%20 5",
        "limit=٣",
        "limit=1_0",
        "limit=99999999999999999999",
        "offset=-1",
        "offset=99999999",
        "count=yes",
        "count=1",
        "after=xyz",
        "after=W10",
        "after=" + "a" * 5000,
        "limit=5&limit=6",
        "foo=1",
        "filter=%00",
        "filter=%ff",
        "search=" + "a" * 201,
        "sort=" + ",".join("name" for _ in range(6)),
        "limit=5&&&a",
        "as_of=2020",
        "x" * 20_000,
    ):
        answer = await maker.get("/api/machine?" + query)
        assert answer.status_code == 400, (query[:80], answer.text)
        assert answer.json()["code"] == "malformed"
    for query in (
        "filter=(((",
        "filter=1",
        "filter=drop table",
        "filter=" + "(" * 3000,
        "sort=name;drop",
        "fields=*",
        "trash=all",
        "sort=details",
        "filter=name == 1",
        "filter=" + "name == 'x' || " * 400 + "true",
    ):
        answer = await maker.get("/api/machine?" + query)
        assert answer.status_code in (400, 422), (query[:80], answer.text)


async def test_one_who_asks_too_often_is_told_to_wait_and_others_are_not(lite, tmp_path):
    from contextlib import AsyncExitStack

    from tests.api.conftest import FILES, Callers
    from xrm.testing import make_site

    url = f"sqlite:///{tmp_path}/limited.db"
    async with (
        make_site(tmp_path, url, FILES, allowed_hosts=("test",), rate_limit=20) as site,
        AsyncExitStack() as stack,
    ):
        callers = Callers(site, stack)
        one, two = await callers.robot("One", "maker"), await callers.robot("Two", "maker")
        codes = [(await one.get("/api/machine")).status_code for _ in range(25)]
        assert codes == [200] * 20 + [429] * 5
        refused = await one.get("/api/machine")
        assert (refused.headers["retry-after"], refused.json()["code"]) == ("300", "too_many_requests")
        assert (await two.get("/api/machine")).status_code == 200
        one.headers["authorization"] = "Bearer " + await site.key(site.people["One"])
        assert (await one.get("/api/machine")).status_code == 429  # another key of the same user


# --- a thousand malformed requests ---------------------------------------------------------------------------------


PIECES = [
    b"machine",
    b"user",
    b"nothing",
    b"%00",
    b"%ff",
    b"..",
    b"%2e%2e",
    b"'",
    b'"',
    b"--",
    b"xrm_session",
    b"a" * 300,
    b"",
    b"00000000-0000-0000-0000-000000000000",
    b"%F0%9F%92%A9",
    b"aggregate",
    b"bulk",
    b"by",
    b"serial",
    b"history",
    b"actions",
    b"restore",
    b"start",
    b"model",
    b"apply",
    b"plan",
    b"session",
    b"me",
    b"keys",
    b"search",
    b"{id}",
    b"%25",
    b";",
    b"\\",
]
NAMES = [
    b"filter",
    b"sort",
    b"fields",
    b"search",
    b"limit",
    b"after",
    b"offset",
    b"count",
    b"trash",
    b"group",
    b"values",
    b"q",
    b"x",
    b"",
    b"__proto__",
    b"%00",
    b"filter[name]",
    b"limit[]",
]
TEXTS = [
    b"",
    b"1",
    b"-1",
    b"1e9",
    b"name",
    b"-name",
    b"name,,",
    b"margin",
    b"owner.email",
    b"name%20==%20'x'",
    b"1==1",
    b"'",
    b"%ff",
    b"%00",
    b"((((((((",
    b"name.startsWith('",
    b"sum(power)",
    b"count,count",
    b"x" * 3000,
    b"WzFd",
    b"eyJhIjoxfQ",
    b"true",
    b"power%20%2F%200%20%3E%201",
    b"deleted",
    b"name%20in%20[1,2]",
    b"user.id%20==%20owner",
    b"%F0%9F%92%A9",
    b"%ED%A0%80",
    b"power%20%3E%20999999999999999999999999",
    b"bought%20%3E%20'x'",
    b"checked_at.month",
    b"bought.month",
    b"details",
]
BODIES = [
    b"",
    b"{}",
    b"[]",
    b"null",
    b"{",
    b'{"name":null}',
    b'{"name":""}',
    b'{"name":{"a":1}}',
    b'{"power":1e308}',
    b"\xff\xfe",
    b'{"email":"a","password":"b"}',
    b'{"files":{"../x.yaml":"a"}}',
    b'{"files":{"entities/x.yaml":"a: ["}}',
    b'{"files":[]}',
    b'{"create":[{}]}',
    b'{"delete":[{"id":1}]}',
    b'{"mode":"partial","update":[{"id":"x","version":true}]}',
    b"[" * 3000,
    b'{"about":{"entity":"user","id":"x"}}',
    b'{"details":' + b'{"a":' * 60 + b"1" + b"}" * 61,
    b'{"tags":[null]}',
    b"1e5",
    b'{"title":"x","expires_at":"never"}',
    b'{"name":"\\u0000"}',
    b'{"__proto__":{"x":1},"name":3}',
    b'{"state":"running"}',
]
HEADERS = [
    (b"content-type", b"text/plain"),
    (b"content-type", b"application/json; charset=x"),
    (b"if-match", b'"1"'),
    (b"if-match", b"garbage"),
    (b"if-match", b'"' * 50),
    (b"if-none-match", b"W/,"),
    (b"idempotency-key", b"a b"),
    (b"idempotency-key", b"k" * 300),
    (b"content-length", b"abc"),
    (b"content-length", b"-5"),
    (b"origin", b"null"),
    (b"origin", b"http://[::1"),
    (b"cookie", b"xrm_session=\xff\xfe; a"),
    (b"cookie", b"=;=;;"),
    (b"change-reason", b"%ff%00"),
    (b"x-csrf-token", b"\xe9"),
    (b"accept", b"*/*;q=x"),
    (b"range", b"bytes=5-1"),
    (b"x-http-method-override", b"DELETE"),
    (b"transfer-encoding", b"chunked"),
    (b"authorization", b"Basic eDp5"),
    (b"expect", b"100-continue"),
]
METHODS = ["GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE", "BREW"]


PATHS = [
    b"machine",
    b"machine/ID",
    b"machine/aggregate",
    b"machine/bulk",
    b"machine/ID/history",
    b"machine/ID/restore",
    b"user",
    b"machine/ID/actions/start",
    b"machine/ID/actions/scrap",
    b"machine/by/serial/PIECE",
    b"machine/by/PIECE/x",
    b"session",
    b"model",
    b"model/check",
    b"model/plan",
    b"model/apply",
    b"model/history",
    b"model/expression",
    b"me",
    b"me/password",
    b"me/sessions/PIECE",
    b"keys",
    b"keys/PIECE",
    b"search",
    b"accounts/ID/password",
    b"machine/PIECE",
    b"PIECE/ID",
    b"PIECE/PIECE/PIECE/PIECE",
]


def malformed(dice: random.Random, token: bytes, id: bytes):
    """Return one request that no good client sends."""
    path = b"/api/" + dice.choice(PATHS).replace(b"ID", id)
    while b"PIECE" in path:
        path = path.replace(b"PIECE", dice.choice(PIECES), 1)
    query = b"&".join(dice.choice(NAMES) + b"=" + dice.choice(TEXTS) for _ in range(dice.choice((0, 0, 1, 2))))
    headers = dice.sample(HEADERS, dice.choice((0, 0, 1, 1, 2, 3)))
    if dice.random() < 0.5:
        headers.append((b"if-match", b"*"))
    if dice.random() < 0.8:
        headers = [(b"authorization", b"Bearer " + token), *headers]
    if dice.random() < 0.7:
        headers.append(JSON)
    return dice.choices(METHODS, (8, 6, 4, 3, 3, 1, 1, 1, 1))[0], path, query, headers, dice.choice(BODIES)


@pytest.mark.parametrize("seed", range(4))
async def test_a_thousand_malformed_requests_break_nothing(lite_callers, seed):
    site = lite_callers.site
    actor = await site.person("Maker", "maker")
    token = (await site.key(actor)).encode()
    made = await site.records.create(actor, "machine", {"name": "Lathe", "serial": "start", "power": 3})
    dice = random.Random(seed)
    before = await digest(site)
    for _ in range(250):
        request = malformed(dice, token, made["id"].encode())
        reply = await send(lite_callers.app, *request)
        assert 200 <= reply.status < 500, (request, reply.body)
        if reply.status >= 400:
            assert reply.headers["content-type"] == "application/problem+json"
            assert request[0] == "HEAD" or reply.json()["status"] == reply.status
            assert await digest(site) == before, request
        else:
            before = await digest(site)


async def test_a_client_that_goes_away_is_no_failure(lite_callers, caplog):
    site = lite_callers.site
    token = (await site.key(await site.person("Maker", "maker"))).encode()
    before = await digest(site)
    headers = [(b"authorization", b"Bearer " + token), JSON]
    reply = await send(lite_callers.app, "POST", b"/api/machine", b"", headers, [b'{"name":', b' "La'], gone=True)
    assert reply.status in (0, 400)
    assert await digest(site) == before
    assert not [r for r in caplog.records if r.levelname == "ERROR"]


async def test_a_body_has_its_size(lite_callers, tmp_path):
    site = lite_callers.site
    token = (await site.key(await site.person("Maker", "maker"))).encode()
    headers = [(b"authorization", b"Bearer " + token), JSON]
    limit = site.kernel.settings.max_body
    big = [b" " * 1_000_000] * (limit // 1_000_000 + 1)
    told = await send(
        lite_callers.app, "POST", b"/api/machine", b"", [*headers, (b"content-length", b"99999999999")], b"{}"
    )
    assert (told.status, told.json()["code"]) == (413, "too_large")
    found = await send(lite_callers.app, "POST", b"/api/machine", b"", headers, big)
    assert (found.status, found.json()["code"]) == (413, "too_large")
