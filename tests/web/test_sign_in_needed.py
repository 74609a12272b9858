"""Every page asks who one is before it shows anything; the list is the router's own, so a new page is in it."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from xrm.builtin.people.accounts import Accounts
from xrm.server import create_app
from xrm.site import Site
from xrm.testing import make_site
from xrm.web.routes import OPEN, PAGES


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
async def test_pages_send_strangers_to_sign_in(tmp_path: Path, method: str) -> None:
    async with make_site(
        tmp_path, f"sqlite:///{tmp_path}/x.db", {"entities/a.yaml": "entity: thing\nfields: {a: text}\n"}
    ) as site:
        app = create_app(Site(site.kernel, Accounts(site.kernel)))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            for verb, pattern, _ in PAGES:
                if pattern in OPEN or (verb == "POST") != (method == "POST"):
                    continue
                path = re.sub(r"\{[a-z]+:uuid\}", str(uuid4()), pattern)
                path = re.sub(r"\{entity:str\}", "thing", path).replace("{action:str}", "go")
                answer = await client.request(method, path, headers={"origin": "http://localhost"})
                assert answer.status_code in (303, 401, 403), (method, path, answer.status_code)
                assert answer.headers.get("location", "/sign-in").startswith("/sign-in")
