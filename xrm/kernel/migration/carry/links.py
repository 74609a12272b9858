"""A relation to one record that becomes one to many: what each record points to becomes its first link."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from xrm.kernel.change import uuid7
from xrm.kernel.migration.ancestry import Ancestry
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.sql import quote
from xrm.kernel.store.store import Store
from xrm.metadata.model import Entity, Field, Link

PAGE = 1000  # links made at a time
_UUID, _INT, _MOMENT = ColumnType("uuid"), ColumnType("int"), ColumnType("datetime")


@dataclass(frozen=True, slots=True)
class LinkCopy:
    """Links that are made of a relation to one.

    Attributes:
        entity: The entity's (new) name.
        field: The field's (new) name.
        table: Id of the entity's table.
        base: Id of the field, and of its column as it is.
        source: Name of the table now.
        column: Name of the column now.
        link: How the links are kept.
    """

    entity: str
    field: str
    table: str
    base: str
    source: str
    column: str
    link: Link

    @property
    def scratch(self) -> str:
        """Name of the table that the pairs are laid down in."""
        return f"xrm_links_{self.base}"

    @property
    def words(self) -> str:
        """What it does, as a sentence."""
        name = f"{self.entity}.{self.field}"
        return f"Let {name} hold several; what a record points to becomes its first link ({self.link.entity})."


def find_links(ancestry: Ancestry) -> Iterator[LinkCopy]:
    """Yield the relations to one that become relations to many, kept by a link entity that is new."""
    for before, entity in ancestry.entities():
        ids = ancestry.new.entities[entity.name]
        for known, field in ancestry.fields(before, entity):
            if field.through is not None and _copied(ancestry, known, field):
                base = ids.fields[field.name]
                yield LinkCopy(entity.name, field.name, ids.id, base, before.name, known.name, field.through)


def _copied(ancestry: Ancestry, known: Field, field: Field) -> bool:
    link = field.through
    entity = ancestry.after.entities.get(link.entity) if link else None
    if link is None or entity is None or known.type != "relation" or known.kind or len(known.to) != 1:
        return False
    target = ancestry.before.entities.get(known.to[0])
    later = ancestry.successor(target) if target is not None else None
    same = later is not None and field.to == (later.name,) and not known.polymorphic
    return same and ancestry.entity(entity) is None and not _asks_for_more(entity, link)


def _asks_for_more(entity: Entity, link: Link) -> bool:
    """Whether a link needs values that nobody has said yet."""
    own = (f for f in entity.fields.values() if not f.system and f.name not in (link.near, link.far))
    return any(f.required and f.default is None for f in own)


async def count_links(store: Store, copy: LinkCopy) -> int:
    """Return how many links there will be. Reads only."""
    return int((await store.fetch(f"SELECT count(*) {_pairs(copy)}"))[0][0])


async def lay_links(store: Store, copy: LinkCopy) -> None:
    """Put the pairs into a table of their own, before the column goes."""
    read = f'SELECT "id" AS "near", {quote(copy.column)} AS "far" {_pairs(copy)}'
    await store.execute(f"CREATE TEMP TABLE {quote(copy.scratch)} AS {read}")


def _pairs(copy: LinkCopy) -> str:
    """Return what the pairs are read from; records in the trash have none, as those whose links went along."""
    return f'FROM {quote(copy.source)} WHERE {quote(copy.column)} IS NOT NULL AND "deleted_at" IS NULL'


async def make_links(store: Store, copy: LinkCopy, at: datetime) -> None:
    """Make a link of each pair; their labels are computed with those of all records that the change touches.

    A link entity that was left out for a while still has its links: those that are no longer meant go to the trash.
    """
    await _forget(store, copy, at)
    dialect = store.dialect
    columns = {"id": _UUID, copy.link.near: _UUID, copy.link.far: _UUID, "created_at": _MOMENT, "updated_at": _MOMENT}
    names = ", ".join(map(quote, (*columns, "version")))
    places = ", ".join(dialect.placeholder(n, type) for n, type in enumerate(columns.values(), 1))
    insert = f"INSERT INTO {quote(copy.link.entity)} ({names}) VALUES ({places}, 1)"
    moment = dialect.encode(_MOMENT, at)
    there = f"SELECT 1 FROM {quote(copy.link.entity)} AS xrm_link WHERE {_same_pair(copy)}"
    new = f'FROM {quote(copy.scratch)} AS xrm_pair WHERE NOT EXISTS ({there} AND xrm_link."deleted_at" IS NULL)'
    pairs = await store.fetch(f'SELECT "near", "far" {new} ORDER BY "near"')
    for start in range(0, len(pairs), PAGE):
        rows = [
            [dialect.encode(_UUID, uuid7()), near, far, moment, moment] for near, far in pairs[start : start + PAGE]
        ]
        await store.execute_many(insert, rows)
    await store.execute(f"DROP TABLE {quote(copy.scratch)}")


async def _forget(store: Store, copy: LinkCopy, at: datetime) -> None:
    mark = store.dialect.placeholder(1, _MOMENT)
    meant = f"SELECT 1 FROM {quote(copy.scratch)} AS xrm_pair WHERE {_same_pair(copy)}"
    text = f'UPDATE {quote(copy.link.entity)} AS xrm_link SET "deleted_at" = {mark}'
    where = f'WHERE "deleted_at" IS NULL AND NOT EXISTS ({meant})'
    await store.execute(f"{text} {where}", [store.dialect.encode(_MOMENT, at)])


def _same_pair(copy: LinkCopy) -> str:
    near, far = quote(copy.link.near), quote(copy.link.far)
    return f'xrm_link.{near} = xrm_pair."near" AND xrm_link.{far} = xrm_pair."far"'
