from __future__ import annotations

from uuid import UUID

import pytest

from xrm import Conflict, Invalid
from xrm.kernel.change import SYSTEM
from xrm.kernel.query import Query


async def make(site, entity, **values):
    return await site.records.create(SYSTEM, entity, values)


@pytest.fixture
async def parties(site):
    kinds = {"Holding": "organisation", "Works": "organisation", "Ann": "person"}
    return {name: (await make(site, "party", name=name, kind=kind))["id"] for name, kind in kinds.items()}


@pytest.fixture
async def parent(site):
    kinds = {"first_kinds": ["organisation"], "second_kinds": ["organisation"]}
    return (await make(site, "connection_role", name="Parent of", reciprocal="Subsidiary of", **kinds))["id"]


async def test_a_connection_is_told_from_both_sides(site, parties, parent):
    made = await make(site, "connection", party=parties["Holding"], role=parent, other=parties["Works"])
    query = Query(f"other == '{parties['Works']}'", fields=("role.reciprocal", "party", "active"))
    (seen,) = (await site.records.list(SYSTEM, "connection", query)).records
    assert (seen["role.reciprocal"], seen["party"]["label"], seen["active"]) == ("Subsidiary of", "Holding", True)
    assert made["label"] == "Holding – Works"


async def test_only_allowed_kinds_are_connected(site, parties, parent):
    with pytest.raises(Invalid) as refused:
        await make(site, "connection", party=parties["Holding"], role=parent, other=parties["Ann"])
    assert [(i.path, i.code) for i in refused.value.issues] == [("other", "kind_not_allowed")]


async def test_a_connection_stands_once_at_a_time(site, parties, parent):
    same = {"party": parties["Holding"], "role": parent, "other": parties["Works"]}
    first = await make(site, "connection", **same, since="2020-01-01")
    for time in ({}, {"since": "2025-01-01"}, {"since": "2019-01-01", "until": "2020-01-01"}):
        with pytest.raises(Conflict):
            await make(site, "connection", **same, **time)
    await make(site, "connection", **same, since="2018-01-01", until="2019-12-31")
    ended = await site.records.update(SYSTEM, "connection", UUID(first["id"]), {"until": "2025-12-31"})
    assert ended["active"] is False
    await make(site, "connection", **same, since="2026-01-01")
    with pytest.raises(Invalid):
        await site.records.update(SYSTEM, "connection", UUID(first["id"]), {"until": "2019-01-01"})
    await make(site, "connection", party=parties["Works"], role=parent, other=parties["Holding"])  # the other way


async def test_a_role_of_one_name_connects_a_pair_once(site, parties):
    role = await make(site, "connection_role", name="Partner of")
    assert (role["reciprocal"], role["symmetric"]) == ("Partner of", True)
    await make(site, "connection", party=parties["Ann"], role=role["id"], other=parties["Works"])
    with pytest.raises(Conflict):
        await make(site, "connection", party=parties["Works"], role=role["id"], other=parties["Ann"])
