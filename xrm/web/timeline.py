"""The timeline of a record: activities about it and the changes it went through, newest first, open ones on top."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from xrm.errors import XrmError
from xrm.kernel.query import RESTRICTED, Query
from xrm.kernel.records import Record
from xrm.metadata.model import Entity, Field
from xrm.web.facets import quoted
from xrm.web.visit import PageVisit

ACTIVITY = "activity"  # the entity whose `regarding` makes it part of other records' timelines
ABOUT = "regarding"
LIMIT = 30
SOURCES: Mapping[str, str] = {
    "form": "",
    "api": "over the API",
    "studio": "in the studio",
    "import": "by an import",
    "cli": "on the command line",
    "system": "by the system",
}
KIND_ICONS: Mapping[str, str] = {
    "call": "telephone",
    "meeting": "people",
    "letter": "envelope-paper",
    "email": "envelope",
    "note": "sticky",
    "task": "check2-square",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that a change gave another value."""

    field: Field
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Event:
    """One entry: an activity, or a change of the record.

    Attributes:
        kind: activity | change.
        at: When it is (or was) due or done, or was stored; as the API sends times.
        who: Who did it.
        title: Its heading.
        icon: Name of its icon.
        record: The activity.
        differences: What the change changed.
        source: Where it came from, in words; empty for a form.
        reason: Why, as it was given.
        open: Whether it is still to be done.
        late: Whether it is overdue.
        undo: The page on which the change can be taken back; empty for who may change nothing here.
    """

    kind: str
    at: str
    who: str
    title: str
    icon: str
    record: Mapping[str, Any] | None = None
    differences: tuple[Difference, ...] = ()
    source: str = ""
    reason: str = ""
    open: bool = False
    late: bool = False
    undo: str = ""


def activity_entity(visit: PageVisit) -> Entity | None:
    """Return the entity of activities, if there is one the actor may read that can be about anything."""
    entity = visit.live.model.entity(ACTIVITY)
    fits = (
        entity is not None
        and visit.may(ACTIVITY, "read")
        and visit.reads(entity, ABOUT)
        and entity.fields[ABOUT].polymorphic
    )
    return entity if fits else None


async def timeline(visit: PageVisit, entity: Entity, id: UUID) -> list[Event]:
    """Return the timeline of a record."""
    changes = [_change(visit, entity, id, change) for change in await _history(visit, entity, id)]
    happened = [*changes, *await _activities(visit, entity, id)]
    done = sorted((e for e in happened if not e.open), key=lambda e: e.at, reverse=True)
    return [*sorted((e for e in happened if e.open), key=lambda e: e.at or "9"), *done]


async def _history(visit: PageVisit, entity: Entity, id: UUID) -> Sequence[dict[str, Any]]:
    """Return the changes of a record with the titles of the records that old and new values point to."""
    changes = list(await visit.records.history(visit.actor, entity.name, id))[:LIMIT]
    labels = await _labels(visit, entity, changes)
    for change in changes:
        for side in ("before", "after"):
            change[side] = {n: _labelled(entity.fields.get(n), v, labels) for n, v in (change[side] or {}).items()}
    return changes


async def _labels(
    visit: PageVisit, entity: Entity, changes: Sequence[Mapping[str, Any]]
) -> Mapping[str, Mapping[str, str]]:
    wanted: dict[str, set[UUID]] = {}
    for change in changes:
        for values in (change["before"] or {}, change["after"] or {}):
            for name, value in values.items():
                field = entity.fields.get(name)
                if field is not None and field.type == "relation" and value and value != RESTRICTED:
                    target, id = (value["entity"], value["id"]) if isinstance(value, Mapping) else (field.to[0], value)
                    wanted.setdefault(target, set()).add(UUID(id))
    return {
        target: await visit.records.visible_ids(visit.actor, target, sorted(ids)[:1000])
        for target, ids in wanted.items()
        if target in visit.live.entities
    }


def _labelled(field: Field | None, value: Any, labels: Mapping[str, Mapping[str, str]]) -> Any:
    if field is None or field.type != "relation" or not value or value == RESTRICTED:
        return value
    target, id = (value["entity"], value["id"]) if isinstance(value, Mapping) else (field.to[0], value)
    label = labels.get(target, {}).get(id)
    return RESTRICTED if label is None else {"entity": target, "id": id, "label": label}


def _change(visit: PageVisit, entity: Entity, id: UUID, change: Mapping[str, Any]) -> Event:
    before, after = change["before"] or {}, change["after"] or {}
    names = [n for n in entity.fields if n in after or n in before]
    state = entity.workflow.field if entity.workflow else ""
    title, icon = _heading(visit, entity, change)
    shown = (
        ()
        if change["kind"] == "create"
        else tuple(
            Difference(entity.fields[n], before.get(n), after.get(n))
            for n in names
            if n != state or not change["action"]
        )
    )
    who = change["actor"]["label"] or "System"
    source = "" if who == "System" else SOURCES.get(change["source"], str(change["source"]).replace("plugin:", "by "))
    may = any(visit.may(entity.name, action) for action in ("update", "delete"))
    undo = f"/e/{entity.name}/{id}/undo/{change['changeset']}" if may else ""
    return Event("change", change["at"], who, title, icon, None, shown, source, change["reason"] or "", undo=undo)


async def differences(visit: PageVisit, entity: Entity, fields: Mapping[str, Mapping[str, Any]]) -> list[Difference]:
    """Return what an undo changes, `from` and `to` by field, with the titles of the records that values point to."""
    sides = {side: {n: v[side] for n, v in fields.items()} for side in ("from", "to")}
    labels = await _labels(visit, entity, [{"before": sides["from"], "after": sides["to"]}])
    known = [f for f in entity.fields.values() if f.name in fields]
    pairs = ((f, [_labelled(f, sides[side][f.name], labels) for side in ("from", "to")]) for f in known)
    return [Difference(field, before, after) for field, (before, after) in pairs]


def _heading(visit: PageVisit, entity: Entity, change: Mapping[str, Any]) -> tuple[str, str]:
    workflow = entity.workflow
    kinds = {
        "create": ("created this", "plus-circle"),
        "delete": ("deleted this", "trash3"),
        "restore": ("restored this", "arrow-counterclockwise"),
    }
    if change["kind"] in kinds:
        return kinds[change["kind"]]
    after = change["after"] or {}
    state = workflow.state(str(after.get(workflow.field))) if workflow and workflow.field in after else None
    if state is not None:
        return f"moved this to {state.title}", "signpost"
    button = entity.buttons.get(change["action"] or "")
    if button is not None:
        return f"pressed {button.title}", button.icon or "hand-index"
    return "changed this", "pencil"


def with_whom(visit: PageVisit, activity: Entity, entity: Entity) -> list[Field]:
    """Return the relations by which an activity is with a record of an entity (not those that say whose it is)."""
    found = (
        f for f in activity.relations() if f.to == (entity.name,) and not f.system and f.name not in ("owner", "unit")
    )
    return [f for f in found if visit.reads(activity, f.name)]


def about(visit: PageVisit, activity: Entity, entity: Entity, id: UUID) -> str:
    """Return the filter that finds the activities about a record."""
    names = [ABOUT, *(f.name for f in with_whom(visit, activity, entity))]
    return " || ".join(f"{name} == {quoted(str(id))}" for name in names)


async def _activities(visit: PageVisit, entity: Entity, id: UUID) -> list[Event]:
    activity = activity_entity(visit)
    if activity is None or entity.name == ACTIVITY:
        return []
    sort = ("-due",) if visit.reads(activity, "due") else ("-created_at",)
    try:
        found = await visit.records.list(
            visit.actor, ACTIVITY, Query(about(visit, activity, entity, id), sort, limit=LIMIT)
        )
    except XrmError:  # a site whose activities are shaped otherwise has a timeline of changes only
        return []
    return [_activity(visit, activity, record) for record in found.records]


def _activity(visit: PageVisit, activity: Entity, record: Record) -> Event:
    workflow = activity.workflow
    state = workflow.state(str(record.get(workflow.field))) if workflow else None
    is_open = workflow is not None and (state is None or not state.final)
    at = record.get("done_at") or record.get("due") or record.get("created_at") or ""
    owner = record.get("owner") or record.get("created_by") or {}
    due = visit.show.local(record.get("due") or "")
    return Event(
        "activity",
        at,
        str(owner.get("label") or ""),
        str(record.get("label") or ""),
        KIND_ICONS.get(str(record.get("kind")), "calendar-check"),
        record,
        open=is_open,
        late=is_open and due is not None and due < visit.now,
    )
