"""Station 7 at the database: a row is stored, judged and shown by one statement.

On PostgreSQL the statement that writes a row tells whether the actor's rules cover the row as it leaves it, and gives
it as the actor reads it. Where that looks into the written table itself it would see it as it was before the statement:
then both are asked afterwards, by statements of their own. So they are on SQLite, where that costs no round trip.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from xrm.errors import Forbidden
from xrm.kernel import query as q
from xrm.kernel.acts import Act
from xrm.kernel.change import Actor, Change
from xrm.kernel.history.log import Shown
from xrm.kernel.live import Live, Running
from xrm.kernel.loading import OUT_OF_REACH
from xrm.kernel.policy import Access, roles_key
from xrm.kernel.query import Selection, Selector
from xrm.kernel.rows import Bound
from xrm.kernel.store.sql import Statement, quote
from xrm.metadata.model import Entity


@dataclass(frozen=True, slots=True)
class Telling:
    """What a statement that writes a row tells of it.

    Attributes:
        before, after: What stands around the statement's own text.
        params: What comes after its own parameters.
        selection: How the cells from the third on are read; None when nothing is told. The first says whether the
            actor's rules cover the row, the second whether the actor may read it.
    """

    before: str
    after: str
    params: Statement
    selection: Selection | None


NOTHING = Telling("", "", Statement("", ()), None)


class Storing:
    """Stores rows."""

    def __init__(self, running: Running) -> None:
        self._running = running

    async def store(self, act: Act, access: Access, change: Change, write: Bound) -> tuple[int, bool]:
        """Run a statement that writes one row; return how many it wrote, and whether that row was judged already.

        Raises:
            Forbidden: the actor's rules do not cover the row as it is now.
            UniqueViolation: another record has a value that only one may have.
        """
        text, args = write
        live, name = act.live, access.entity.name
        key = ("telling", name, roles_key(act.actor), access.action, change.kind, len(args))
        telling: Telling = live.cached(key, lambda: _telling(live, act.actor, access, change, len(args)))
        if telling.selection is None:
            return await self._running.store.execute(text, args), False
        further = telling.params.arguments(live.dialect, q.variables(act.actor, act.changes.at))
        rows = await self._running.store.fetch(f"{telling.before}{text}{telling.after}", [*args, *further])
        if rows and not rows[0][0]:
            raise Forbidden(OUT_OF_REACH)
        if rows and rows[0][1]:
            act.log.shown = Shown(act.actor, change.id, telling.selection, rows[0][2:])
        return len(rows), True


def _telling(live: Live, actor: Actor, access: Access, change: Change, taken: int) -> Telling:
    """Return what a write by an access tells; `taken` are the parameters it has already."""
    reading = live.policy.access(actor, access.entity.name, "read")
    if live.dialect.name != "postgresql" or reading is None or change.kind not in ("create", "update"):
        return NOTHING
    selector = Selector(live, actor, reading)
    selector.binder.params += [None] * taken
    judged = "TRUE" if access.unchecked else selector.visible.checked(access.rules, access.entity, "t")
    readable = selector.visible.rows(reading.rules, access.entity, "t") or "TRUE"
    slots = selector.slots(())
    masks = selector.masks(slots)
    joins = "".join(f" {join}" for join in selector.joins)
    told = ", ".join((judged, readable, *selector.selected))
    if _looks_into(access.entity, told + joins):
        return NOTHING
    params = Statement("", tuple(selector.binder.params[taken:]))
    selection = Selection(params, slots, masks=masks, links=tuple(selector.links.values()))
    return Telling("WITH t AS (", f" RETURNING *) SELECT {told} FROM t{joins}", params, selection)


def _looks_into(entity: Entity, sql: str) -> bool:
    """Whether SQL reads the table of an entity beside the row that is written."""
    return re.search(rf"\b(FROM|JOIN|,)\s+{quote(entity.name)}", sql) is not None
