"""Checks of single fields: options that fit the type, defaults that fit the options, names that are free."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from xrm.metadata.check_carrying import check_carrying
from xrm.metadata.computed import listed
from xrm.metadata.findings import ExpressionUse, Findings, field_place
from xrm.metadata.json_schema import schema_fault
from xrm.metadata.model import Entity, Field, Origin
from xrm.metadata.names import RESERVED_FIELDS, did_you_mean
from xrm.metadata.pattern import MAX_PATTERN, is_pattern
from xrm.metadata.types import EVERY, RULES, parts_of, rules_of
from xrm.metadata.values import misfit, moment_of, number_of

_ZEROS = re.compile(r"0{1,18}")
MAX_NUMBER = 10**18
MAX_STARS = 20
MAX_COLUMNS = 1_000  # PostgreSQL keeps 1,600, counting those that were dropped; SQLite 2,000
_DATED = ("YYYY", "YY", "MM")


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
            not field.removed and field.type in RULES and not (entity.workflow and entity.workflow.field == field.name)
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
    if field.type in ("relation", "links") and not field.kind:
        _targets(findings, entity, field)
    _values(findings, entity, field)
    _dependence(findings, entity, field)
    if field.json_schema and (fault := schema_fault(field.json_schema)):
        findings.add(field_place(entity, field, "schema"), "bad_schema", f"the schema cannot be used: {fault}")
    if field.formula:
        use = ExpressionUse(entity.name, field.formula, "formula", field.type, field.name)
        findings.expression(use, field_place(entity, field, "formula"))
    if field.where and (source := listed(findings.model, entity, field)) is not None:
        findings.expression(ExpressionUse(source.child.name, field.where, "where"), field_place(entity, field, "where"))
    if filling := field.backfill_expression:
        use = ExpressionUse(entity.name, filling, "backfill", field.type, field.name)
        findings.expression(use, field_place(entity, field, "backfill.expression"))
    check_carrying(findings, entity, field)


def _options(findings: Findings, entity: Entity, field: Field) -> None:
    name = field.kind if field.kind in ("lookup", "rollup") else field.written or field.type
    rules = RULES.get(name) or rules_of(field)
    allowed = rules.options
    for option in field.origins:
        known = option in allowed or (option in EVERY and option not in rules.unavailable)
        if "." not in option and not known:
            hint = f"options of {name}: {', '.join(sorted(allowed))}" if allowed else ""
            typed, set_here = field.origins.get("type"), field.origins[option]
            other = typed is not None and typed.layer != set_here.layer
            by = f" (the type is set by {typed.layer!r} at {typed})" if typed is not None and other else ""
            message = f"a field of type {name} has no option {option!r}{by}"
            findings.add(field_place(entity, field, option), "option_not_for_type", message, hint)
    needed = rules.needs
    if needed and not getattr(field, needed):
        message = f"the field {field.name!r} of type {name} needs {needed!r}"
        findings.add(field_place(entity, field), "missing_option", message, f"add {needed}: …")
    if not field.kind and field.type == "auto_number" and field.number:
        _number(findings, entity, field)


def _number(findings: Findings, entity: Entity, field: Field) -> None:
    """Check the pattern of an auto-number, and that a number of one period is none of another."""
    groups = re.findall(r"\{([^{}]*)\}", field.number)
    zeros = [group for group in groups if _ZEROS.fullmatch(group)]
    place = field_place(entity, field, "number")
    strange = [group for group in groups if group not in zeros and group not in _DATED]
    if strange or set("{}") & set(re.sub(r"\{[^{}]*\}", "", field.number)):
        message = f"the pattern has {'{' + strange[0] + '}' if strange else 'a brace without its partner'}"
        findings.add(place, "bad_option", message, "{00000} is the number, {YYYY}, {YY} and {MM} are year and month")
    elif len(zeros) != 1:
        findings.add(place, "bad_option", "the pattern needs one group of zeros", 'such as "T-{00000}"')
    needed = {"year": ("{YYYY}",), "month": ("{YYYY}", "{MM}")}.get(field.reset, ())
    lacking = [part for part in needed if part not in field.number and part.replace("YYYY", "YY") not in field.number]
    if lacking and not strange:
        parts = " and ".join(lacking)
        message = f"numbers begin again every {field.reset}: the pattern must tell them apart by {parts}"
        findings.add(place, "bad_option", message, 'such as "T-{YYYY}-{MM}-{0000}"')


def _dependence(findings: Findings, entity: Entity, field: Field) -> None:
    """Check that a dependent choice depends on a choice, and that its choices name values of it."""
    place = field_place(entity, field, "depends_on")
    if not field.depends_on:
        if any(choice.when for choice in field.choices):
            message = "when needs depends_on, the field whose value is meant"
            findings.add(field_place(entity, field, "choices"), "option_conflict", message)
        return
    parent = findings.field(entity, field.depends_on, place)
    if parent is None:
        return
    if parent.type != "choice" or parent.name == field.name:
        findings.add(place, "option_conflict", f"{parent.name!r} is not another field of type choice")
        return
    known = [choice.name for choice in parent.choices]
    for choice in field.choices:
        for number, name in enumerate(choice.when):
            if name not in known:
                path = f"choices.{choice.name}.when.{number}"
                hint = did_you_mean(name, known) or ", ".join(known[:20])
                findings.add(
                    field_place(entity, field, path), "bad_option", f"{name!r} is no choice of {parent.name}", hint
                )


def _conflicts(findings: Findings, entity: Entity, field: Field) -> None:
    for place, message in (*_contradictions(field), *_rates(field)):
        findings.add(field_place(entity, field, place), "option_conflict", message)
    if field.rate_date:
        at = field_place(entity, field, "rate_date")
        day = findings.field(entity, field.rate_date, at)
        if day is not None and day.type not in ("date", "datetime"):
            findings.add(at, "wrong_field", f"{field.rate_date!r} is of type {day.type}: a rate has the day of a date")


def _rates(field: Field) -> Iterator[tuple[str, str]]:
    if field.base and field.formula:
        yield "base", "a computed amount is not kept in the site's currency: give that to what it is computed of"
    if field.rate_date and not field.base:
        yield "rate_date", "the day of a rate says nothing without 'base: true'"


def _contradictions(field: Field) -> Iterator[tuple[str, str]]:
    if field.formula:
        if not rules_of(field).computed:
            yield "formula", f"a field of type {field.type} cannot be computed"
        for option in ("required", "default", "backfill"):
            value = getattr(field, option)
            if value is not None and value is not False:
                yield option, f"a computed field cannot have {option!r}"
    for option in ("unique", "index"):
        if field.virtual and getattr(field, option):
            yield option, f"a field that is computed when it is read cannot have {option!r}"
    for option in ("stored", "as"):
        if not field.kind and option in field.origins:
            yield option, f"only a computed field can have {option!r}"
    if field.required and field.on_delete == "clear":
        yield "on_delete", "a required relation cannot be cleared: use restrict or cascade"
    if field.scale > field.precision and rules_of(field).family == "decimal":
        yield "scale", f"scale {field.scale} is more than precision {field.precision}"
    if field.was == field.name:
        yield "was", "the former name is the name itself"


def _limits(findings: Findings, entity: Entity, field: Field) -> None:
    if field.min is None and field.max is None:
        return
    if rules_of(field).family == "text":
        if field.max is not None and (not isinstance(field.max, int) or field.max < 1):
            message = "max of a text is its greatest length: a whole number from 1"
            findings.add(field_place(entity, field, "max"), "bad_option", message)
        return
    if field.type == "rating" and not (isinstance(field.max, int) and 1 <= field.max <= MAX_STARS):
        message = f"max of a rating is its number of stars: a whole number from 1 to {MAX_STARS}"
        findings.add(field_place(entity, field, "max"), "bad_option", message)
    if "min" not in rules_of(field).options:
        return  # noted as an option the type does not have
    least, most = _limit(findings, entity, field, "min"), _limit(findings, entity, field, "max")
    if least is not None and most is not None and not least <= most:
        findings.add(field_place(entity, field, "max"), "bad_option", f"max {field.max} is less than min {field.min}")


def _limit(findings: Findings, entity: Entity, field: Field, option: str) -> Any:
    """Return a limit as a number or moment; note it when it is none. Moments are compared without their zone."""
    value = getattr(field, option)
    if value is None:
        return None
    family = rules_of(field).family
    numeric = family in ("integer", "decimal")
    limit: Any = number_of(value) if numeric else moment_of(field.type, value)
    if limit is None or (numeric and isinstance(value, str) and family == "integer"):
        message = f"{option}: {value!r} is not a {'number' if numeric else field.type}"
        findings.add(field_place(entity, field, option), "bad_option", message)
        return None
    if numeric and abs(limit) >= MAX_NUMBER:
        message = f"{option}: no number has more than 18 digits before the point"
        findings.add(field_place(entity, field, option), "bad_option", message, f"leave out {option}")
        return None
    return limit if numeric or field.type in ("date", "year_month") else limit.replace(tzinfo=None)


def _values(findings: Findings, entity: Entity, field: Field) -> None:
    for option in ("default", "backfill"):
        value = getattr(field, option)
        computed = option == "backfill" and field.backfill_expression
        problem = misfit(field, value) if value is not None and not computed else ""
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
    if field.type == "links" and (len(field.to) > 1 or "*" in field.to):
        message = "a relation to many records points to one entity"
        findings.add(field_place(entity, field, "to"), "bad_option", message, "write one relation for each entity")
    if field.hierarchy and field.to != (entity.name,):
        message = f"a hierarchy points to its own entity, {entity.name!r}"
        findings.add(field_place(entity, field, "hierarchy"), "bad_option", message)
    for index, target in enumerate(field.to):
        if target != "*":
            findings.entity(target, field_place(entity, field, f"to.{index}"))
    if field.on_delete == "cascade" and field.to == ("*",):
        message = "a relation to any entity cannot cascade"
        findings.add(field_place(entity, field, "on_delete"), "option_conflict", message, "use restrict or clear")


def _columns(findings: Findings, entity: Entity, fields: list[Field]) -> None:
    """Money keeps its currency, and a relation to several entities the entity, in a column of its own."""
    for field in fields:
        for part in parts_of(field):
            second = f"{field.name}_{part}"
            other = entity.fields.get(second)
            if other is not None:
                message = f"{second!r} is kept by the {field.type} field {field.name!r} already"
                findings.add(field_place(entity, other), "name_clash", message, "choose another name")
    count = 0
    for field in fields:
        count += 1 + len(parts_of(field))
        if count > MAX_COLUMNS:
            message = f"with {field.name!r} the entity has more than {MAX_COLUMNS:,} columns"
            findings.add(field_place(entity, field), "too_many_fields", message)
            return


def _former(findings: Findings, entity: Entity, fields: list[Field]) -> None:
    claimed: dict[str, Origin | str] = {}
    for field in (field for field in fields if field.was and field.was != field.name):
        place = field_place(entity, field, "was")
        if field.was in entity.fields:
            other = field_place(entity, entity.fields[field.was])
            message = f"the former name {field.was!r} is the name of another field now, at {other}"
            findings.add(place, "was_conflict", message)
        elif field.was in claimed:
            findings.add(place, "was_conflict", f"{field.was!r} was claimed already at {claimed[field.was]}")
        claimed.setdefault(field.was, place)
