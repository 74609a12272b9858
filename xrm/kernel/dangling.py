"""Relations that point nowhere: none can come about through the records door; what else wrote here may have left some.

For `xrm doctor`. Nothing is changed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.sql import Binder, quote
from xrm.kernel.store.store import Store
from xrm.metadata.model import Entity, Field, Model

UUID_TYPE = ColumnType("uuid")
TEXT = ColumnType("text")
SAMPLES = 5
KINDS = {
    "missing": "points to a record that does not exist",
    "trash": "points to a record in the trash",
    "entity": "names an entity that does not exist, or may not be pointed to",
    "half": "has only half of a pointer",
    "cycle": "is above itself",
}


@dataclass(frozen=True, slots=True)
class Dangling:
    """Records whose relation is not true.

    Attributes:
        entity: Their entity.
        field: The relation.
        kind: One of `KINDS`.
        count: How many there are.
        samples: Ids of some of them.
    """

    entity: str
    field: str
    kind: str
    count: int
    samples: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.entity}.{self.field}: {self.count} {KINDS[self.kind]}, such as {self.samples[0]}"


async def dangling(store: Store, model: Model) -> list[Dangling]:
    """Return every relation of records that are not in the trash which is not true, by kind."""
    return [found async for found in _all(store, model)]


async def _all(store: Store, model: Model) -> AsyncIterator[Dangling]:
    for entity in model.entities.values():
        for field in entity.relations():
            if field.system or field.kind or field.removed or entity.removed:
                continue
            for kind, where, binder in _conditions(store, model, entity, field):
                found = await _found(store, entity, field, kind, where, binder)
                if found is not None:
                    yield found


def _conditions(store: Store, model: Model, entity: Entity, field: Field) -> Iterator[tuple[str, str, Binder]]:
    here = f"t.{quote(field.name)}"
    if not field.polymorphic:
        for kind, absent in _absent(field.to[0], here).items():
            yield kind, absent, Binder(store.dialect)
        if field.hierarchy:
            yield "cycle", _unreachable(entity, field), Binder(store.dialect)
        return
    there = f"t.{quote(field.name + '_entity')}"
    targets = [e.name for e in model.entities.values() if not e.removed and (field.to == ("*",) or e.name in field.to)]
    yield "half", f"({here} IS NULL) <> ({there} IS NULL)", Binder(store.dialect)
    binder = Binder(store.dialect)
    marks = ", ".join(binder.bind(name, TEXT) for name in targets)
    yield "entity", f"{here} IS NOT NULL AND {there} NOT IN ({marks})", binder
    for kind in ("missing", "trash"):
        binder = Binder(store.dialect)
        tests = (f"({there} = {binder.bind(name, TEXT)} AND {_absent(name, here)[kind]})" for name in targets)
        yield kind, f"({' OR '.join(tests)})", binder


def _absent(target: str, here: str) -> dict[str, str]:
    found = f'SELECT 1 FROM {quote(target)} x WHERE x."id" = {here}'
    return {
        "missing": f"{here} IS NOT NULL AND NOT EXISTS ({found})",
        "trash": f'EXISTS ({found} AND x."deleted_at" IS NOT NULL)',
    }


def _unreachable(entity: Entity, field: Field) -> str:
    """Return the condition that no way leads to a record from the top: it is in a ring, or below one."""
    table, pointer = quote(entity.name), quote(field.name)
    step = f'SELECT c."id" FROM {table} c JOIN w ON c.{pointer} = w."id"'
    walk = f'WITH RECURSIVE w("id") AS (SELECT "id" FROM {table} WHERE {pointer} IS NULL UNION ALL {step})'
    return f't."id" NOT IN ({walk} SELECT "id" FROM w)'


async def _found(store: Store, entity: Entity, field: Field, kind: str, where: str, binder: Binder) -> Dangling | None:
    source = f'FROM {quote(entity.name)} t WHERE t."deleted_at" IS NULL AND {where}'
    arguments = binder.statement(source).arguments(store.dialect, {})
    rows = await store.fetch(f'SELECT t."id" {source} ORDER BY t."id" LIMIT {SAMPLES}', arguments)
    if not rows:
        return None
    counted = await store.fetch(f"SELECT count(*) {source}", arguments)
    return Dangling(entity.name, field.name, kind, int(counted[0][0]), tuple(_text(store, row[0]) for row in rows))


def _text(store: Store, cell: Any) -> str:
    decode = store.dialect.decode(UUID_TYPE)
    return str(decode(cell) if decode else cell)
