"""Deals: a probability that follows the state, closing dates, and what there is to do next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from types import MappingProxyType

import xrm


@dataclass(frozen=True, slots=True)
class FollowUp:
    """An activity to plan when a deal enters a state, so many days later."""

    kind: str
    subject: str
    days: int


FOLLOW_UPS: Mapping[str, FollowUp] = MappingProxyType(
    {
        "qualified": FollowUp("task", "Prepare the proposal", 3),
        "proposal": FollowUp("call", "Ask what they think of the proposal", 7),
        "negotiation": FollowUp("meeting", "Agree on the terms", 5),
        "won": FollowUp("task", "Hand over to delivery", 1),
        "lost": FollowUp("call", "Ask whether anything has changed", 180),
    }
)


async def follow_state(context: xrm.Context, change: xrm.Change) -> None:
    """Give a deal the probability of the state it enters, unless another one is set in the same write.

    A deal that is entered closed (an import) was closed on its closing date, not today.
    """
    workflow = change.entity.workflow
    if workflow is None or change.kind == "delete" or not change.changes(workflow.field):
        return
    state = workflow.state(change.after[workflow.field])
    if state is None:
        return
    if state.probability is not None and (state.final or not _chosen(change)):
        change.set("probability", Decimal(state.probability).quantize(Decimal("0.01")))
    day = change.after.get("close_date")
    if change.kind == "create" and state.final and day is not None and day <= context.now.date():
        change.set("closed_on", day)


def _chosen(change: xrm.Change) -> bool:
    return change.after.get("probability") is not None and change.changes("probability")


async def plan_follow_up(context: xrm.Context, change: xrm.Change) -> None:
    """Plan the next activity for a deal that moved on, once: not while one like it is still open."""
    step = FOLLOW_UPS.get(change.after.get("state") or "")
    if step is None or change.kind != "update" or not change.changes("state") or not context.model.entity("activity"):
        return
    same = f"regarding == '{change.id}' && subject == '{step.subject}' && state == 'open'"
    if await context.system.find("activity", same):
        return
    await context.system.create(
        "activity",
        {
            "kind": step.kind,
            "subject": step.subject,
            "regarding": {"entity": "deal", "id": str(change.id)},
            "party": change.after["customer"],
            "owner": change.after.get("owner"),
            "unit": change.after.get("unit"),
            "due": (context.now + timedelta(days=step.days)).isoformat(),
        },
    )
