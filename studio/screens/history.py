"""History: the generations of the model, the way back to each, and what is kept of values that changes took away."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

import streamlit as st

from studio import show
from studio.client import Problem
from studio.desk import Desk, current_desk, open_desk

BACK = "history.back"  # the generation somebody looks at going back to
DONE = "history.done"
FAILED = "history.failed"


def main() -> None:
    """Show the page."""
    desk = current_desk()
    show.head("clock-history", "History", "Every generation of the model: who put it in force, when, and what it did.")
    _outcome()
    try:
        found = desk.client.history()
        kept = desk.client.kept() if desk.may_edit else []
    except Problem as problem:
        st.error(f"{problem.title}. {problem.message}")
        return
    if desk.may_edit and (target := st.session_state.get(BACK)):
        _going_back(desk, target)
    for number, generation in enumerate(found):
        _generation(desk, generation, opened=number == 0)
    _kept(kept)


def _outcome() -> None:
    """Show how the last act went."""
    if done := st.session_state.pop(DONE, None):
        words, issues = done
        st.success(words)
        show.findings(issues)
    if failed := st.session_state.pop(FAILED, None):
        words, issues = failed
        st.error(words)
        show.findings(issues)


# --- generations ----------------------------------------------------------------------------------------------------


def _generation(desk: Desk, generation: dict[str, Any], *, opened: bool) -> None:
    steps, number = generation["steps"], generation["generation"]
    who = (generation.get("actor") or {}).get("label") or "the system"
    now = " · in force" if number == desk.generation else ""
    count = f"{len(steps)} {'step' if len(steps) == 1 else 'steps'}" if steps else "no table changed"
    with st.expander(f"Generation {number}{now} · {_moment(generation['at'])} · {who} · {count}", expanded=opened):
        if steps:
            show.steps(steps)
        else:
            st.caption("Words, views, rules or permissions changed.")
        if number != desk.generation and desk.may_edit:
            st.button("Look at the way back to it", key=f"back.{number}", on_click=_look, args=(number,))


def _moment(text: str) -> str:
    return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M UTC")


def _look(number: int) -> None:
    st.session_state[BACK] = number


def _leave() -> None:
    st.session_state.pop(BACK, None)


# --- going back -----------------------------------------------------------------------------------------------------


def _going_back(desk: Desk, number: int) -> None:
    """Show the plan of the way back, and the button that takes it."""
    with st.container(border=True):
        st.subheader(f"Back to generation {number}", anchor=False)
        try:
            with st.spinner("Working out the way back …"):
                plan = desk.client.plan_back(number)
        except Problem as problem:
            st.error(f"{problem.title}. {problem.message}")
            show.findings(problem.issues)
            st.button("Stay where we are", on_click=_leave)
            return
        st.caption(
            "This makes a new generation with the definitions of that one: what it had comes back, with its values. "
            "Nothing has happened yet."
        )
        show.findings(Problem(200, plan).issues)
        if plan["steps"]:
            show.steps(plan["steps"])
        else:
            show.empty("No table changes: only words, views, rules or permissions do.")
        if desk.draft:
            st.warning("Your draft stays; it will be about the definitions that come back.")
        agreed = show.consents(plan)
        ready = agreed is not None and not show.blocked(plan) and not plan["empty"]
        with st.container(horizontal=True):
            arguments = (number, plan["hash"], agreed or [])
            st.button(
                f"Go back to generation {number}", type="primary", disabled=not ready, on_click=_go, args=arguments
            )
            st.button("Stay where we are", on_click=_leave)
        for file, text in plan.get("diffs", {}).items():
            show.diff(file, text)


def _go(number: int, plan_hash: str, consent: list[str]) -> None:
    try:
        client = open_desk().client
        answer = show.working(client, "Going back …", lambda: client.go_back(number, plan_hash, consent))
    except Problem as problem:
        st.session_state[FAILED] = (f"{problem.title}. {problem.message}", problem.issues)
        return
    _leave()
    words = f"The site is back at generation {number}, as generation {answer['generation']}."
    st.session_state[DONE] = (words, Problem(200, answer).issues)


# --- what is kept ---------------------------------------------------------------------------------------------------


def _kept(kept: Sequence[dict[str, Any]]) -> None:
    """Show what changes took away, and offer to remove it for good."""
    if not kept:
        return
    st.subheader("Kept values", anchor=False)
    st.caption("What changes took out of the records is kept for the way back, until it is removed here.")
    for generation, found in groupby(kept, key=lambda one: one["generation"]):
        values = list(found)
        with st.container(horizontal=True, vertical_alignment="center"):
            listed = ", ".join(one["description"] for one in values)
            st.markdown(f"Generation {generation} · {_moment(values[0]['at'])} took away {listed}.")
            with st.popover("Remove for good"):
                st.write(f"Going back over generation {generation} will not bring them back any more.")
                st.button("Remove them for good", key=f"purge.{generation}", on_click=_purge, args=(generation,))


def _purge(generation: int) -> None:
    try:
        gone = open_desk().client.purge(generation)
    except Problem as problem:
        st.session_state[FAILED] = (f"{problem.title}. {problem.message}", problem.issues)
        return
    st.session_state[DONE] = ("Removed for good: " + ", ".join(one["description"] for one in gone) + ".", [])


main()
