"""``xrm rates refresh``: computes what amounts are worth in the site's currency anew, by the rates known now."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from dataclasses import replace
from typing import Any
from uuid import UUID

from xrm.errors import XrmError
from xrm.kernel.change import Actor
from xrm.kernel.hooks import Command, hookimpl
from xrm.kernel.query import Query
from xrm.kernel.rates import REFRESH, kept
from xrm.metadata.model import Entity

PAGE = 500  # records read at a time
ACTOR = Actor(id=None, name="Exchange rates", kind="system", source=REFRESH)


async def refresh(kernel: Any, entity: Entity) -> tuple[int, int]:
    """Compute the worth of an entity's amounts anew; return how many records have one, and how many changed."""
    names = tuple(field.name for field in kept(entity))
    seen = changed = 0
    query = Query(" || ".join(f"{name} != null" for name in names), fields=names, limit=PAGE)
    while True:
        page = await kernel.records.list(ACTOR, entity.name, query)
        for record in page.records:
            values = {name: record[name] for name in names if record[name] is not None}
            after = await kernel.records.update(ACTOR, entity.name, UUID(record["id"]), values)
            seen, changed = seen + 1, changed + (after["version"] != record["version"])
        if page.next is None:
            return seen, changed
        query = replace(query, after=page.next)


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("what", choices=["refresh"], help="refresh: compute what amounts are worth anew")
    parser.add_argument("--entity", default="", help="of this entity only")


async def _run(site: Any, args: Namespace) -> int:
    entities = [e for e in site.kernel.live.model.entities.values() if any(True for _ in kept(e))]
    if args.entity:
        entities = [e for e in entities if e.name == args.entity]
        if not entities:
            raise XrmError(f"No entity {args.entity!r} keeps amounts in the site's currency.")
    for entity in entities:
        seen, changed = await refresh(site.kernel, entity)
        sys.stdout.write(f"{entity.name}: {changed} of {seen} records changed\n")
    return 0


@hookimpl
def commands() -> list[Command]:
    """Return the commands of the command line."""
    return [Command("rates", "compute what amounts are worth anew", _run, _arguments)]
