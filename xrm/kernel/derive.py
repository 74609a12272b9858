"""What the kernel fills in by itself: defaults, formulas, labels and search text."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from xrm.kernel.change import Actor
from xrm.kernel.expression import Expression
from xrm.kernel.values import TYPES, Compound, Money, Parsing, Ref, Refused, one_line, parse, to_json
from xrm.kernel.words import kept_words
from xrm.metadata.model import Entity, Field

MAX_LABEL = 300  # characters

Read = Callable[[tuple[str, ...]], Any]


def reader(values: Mapping[str, Any], actor: Actor) -> Read:
    """Return the function by which an expression reads one record's Python values and ``user.*``."""

    def read(path: tuple[str, ...]) -> Any:
        if path[0] == "user" and "user" not in values:
            return _user(actor, path[1])
        value = values.get(path[0])
        if isinstance(value, tuple) and isinstance(value, Compound):
            return getattr(value, path[1], None) if len(path) == 2 else value.leading
        return value

    return read


def as_read(entity: Entity, record: Mapping[str, Any], parsing: Parsing) -> dict[str, Any]:
    """Return the values of a record's JSON form as expressions read them; what cannot be read counts as no value."""
    found: dict[str, Any] = {}
    for field in entity.fields.values():
        try:
            found[field.name] = parse(field, record.get(field.name), parsing)
        except Refused:
            found[field.name] = None
    return found


def _user(actor: Actor, name: str) -> Any:
    return {"id": actor.id, "name": actor.name}.get(name) or actor.user.get(name)


def default(field: Field, actor: Actor, now: datetime, parsing: Parsing) -> Any:
    """Return the Python value a new record starts with in `field`, or None."""
    named = {"$user.id": actor.id, "$user.unit": actor.user.get("unit"), "$today": now.date(), "$now": now}
    if isinstance(field.default, str) and field.default in named:
        return named[field.default]
    return parse(field, field.default, parsing)


def presets(entity: Entity, given: Mapping[str, Any], actor: Actor, now: datetime, parsing: Parsing) -> dict[str, Any]:
    """Return the Python values of what the policy gives a new record, by field."""
    fields = ((entity.fields[name], value) for name, value in given.items())
    return {field.name: default(replace(field, default=value), actor, now, parsing) for field, value in fields}


def fit(field: Field, value: Any, values: Mapping[str, Any], parsing: Parsing) -> Any:
    """Return an expression's result as a value of `field`: rounded half up to its scale, money with a currency."""
    if value is None or field.type not in ("decimal", "percent", "money"):
        return value
    try:
        number = Decimal(value).quantize(Decimal(1).scaleb(-field.scale), ROUND_HALF_UP)
    except InvalidOperation:
        return None
    if field.type != "money":
        return number
    return Money(number, next((v.currency for v in values.values() if isinstance(v, Money)), parsing.currency))


def formulas(
    entity: Entity,
    compiled: Mapping[str, Expression],
    values: dict[str, Any],
    actor: Actor,
    now: datetime,
    parsing: Parsing,
) -> None:
    """Compute the formula fields of a record in place; `compiled` is in order of dependence."""
    for name, expression in compiled.items():
        values[name] = fit(entity.fields[name], expression.evaluate(reader(values, actor), now), values, parsing)


def label(entity: Entity, values: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    """Return the record's name for people; `labels` holds those of the records it points to, by field."""
    parts: list[str] = []
    for text, names, _, _ in string.Formatter().parse(entity.label):
        parts.append(text)
        if names:
            parts.append(next((t for n in names.split("|") if (t := _shown(entity, values, labels, n))), ""))
    return re.sub(r"\s+", " ", "".join(parts)).strip(" ,;–-")[:MAX_LABEL] or str(values.get("id", ""))


def _shown(entity: Entity, values: Mapping[str, Any], labels: Mapping[str, str], name: str) -> str:
    value = values.get(name)
    field = entity.fields.get(name)
    if value is None or field is None:
        return ""
    if field.type == "choice":
        return next((c.title for c in field.choices if c.name == value), str(value))
    if isinstance(value, (UUID, Ref)) and field.type == "relation":
        return labels.get(name, "")
    if isinstance(value, tuple):
        return _words(field, value)
    return value.isoformat() if isinstance(value, date) else str(value)


def _words(field: Field, value: Any) -> str:
    """Return a value as plain text: a compound on one line, the members of a set one after the other."""
    if not isinstance(value, tuple):
        return str(value)
    return one_line(field, to_json(value)) if isinstance(value, Compound) else " ".join(map(str, value))


def search_text(entity: Entity, values: Mapping[str, Any]) -> str | None:
    """Return the words a record is found by."""
    known = ((entity.fields[name], values[name]) for name in entity.search if values.get(name) is not None)
    return kept_words((field.name, sought_text(field, value)) for field, value in known)


def sought_text(field: Field, value: Any) -> str:
    """Return the text in which a value is looked for."""
    sought = TYPES[field.type].sought
    return sought(value) if sought else _words(field, value)
