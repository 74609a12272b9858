"""What is kept of a person: a dialog with the report to download and what erasing would do; its button does it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar import Response

from xrm.builtin.privacy.erasure import Preview, erase_person, preview
from xrm.builtin.privacy.subjects import ERASE, REPORT
from xrm.errors import Conflict, Forbidden, Invalid, Issue, XrmError
from xrm.metadata.model import Entity
from xrm.web.pages.edit import dialog
from xrm.web.render import Notice, Renderer, go
from xrm.web.sent import Sent, body
from xrm.web.visit import PageVisit

SHOWN = 20  # records that are shown one by one


def offered(visit: PageVisit, entity: Entity) -> bool:
    """Whether the dialog is for this person to open."""
    policy = visit.live.policy
    return bool(entity.privacy.subject) and (policy.may(visit.actor, REPORT) or policy.may(visit.actor, ERASE))


async def privacy_page(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Show what is kept of a person, and what erasing them would do."""
    return await _ask(visit, render)


async def erase(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Erase a person, once the box that says so is ticked."""
    sent = Sent(await body(visit))
    if sent.word("sure") != "yes":
        return await _ask(visit, render, [Issue("sure", "required", "Tick the box: this cannot be taken back.")], 422)
    try:
        done = await erase_person(visit.kernel, visit.actor, visit.entity.name, visit.id, sent.word("reason")[:500])
    except (Conflict, Forbidden, Invalid) as error:
        return await _ask(visit, render, _issues(error), error.status)
    told = f"{len(done['records'])} records were erased, also from the log."
    return go(visit, f"/e/{visit.entity.name}/{visit.id}", Notice("success", told))


def _issues(error: XrmError) -> Sequence[Issue]:
    return error.issues or (Issue("", error.code, error.message),)


async def _ask(visit: PageVisit, render: Renderer, issues: Sequence[Issue] = (), status: int = 200) -> Response[Any]:
    name, id = visit.entity.name, visit.id
    record = await visit.records.get(visit.actor, name, id, ("id", "label"))
    ahead, may_erase = Preview((), ()), visit.live.policy.may(visit.actor, ERASE)
    if may_erase:
        try:
            ahead = await preview(visit.kernel, visit.actor, name, id)
        except Conflict as error:
            issues = issues or _issues(error)
    else:
        visit.live.policy.authorise(visit.actor, REPORT)
    return dialog(
        visit,
        render,
        "privacy.html",
        status,
        title="Personal data",
        record=record,
        report=f"/api/privacy/{name}/{id}/report" if visit.live.policy.may(visit.actor, REPORT) else "",
        address=f"/e/{name}/{id}/privacy" if may_erase and ahead.parts and not ahead.holds else "",
        issues=issues,
        parts=ahead.parts[:SHOWN],
        more=max(0, len(ahead.parts) - SHOWN),
        holds=ahead.holds,
    )
