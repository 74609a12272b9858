"""Names: what may be one, what one looks like to people, and which one was meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

RESERVED_ENTITIES = frozenset(
    {"session", "me", "accounts", "keys", "model", "search", "changes", "cti", "why", "jobs", "privacy"}
)
"""First steps of fixed addresses below /api/."""

RESERVED_PREFIXES = ("xrm_", "sqlite_", "pg_")
"""Tables of the kernel and of the databases."""

RESERVED_FIELDS = frozenset({"true", "false", "null", "in"})
"""Words of the expression language."""

SYSTEM_FIELDS = (
    "id",
    "version",
    "created_at",
    "created_by",
    "updated_at",
    "updated_by",
    "deleted_at",
    "deleted_by",
    "label",
    "search",
)
"""Fields every record has, kept by the kernel."""


TYPE_FIELD = "record_type"
"""The choice field that says of which type a record is, where an entity has record types."""


def title_of(name: str) -> str:
    """Return the title a name has when none is written: ``close_date`` → ``Close date``."""
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def plural_of(title: str) -> str:
    """Return the English plural of a title: ``Party`` → ``Parties``."""
    lower = title.lower()
    if lower.endswith("y") and lower[-2:-1] not in tuple("aeiou"):
        return f"{title[:-1]}ies"
    if lower.endswith(("s", "x", "z", "ch", "sh")):
        return f"{title}es"
    return f"{title}s"


_SYNONYMS = {
    "int": "integer",
    "number": "decimal",
    "float": "decimal",
    "string": "text",
    "str": "text",
    "char": "text",
    "bool": "boolean",
    "checkbox": "boolean",
    "select": "choice",
    "enum": "choice",
    "ref": "relation",
    "reference": "relation",
    "link": "relation",
    "lookup": "relation",
    "timestamp": "datetime",
    "currency": "money",
    "textarea": "long_text",
    "multi_choice": "choices",
    "max_length": "max",
    "maximum": "max",
    "minimum": "min",
    "options": "choices",
    "values": "choices",
    "mandatory": "required",
    "readonly": "read_only",
    "target": "to",
    "label": "title",
    "name": "title",
    "description": "help",
    "regex": "pattern",
    "renamed_from": "was",
    "deleted": "removed",
    "traits": "uses",
    "entities": "entity",
    "states": "workflow",
}
"""What others call it → what we call it."""


def did_you_mean(name: object, candidates: Iterable[str]) -> str:
    """Return ``did you mean 'x'?`` for the nearest candidate, or an empty text."""
    known, written = list(candidates), str(name)
    meant = _SYNONYMS.get(written.lower(), "")
    if meant not in known:
        near = difflib.get_close_matches(written, known, 1, 0.6) if 2 < len(written) < 100 else []
        meant = near[0] if near else ""
    return f"did you mean {meant!r}?" if meant else ""
