"""A site where records are shared."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest

from xrm.builtin.sharing.door import Shares
from xrm.kernel.change import Actor
from xrm.testing import TestSite, make_site

FILES = {
    "entities/plan.yaml": """
entity: plan
label: "{name}"
uses: [owned]
search: [name, note]
fields:
  name: {type: text, class: public}
  place: {type: text, class: public}
  note: {type: text, class: internal}
  cost: {type: integer, class: confidential}
  twice: {type: integer, formula: "cost * 2", class: confidential}
  parent: {type: relation, to: plan, class: public}
restrict:
  - {where: "place == null || place != 'vault'", except: [keeper]}
---
entity: task
label: "{name}"
fields:
  name: {type: text, class: public}
  plan: {type: relation, to: plan, class: public}
""",
    "entities/roles.yaml": """
role: planner
grants:
  - {entity: plan, actions: [read, create, update, delete, share], rows: own}
  - {entity: task, actions: [read, update], rows: {via: plan}}
  - {entity: [user, team], actions: [read]}
---
role: writer
grants:
  - {entity: plan, actions: [read, update, share], rows: own, fields: {read: [public, +cost], write: [+name]}}
  - {entity: user, actions: [read]}
---
role: crowd
grants:
  - {entity: user, actions: [read], fields: {read: ["*"], write: []}}
---
role: keeper
grants: []
---
role: staff
grants:
  - {entity: user, actions: [read, update, delete]}
capabilities: [users.edit]
""",
}


@pytest.fixture
async def site(tmp_path: Path, database_url: str) -> AsyncIterator[TestSite]:
    async with make_site(tmp_path, database_url, FILES) as made:
        yield made


class Sharing:
    """A planner with plans, and others with whom they are shared."""

    def __init__(self, site: TestSite) -> None:
        self.site, self.shares = site, Shares(site.kernel)

    async def now(self, actor: Actor) -> Actor:
        """Return an actor as the next request knows them."""
        assert actor.id is not None
        found = await self.site.accounts.actor_for(actor.id)
        assert found is not None
        return found

    async def plan(self, owner: Actor, **values: object) -> UUID:
        """Return the id of a new plan."""
        made = await self.site.system.create("plan", {"owner": str(owner.id), **values})
        return UUID(made["id"])

    async def give(self, giver: Actor, plan: UUID, to: Actor, **more: object) -> UUID:
        """Share a plan with somebody and return the share's id."""
        made = await self.shares.give(giver, "plan", plan, {"person": str(to.id), **more})
        return UUID(made["id"])


@pytest.fixture
def sharing(site: TestSite) -> Sharing:
    return Sharing(site)
