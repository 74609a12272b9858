"""Telling a webhook one change: a signed request, tried again for a day; then a webhook that took nothing is off."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from xrm.builtin.people.acting import actor_of
from xrm.builtin.webhooks.dispatch import failing_since, note_failing
from xrm.builtin.webhooks.signing import sign
from xrm.errors import NotFound, NothingGoesOut, Unavailable, Unreachable, XrmError
from xrm.kernel.jobs.kind import Hopeless
from xrm.kernel.jobs.run import JobRun
from xrm.kernel.outbound.http import Reply

BOTH_SIGN = timedelta(days=1)  # after a secret was changed
PATIENCE = timedelta(days=1)  # how long it may take nothing
GONE = 410  # it wants no more (Standard Webhooks)


async def deliver(run: JobRun) -> None:
    """Send what was written down, and note how that went."""
    if not run.kernel.settings.outgoing:
        raise Hopeless(NothingGoesOut().message)
    id = UUID(run.payload["webhook"])
    try:
        webhook = await run.records.get("webhook", id)
    except NotFound:
        raise Hopeless("The webhook was deleted.") from None
    if not webhook["active"]:
        raise Hopeless("The webhook is switched off. Switch it on, then start this job anew.")
    if await actor_of(run.kernel, UUID(webhook["reader"]["id"]), "integration", "webhook") is None:
        raise Hopeless("The user of this webhook may not come in any more.")
    await run.progress(0, note=f"{webhook['name']}: {webhook['url']}")
    since = await failing_since(run.kernel, id)
    try:
        reply = await _send(run, webhook)
    except XrmError as error:
        await _failed(run, id, since, error.message)
        raise
    if reply.status == GONE:
        await _switch_off(run, id, "The other side said that it wants no more (410).")
        raise Hopeless("The other side said that it wants no more (410).")
    if not 200 <= reply.status < 300:
        told = f"The other side answered {reply.status}."
        await _failed(run, id, since, told)
        raise Unreachable(told)
    if since is not None:
        await note_failing(run.kernel, id, None)


async def _send(run: JobRun, webhook: dict[str, Any]) -> Reply:
    body, now = str(run.payload["body"]), run.now
    timestamp = int(now.timestamp())
    headers = {
        "content-type": "application/json",
        "user-agent": "xrm-webhooks",
        "webhook-id": f"msg_{run.id}",
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(f"msg_{run.id}", timestamp, body, _secrets(webhook, now)),
    }
    return await run.kernel.outbound.fetch("POST", webhook["url"], headers, body.encode())


def _secrets(webhook: dict[str, Any], now: datetime) -> list[str]:
    if not isinstance(webhook["secret"], str):
        raise Unavailable("The secret of this webhook cannot be read with the keys of this site.")
    found = [webhook["secret"]]
    earlier, since = webhook["earlier_secret"], webhook["secret_since"]
    if isinstance(earlier, str) and since and now - datetime.fromisoformat(since) < BOTH_SIGN:
        found.append(earlier)
    return found


async def _failed(run: JobRun, id: UUID, since: datetime | None, why: str) -> None:
    if since is None:
        await note_failing(run.kernel, id, run.now)
    elif run.now - since >= PATIENCE:
        await _switch_off(run, id, f"It took nothing for a day. {why}")


async def _switch_off(run: JobRun, id: UUID, why: str) -> None:
    """Switch a webhook off, and tell its user on its record and by mail where there is a mail server."""
    async with run.once("switch_off") as first:
        if first:
            await run.records.update("webhook", id, {"active": False, "problem": why[:300]})
