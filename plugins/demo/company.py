"""The whole company as a stream of batches: pure, deterministic, and never more than one batch in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from random import Random

from .parties import MAX_PEOPLE, Cluster, twin
from .places import World
from .rows import Batch, Draft
from .sales import activities_of, deals_of, lead, tickets_of
from .staff import Staff, staff_drafts
from .trade import Catalogue, orders_of

BLOCK = 100  # parties of one batch
TWINS = 0.03  # of the parties are there twice
LEADS = 0.12  # leads for each party


@dataclass(frozen=True, slots=True)
class Plan:
    """How large a company to make.

    Attributes:
        parties: How many parties in all.
        seed: The same seed gives the same company.
        today: The day its history ends.
        years: How long its history is; 0 = parties with their contact points and connections only.
    """

    parties: int
    seed: int
    today: date
    years: float = 3.0


def batches(plan: Plan, world: World) -> Iterator[Batch]:
    """Yield the company: first the staff, then blocks of parties with all that belongs to them.

    The catalogue comes with the first block, whose suppliers it names.
    """
    yield list(staff_drafts())
    catalogue: Catalogue | None = None
    for number, first in enumerate(range(0, plan.parties, BLOCK)):
        block = _Block(plan, world, number, first, min(BLOCK, plan.parties - first))
        if catalogue is None:
            catalogue = block.catalogue()
        yield block.batch(catalogue, leading=number == 0)


class _Block:
    def __init__(self, plan: Plan, world: World, number: int, first: int, size: int) -> None:
        self.plan, self.world, self.staff = plan, world, Staff()
        self.first, self.size = first, size
        self.rng = Random(f"{plan.seed}/{number}")  # noqa: S311  # a demo, no secret
        self.clusters: list[Cluster] = []
        self.twins: list[Draft] = []
        self._fill()

    def _fill(self) -> None:
        made = 0
        while made < self.size:
            number = self.first + made
            if self.clusters and self.rng.random() < TWINS:
                original = self.rng.choice(self.rng.choice(self.clusters).drafts)
                self.twins.append(twin(self.rng, original, number))
                made += 1
                continue
            room = min(MAX_PEOPLE + 1, self.size - made)
            cluster = Cluster(self.rng, self.world, self.staff, self.plan.today, number, room)
            self.clusters.append(cluster)
            made += len(cluster.drafts)

    def catalogue(self) -> Catalogue:
        """Return the catalogue, bought from the suppliers of this block."""
        suppliers = [c.head.key for c in self.clusters if c.head.role == "supplier"]
        return Catalogue(self.rng, suppliers, 20 if self.plan.parties < BLOCK else 60)

    def batch(self, catalogue: Catalogue, *, leading: bool) -> Batch:
        """Return all records of the block, those named by others first."""
        drafts = [draft for cluster in self.clusters for draft in cluster.drafts] + self.twins
        if leading:
            drafts += catalogue.drafts
        for cluster in self.clusters:
            drafts += [*cluster.contact_points(), *cluster.connections()]
        if self.plan.years > 0:
            drafts += self._history(catalogue)
        order = {entity: place for place, entity in enumerate(ORDER)}
        return sorted(drafts, key=lambda draft: order[draft.entity])

    def _history(self, catalogue: Catalogue) -> Batch:
        rng, plan = self.rng, self.plan
        drafts: Batch = []
        for party in (cluster.head for cluster in self.clusters):
            if party.role == "customer":
                drafts += orders_of(rng, party, catalogue, plan.today, plan.years)
                drafts += tickets_of(rng, party, catalogue, self.staff, plan.today)
            if party.role in ("customer", "prospect", "partner"):
                drafts += deals_of(rng, party, catalogue, plan.today)
            drafts += activities_of(rng, party, plan.today)
        leads = round(self.size * LEADS)
        drafts += [lead(rng, self.world, self.staff, catalogue, self.first + n) for n in range(leads)]
        return drafts


ORDER = ("party", "product", "contact_point", "connection", "order", "order_line", "deal", "lead", "ticket", "activity")
"""The order in which records of a block are made: a record comes after those it names."""
