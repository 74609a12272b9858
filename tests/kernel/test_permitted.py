"""What a page is told that may be done with a record is what a write then finds."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest

from xrm.errors import Forbidden, Invalid, NotFound, XrmError
from xrm.testing import make_site

FILES = {
    "entities/tool.yaml": """
entity: tool
label: "{name}"
uses: [owned]
fields: {name: text, price: {type: integer, class: confidential}, stage: {type: choice, choices: [a, b]}}
""",
    "entities/roles.yaml": """
role: looker
grants: [{entity: tool, actions: [read]}]
---
role: owner
grants:
  - {entity: tool, actions: [read], fields: {read: ["*"], write: []}}
  - {entity: tool, actions: [update, delete], rows: own, fields: {read: ["*"], write: [internal]}}
---
role: pricer
grants:
  - {entity: tool, actions: [read, update], rows: {where: "stage == 'a'"}, fields: {read: ["*"], write: [+price]}}
---
role: stranger
grants: []
""",
}
ROLES = (("looker",), ("owner",), ("pricer",), ("owner", "pricer"), ("admin",))
VALUES = {"name": "new", "price": 7}


async def refusal(write) -> type[XrmError] | None:
    try:
        await write
    except (Forbidden, Invalid, NotFound) as error:
        return type(error)
    return None


@pytest.mark.parametrize("roles", ROLES, ids="+".join)
async def test_it_says_what_a_write_finds(tmp_path: Path, database_url: str, roles: tuple[str, ...]) -> None:
    async with make_site(tmp_path, database_url, FILES) as site:
        actor = await site.person("Ann", *roles)
        records = site.records
        for owner in (str(actor.id), None):
            for stage in ("a", "b"):
                tool = await site.system.create("tool", {"name": "old", "price": 1, "stage": stage, "owner": owner})
                id = UUID(tool["id"])
                may = await records.permitted(actor, "tool", id)
                for field, value in VALUES.items():
                    found = await refusal(records.update(actor, "tool", id, {field: value}))
                    assert (found is None) == (field in may.get("update", ())), (owner, stage, field)
                assert (await refusal(records.delete(actor, "tool", id)) is None) == ("delete" in may)


async def test_of_a_record_one_may_not_read_it_says_nothing(tmp_path: Path, database_url: str) -> None:
    async with make_site(tmp_path, database_url, FILES) as site:
        pricer, stranger = await site.person("Ann", "pricer"), await site.person("Ben", "stranger")
        tool = await site.system.create("tool", {"name": "old", "stage": "b"})
        assert await site.records.permitted(pricer, "tool", UUID(tool["id"])) == {}
        with pytest.raises(NotFound):
            await site.records.permitted(stranger, "tool", UUID(tool["id"]))
