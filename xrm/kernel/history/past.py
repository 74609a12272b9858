"""The history of a record and of a field: what happened, and who or what put a value there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from xrm.errors import NotFound
from xrm.kernel.change import Actor
from xrm.kernel.history.rows import CHANGE_COLUMNS, SET_COLUMNS, SETS, Reader, Telling
from xrm.kernel.live import Running
from xrm.kernel.reading import demand
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.sql import Binder
from xrm.metadata.model import Entity

MOST = 500  # changes a history shows
FIELD_MOST = 5_000  # changes of a record that are looked through for those of one field


class Past:
    """Reads the histories of records."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._telling = Telling(running)
        self._reader = Reader(running.store.dialect)

    async def history(self, actor: Actor, entity: str, id: UUID) -> Sequence[dict[str, Any]]:
        """Return what happened to a record, newest first, as far as the actor may read its fields now.

        Raises:
            NotFound: there is none they may read; of one in the trash, none they may restore.
        """
        return await self._changes(actor, entity, id, MOST)

    async def field_history(self, actor: Actor, entity: str, id: UUID, field: str) -> Sequence[dict[str, Any]]:
        """Return who or what gave a field its values, the present one first.

        Each tells ``value`` and ``before``, the change-set, and whether the value was ``derived``.

        Raises:
            NotFound: no such record or field for the actor.
        """
        changes = await self._changes(actor, entity, id, FIELD_MOST)
        seen = (await self._telling.sight.of(actor, entity, [id])).get(str(id))
        if seen is None or field not in seen.fields:
            raise NotFound(f"There is no field {field!r}.")
        return [_value(change, field) for change in changes if field in change["after"]]

    async def blame(self, actor: Actor, entity: str, id: UUID) -> dict[str, dict[str, Any]]:
        """Return for each field of a record with a past what put its present value there, as `field_history` does."""
        found: dict[str, dict[str, Any]] = {}
        for change in await self._changes(actor, entity, id, FIELD_MOST):
            for name in change["after"]:
                if name not in found:
                    found[name] = _value(change, name)
        return found

    async def _changes(self, actor: Actor, entity: str, id: UUID, most: int) -> list[dict[str, Any]]:
        live = self._running.live
        known = demand(live, actor, entity, "read").entity
        seen = (await self._telling.sight.of(actor, entity, [id])).get(str(id))
        if seen is None or not seen.open:
            raise NotFound(f"There is no {known.title} with this id.")
        rows = await self._rows(known, id, most)
        width = len(SETS.columns)
        sets = [self._reader.set_of(row[:width]) for row in rows]
        changes = [self._reader.change_of(row[width:]) for row in rows]
        pairs = [(change, of.generation) for change, of in zip(changes, sets, strict=True)]
        told = await self._telling.tell(live, actor, known, pairs)
        return [
            {**of.told(), **change, "changeset": str(of.id), "origin": change["origin"] or of.origin}
            for of, change in zip(sets, told, strict=True)
            if change is not None
        ]

    async def _rows(self, entity: Entity, id: UUID, most: int) -> Sequence[Any]:
        binder = Binder(self._running.store.dialect)
        text = (
            f'SELECT {SET_COLUMNS}, {CHANGE_COLUMNS} FROM "xrm_change" c'
            ' JOIN "xrm_changeset" s ON s."id" = c."changeset"'
            f' WHERE c."record" = {binder.bind(id, ColumnType("uuid"))}'
            f' AND c."entity" = {binder.bind(entity.name, ColumnType("text"))}'
            f' ORDER BY c."version" DESC, c."number" DESC LIMIT {most}'
        )
        return await self._running.store.fetch(text, binder.params)


def _value(change: dict[str, Any], field: str) -> dict[str, Any]:
    told = {n: change[n] for n in ("changeset", "at", "actor", "behalf", "made_by", "source", "origin", "reason")}
    return {
        "value": change["after"][field],
        "before": change["before"].get(field),
        "derived": field in change["derived"],
        "kind": change["kind"],
        "version": change["version"],
        **told,
    }
