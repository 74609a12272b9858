"""Order: a list to choose from and to put in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import streamlit as st

_mount = st.components.v2.component(
    "xrm_order", js=Path(__file__).with_name("order.js").read_text("utf-8"), isolate_styles=False
)


@dataclass(frozen=True, slots=True)
class Badge:
    """A short word at the end of a row; `kind` decides its colour: plain, info, good, warn or bad."""

    text: str
    kind: str = "plain"
    help: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """One row.

    Attributes:
        id: What is told when it is chosen, moved or removed.
        title: What people read.
        sub: Smaller text beside it.
        icon: Name of a Bootstrap icon.
        badges: At its end.
        fixed: It can neither be moved nor removed.
        quiet: It is drawn faintly.
    """

    id: str
    title: str
    sub: str = ""
    icon: str = ""
    badges: tuple[Badge, ...] = ()
    fixed: bool = False
    quiet: bool = False


def order(
    key: str,
    label: str,
    items: Sequence[Item],
    *,
    selected: str = "",
    on_choose: Callable[[str], None] | None = None,
    on_move: Callable[[tuple[str, ...]], None] | None = None,
    on_remove: Callable[[str], None] | None = None,
) -> None:
    """Show a list; what cannot be done is not offered.

    Args:
        key: Names it on the page.
        label: What it is a list of, for screen readers.
        items: Its rows.
        selected: Id of the row that is chosen.
        on_choose: Told the id of the row that was chosen.
        on_move: Told all ids in their new order.
        on_remove: Told the id of the row to go.
    """
    data: dict[str, Any] = {
        "label": label,
        "items": [asdict(item) for item in items],
        "selected": selected,
        "choosable": on_choose is not None,
        "movable": on_move is not None,
        "removable": on_remove is not None,
    }

    def told(name: str) -> Any:
        return st.session_state[key].get(name)

    _mount(
        key=key,
        data=data,
        on_chosen_change=lambda: on_choose(told("chosen")) if on_choose else None,
        on_moved_change=lambda: on_move(tuple(told("moved"))) if on_move else None,
        on_removed_change=lambda: on_remove(told("removed")) if on_remove else None,
    )
