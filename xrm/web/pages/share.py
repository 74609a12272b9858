"""The dialog of a record's shares: who has it by one, given to others and taken back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from litestar import Response

from xrm.builtin.sharing.door import Shares
from xrm.builtin.sharing.rules import held_of
from xrm.errors import Conflict, Forbidden, Invalid, Issue
from xrm.kernel.policy import LEVELS, SHARE
from xrm.metadata.model import Choice, Field
from xrm.web.forms import entries
from xrm.web.pages.edit import dialog
from xrm.web.render import Notice, Renderer, go
from xrm.web.sent import FIELDS, Sent, body, read_values
from xrm.web.visit import PageVisit

ASKED = ("person", "team", "level", "expires_at", "reason", "fields")


async def share_page(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Show who has a record by a share, and ask with whom to share it."""
    return await _show(visit, render, Sent({}, {"level": "read"}))


async def give(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Share a record."""
    sent = Sent(await body(visit))
    await read_values(visit, sent, await _asked(visit))
    if sent.issues:
        return await _show(visit, render, sent, sent.issues, 422)
    values = {name: value for name, value in sent.values.items() if value not in (None, [])}
    try:
        made = await _shares(visit).give(visit.actor, visit.entity.name, visit.id, values)
    except (Conflict, Forbidden, Invalid) as error:
        issues = error.issues or [Issue("", error.code, error.message)]
        return await _show(visit, render, sent, issues, error.status)
    who = made["person"] or made["team"]
    return go(visit, _back(visit), Notice("success", f"Shared with {who.get('label') or 'somebody'}."))


async def take_back(visit: PageVisit, render: Renderer) -> Response[Any]:
    """End a share."""
    share = visit.request.path_params["share"]
    await _shares(visit).take_back(visit.actor, visit.entity.name, visit.id, share)
    return go(visit, _back(visit), Notice("success", "The share was taken back."))


async def _show(
    visit: PageVisit, render: Renderer, sent: Sent, issues: Sequence[Issue] = (), status: int = 200
) -> Response[Any]:
    shares = await _shares(visit).list(visit.actor, visit.entity.name, visit.id)
    fields = await _asked(visit)
    return dialog(
        visit,
        render,
        "share.html",
        status,
        title="Share",
        record=await visit.records.get(visit.actor, visit.entity.name, visit.id, ("label",)),
        shares=[{**share, **_told(visit, share)} for share in shares],
        levels={choice.name: choice.title for choice in visit.live.model.entities[SHARE].fields["level"].choices},
        entries=entries(visit, fields, sent.raw, issues, (), sent.suggestions),
        fields=",".join(field.name for field in fields),
        fields_name=FIELDS,
        issues=issues,
    )


async def _asked(visit: PageVisit) -> tuple[Field, ...]:
    """Return the fields of the form: levels that the actor holds themselves, and fields they may share."""
    share, entity = visit.live.model.entities[SHARE], visit.entity
    context = visit.records.context(visit.actor)
    held = await held_of(context, entity.name, visit.id, "read")
    may = {"read", *await visit.records.permitted(visit.actor, entity.name, visit.id)}
    choices = tuple(Choice(f.name, f.title) for f in entity.fields.values() if f.name in held.shareable())
    changed: dict[str, dict[str, Any]] = {
        "level": {"choices": tuple(c for c in share.fields["level"].choices if may.issuperset(LEVELS[c.name]))},
        "fields": {"type": "choices", "choices": choices, "title": "Only these fields"},
    }
    return tuple(replace(share.fields[name], **changed.get(name, {})) for name in ASKED)


def _told(visit: PageVisit, share: dict[str, Any]) -> dict[str, Any]:
    """Return what the page says of a share besides itself: whether it is over, and the titles of its fields."""
    end, known = share["expires_at"], visit.entity.fields
    over = end is not None and datetime.fromisoformat(end) <= visit.now
    return {"over": over, "only": ", ".join(known[name].title for name in share["fields"] or () if name in known)}


def _shares(visit: PageVisit) -> Shares:
    return Shares(visit.site.kernel)


def _back(visit: PageVisit) -> str:
    return f"/e/{visit.entity.name}/{visit.id}"
