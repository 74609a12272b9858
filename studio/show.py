"""Show: the small pieces all pages are made of, as HTML with every text escaped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from html import escape
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import streamlit as st

from studio.client import Client, Problem
from studio.desk import TROUBLE, Desk
from studio.parts.order import Badge
from xrm.errors import Issue

T = TypeVar("T")
POLL = 0.5  # seconds between two looks at how far the site is
LOOK = Path(__file__).with_name("look.css")
_STEP_WORDS = {"safe": ("safe", "good"), "slow": ("touches records", "warn"), "destructive": ("loses data", "bad")}


def badge(text: str, kind: str = "plain") -> str:
    """Return a badge as HTML."""
    return f'<span class="xs-badge xs-{kind}">{escape(text)}</span>'


def head(icon: str, title: str, lead: str = "", badges: Iterable[Badge] = ()) -> None:
    """Show the head of a page."""
    shown = "".join(badge(b.text, b.kind) for b in badges)
    mark = f'<span class="xs-big" aria-hidden="true"><i class="bi bi-{escape(icon)}"></i></span>'
    text = f'<p class="xs-lead">{escape(lead)}</p>' if lead else ""
    st.html(f'<div class="xs-head">{mark}<h1>{escape(title)}</h1>{shown}</div>{text}')


def empty(text: str) -> None:
    """Show that there is nothing yet, and what to do about it."""
    st.html(f'<div class="xs-empty">{escape(text)}</div>')


def trouble() -> None:
    """Show what the last edit was refused for, once."""
    found = st.session_state.pop(TROUBLE, None)
    if found is not None:
        message, issues = found
        st.error(message)
        findings([issue for issue in issues if issue.message != message])


def findings(issues: Sequence[Issue]) -> None:
    """Show findings with the place of each."""
    if issues:
        st.html("".join(_finding(issue) for issue in issues))


def _finding(issue: Issue) -> str:
    where = f'<span class="xs-where">{escape(issue.path)}</span>' if issue.path else ""
    hint = f' <span class="xs-hint">{escape(issue.hint)}</span>' if issue.hint else ""
    kind = " is-warning" if issue.severity == "warning" else ""
    return f'<div class="xs-finding{kind}">{where}{escape(_sentence(issue.message))}{hint}</div>'


def _sentence(text: str) -> str:
    ended = text if text.endswith((".", "!", "?")) else f"{text}."
    return ended[:1].upper() + ended[1:]


def steps(found: Sequence[dict[str, Any]], more: Mapping[str, str] = MappingProxyType({})) -> None:
    """Show the steps of a plan with their impact.

    Args:
        found: The steps, as the site tells them.
        more: What else is to be said, by the id of a step.
    """
    st.html(f'<ul class="xs-steps">{"".join(_step(step, more.get(step.get("id", ""), "")) for step in found)}</ul>')


def _step(step: dict[str, Any], more: str) -> str:
    words, kind = _STEP_WORDS.get(step["severity"], (step["severity"], "plain"))
    lines = [more, f"such as {', '.join(step['samples'])}" if step.get("samples") else ""]
    below = "".join(f'<br><span class="xs-sub">{escape(line)}</span>' for line in lines if line)
    impact = _impact(step)
    number = f'<span class="xs-number">{escape(impact)}</span>' if impact else ""
    what = f'<span class="xs-what">{escape(step["description"])}{below}</span>'
    return f'<li class="xs-step is-{escape(step["severity"])}">{what}{number}{badge(words, kind)}</li>'


def working(client: Client, words: str, work: Callable[[], T]) -> T:
    """Return what `work` returns; meanwhile show how far the site is with the change."""
    bar = st.progress(0.0, words)
    with ThreadPoolExecutor(1) as thread:
        task = thread.submit(work)
        while not wait([task], POLL).done:
            bar.progress(*how_far(client, words))
    bar.empty()
    return task.result()


def how_far(client: Client, words: str) -> tuple[float, str]:
    """Return how much of a change is done, from 0 to 1, and that in words."""
    try:
        now = client.progress().get("applying") or {}
    except Problem:
        return 0.0, words
    part = now["rows"] / now["of"] if now.get("of") else 0.0
    shown = f": {now['rows']:,} of {now['of']:,} records" if now.get("of") else ""
    if not now.get("steps"):
        return 0.0, words
    done = min(1.0, (now["step"] - 1 + part) / now["steps"])
    return done, f"{words} Step {now['step']} of {now['steps']}{shown}"


def consents(plan: Mapping[str, Any]) -> list[str] | None:
    """Ask for consent to each step that takes values away; return the steps' ids, or None while one is lacking."""
    destructive = [step for step in plan["steps"] if step["severity"] == "destructive"]
    agreed = [
        step["id"] for step in destructive if st.checkbox(_consent(step), key=f"consent.{plan['hash']}.{step['id']}")
    ]
    if len(agreed) == len(destructive):
        return agreed
    st.caption("This needs your consent to each step that takes values away.")
    return None


def blocked(plan: Mapping[str, Any]) -> bool:
    """Whether a plan has a finding that refuses it."""
    return any(issue.get("severity", "error") == "error" for issue in plan["issues"])


def _consent(step: dict[str, Any]) -> str:
    what = "record" if step["kind"] == "drop_table" else "value"
    number = step["affected"] if step.get("lost") is None else step["lost"]
    lost = f"no {what} leaves" if not number else f"1 {what} leaves" if number == 1 else f"{number:,} {what}s leave"
    return f"{step['description']} I agree that {lost} the records; the history keeps them until they are purged."


def _impact(step: dict[str, Any]) -> str:
    if step.get("affected"):
        return f"{step['affected']:,} of {step.get('rows') or 0:,} records"
    return f"{step['rows']:,} records" if step.get("rows") else ""


def diff(file: str, text: str) -> None:
    """Show the difference of a file, folded when it is long."""
    lines = [line for line in text.splitlines() if not line.startswith(("---", "+++"))]
    kinds = {"+": "is-plus", "-": "is-minus", "@": "is-at"}
    body = "".join(f'<div class="{kinds.get(line[:1], "")}">{escape(line) or " "}</div>' for line in lines)
    opened = " open" if len(lines) < 60 else ""
    st.html(f'<details class="xs-diff"{opened}><summary>{escape(file)}</summary>{body}</details>')


def only_reading(desk: Desk) -> None:
    """Say so when the visitor may not change the model."""
    if not desk.may_edit:
        st.info("You can look at the model; changing it needs the capability model.edit.")
