"""Entity designer: everything about one entity on one page."""

from __future__ import annotations

import streamlit as st

from studio import show, words
from studio.designer.buttons import show_buttons
from studio.designer.fields import show_fields
from studio.designer.record_types import show_record_types
from studio.designer.rules import show_rules
from studio.designer.settings import show_settings
from studio.designer.text import show_text
from studio.designer.views import show_views
from studio.designer.workflow import show_workflow
from studio.desk import Desk, current_desk
from studio.parts.order import Badge
from xrm.metadata.model import Entity

PICK = "entity.pick"
TABS = {
    "Fields": show_fields,
    "Form and lists": show_views,
    "Workflow": show_workflow,
    "Record types": show_record_types,
    "Buttons": show_buttons,
    "Rules": show_rules,
    "Settings": show_settings,
    "YAML": show_text,
}


def main() -> None:
    """Show the page."""
    desk = current_desk()
    entities = {e.name: e for e in sorted(desk.model.entities.values(), key=lambda e: e.title)}
    name = st.query_params.get("name", "")
    if name not in entities:
        name = next(iter(entities), "")
    if not name:
        show.empty("There is no entity yet.")
        return
    _head(desk, entities, name)
    show.trouble()
    show.only_reading(desk)
    entity = entities[name]
    opened = st.tabs(list(TABS), key="tab", on_change="rerun", bind="query-params")
    for tab, shown in zip(opened, TABS.values(), strict=True):
        if tab.open:
            with tab:
                shown(desk, entity)


def _head(desk: Desk, entities: dict[str, Entity], name: str) -> None:
    entity = entities[name]
    left, middle, right = st.columns([5, 3, 2], vertical_alignment="center")
    with left:
        show.head(words.icon_of(entity), entity.title, entity.description, _badges(desk, entity))
    st.session_state[PICK] = name
    middle.selectbox(
        "Entity",
        list(entities),
        key=PICK,
        format_func=lambda n: entities[n].title,
        label_visibility="collapsed",
        on_change=_pick,
    )
    right.link_button("Open in workspace", f"/e/{name}", disabled=name not in desk.applied, width="stretch")


def _pick() -> None:
    st.query_params["name"] = st.session_state[PICK]


def _badges(desk: Desk, entity: Entity) -> list[Badge]:
    text, kind = words.layer_word(entity.origin.layer)
    found = [Badge(text, kind)]
    known = entity.name in desk.applied
    if entity.removed:
        found.append(Badge("to be removed", "bad") if known else Badge("removed"))
    elif not known:
        found.append(Badge("new, not applied", "warn"))
    elif any(source.file in desk.draft.files for source in desk.sources if _about(source.text, entity.name)):
        found.append(Badge("changed in your draft", "warn"))
    return found


def _about(text: str, name: str) -> bool:
    return f"entity: {name}\n" in text or f"extends: {name}\n" in text


main()
