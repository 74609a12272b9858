"""The fields nobody writes: those of every record, and the one a workflow keeps its state in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from xrm.errors import Issue
from xrm.metadata.codes import found
from xrm.metadata.model import Choice, Field, Origin, RecordType, Workflow
from xrm.metadata.names import SYSTEM_FIELDS, TYPE_FIELD, title_of

_ORIGIN = Origin("xrm")
_SHAPE_OF = {
    "id": ("uuid", "ID", "public"),
    "version": ("integer", "Version", "public"),
    "created_at": ("datetime", "Created at", "public"),
    "created_by": ("relation", "Created by", "public"),
    "updated_at": ("datetime", "Changed at", "public"),
    "updated_by": ("relation", "Changed by", "public"),
    "deleted_at": ("datetime", "Deleted at", "internal"),
    "deleted_by": ("relation", "Deleted by", "internal"),
    "label": ("text", "Title", "public"),
    "search": ("long_text", "Search text", "secret"),
}


def _field(name: str) -> Field:
    kind, title, field_class = _SHAPE_OF[name]
    to = ("user",) if kind == "relation" else ()
    return Field(
        name,
        kind,
        title,
        field_class=field_class,
        to=to,
        read_only=True,
        system=True,
        origin=_ORIGIN,
    )


FIELDS: Mapping[str, Field] = MappingProxyType({name: _field(name) for name in SYSTEM_FIELDS})
"""The system fields, in the order in which they follow the others."""

_FREE = frozenset({"type", "title", "help", "class", "index", "was", "convert"})


_FREE_OF_TYPES = _FREE | {"default", "backfill"}


def type_field(kinds: Mapping[str, RecordType], written: Field | None, origin: Origin, issues: list[Issue]) -> Field:
    """Return the choice field that says of which type a record is; unless said otherwise the first is the default.

    Args:
        kinds: The types, by name.
        written: What the entity says about the field itself.
        origin: Where the types are written.
        issues: Takes a note of what the field must not say.
    """
    shown = written or Field(TYPE_FIELD, "choice", "Type", origin=origin)
    for option, place in shown.origins.items():
        if "." not in option and (option not in _FREE_OF_TYPES or (option == "type" and shown.type != "choice")):
            message = f"the record types decide about {option!r} of {TYPE_FIELD!r}"
            issues.append(found(place, "type_field", message, "remove it here; the choices are the types"))
    first = next(iter(kinds))
    default = first if shown.default is None else shown.default
    return replace(
        shown,
        type="choice",
        title=shown.title if "title" in shown.origins else "Type",
        required=True,
        index=True,
        default=default,
        backfill=default if shown.backfill is None else shown.backfill,
        choices=tuple(Choice(kind.name, kind.title, was=kind.was) for kind in kinds.values()),
    )


def state_field(workflow: Workflow, written: Field | None, issues: list[Issue]) -> Field:
    """Return the choice field of a workflow: its choices are the states, its default is the initial one.

    Args:
        workflow: Whose field it is.
        written: What the entity says about the field itself; only how it is shown, or its former name.
        issues: Takes a note of everything else it says.
    """
    shown = written or Field(workflow.field, "choice", title_of(workflow.field), origin=workflow.origin)
    for option, place in shown.origins.items():
        if "." not in option and (option not in _FREE or (option == "type" and shown.type != "choice")):
            message = f"the workflow decides about {option!r} of {workflow.field!r}"
            issues.append(found(place, "workflow_field", message, "remove it here; the choices are the states"))
    return Field(
        workflow.field,
        "choice",
        shown.title,
        help=shown.help,
        required=True,
        index=shown.index,
        was=shown.was,
        field_class=shown.field_class,
        default=workflow.initial,
        backfill=workflow.initial,
        convert=shown.convert,
        choices=tuple(Choice(state.name, state.title, state.color, state.was) for state in workflow.states),
        origin=shown.origin,
        origins=shown.origins,
    )
