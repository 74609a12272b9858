"""A relation that becomes a hierarchy: records that are above themselves would be in no tree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from xrm.errors import Issue
from xrm.kernel.migration.ancestry import Ancestry
from xrm.kernel.store.sql import quote
from xrm.kernel.store.store import Store

_SAMPLES = 3


@dataclass(frozen=True, slots=True)
class Circle:
    """Where circles are looked for: the field as it will be called, the table and the column as they are now."""

    path: str
    table: str
    column: str


def find_circles(ancestry: Ancestry) -> Iterator[Circle]:
    """Yield the relations that become hierarchies."""
    for before, entity in ancestry.entities():
        for known, field in ancestry.fields(before, entity):
            itself = known.type == "relation" and known.to == (before.name,)
            if field.hierarchy and not known.hierarchy and itself:
                yield Circle(f"{entity.name}.{field.name}", before.name, known.name)


async def in_circles(store: Store, circle: Circle) -> Issue | None:
    """Return a finding about the records that are above themselves, or None."""
    table, column = quote(circle.table), quote(circle.column)
    above = (
        f'WITH RECURSIVE w("start", "at") AS (SELECT "id", {column} FROM {table} WHERE {column} IS NOT NULL'
        f' UNION SELECT w."start", t.{column} FROM w JOIN {table} t ON t."id" = w."at" WHERE t.{column} IS NOT NULL)'
    )
    found = f'FROM {table} t WHERE t."id" IN (SELECT "start" FROM w WHERE "start" = "at")'
    count = int((await store.fetch(f"{above} SELECT count(*) {found}"))[0][0])
    if not count:
        return None
    rows = await store.fetch(f'{above} SELECT t."label" {found} ORDER BY 1 LIMIT {_SAMPLES}')
    shown = ", ".join(repr(row[0]) for row in rows)
    return Issue(
        circle.path,
        "circular",
        f"{count} records are above themselves, like {shown}.",
        "let one of each circle point elsewhere first",
    )
