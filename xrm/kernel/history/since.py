"""What became of a record since a version, all later changes together; and a write that was based on that version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from xrm.errors import Issue, Precondition
from xrm.kernel.change import Actor
from xrm.kernel.history.effect import Effect
from xrm.kernel.history.names import names_since
from xrm.kernel.history.past import Past
from xrm.kernel.history.rows import CHANGE_COLUMNS, Reader
from xrm.kernel.live import Live, Running
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.sql import Binder
from xrm.kernel.values import KEEP, Parsing, Refused, parse, to_json
from xrm.kernel.writing import Writing
from xrm.metadata.model import Entity, Field

_UUID, _INT = ColumnType("uuid"), ColumnType("int")


async def since(running: Running, live: Live, entity: Entity, id: UUID, version: int) -> Effect:
    """Return what the changes after a version did to a record, all together."""
    binder, reader = Binder(live.dialect), Reader(live.dialect)
    marks = binder.bind(id, _UUID), binder.bind(version, _INT)
    text = (
        f'SELECT s."generation", {CHANGE_COLUMNS} FROM "xrm_change" c'
        ' JOIN "xrm_changeset" s ON s."id" = c."changeset"'
        f' WHERE c."record" = {marks[0]} AND c."version" > {marks[1]} ORDER BY c."version"'
    )
    rows = await running.store.fetch(text, binder.params)
    names = await names_since(running.store, live, entity.name, {row[0] for row in rows})
    found = Effect(entity.name, id)
    for row in rows:
        found.add(reader.change_of(row[1:]), names.get(row[0], {}), (0, 0))
    return found


def differing(entity: Entity, effect: Effect) -> list[str]:
    """Return the fields, but for computed ones, that an effect left with another value."""
    names = (n for n, v in effect.before.items() if n in entity.fields and effect.after.get(n) != v)
    return [name for name in names if not entity.fields[name].kind]


class Merging:
    """Writes that were based on an earlier version: merged field by field, where nobody else changed the same field."""

    def __init__(self, running: Running, writing: Writing) -> None:
        self._running, self._writing, self._past = running, writing, Past(running)

    async def update(self, actor: Actor, entity: str, id: UUID, sent: Mapping[str, Any], version: int) -> Sequence[str]:
        """Change fields of a record, as of `version`; return which others changed since, and kept their values.

        Raises:
            Precondition: some of the same fields were changed since, to other values: ``conflicts`` has field, base,
                theirs, yours and by whom; or there never was such a version.
        """
        async with self._writing.acts.act(actor) as act:
            try:
                await self._writing.update(actor, entity, id, sent, version)
            except Precondition as stale:
                now = stale.details.get("version", 0)
                if not 1 <= version < now:
                    raise
            else:
                return ()
            known = act.live.entities[entity].entity
            effect = await since(self._running, act.live, known, id, version)
            changed = differing(known, effect)
            clashing = [
                n for n in changed if n in sent and not _same(known.fields[n], sent[n], effect, act.live.parsing)
            ]
            if clashing:
                told = await self._past.history(actor, entity, id)
                raise _clash(known, sent, clashing, [one for one in told if one["version"] > version], now)
            await self._writing.update(actor, entity, id, sent, now)
            return [name for name in changed if name not in sent]


def _same(field: Field, sent: Any, effect: Effect, parsing: Parsing) -> bool:
    """Whether what is sent is what others made of a field."""
    try:
        value = parse(field, sent, parsing)
    except Refused:
        return False
    return value is not KEEP and bool(to_json(value) == effect.after.get(field.name))


def _clash(
    entity: Entity, sent: Mapping[str, Any], names: Sequence[str], later: Sequence[Mapping[str, Any]], now: int
) -> Precondition:
    """Return the refusal; `later` are the changes since, newest first, as far as the actor may see them."""
    conflicts: list[dict[str, Any]] = []
    for name in names:
        conflict: dict[str, Any] = {"field": name, "yours": sent[name]}
        writes = [change for change in later if name in change["after"]]
        if writes:
            by = {n: writes[0][n] for n in ("actor", "at", "changeset", "source", "reason")}
            conflict |= {"base": writes[-1]["before"].get(name), "theirs": writes[0]["after"][name], "by": by}
        conflicts.append(conflict)
    issues = [Issue(name, "changed_since", f"{entity.fields[name].title} was changed since.") for name in names]
    return Precondition("The same fields were changed since.", issues, version=now, conflicts=conflicts)
