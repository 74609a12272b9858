"""Field: the properties of one field, those of its type included."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from typing import Any

import streamlit as st

from studio import edits, show, words
from studio.designer import inputs
from studio.designer.choices import changed_choices, written_choices
from studio.designer.inputs import Spot
from studio.designer.origins import show_origins
from studio.desk import Desk, edit
from studio.parts.rows import Column, rows
from studio.places import Place, by_place
from xrm.errors import ModelError
from xrm.metadata.model import Entity, Field
from xrm.metadata.names import title_of
from xrm.metadata.types import rules_of

NUMBERS = frozenset({"integer", "decimal", "money", "percent", "duration"})
TEXTS = frozenset({"text", "long_text", "markdown", "rich_text", "encrypted_text", "secret", "email", "phone", "url"})
MOMENTS = frozenset({"date", "time", "datetime", "year_month"})
DEFAULTS: Mapping[str, Mapping[str, str]] = {
    "date": {"$today": "the day it is made"},
    "datetime": {"$now": "the moment it is made"},
}


def panel(desk: Desk, entity: Entity, field: Field) -> None:
    """Show the properties of a field."""
    word = words.type_word(field)
    st.html(
        f'<div class="xs-head"><i class="bi bi-{word.icon}" aria-hidden="true"></i><strong>{escape(field.title)}'
        f'</strong><span class="xs-name">{entity.name}.{field.name}</span></div>'
    )
    found = by_place(desk.sources, desk.findings).get(Place(entity.name, ("fields", field.name)), [])
    show.findings(found)
    if field.system:
        st.caption("The platform keeps this field. It can be used in views and expressions; it cannot be changed.")
        return
    if entity.workflow is not None and entity.workflow.field == field.name:
        st.caption("This field holds the state of the workflow. Change its states in the tab Workflow.")
        return
    _origin(desk, entity, field)
    if field.removed:
        _removed(desk, entity, field)
        return
    _Panel(desk, entity, field).show()


def _removed(desk: Desk, entity: Entity, field: Field) -> None:
    if desk.known(entity.name, field):
        st.warning("This field and its values will be dropped when you apply. Until then you can take that back.")
        st.button("Keep the field", on_click=_keep, args=(entity.name, field.name), disabled=not desk.may_edit)
    else:
        st.caption("This field is gone. Its line in the file has done its work.")
        st.button("Take the line out", on_click=_remove, args=(entity.name, field.name), disabled=not desk.may_edit)


def _origin(desk: Desk, entity: Entity, field: Field) -> None:
    if field.origin.layer == "site" or not field.origin.layer:
        return
    text, _ = words.layer_word(field.origin.layer)
    own = edits.said(edits.home(desk.sources, entity.name).data, ("fields", field.name))
    st.caption(f"Defined by {text} ({field.origin}). What you change is kept beside it, in a file of this site.")
    if own:
        st.button(
            "Take back this site's changes of it",
            on_click=_reset,
            args=(entity.name, field.name),
            disabled=not desk.may_edit,
        )


class _Panel:
    """The inputs of one field."""

    def __init__(self, desk: Desk, entity: Entity, field: Field) -> None:
        self.desk, self.entity, self.field = desk, entity, field
        self.locked = not desk.may_edit

    def spot(self, name: str, default: Any = None) -> Spot:
        return Spot(self.entity.name, ("fields", self.field.name, name), default)

    def show(self) -> None:
        field = self.field
        inputs.text(self.spot("title", title_of(field.name)), "Title", field.title, disabled=self.locked)
        inputs.text(
            self.spot("help"),
            "Help text in forms",
            field.help,
            lines=2,
            disabled=self.locked,
            placeholder="What should people know when they fill it in?",
        )
        self.rules()
        self.special()
        self.default()
        with st.expander("More", key=f"more.{self.entity.name}.{field.name}"):
            self.more()
        show_origins(self.desk, f"{self.entity.name}.{self.field.name}")
        self.last()

    def rules(self) -> None:
        field, locked = self.field, self.locked or bool(self.field.formula)
        left, right = st.columns(2)
        with left:
            inputs.switch(self.spot("required", default=False), "Required", value=field.required, disabled=locked)
            inputs.switch(
                self.spot("read_only", default=False),
                "Read only",
                value=field.read_only,
                disabled=locked,
                hint="Only plugins and workflow moves set it, never a person.",
            )
        with right:
            if field.through is not None:
                return
            inputs.switch(self.spot("unique", default=False), "Unique", value=field.unique, disabled=locked)
            inputs.switch(
                self.spot("index", default=False),
                "Indexed",
                value=field.index,
                disabled=self.locked,
                hint="Makes filtering and sorting by it fast.",
            )
        known = self.desk.known(self.entity.name, field)
        if field.required and field.default is None and known:
            inputs.text(
                self.spot("backfill"),
                "Value for records that have none yet",
                _text(field.backfill),
                disabled=locked,
                convert=lambda value: _typed(field, value),
            )

    def special(self) -> None:
        if self.field.kind in ("lookup", "rollup"):
            self.gathered()
        else:
            self.typed()
        if self.field.type == "money" and self.field.kind in ("", "formula"):
            self.worth()

    def typed(self) -> None:
        kind = self.field.type
        if kind == "links":
            self.links()
        elif kind == "relation" and self.field.written:
            self.pointer()
        elif kind == "relation":
            self.relation()
        elif kind in ("choice", "choices"):
            self.choices()
        elif kind in NUMBERS or kind in MOMENTS:
            self.limits()
        elif kind in TEXTS:
            inputs.text(
                self.spot("max"),
                "Greatest length, characters",
                _text(self.field.max),
                convert=inputs.whole,
                disabled=self.locked,
            )
        elif kind == "date_range":
            inputs.switch(
                self.spot("open_ends", default=False),
                "May lack its start or end",
                value=self.field.open_ends,
                disabled=self.locked,
            )
        elif kind == "person_name":
            inputs.choose(
                self.spot("order", "given_first"),
                "Order of the full name",
                self.field.order,
                words.NAME_ORDERS,
                disabled=self.locked,
            )
        elif kind == "rating":
            inputs.text(self.spot("max"), "Stars", _text(self.field.max), convert=inputs.whole, disabled=self.locked)
        elif kind == "auto_number":
            self._auto_number()

    def gathered(self) -> None:
        """What a lookup shows, or what a rollup sums up."""
        field, locked = self.field, self.locked
        if field.kind == "lookup":
            inputs.text(self.spot("of"), "Shows", field.of, placeholder="customer.country", disabled=locked)
            return
        inputs.text(
            self.spot("of"), "Sums up the list", field.of, placeholder="lines", hint=words.LIST_HINT, disabled=locked
        )
        inputs.choose(self.spot("compute", "count"), "Makes of them", field.compute, words.COMPUTES, disabled=locked)
        inputs.text(self.spot("field"), "Their field", field.over, placeholder="amount", disabled=locked)
        inputs.text(self.spot("where"), "Only those for which this holds", field.where, disabled=locked)

    def worth(self) -> None:
        """Whether an amount is also kept in the site's currency, and at the rate of which day."""
        inputs.switch(
            self.spot("base", default=False),
            "Also kept in the site's currency",
            value=self.field.base,
            disabled=self.locked,
        )
        if self.field.base:
            days = {f.name: f.title for f in self.entity.fields.values() if f.type == "date" and not f.removed}
            options = {"": "the day it is written", **days}
            inputs.choose(self.spot("rate_date"), "At the rate of", self.field.rate_date, options, disabled=self.locked)

    def _auto_number(self) -> None:
        inputs.text(
            self.spot("number"),
            "Pattern",
            self.field.number,
            placeholder="N-{00000}",
            hint="{00000} is the number; {YYYY}, {YY} and {MM} are year and month.",
            disabled=self.locked,
        )
        inputs.choose(self.spot("reset", "never"), "Begins again", self.field.reset, words.RESETS, disabled=self.locked)
        inputs.switch(
            self.spot("gapless", default=True),
            "Without gaps",
            value=self.field.gapless,
            hint="Records are then numbered one after the other; without it, many at once.",
            disabled=self.locked,
        )

    def limits(self) -> None:
        convert = inputs.number if self.field.type in NUMBERS else str
        hint = "" if self.field.type in NUMBERS else "Like 2026-01-31 or 08:30."
        left, right = st.columns(2)
        with left:
            inputs.text(
                self.spot("min"), "Least", _text(self.field.min), convert=convert, hint=hint, disabled=self.locked
            )
        with right:
            inputs.text(
                self.spot("max"), "Greatest", _text(self.field.max), convert=convert, hint=hint, disabled=self.locked
            )
        if self.field.type in ("decimal", "money", "percent"):
            inputs.text(
                self.spot("scale", 2),
                "Digits after the point",
                str(self.field.scale),
                convert=inputs.whole,
                disabled=self.locked,
            )

    def pointer(self) -> None:
        inputs.choose(
            self.spot("on_delete", "restrict" if self.field.required else "clear"),
            "When that record is deleted",
            self.field.on_delete,
            words.ON_DELETE,
            disabled=self.locked,
        )

    def links(self) -> None:
        entities = {e.name: e.title for e in self.desk.model.entities.values() if not e.removed}
        link = self.field.through.entity if self.field.through else ""
        left, right = st.columns(2)
        with left:
            inputs.choose(
                self.spot("to"), "Points to", self.field.to[0] if self.field.to else "", entities, disabled=self.locked
            )
        with right:
            inputs.text(
                self.spot("inverse"),
                "Name of the list on the other side",
                self.field.inverse,
                disabled=self.locked,
                placeholder=edits.name_of(self.entity.plural),
            )
        if link in entities:
            st.caption(f"Each link is a record of its own: {entities[link]} ({link}), with its own rights and history.")

    def relation(self) -> None:
        entities = {e.name: e.title for e in self.desk.model.entities.values() if not e.removed}
        inputs.several(
            self.spot("to"),
            "May point to",
            self.field.to,
            {**entities, "*": "anything"},
            disabled=self.locked,
            convert=lambda names: names[0] if len(names) == 1 else list(names),
        )
        left, right = st.columns(2)
        with left:
            inputs.choose(
                self.spot("on_delete", "restrict"),
                "When that record is deleted",
                self.field.on_delete,
                words.ON_DELETE,
                disabled=self.locked,
            )
        with right:
            inputs.text(
                self.spot("inverse"),
                "Name of the list on the other side",
                self.field.inverse,
                disabled=self.locked,
                placeholder=edits.name_of(self.entity.plural),
            )

    def choices(self) -> None:
        in_force = self.in_force()
        values = [
            {"name": c.name, "title": c.title, "color": c.color, "_fixed": c.name in in_force}
            for c in self.field.choices
        ]
        columns = (
            Column("title", "Title", placeholder="Title"),
            Column("name", "Name", placeholder="name"),
            Column("color", "Colour", words.COLORS, width="5.5rem"),
        )
        st.markdown("**Values**")
        spot = self.spot("choices")
        rows(spot.key, f"Values of {self.field.title}", columns, values, add="Add a value", on_change=_choices(spot))

    def in_force(self) -> frozenset[str]:
        """Return the choices that records may hold already."""
        for entity in self.desk.answer["entities"]:
            if entity["name"] == self.entity.name:
                for field in entity["fields"]:
                    if field["name"] == self.field.name:
                        return frozenset(choice["name"] for choice in field.get("choices", ()))
        return frozenset()

    def default(self) -> None:
        field, spot = self.field, self.spot("default")
        never = "default" in rules_of(field).unavailable or field.kind
        if never or field.formula or field.type in ("auto_number", "json", "links"):
            return
        label = "Value of a new record"
        value = _text(field.default)
        if field.type == "boolean":
            options = {"": "none", "true": "yes", "false": "no"}
            inputs.choose(spot, label, value, options, disabled=self.locked, convert={"true": True, "false": False}.get)
        elif field.type == "choice":
            options = {"": "none", **{c.name: c.title for c in field.choices}}
            inputs.choose(spot, label, value, options, disabled=self.locked)
        elif field.type == "relation":
            options = {"": "none", **({"$user.id": "whoever makes it"} if field.to == ("user",) else {})}
            options |= {"$user.unit": "the unit of whoever makes it"} if field.to == ("unit",) else {}
            inputs.choose(spot, label, value, options, disabled=self.locked)
        elif field.type in DEFAULTS:
            inputs.choose(spot, label, value, {"": "none", **DEFAULTS[field.type]}, disabled=self.locked)
        else:
            inputs.text(spot, label, value, convert=lambda v: _typed(field, v), disabled=self.locked)

    def more(self) -> None:
        field = self.field
        inputs.choose(
            self.spot("class", "internal"),
            "Protection",
            field.field_class,
            words.CLASSES,
            disabled=self.locked,
            hint="Roles may read and write some classes only.",
        )
        if field.origin.layer == "site":
            titles = {name: word.title for name, word in words.TYPES.items()}
            inputs.choose(self.spot("type"), "Type", field.type, titles, disabled=self.locked)
        if field.type in TEXTS:
            inputs.text(
                self.spot("pattern"),
                "Pattern the whole text must match",
                field.pattern,
                placeholder="[A-Z]{2}[0-9]+",
                disabled=self.locked,
            )
        computable = rules_of(field).computed and "formula" not in rules_of(field).unavailable
        if computable and field.kind in ("", "formula"):
            inputs.text(
                self.spot("formula"),
                "Formula",
                field.formula,
                placeholder="amount * probability / 100",
                hint="Computed and stored on each write; nobody can type into it then.",
                disabled=self.locked,
            )
        if field.origin.layer == "site":
            self.rename()

    def rename(self) -> None:
        key = f"rename.{self.entity.name}.{self.field.name}"
        left, right = st.columns([3, 1], vertical_alignment="bottom")
        name = left.text_input("Name", value=self.field.name, key=key, disabled=self.locked)
        right.button(
            "Rename",
            key=f"{key}.do",
            disabled=self.locked or name.strip() == self.field.name,
            width="stretch",
            on_click=_rename,
            args=(self.entity.name, self.field.name, key),
        )
        st.caption("Its values stay. Places of this entity that name it follow; the plan shows what else does.")

    def last(self) -> None:
        """Show how to get rid of it."""
        if self.field.origin.layer != "site" and self.entity.origin.layer != "site":
            return
        known = self.desk.known(self.entity.name, self.field)
        with st.popover("Remove this field", disabled=self.locked):
            if known:
                st.warning(
                    "Its values leave the records when you apply. The plan tells how many; the history keeps them."
                )
            else:
                st.write("It was never applied, so nothing is lost.")
            st.button(
                "Remove it",
                key=f"remove.{self.entity.name}.{self.field.name}",
                on_click=_remove,
                args=(self.entity.name, self.field.name),
            )


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _typed(field: Field, value: str) -> Any:
    """Return a typed value as the JSON a field of this type takes."""
    if value.startswith("$"):
        return value
    if field.type in ("integer", "duration"):
        return inputs.whole(value)
    if field.type in NUMBERS:
        return inputs.number(value)
    if field.type in ("choices", "tags"):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _choices(spot: Spot) -> Callable[[list[dict[str, Any]]], None]:
    def changed(values: list[dict[str, Any]]) -> None:
        def made(desk: Desk) -> edits.Texts:
            names = [value["name"] for value in values]
            if len(set(names)) < len(names):
                raise ModelError("Two values have the same name.")
            below = desk.below.entities.get(spot.entity)
            field = below.fields.get(str(spot.path[1])) if below is not None else None
            written = changed_choices(values, field.choices) if field is not None else written_choices(values)
            return edits.put(desk.sources, spot.entity, spot.path, written)

        edit(made)

    return changed


def _rename(entity: str, name: str, key: str) -> None:
    wanted = st.session_state[key].strip()

    def made(desk: Desk) -> edits.Texts:
        fields = desk.model.entities[entity].fields
        edits.check_name(wanted, list(fields), "field")
        return edits.rename_field(desk.sources, entity, name, wanted, desk.known(entity, fields[name]))

    if edit(made):
        st.session_state["fields.chosen"] = {entity: wanted}


def _remove(entity: str, name: str) -> None:
    def made(desk: Desk) -> edits.Texts:
        known = desk.known(entity, desk.model.entities[entity].fields[name])
        return edits.remove_field(desk.sources, entity, name, applied=bool(known))

    edit(made)


def _keep(entity: str, name: str) -> None:
    edit(lambda desk: edits.put(desk.sources, entity, ("fields", name, "removed"), None))


def _reset(entity: str, name: str) -> None:
    edit(lambda desk: edits.put(desk.sources, entity, ("fields", name), None))
