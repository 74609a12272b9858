"""Record types: what is particular to some of an entity's records."""

from __future__ import annotations

from collections.abc import Mapping
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
from xrm.metadata.model import Entity, RecordType
from xrm.metadata.names import TYPE_FIELD, title_of
from xrm.metadata.write import Set

CHOSEN = "record_types.chosen"


def show_record_types(desk: Desk, entity: Entity) -> None:
    """Show the tab."""
    left, right = st.columns([5, 4], gap="medium")
    chosen = st.session_state.get(CHOSEN, {}).get(entity.name, "")
    with left:
        st.button("Add a type", disabled=not (desk.may_edit and chosen), on_click=_choose, args=(entity.name, ""))
        if entity.record_types:
            order(
                f"types.{entity.name}",
                f"Types of {entity.title}",
                [_item(entity, kind) for kind in entity.record_types.values()],
                selected=chosen,
                on_choose=lambda name: _choose(entity.name, name),
            )
            _default(desk, entity)
        else:
            show.empty("No record types: all records have the same form, fields, states and rules.")
    with right, st.container(border=True, key="types.panel"):
        kind = entity.record_types.get(chosen)
        if kind is not None:
            _type(desk, entity, kind)
        else:
            _add(desk, entity)


def _choose(entity: str, name: str) -> None:
    st.session_state[CHOSEN] = {entity: name}


def _item(entity: Entity, kind: RecordType) -> Item:
    text, word = words.layer_word(kind.origin.layer)
    badges = [Badge(text, word)] if kind.origin.layer != "site" else []
    if entity.fields[TYPE_FIELD].default == kind.name:
        badges.append(Badge("default", "outline"))
    said = [f"{len(kind.hidden)} hidden"] if kind.hidden else []
    said += [f"{len(kind.required)} required"] if kind.required else []
    said += [f"{len(kind.states)} states"] if kind.states else []
    return Item(kind.name, kind.title, ", ".join(said) or kind.name, "collection", tuple(badges))


def _default(desk: Desk, entity: Entity) -> None:
    first = next(iter(entity.record_types))
    inputs.choose(
        Spot(entity.name, ("fields", TYPE_FIELD, "default"), first),
        "A new record, and every record from before, is of type",
        str(entity.fields[TYPE_FIELD].default),
        {kind.name: kind.title for kind in entity.record_types.values()},
        disabled=not desk.may_edit,
    )


def _type(desk: Desk, entity: Entity, kind: RecordType) -> None:
    locked = not desk.may_edit
    show.findings(by_place(desk.sources, desk.findings).get(Place(entity.name, ("record_types", kind.name)), []))

    def spot(name: str, default: Any = None) -> Spot:
        return Spot(entity.name, ("record_types", kind.name, name), default)

    fields = _fields(entity)
    inputs.text(spot("title", title_of(kind.name)), "Title", kind.title, disabled=locked)
    inputs.text(spot("description"), "What it is for", kind.description, lines=2, disabled=locked)
    inputs.several(spot("hidden"), "Fields it does not have", kind.hidden, fields, disabled=locked)
    inputs.several(spot("required"), "Fields it needs", kind.required, fields, disabled=locked)
    if entity.workflow is not None:
        states = {state.name: state.title for state in entity.workflow.states}
        moves = {move.name: move.title for move in entity.workflow.transitions}
        inputs.several(spot("states"), "States", kind.states, states, placeholder="All", disabled=locked)
        inputs.several(spot("transitions"), "Moves", kind.transitions, moves, placeholder="All", disabled=locked)
        left = {"": "as the workflow says", **{n: t for n, t in states.items() if not kind.states or n in kind.states}}
        inputs.choose(spot("initial"), "A new record begins as", kind.initial, left, disabled=locked)
    _choices(desk, entity, kind)
    _defaults(entity, kind, spot("defaults"))
    st.caption("Its form and rules are written in YAML: sections and checks.")
    show_origins(desk, f"{entity.name}.record_types.{kind.name}")
    if kind.origin.layer == "site":
        st.button("Remove this type", disabled=locked, on_click=_remove, args=(entity.name, kind.name))


def _fields(entity: Entity) -> dict[str, str]:
    apart = {TYPE_FIELD, entity.workflow.field if entity.workflow else ""}
    return {f.name: f.title for f in entity.fields.values() if not (f.system or f.removed or f.name in apart)}


def _choices(desk: Desk, entity: Entity, kind: RecordType) -> None:
    for field in entity.fields.values():
        if field.type in ("choice", "choices") and field.name in _fields(entity):
            inputs.several(
                Spot(entity.name, ("record_types", kind.name, "choices", field.name)),
                f"Choices of {field.title}",
                kind.choices.get(field.name, ()),
                {choice.name: choice.title for choice in field.choices},
                placeholder="All",
                disabled=not desk.may_edit,
            )


def _defaults(entity: Entity, kind: RecordType, spot: Spot) -> None:
    st.markdown("**Values of a new record**")
    fields = {n: t for n, t in _fields(entity).items() if entity.fields[n].writable and n not in kind.hidden}
    columns = (
        Column("name", "Field", tuple({"": "choose", **fields}.items())),
        Column("value", "Value", placeholder="DE"),
    )

    def put(found: list[dict[str, Any]]) -> None:
        values = {r["name"]: _value(entity, r["name"], r["value"]) for r in found if r.get("name") and r.get("value")}
        edit(lambda desk: edits.put(desk.sources, spot.entity, spot.path, values))

    rows(
        f"defaults.{entity.name}.{kind.name}",
        "Values of a new record",
        columns,
        [{"name": name, "value": str(value)} for name, value in kind.defaults.items()],
        add="Set a value",
        on_change=put,
    )


def _value(entity: Entity, name: str, text: str) -> Any:
    """Return a typed value as it is written: numbers and truth values as such."""
    kind = entity.fields[name].type
    if kind == "boolean":
        return text.strip().lower() in ("true", "yes", "1")
    return inputs.number(text) if kind in ("integer", "decimal", "percent", "rating", "duration") else text


def _remove(entity: str, name: str) -> None:
    if edit(lambda desk: edits.put(desk.sources, entity, ("record_types", name), None)):
        _choose(entity, "")


def _add(desk: Desk, entity: Entity) -> None:
    prefix = f"type.add.{entity.name}"
    st.subheader("Add a type", anchor=False)
    title = st.text_input("Title", key=f"{prefix}.title", placeholder="Person").strip()
    ready = bool(desk.may_edit and edits.name_of(title))
    st.button("Add the type", type="primary", disabled=not ready, on_click=_added, args=(entity.name, title))


def _added(entity: str, title: str) -> None:
    name = edits.name_of(title)
    data: Mapping[str, Any] = {"title": title} if title != title_of(name) else {}

    def made(desk: Desk) -> edits.Texts:
        edits.check_name(name, list(desk.model.entities[entity].record_types), "record type")
        return edits.change(desk.sources, entity, [Set(("record_types", name), dict(data))])

    if edit(made):
        st.session_state[f"type.add.{entity}.title"] = ""
        _choose(entity, name)
