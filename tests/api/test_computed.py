"""Computed fields over HTTP: read-only, in the description and the OpenAPI document, never stale in a cache."""

from __future__ import annotations

import httpx
import pytest

from tests.api.conftest import Callers
from xrm.testing import TestSite

MODEL = """
entity: shop
label: "{name}"
fields:
  name: text
  sales: {type: rollup, of: tills, compute: sum, field: taken}
---
entity: till
label: till {id}
fields:
  shop: {type: relation, to: shop, inverse: tills}
  taken: {type: money}
  where: {type: lookup, of: shop.name}
"""


@pytest.fixture
async def admin(site: TestSite, callers: Callers) -> httpx.AsyncClient:
    await site.apply({"entities/shop.yaml": MODEL})
    return await callers.robot("Admin", "admin")


async def test_a_cached_answer_is_not_stale(admin) -> None:
    shop = await admin.post("/api/shop", json={"name": "Main"})
    url = f"/api/shop/{shop.json()['id']}"
    tag = (await admin.get(url)).headers["etag"]
    till = await admin.post("/api/till", json={"shop": shop.json()["id"], "taken": "12.30"})
    assert (till.status_code, till.json()["where"]) == (201, "Main")
    again = await admin.get(url, headers={"if-none-match": tag})
    assert (again.status_code, again.json()["sales"]) == (200, {"amount": "12.30", "currency": "EUR"})


async def test_they_are_described_as_what_they_show(admin) -> None:
    model = (await admin.get("/api/model")).json()
    (shop,) = [e for e in model["entities"] if e["name"] == "shop"]
    (field,) = [f for f in shop["fields"] if f["name"] == "sales"]
    assert (field["type"], field["kind"], field["of"], field["field"]) == ("money", "rollup", "tills", "taken")
    assert (field["read_only"], field["create"], field["update"]) == (True, False, False)
    document = (await admin.get("/openapi.json")).json()
    sent = document["components"]["schemas"]
    assert not any("sales" in schema.get("properties", {}) for name, schema in sent.items() if "create" in name.lower())
    refused = await admin.post("/api/shop", json={"name": "x", "sales": "1"})
    assert refused.json()["issues"][0]["code"] == "read_only"
