"""Leads: converting one makes a party (or takes the one that is there), a deal and the first thing to do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import xrm

from .parties import split_name

_SHARED = ("email", "phone", "website", "city", "country", "job_title")
"""Fields a lead and a person have in common."""


async def convert(context: xrm.Context, record: dict[str, Any], values: dict[str, Any]) -> None:
    """Make a customer and a deal of a lead, in one change-set.

    A company that is known by name and a person known by e-mail address are taken; what is missing is created. The
    company is the customer and the person its contact; without a company the person is the customer.
    """
    company = await _company(context, record)
    person = await _person(context, record, company)
    customer = company or person
    deal = await _deal(context, record, values, customer, person if company else None)
    await _first_step(context, record, deal, customer)
    await context.records.run("lead", record["id"], "link", {"party": customer, "deal": deal})


async def _company(context: xrm.Context, record: dict[str, Any]) -> str | None:
    name = record["company"]
    if not name:
        return None
    known = await context.records.find("party", f"kind == 'organisation' && lower(name) == lower({_text(name)})")
    if known:
        return str(known["id"])
    values = {"kind": "organisation", "name": name, "website": record["website"]}
    places = {"city": record["city"], "country": record["country"]}
    return await _create(context, "party", record, {**values, **places, **_customer(record)})


async def _person(context: xrm.Context, record: dict[str, Any], company: str | None) -> str | None:
    """Return the person the lead names; None when it names only a company."""
    if not (record["name"] or (record["email"] and not company)):
        return None
    email = record["email"]
    known = await context.records.find("party", f"lower(email) == lower({_text(email)})") if email else None
    if known and known["id"] != company:
        return str(known["id"])
    first, last = split_name(record["name"] or "")
    values = {"kind": "person", "name": record["name"], "first_name": first, "last_name": last, "parent": company}
    shared = {name: record[name] for name in _SHARED}
    return await _create(context, "party", record, {**shared, **values, **({} if company else _customer(record))})


def _customer(record: dict[str, Any]) -> dict[str, Any]:
    source = record["source"] if record["source"] in ("website", "referral", "event", "campaign", "partner") else None
    return {"roles": ["prospect"], "stage": "exploration", "source": source}


async def _deal(
    context: xrm.Context, record: dict[str, Any], values: dict[str, Any], customer: str | None, contact: str | None
) -> str:
    day, amount = values.get("close_date"), values.get("amount")
    asked = {"amount": str(amount.amount), "currency": amount.currency} if amount else record["budget"]
    return await _create(
        context,
        "deal",
        record,
        {
            "name": values.get("name") or record["interest"] or record["label"],
            "customer": customer,
            "contact": contact,
            "amount": asked,
            "close_date": day.isoformat() if day else None,
            "source": record["source"],
            "description": record["description"],
        },
    )


async def _first_step(context: xrm.Context, record: dict[str, Any], deal: str, customer: str | None) -> None:
    await _create(
        context,
        "activity",
        record,
        {
            "kind": "call",
            "subject": "First conversation",
            "regarding": {"entity": "deal", "id": deal},
            "party": customer,
            "due": (context.now + timedelta(days=2)).isoformat(),
        },
    )


async def _create(context: xrm.Context, entity: str, record: dict[str, Any], values: dict[str, Any]) -> str:
    """Create a record that belongs to whoever the lead belongs to, and return its id."""
    owner = record["owner"]["id"] if record["owner"] else None
    created = await context.records.create(entity, {"owner": owner, **values})
    return str(created["id"])


def _text(value: str) -> str:
    """Return a text as the expression language writes it."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"


CONVERT = xrm.Action(
    entity="lead",
    name="convert",
    title="Convert",
    run=convert,
    when="state != 'converted' && state != 'dropped'",
    fields=(
        xrm.Field("name", "text", "Name of the deal", max=200),
        xrm.Field("amount", "money", "Amount"),
        xrm.Field("close_date", "date", "Closing date"),
    ),
)
