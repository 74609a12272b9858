"""Fields: the list of an entity's fields, one more, and the properties of the one that is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from studio import edits, show, words
from studio.designer import field as one
from studio.desk import Desk, edit
from studio.parts.order import Badge, Item, order
from studio.places import Place, by_place
from xrm.metadata.model import Entity, Field
from xrm.metadata.names import title_of

CHOSEN = "fields.chosen"
SYSTEM = "fields.system"


def show_fields(desk: Desk, entity: Entity) -> None:
    """Show the tab."""
    left, right = st.columns([7, 6], gap="medium")
    with left:
        _list(desk, entity)
    with right:
        chosen = st.session_state.get(CHOSEN, {}).get(entity.name, "")
        with st.container(border=True, key="fields.panel" if chosen else "fields.add"):
            if chosen in entity.fields:
                one.panel(desk, entity, entity.fields[chosen])
            else:
                _add(desk, entity)


def choose(entity: str, name: str) -> None:
    """Choose a field of an entity; empty = none, and one can be added."""
    st.session_state[CHOSEN] = {entity: name}


def _list(desk: Desk, entity: Entity) -> None:
    own = edits.home(desk.sources, entity.name).data or {}
    mine = frozenset(own.get("fields", {}))
    chosen = st.session_state.get(CHOSEN, {}).get(entity.name, "")
    system = st.session_state.get(SYSTEM, False)
    marks = by_place(desk.sources, desk.findings)
    shown = [f for f in entity.fields.values() if system or not f.system]
    items = [_item(desk, entity, f, _own(desk, entity, f, mine), marks) for f in shown]
    top = st.container(horizontal=True, vertical_alignment="center")
    with top:
        st.button(
            "Add a field",
            type="primary",
            disabled=not (desk.may_edit and chosen),
            on_click=choose,
            args=(entity.name, ""),
        )
        st.checkbox("Show the platform's own fields", key=SYSTEM)
    order(
        f"fields.{entity.name}",
        f"Fields of {entity.title}",
        items,
        selected=chosen,
        on_choose=lambda name: choose(entity.name, name),
        on_move=(lambda names: _move(entity.name, names)) if desk.may_edit else None,
    )
    st.caption("Drag fields, or press Alt with the arrow keys, to change their order.")


def _own(desk: Desk, entity: Entity, field: Field, mine: frozenset[str]) -> bool:
    """Return whether the site itself defines a field, so that it decides about its place."""
    return field.name in mine and field.origin.layer == "site"


def _move(entity: str, names: Sequence[str]) -> None:
    def moved(desk: Desk) -> edits.Texts:
        own = (edits.home(desk.sources, entity).data or {}).get("fields", {})
        kept = [name for name in names if name in own]
        return edits.move_fields(desk.sources, entity, [*kept, *(name for name in own if name not in kept)])

    edit(moved)


def _item(desk: Desk, entity: Entity, field: Field, mine: bool, marks: Any) -> Item:  # noqa: FBT001 - a fact of it
    word = words.type_word(field)
    sub = word.title
    if field.type in ("links", "relation"):
        sub = f"→ {words.entity_words(desk.model.entities, field.to)}"
    badges = tuple(_badges(desk, entity, field, bool(marks.get(Place(entity.name, ("fields", field.name))))))
    return Item(field.name, field.title, sub, word.icon, badges, fixed=not mine, quiet=field.removed)


def _badges(desk: Desk, entity: Entity, field: Field, wrong: bool) -> list[Badge]:  # noqa: FBT001
    found = []
    if wrong:
        found.append(Badge("look here", "bad"))
    known = desk.known(entity.name, field)
    if field.removed:
        found.append(Badge("to be removed" if known else "removed", "bad" if known else "plain"))
    elif not known:
        found.append(Badge("new", "warn"))
    elif known != field.name:
        found.append(Badge(f"was {known}", "warn"))
    facts = {"required": field.required, "unique": field.unique, "computed": bool(field.formula)}
    found += [Badge(name, "outline") for name, holds in facts.items() if holds]
    text, kind = words.layer_word("" if field.system else field.origin.layer)
    return [*found, Badge(text, "outline" if field.origin.layer == entity.origin.layer else kind)]


# --- one more -------------------------------------------------------------------------------------------------------


def _add(desk: Desk, entity: Entity) -> None:
    st.subheader("Add a field", anchor=False)
    show.only_reading(desk)
    prefix = f"add.{entity.name}"
    title = st.text_input("What is it called?", key=f"{prefix}.title", placeholder="Bought on").strip()
    types = list(words.TYPES)
    kind = st.selectbox(
        "What does it hold?",
        types,
        key=f"{prefix}.type",
        format_func=lambda name: words.TYPES[name].title,
        help="Type to search.",
    )
    if words.TYPES[kind].help:
        st.caption(words.TYPES[kind].help)
    data = {"type": kind, **_special(desk, kind, prefix)}
    left, right = st.columns(2)
    required = kind not in ("boolean", "auto_number") and left.checkbox(
        "Every record needs it", key=f"{prefix}.required"
    )
    unique = kind in ("text", "email", "phone", "integer", "url", "relation", "uuid", "auto_number") and right.checkbox(
        "No two records share a value", key=f"{prefix}.unique"
    )
    data |= {name: True for name, wanted in (("required", required), ("unique", unique)) if wanted}
    suggested = edits.name_of(title)
    name = st.text_input("Name in files and expressions", key=f"{prefix}.name", placeholder=suggested or "bought_on")
    missing = (
        not title
        or (kind in ("links", "relation") and not data.get("to"))
        or (kind in ("choice", "choices") and not data.get("choices"))
    )
    st.button(
        "Add the field",
        type="primary",
        disabled=missing or not desk.may_edit,
        on_click=_added,
        args=(entity.name, name.strip() or suggested, title, data),
    )


def _special(desk: Desk, kind: str, prefix: str) -> dict[str, Any]:
    """Ask for what a type cannot do without."""
    if kind == "links":
        entities = {e.name: e.title for e in desk.model.entities.values() if not e.removed}
        ordered = sorted(entities, key=lambda name: entities[name])
        label = "Which records does it point to?"
        return {"to": st.selectbox(label, ordered, key=f"{prefix}.to", format_func=entities.__getitem__)}
    if kind == "relation":
        entities = {e.name: e.title for e in desk.model.entities.values() if not e.removed}
        names = sorted(entities, key=lambda name: entities[name])
        to = st.multiselect(
            "Which records may it point to?",
            names,
            key=f"{prefix}.to",
            format_func=lambda name: entities[name],
            help="Choose several to let it point to records of any of them.",
        )
        return {"to": to[0] if len(to) == 1 else to}
    if kind in ("choice", "choices"):
        text = st.text_area(
            "Values, one per line", key=f"{prefix}.choices", placeholder="New\nIn use\nScrapped", height=120
        )
        return {"choices": choices_of(text)}
    if kind == "auto_number":
        return {"number": st.text_input("Pattern", value="N-{00000}", key=f"{prefix}.number")}
    return {}


def choices_of(text: str) -> dict[str, str]:
    """Return the choices somebody typed, one title per line, as name → title."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        if title := line.strip():
            found[edits.name_of(title) or f"choice_{len(found) + 1}"] = title
    return found


def _added(entity: str, name: str, title: str, data: dict[str, Any]) -> None:
    named = {"type": data["type"]} | ({"title": title} if title != title_of(name) else {}) | data

    def made(desk: Desk) -> edits.Texts:
        edits.check_name(name, list(desk.model.entities[entity].fields), "field")
        return edits.add_field(desk.sources, entity, name, named)

    if edit(made):
        for part in ("title", "name", "choices"):
            st.session_state[f"add.{entity}.{part}"] = ""
        st.session_state[f"add.{entity}.to"] = []
        st.session_state[f"add.{entity}.required"] = st.session_state[f"add.{entity}.unique"] = False
