"""What must hold when a user's record is written, whoever writes it and by whatever way.

Nobody gives what they do not hold: a role may be given by a holder of the capability ``*``, or of ``users.edit`` who
holds that very role, or one that names it in `may_grant`: then to others only. Who may not give all roles of a user may
not change that user's address, access or roles either.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Any

from xrm.errors import Conflict, Forbidden, Invalid, Issue
from xrm.kernel.change import Actor, Change
from xrm.kernel.hooks import Context
from xrm.metadata.model import Model

EDIT = "users.edit"
GUARDED = ("email", "active", "roles")


def capabilities(model: Model, roles: Iterable[str]) -> frozenset[str]:
    """Return the capabilities that roles give together."""
    return frozenset(c for name in roles if name in model.roles for c in model.roles[name].capabilities)


def needing_factor(model: Model) -> frozenset[str]:
    """Return the roles that are in force only for who showed a second factor."""
    return frozenset(role.name for role in model.roles.values() if role.mfa == "required")


def is_administrator(model: Model, roles: Iterable[str]) -> bool:
    """Whether one of the roles gives every capability."""
    return "*" in capabilities(model, roles)


def may_give(model: Model, actor: Actor, roles: Iterable[str]) -> bool:
    """Whether the actor may give all these roles to somebody."""
    held = capabilities(model, actor.roles)
    return actor.is_system or "*" in held or (EDIT in held and actor.roles.issuperset(roles))


def may_pass_on(model: Model, actor: Actor, roles: Iterable[str]) -> bool:
    """Whether the actor may give all these roles to somebody else: their own, and those their roles `may_grant`."""
    named = {name for role in actor.roles & model.roles.keys() for name in model.roles[role].may_grant}
    return may_give(model, actor, set(roles) - named)


async def before_user(context: Context, change: Change) -> None:
    """Keep addresses in one form, roles true, and the site with an administrator."""
    if change.after.get("email"):
        change.set("email", change.after["email"].lower())
    before, after = _roles(change.before), _roles(change.after)
    _known(context.model, after - before)
    _held(context, change, before, after)
    stays = change.kind != "delete" and _administers(context.model, change.after)
    if _administers(context.model, change.before) and not stays:
        await _another(context, change)


def _roles(values: dict[str, Any]) -> frozenset[str]:
    return frozenset(values.get("roles") or ())


def _known(model: Model, given: frozenset[str]) -> None:
    issues = []
    for name in sorted(given - model.roles.keys()):
        near = difflib.get_close_matches(name, model.roles, 1)
        hint = f"did you mean {near[0]!r}?" if near else "one of " + ", ".join(sorted(model.roles))
        issues.append(Issue("roles", "unknown_role", f"There is no role {name!r}.", hint))
    if issues:
        raise Invalid(issues=issues)


def _held(context: Context, change: Change, before: frozenset[str], after: frozenset[str]) -> None:
    """Refuse what would give, or touch, more than the actor holds."""
    actor = context.actor
    guarded = change.kind in ("delete", "restore") or any(change.changes(name) for name in GUARDED)
    himself = actor.id == change.id and change.kind == "update" and after <= before and not change.changes("active")
    if not guarded or himself or (not before and not after and change.kind == "create"):
        return
    if not _allowed(change, actor)(context.model, actor, before | after):
        raise Forbidden(
            "You may not give roles, or change who holds roles, that you do not hold yourself.",
            [Issue("roles", "role_not_held", "These roles are not all yours to give.")],
        )


def _allowed(change: Change, actor: Actor) -> Callable[[Model, Actor, Iterable[str]], bool]:
    """Return what is asked: who may only pass a role on gets it neither themselves nor by taking over an account."""
    taken_over = change.kind != "create" and any(change.changes(name) for name in GUARDED if name != "roles")
    only_roles = change.kind in ("create", "update") and actor.id != change.id and not taken_over
    return may_pass_on if only_roles else may_give


def _administers(model: Model, values: dict[str, Any]) -> bool:
    live = bool(values.get("active")) and values.get("deleted_at") is None
    return live and is_administrator(model, _roles(values))


async def _another(context: Context, change: Change) -> None:
    """Refuse to take the last administrator; two who take each other's rights at once do it one after the other."""
    await context.system.hold("administrators")
    names = [name for name in context.model.roles if is_administrator(context.model, (name,))]
    held = " || ".join(f"'{name}' in roles" for name in sorted(names))
    others = await context.system.list("user", f"active && ({held})", limit=2)
    if all(record["id"] == str(change.id) for record in others.records):
        raise Conflict(
            "This is the last administrator.",
            [
                Issue(
                    "roles",
                    "last_administrator",
                    "Somebody must be able to look after the site.",
                    "give another user the role first",
                )
            ],
        )
