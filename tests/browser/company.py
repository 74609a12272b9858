"""The company the browser tests work with: this repository's own model, in a temporary database.

Run as a program it serves that company: ``python -m tests.browser.company <database file> <port>``.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import uvicorn

from xrm import web
from xrm.http import application
from xrm.kernel.change import SYSTEM
from xrm.settings import load_settings
from xrm.site import Site, open_site

ROOT = Path(__file__).parents[2]
PASSWORD = "correct horse battery"
PEOPLE = {
    "rep": ("Rob Rep", "sales_rep"),
    "manager": ("Mona Manager", "sales_manager"),
    "admin": ("Ada Admin", "admin"),
    "reader": ("Rita Reader", "reader"),
}
CITIES = (("Berlin", "DE"), ("Lyon", "FR"), ("Oslo", "NO"), ("Graz", "AT"))
STATES = ("new", "qualified", "proposal")


async def fill(site: Site) -> None:
    """Create people, parties, deals and activities."""
    people = {word: await _person(site, word, name, role) for word, (name, role) in PEOPLE.items()}
    team = await site.kernel.records.create(SYSTEM, "team", {"name": "North"})
    for word in ("rep", "manager"):
        await site.kernel.records.create(SYSTEM, "team_member", {"team": team["id"], "member": people[word]})
    rep = people["rep"]
    parties = [await _party(site, number, rep) for number in range(70)]
    for number in range(12):
        await _deal(site, number, parties[number], rep)
    await _activity(site, parties[0], rep)


async def _person(site: Site, word: str, name: str, role: str) -> str:
    values = {"name": name, "email": f"{word}@example.com", "roles": [role]}
    user = await site.kernel.records.create(SYSTEM, "user", values)
    await site.accounts.set_password(UUID(user["id"]), PASSWORD)
    return str(user["id"])


async def _party(site: Site, number: int, owner: str) -> str:
    city, country = CITIES[number % len(CITIES)]
    record = await site.kernel.records.create(
        SYSTEM,
        "party",
        {
            "kind": "organisation",
            "name": f"Company {number:02d}",
            "city": city,
            "country": country,
            "owner": owner,
            "email": f"info@company{number:02d}.example",
            "roles": ["customer"],
            "turnover": {"amount": "9900000", "currency": "EUR"},
        },
    )
    return str(record["id"])


async def _deal(site: Site, number: int, customer: str, owner: str) -> None:
    values: dict[str, Any] = {
        "name": f"Deal {number:02d}",
        "customer": customer,
        "owner": owner,
        "close_date": "2030-01-31",
        "amount": {"amount": f"{(number + 1) * 1000}", "currency": "EUR"},
    }
    deal = await site.kernel.records.create(SYSTEM, "deal", values)
    for state in STATES[1 : 1 + number % len(STATES)]:
        await site.kernel.records.update(SYSTEM, "deal", UUID(deal["id"]), {"state": state})


async def _activity(site: Site, party: str, owner: str) -> None:
    due = (site.kernel.clock() - timedelta(days=1)).isoformat()
    values = {"subject": "Call them back", "kind": "call", "party": party, "owner": owner, "due": due}
    await site.kernel.records.create(SYSTEM, "activity", values)


async def serve(database: str, port: int) -> None:
    """Make the company and serve it until the process is told to stop."""
    settings = load_settings(
        ROOT,
        {},
        database=f"sqlite:///{database}",
        title="Northwind",
        time_zone="Europe/Berlin",
        synchronous="normal",
        rate_limit=100_000,
    )
    async with open_site(settings) as site:
        await site.kernel.apply(SYSTEM, site.kernel.sources())
        await fill(site)
        app = application(site, web.routes(site))
        await uvicorn.Server(uvicorn.Config(app, "127.0.0.1", port, log_level="warning", access_log=False)).serve()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
