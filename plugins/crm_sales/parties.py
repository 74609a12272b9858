"""Parties: what a person is called."""

from __future__ import annotations

import xrm


async def name_person(context: xrm.Context, change: xrm.Change) -> None:
    """Name a person without a name by the first and last name."""
    values = change.after
    if change.kind == "delete" or values.get("kind") != "person" or values.get("name"):
        return
    if name := full_name(values.get("first_name"), values.get("last_name")):
        change.set("name", name)


def full_name(first: str | None, last: str | None) -> str:
    """Return the two names as one."""
    return " ".join(part for part in (first, last) if part)


def split_name(name: str) -> tuple[str, str]:
    """Return the first and the last name of a full one; the last word is taken for the last name."""
    first, _, last = name.strip().rpartition(" ")
    return first.strip(), last.strip()
