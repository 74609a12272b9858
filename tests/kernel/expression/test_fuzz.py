"""Random expressions give the same in memory, in SQLite and in PostgreSQL. More of them: XRM_FUZZ=5000 (XRM_SEED=2)."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from pathlib import Path

from tests.kernel.expression.generate import Generator
from tests.kernel.expression.samples import FULL, row
from tests.kernel.expression.worlds import NOBODY, SCOPE, SOMEBODY, Row, World, exact, in_memory
from xrm.kernel.expression import Expression, compile, from_json

BUDGET = int(os.environ.get("XRM_FUZZ", "300"))
SEED = int(os.environ.get("XRM_SEED", "20260305"))
TYPES = ("bool", "bool", "bool", "bool", "int", "decimal", "text", "date", "datetime", "time", "uuid")


async def test_three_worlds_agree(tmp_path: Path, far_postgres_url: str) -> None:
    draw = random.Random(SEED)
    rows = [FULL, *(row(draw) for _ in range(60))]
    worlds = [await World.open(url, rows) for url in (f"sqlite:///{tmp_path}/t.db", far_postgres_url)]
    try:
        for _ in range(BUDGET):
            expression = _expression(draw)
            for user in (SOMEBODY, NOBODY):
                await _agree(expression, rows, user, worlds)
    finally:
        for world in worlds:
            await world.close()


async def _agree(expression: Expression, rows: Sequence[Row], user: Row, worlds: Sequence[World]) -> None:
    wanted = in_memory(expression, rows, user)
    for world in worlds:
        found = await world.values(expression, user)
        for record, a, b in zip(rows, map(exact, wanted), map(exact, found), strict=True):
            assert a == b, f"{expression.source}\n{record}\n{user}\nmemory {a!r}, {world.store.dialect.name} {b!r}"


def _expression(draw: random.Random) -> Expression:
    while True:
        source = Generator(draw).of(draw.choice(TYPES), draw.randint(1, 5))
        if len(source) <= 4000:
            return compile(source, SCOPE)


def test_the_json_form_is_the_same_expression() -> None:
    draw = random.Random(SEED)
    for _ in range(BUDGET):
        expression = _expression(draw)
        again = from_json(expression.tree_json(), SCOPE)
        assert again.tree_json() == expression.tree_json()
        assert again.type == expression.type
        assert again.paths == expression.paths
