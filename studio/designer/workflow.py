"""Workflow: the states of an entity and the moves between them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import streamlit as st

from studio import diagrams, edits, show, words
from studio.designer import inputs
from studio.designer.inputs import Spot
from studio.designer.origins import show_origins
from studio.desk import Desk, edit
from studio.parts.order import Badge, Item, order
from studio.parts.rows import Column, rows
from studio.places import by_place
from xrm.errors import ModelError
from xrm.metadata.model import Entity, State, Transition, Workflow
from xrm.metadata.names import title_of

CHOSEN = "workflow.chosen"
TEMPLATES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "Open, closed": {
            "states": {"open": {"color": "primary"}, "closed": {"color": "success", "final": "done"}},
            "transitions": {"close": {"from": "open", "to": "closed"}, "reopen": {"from": "closed", "to": "open"}},
        },
        "To do, doing, done": {
            "states": {
                "todo": {"title": "To do", "color": "secondary"},
                "doing": {"color": "primary"},
                "done": {"color": "success", "final": "done"},
            },
            "transitions": {
                "start": {"from": "todo", "to": "doing"},
                "finish": {"from": ["todo", "doing"], "to": "done"},
                "reopen": {"from": "done", "to": "doing"},
            },
        },
        "Request, approval": {
            "states": {
                "draft": {"color": "secondary"},
                "submitted": {"color": "info"},
                "approved": {"color": "success", "final": "done"},
                "rejected": {"color": "danger", "final": "lost"},
            },
            "transitions": {
                "submit": {"from": "draft", "to": "submitted"},
                "approve": {"from": "submitted", "to": "approved"},
                "reject": {"from": "submitted", "to": "rejected"},
                "revise": {"from": ["submitted", "rejected"], "to": "draft"},
            },
        },
    }
)


def show_workflow(desk: Desk, entity: Entity) -> None:
    """Show the tab."""
    show.findings(_findings(desk, entity))
    if entity.workflow is None:
        _none(desk, entity)
        return
    st.mermaid_chart(diagrams.states_diagram(entity.workflow), alt=f"States of {entity.title}")
    st.subheader("States", anchor=False)
    _states(desk, entity, entity.workflow)
    st.subheader("Moves", anchor=False)
    left, right = st.columns([5, 4], gap="medium")
    with left:
        _moves(desk, entity, entity.workflow)
    with right, st.container(border=True, key="workflow.panel"):
        chosen = st.session_state.get(CHOSEN, {}).get(entity.name, "")
        move = next((t for t in entity.workflow.transitions if t.name == chosen), None)
        if move is not None:
            _move(desk, entity, entity.workflow, move)
        else:
            _add(desk, entity, entity.workflow)


def _findings(desk: Desk, entity: Entity) -> list[Any]:
    marks = by_place(desk.sources, desk.findings)
    return [
        i for p, found in marks.items() if p and p.name == entity.name and p.path[:1] == ("workflow",) for i in found
    ]


def _none(desk: Desk, entity: Entity) -> None:
    show.empty(
        "No workflow. Give records states, and say which moves between them are allowed, by whom, "
        "and what they ask for."
    )
    with st.container(horizontal=True):
        for title, template in TEMPLATES.items():
            st.button(f"Start with: {title}", disabled=not desk.may_edit, on_click=_start, args=(entity.name, template))


def _start(entity: str, template: Mapping[str, Any]) -> None:
    edit(lambda desk: edits.put(desk.sources, entity, ("workflow",), dict(template)))


# --- states ---------------------------------------------------------------------------------------------------------


def _states(desk: Desk, entity: Entity, workflow: Workflow) -> None:
    in_force = _states_in_force(desk, entity)
    values = [{**state_row(state), "_fixed": state.name in in_force} for state in workflow.states]
    columns = (
        Column("title", "Title", placeholder="In repair"),
        Column("name", "Name", placeholder="in_repair"),
        Column("color", "Colour", words.COLORS, width="8rem"),
        Column("final", "An end?", words.FINALS, width="7rem"),
        Column("probability", "Percent", placeholder="", width="6rem", number=True),
    )
    rows(
        f"states.{entity.name}",
        f"States of {entity.title}",
        columns,
        values,
        add="Add a state",
        on_change=lambda found: _put_states(entity.name, found),
    )
    inputs.choose(
        Spot(entity.name, ("workflow", "initial"), workflow.states[0].name),
        "A new record begins as",
        workflow.initial,
        {s.name: s.title for s in workflow.states},
        disabled=not desk.may_edit,
    )


def _states_in_force(desk: Desk, entity: Entity) -> frozenset[str]:
    found: Mapping[str, Any] = next((e for e in desk.answer["entities"] if e["name"] == entity.name), {})
    return frozenset(state["name"] for state in found.get("workflow", {}).get("states", ()))


def state_row(state: State) -> dict[str, Any]:
    """Return a state as a row to fill in."""
    percent = "" if state.probability is None else str(state.probability)
    return {
        "name": state.name,
        "title": state.title,
        "color": state.color,
        "final": state.final,
        "probability": percent,
    }


def state_data(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row as what is written of a state."""
    data = {key: row[key] for key in ("title", "color", "final") if row.get(key)}
    if data.get("title") == title_of(row["name"]):
        del data["title"]
    return data | ({"probability": inputs.whole(row["probability"])} if row.get("probability") else {})


def _put_states(entity: str, found: list[dict[str, Any]]) -> None:
    def made(desk: Desk) -> edits.Texts:
        workflow = desk.model.entities[entity].workflow
        assert workflow is not None  # noqa: S101 - the table is shown for one only
        names = [row["name"] for row in found]
        if not names or len(set(names)) < len(names):
            raise ModelError("States need names that differ.")
        if workflow.origin.layer == "site":
            return edits.put(desk.sources, entity, ("workflow", "states"), {r["name"]: state_data(r) for r in found})
        before = {state.name: state_data(state_row(state)) for state in workflow.states}
        if set(before) - set(names):
            raise ModelError("A plugin defines this state; it cannot be taken away here.")
        texts: edits.Texts = {}
        for row in found:
            if before.get(row["name"]) != state_data(row):
                texts = edits.put(desk.sources, entity, ("workflow", "states", row["name"]), state_data(row))
        return texts

    edit(made)


# --- moves ----------------------------------------------------------------------------------------------------------


def _choose(entity: str, name: str) -> None:
    st.session_state[CHOSEN] = {entity: name}


def _moves(desk: Desk, entity: Entity, workflow: Workflow) -> None:
    chosen = st.session_state.get(CHOSEN, {}).get(entity.name, "")
    st.button("Add a move", disabled=not (desk.may_edit and chosen), on_click=_choose, args=(entity.name, ""))
    if not workflow.transitions:
        show.empty("No moves yet: every record stays in its first state.")
        return
    titles = {state.name: state.title for state in workflow.states} | {"*": "any"}
    items = [
        Item(
            t.name,
            t.title,
            f"{', '.join(titles.get(s, s) for s in t.sources)} → {titles.get(t.target, t.target)}",
            "arrow-right-circle",
            tuple(Badge(f"asks {len(t.ask)}", "outline") for _ in t.ask[:1])
            + tuple(Badge(role, "outline") for role in t.roles),
        )
        for t in workflow.transitions
    ]
    order(
        f"moves.{entity.name}",
        f"Moves of {entity.title}",
        items,
        selected=chosen,
        on_choose=lambda name: _choose(entity.name, name),
    )


def _move(desk: Desk, entity: Entity, workflow: Workflow, move: Transition) -> None:
    locked = not desk.may_edit
    states = {state.name: state.title for state in workflow.states}
    fields = {
        f.name: f.title for f in entity.fields.values() if f.writable and f.name != workflow.field and not f.removed
    }

    def spot(name: str, default: Any = None) -> Spot:
        return Spot(entity.name, ("workflow", "transitions", move.name, name), default)

    inputs.text(spot("title", title_of(move.name)), "What the button says", move.title, disabled=locked)
    inputs.several(
        spot("from"),
        "From",
        move.sources,
        {**states, "*": "any state"},
        disabled=locked,
        convert=lambda names: names[0] if len(names) == 1 else list(names),
    )
    inputs.choose(spot("to"), "To", move.target, states, disabled=locked)
    inputs.several(
        spot("ask"), "Asks for", move.ask, fields, disabled=locked, hint="Fields that must be filled by the move."
    )
    roles = {role.name: role.title for role in desk.model.roles.values()}
    inputs.several(
        spot("roles"),
        "Only for",
        move.roles,
        roles,
        disabled=locked,
        placeholder="Whoever may change the record",
    )
    inputs.text(spot("guard"), "Only when this holds", move.guard, placeholder="amount > 0", disabled=locked)
    st.markdown("**Sets fields by itself**")
    columns = (
        Column("name", "Field", tuple({"": "choose", **fields, **_read_only(entity)}.items())),
        Column("value", "Expression", placeholder="today()"),
    )
    values = [{"name": name, "value": source} for name, source in move.set.items()]
    rows(
        f"set.{entity.name}.{move.name}",
        "Fields the move sets",
        columns,
        values,
        add="Set a field",
        on_change=lambda found: _put_set(spot("set"), found),
    )
    show_origins(desk, f"{entity.name}.workflow.transitions.{move.name}")
    if move.origin.layer == "site":
        st.button("Remove this move", disabled=locked, on_click=_remove, args=(entity.name, move.name))


def _read_only(entity: Entity) -> dict[str, str]:
    return {f.name: f.title for f in entity.fields.values() if f.read_only and not f.system and not f.removed}


def _put_set(spot: Spot, found: list[dict[str, Any]]) -> None:
    values = {row["name"]: row["value"] for row in found if row.get("value")}
    edit(lambda desk: edits.put(desk.sources, spot.entity, spot.path, values))


def _remove(entity: str, name: str) -> None:
    edit(lambda desk: edits.put(desk.sources, entity, ("workflow", "transitions", name), None))


def _add(desk: Desk, entity: Entity, workflow: Workflow) -> None:
    prefix = f"move.add.{entity.name}"
    states = {state.name: state.title for state in workflow.states}
    st.subheader("Add a move", anchor=False)
    title = st.text_input("What the button says", key=f"{prefix}.title", placeholder="Send to repair").strip()
    sources = st.multiselect("From", list(states), key=f"{prefix}.from", format_func=states.__getitem__)
    target = st.selectbox("To", list(states), key=f"{prefix}.to", format_func=states.__getitem__)
    st.button(
        "Add the move",
        type="primary",
        disabled=not (desk.may_edit and edits.name_of(title) and sources),
        on_click=_added,
        args=(entity.name, title, sources, target),
    )


def _added(entity: str, title: str, sources: list[str], target: str) -> None:
    name = edits.name_of(title)
    data: dict[str, Any] = {"from": sources[0] if len(sources) == 1 else sources, "to": target}
    if title != title_of(name):
        data["title"] = title

    def made(desk: Desk) -> edits.Texts:
        workflow = desk.model.entities[entity].workflow
        edits.check_name(name, [t.name for t in workflow.transitions] if workflow else [], "move")
        return edits.put(desk.sources, entity, ("workflow", "transitions", name), data)

    if edit(made):
        st.session_state[f"move.add.{entity}.title"] = ""
        st.session_state[f"move.add.{entity}.from"] = []
