"""What the type of a record means for a write: which entity it is checked as, and what its records do not have."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from xrm.errors import Issue
from xrm.kernel.change import Change
from xrm.kernel.live import LiveEntity
from xrm.metadata.model import Entity, Field
from xrm.metadata.names import TYPE_FIELD


def settle(prepared: LiveEntity, change: Change, issues: Iterable[Issue]) -> LiveEntity:
    """Return what holds for the record of a write; a new record gets its type, one of another type a state it has."""
    if not prepared.types or any(issue.path == TYPE_FIELD for issue in issues):
        return prepared
    if change.kind == "create" and change.after.get(TYPE_FIELD) is None:
        change.after[TYPE_FIELD] = prepared.entity.fields[TYPE_FIELD].default
    typed = prepared.of(change.after)
    workflow = typed.entity.workflow
    if workflow is None or not change.before or not change.changes(TYPE_FIELD):
        return typed
    if not change.changes(workflow.field) and workflow.state(change.after.get(workflow.field) or "") is None:
        change.after[workflow.field] = workflow.initial
    return typed


def check(typed: LiveEntity, change: Change, sent: Iterable[str], issues: list[Issue]) -> None:
    """Add an Issue per field that was sent although records of this type do not have it, and per choice not left."""
    kind = change.entity.record_types.get(change.after.get(TYPE_FIELD) or "")
    if kind is None:
        return
    told = {issue.path.partition(".")[0] for issue in issues}
    for name in sent:
        if name in typed.hidden and name not in told and change.after.get(name) is not None:
            title = change.entity.fields[name].title
            hint = "send null, or nothing" if not change.before else "send null to empty it"
            issues.append(Issue(name, "not_of_type", f"A record of type {kind.title} has no {title}.", hint))
    for name in kind.choices.keys() - told:
        if change.changes(name) or change.changes(TYPE_FIELD):
            _choice(typed.entity, change, name, kind.title, issues)


def _choice(entity: Entity, change: Change, name: str, kind: str, issues: list[Issue]) -> None:
    field = entity.fields[name]
    left = [choice.name for choice in field.choices]
    wrong = [value for value in _values(change.after.get(name)) if value not in left]
    if wrong:
        hint = "one of " + ", ".join(left[:20])
        issues.append(Issue(name, "choice_not_of_type", f"{_title(change, field, wrong[0])} is not for {kind}.", hint))


def _values(value: Any) -> tuple[str, ...]:
    return () if value is None else (value,) if isinstance(value, str) else tuple(value)


def _title(change: Change, field: Field, name: str) -> str:
    return next((c.title for c in change.entity.fields[field.name].choices if c.name == name), name)
