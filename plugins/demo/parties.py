"""Parties: organisations with their people, private customers, and the dirt that real data has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Any

from .places import Country, World, ascii_name
from .rows import Draft, Key
from .staff import Staff

INDUSTRIES = (
    "agriculture",
    "construction",
    "education",
    "energy",
    "finance",
    "health",
    "hospitality",
    "manufacturing",
    "media",
    "public",
    "retail",
    "services",
    "technology",
    "transport",
)
JOBS = (
    "Managing director",
    "Head of purchasing",
    "Buyer",
    "Head of production",
    "Head of IT",
    "Controller",
    "Engineer",
    "Office manager",
    "Plant manager",
    "Head of logistics",
)
SOURCES = ("website", "referral", "event", "campaign", "partner", "other")
TAGS = ("key account", "newsletter", "trade fair", "needs care", "pays late", "long-standing")
ROLES = (
    ("customer", 56.0),
    ("prospect", 24.0),
    ("supplier", 9.0),
    ("partner", 6.0),
    ("competitor", 2.0),
    ("other", 3.0),
)
STAGES = {
    "customer": (("expansion", 45.0), ("commitment", 35.0), ("exploration", 8.0), ("dissolution", 12.0)),
    "prospect": (("awareness", 55.0), ("exploration", 45.0)),
}
MAX_PEOPLE = 5  # of one organisation


@dataclass(slots=True)
class Party:
    """A party that was made, as far as others must know it."""

    draft: Draft
    country: Country
    role: str
    owner: str  # e-mail address of the user who looks after it
    since: date
    spend: float  # how much larger than usual its orders are
    people: list[Draft] = field(default_factory=list)

    @property
    def key(self) -> Key:
        """The key others name it by."""
        return self.draft.key


def weighted(rng: Random, options: tuple[tuple[str, float], ...]) -> str:
    """Return one of the options by their weights."""
    return rng.choices([name for name, _ in options], [weight for _, weight in options])[0]


class Cluster:
    """Parties that belong together: an organisation with its people, or one private person."""

    def __init__(self, rng: Random, world: World, staff: Staff, today: date, first: int, size: int) -> None:
        """Make at most `size` parties, numbered from `first`."""
        self.rng, self.staff, self.today, self.number = rng, staff, today, first
        self.country = world.country(rng)
        self.drafts: list[Draft] = []
        people = min(size - 1, MAX_PEOPLE, int(rng.expovariate(0.55)))
        self.head = self._organisation() if size > 1 and rng.random() < 0.72 else self._private()
        if self.head.draft.values["kind"] == "organisation":
            self.head.people = [self._colleague(self.head) for _ in range(people)]

    def _organisation(self) -> Party:
        rng, country = self.rng, self.country
        role = weighted(rng, ROLES)
        name, site = _firm(rng, country)
        rating = "a" if rng.random() < 0.15 else rng.choice(("b", "b", "c", None))
        employees = max(1, int(rng.lognormvariate(3.4, 1.4)))
        return self._party(
            role,
            site,
            {
                "kind": "organisation",
                "name": name,
                "legal_form": name.rsplit(" ", 1)[-1],
                "email": f"{rng.choice(('info', 'office', 'contact'))}@{site}",
                "phone": country.phone(rng),
                "website": f"https://www.{site}",
                "industry": rng.choice(INDUSTRIES),
                "employees": employees,
                "turnover": {"amount": f"{employees * rng.randint(60, 240)}000", "currency": "EUR"},
                "tax_number": f"{country.code}{rng.randint(10**8, 10**9 - 1)}",
                "rating": rating,
                "payment_days": rng.choice((10, 14, 30, 30, 30, 60)),
                "discount": rng.choice(("0", "0", "0", "2", "3", "5", "7.5")) if role == "customer" else None,
                "credit_limit": {"amount": f"{rng.choice((5, 10, 20, 50, 100))}000", "currency": "EUR"},
            },
        )

    def _private(self) -> Party:
        role = "customer" if self.rng.random() < 0.8 else "prospect"
        first, last = _person_name(self.rng, self.country)
        site = self.rng.choice(("mail.example", "post.example", "example.net", "example.org"))
        return self._party(role, site, self._person(first, last, site))

    def _colleague(self, firm: Party) -> Draft:
        first, last = _person_name(self.rng, self.country)
        site = str(firm.draft.values.get("website") or "https://www.mail.example").removeprefix("https://www.")
        values = self._person(first, last, site)
        values |= {"job_title": self.rng.choice(JOBS), "parent": firm.key, "owner": Key("user", firm.owner)}
        return self._add(values, firm.role)

    def _person(self, first: str, last: str, site: str) -> dict[str, Any]:
        rng = self.rng
        birth = self.today - timedelta(days=rng.randint(22 * 365, 70 * 365))
        return {
            "kind": "person",
            "name": f"{first} {last}",
            "first_name": first,
            "last_name": last,
            "birth_date": birth.isoformat() if rng.random() < 0.3 else None,
            "email": f"{ascii_name(first)}.{ascii_name(last)}{self.number % 97 or ''}@{site}",
            "mobile": self.country.phone(rng) if rng.random() < 0.7 else None,
        }

    def _party(self, role: str, site: str, values: dict[str, Any]) -> Party:
        rng = self.rng
        since = self.today - timedelta(days=int(rng.triangular(20, 1900, 400)))
        owner = self.staff.rep(rng, self.country.habits.region)
        values |= {
            "since": since.isoformat(),
            "stage": weighted(rng, STAGES.get(role, STAGES["prospect"])),
            "source": rng.choice(SOURCES),
            "roles": [role, "supplier"] if role == "customer" and rng.random() < 0.04 else [role],
            "tags": rng.sample(TAGS, rng.randint(1, 2)) if rng.random() < 0.25 else None,
            "owner": Key("user", owner),
            "unit": self.staff.unit_of(owner),
        }
        draft = self._add(values, role)
        return Party(draft, self.country, role, owner, since, rng.lognormvariate(0.0, 0.9))

    def _add(self, values: dict[str, Any], role: str) -> Draft:
        number = self.number
        self.number += 1
        complete = {**self.country.address(self.rng), **values}
        if role == "customer" and complete["kind"] == "organisation":
            complete["number"] = f"C-{100_000 + number}"
        draft = Draft("party", str(number), _soiled(self.rng, complete))
        self.drafts.append(draft)
        return draft

    # --- what belongs to a party ---

    def contact_points(self) -> Iterator[Draft]:
        """Yield further ways to reach the parties."""
        rng = self.rng
        for draft in self.drafts:
            for number in range(min(3, int(rng.expovariate(1.1)))):
                kind = rng.choice(("email", "phone", "mobile", "address", "fax"))
                yield Draft(
                    "contact_point",
                    f"{draft.name}/{number}",
                    {
                        "party": draft.key,
                        "kind": kind,
                        "value": self._contact(kind, draft),
                        "usage": rng.choice(("work", "home", "billing", "delivery")),
                        "preferred": number == 0,
                    },
                )

    def _contact(self, kind: str, draft: Draft) -> str:
        if kind == "email":
            return f"{ascii_name(str(draft.values.get('name') or 'post'))}@{self.rng.choice(('mail', 'post'))}.example"
        if kind == "address":
            place = self.country.address(self.rng)
            return f"{place['street']}, {place['postal_code']} {place['city']}"
        return self.country.phone(self.rng)

    def connections(self) -> Iterator[Draft]:
        """Yield who works where, since when."""
        for draft in self.head.people:
            begun = self.today - timedelta(days=self.rng.randint(100, 3000))
            role = "Shareholder" if self.rng.random() < 0.06 else "Employee"
            yield Draft(
                "connection",
                draft.name,
                {
                    "party": draft.key,
                    "role": Key("connection_role", role),
                    "other": self.head.key,
                    "since": begun.isoformat(),
                },
            )


def _firm(rng: Random, country: Country) -> tuple[str, str]:
    """Return a firm's name and the name of its web site."""
    habits = country.habits
    last = rng.choice(country.women[1] if rng.random() < 0.5 else country.men[1])
    other = rng.choice(country.men[1])
    pattern = rng.choice(("{last} {word}", "{last} & {other}", "{city} {word}", "{last}", "{last} {word}"))
    core = pattern.format(last=last, other=other, word=rng.choice(habits.words), city=country.city(rng))
    return f"{core} {rng.choice(habits.forms)}", f"{ascii_name(core).replace('.', '-')}.example"


def _person_name(rng: Random, country: Country) -> tuple[str, str]:
    first, last = country.women if rng.random() < 0.5 else country.men
    return rng.choice(first), rng.choice(last)


# --- dirt --------------------------------------------------------------------------------------------------------


def _soiled(rng: Random, values: dict[str, Any]) -> dict[str, Any]:
    """Return the values as somebody in a hurry might have typed them; most stay as they are."""
    chance = rng.random()
    if chance > 0.16:
        return values
    kinds = (_shouted, _without_email, _only_email, _odd_phone, _without_place, _turned_name, _odd_phone)
    return rng.choice(kinds)(rng, dict(values))


def _shouted(rng: Random, values: dict[str, Any]) -> dict[str, Any]:
    return {**values, "name": values["name"].upper()}


def _without_email(rng: Random, values: dict[str, Any]) -> dict[str, Any]:
    return {**values, "email": None, "phone": values.get("phone") or "0800 123456"}


def _only_email(rng: Random, values: dict[str, Any]) -> dict[str, Any]:
    return {**values, "name": None, "first_name": None, "last_name": None}


def _odd_phone(rng: Random, values: dict[str, Any]) -> dict[str, Any]:
    digits = rng.randint(10**6, 10**7 - 1)
    forms = (f"0049(0)30/{digits}", f"030-{digits} ext. 12", f"{digits}", f"030/{digits}", f"tel. {digits}")
    return {**values, "phone": rng.choice(forms)}


def _without_place(rng: Random, values: dict[str, Any]) -> dict[str, Any]:
    return {**values, "country": None, "city": None, "postal_code": None}


def _turned_name(rng: Random, values: dict[str, Any]) -> dict[str, Any]:
    if values["kind"] != "person":
        return {**values, "name": f"  {values['name'].replace(' ', '  ')}"}
    return {**values, "name": f"{values['last_name']}, {values['first_name']}"}


def twin(rng: Random, original: Draft, number: int) -> Draft:
    """Return the same party entered a second time, a little differently."""
    values = dict(original.values)
    values.pop("number", None)
    name = str(values.get("name") or values.get("email") or "")
    forms = (name.casefold(), name.replace("ü", "ue").replace("ö", "oe"), _swapped(rng, name), name.rstrip(". "))
    values |= {"name": rng.choice(forms), "source": "import", "roles": ["prospect"], "stage": "awareness"}
    if rng.random() < 0.5:
        values["email"] = None
    return Draft("party", str(number), values)


def _swapped(rng: Random, text: str) -> str:
    """Return a text with two neighbouring letters swapped."""
    if len(text) < 4:
        return text
    place = rng.randint(1, len(text) - 2)
    return text[: place - 1] + text[place] + text[place - 1] + text[place + 1 :]
