"""Relations to many records: their links read for a whole page at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from xrm.kernel import query as q
from xrm.kernel.change import Actor
from xrm.kernel.live import Live, Running, check_generation
from xrm.kernel.policy import roles_key
from xrm.kernel.query import Selection, Selector
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.sql import Statement, Var, quote
from xrm.kernel.store.system import IN_FORCE
from xrm.kernel.values import MAX_LINKS
from xrm.kernel.visible import linking
from xrm.metadata.model import Entity, Field, Link

UUID_TYPE = ColumnType("uuid")
SIZES = (1, 10, 50, 200, 1000)  # records whose links one statement reads


@dataclass(frozen=True, slots=True)
class LinkSelection:
    """The statement of the links of some records, and how its rows are read."""

    selection: Selection
    near: int  # index of the record that has the link
    far: str  # name of the relation to the other


class LinkReading:
    """Reads links as one actor may see them: those they may not read, or whose record they may not, are left out."""

    def __init__(self, running: Running) -> None:
        self._running = running

    async def show(
        self, live: Live, actor: Actor, entity: Entity, fields: Sequence[Field], records: Sequence[dict[str, Any]]
    ) -> None:
        """Give records the values of their relations to many: one statement per relation."""
        for field in fields:
            shown = [record for record in records if field.name not in record.get("_masked", ())]
            found = await self.of(live, actor, field, [UUID(record["id"]) for record in shown])
            for record in shown:
                record[field.name] = found.get(record["id"], [])

    async def of(
        self, live: Live, actor: Actor, field: Field, ids: Sequence[UUID]
    ) -> Mapping[str, list[dict[str, Any]]]:
        """Return the links of records by their id as text: ``{id, label, link: {id, …}}``, ordered by label.

        At most `MAX_LINKS` of a record, and 1000 records.
        """
        if not ids or linking(live, actor, field) is None or field.through is None:
            return {}
        link = field.through
        size = next(n for n in SIZES if len(ids) <= n)
        key = ("links", link, field.to, roles_key(actor), size)
        made: LinkSelection = live.cached(key, lambda: _selection(live, actor, field, link, size))
        padded = [*ids, *([ids[0]] * (size - len(ids)))]
        known = {**q.variables(actor, self._running.clock()), **{f"near.{n}": id for n, id in enumerate(padded)}}
        statement = made.selection.statement
        rows = await self._running.store.fetch(statement.text, statement.arguments(live.dialect, known))
        check_generation(live, rows)
        found: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            record = made.selection.record(row)
            other = record.pop(made.far)
            record.pop("version")
            if other and "id" in other:
                found.setdefault(str(row[made.near]), []).append({**other, "link": record})
        for links in found.values():
            links.sort(key=lambda one: (str(one["label"]).casefold(), one["id"]))
        return found


def _selection(live: Live, actor: Actor, field: Field, link: Link, size: int) -> LinkSelection:
    access = linking(live, actor, field)
    if access is None:
        raise LookupError(field.name)
    selector = Selector(live, actor, access)
    visible, entity = selector.visible, access.entity
    names = tuple(name for name in (link.far, *link.fields) if selector.slot(name) is not None)
    slots = selector.slots(names)
    masks = selector.masks(slots)
    near, far = (visible.path(entity, "t", (name,)) for name in (link.near, link.far))
    place = selector.select(near)
    selector.select(f'row_number() OVER (PARTITION BY {near} ORDER BY t."id")')
    marks = ", ".join(selector.binder.bind(Var(f"near.{n}", UUID_TYPE), UUID_TYPE) for n in range(size))
    target = live.model.entities[field.to[0]]
    where = [f"{near} IN ({marks})", visible.linked(access, "t", target, far)]
    return LinkSelection(Selection(_numbered(selector, where), slots, masks=masks), place, link.far)


def _numbered(selector: Selector, where: list[str]) -> Statement:
    """Return the statement of the first links of each record; the last column selected is their number."""
    columns = ", ".join(f"{sql} AS c{number}" for number, sql in enumerate(selector.selected))
    names = ", ".join(f"c{number}" for number in range(len(selector.selected)))
    joins = "".join(f" {join}" for join in selector.joins)
    last = f"c{len(selector.selected) - 1}"
    inner = f"SELECT {columns} FROM {quote(selector.entity.name)} t{joins} WHERE {' AND '.join(where)}"
    text = f"SELECT {names}, {IN_FORCE} FROM ({inner}) q WHERE {last} <= {MAX_LINKS} ORDER BY {last}"
    return selector.binder.statement(text)
