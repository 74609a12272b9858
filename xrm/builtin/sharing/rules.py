"""What a share may give: never more than its giver may do with the record at that moment.

To share a record one needs the right ``share`` on it, and every right that the level gives. The fields named must be
ones the giver reads there (and writes, where the level lets them be changed). A share that names none gives the public
and internal ones: where the giver has not all of these, the share is made to name those they have.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from xrm.errors import Forbidden, Invalid, Issue
from xrm.kernel.change import Change
from xrm.kernel.hooks import Context
from xrm.kernel.policy import LEVELS
from xrm.kernel.policy.rules import selected
from xrm.kernel.policy.shares import CLASSES
from xrm.kernel.values import Ref
from xrm.metadata.model import Entity

GIVEN = ("record", "person", "team", "level", "fields")  # what says who gets what


async def before_share(context: Context, change: Change) -> None:
    """Refuse a share that gives more than its giver holds, or one that cannot hold."""
    if change.kind == "delete" or context.actor.is_system:
        return
    record = change.after.get("record")
    if not isinstance(record, Ref):
        raise Invalid(issues=[Issue("record", "required", "Say which record is shared.")])
    _ends(change, context.now)
    if change.kind != "update" or any(change.changes(name) for name in GIVEN):
        held = await held_of(context, record.entity, record.id, change.after.get("level") or "read")
        change.set("fields", held.given(tuple(change.after.get("fields") or ())))


def _ends(change: Change, now: datetime) -> None:
    end = change.after.get("expires_at")
    if end is not None and end <= now and (change.kind != "update" or change.changes("expires_at")):
        raise Invalid(issues=[Issue("expires_at", "too_small", "This time is past.", "choose one to come")])


class Held:
    """What a giver holds of one record, as far as a level is concerned."""

    def __init__(self, entity: Entity, readable: frozenset[str], writable: frozenset[str] | None) -> None:
        self._entity, self._readable, self._writable = entity, readable, writable

    def shareable(self) -> frozenset[str]:
        """Return the fields that may be named; system fields go without saying."""
        fields = (self._entity.fields[name] for name in self._readable & selected(self._entity, ("*",)))
        return frozenset(f.name for f in fields if not f.system and self._may_write(f.name))

    def _may_write(self, name: str) -> bool:
        changeable = self._entity.fields[name].writable
        return self._writable is None or not changeable or name in self._writable

    def given(self, named: tuple[str, ...]) -> list[str] | None:
        """Return the fields a share is to name so that it gives no more than is held; None for the usual ones.

        Raises:
            Invalid: one that is not the giver's to share is named.
        """
        shareable = self.shareable()
        wrong = [name for name in named if name not in shareable]
        if wrong:
            message = f"{wrong[0]!r} is no field that you may share."
            raise Invalid(issues=[Issue("fields", "not_shareable", message, "one of " + ", ".join(sorted(shareable)))])
        if named:
            return sorted(set(named))
        usual = {n for n in selected(self._entity, CLASSES) if not self._entity.fields[n].system}
        if usual <= shareable:
            return None
        if not usual & shareable:
            raise Forbidden("You may share no field of this record.")
        return sorted(usual & shareable)


async def held_of(context: Context, entity: str, id: UUID, level: str) -> Held:
    """Return what the actor holds of a record.

    Raises:
        NotFound: there is none for them.
        Forbidden: they may not share it, or not at this level.
    """
    record = await context.records.get(entity, id)
    may = await context.records.door.permitted(context.actor, entity, id)
    title = context.model.entities[entity].title
    if "share" not in may:
        raise Forbidden(f"You may not share this {title}.")
    missing = [action for action in LEVELS[level] if action not in ("read", *may)]
    if missing:
        raise Forbidden(
            f"You may not share more than you hold: you may not {missing[0]} this {title}.",
            [Issue("level", "level_not_held", "This level gives more than you hold.", "choose a lower level")],
        )
    changeable = may.get("update", frozenset()) if "update" in LEVELS[level] else None
    return Held(context.model.entities[entity], _readable(record), changeable)


def _readable(record: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(record) - set(record.get("_masked", ())) - {"_masked"}
