"""What holds of connections: the kinds of parties a role allows, and that a connection stands once at a time."""

from __future__ import annotations

from typing import Any

import xrm

SIDES = (("party", "first_kinds"), ("other", "second_kinds"))


async def name_both_sides(context: xrm.Context, change: xrm.Change) -> None:
    """Give a role without a reciprocal name its own: it reads the same from both sides."""
    if change.kind != "delete" and not change.after.get("reciprocal"):
        change.set("reciprocal", change.after.get("name"))


async def check(context: xrm.Context, change: xrm.Change) -> None:
    """Refuse a connection its role does not allow, or that stands already.

    Raises:
        Invalid: a party is of a kind the role does not allow there.
        Conflict: the same connection stands in some of the same time.
    """
    values = change.after
    if change.kind == "delete" or not all(values.get(name) for name in ("party", "role", "other")):
        return
    role = await context.system.find("connection_role", f"id == '{values['role']}'")
    if role is None:
        return  # the kernel says that there is none
    _in_order(change, role)
    await _kinds(context, change, role)
    await _once(context, change)


def _in_order(change: xrm.Change, role: dict[str, Any]) -> None:
    """Keep a connection that reads the same from both sides in one order only, so that it is one and the same."""
    one, other = change.after["party"], change.after["other"]
    if role["symmetric"] and str(one) > str(other):
        change.set("party", other)
        change.set("other", one)


async def _kinds(context: xrm.Context, change: xrm.Change, role: dict[str, Any]) -> None:
    issues = []
    for side, kinds in SIDES:
        party = await context.system.find("party", f"id == '{change.after[side]}'")
        if party is not None and role[kinds] and party["kind"] not in role[kinds]:
            message = f"{role['name']}: {party['label']} is of a kind that cannot be this."
            issues.append(xrm.Issue(side, "kind_not_allowed", message, f"allowed here: {', '.join(role[kinds])}"))
    if issues:
        raise xrm.Invalid(issues=issues)


async def _once(context: xrm.Context, change: xrm.Change) -> None:
    values = change.after
    same = [f"{name} == '{values[name]}'" for name in ("party", "role", "other")]
    if values.get("until") is not None:
        same.append(f"(since == null || since <= '{values['until']}')")
    if values.get("since") is not None:
        same.append(f"(until == null || until >= '{values['since']}')")
    found = await context.system.find("connection", " && ".join([*same, f"id != '{change.id}'"]))
    if found is not None:
        message = "This connection stands already in that time."
        raise xrm.Conflict(message, [xrm.Issue("role", "not_unique", message, "end the other one first")])
