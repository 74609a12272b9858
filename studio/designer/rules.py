"""Rules: what must hold of one record, and what people read when it does not."""

from __future__ import annotations

from typing import Any

import streamlit as st

from studio import edits, show, words
from studio.designer import inputs
from studio.designer.inputs import Spot
from studio.desk import Desk, edit
from studio.parts.order import Badge, Item, order
from studio.places import Place, by_place
from xrm.metadata.model import Check, Entity

CHOSEN = "rules.chosen"
KINDS = {"block": "bad", "warn": "warn", "debt": "info"}
HELP = """
Conditions compare fields: `amount > 100 && state != 'lost'`. `null` is an empty field: `email != null`.
`&&` and, `||` or, `!` not; `'customer' in roles`; `close_date >= today()`; `name.startsWith('A')`.
Across a link: `customer.country == 'DE'` (in filters).
"""


def show_rules(desk: Desk, entity: Entity) -> None:
    """Show the tab."""
    left, right = st.columns([5, 4], gap="medium")
    own = _own(entity)
    chosen = st.session_state.get(CHOSEN, {}).get(entity.name, "")
    with left:
        st.button("Add a rule", disabled=not (desk.may_edit and chosen), on_click=_choose, args=(entity.name, ""))
        if entity.checks:
            items = [_item(entity, check, own) for check in entity.checks]
            order(
                f"rules.{entity.name}",
                f"Rules of {entity.title}",
                items,
                selected=chosen,
                on_choose=lambda id: _choose(entity.name, id),
            )
        else:
            show.empty("No rules yet. A rule says what must hold, such as: a lost deal needs a reason.")
        _unique(desk, entity)
    with right, st.container(border=True, key="rules.panel" if chosen else "rules.add"):
        number = int(chosen) if chosen.isdigit() and int(chosen) < len(own) else None
        if number is not None:
            _rule(desk, entity, own[number], number)
        else:
            _add(desk, entity)
        with st.expander("How to write a condition"):
            st.markdown(HELP)
            st.caption("Fields here: " + ", ".join(f.name for f in entity.fields.values() if not f.removed))


def _own(entity: Entity) -> list[Check]:
    return [check for check in entity.checks if check.origin.layer == "site"]


def _choose(entity: str, id: str) -> None:
    st.session_state[CHOSEN] = {entity: id}


def _item(entity: Entity, check: Check, own: list[Check]) -> Item:
    id = str(own.index(check)) if check in own else f"plugin {check.message}"
    text, kind = words.layer_word(check.origin.layer)
    badges = [Badge(words.SHORT_SEVERITIES[check.severity], KINDS[check.severity])]
    if entity.origin.layer != check.origin.layer or check not in own:
        badges.append(Badge(text, kind))
    when = f"when {check.when}" if check.when else "always"
    return Item(id, check.message, f"{when}: {check.require}", "shield-check", tuple(badges))


def _rule(desk: Desk, entity: Entity, check: Check, number: int) -> None:
    locked = not desk.may_edit
    show.findings(by_place(desk.sources, desk.findings).get(Place(entity.name, ("checks", number)), []))

    def spot(name: str, default: Any = None) -> Spot:
        return Spot(entity.name, ("checks", number, name), default)

    inputs.text(spot("message"), "What people read", check.message, lines=2, disabled=locked)
    inputs.text(spot("when"), "When", check.when, placeholder="always", disabled=locked)
    inputs.text(spot("require"), "This must hold", check.require, disabled=locked)
    inputs.choose(spot("severity", "block"), "Otherwise", check.severity, words.SEVERITIES, disabled=locked)
    fields = {"": "the first field it names", **{f.name: f.title for f in entity.fields.values() if not f.system}}
    inputs.choose(spot("field"), "Shown beside", check.field, fields, disabled=locked)
    st.button("Remove this rule", disabled=locked, on_click=_remove, args=(entity.name, number))


def _remove(entity: str, number: int) -> None:
    if edit(lambda desk: edits.put(desk.sources, entity, ("checks", number), None)):
        _choose(entity, "")


def _add(desk: Desk, entity: Entity) -> None:
    prefix = f"rule.add.{entity.name}"
    st.subheader("Add a rule", anchor=False)
    st.text_input("What people read", key=f"{prefix}.message", placeholder="A lost deal needs a reason.")
    st.text_input("When", key=f"{prefix}.when", placeholder="always")
    st.text_input("This must hold", key=f"{prefix}.require", placeholder="lost_reason != null")
    st.selectbox(
        "Otherwise", list(words.SEVERITIES), key=f"{prefix}.severity", format_func=words.SEVERITIES.__getitem__
    )
    ready = all(st.session_state[f"{prefix}.{part}"].strip() for part in ("message", "require"))
    st.button(
        "Add the rule", type="primary", disabled=not (ready and desk.may_edit), on_click=_added, args=(entity.name,)
    )


def _added(entity: str) -> None:
    prefix = f"rule.add.{entity}"
    data = {part: st.session_state[f"{prefix}.{part}"].strip() for part in ("when", "require", "message", "severity")}
    data = {part: value for part, value in data.items() if value and (part, value) != ("severity", "block")}

    def made(desk: Desk) -> edits.Texts:
        own = edits.said(edits.home(desk.sources, entity).data, ("checks",)) or []
        return edits.put(desk.sources, entity, ("checks",), [*own, data])

    if edit(made):
        for part in ("when", "require", "message"):
            st.session_state[f"{prefix}.{part}"] = ""


# --- unique together ------------------------------------------------------------------------------------------------


def _unique(desk: Desk, entity: Entity) -> None:
    st.subheader("Unique together", anchor=False)
    own = edits.said(edits.home(desk.sources, entity.name).data, ("unique",)) or []
    titles = {f.name: f.title for f in entity.fields.values() if not f.system and not f.removed}
    for number, group in enumerate(entity.unique):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(" and ".join(titles.get(name, name) for name in group))
            if list(group) in own:
                st.button(
                    "Remove",
                    key=f"unique.x.{entity.name}.{number}",
                    type="tertiary",
                    disabled=not desk.may_edit,
                    on_click=_put_unique,
                    args=(entity.name, [g for g in own if g != list(group)]),
                )
    key = f"unique.add.{entity.name}"
    with st.container(horizontal=True, vertical_alignment="bottom"):
        names = st.multiselect(
            "No two records share the values of",
            list(titles),
            key=key,
            format_func=titles.__getitem__,
            placeholder="Choose two fields or more",
        )
        st.button(
            "Add",
            key=f"{key}.do",
            disabled=len(names) < 2 or not desk.may_edit,
            on_click=_put_unique,
            args=(entity.name, [*own, names]),
        )


def _put_unique(entity: str, groups: list[list[str]]) -> None:
    if edit(lambda desk: edits.put(desk.sources, entity, ("unique",), groups)):
        st.session_state[f"unique.add.{entity}"] = []
