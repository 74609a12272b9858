"""Any model A, any model B: from A to B and rolled back, tables and records are what they were."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from tests.kernel.migration.planning import cells, entity, expected, field, look, model, put
from xrm.errors import Conflict, ModelError
from xrm.kernel.change import SYSTEM
from xrm.kernel.migration.apply import Applied, Order, Proposer, apply, carry_out
from xrm.kernel.migration.journal import Generation, current, find
from xrm.kernel.migration.plan import propose
from xrm.kernel.migration.rollback import propose_rollback
from xrm.kernel.store.store import Store
from xrm.metadata.model import Entity, Field, Model

ROUNDS = int(os.environ.get("XRM_BACK_ROUNDS", "12"))
SEED = int(os.environ.get("XRM_SEED", "1"))
VALUES: Mapping[str, Sequence[Any]] = {
    "text": ("x", "1", " 2", "3.50", "2026-02-28", "true", "it's", "", None),
    "integer": (0, 1, -7, 2**40, None),
    "decimal": (Decimal("0.00"), Decimal("1.50"), Decimal("-3.00"), None),
    "boolean": (True, False, None),
    "date": (date(2026, 2, 28), date(1999, 12, 31), None),
    "datetime": (datetime(2026, 2, 28, tzinfo=UTC), datetime(2026, 2, 28, 1, 2, 3, 4, tzinfo=UTC), None),
    "tags": ((), ("x",), ("x", "y"), None),
    "json": ({"a": 1}, ["x"], "x", None),
    "money": (Decimal("12.34"), None),
}
KINDS = tuple(VALUES)
ENTITIES, FIELDS = ("alpha", "beta", "gamma"), ("a", "b", "c", "d")


def some_field(chance: random.Random, name: str, relation_to: str) -> Field:
    if chance.random() < 0.15:
        return field(name, "relation", to=relation_to)
    kind = chance.choice(KINDS)
    return field(name, kind, index=kind in ("text", "integer", "date") and chance.random() < 0.3)


def some_entity(chance: random.Random, name: str) -> Entity:
    names = chance.sample(FIELDS, chance.randint(1, len(FIELDS)))
    return entity(name, *(some_field(chance, n, name) for n in names))


def some_model(chance: random.Random) -> Model:
    return model(*(some_entity(chance, name) for name in chance.sample(ENTITIES, chance.randint(1, 3))))


def changed(chance: random.Random, old: Model) -> Model:
    """Return a model that drops, adds, renames, retypes and requires this and that."""
    entities = [_changed_entity(chance, e) for e in old.entities.values()]
    fresh = [name for name in ENTITIES if name not in old.entities]
    if fresh and chance.random() < 0.5:
        entities.append(some_entity(chance, fresh[0]))
    return model(*entities)


def _changed_entity(chance: random.Random, old: Entity) -> Entity:
    if chance.random() < 0.2:
        return entity(old.name, removed=True)
    name = f"{old.name}_new" if chance.random() < 0.2 else old.name
    fields = [_changed_field(chance, f, name) for f in old.fields.values() if not f.system]
    if chance.random() < 0.4:
        fields.append(some_field(chance, "fresh", name))
    return entity(name, *fields, was=old.name if name != old.name else "")


def _changed_field(chance: random.Random, old: Field, owner: str) -> Field:
    what = chance.random()
    to = owner if old.to else ()
    if what < 0.25:
        return field(old.name, old.type, to=to, removed=True)
    if what < 0.45:
        return field(f"{old.name}_new", old.type, to=to, was=old.name)
    if what < 0.7:
        return field(old.name, chance.choice(KINDS))
    if what < 0.8 and old.type == "text":
        return field(old.name, "text", required=True, backfill="filled")
    return field(old.name, old.type, to=to, index=old.index)


async def fill(chance: random.Random, store: Store, generation: Generation, made: Model) -> None:
    for one in made.entities.values():
        ids: list[UUID] = []
        for _ in range(6):
            row: dict[str, Any] = {}
            for f in one.fields.values():
                if f.system:
                    continue
                row[f.name] = chance.choice([None, *ids]) if f.type == "relation" else chance.choice(VALUES[f.type])
                if f.type == "money" and row[f.name] is not None:
                    row[f"{f.name}_currency"] = chance.choice(("EUR", "CHF"))
            ids.append(await put(store, generation, one.name, **row))


async def everything(store: Store, generation: Generation) -> dict[str, Any]:
    found = {}
    for table in generation.schema.tables.values():
        names = sorted(c.name for c in table.columns)
        found[table.name] = (names, await cells(store, generation, table.name, *names))
    return found


async def attempt(store: Store, proposer: Proposer) -> Applied | None:
    """Carry out with consent to all; None when the records do not allow it."""
    try:
        return await carry_out(store, proposer, Order(SYSTEM))
    except Conflict as refused:
        consent = frozenset(refused.details["steps"])
    except ModelError:
        return None
    try:
        return await carry_out(store, proposer, Order(SYSTEM, consent))
    except ModelError:
        return None


@pytest.mark.parametrize("number", range(ROUNDS))
async def test_there_and_back_again(store: Store, number: int):
    chance = random.Random(SEED * 1_000_003 + number)
    a = some_model(chance)
    first = (await apply(store, a, SYSTEM)).generation
    await fill(chance, store, first, a)
    tables, records = await look(store), await everything(store, first)
    for _ in range(20):  # the first change that the records allow
        b = changed(chance, a)
        done = await attempt(store, partial(propose, b))
        if done is not None and done.changed:
            break
    else:
        pytest.fail("no change was allowed")
    forward = await everything(store, done.generation)
    back = await roll(store, a, 1)
    assert await everything(store, back) == records
    seen = await look(store)
    assert {n: t for n, t in seen.items() if not n.startswith(("xrm_kept", "xrm_gone"))} == tables
    again = await roll(store, b, 2)
    assert await everything(store, again) == forward
    last = await roll(store, a, 1)
    assert await everything(store, last) == records


async def roll(store: Store, made: Model, number: int) -> Generation:
    target = await find(store, number)
    assert target is not None
    done = await attempt(store, partial(propose_rollback, made, target, purged={}))
    assert done is not None
    found = await current(store)
    assert found is not None
    assert await look(store) == await expected(found.full_schema, store)
    return done.generation
