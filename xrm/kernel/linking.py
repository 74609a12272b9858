"""Relations to many records written: a list of links becomes changes of the link entity, each with all its stations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from xrm.errors import Conflict, Forbidden, Invalid, Issue, NotFound
from xrm.kernel.acts import Act
from xrm.kernel.change import Change
from xrm.kernel.fieldtypes.pointers import Lookup
from xrm.kernel.links import LinkReading
from xrm.kernel.references import References
from xrm.kernel.values import MAX_LINKS, LinkChange, Wanted
from xrm.metadata.model import Entity, Field, Link

if TYPE_CHECKING:
    from xrm.kernel.writing import Writing


@dataclass(frozen=True, slots=True)
class LinkWrite:
    """What a write does to one relation to many, its records looked up."""

    field: Field
    link: Link
    change: LinkChange


class Linking:
    """Writes links on behalf of the records they belong to."""

    def __init__(self, reading: LinkReading, references: References) -> None:
        self._reading, self._references = reading, references

    async def take(
        self, act: Act, entity: Entity, values: dict[str, Any], issues: list[Issue]
    ) -> tuple[LinkWrite, ...]:
        """Take the relations to many out of a record's values: they are not stored in its row."""
        found: list[LinkWrite] = []
        for name in list(values):
            field = entity.fields[name]
            if field.through is not None:
                sent = values.pop(name) or LinkChange(put=())
                found.append(LinkWrite(field, field.through, await self._looked_up(act, field, sent, issues)))
        return tuple(found)

    async def _looked_up(self, act: Act, field: Field, sent: LinkChange, issues: list[Issue]) -> LinkChange:
        put = None if sent.put is None else await self._all(act, field, sent.put, issues)
        add, remove = [await self._all(act, field, part, issues) for part in (sent.add, sent.remove)]
        return LinkChange(put, add, remove)

    async def _all(self, act: Act, field: Field, wanted: Sequence[Wanted], issues: list[Issue]) -> tuple[Wanted, ...]:
        found: dict[Any, Wanted] = {}
        for one in wanted:
            target = one.target
            if isinstance(target, Lookup):
                known = await self._references.look_up(act, target)
                if not isinstance(known, UUID):
                    issues.append(Issue(field.name, *known))
                    continue
                target = known
            found[target] = replace(one, target=target)
        return tuple(found.values())

    def check(self, change: Change, writes: Sequence[LinkWrite], issues: list[Issue]) -> None:
        """Add an Issue per required relation to many that a new record, or a whole set, leaves without a link."""
        sent = {write.field.name: write.change for write in writes}
        for field in change.entity.fields.values():
            if field.through is None or not field.required or change.kind not in ("create", "update"):
                continue
            given = sent.get(field.name)
            lacking = change.kind == "create" if given is None else not (given.put or given.add)
            if lacking and (given is None or given.put is not None or change.kind == "create"):
                issues.append(Issue(field.name, "required", f"{field.title} is needed."))

    async def write(self, act: Act, writing: Writing, id: UUID, writes: Sequence[LinkWrite]) -> None:
        """Make, change and delete links of record `id`, as the actor.

        Raises:
            Forbidden: the actor may not add or remove links.
            Invalid: a record does not exist for the actor, or a link's own values are refused.
            Conflict: there are too many links to replace them all.
        """
        for write in writes:
            await self._write(act, writing, id, write)

    async def _write(self, act: Act, writing: Writing, id: UUID, write: LinkWrite) -> None:
        there = await self._there(act, write, id)
        change = write.change
        wanted = {str(one.target): one for one in (*(change.put or ()), *change.add)}
        gone = {str(one.target) for one in change.remove}
        if change.put is not None:
            gone |= there.keys() - wanted.keys()
        for target in (t for t in there if t in gone and t not in wanted):
            await self._removed(act, writing, write, UUID(there[target]["id"]))
        for number, (target, one) in enumerate(wanted.items()):
            await self._put(act, writing, write, id, one, there.get(target), number)
        if write.field.required and gone and not await self._there(act, write, id):
            raise Invalid(issues=[Issue(write.field.name, "required", f"{write.field.title} is needed.")])

    async def _there(self, act: Act, write: LinkWrite, id: UUID) -> Mapping[str, Mapping[str, Any]]:
        """Return the links the actor sees, by the id of the record they lead to."""
        shown = (await self._reading.of(act.live, act.actor, write.field, [id])).get(str(id), [])
        if len(shown) >= MAX_LINKS and write.change.put is not None:
            hint = 'change them by {"add": […], "remove": […]}'
            issue = Issue(write.field.name, "too_many", f"There are {MAX_LINKS:,} links or more.", hint)
            raise Conflict("There are too many links to replace them all.", [issue])
        return {one["id"]: one["link"] for one in shown}

    async def _removed(self, act: Act, writing: Writing, write: LinkWrite, link: UUID) -> None:
        try:
            await writing.delete(act.actor, write.link.entity, link)
        except (NotFound, Forbidden):
            raise Forbidden(f"You may not take away {write.field.title}.") from None

    async def _put(
        self,
        act: Act,
        writing: Writing,
        write: LinkWrite,
        id: UUID,
        wanted: Wanted,
        there: Mapping[str, Any] | None,
        number: int,
    ) -> None:
        values = dict(wanted.values)
        try:
            if there is None:
                there = await self._made(act, writing, write, id, wanted)
            if there is not None and values:
                await writing.update(act.actor, write.link.entity, UUID(there["id"]), values)
        except (NotFound, Forbidden):
            raise Forbidden(f"You may not change {write.field.title}.") from None
        except Invalid as refused:
            raise Invalid(issues=[_placed(write, issue, number) for issue in refused.issues]) from None

    async def _made(
        self, act: Act, writing: Writing, write: LinkWrite, id: UUID, wanted: Wanted
    ) -> Mapping[str, Any] | None:
        """Make a link; return the one that somebody else made at the same time, or None."""
        values = {**dict(wanted.values), write.link.near: id, write.link.far: wanted.target}
        try:
            async with writing.acts.attempt(act.actor):
                await writing.create(act.actor, write.link.entity, values)
        except Conflict as taken:
            there = (await self._there(act, write, id)).get(str(wanted.target))
            if there is None:
                issues = [replace(issue, path=write.field.name) for issue in taken.issues]
                raise Conflict(taken.message, issues) from None
            return there
        return None


def _placed(write: LinkWrite, issue: Issue, number: int) -> Issue:
    """Return a finding about a link as one about the field, of the record or of the link's own fields."""
    if issue.path in (write.link.near, write.link.far, ""):
        message = issue.message.partition(": ")[2] or issue.message
        return replace(issue, path=write.field.name, message=f"{write.field.title}: {message}")
    return replace(issue, path=f"{write.field.name}.{number}.{issue.path}")
