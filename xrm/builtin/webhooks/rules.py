"""What must hold when a webhook's record is written, whoever writes it."""

from __future__ import annotations

from xrm.builtin.people.rules import may_give
from xrm.builtin.webhooks.signing import is_secret, new_secret
from xrm.errors import Forbidden, Invalid, Issue
from xrm.kernel.change import Change
from xrm.kernel.hooks import Context
from xrm.kernel.values import Ref

SEALED = "encrypted_text"


async def before_webhook(context: Context, change: Change) -> None:
    """Make and keep secrets, know the entities, and let nobody be told more than who writes it may give."""
    if change.kind == "delete":
        return
    _known_entities(context, change)
    await _user(context, change)
    _secrets(context, change)
    if change.after.get("active") and change.before and not change.before.get("active"):
        change.set("problem", None)


def _known_entities(context: Context, change: Change) -> None:
    unknown = [name for name in change.after.get("entities") or () if name not in context.model.entities]
    if unknown:
        raise Invalid(issues=[Issue("entities", "unknown_entity", f"There is no entity {unknown[0]!r}.")])


async def _user(context: Context, change: Change) -> None:
    """Refuse that another user's view is sent out by somebody who could not give that user's roles."""
    told = change.after.get("reader")
    user = told.id if isinstance(told, Ref) else told
    watched = ("reader", "url", "active", "entities", "kinds", "secret")
    if user is None or user == context.actor.id or not any(change.changes(name) for name in watched):
        return
    found = await context.system.get("user", user)
    if not may_give(context.model, context.actor, found["roles"] or ()):
        raise Forbidden(
            "You may not send out what this user sees.",
            [Issue("reader", "role_not_held", "This user has roles that are not yours to give.")],
        )


def _secrets(context: Context, change: Change) -> None:
    if not change.after.get("secret"):
        change.set("secret", change.before.get("secret") or context.vault.seal(new_secret(), SEALED))
    if (change.changes("secret") or not change.before) and not is_secret(
        context.vault.open(change.after["secret"], SEALED) or ""
    ):
        hint = "whsec_ and 24 to 64 bytes in base64; leave it empty to have one made"
        raise Invalid(issues=[Issue("secret", "wrong_format", "This is no secret of a webhook.", hint)])
    if change.changes("secret") and change.before.get("secret"):
        change.set("earlier_secret", change.before.get("secret"))
        change.set("secret_since", context.now)
