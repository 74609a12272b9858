"""Settings: what an entity is called, how its records are shown and found, who may use it, and how to get rid of it."""

from __future__ import annotations

from html import escape

import streamlit as st

from studio import edits, words
from studio.designer import inputs
from studio.designer.inputs import Spot
from studio.designer.origins import show_origins
from studio.desk import Desk, edit
from xrm.metadata.model import Entity, Grant
from xrm.metadata.names import plural_of, title_of


def show_settings(desk: Desk, entity: Entity) -> None:
    """Show the tab."""
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Words", anchor=False)
        _words(desk, entity)
    with right:
        st.subheader("Records", anchor=False)
        _records(desk, entity)
    st.subheader("Who may use it", anchor=False)
    _roles(desk, entity)
    show_origins(desk, entity.name)
    _last(desk, entity)


def _words(desk: Desk, entity: Entity) -> None:
    locked = not desk.may_edit
    inputs.text(Spot(entity.name, ("title",), title_of(entity.name)), "One of them", entity.title, disabled=locked)
    inputs.text(
        Spot(entity.name, ("plural",), plural_of(entity.title)), "Several of them", entity.plural, disabled=locked
    )
    inputs.text(Spot(entity.name, ("description",)), "What it is for", entity.description, lines=2, disabled=locked)
    inputs.text(
        Spot(entity.name, ("icon",)),
        "Icon",
        entity.icon,
        placeholder="box",
        disabled=locked,
        hint="Name of a Bootstrap icon, such as box, truck, gear or house.",
    )
    groups = {e.group: e.group for e in desk.model.entities.values() if e.group not in ("", "-")}
    options = {"": "none", "-": "not in the navigation", **dict(sorted(groups.items()))}
    inputs.choose(Spot(entity.name, ("group",)), "Heading in the navigation", entity.group, options, disabled=locked)


def _records(desk: Desk, entity: Entity) -> None:
    locked = not desk.may_edit
    inputs.text(
        Spot(entity.name, ("label",)),
        "What a record is shown as",
        "" if entity.label == "{id}" else entity.label,
        placeholder="{name}",
        hint="Fields in braces; {name|email} takes the first that is not empty.",
        disabled=locked,
    )
    kinds = ("text", "long_text", "email", "phone", "auto_number", "url")
    found = {f.name: f.title for f in entity.fields.values() if f.type in kinds and not f.system and not f.removed}
    inputs.several(Spot(entity.name, ("search",)), "The search box looks into", entity.search, found, disabled=locked)
    traits = {trait.name: title_of(trait.name) for trait in desk.model.traits.values()}
    inputs.several(
        Spot(entity.name, ("uses",)),
        "Traits",
        entity.uses,
        traits,
        disabled=locked,
        hint="Sets of fields it takes in, such as an owner and a unit.",
    )
    inputs.switch(
        Spot(entity.name, ("timeline",), default=False),
        "A record's page shows activities and history",
        value=entity.timeline,
        disabled=locked,
    )


def _roles(desk: Desk, entity: Entity) -> None:
    lines = []
    for role in desk.model.roles.values():
        grants = [grant for grant in role.grants if grant.entity in (entity.name, "*")]
        said = "; ".join(_words_of(grant) for grant in grants) or "nothing"
        lines.append(f"<tr><th>{escape(role.title)}</th><td>{escape(said)}</td></tr>")
    st.html(f'<table class="xs-facts"><tbody>{"".join(lines)}</tbody></table>')
    with st.container(horizontal=True, vertical_alignment="bottom"):
        roles = {r.name: r.title for r in desk.model.roles.values() if "*" not in r.capabilities}
        chosen = st.selectbox("Let a role", list(roles), key=f"grant.{entity.name}.role", format_func=roles.__getitem__)
        level = st.selectbox(
            "do this", list(words.LEVELS), key=f"grant.{entity.name}.level", format_func=lambda n: words.LEVELS[n][0]
        )
        st.button("Add the right", disabled=not desk.may_edit, on_click=_grant, args=(entity.name, chosen, level))
    st.caption("Rights add up. To take one away, change the role's file in the page Roles.")


def _words_of(grant: Grant) -> str:
    what = "everything" if "*" in grant.actions else ", ".join(grant.actions)
    rows = words.ROWS.get(grant.scope, "")
    via = f" of every {grant.via} they may do it with" if grant.via else ""
    where = f" where {grant.where}" if grant.where else ""
    masked = "" if grant.read == ("*",) else f" (fields: {', '.join(grant.read) or 'none'})"
    return f"{what}{rows}{via}{where}{masked}"


def _grant(entity: str, role: str, level: str) -> None:
    edit(lambda desk: edits.grant(desk.sources, role, {"entity": entity, **words.LEVELS[level][1]}))


def _last(desk: Desk, entity: Entity) -> None:
    st.subheader("The end", anchor=False)
    if entity.origin.layer != "site":
        text, _ = words.layer_word(entity.origin.layer)
        st.caption(f"Defined by {text}, so it cannot be removed here. The heading “not in the navigation” hides it.")
        return
    if entity.removed and entity.name not in desk.applied:
        st.caption("This entity is gone. Its definition has done its work.")
        st.button("Take it out of the file", on_click=_remove, args=(entity.name,), disabled=not desk.may_edit)
        return
    if entity.removed:
        st.warning("This entity and its records will be dropped when you apply.")
        st.button("Keep it", on_click=_keep, args=(entity.name,), disabled=not desk.may_edit)
        return
    with st.popover("Remove this entity", disabled=not desk.may_edit):
        if entity.name in desk.applied:
            st.warning("Its records go when you apply. The plan tells how many; they are kept for the way back.")
        else:
            st.write("It was never applied, so nothing is lost.")
        st.button("Remove it", key=f"entity.x.{entity.name}", on_click=_remove, args=(entity.name,))


def _remove(entity: str) -> None:
    edit(lambda desk: edits.remove_entity(desk.sources, entity, applied=entity in desk.applied))


def _keep(entity: str) -> None:
    edit(lambda desk: edits.put(desk.sources, entity, ("removed",), None))
