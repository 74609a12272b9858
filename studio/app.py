"""The studio's frame: who is here, the pages, and the draft at the side. Run by Streamlit on every interaction."""

from __future__ import annotations

from html import escape

import streamlit as st

from studio.client import Problem
from studio.desk import Desk, open_desk
from studio.draft import Draft
from studio.show import LOOK, findings
from xrm.errors import ModelError

PAGES = "screens"


def main() -> None:
    """Show one page of the studio."""
    st.set_page_config("Studio", page_icon=str(LOOK.with_name("icon.svg")), layout="wide")
    st.html(LOOK)
    st.logo(str(LOOK.with_name("logo.svg")), size="large", icon_image=str(LOOK.with_name("icon.svg")))
    try:
        desk = open_desk()
    except Problem as problem:
        _refused(problem)
        return
    except ModelError as error:
        st.error(f"The files of this site cannot be read: {error.message}.")
        findings(error.issues)
        return
    st.session_state["desk"] = desk
    page = st.navigation(_pages(desk))
    with st.sidebar:
        _side(desk)
    page.run()


def _pages(desk: Desk) -> list[st.Page]:
    count = len(desk.draft.files)
    return [
        st.Page(f"{PAGES}/overview.py", title="Overview", default=True),
        st.Page(f"{PAGES}/entity.py", title="Entity designer", url_path="entity"),
        st.Page(f"{PAGES}/changes.py", title=f"Changes ({count})" if count else "Changes", url_path="changes"),
        st.Page(f"{PAGES}/roles.py", title="Roles", url_path="roles"),
        st.Page(f"{PAGES}/history.py", title="History", url_path="history"),
        st.Page(f"{PAGES}/new.py", title="New entity", url_path="new", visibility="hidden"),
    ]


def _side(desk: Desk) -> None:
    if desk.draft:
        count = len(desk.draft.files)
        st.html(
            f'<span class="xs-badge xs-warn">{count} changed {"file" if count == 1 else "files"}, not applied</span>'
        )
        errors = sum(issue.severity == "error" for issue in desk.findings)
        if errors:
            st.html(f'<span class="xs-badge xs-bad">{errors} {"finding" if errors == 1 else "findings"} to mend</span>')
        st.page_link(f"{PAGES}/changes.py", label="Review and apply", width="stretch")
    if desk.draft.past:
        st.button("Undo the last edit", on_click=_undo, width="stretch")
    arrow = '<i class="bi bi-arrow-left" aria-hidden="true"></i>'
    st.html(f'<a class="xs-back" href="/" target="_self">{arrow}Back to the workspace</a>')
    st.html(f'<div class="xs-person">Signed in as {escape(desk.person["name"])}</div>')


def _undo() -> None:
    desk = open_desk()
    desk.put(desk.draft.undone() if desk.draft.past else Draft())


def _refused(problem: Problem) -> None:
    """Say why the studio cannot be shown."""
    if problem.status == 401:
        st.warning("Your session has ended. Your draft is kept.")
        st.link_button("Sign in again", "/sign-in?next=/studio/", type="primary")
    else:
        st.error(f"{problem.title}. {problem.message}")
        st.button("Try again", type="primary")


main()
