"""A value of several parts is missing only when all of them are: in filters, checks, formulas and keys alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from xrm.errors import Conflict, Invalid
from xrm.kernel.change import SYSTEM
from xrm.kernel.query import Query
from xrm.testing import make_site

STAY = """
entity: stay
label: "{name}"
fields:
  name: text
  open: {type: date_range, open_ends: true}
  place: address
  guest: person_name
  dated: {type: boolean, formula: "open != null"}
  now: {type: boolean, formula: "open != null && today() >= date('2000-01-01')"}
unique:
  - {fields: [name], where: "open == null"}
checks:
  - {name: placed, when: "guest != null", require: "place != null", message: A guest needs a place.}
"""


async def test_either_part_makes_a_value(tmp_path: Path, database_url: str) -> None:
    async with make_site(tmp_path, database_url, {"entities/stay.yaml": STAY}) as site:
        create = site.system.create
        await create("stay", {"name": "until", "open": {"end": "2026-01-02"}, "place": {"city": "Bonn"}})
        await create("stay", {"name": "from", "open": {"start": "2026-01-02"}})
        await create("stay", {"name": "none"})
        found = {}
        for condition in ("open == null", "open != null", "null == place", "place != null", "dated", "now"):
            page = await site.records.list(SYSTEM, "stay", Query(condition, sort=("name",), fields=("name",)))
            found[condition] = [record["name"] for record in page.records]
        assert found == {
            "open == null": ["none"],
            "open != null": ["from", "until"],
            "null == place": ["from", "none"],
            "place != null": ["until"],
            "dated": ["from", "until"],
            "now": ["from", "until"],
        }
        with pytest.raises(Invalid):
            await create("stay", {"name": "x", "guest": {"given": "Ann"}})
        await create("stay", {"name": "x", "guest": {"given": "Ann"}, "place": {"city": "Ulm"}})
        await create("stay", {"name": "until", "open": {"start": "2026-03-01"}})  # the key is about those without
        with pytest.raises(Conflict):
            await create("stay", {"name": "none"})
