"""Views: the lists, the form and the boards of an entity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from studio import edits, show, words
from studio.designer import inputs
from studio.designer.inputs import Spot
from studio.designer.origins import show_origins
from studio.desk import Desk, edit
from studio.parts.order import Item, order
from studio.places import Place, by_place
from xrm.metadata.model import Entity, Field, Section, View
from xrm.metadata.names import title_of
from xrm.metadata.nodes import Path

CHOSEN = "views.chosen"
KINDS = {"list": "List", "form": "Form", "board": "Board"}
NUMBERS = frozenset({"integer", "decimal", "money", "percent", "duration"})
SHOWN_SYSTEM = frozenset({"created_at", "created_by", "updated_at", "updated_by"})


def show_views(desk: Desk, entity: Entity) -> None:
    """Show the tab."""
    if entity.views:
        names = list(entity.views)
        key = f"{CHOSEN}.{entity.name}"
        if st.session_state.get(key) not in names:
            st.session_state[key] = names[0]
        chosen = st.segmented_control(
            "View",
            names,
            key=key,
            format_func=lambda name: _title(entity.views[name]),
            label_visibility="collapsed",
            required=True,
        )
        _view(desk, entity, entity.views[chosen or names[0]])
    else:
        show.empty("This entity has no views of its own: lists and forms show every field, in order.")
    _add(desk, entity)


def _title(view: View) -> str:
    title = view.title or (KINDS[view.kind] if view.name == view.kind else title_of(view.name))
    return title if view.kind == view.name else f"{title} ({KINDS[view.kind].lower()})"


def _view(desk: Desk, entity: Entity, view: View) -> None:
    show.findings(by_place(desk.sources, desk.findings).get(Place(entity.name, ("views", view.name)), []))
    if view.origin.layer != "site":
        text, _ = words.layer_word(view.origin.layer)
        st.caption(f"Defined by {text}. What you change is kept in a file of this site.")
    {"list": _list, "form": _form, "board": _board}[view.kind](_Editor(desk, entity, view))
    show_origins(desk, f"{entity.name}.views.{view.name}")


class _Editor:
    """What all kinds of views need."""

    def __init__(self, desk: Desk, entity: Entity, view: View) -> None:
        self.desk, self.entity, self.view = desk, entity, view
        self.locked = not desk.may_edit
        fields = [f for f in entity.fields.values() if not f.removed and (not f.system or f.name in SHOWN_SYSTEM)]
        self.titles = {f.name: f.title for f in fields}
        self.icons = {f.name: words.type_word(f).icon for f in fields}

    def spot(self, *path: str | int) -> Spot:
        return Spot(self.entity.name, ("views", self.view.name, *path))

    def some(self, fits: Callable[[Field], bool]) -> dict[str, str]:
        return {name: title for name, title in self.titles.items() if fits(self.entity.fields[name])}

    def ordered(self, label: str, names: Sequence[str], path: Path, options: dict[str, str]) -> None:
        """Show a list of fields that can be put in order, added to and taken from."""
        name, key = self.entity.name, f"views.{self.entity.name}.{'.'.join(map(str, path))}"

        def put(kept: Sequence[str]) -> None:
            edit(lambda desk: edits.put(desk.sources, name, path, list(kept)))

        items = [
            Item(n, self.titles.get(n, title_of(n.replace(".", " "))), n, self.icons.get(n, "signpost-2"))
            for n in names
        ]
        if items:
            order(
                key,
                label,
                items,
                on_move=None if self.locked else put,
                on_remove=None if self.locked else lambda gone: put([n for n in names if n != gone]),
            )
        left = [option for option in options if option not in names]

        def add() -> None:
            if wanted := st.session_state[f"{key}.add"]:
                put([*names, wanted])
            st.session_state[f"{key}.add"] = None

        st.selectbox(
            f"Add to {label.lower()}",
            left,
            index=None,
            key=f"{key}.add",
            format_func=lambda n: options.get(n, n),
            placeholder="Choose a field, or type a path such as customer.city",
            accept_new_options=True,
            label_visibility="collapsed",
            on_change=add,
            disabled=self.locked,
        )


def _list(editor: _Editor) -> None:
    view, entity = editor.view, editor.entity
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("**Columns**")
        editor.ordered("Columns", view.columns, ("views", view.name, "columns"), editor.titles)
    with right:
        inputs.text(editor.spot("title"), "Title", view.title, disabled=editor.locked, placeholder=_title(view))
        narrow = editor.some(lambda f: f.type in ("choice", "choices", "relation", "boolean", "date", "tags", "text"))
        inputs.several(editor.spot("filters"), "Filters beside the list", view.filters, narrow, disabled=editor.locked)
        first = view.sort[0] if view.sort else ""
        ways = {"": "as they come"}
        for name, title in editor.titles.items():
            ways |= {name: f"{title}, rising", f"-{name}": f"{title}, falling"}
        inputs.choose(editor.spot("sort"), "Sorted by", first, ways, disabled=editor.locked)
        inputs.text(
            editor.spot("filter"),
            "Only records for which this holds",
            view.filter,
            disabled=editor.locked,
            placeholder="state != 'closed'",
        )
    st.link_button(
        "See it in the workspace", f"/e/{entity.name}?view={view.name}", disabled=entity.name not in editor.desk.applied
    )
    _remove_view(editor)


def _board(editor: _Editor) -> None:
    view, entity = editor.view, editor.entity
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("**On a card**")
        editor.ordered("Card", view.card, ("views", view.name, "card"), editor.titles)
    with right:
        lanes = {"": "the state of the workflow"} | editor.some(lambda f: f.type == "choice")
        inputs.choose(editor.spot("by"), "One lane for each", view.by, lanes, disabled=editor.locked)
        sums = {"": "nothing"} | editor.some(lambda f: f.type in NUMBERS)
        inputs.choose(editor.spot("sum"), "Added up in each lane", view.sum, sums, disabled=editor.locked)
    st.link_button(
        "See it in the workspace", f"/e/{entity.name}?view={view.name}", disabled=entity.name not in editor.desk.applied
    )
    _remove_view(editor)


# --- forms ----------------------------------------------------------------------------------------------------------


def _form(editor: _Editor) -> None:
    entity, view = editor.entity, editor.view
    placed = {name for section in view.sections for name in section.fields}
    free = {n: t for n, t in editor.titles.items() if n not in placed and entity.fields[n].writable}
    state = entity.workflow.field if entity.workflow else ""
    free.pop(state, None)
    columns = st.columns(2, gap="medium")
    for number, section in enumerate(view.sections):
        with columns[number % 2], st.container(border=True, key=f"section.{entity.name}.{view.name}.{number}"):
            _section(editor, section, free)
    if free:
        st.caption("Not on the form: " + ", ".join(free.values()))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        key = f"section.new.{entity.name}.{view.name}"
        title = st.text_input("New section", key=key, placeholder="Terms", disabled=editor.locked)
        st.button(
            "Add the section",
            disabled=editor.locked or not title.strip(),
            on_click=_add_section,
            args=(entity.name, view.name, key),
        )
        st.link_button(
            "See it in the workspace", f"/e/{entity.name}/new", disabled=entity.name not in editor.desk.applied
        )
    _remove_view(editor)


def _section(editor: _Editor, section: Section, free: dict[str, str]) -> None:
    entity, view = editor.entity, editor.view
    own = _own_sections(editor.desk, entity.name, view.name)
    number = next((n for n, s in enumerate(own) if s["title"] == section.title), None)
    top = st.container(horizontal=True, vertical_alignment="center")
    with top:
        st.markdown(f"**{section.title}**")
        if view.origin.layer == "site" and number is not None:
            place = (entity.name, view.name, number)
            for by, label in ((-1, "Up"), (1, "Down")):
                st.button(
                    label,
                    key=f"section.{by}.{'.'.join(map(str, place))}",
                    type="tertiary",
                    on_click=_move_section,
                    args=(*place, by),
                    disabled=editor.locked or not 0 <= number + by < len(own),
                )
            st.button(
                "Remove",
                key=f"section.x.{'.'.join(map(str, place))}",
                type="tertiary",
                on_click=_remove_section,
                args=place,
                disabled=editor.locked or len(own) == 1,
            )
    if number is None:
        key = f"section.own.{entity.name}.{view.name}.{section.title}"
        st.caption(", ".join(editor.titles.get(name, name) for name in section.fields))
        st.button(
            "Change this section",
            key=key,
            on_click=_own_section,
            args=(entity.name, view.name, section),
            disabled=editor.locked,
        )
        return
    editor.ordered(section.title, section.fields, ("views", view.name, "sections", number, "fields"), free)


def _own_sections(desk: Desk, entity: str, view: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = edits.said(edits.home(desk.sources, entity).data, ("views", view, "sections")) or []
    return found


def _put_sections(entity: str, view: str, make: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    edit(
        lambda desk: edits.put(
            desk.sources, entity, ("views", view, "sections"), make(list(_own_sections(desk, entity, view)))
        )
    )


def _add_section(entity: str, view: str, key: str) -> None:
    title = st.session_state[key].strip()
    _put_sections(entity, view, lambda own: [*own, {"title": title, "fields": []}])
    st.session_state[key] = ""


def _own_section(entity: str, view: str, section: Section) -> None:
    _put_sections(entity, view, lambda own: [*own, {"title": section.title, "fields": list(section.fields)}])


def _move_section(entity: str, view: str, number: int, by: int) -> None:
    def moved(own: list[dict[str, Any]]) -> list[dict[str, Any]]:
        own.insert(number + by, own.pop(number))
        return own

    _put_sections(entity, view, moved)


def _remove_section(entity: str, view: str, number: int) -> None:
    _put_sections(entity, view, lambda own: own[:number] + own[number + 1 :])


# --- one more, one less -----------------------------------------------------------------------------------------------


def _remove_view(editor: _Editor) -> None:
    if editor.view.origin.layer == "site":
        with st.popover("Remove this view", disabled=editor.locked):
            st.write("Records are not touched.")
            st.button(
                "Remove it",
                key=f"views.x.{editor.entity.name}.{editor.view.name}",
                on_click=_without,
                args=(editor.entity.name, editor.view.name),
            )


def _without(entity: str, view: str) -> None:
    edit(lambda desk: edits.put(desk.sources, entity, ("views", view), None))


def _add(desk: Desk, entity: Entity) -> None:
    with st.popover("Add a view", disabled=not desk.may_edit):
        kinds = [kind for kind in KINDS if kind != "form" or not any(v.kind == "form" for v in entity.views.values())]
        kind = st.selectbox("Kind", kinds, key=f"views.add.{entity.name}.kind", format_func=KINDS.__getitem__)
        first = kind not in entity.views
        title = (
            ""
            if first
            else st.text_input("Title", key=f"views.add.{entity.name}.title", placeholder="Bought this year")
        )
        st.button(
            "Add it",
            disabled=not (first or edits.name_of(title)),
            key=f"views.add.{entity.name}",
            on_click=_added,
            args=(entity.name, kind, title.strip()),
        )


def _added(entity: str, kind: str, title: str) -> None:
    name = edits.name_of(title) if title else kind

    def made(desk: Desk) -> edits.Texts:
        edits.check_name(name, list(desk.model.entities[entity].views), "view")
        data = {"kind": kind, "title": title} if title else {}
        return edits.put(desk.sources, entity, ("views", name), data | first_view(desk.model.entities[entity], kind))

    if edit(made):
        st.session_state[f"{CHOSEN}.{entity}"] = name


def first_view(entity: Entity, kind: str) -> dict[str, Any]:
    """Return what a new view of an entity begins with."""
    fields = [f for f in entity.fields.values() if not f.system and not f.removed]
    if kind == "form":
        state = entity.workflow.field if entity.workflow else ""
        names = [f.name for f in fields if f.writable and f.name != state]
        return {"sections": [{"title": entity.title, "fields": names}]}
    short = [f.name for f in fields if f.type not in ("long_text", "json")]
    return {"columns": short[:6]} if kind == "list" else {"card": short[:3]}
