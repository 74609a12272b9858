"""The company itself: units, teams and users, with the four personas one may sign in as."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from .rows import Draft, Key


@dataclass(frozen=True, slots=True)
class Colleague:
    """One user of the demo. Those whose address begins with a role may sign in."""

    email: str
    name: str
    position: str
    roles: tuple[str, ...]
    unit: str
    team: str = ""
    manager: str = ""
    share: float = 0.0  # of the parties of their region


PERSONAS = ("admin@example.com", "manager@example.com", "rep@example.com", "reader@example.com")

COLLEAGUES = (
    Colleague("admin@example.com", "Andrea Fischer", "Head of administration", ("admin",), "Head office"),
    Colleague(
        "manager@example.com",
        "Marco Silva",
        "Sales manager North",
        ("sales_manager",),
        "Sales North",
        "Sales North",
        "admin@example.com",
        0.5,
    ),
    Colleague(
        "rep@example.com",
        "Rosa Lind",
        "Sales representative",
        ("sales_rep",),
        "Sales North",
        "Sales North",
        "manager@example.com",
        7.0,
    ),
    Colleague("reader@example.com", "Robin Reed", "Controller", ("reader",), "Head office", "", "admin@example.com"),
    Colleague(
        "jonas.weber@example.com",
        "Jonas Weber",
        "Sales representative",
        ("sales_rep",),
        "Sales North",
        "Sales North",
        "manager@example.com",
        3.0,
    ),
    Colleague(
        "emma.clark@example.com",
        "Emma Clark",
        "Sales representative",
        ("sales_rep",),
        "Sales North",
        "Sales North",
        "manager@example.com",
        2.0,
    ),
    Colleague(
        "claire.moreau@example.com",
        "Claire Moreau",
        "Sales manager South",
        ("sales_manager",),
        "Sales South",
        "Sales South",
        "admin@example.com",
        0.5,
    ),
    Colleague(
        "luca.rossi@example.com",
        "Luca Rossi",
        "Sales representative",
        ("sales_rep",),
        "Sales South",
        "Sales South",
        "claire.moreau@example.com",
        3.0,
    ),
    Colleague(
        "pavel.novak@example.com",
        "Pavel Novák",
        "Sales representative",
        ("sales_rep",),
        "Sales South",
        "Sales South",
        "claire.moreau@example.com",
        2.0,
    ),
    Colleague(
        "ines.garcia@example.com",
        "Inés García",
        "Service agent",
        ("service_agent",),
        "Service",
        "First line",
        "admin@example.com",
    ),
)

UNITS = (
    ("Head office", "", "Berlin", "DE"),
    ("Sales", "Head office", "Berlin", "DE"),
    ("Sales North", "Sales", "Hamburg", "DE"),
    ("Sales South", "Sales", "Lyon", "FR"),
    ("Service", "Head office", "Prague", "CZ"),
)
TEAMS = (("Sales North", "Sales North"), ("Sales South", "Sales South"), ("First line", "Service"))
CONNECTION_ROLES = (
    ("Employee", "Employer", "employment"),
    ("Shareholder", "Holding", "ownership"),
    ("Adviser", "Client", "business"),
    ("Member", "Association", "membership"),
    ("Spouse", "Spouse", "family"),
    ("Competitor", "Competitor", "business"),
)
QUEUES = (("First line", 24), ("Technical support", 16), ("Returns", 48))
AGENT = "ines.garcia@example.com"


class Staff:
    """Who looks after what."""

    def __init__(self) -> None:
        self._by_email = {colleague.email: colleague for colleague in COLLEAGUES}
        regions = {"north": "Sales North", "south": "Sales South"}
        self._reps = {r: [c for c in COLLEAGUES if c.unit == unit and c.share] for r, unit in regions.items()}

    def rep(self, rng: Random, region: str) -> str:
        """Return the address of a sales person of a region."""
        reps = self._reps[region]
        return rng.choices(reps, [rep.share for rep in reps])[0].email

    def unit_of(self, email: str) -> Key:
        """Return the unit a user belongs to."""
        return Key("unit", self._by_email[email].unit)


def staff_drafts() -> Iterator[Draft]:
    """Yield units, users, teams and the lists that go with them."""
    for name, parent, city, country in UNITS:
        values = {"name": name, "city": city, "country": country, "parent": Key("unit", parent) if parent else None}
        yield Draft("unit", name, values, kept=True)
    for colleague in COLLEAGUES:
        yield _user(colleague)
    for name, unit in TEAMS:
        yield Draft("team", name, {"name": name, "unit": Key("unit", unit)}, kept=True)
    for colleague in COLLEAGUES:
        if colleague.team:
            member = {"team": Key("team", colleague.team), "member": Key("user", colleague.email)}
            yield Draft("team_member", colleague.email, member)
    for name, reciprocal, category in CONNECTION_ROLES:
        named = {"name": name, "reciprocal": reciprocal, "category": category}
        yield Draft("connection_role", name, named, kept=True)
    for name, hours in QUEUES:
        queue = {"name": name, "hours_to_answer": hours, "team": Key("team", "First line")}
        yield Draft("queue", name, queue, kept=True)


def _user(colleague: Colleague) -> Draft:
    return Draft(
        "user",
        colleague.email,
        {
            "name": colleague.name,
            "email": colleague.email,
            "position": colleague.position,
            "roles": list(colleague.roles),
            "unit": Key("unit", colleague.unit),
            "manager": Key("user", colleague.manager) if colleague.manager else None,
            "time_zone": "Europe/Berlin",
        },
        kept=True,
    )
