"""Webhooks: other systems are told what changed, by signed requests that are tried again for a day."""

from __future__ import annotations

from xrm.builtin.webhooks.deliver import deliver
from xrm.builtin.webhooks.dispatch import DELIVER, DISPATCH, anybody_listens, dispatch
from xrm.builtin.webhooks.rules import before_webhook
from xrm.kernel.hooks import Handlers, hookimpl
from xrm.kernel.jobs.kind import JobKind

ATTEMPTS = 17  # 10 s, doubled up to 4 h: a little more than a day


@hookimpl
def handlers(registry: Handlers) -> None:
    """Add record handlers."""
    registry.before_write("webhook", before_webhook)


@hookimpl
def jobs() -> list[JobKind]:
    """Return the kinds of jobs."""
    return [
        JobKind(
            DISPATCH,
            "Find what webhooks are told",
            dispatch,
            queue=DISPATCH,
            at_once=1,
            follows=anybody_listens,
        ),
        JobKind(
            DELIVER,
            "Tell a webhook",
            deliver,
            queue="webhooks",
            at_once=20,
            attempts=ATTEMPTS,
            first_wait=10,
            longest_wait=14_400,
        ),
    ]
