"""Overview: what the model consists of, how it hangs together, and what is in force."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from studio import diagrams, show, words
from studio.desk import Desk, current_desk
from studio.parts.order import Badge, Item, order
from xrm.metadata.model import Entity

GOTO = "overview.goto"


def main() -> None:
    """Show the page."""
    desk = current_desk()
    if name := st.session_state.pop(GOTO, ""):
        st.switch_page("screens/entity.py", query_params={"name": name})
    _head(desk)
    show.trouble()
    show.only_reading(desk)
    listed, drawn, plugged = st.tabs(["Entities", "Diagram", "Layers"], key="overview.tab", on_change="rerun")
    with listed:
        _groups(desk)
    if drawn.open:
        with drawn:
            _diagram(desk)
    if plugged.open:
        with plugged:
            _layers(desk)


def _head(desk: Desk) -> None:
    entities = _entities(desk)
    left, right = st.columns([4, 1], vertical_alignment="center")
    with left:
        lead = f"{len(entities)} entities, {len(desk.model.roles)} roles. Generation {desk.generation} is in force."
        show.head("diagram-3", "The model of this site", lead)
    with right:
        if st.button("New entity", type="primary", disabled=not desk.may_edit, width="stretch"):
            st.switch_page("screens/new.py")


def _entities(desk: Desk) -> list[Entity]:
    return list(desk.model.entities.values())


def _groups(desk: Desk) -> None:
    groups: dict[str, list[Entity]] = {}
    for entity in sorted(_entities(desk), key=lambda e: (e.group in ("", "-"), e.group, e.title)):
        groups.setdefault(entity.group if entity.group != "-" else "Not in the navigation", []).append(entity)
    counts = _counts(desk)
    for group, entities in groups.items():
        st.subheader(group or "Without a group", anchor=False)
        items = [_item(desk, entity, counts.get(entity.name)) for entity in entities]
        order(f"overview.{group}", group or "Entities", items, on_choose=_choose)


def _choose(name: str) -> None:
    st.session_state[GOTO] = name


def _item(desk: Desk, entity: Entity, count: tuple[int, bool] | None) -> Item:
    own = [field for field in entity.fields.values() if not field.system]
    relations = [field for field in own if field.type == "relation"]
    facts = [_many(len(own), "field"), _many(len(relations), "relation")]
    if count is not None:
        facts.append(_many(count[0], "record") if count[1] else f"more than {count[0] - 1:,} records")
    return Item(
        entity.name,
        entity.title,
        " · ".join(facts),
        words.icon_of(entity),
        tuple(_badges(desk, entity)),
        quiet=entity.removed,
    )


def _many(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _badges(desk: Desk, entity: Entity) -> Sequence[Badge]:
    badges = []
    known = entity.name in desk.applied
    if entity.removed:
        badges.append(Badge("to be removed", "bad") if known else Badge("removed"))
    elif not known:
        badges.append(Badge("new, not applied", "warn"))
    text, kind = words.layer_word(desk.layer(entity))
    return [*badges, Badge(text, kind)]


def _counts(desk: Desk) -> dict[str, tuple[int, bool] | None]:
    return _counted((desk.person["id"], desk.generation), desk, sorted(desk.applied))


@st.cache_data(ttl=20, max_entries=50, show_spinner=False)
def _counted(key: tuple[str, int], _desk: Desk, names: list[str]) -> dict[str, tuple[int, bool] | None]:
    return {name: _desk.client.count(name) for name in names}


def _diagram(desk: Desk) -> None:
    entities = {e.name: e for e in _entities(desk) if not e.removed}
    choices = ["", *sorted(entities, key=lambda name: entities[name].title)]
    around = st.selectbox(
        "Show",
        choices,
        key="overview.around",
        format_func=lambda n: f"{entities[n].title} and its neighbours" if n else "All entities",
    )
    names = diagrams.neighbours(entities, around) if around else [n for n in entities if _joined(entities, n)]
    st.mermaid_chart(diagrams.entities_diagram(entities, names), alt="Entities and their relations")
    st.caption("Owner and unit, which most entities have, are left out, and so are entities without a relation.")


def _joined(entities: dict[str, Entity], name: str) -> bool:
    return len(diagrams.neighbours(entities, name)) > 1


def _layers(desk: Desk) -> None:
    st.caption("Later layers add to earlier ones; what this site says wins.")
    for layer in desk.answer["layers"]:
        sources = [source for source in desk.sources if source.layer == layer]
        named = [e.title for e in _entities(desk) if e.origin.layer == layer]
        text, kind = words.layer_word(layer)
        items = [Item(s.file, s.file) for s in sources]
        st.html(f"<p>{show.badge(text, kind)} {', '.join(named) or 'adds to other layers only'}</p>")
        with st.expander(f"{_many(len(items), 'file')} of {layer}"):
            for source in sources:
                st.caption(source.file)
                st.code(source.text, language="yaml")


main()
