"""New entity: a few questions, and a clean file to go on with in the designer."""

from __future__ import annotations

from typing import Any

import streamlit as st

from studio import edits, show, words
from studio.desk import Desk, current_desk, edit
from xrm.metadata.names import plural_of, title_of

MADE = "new.made"


def main() -> None:
    """Show the page."""
    desk = current_desk()
    if name := st.session_state.pop(MADE, ""):
        st.switch_page("screens/entity.py", query_params={"name": name})
    show.head(
        "plus-square", "New entity", "A kind of thing you want to keep records of, such as a machine or a contract."
    )
    show.trouble()
    show.only_reading(desk)
    with st.container(border=True, key="new.form"):
        _questions(desk)


def _questions(desk: Desk) -> None:
    left, right = st.columns(2)
    title = left.text_input("What is one of them called?", key="new.title", placeholder="Machine").strip()
    suggested = edits.name_of(title)
    plural = right.text_input(
        "And several of them?", key="new.plural", placeholder=plural_of(title) if title else "Machines"
    )
    name = (
        left.text_input(
            "Name in files, expressions and addresses",
            key="new.name",
            placeholder=suggested or "machine",
            help="Small letters, digits and _. It cannot be changed as easily as a title later.",
        ).strip()
        or suggested
    )
    group = right.selectbox(
        "Heading in the navigation",
        _groups(desk),
        key="new.group",
        accept_new_options=True,
        index=None,
        placeholder="Choose one, or type a new one",
    )
    icon = right.text_input(
        "Icon", key="new.icon", placeholder="box", help="Name of a Bootstrap icon, such as box, truck, gear or house."
    ).strip()
    description = left.text_input("What is it for?", key="new.description", placeholder="A machine a customer uses.")
    traits = st.multiselect(
        "What else should its records have?", sorted(desk.model.traits), key="new.uses", format_func=_trait_words
    )
    first = st.checkbox("Start with a field “Name” that every record needs", value=True, key="new.first")
    _roles(desk)
    data: dict[str, Any] = {
        "entity": name,
        "title": title,
        "plural": plural.strip(),
        "group": group or "",
        "icon": icon,
    }
    data |= {"description": description.strip(), "uses": traits}
    fields = {"name": {"type": "text", "required": True, "max": 200}} if first else {}
    st.button(
        "Add it to the draft",
        type="primary",
        disabled=not (desk.may_edit and title),
        on_click=_make,
        args=(data, fields),
    )
    st.caption("Nothing reaches the database before you have seen the plan and applied it.")


def _groups(desk: Desk) -> list[str]:
    return sorted({e.group for e in desk.model.entities.values() if e.group not in ("", "-")})


def _trait_words(name: str) -> str:
    known = {"owned": "An owner and a unit", "timeline": "Activities and history on their page"}
    return known.get(name, title_of(name))


def _roles(desk: Desk) -> None:
    st.markdown("**Who may use it?** Administrators always may.")
    levels = ["", *words.LEVELS]
    for role in desk.model.roles.values():
        if "*" not in role.capabilities:
            st.selectbox(
                role.title,
                levels,
                key=f"new.role.{role.name}",
                format_func=lambda level: words.LEVELS[level][0] if level else "Nothing",
            )


def _make(data: dict[str, Any], fields: dict[str, Any]) -> None:
    def made(desk: Desk) -> edits.Texts:
        name = data["entity"]
        entity = {key: value for key, value in data.items() if value and not _default(key, value, data)}
        entity |= {"label": "{name}", "search": ["name"]} if fields else {}
        texts = edits.new_entity(desk.sources, {**entity, "fields": fields})
        for role in desk.model.roles:
            if level := st.session_state.get(f"new.role.{role}"):
                texts |= edits.grant(desk.sources, role, {"entity": name, **words.LEVELS[level][1]})
        return texts

    if edit(made):
        st.session_state[MADE] = data["entity"]


def _default(key: str, value: Any, data: dict[str, Any]) -> bool:
    """Return whether a value is what it would be without being written."""
    title = data["title"] or title_of(data["entity"])
    return (key == "title" and value == title_of(data["entity"])) or (key == "plural" and value == plural_of(title))


main()
