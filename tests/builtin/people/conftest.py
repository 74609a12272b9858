"""A site with a few people."""

from __future__ import annotations

import pytest

from xrm.testing import make_site

FILES = {
    "entities/roles.yaml": """
role: clerk
grants:
  - {entity: [user, team, unit], actions: [read]}
---
role: keeper
title: Keeper of the users
grants:
  - {entity: user, actions: [read, create, update, delete, restore]}
capabilities: [users.edit]
---
role: writer
grants:
  - {entity: user, actions: [read, create, update]}
""",
}


@pytest.fixture
async def site(tmp_path, database_url):
    async with make_site(tmp_path, database_url, FILES) as made:
        yield made
