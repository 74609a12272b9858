"""Roles that name others in `may_grant` let those be given: to others, and not by taking over an account."""

from __future__ import annotations

from pathlib import Path

import pytest

from xrm.errors import Forbidden
from xrm.metadata.merge import review
from xrm.metadata.model import Source
from xrm.testing import make_site

ROLES = """
role: desk
grants: [{entity: user, actions: [read, create, update, delete]}]
capabilities: [users.edit]
may_grant: [seller]
---
role: seller
grants: [{entity: team, actions: [read]}]
---
role: chief
grants: [{entity: team, actions: ["*"]}]
"""


async def test_a_role_is_passed_on_to_others_only(tmp_path: Path, database_url: str) -> None:
    async with make_site(tmp_path, database_url, {"entities/r.yaml": ROLES}) as site:
        await site.person("Root", "admin")
        desk, ann = await site.person("Desk", "desk"), await site.person("Ann")
        boss, people = await site.person("Boss", "chief", "seller"), site.records
        given = await people.update(desk, "user", ann.id, {"roles": ["seller"]})
        assert given["roles"] == ["seller"]
        made = await people.create(desk, "user", {"name": "New", "email": "n@example.com", "roles": ["seller"]})
        assert made["roles"] == ["seller"]
        for target, values in (
            (desk, {"roles": ["desk", "seller"]}),
            (ann, {"roles": ["seller", "chief"]}),
            (ann, {"email": "mine@example.com"}),
            (ann, {"active": False}),
            (ann, {"roles": [], "email": "mine@example.com"}),
            (boss, {"roles": ["seller"]}),
            (boss, {"roles": ["chief"]}),
        ):
            with pytest.raises(Forbidden):
                await people.update(desk, "user", target.id, values)
        with pytest.raises(Forbidden):
            await people.delete(desk, "user", ann.id)
        with pytest.raises(Forbidden):
            await people.create(desk, "user", {"name": "Top", "email": "t@example.com", "roles": ["chief"]})
        assert not await site.accounts.looks_after(desk, ann.id)
        assert (await people.update(desk, "user", ann.id, {"roles": []}))["roles"] in (None, [])


def test_a_role_that_is_not_there_is_found() -> None:
    wrong = review([Source("site", "r.yaml", "role: a\nmay_grant: [b]\n")])
    assert [(i.path, i.code) for i in wrong.issues] == [("r.yaml:2:13", "unknown_role")]
    layers = [Source("base", "r.yaml", "role: a\n---\nrole: b\n---\nrole: c\nmay_grant: [a]\n")]
    layers.append(Source("site", "s.yaml", "role: c\nmay_grant: [b]\n"))
    assert review(layers).model.roles["c"].may_grant == ("a", "b")
