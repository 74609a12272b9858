"""History: the generations of the model, who put each in force, and what it did."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import streamlit as st

from studio import show
from studio.client import Problem
from studio.desk import current_desk


def main() -> None:
    """Show the page."""
    desk = current_desk()
    show.head("clock-history", "History", "Every generation of the model: who put it in force, when, and what it did.")
    try:
        found = desk.client.history()
    except Problem as problem:
        st.error(f"{problem.title}. {problem.message}")
        return
    for number, generation in enumerate(found):
        _generation(generation, desk.generation, opened=number == 0)


def _generation(generation: dict[str, Any], current: int, *, opened: bool) -> None:
    at = datetime.fromisoformat(generation["at"]).strftime("%Y-%m-%d %H:%M UTC")
    who = (generation.get("actor") or {}).get("label") or "the system"
    steps = generation["steps"]
    now = " · in force" if generation["generation"] == current else ""
    count = f"{len(steps)} {'step' if len(steps) == 1 else 'steps'}" if steps else "no table changed"
    with st.expander(f"Generation {generation['generation']}{now} · {at} · {who} · {count}", expanded=opened):
        if steps:
            show.steps(steps)
        else:
            st.caption("Words, views, rules or permissions changed.")


main()
