"""Taking a change back: a dialog shows what that would do and what stands in the way; its button does it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from litestar import Response

from xrm.errors import Conflict, Forbidden, Issue
from xrm.kernel.history.undo import Undone
from xrm.metadata.model import Entity
from xrm.web.pages.edit import dialog
from xrm.web.render import Notice, Renderer, go
from xrm.web.sent import Sent, body
from xrm.web.timeline import Difference, differences
from xrm.web.visit import PageVisit

SHOWN = 20  # records, and obstacles, that are shown one by one


@dataclass(frozen=True, slots=True)
class Taken:
    """One record of an undo: which, what becomes of it (update, delete, restore), and its values."""

    entity: Entity
    label: str
    kind: str
    differences: Sequence[Difference]


async def undo_page(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Show what taking a change-set back would do."""
    return await _ask(visit, render)


async def undo(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Take a change-set back."""
    sent = Sent(await body(visit))
    keep = "newer" if sent.word("_keep") == "newer" else ""
    try:
        done = await visit.records.undo(visit.actor, _change(visit), sent.word("_reason")[:500], keep)
    except (Conflict, Forbidden) as error:
        return await _ask(visit, render, error.issues or (Issue("", error.code, error.message),), error.status)
    text = "The change was taken back." if done.changeset else "There was nothing left to take back."
    again = f"/e/{visit.entity.name}/{visit.id}/undo/{done.changeset}" if done.changeset else ""
    there = await visit.records.visible_ids(visit.actor, visit.entity.name, [visit.id])
    return go(visit, _back(visit, there), Notice("success", text, again, "Bring it back" if again else ""))


def _back(visit: PageVisit, there: Mapping[str, str]) -> str:
    """Return where to go on: the record, or the list when it was taken back with the change."""
    return f"/e/{visit.entity.name}/{visit.id}" if there else f"/e/{visit.entity.name}"


async def _ask(visit: PageVisit, render: Renderer, issues: Sequence[Issue] = (), status: int = 200) -> Response[Any]:
    ahead = Undone(_change(visit))
    try:
        ahead = await visit.records.preview_undo(visit.actor, _change(visit))
    except (Conflict, Forbidden) as error:
        issues = issues or error.issues or (Issue("", error.code, error.message),)
    there = await visit.records.visible_ids(visit.actor, visit.entity.name, [visit.id])
    return dialog(
        visit,
        render,
        "undo.html",
        status,
        title="Take back?",
        record={"id": str(visit.id), "label": there.get(str(visit.id), "")},
        address=f"/e/{visit.entity.name}/{visit.id}/undo/{_change(visit)}",
        back=_back(visit, there),
        issues=issues if not ahead.conflicts else (),
        taken=[await _taken(visit, change) for change in ahead.changes[:SHOWN]],
        more=max(0, len(ahead.changes) - SHOWN),
        conflicts=[_told(visit, conflict) for conflict in ahead.conflicts[:SHOWN]],
    )


async def _taken(visit: PageVisit, change: dict[str, Any]) -> Taken:
    entity = visit.live.model.entities[change["entity"]]
    labels = await visit.records.visible_ids(visit.actor, entity.name, [UUID(change["record"])])
    label = labels.get(change["record"], "")
    return Taken(entity, label, change["kind"], await differences(visit, entity, change["fields"]))


def _told(visit: PageVisit, conflict: dict[str, Any]) -> str:
    """Return what stands in the way, as a sentence with who and when."""
    entity = visit.live.model.entity(conflict["entity"])
    by = conflict.get("by")
    who = f" {by['actor']['label'] or 'The system'}, {visit.show.moment(by['at'])}." if by else ""
    return f"{entity.title if entity else conflict['entity']}: {conflict['message']}{who}"


def _change(visit: PageVisit) -> UUID:
    found: UUID = visit.request.path_params["change"]
    return found
