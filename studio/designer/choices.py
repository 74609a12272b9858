"""Choices: the values of a field, as they are written shortest. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xrm.metadata.model import Choice
from xrm.metadata.names import title_of


def changed_choices(values: list[dict[str, Any]], below: Sequence[Choice]) -> Any:
    """Return choices as a change to those of a plugin where it is one: what it adds later is then kept."""
    before = [_row({"name": c.name, "title": c.title, "color": c.color, "when": c.when}) for c in below]
    kept = [_row(value) for value in values if value["name"] in {c.name for c in below}]
    gone = [row for row in before if row not in kept]
    if kept != [row for row in before if row in kept] or kept != [_row(value) for value in values][: len(kept)]:
        return written_choices(values)
    if any(row["name"] in {value["name"] for value in values} for row in gone):
        return written_choices(values)
    added: Any = written_choices(values[len(kept) :])
    if isinstance(added, dict):
        added = [{"name": name, "title": title} for name, title in added.items()]
    signed = [{**a, "name": f"+{a['name']}"} if isinstance(a, dict) else f"+{a}" for a in added]
    return [*signed, *(f"-{row['name']}" for row in gone)]


def _row(value: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": value["name"],
        "title": value.get("title") or title_of(value["name"]),
        "color": value.get("color") or "",
        **({"when": when} if (when := names_in(value.get("when"))) else {}),
    }


def names_in(when: Any) -> list[str]:
    """Return the values a choice is for: a list, or a text with commas as the panel has it."""
    parts = when.split(",") if isinstance(when, str) else when or ()
    return [part.strip() for part in parts if part.strip()]


def _short(value: Mapping[str, Any]) -> dict[str, Any]:
    table = {**value, "when": names_in(value.get("when"))}
    return {key: table[key] for key in ("name", "title", "color", "when") if table.get(key)}


def written_choices(values: Sequence[Mapping[str, Any]]) -> Any:
    """Return choices as they are written shortest: names alone, name → title, or tables when there are colours."""
    if any(value.get("color") or names_in(value.get("when")) for value in values):
        return [_short(value) for value in values]
    if all(not value.get("title") or value["title"] == title_of(value["name"]) for value in values):
        return [value["name"] for value in values]
    return {value["name"]: value.get("title") or title_of(value["name"]) for value in values}
