"""What goes with a record when it is deleted: told before it happens, as far as the actor may see it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from xrm.kernel.change import Actor
from xrm.kernel.live import Live, Running
from xrm.kernel.policy import SHARE
from xrm.kernel.reading import Reading
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.sql import Binder, Statement, Var, quote
from xrm.metadata.model import Entity, Field, Inverse

UUID_TYPE = ColumnType("uuid")
TEXT = ColumnType("text")
MAX_FOUND = 10_000  # records looked for in all
BUNDLE = 100  # records whose pointers one statement looks for
SAMPLES = 5


@dataclass(slots=True)
class _Found:
    end: Inverse
    field: Field
    ids: list[UUID]


class Consequences:
    """Looks ahead at a delete."""

    def __init__(self, running: Running, reading: Reading) -> None:
        self._running, self._reading = running, reading

    async def of(self, actor: Actor, entity: str, id: UUID) -> dict[str, Any]:
        """Return what a delete would do, JSON-ready.

        Returns:
            ``possible``: whether no relation with ``on_delete: restrict`` holds it (rights are told apart);
            ``effects``: per relation its ``entity``, ``field``, ``rule`` (restrict, clear or cascade), ``title``,
            ``count`` of the records the actor may see, ``more`` when there are further ones, and some ``samples``;
            ``complete``: whether all was counted.

        Raises:
            NotFound: no such record for the actor.
        """
        live = self._running.live
        await self._reading.get(actor, entity, id, ("id",))
        found, complete = await self._all(live, entity, id)
        effects = [await self._effect(live, actor, one) for one in found]
        held = any(one.field.on_delete == "restrict" for one in found)
        return {"possible": not held, "complete": complete, "effects": effects}

    async def _all(self, live: Live, entity: str, id: UUID) -> tuple[list[_Found], bool]:
        """Return what points to the record and to all that goes with it; what goes along itself holds nothing."""
        going: set[UUID] = {id}
        found: dict[tuple[str, str], _Found] = {}
        ahead: list[tuple[str, list[UUID]]] = [(entity, [id])]
        count = 0
        while ahead and count <= MAX_FOUND:
            name, ids = ahead.pop()
            for end in live.model.inverses.get(name, ()):
                if end.entity == SHARE:
                    continue  # shares have no life of their own
                field = live.model.entities[end.entity].fields[end.field]
                pointing = await self._pointing(live, end, field, name, ids)
                known = found.setdefault((end.entity, end.field), _Found(end, field, []))
                seen = set(known.ids)
                new = [other for other in pointing if other not in seen and other not in going]
                known.ids.extend(new)
                count += len(new)
                if field.on_delete == "cascade" and new:
                    going.update(new)
                    ahead.append((end.entity, new))
        return list(_settled(found.values(), going)), count <= MAX_FOUND

    async def _pointing(self, live: Live, end: Inverse, field: Field, entity: str, ids: Sequence[UUID]) -> list[UUID]:
        statement: Statement = live.cached(
            ("pointing to any", end.entity, end.field), lambda: _statement(live, end, field)
        )
        decode = live.dialect.decode(UUID_TYPE)
        found: list[UUID] = []
        for start in range(0, len(ids), BUNDLE):
            part = ids[start : start + BUNDLE]
            known = {f"id.{n}": part[min(n, len(part) - 1)] for n in range(BUNDLE)}
            rows = await self._running.store.fetch(
                statement.text, statement.arguments(live.dialect, {**known, "entity": entity})
            )
            found.extend(decode(row[0]) if decode else row[0] for row in rows)
        return found

    async def _effect(self, live: Live, actor: Actor, one: _Found) -> dict[str, Any]:
        """Return one effect; records the actor may not see are not counted, only said to be there."""
        entity = live.model.entities[one.end.entity]
        access = live.policy.access(actor, entity.name, "read")
        shown = await self._visible(actor, entity, one.ids) if access else {}
        samples = [{"id": id, "label": label} for id, label in list(shown.items())[:SAMPLES]]
        rule = one.field.on_delete
        if access is None:
            return {"rule": rule, "title": "records you may not see", "count": 0, "more": True, "samples": []}
        told = {"entity": entity.name, "field": one.field.name, "rule": rule, "title": entity.plural}
        return {**told, "count": len(shown), "more": len(shown) < len(one.ids), "samples": samples}

    async def _visible(self, actor: Actor, entity: Entity, ids: Sequence[UUID]) -> dict[str, str]:
        found: dict[str, str] = {}
        for start in range(0, len(ids), 1000):
            found |= await self._reading.visible_ids(actor, entity.name, ids[start : start + 1000])
        return found


def _settled(found: Any, going: set[UUID]) -> Iterator[_Found]:
    order = ("restrict", "cascade", "clear")
    for one in sorted(found, key=lambda f: order.index(f.field.on_delete)):
        if one.field.on_delete != "cascade":
            one.ids = [id for id in one.ids if id not in going]
        if one.ids:
            yield one


def _statement(live: Live, end: Inverse, field: Field) -> Statement:
    binder = Binder(live.dialect)
    marks = ", ".join(binder.bind(Var(f"id.{n}", UUID_TYPE), UUID_TYPE) for n in range(BUNDLE))
    where = [f"t.{quote(field.name)} IN ({marks})", 't."deleted_at" IS NULL']
    if field.polymorphic:
        where.append(f"t.{quote(field.name + '_entity')} = {binder.bind(Var('entity', TEXT), TEXT)}")
    return binder.statement(
        f'SELECT t."id" FROM {quote(end.entity)} t WHERE {" AND ".join(where)} ORDER BY t."id" LIMIT {MAX_FOUND + 1}'
    )
