"""Relations to many records on pages: shown as links, chosen in forms by checkboxes and a box to search in.

A form says which links it showed (``competitors.was``), so that what it sends is a change of the set: a link somebody
else made meanwhile stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from markupsafe import Markup

from xrm.metadata.model import Field, Model

MAX_TYPED = 20  # names typed into one box


def links_raw(field: Field, value: Any) -> dict[str, Any]:
    """Return what the inputs of a relation to many hold for its JSON value."""
    shown = [one for one in value or () if isinstance(one, Mapping)]
    ids = [str(one["id"]) for one in shown]
    labels = {str(one["id"]): str(one.get("label") or one["id"]) for one in shown}
    return {field.name: ids, f"{field.name}.was": ",".join(ids), f"{field.name}.labels": labels}


def links_json(field: Field, raw: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the change of links that the inputs say."""
    chosen = list(dict.fromkeys(raw.get(field.name) or ()))
    was = [id for id in str(raw.get(f"{field.name}.was", "")).split(",") if id]
    return {"add": [id for id in chosen if id not in was], "remove": [id for id in was if id not in chosen]}


def typed(text: str) -> list[str]:
    """Return the names typed into the box, with semicolons between."""
    return [name for part in text.split(";") if (name := part.strip())][:MAX_TYPED]


def uuids(values: Sequence[str]) -> list[UUID]:
    """Return those of some texts that are ids."""
    found = []
    for value in values:
        try:
            found.append(UUID(value))
        except ValueError:
            continue
    return found


def links_plain(value: Any) -> str:
    """Return the records linked to, as text."""
    return "; ".join(str(one.get("label") or "(no title)") for one in value)


def links_rich(model: Model, plain: Any, field: Field, value: Any) -> Markup:
    """Return the records linked to as links to them, each with what its link says, as a link to that.

    Args:
        model: The model in force.
        plain: Makes text of a value of a field.
        field: The relation to many.
        value: Its JSON value.
    """
    return Markup('<span class="links">{}</span>').format(
        Markup(", ").join(_one(model, plain, field, one) for one in value)
    )


def _one(model: Model, plain: Any, field: Field, one: Mapping[str, Any]) -> Markup:
    link = field.through
    shown = Markup('<a href="/e/{}/{}">{}</a>').format(field.to[0], one["id"], one.get("label") or "(no title)")
    entity = model.entity(link.entity) if link else None
    if link is None or entity is None:
        return shown
    own = (plain(entity.fields[n], one["link"].get(n)) for n in link.fields if n in entity.fields)
    said = ", ".join(text for text in own if text)
    if not said:
        return shown
    return Markup('{} <a class="link-says" href="/e/{}/{}">({})</a>').format(
        shown, entity.name, one["link"]["id"], said
    )
