"""Deals in every state, leads, activities and tickets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from types import MappingProxyType
from typing import Any

from .parties import Party
from .places import World, ascii_name
from .rows import Draft, Key
from .staff import AGENT, QUEUES, Staff
from .trade import Catalogue

STATES = (("won", 31.0), ("lost", 27.0), ("new", 11.0), ("qualified", 12.0), ("proposal", 11.0), ("negotiation", 8.0))
CLOSED = ("won", "lost")
SUBJECTS = (
    "Equipment for {place}",
    "{product} for {party}",
    "Maintenance contract {year}",
    "Renewal {year}",
    "Pilot with {product}",
    "Frame contract {year}",
)
LOST: Mapping[str, tuple[float, tuple[str, ...]]] = MappingProxyType(
    {
        "price": (30, ("They found a cheaper offer.", "Our price was a fifth above the budget.")),
        "competitor": (22, ("They stayed with their old supplier.", "A competitor offered faster delivery.")),
        "timing": (16, ("Put off to next year.", "The building starts later than planned.")),
        "no_budget": (12, ("The budget was cut.", "Investment stop until further notice.")),
        "no_need": (9, ("They solved it in house.", "The project was given up.")),
        "no_answer": (8, ("No answer to five calls.", "The contact left the firm.")),
        "other": (3, ("A change of owner.",)),
    }
)
COMPETITORS = ("Norvex", "Alpina Technik", "Delta Supply", "Meridian", "Kappa")
STEPS = ("Send references", "Arrange a visit", "Clarify the delivery date", "Check the contract", "Call the buyer")

CALLS: tuple[tuple[str, str, str], ...] = (
    ("call", "Call about the last delivery", "All in order, they were pleased."),
    ("call", "Call back about prices", "Sent the new price list."),
    ("meeting", "Visit on site", "Walked through the plant; two pumps are due next year."),
    ("meeting", "Yearly review", "They want fewer, larger deliveries."),
    ("email", "Offer sent", "Sent with the drawings they asked for."),
    ("email", "Question about an invoice", "The address had changed; corrected."),
    ("letter", "Season's greetings", "With the new catalogue."),
    ("note", "Met at the trade fair", "Interested in remote access."),
    ("note", "New head of purchasing", "Wants monthly reports."),
    ("task", "Send the catalogue", ""),
    ("task", "Check the credit limit", ""),
)
TICKETS: tuple[tuple[str, str, str], ...] = (
    ("incident", "{product} does not start", "The fuse had blown; sent a new set."),
    ("incident", "{product} leaks", "Seal replaced under warranty."),
    ("question", "How to clean {product}?", "Sent the instructions."),
    ("question", "Delivery date of the last order", "Told them the date."),
    ("complaint", "Wrong article delivered", "Collected it and sent the right one."),
    ("complaint", "Invoice has the old address", "Corrected and sent again."),
    ("request", "Data sheet for {product}", "Sent it by e-mail."),
    ("return", "Return of {product}", "Credited after inspection."),
)


def _moment(rng: Random, day: date) -> str:
    """Return a time of a working day."""
    at = datetime.combine(day, time(rng.randint(7, 16), rng.choice((0, 15, 30, 45))), tzinfo=UTC)
    return at.isoformat()


def _owned(party: Party) -> dict[str, Any]:
    return {"owner": Key("user", party.owner), "unit": party.draft.values.get("unit")}


# --- deals -------------------------------------------------------------------------------------------------------


def deals_of(rng: Random, party: Party, catalogue: Catalogue, today: date) -> Iterator[Draft]:
    """Yield the deals with a party, and what was and is to be done about them."""
    for number in range(min(4, int(rng.expovariate(0.55)))):
        state = rng.choices([name for name, _ in STATES], [weight for _, weight in STATES])[0]
        deal = _deal(rng, party, catalogue, today, state, number)
        yield deal
        yield from _steps(rng, party, deal, today, state)


def _deal(rng: Random, party: Party, catalogue: Catalogue, today: date, state: str, number: int) -> Draft:
    closed = state in CLOSED
    day = today - timedelta(days=rng.randint(3, 900)) if closed else today + timedelta(days=rng.randint(-20, 180))
    product = rng.choice(catalogue.products)
    subject = rng.choice(SUBJECTS).format(
        party=party.draft.values.get("name") or party.draft.values.get("email"),
        product=product.name,
        year=day.year,
        place=party.draft.values.get("city") or "a new site",
    )
    amount = min(2_000_000, rng.lognormvariate(8.6, 1.0) * party.spend)
    values: dict[str, Any] = {
        "name": " ".join(subject.split()),
        "customer": party.key,
        "contact": rng.choice(party.people).key if party.people else None,
        "amount": {"amount": f"{round(amount, -1):.2f}", "currency": "EUR"},
        "close_date": day.isoformat(),
        "state": state,
        "source": rng.choice(("website", "referral", "event", "campaign", "cold_call", "partner")),
        "next_step": None if closed else rng.choice(STEPS),
        "competitors": rng.sample(COMPETITORS, rng.randint(1, 2)) if rng.random() < 0.35 else None,
        **_owned(party),
    }
    if state == "lost":
        values |= _lost(rng)
    return Draft("deal", f"{party.draft.name}/{number}", values)


def _lost(rng: Random) -> dict[str, str]:
    reason = rng.choices(list(LOST), [weight for weight, _ in LOST.values()])[0]
    return {"lost_reason": reason, "lost_note": rng.choice(LOST[reason][1])}


def _steps(rng: Random, party: Party, deal: Draft, today: date, state: str) -> Iterator[Draft]:
    for number in range(rng.randint(0, 2)):
        kind, subject, outcome = rng.choice(CALLS[:6])
        day = today - timedelta(days=rng.randint(2, 300))
        yield _activity(
            rng,
            party,
            f"{deal.name}/{number}",
            {
                "kind": kind,
                "subject": subject,
                "outcome": outcome,
                "regarding": deal.key,
                "due": _moment(rng, day),
                "state": "done",
            },
        )
    if state not in CLOSED and rng.random() < 0.7:
        day = today + timedelta(days=rng.randint(-4, 21))
        yield _activity(
            rng,
            party,
            f"{deal.name}/next",
            {
                "kind": rng.choice(("call", "meeting", "task")),
                "subject": rng.choice(STEPS),
                "regarding": deal.key,
                "due": _moment(rng, day),
                "priority": rng.choice(("normal", "normal", "high")),
            },
        )


def _activity(rng: Random, party: Party, name: str, values: Mapping[str, Any]) -> Draft:
    long = values["kind"] in ("call", "meeting")
    common = {
        "party": party.key,
        "duration": rng.choice((10, 15, 30, 60, 90)) if long else None,
        "direction": rng.choice(("incoming", "outgoing")) if values["kind"] in ("call", "email", "letter") else None,
        **_owned(party),
    }
    return Draft("activity", name, {**common, **values})


def activities_of(rng: Random, party: Party, today: date) -> Iterator[Draft]:
    """Yield what else was done with a party, and here and there something to do."""
    for number in range(min(6, int(rng.expovariate(0.7)))):
        kind, subject, outcome = rng.choice(CALLS)
        done = kind != "task" or rng.random() < 0.6
        age = rng.randint(1, 700) if done else rng.randint(-30, 10)
        yield _activity(
            rng,
            party,
            f"{party.draft.name}/party/{number}",
            {
                "kind": kind,
                "subject": subject,
                "outcome": outcome if done else None,
                "regarding": party.key,
                "due": _moment(rng, today - timedelta(days=age)),
                "state": "done" if done else "open",
            },
        )


# --- leads -------------------------------------------------------------------------------------------------------

DROPPED = ("no_interest", "no_budget", "wrong_contact", "spam")
LEAD_STATES = (("new", 34.0), ("contacted", 26.0), ("qualified", 20.0), ("dropped", 20.0))


def lead(rng: Random, world: World, staff: Staff, catalogue: Catalogue, number: int) -> Draft:
    """Return somebody who has asked and is no party yet."""
    country = world.country(rng)
    first, last = (rng.choice(names) for names in (country.women if rng.random() < 0.5 else country.men))
    state = rng.choices([name for name, _ in LEAD_STATES], [weight for _, weight in LEAD_STATES])[0]
    owner = staff.rep(rng, country.habits.region)
    company = f"{rng.choice(country.men[1])} {rng.choice(country.habits.words)}" if rng.random() < 0.75 else None
    return Draft(
        "lead",
        str(number),
        {
            "name": f"{first} {last}" if rng.random() < 0.93 or not company else None,
            "company": company,
            "email": f"{ascii_name(first)}.{ascii_name(last)}@mail.example" if rng.random() < 0.85 else None,
            "phone": country.phone(rng) if rng.random() < 0.6 else None,
            "city": country.city(rng),
            "country": country.code,
            "source": rng.choice(("website", "referral", "event", "campaign", "cold_call", "partner")),
            "rating": rng.choice(("hot", "warm", "warm", "cold", None)),
            "interest": rng.choice(catalogue.products).name,
            "budget": {"amount": f"{rng.randint(5, 400)}00", "currency": "EUR"} if rng.random() < 0.5 else None,
            "state": state,
            "drop_reason": rng.choice(DROPPED) if state == "dropped" else None,
            "owner": Key("user", owner),
            "unit": staff.unit_of(owner),
        },
    )


def _stars(rng: Random) -> int:
    return rng.choices((1, 2, 3, 4, 5), (4, 6, 15, 40, 35))[0]


# --- tickets -----------------------------------------------------------------------------------------------------


def tickets_of(rng: Random, party: Party, catalogue: Catalogue, staff: Staff, today: date) -> Iterator[Draft]:
    """Yield the tickets of a customer; old ones are closed."""
    for number in range(min(4, int(rng.expovariate(1.3)))):
        kind, subject, resolution = rng.choice(TICKETS)
        product = rng.choice(catalogue.goods)
        age = int(rng.expovariate(1 / 150))
        state = "closed" if age > 30 else rng.choice(("new", "open", "open", "waiting", "resolved", "closed"))
        done = state in ("resolved", "closed")
        day = today - timedelta(days=age)
        yield Draft(
            "ticket",
            f"{party.draft.name}/{number}",
            {
                "subject": subject.format(product=product.name),
                "party": party.key,
                "contact": rng.choice(party.people).key if party.people else None,
                "queue": Key("queue", rng.choice(QUEUES)[0]),
                "kind": kind,
                "priority": rng.choices(("low", "normal", "high", "urgent"), (20, 55, 18, 7))[0],
                "channel": rng.choice(("email", "email", "phone", "web")),
                "product": product.key if "{product}" in subject else None,
                "due": _moment(rng, day + timedelta(days=1)) if done else None,
                "state": state,
                "resolution": resolution if done else None,
                "satisfaction": _stars(rng) if done and rng.random() < 0.5 else None,
                "owner": Key("user", AGENT),
                "unit": staff.unit_of(AGENT),
            },
        )
