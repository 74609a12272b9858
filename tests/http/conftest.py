"""The HTTP layers around routes of our own."""

from __future__ import annotations

from typing import Any

import pytest
from litestar import get, post

from xrm.errors import Conflict, Issue, StorageFull, Unavailable
from xrm.http import application
from xrm.http.answers import Answer, answer
from xrm.http.caller import caller, signed_in
from xrm.http.reading import AnyRequest, read_body, read_json, read_query
from xrm.testing import make_site

ERRORS = {
    "conflict": Conflict(
        "Taken.", [Issue("name", "not_unique", "There is one.", "take another")], index="ix", title="no"
    ),
    "away": Unavailable("The database is busy", retry_after=3),
    "full": StorageFull(),
    "defect": ZeroDivisionError("secret value 42"),
}


@get("/fail/{name:str}")
async def fail(request: AnyRequest) -> Answer:
    raise ERRORS[request.path_params["name"]]


@post("/echo")
async def echo(request: AnyRequest) -> Answer:
    known = caller(request)
    return answer({"body": (await read_body(request)).decode(), "source": known.actor.source if known.actor else None})


@post("/json")
async def as_json(request: AnyRequest) -> Answer:
    read_query(request)
    return answer({"got": await read_json(request)})


@get("/mine")
async def mine(request: AnyRequest) -> Answer:
    return Answer(
        b"ok", 200, b"text/plain", {"cache-control": "max-age=60", "content-security-policy": "default-src 'none'"}
    )


@get("/who")
async def who(request: AnyRequest) -> Answer:
    return answer({"name": signed_in(request).name})


@get("/static/x")
async def static(request: AnyRequest) -> Answer:
    return answer({"actor": caller(request).actor is not None})


HANDLERS: list[Any] = [fail, echo, as_json, mine, who, static]


@pytest.fixture
async def site(tmp_path):
    async with make_site(tmp_path, f"sqlite:///{tmp_path}/site.db", {}, allowed_hosts=("test", "[::1]")) as made:
        yield made


@pytest.fixture
def app(site):
    return application(site.site, HANDLERS)
