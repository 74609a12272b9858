"""Buttons: what people can do with one record at the press of a button."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import streamlit as st

from studio import edits, show, words
from studio.designer import inputs
from studio.designer.inputs import Spot
from studio.designer.origins import show_origins
from studio.desk import Desk, edit
from studio.parts.order import Badge, Item, order
from studio.parts.rows import Column, rows
from studio.places import Place, by_place
from xrm.metadata.check_buttons import DOES, kept
from xrm.metadata.model import Button, Entity
from xrm.metadata.names import title_of

CHOSEN = "buttons.chosen"
KINDS: Mapping[str, str] = MappingProxyType(
    {
        "set": "Set fields",
        "move": "Make a move of the workflow",
        "open": "Open a web address",
        "run": "Run an action of a plugin",
    }
)


def show_buttons(desk: Desk, entity: Entity) -> None:
    """Show the tab."""
    left, right = st.columns([5, 4], gap="medium")
    chosen = st.session_state.get(CHOSEN, {}).get(entity.name, "")
    with left:
        st.button("Add a button", disabled=not (desk.may_edit and chosen), on_click=_choose, args=(entity.name, ""))
        if entity.buttons:
            order(
                f"buttons.{entity.name}",
                f"Buttons of {entity.title}",
                [_item(button) for button in entity.buttons.values()],
                selected=chosen,
                on_choose=lambda name: _choose(entity.name, name),
            )
        else:
            show.empty("No buttons yet. A button does one thing with a record, such as approving it.")
        st.caption("Who may press a button is said by roles: the action run:name of a grant.")
    with right, st.container(border=True, key="buttons.panel"):
        button = entity.buttons.get(chosen)
        if button is not None:
            _button(desk, entity, button)
        else:
            _add(desk, entity)


def _choose(entity: str, name: str) -> None:
    st.session_state[CHOSEN] = {entity: name}


def _item(button: Button) -> Item:
    text, kind = words.layer_word(button.origin.layer)
    badges = (Badge(text, kind),) if button.origin.layer != "site" else ()
    return Item(button.name, button.title, KINDS[_kind(button)].lower(), button.icon or "hand-index", badges)


def _kind(button: Button) -> str:
    return next((key for key in DOES if getattr(button, key)), "set")


def _button(desk: Desk, entity: Entity, button: Button) -> None:
    locked, kind = not desk.may_edit, _kind(button)
    show.findings(by_place(desk.sources, desk.findings).get(Place(entity.name, ("buttons", button.name)), []))

    def spot(name: str, default: Any = None) -> Spot:
        return Spot(entity.name, ("buttons", button.name, name), default)

    inputs.text(spot("title", title_of(button.name)), "What the button says", button.title, disabled=locked)
    inputs.text(spot("icon"), "Icon", button.icon, placeholder="check2-circle", disabled=locked)
    inputs.choose(spot("color"), "Colour", button.color, dict(words.COLORS), disabled=locked)
    inputs.text(spot("when"), "Only when this holds", button.when, placeholder="amount > 0", disabled=locked)
    inputs.text(spot("confirm"), "Question before", button.confirm, placeholder="None", disabled=locked)
    if kind == "move":
        moves = {t.name: t.title for t in entity.workflow.transitions} if entity.workflow else {}
        inputs.choose(spot("move"), KINDS[kind], button.move, moves, disabled=locked)
    elif kind == "set":
        _settings(entity, button, spot("set"))
    else:
        hint = "Expressions stand in braces: https://maps.example.com/?q={city}" if kind == "open" else ""
        inputs.text(spot(kind), KINDS[kind], getattr(button, kind), hint=hint, disabled=locked)
    show_origins(desk, f"{entity.name}.buttons.{button.name}")
    if button.origin.layer == "site":
        st.button("Remove this button", disabled=locked, on_click=_remove, args=(entity.name, button.name))


def _settings(entity: Entity, button: Button, spot: Spot) -> None:
    st.markdown("**Sets fields**")
    state = entity.workflow.field if entity.workflow else ""
    fields = {f.name: f.title for f in entity.fields.values() if not (kept(f) or f.removed or f.name == state)}
    columns = (
        Column("name", "Field", tuple({"": "choose", **fields}.items())),
        Column("value", "Expression", placeholder="today()"),
    )

    def put(found: list[dict[str, Any]]) -> None:
        values = {row["name"]: row["value"] for row in found if row.get("value")}
        edit(lambda desk: edits.put(desk.sources, spot.entity, spot.path, values))

    rows(
        f"set.{entity.name}.{button.name}",
        "Fields the button sets",
        columns,
        [{"name": name, "value": source} for name, source in button.set.items()],
        add="Set a field",
        on_change=put,
    )


def _remove(entity: str, name: str) -> None:
    if edit(lambda desk: edits.put(desk.sources, entity, ("buttons", name), None)):
        _choose(entity, "")


def _add(desk: Desk, entity: Entity) -> None:
    prefix = f"button.add.{entity.name}"
    st.subheader("Add a button", anchor=False)
    title = st.text_input("What the button says", key=f"{prefix}.title", placeholder="Approve").strip()
    kind = st.selectbox("What it does", list(KINDS), key=f"{prefix}.kind", format_func=KINDS.__getitem__)
    what = _what(entity, kind, prefix)
    st.button(
        "Add the button",
        type="primary",
        disabled=not (desk.may_edit and edits.name_of(title) and what),
        on_click=_added,
        args=(entity.name, title, {kind: what}),
    )


def _what(entity: Entity, kind: str, prefix: str) -> Any:
    """Ask what a new button does, and return what is written of it; empty = not said yet."""
    if kind == "move":
        moves = {t.name: t.title for t in entity.workflow.transitions} if entity.workflow else {}
        return st.selectbox("Move", list(moves), key=f"{prefix}.move", format_func=moves.__getitem__)
    if kind == "set":
        state = entity.workflow.field if entity.workflow else ""
        fields = {f.name: f.title for f in entity.fields.values() if not (kept(f) or f.removed or f.name == state)}
        name = st.selectbox("Field", list(fields), key=f"{prefix}.field", format_func=fields.__getitem__)
        value = st.text_input("Expression", key=f"{prefix}.value", placeholder="today()").strip()
        return {name: value} if name and value else {}
    example = "https://maps.example.com/?q={city}" if kind == "open" else "convert"
    label = "Web address" if kind == "open" else "Name of the action"
    return st.text_input(label, key=f"{prefix}.{kind}", placeholder=example).strip()


def _added(entity: str, title: str, does: Mapping[str, Any]) -> None:
    name = edits.name_of(title)
    data = {**({"title": title} if title != title_of(name) else {}), **does}

    def made(desk: Desk) -> edits.Texts:
        edits.check_name(name, list(desk.model.entities[entity].buttons), "button")
        return edits.put(desk.sources, entity, ("buttons", name), data)

    if edit(made):
        st.session_state[f"button.add.{entity}.title"] = ""
        _choose(entity, name)
