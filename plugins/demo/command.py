"""``xrm demo`` and ``xrm samples``."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import xrm

from .company import Plan, batches
from .open_data import chinook_fixture, chinook_tables, write_chinook
from .places import make_world
from .rows import Key
from .staff import COLLEAGUES, PERSONAS
from .writing import ACTOR, Writer

PASSWORD = "a demo to try"  # noqa: S105  # printed for whoever tries the demo
MAX_PARTIES = 1_000_000


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _number(low: float, high: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = high + 1
        if not low <= value <= high:
            raise ArgumentTypeError(f"{text!r} is not a number from {low:g} to {high:g}")
        return value

    return parse


def demo_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``xrm demo``."""
    parser.add_argument("--parties", type=_number(1, MAX_PARTIES), default=200, help="how many parties (200)")
    parser.add_argument(
        "--years",
        type=_number(0, 20),
        default=3.0,
        help="how long the history of orders, deals and tickets is (3); 0 = parties only",
    )
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same company (1)")
    parser.add_argument(
        "--today",
        type=date.fromisoformat,
        default=None,
        metavar="DATE",
        help="the day the history ends, like 2026-03-02 (today)",
    )
    parser.add_argument("--password", default=PASSWORD, help="of the four people who may sign in")


async def demo(site: Any, args: Namespace) -> int:
    """Fill an empty site with a company; a site that has one already is left as it is."""
    kernel = site.kernel
    if await kernel.records.bound(ACTOR).find("user", f"email == '{PERSONAS[0]}'"):
        _say("The demo company is there already.")
    else:
        await _make(site, args)
    _say_people(args.password)
    return 0


async def _make(site: Any, args: Namespace) -> None:
    plan = Plan(int(args.parties), args.seed, args.today or site.kernel.clock().date(), args.years)
    world = make_world(plan.seed)
    writer = Writer(site.kernel, _progress(plan.parties))
    await writer.write(batches(plan, world))
    for email in PERSONAS:
        id: UUID = writer.id_of(Key("user", email))
        await site.accounts.set_password(id, args.password)
    made = (f"{count} {_plural(site, entity)}" for entity, count in sorted(writer.counts.items()))
    _say(f"Made {', '.join(made)}.")


def _plural(site: Any, entity: str) -> str:
    return str(site.kernel.model.entities[entity].plural).lower()


def _progress(parties: int) -> Callable[[Counter[str]], None]:
    step = max(100, parties // 2000 * 100)  # some twenty lines

    def tell(counts: Counter[str]) -> None:
        if counts["party"] % step == 0 or counts["party"] == parties:
            _say(f"  {counts['party']} of {parties} parties, {counts.total()} records")

    return tell


def _say_people(password: str) -> None:
    _say("")
    _say(f"Sign in with one of these addresses and the password: {password}")
    for colleague in (c for c in COLLEAGUES if c.email in PERSONAS):
        _say(f"  {colleague.email:<22} {', '.join(colleague.roles):<14} {colleague.name}, {colleague.position}")
    _say("The studio, where the model is changed, is at /studio (for the administrator).")


def samples_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``xrm samples``."""
    parser.add_argument("folder", type=Path, help="where to write the CSV files")


async def samples(site: Any, args: Namespace) -> int:
    """Write the open data set of an installed package as CSV files for ``xrm import``."""
    try:
        counts = write_chinook(args.folder, chinook_tables(chinook_fixture()))
    except FileNotFoundError as error:
        raise xrm.XrmError(str(error)) from None
    except OSError as error:
        raise xrm.XrmError(f"{args.folder} cannot be written: {error.strerror}.") from None
    entities = {
        "employees": "user",
        "customers": "party",
        "tracks": "product",
        "invoices": "order",
        "invoice_lines": "order_line",
    }
    for name, count in counts.items():
        path = args.folder / f"{name}.csv"
        _say(f"{path}: {count} rows; xrm import {entities[name]} {path} --mapping mappings/chinook_{name}.yaml")
    return 0
