"""Text: a file of the site as YAML, checked as it is kept."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from studio import edits, show
from studio.desk import Desk, edit
from xrm.errors import Issue, ModelError
from xrm.metadata.compose import compose
from xrm.metadata.model import Entity, Source
from xrm.metadata.write import format_text


def show_text(desk: Desk, entity: Entity) -> None:
    """Show the tab."""
    place = edits.home(desk.sources, entity.name)
    text = place.text or f"{place.kind}: {entity.name}\n"
    editor(desk, place.file, text)
    others = [s for s in desk.sources if s.file != place.file and _defines(s, entity.name)]
    if others:
        st.subheader("What other layers say", anchor=False)
        for source in others:
            with st.expander(f"{source.file} ({source.layer})"):
                st.code(source.text, language="yaml", line_numbers=True)


def _defines(source: Source, name: str) -> bool:
    return any(d.name == name and d.kind in ("entity", "extends") for d in edits.definitions(source))


def editor(desk: Desk, file: str, text: str) -> None:
    """Show a file to change, with what is found in it."""
    key = f"text.{file}.{hash(text)}"
    show.findings(_about(desk.findings, file))
    st.text_area(
        f"{file}",
        text,
        key=key,
        height=min(760, 60 + 21 * max(12, text.count("\n") + 2)),
        disabled=not desk.may_edit,
    )
    with st.container(horizontal=True):
        st.button(
            "Check and keep",
            key=f"{key}.keep",
            type="primary",
            disabled=not desk.may_edit,
            on_click=_keep,
            args=(file, key),
        )
        st.button(
            "Tidy up",
            key=f"{key}.tidy",
            disabled=not desk.may_edit,
            on_click=_tidy,
            args=(file, key),
            help="Canonical order and layout; comments stay.",
        )


def _about(issues: Sequence[Issue], file: str) -> list[Issue]:
    return [issue for issue in issues if issue.path.startswith(f"{file}:")]


def _keep(file: str, key: str) -> None:
    text = st.session_state[key].replace("\r\n", "\n")

    def made(_: Desk) -> edits.Texts:
        return {file: readable(file, text)}

    edit(made)


def _tidy(file: str, key: str) -> None:
    text = st.session_state[key].replace("\r\n", "\n")
    edit(lambda _: {file: format_text(readable(file, text))})


def readable(file: str, text: str) -> str:
    """Return a text that can be kept: one that is YAML; what it says is judged by the site.

    Raises:
        ModelError: It is not; each issue says where.
    """
    if not text.strip():
        return ""
    _, issues = compose(Source("site", file, text))
    if issues:
        raise ModelError("This is not kept: it cannot be read.", issues)
    return text if text.endswith("\n") else f"{text}\n"
