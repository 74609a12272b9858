"""Sales: leads that become parties and deals, a pipeline with probabilities, follow-up activities."""

from __future__ import annotations

import xrm

from . import activities, deals, leads, orders, parties


@xrm.hookimpl
def actions() -> list[xrm.Action]:
    """Return the actions on records."""
    return [leads.CONVERT]


@xrm.hookimpl
def handlers(registry: xrm.Handlers) -> None:
    """Join in where records are written."""
    registry.before_write("party", parties.name_person)
    registry.before_write("activity", activities.backdate)
    registry.before_write("deal", deals.follow_state)
    registry.after_write("deal", deals.plan_follow_up)
    registry.before_write("order_line", orders.keep_currency)
