"""Where it comes from: every property of a thing with the layer and line that set it."""

from __future__ import annotations

from html import escape
from typing import Any

import streamlit as st

from studio import show, words
from studio.desk import Desk
from xrm.errors import NotFound
from xrm.metadata.explain import explain_json


def show_origins(desk: Desk, path: str) -> None:
    """Show a table of properties, each with the badge of its layer, closed until somebody asks."""
    try:
        found = explain_json(desk.model, path)
    except NotFound:
        return  # of a draft that cannot be read in full
    if found:
        with st.expander("Where it comes from", key=f"origins.{path}"):
            st.html(f'<table class="xs-facts"><tbody>{"".join(map(_line, found))}</tbody></table>')


def _line(row: dict[str, Any]) -> str:
    text, kind = words.layer_word(row["layer"])
    place = f' <span class="xs-where">{escape(row["origin"])}</span>' if "file" in row else ""
    before = row.get("instead_of")
    instead = f" instead of {escape(str(before['value']))} ({escape(before['layer'])})" if before else ""
    value = f"{escape(str(row['value']))}{instead}"
    return f"<tr><th>{escape(row['property'])}</th><td>{value} {show.badge(text, kind)}{place}</td></tr>"
