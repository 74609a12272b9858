"""The page of one record, its history, and the dialogs of its transitions and actions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from litestar import Response

from xrm.errors import Conflict, Forbidden, Invalid, Issue, NotFound, Precondition, XrmError
from xrm.kernel.live import LiveEntity
from xrm.kernel.records import Record
from xrm.metadata.model import Entity, Field
from xrm.metadata.names import TYPE_FIELD
from xrm.web.forms import entries, to_raw
from xrm.web.moves import Move, move_named, moves, path
from xrm.web.pages import board
from xrm.web.pages.account import local_path
from xrm.web.pages.edit import dialog
from xrm.web.pages.privacy import offered
from xrm.web.related import related
from xrm.web.render import Notice, Renderer, go
from xrm.web.sent import FIELDS, Sent, body, merged, read_values
from xrm.web.timeline import ACTIVITY, about, activity_entity, timeline, with_whom
from xrm.web.visit import PageVisit, url

QUICK = ("call", "meeting", "email", "note", "task")  # kinds of activity offered beside a timeline


@dataclass(frozen=True, slots=True)
class Shown:
    """A titled group of fields on a record's page."""

    title: str
    filled: tuple[Field, ...]
    empty: tuple[Field, ...]


async def record_page(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Show one record."""
    entity, id = visit.entity, visit.id
    record = await visit.records.get(visit.actor, entity.name, id)
    granted = await visit.records.permitted(visit.actor, entity.name, id)
    possible = moves(visit, visit.prepared, record, granted)
    return render.page(
        visit,
        "record.html",
        title=record.get("label") or entity.title,
        entity=entity,
        record=record,
        granted=granted,
        moves=possible,
        privacy=offered(visit, entity),
        path=path(visit.prepared, record),
        above=await _above(visit, entity, id),
        kind=entity.record_types.get(record.get(TYPE_FIELD) or ""),
        sections=_sections(visit, visit.prepared.of(record), record),
        related=await related(visit, render.environment, entity, id),
        timeline=await timeline(visit, entity, id) if entity.timeline else (),
        quick=_quick(visit, entity, id),
        activities=_activities(visit, entity, id),
        account=f"/accounts/{id}" if entity.name == "user" and await _looks_after(visit, id) else "",
    )


async def _looks_after(visit: PageVisit, user: UUID) -> bool:
    return visit.actor.kind == "person" and await visit.site.accounts.looks_after(visit.actor, user)


async def history_page(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Show what happened to a record whose own page has no timeline."""
    entity = visit.entity
    record = await visit.records.get(visit.actor, entity.name, visit.id)
    events = [e for e in await timeline(visit, entity, visit.id) if e.kind == "change"]
    return render.page(
        visit, "history.html", title=f"History of {record.get('label')}", entity=entity, record=record, timeline=events
    )


async def _above(visit: PageVisit, entity: Entity, id: UUID) -> Sequence[tuple[str, str]]:
    """Return id and label of the records above this one in its hierarchy, the top first."""
    field = next((f for f in entity.fields.values() if f.hierarchy and visit.reads(entity, f.name)), None)
    return await visit.records.above(visit.actor, entity.name, field.name, id) if field else ()


def _sections(visit: PageVisit, prepared: LiveEntity, record: Record) -> list[Shown]:
    """Return the fields of a record in the sections of its form, those in none of them at the end."""
    entity = prepared.entity
    state = entity.workflow.field if entity.workflow else ""
    named = {state, _named_by(entity, record), TYPE_FIELD if entity.record_types else ""}
    named |= {name for name in prepared.hidden if record.get(name) in (None, "", [], False)}
    fields = {f.name: f for f in visit.readable(entity) if not f.system and f.name not in named and f.name in record}
    view = next((v for v in entity.views.values() if v.kind == "form"), None)
    groups = [(s.title, [fields[n] for n in s.fields if n in fields]) for s in view.sections] if view else []
    placed = {f.name for _, part in groups for f in part}
    rest = [f for f in fields.values() if f.name not in placed]
    groups.append(("Further details" if groups else "Details", rest))
    return [_group(title, part, record) for title, part in groups if part]


def _named_by(entity: Entity, record: Record) -> str:
    """Return the text field that is the record's title as it stands, so that it need not be shown twice; or empty."""
    found = re.fullmatch(r"\{([a-z0-9_|]+)\}", entity.label)
    name = found[1].split("|")[0] if found else ""
    shown = name in entity.fields and entity.fields[name].type in ("text", "auto_number")
    return name if shown and record.get(name) == record.get("label") else ""


def _group(title: str, fields: Sequence[Field], record: Record) -> Shown:
    masked = record.get("_masked", ())
    filled = tuple(
        f
        for f in fields
        if f.name in masked or record[f.name] not in (None, "", [], False) or (f.type == "boolean" and record[f.name])
    )
    return Shown(title, filled, tuple(f for f in fields if f not in filled))


def _quick(visit: PageVisit, entity: Entity, id: UUID) -> list[tuple[str, str, str]]:
    """Return the activities one click away: (kind, title, path of a form that is about this record)."""
    activity = activity_entity(visit)
    if activity is None or entity.name == ACTIVITY or not entity.timeline or not visit.may(ACTIVITY, "create"):
        return []
    kinds = activity.fields.get("kind")
    given = {"regarding": str(id), "regarding.entity": entity.name, "_next": f"/e/{entity.name}/{id}"}
    given |= {f.name: str(id) for f in with_whom(visit, activity, entity)}
    titles = {c.name: c.title for c in kinds.choices} if kinds else {}
    return [(k, titles[k], url(f"/e/{ACTIVITY}/new", kind=k, **given)) for k in QUICK if k in titles]


def _activities(visit: PageVisit, entity: Entity, id: UUID) -> str:
    """Return the path of the list of all activities about a record, or empty."""
    activity = activity_entity(visit)
    if activity is None or not entity.timeline or entity.name == ACTIVITY:
        return ""
    return url(f"/e/{ACTIVITY}", filter=about(visit, activity, entity, id))


# --- transitions and actions ----------------------------------------------------------------------------------------


async def action_page(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Ask what a transition or action needs to know."""
    record, move = await _asked(visit)
    raw = to_raw(visit.show, move.fields, record) if move.moves else {}
    return await _ask(visit, render, record, move, raw)


async def act(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Make a transition or run an action."""
    record, move = await _asked(visit)
    sent = Sent(await body(visit))
    await read_values(visit, sent, move.fields)
    origin = sent.word("_from")
    try:
        await _run(visit, move, sent)
    except Precondition:
        problem = Issue(
            "", "version_mismatch", "Somebody changed this record meanwhile. Look at it once more, then decide."
        )
        fresh = await visit.records.get(visit.actor, visit.entity.name, visit.id)
        return await _ask(visit, render, fresh, move, sent.raw, [problem], 412, sent)
    except (Invalid, Conflict, Forbidden) as error:
        raw = {**(to_raw(visit.show, move.fields, record) if move.moves else {}), **sent.raw}
        issues = await _told(visit, error)
        return await _ask(visit, render, record, _wider(visit, move, issues), raw, issues, error.status, sent)
    if origin.startswith("board"):
        return await board.after_move(visit, render, origin, record, move)
    notice = Notice("success", f"{record.get('label')}: {move.title}.")
    return go(visit, local_path(sent.word("_next") or f"/e/{visit.entity.name}/{visit.id}"), notice)


async def _told(visit: PageVisit, error: XrmError) -> Sequence[Issue]:
    """Return the findings of a refused move; of one that somebody else was faster with, who it was."""
    if not any(issue.code == "transition_not_allowed" for issue in error.issues):
        return error.issues or (Issue("", error.code, error.message),)
    record = await visit.records.get(visit.actor, visit.entity.name, visit.id)
    return (board.moved_meanwhile(visit, record, _state(visit.entity)),)


async def _run(visit: PageVisit, move: Move, sent: Sent) -> None:
    async with visit.records.act(visit.actor):
        try:
            await visit.records.run(
                visit.actor, visit.entity.name, visit.id, move.name, sent.values, version=sent.version
            )
        except Invalid as error:
            raise Invalid(issues=merged(sent.issues, error.issues)) from None
        if sent.issues:
            raise Invalid(issues=sent.issues)


async def _asked(visit: PageVisit) -> tuple[Record, Move]:
    """Return the record, and the transition or action in the path.

    Raises:
        NotFound: there is no such record or action for the actor.
    """
    record = await visit.records.get(visit.actor, visit.entity.name, visit.id)
    move = move_named(visit, str(visit.request.path_params["action"]), record)
    if move is None:
        raise NotFound("There is no such action.")
    return record, move


def _wider(visit: PageVisit, move: Move, issues: Sequence[Issue]) -> Move:
    """Return a transition that also asks for the fields the kernel found wanting, so that they can be given at once."""
    if not move.moves:
        return move
    names = [i.path for i in issues if i.path in visit.entity.fields and i.path not in {f.name for f in move.fields}]
    extra = tuple(
        visit.entity.fields[n]
        for n in dict.fromkeys(names)
        if visit.entity.fields[n].writable and n != _state(visit.entity)
    )
    return replace(move, fields=(*move.fields, *extra), needed=move.needed | {f.name for f in extra})


def _state(entity: Entity) -> str:
    return entity.workflow.field if entity.workflow else ""


async def _ask(
    visit: PageVisit,
    render: Renderer,
    record: Record,
    move: Move,
    raw: dict[str, Any],
    issues: Sequence[Issue] = (),
    status: int = 200,
    sent: Sent | None = None,
) -> Response[Any]:
    suggestions = sent.suggestions if sent else {}
    shown = entries(visit, move.fields, raw, issues, move.needed, suggestions)
    origin = sent.word("_from") if sent else visit.parameter("_from")
    beside = await board.beside(visit, render, origin) if issues and origin and visit.partial else ""
    return dialog(
        visit,
        render,
        "action.html",
        status,
        title=move.title,
        record=record,
        move=move,
        entries=shown,
        issues=issues,
        fields=",".join(f.name for f in move.fields),
        fields_name=FIELDS,
        origin=origin,
        possible=not any(issue.code == "moved_meanwhile" for issue in issues),
        beside=beside,
    )
