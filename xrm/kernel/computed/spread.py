"""After a write: the kept values of other records that are made of what changed are computed anew.

A few are written in the same act, as the system's work, and show in the history; many wait for the background, see
background.py. So a write stays as quick as its own record, however many depend on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from xrm.errors import Invalid, Issue
from xrm.kernel.computed.background import enqueue
from xrm.kernel.computed.graph import Dependency
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.sql import Binder, Statement, Var, quote
from xrm.kernel.values import Ref

if TYPE_CHECKING:
    from xrm.kernel.acts import Act
    from xrm.kernel.change import Change
    from xrm.kernel.live import Live, Running
    from xrm.kernel.writing import Writing

FEW = 100  # records computed in the act itself
_UUID = ColumnType("uuid")


class Spreading:
    """Keeps up what is made of other records."""

    def __init__(self, running: Running) -> None:
        self._running = running

    async def spread(self, act: Act, writing: Writing, *changes: Change) -> None:
        """Compute the kept values anew that stored changes make stale, each record's once.

        Raises:
            Invalid: a rule of a record that depends on a change would not hold any more.
        """
        stale: dict[tuple[str, UUID], None] = {}
        for change in changes:
            for entity, ids in (await self._stale(act.live, change)).items():
                if len(ids) > FEW:
                    await enqueue(self._running.store, act.live, entity, act.changes.at)
                else:
                    stale |= dict.fromkeys((entity, id) for id in sorted(ids))
        for entity, id in stale:
            await self._refresh(act, writing, entity, id)

    async def _stale(self, live: Live, change: Change) -> dict[str, set[UUID]]:
        """Return the records whose values a change makes stale, by entity."""
        found: dict[str, set[UUID]] = {}
        for dependency in live.dependencies.get(change.entity.name, ()):
            ends = _ends(dependency, change)
            if ends:
                found.setdefault(dependency.dependent, set()).update(await self._dependents(live, dependency, ends))
        return found

    async def hold(self, act: Act, change: Change) -> None:
        """Lock the records that a change adds itself to, before it points to them.

        They are written later in the act. Two acts that had both locked one against its removal, as every reference
        does, could then not lock it to write it, and would wait for each other.
        """
        if act.live.dialect.name == "sqlite" or change.kind == "delete":  # SQLite has one writer
            return
        anchors: dict[str, set[UUID]] = {}
        for dependency in act.live.dependencies.get(change.entity.name, ()):
            step = dependency.steps[-1]
            if dependency.listing and (change.kind == "restore" or change.changes(step.relation.name)):
                anchors.setdefault(step.entity, set()).update(_pointed(step.relation.name, change))
        for entity, ids in sorted(anchors.items()):
            for id in sorted(ids):
                statement: Statement = act.live.cached(("hold", entity), lambda e=entity: _hold(act.live, e))
                await self._running.store.fetch(statement.text, statement.arguments(act.live.dialect, {"id": id}))

    async def _refresh(self, act: Act, writing: Writing, entity: str, id: UUID) -> None:
        try:
            with writing.acts.deeper(act):
                await writing.refresh(entity, id)
        except Invalid as error:
            title = act.live.model.entities[entity].title
            issues = [Issue("", i.code, f"{title}: {i.message}", i.hint) for i in error.issues]
            raise Invalid(f"The {title} this belongs to would not be valid", issues) from None

    async def _dependents(self, live: Live, dependency: Dependency, ends: Sequence[UUID]) -> Sequence[UUID]:
        if dependency.listing and len(dependency.steps) == 1:
            return ends
        statement: Statement = live.cached(("dependents", dependency), lambda: _statement(live, dependency))
        known: dict[str, Any] = {"end.0": ends[0], "end.1": ends[-1]}
        rows = await self._running.store.fetch(statement.text, statement.arguments(live.dialect, known))
        decode = live.dialect.decode(_UUID)
        return [decode(row[0]) if decode else row[0] for row in rows]


def _ends(dependency: Dependency, change: Change) -> list[UUID]:
    """Return the ids from which a dependency is walked back; none when the change does not touch it."""
    if change.kind == "update" and not dependency.fields & set(change.changed()):
        return []
    if not dependency.listing:
        return [change.id] if change.kind == "update" else []
    return sorted(_pointed(dependency.steps[-1].relation.name, change))


def _pointed(name: str, change: Change) -> set[UUID]:
    """Return the ids that a relation pointed to before and points to now."""
    found = (side.get(name) for side in (change.before, change.after))
    return {value.id if isinstance(value, Ref) else value for value in found if value is not None}


def _hold(live: Live, entity: str) -> Statement:
    binder = Binder(live.dialect)
    return binder.statement(
        f'SELECT 1 FROM {quote(entity)} WHERE "id" = {binder.bind(Var("id", _UUID), _UUID)} FOR UPDATE'
    )


def _statement(live: Live, dependency: Dependency) -> Statement:
    binder = Binder(live.dialect)
    ids = ", ".join(binder.bind(Var(f"end.{n}", _UUID), _UUID) for n in range(2))
    return binder.statement(f'{dependency.query(ids)} ORDER BY x."id" LIMIT {FEW + 1}')
