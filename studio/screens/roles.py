"""Roles: who may do what with which entity, as a matrix; and each role's file."""

from __future__ import annotations

from html import escape

import streamlit as st

from studio import edits, show, words
from studio.designer.origins import show_origins
from studio.designer.text import editor
from studio.desk import Desk, current_desk
from xrm.metadata.model import Entity, Grant, Role, Source

ACTIONS = ("read", "create", "update", "delete")
LETTERS = {"read": "R", "create": "C", "update": "U", "delete": "D"}


def main() -> None:
    """Show the page."""
    desk = current_desk()
    show.head(
        "shield-lock", "Roles", "What each role may do. Rights add up: what one grant allows, no other takes away."
    )
    show.trouble()
    show.only_reading(desk)
    matrix, one = st.tabs(["Matrix", "One role"], key="roles.tab", on_change="rerun")
    with matrix:
        _matrix(desk)
    if one.open:
        with one:
            _role(desk)


def _matrix(desk: Desk) -> None:
    roles = list(desk.model.roles.values())
    entities = sorted((e for e in desk.model.entities.values() if not e.removed), key=lambda e: e.title)
    head = "".join(f"<th>{escape(role.title)}</th>" for role in roles)
    lines = "".join(
        f"<tr><th>{escape(entity.title)}</th>{''.join(f'<td>{_cell(entity, role)}</td>' for role in roles)}</tr>"
        for entity in entities
    )
    table = f"<thead><tr><th>Entity</th>{head}</tr></thead><tbody>{lines}</tbody>"
    box = '<div class="xs-scroll" role="region" aria-label="Rights" tabindex="0">'
    st.html(f'{box}<table class="xs-facts">{table}</table></div>')
    st.caption(
        "R read, C create, U update, D delete. Own and team: only records of one's own or of one's team; if: only "
        "records for which a condition holds; part: some fields are withheld. The matrix is for reading; rights are "
        "added in an entity's tab Settings, and changed in a role's file."
    )


def _cell(entity: Entity, role: Role) -> str:
    grants = [grant for grant in role.grants if grant.entity in (entity.name, "*")]
    found = []
    for action in ACTIONS:
        fitting = [g for g in grants if action in g.actions or "*" in g.actions]
        if fitting:
            found.append((LETTERS[action], _limits(fitting)))
    if not found:
        return '<span class="xs-no" aria-label="nothing">–</span>'
    groups: dict[str, str] = {}
    for letter, limits in found:
        groups[limits] = groups.get(limits, "") + letter
    return "<br>".join(
        f'<span class="xs-yes">{letters}</span>{f" <code>{escape(limits)}</code>" if limits else ""}'
        for limits, letters in groups.items()
    )


def _limits(grants: list[Grant]) -> str:
    """Return what the widest of some grants is limited to."""
    every = [g for g in grants if g.scope == "all" and not g.where and not g.via]
    words_of = [] if every else sorted({"if" if g.where else f"of {g.via}" if g.via else g.scope for g in grants})
    if not any(g.read == ("*",) for g in (every or grants)):
        words_of.append("part")
    return ", ".join(words_of)


def _role(desk: Desk) -> None:
    roles = desk.model.roles
    name = st.selectbox("Role", list(roles), key="roles.one", format_func=lambda n: roles[n].title)
    role = roles[name]
    st.caption(role.description)
    if role.capabilities:
        st.markdown("May also: " + ", ".join(f"`{capability}`" for capability in role.capabilities))
    show_origins(desk, f"roles.{name}")
    site = [s for s in desk.sources if s.layer == "site" and _says(s, name)]
    file = site[0].file if site else f"entities/roles/{name}.yaml"
    editor(desk, file, site[0].text if site else f"role: {name}\ngrants: []\n")
    for source in desk.sources:
        if source.layer != "site" and _says(source, name):
            text, kind = words.layer_word(source.layer)
            st.html(f"<p>{show.badge(text, kind)} adds:</p>")
            st.code(source.text, language="yaml")


def _says(source: Source, name: str) -> bool:
    return any(d.name == name and d.kind == "role" for d in edits.definitions(source))


main()
