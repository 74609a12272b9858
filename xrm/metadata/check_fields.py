"""Checks of single fields: options that fit the type, defaults that fit the options, names that are free."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from xrm.metadata.findings import ExpressionUse, Findings, field_place
from xrm.metadata.model import Entity, Field, Origin
from xrm.metadata.names import RESERVED_FIELDS
from xrm.metadata.pattern import MAX_PATTERN, is_pattern
from xrm.metadata.values import DECIMALS, INTEGERS, TEXTS, misfit, moment_of, number_of

_EVERY = frozenset(
    {
        "type",
        "title",
        "help",
        "required",
        "unique",
        "index",
        "read_only",
        "class",
        "default",
        "backfill",
        "formula",
        "was",
        "removed",
    }
)
_RANGE = frozenset({"min", "max"})
_TEXT = frozenset({"max", "pattern"})
_NUMBER = _RANGE | {"precision", "scale"}
OPTIONS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "text": _TEXT,
        "long_text": _TEXT,
        "email": _TEXT,
        "phone": _TEXT,
        "url": _TEXT,
        "integer": _RANGE,
        "duration": _RANGE,
        "decimal": _NUMBER,
        "money": _NUMBER,
        "percent": _NUMBER,
        "date": _RANGE,
        "time": _RANGE,
        "datetime": _RANGE,
        "choice": frozenset({"choices"}),
        "choices": frozenset({"choices"}),
        "relation": frozenset({"to", "on_delete", "inverse"}),
        "auto_number": frozenset({"number"}),
        "boolean": frozenset(),
        "tags": frozenset(),
        "json": frozenset(),
        "uuid": frozenset(),
    }
)
"""Field type → options that only some types have."""

NOT_INDEXABLE = frozenset({"json", "tags", "choices", "long_text"})
_NEEDED = MappingProxyType({"relation": "to", "choice": "choices", "choices": "choices", "auto_number": "number"})
_NO_FORMULA = frozenset({"relation", "auto_number", "json", "tags", "choices"})
_ZEROS = re.compile(r"[^{}]*\{0{1,18}\}[^{}]*\Z")
_SECOND_COLUMN = MappingProxyType({"money": "currency", "relation": "entity"})


def check_fields(findings: Findings, entity: Entity) -> None:
    """Check every field a person wrote, and that no two need the same column."""
    own = [field for field in entity.fields.values() if not field.system]
    for field in own:
        _name(findings, entity, field)
        if not field.type:
            if findings.sure(entity.name):
                findings.add(
                    field_place(entity, field), "missing_type", f"the field {field.name!r} has no type", "add type: …"
                )
        elif (
            not field.removed
            and field.type in OPTIONS
            and not (entity.workflow and entity.workflow.field == field.name)
        ):
            _field(findings, entity, field)  # what the workflow made is checked with it
    _columns(findings, entity, own)
    _former(findings, entity, own)


def _name(findings: Findings, entity: Entity, field: Field) -> None:
    place = field_place(entity, field)
    if field.name in RESERVED_FIELDS:
        findings.add(
            place, "reserved_name", f"{field.name!r} is a word of the expression language", "choose another name"
        )
    if field.name == "user":
        findings.add(place, "shadowed_name", "in expressions, 'user' is the person who acts", "choose another name")


def _field(findings: Findings, entity: Entity, field: Field) -> None:
    _options(findings, entity, field)
    _limits(findings, entity, field)
    _conflicts(findings, entity, field)
    _pattern(findings, entity, field)
    if field.type == "relation":
        _targets(findings, entity, field)
    _values(findings, entity, field)
    if field.formula:
        use = ExpressionUse(entity.name, field.formula, "formula", field.type, field.name)
        findings.expression(use, field_place(entity, field, "formula"))


def _options(findings: Findings, entity: Entity, field: Field) -> None:
    allowed = OPTIONS[field.type]
    for option in field.origins:
        if option not in _EVERY and "." not in option and option not in allowed:
            hint = f"options of {field.type}: {', '.join(sorted(allowed))}" if allowed else ""
            message = f"a field of type {field.type} has no option {option!r}"
            findings.add(field_place(entity, field, option), "option_not_for_type", message, hint)
    needed = _NEEDED.get(field.type)
    if needed and not getattr(field, needed):
        message = f"the field {field.name!r} of type {field.type} needs {needed!r}"
        findings.add(field_place(entity, field), "missing_option", message, f"add {needed}: …")
    if field.type == "auto_number" and field.number and not _ZEROS.match(field.number):
        findings.add(
            field_place(entity, field, "number"),
            "bad_option",
            "the pattern needs one group of zeros",
            'such as "T-{00000}"',
        )


def _conflicts(findings: Findings, entity: Entity, field: Field) -> None:
    for place, message in _contradictions(field):
        findings.add(field_place(entity, field, place), "option_conflict", message)


def _contradictions(field: Field) -> Iterator[tuple[str, str]]:
    if field.formula:
        if field.type in _NO_FORMULA:
            yield "formula", f"a field of type {field.type} cannot be computed"
        for option in ("required", "default", "backfill"):
            value = getattr(field, option)
            if value is not None and value is not False:
                yield option, f"a computed field cannot have {option!r}"
    if field.required and field.on_delete == "clear":
        yield "on_delete", "a required relation cannot be cleared: use restrict or cascade"
    if field.scale > field.precision and field.type in DECIMALS:
        yield "scale", f"scale {field.scale} is more than precision {field.precision}"
    if field.was == field.name:
        yield "was", "the former name is the name itself"


def _limits(findings: Findings, entity: Entity, field: Field) -> None:
    if field.min is None and field.max is None:
        return
    if field.type in TEXTS:
        if field.max is not None and (not isinstance(field.max, int) or field.max < 1):
            message = "max of a text is its greatest length: a whole number from 1"
            findings.add(field_place(entity, field, "max"), "bad_option", message)
        return
    if "min" not in OPTIONS[field.type]:
        return  # noted as an option the type does not have
    least, most = _limit(findings, entity, field, "min"), _limit(findings, entity, field, "max")
    if least is not None and most is not None and not least <= most:
        findings.add(field_place(entity, field, "max"), "bad_option", f"max {field.max} is less than min {field.min}")


def _limit(findings: Findings, entity: Entity, field: Field, option: str) -> Any:
    """Return a limit as a number or moment; note it when it is none. Moments are compared without their zone."""
    value = getattr(field, option)
    if value is None:
        return None
    numeric = field.type in INTEGERS or field.type in DECIMALS
    limit: Any = number_of(value) if numeric else moment_of(field.type, value)
    if limit is None or (numeric and isinstance(value, str) and field.type in INTEGERS):
        message = f"{option}: {value!r} is not a {'number' if numeric else field.type}"
        findings.add(field_place(entity, field, option), "bad_option", message)
        return None
    return limit if numeric or field.type == "date" else limit.replace(tzinfo=None)


def _values(findings: Findings, entity: Entity, field: Field) -> None:
    for option in ("default", "backfill"):
        value = getattr(field, option)
        problem = misfit(field, value) if value is not None else ""
        if problem:
            findings.add(field_place(entity, field, option), "bad_default", f"{option}: {problem}")


def _pattern(findings: Findings, entity: Entity, field: Field) -> None:
    if not field.pattern:
        return
    place = field_place(entity, field, "pattern")
    if len(field.pattern) > MAX_PATTERN:
        findings.add(place, "bad_pattern", f"the pattern is longer than {MAX_PATTERN} characters")
    elif not is_pattern(field.pattern):
        hint = "look-around and back-references are not known" if "(?" in field.pattern or "\\" in field.pattern else ""
        findings.add(place, "bad_pattern", "the pattern is not a regular expression that can be used", hint)


def _targets(findings: Findings, entity: Entity, field: Field) -> None:
    if "*" in field.to and len(field.to) > 1:
        other = next((number for number, target in enumerate(field.to) if target != "*"), 0)
        findings.add(
            field_place(entity, field, f"to.{other}"), "option_conflict", '"*" stands alone: it means every entity'
        )
    for index, target in enumerate(field.to):
        if target != "*":
            findings.entity(target, field_place(entity, field, f"to.{index}"))
    if field.on_delete == "cascade" and field.to == ("*",):
        message = "a relation to any entity cannot cascade"
        findings.add(field_place(entity, field, "on_delete"), "option_conflict", message, "use restrict or clear")


def _columns(findings: Findings, entity: Entity, fields: list[Field]) -> None:
    """Money keeps its currency, and a relation to several entities the entity, in a second column."""
    for field in fields:
        if field.type == "money" or field.polymorphic:
            second = f"{field.name}_{_SECOND_COLUMN[field.type]}"
            other = entity.fields.get(second)
            if other is not None:
                message = f"{second!r} is kept by the {field.type} field {field.name!r} already"
                findings.add(field_place(entity, other), "name_clash", message, "choose another name")


def _former(findings: Findings, entity: Entity, fields: list[Field]) -> None:
    claimed: dict[str, Origin | str] = {}
    for field in (field for field in fields if field.was and field.was != field.name):
        place = field_place(entity, field, "was")
        if field.was in entity.fields:
            findings.add(place, "was_conflict", f"the former name {field.was!r} is the name of another field now")
        elif field.was in claimed:
            findings.add(place, "was_conflict", f"{field.was!r} was claimed already at {claimed[field.was]}")
        claimed.setdefault(field.was, place)
