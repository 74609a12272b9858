"""Rows: a small table to fill in, such as the choices of a field or the states of a workflow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import streamlit as st

_mount = st.components.v2.component(
    "xrm_rows", js=Path(__file__).with_name("rows.js").read_text("utf-8"), isolate_styles=False
)


@dataclass(frozen=True, slots=True)
class Column:
    """One column: a text to type, a whole number, or one of `options` (value, title)."""

    key: str
    title: str
    options: tuple[tuple[str, str], ...] = ()
    placeholder: str = ""
    width: str = ""
    number: bool = False


def rows(
    key: str,
    label: str,
    columns: Sequence[Column],
    values: Sequence[Mapping[str, Any]],
    *,
    add: str,
    on_change: Callable[[list[dict[str, Any]]], None],
) -> None:
    """Show a table; a row needs a `name`, and one with `_fixed` keeps it.

    Args:
        key: Names it on the page.
        label: What it is a table of, for screen readers.
        columns: What a row holds.
        values: The rows.
        add: What the button for one more row says.
        on_change: Told all rows after each change.
    """
    shown = [{k: v or None for k, v in asdict(column).items()} for column in columns]
    data = {"label": label, "columns": shown, "rows": [dict(value) for value in values], "add": add}
    _mount(key=key, data=data, on_rows_change=lambda: on_change(st.session_state[key].get("rows") or []))
