"""Changes: what the draft would do, and the button that does it."""

from __future__ import annotations

import difflib
from typing import Any

import streamlit as st

from studio import show
from studio.client import Problem
from studio.desk import Desk, current_desk, open_desk
from studio.draft import Draft

DONE = "changes.done"
FAILED = "changes.failed"


def main() -> None:
    """Show the page."""
    desk = current_desk()
    lead = "What your draft would do to the site. Nothing has happened yet." if desk.draft else ""
    show.head("list-check", "Changes", lead)
    _outcome(desk)
    if not desk.draft and not desk.waiting:
        show.empty("Your draft is empty. Change an entity, or add one, and come back.")
        return
    _moved(desk)
    if desk.waiting:
        st.info("These files were changed outside the studio and wait to be applied: " + ", ".join(desk.waiting) + ".")
    with st.spinner("Working out the plan …"):
        plan = _plan(desk)
    if plan is not None:
        _shown(desk, plan)
        _decide(desk, plan)
    _files(desk, plan)


def _outcome(desk: Desk) -> None:
    """Show how the last apply went."""
    if done := st.session_state.pop(DONE, None):
        answer, entities = done
        st.success(f"Done. Generation {answer['generation']} is in force.")
        show.findings([Problem(200, {"issues": [found]}).issues[0] for found in answer.get("issues", ())])
        for name in entities:
            entity = desk.model.entities.get(name)
            if entity is not None and name in desk.applied:
                with st.container(horizontal=True, vertical_alignment="center"):
                    st.markdown(f"**{entity.plural}** in the workspace:")
                    st.link_button("Open the list", f"/e/{name}")
                    st.link_button("Open the form", f"/e/{name}/new")
    if failed := st.session_state.pop(FAILED, None):
        message, issues = failed
        st.error(message)
        show.findings(issues)


def _moved(desk: Desk) -> None:
    """Say when somebody else changed a file of the draft in the meantime."""
    moved = desk.draft.moved(desk.disk)
    if moved:
        st.warning(
            "Somebody else changed these files after you began: "
            + ", ".join(moved)
            + ". Look at the differences below: applying would replace what they wrote."
        )
        left, right = st.columns(2)
        left.button("Keep mine: I have seen the differences", on_click=_rebase, width="stretch")
        right.button("Take theirs: drop my changes of these files", on_click=_drop, args=(moved,), width="stretch")


def _rebase() -> None:
    desk = open_desk()
    desk.put(desk.draft.based_on(desk.disk))


def _drop(files: tuple[str, ...]) -> None:
    desk = open_desk()
    kept = {name: change for name, change in desk.draft.files.items() if name not in files}
    desk.put(Draft(kept, (*desk.draft.past, desk.draft.files)))


def _plan(desk: Desk) -> dict[str, Any] | None:
    try:
        return desk.client.plan(desk.draft.texts)
    except Problem as problem:
        st.error(f"{problem.title}. {problem.message}")
        show.findings(problem.issues)
        return None


def _shown(desk: Desk, plan: dict[str, Any]) -> None:
    issues = Problem(200, plan).issues
    warnings = Problem(200, {"issues": plan.get("warnings", ())}).issues
    if issues or warnings:
        st.subheader("Findings", anchor=False)
        show.findings([*issues, *warnings])
    st.subheader("What will happen to the database", anchor=False)
    if plan["steps"]:
        show.steps(plan["steps"], {step["id"]: _fields(desk, step) for step in plan["steps"]})
    else:
        show.empty("No table changes: only words, views, rules or permissions do.")


def _fields(desk: Desk, step: dict[str, Any]) -> str:
    """Return the fields a new entity will have, in words."""
    entity = desk.model.entities.get(step["entity"])
    if step["kind"] != "create_table" or entity is None:
        return ""
    return "with " + ", ".join(field.title for field in entity.fields.values() if not field.system)


def _decide(desk: Desk, plan: dict[str, Any]) -> None:
    """Ask for consent to what loses data, and offer to apply."""
    agreed = show.consents(plan)
    ready = not show.blocked(plan) and agreed is not None and not desk.draft.moved(desk.disk)
    with st.container(horizontal=True):
        st.button(
            "Apply",
            type="primary",
            disabled=not (ready and desk.may_edit),
            on_click=_apply,
            args=(plan["hash"], agreed or [], _touched(desk, plan)),
        )
        with st.popover("Discard the draft", disabled=not desk.draft):
            st.write("All changes that are not applied will be gone. Undo brings them back.")
            st.button("Discard everything", on_click=_discard)


def _touched(desk: Desk, plan: dict[str, Any]) -> list[str]:
    """Return the entities the draft is about."""
    named = [step["entity"] for step in plan["steps"]]
    files = {*desk.draft.files, *desk.waiting}
    named += [e.name for e in desk.model.entities.values() if e.origin.file in files]
    return list(dict.fromkeys(named))


def _apply(plan_hash: str, consent: list[str], entities: list[str]) -> None:
    try:
        desk = open_desk()
        texts = desk.draft.texts
        answer = show.working(desk.client, "Applying …", lambda: desk.client.apply(texts, plan_hash, consent))
    except Problem as problem:
        words = f"{problem.title}. {problem.message}"
        if problem.code == "conflict":
            words += " This is the plan as it is now."
        st.session_state[FAILED] = (words, problem.issues)
        return
    desk.put(Draft())
    st.session_state[DONE] = (answer, entities)


def _discard() -> None:
    desk = open_desk()
    desk.put(Draft({}, (*desk.draft.past, desk.draft.files)))


def _files(desk: Desk, plan: dict[str, Any] | None) -> None:
    if desk.draft:
        st.subheader("What will change in the files", anchor=False)
    for file, text in ((plan or {}).get("diffs") or _diffs(desk)).items():
        show.diff(file, text)


def _diffs(desk: Desk) -> dict[str, str]:
    """Return the differences when the site could not make a plan."""
    return {
        file: "".join(
            difflib.unified_diff(change.before.splitlines(keepends=True), change.text.splitlines(keepends=True))
        )
        for file, change in desk.draft.files.items()
    }


main()
