"""Records as they were: the changes made since, taken away from the records of today, newest first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from xrm.errors import Invalid, Issue
from xrm.kernel import derive
from xrm.kernel.change import SYSTEM, Actor
from xrm.kernel.history.names import Names, names_since, renamed
from xrm.kernel.history.rows import CHANGE_COLUMNS, ChangeRow, Reader
from xrm.kernel.history.sight import Sight
from xrm.kernel.history.stored import from_stored
from xrm.kernel.live import Live, LiveEntity, Running
from xrm.kernel.policy import visibility
from xrm.kernel.reading import Reading
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.sql import Binder, quote
from xrm.kernel.values import Ref
from xrm.metadata.model import Entity

MOST = 20_000  # changes of an entity that are gone back over
_UUID, _TEXT, _MOMENT, _INT = (ColumnType(name) for name in ("uuid", "text", "datetime", "int"))
_BUNDLE = 200


class Then:
    """Finds the records of an entity that were changed since a moment, as they were then."""

    def __init__(self, running: Running, actor: Actor, moment: datetime) -> None:
        self._running, self._actor, self._moment = running, actor, moment
        self._reader, self._sight = Reader(running.store.dialect), Sight(running)

    async def changed(self, entity: str) -> tuple[list[UUID], list[dict[str, Any]]]:
        """Return the ids of records changed since, and the values of those that were there and may be read today.

        Raises:
            Invalid: too many changes were made since.
        """
        live = self._running.live
        prepared = live.entities[entity]
        since = await self._since(live, entity)
        names = await names_since(self._running.store, live, entity, {g for rows in since.values() for _, g in rows})
        present = await self._present(prepared, list(since))
        seen = await self._sight.of(self._actor, entity, list(since))
        access = live.policy.access(self._actor, entity, "read")
        masked = frozenset(n for n in prepared.entity.fields if access and visibility(access, n))
        found: list[dict[str, Any]] = []
        for id, rows in since.items():
            sight = seen.get(str(id))
            if id in present and rows[0][0].kind != "create" and sight is not None and sight.open:
                found.append(_as_it_was(live, prepared.entity, present[id], rows, names, masked - sight.fields))
        await self._stamps(entity, found)
        await self._labels(prepared, found)
        return list(since), found

    async def _since(self, live: Live, entity: str) -> dict[UUID, list[tuple[ChangeRow, int]]]:
        """Return the changes made since, by record, oldest first, each with its generation."""
        binder = Binder(live.dialect)
        text = (
            f'SELECT s."generation", {CHANGE_COLUMNS} FROM "xrm_change" c'
            f' JOIN "xrm_changeset" s ON s."id" = c."changeset" WHERE c."entity" = {binder.bind(entity, _TEXT)}'
            f' AND c."changeset" >= {binder.bind(_first_id(self._moment), _UUID)}'
            f' AND s."at" > {binder.bind(self._moment, _MOMENT)} ORDER BY c."record", c."version" LIMIT {MOST + 1}'
        )
        rows = await self._running.store.fetch(text, binder.params)
        if len(rows) > MOST:
            plural = live.model.entities[entity].plural
            message = f"More than {MOST:,} changes of {plural} were made since: choose a later moment."
            raise Invalid(issues=[Issue("as_of", "too_long_ago", message)])
        found: dict[UUID, list[tuple[ChangeRow, int]]] = {}
        for row in rows:
            change = self._reader.change_of(row[1:])
            found.setdefault(change.record, []).append((change, row[0]))
        return found

    async def _present(self, prepared: LiveEntity, ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
        found: dict[UUID, dict[str, Any]] = {}
        for part in _bundles(ids):
            binder = Binder(self._running.store.dialect)
            marks = ", ".join(binder.bind(id, _UUID) for id in part)
            columns, table = prepared.rows.selection("t"), quote(prepared.entity.name)
            rows = await self._running.store.fetch(
                f'SELECT {columns} FROM {table} t WHERE t."id" IN ({marks})',
                binder.params,
            )
            found |= {values["id"]: values for values in map(prepared.rows.values, rows)}
        return found

    async def _stamps(self, entity: str, records: Sequence[dict[str, Any]]) -> None:
        """Give records the moment and the person of the last change before."""
        by_key = {(record["id"], record["version"]): record for record in records}
        for part in _bundles(list(by_key)):
            binder = Binder(self._running.store.dialect)
            each = (f'(c."record" = {binder.bind(i, _UUID)} AND c."version" = {binder.bind(v, _INT)})' for i, v in part)
            where = " OR ".join(each)
            rows = await self._running.store.fetch(
                'SELECT c."record", c."version", s."at", s."actor" FROM "xrm_change" c'
                f' JOIN "xrm_changeset" s ON s."id" = c."changeset" WHERE {where}',
                binder.params,
            )
            decoders = [self._running.store.dialect.decode(t) for t in (_UUID, _INT, _MOMENT, _UUID)]
            for row in rows:
                id, version, at, by = (
                    c if d is None or c is None else d(c) for d, c in zip(decoders, row, strict=True)
                )
                by_key[id, version] |= {"updated_at": at, "updated_by": by}

    async def _labels(self, prepared: LiveEntity, records: Sequence[dict[str, Any]]) -> None:
        """Give records the label and the search text of then; records they point to are called as today."""
        entity = prepared.entity
        relations = [f for n in prepared.label_fields if (f := entity.fields.get(n)) and f.type == "relation"]
        wanted: dict[str, set[UUID]] = {}
        for record in records:
            for field in relations:
                if target := _target(field.to[0], record.get(field.name)):
                    wanted.setdefault(target[0], set()).add(target[1])
        reading = Reading(self._running)
        called: dict[str, str] = {}
        for name, ids in wanted.items():
            for part in _bundles(sorted(ids)):
                called |= await reading.visible_ids(SYSTEM, name, part)
        for record in records:
            pointed = {f.name: t for f in relations if (t := _target(f.to[0], record.get(f.name)))}
            labels = {name: called.get(str(id), "") for name, (_, id) in pointed.items()}
            record["label"] = derive.label(entity, record, labels)
            record["search"] = derive.search_text(entity, record)


def _target(entity: str, value: Any) -> tuple[str, UUID] | None:
    if value is None:
        return None
    return (value.entity, value.id) if isinstance(value, Ref) else (entity, value)


def _bundles(of: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (of[start : start + _BUNDLE] for start in range(0, len(of), _BUNDLE))


def _first_id(moment: datetime) -> UUID:
    """Return the lowest id of an act at a moment or later (RFC 9562 §5.7)."""
    return UUID(int=max(0, int(moment.timestamp() * 1000)) << 80)


def _as_it_was(
    live: Live,
    entity: Entity,
    present: Mapping[str, Any],
    rows: Sequence[tuple[ChangeRow, int]],
    names: Mapping[int, Names],
    withheld: frozenset[str],
) -> dict[str, Any]:
    values = dict(present)
    for row, generation in reversed(rows):
        for name, stored in renamed(row.before, names.get(generation, {})).items():
            if name in entity.fields:
                values[name] = _read(live, entity, name, stored)
    turns = [row.kind for row, _ in rows if row.kind != "update"]
    if turns and turns[0] == "delete":
        values["deleted_at"], values["deleted_by"] = None, None
    elif turns:
        values["deleted_at"] = values["updated_at"]
    values["version"] = rows[0][0].version - 1
    return {**values, **dict.fromkeys(withheld)}


def _read(live: Live, entity: Entity, name: str, stored: Any) -> Any:
    try:
        return from_stored(entity.fields[name], stored, live.dialect)
    except ValueError:  # a value of a type the field had then, and has no more
        return None
