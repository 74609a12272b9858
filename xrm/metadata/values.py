"""Whether a value written in a definition fits the type of its field."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any
from uuid import UUID

from xrm.metadata.json_schema import faults, schema_fault
from xrm.metadata.model import Field
from xrm.metadata.names import did_you_mean
from xrm.metadata.pattern import matches
from xrm.metadata.types import rules_of


def _month(text: str) -> date:
    if not re.fullmatch(r"\d{4}-\d{2}", text):
        raise ValueError(text)
    return date.fromisoformat(f"{text}-01")


_MOMENTS: Mapping[str, Callable[[str], Any]] = MappingProxyType(
    {"date": date.fromisoformat, "time": time.fromisoformat, "datetime": datetime.fromisoformat, "year_month": _month}
)
_COMPUTED = MappingProxyType(
    {
        "$user.id": "a relation to user",
        "$user.unit": "a relation to unit",
        "$user.email": "a text",
        "$today": "a date",
        "$now": "a datetime",
    }
)
_INT64 = 2**63


def misfit(field: Field, value: Any) -> str:
    """Return why a default or back-fill does not fit its field, or an empty text.

    Values are as JSON has them: decimals as numbers or texts, dates as ISO 8601 texts. ``$user.id``, ``$user.unit``,
    ``$user.email``, ``$today`` and ``$now`` stand for what is known when the record is made.
    """
    if isinstance(value, str) and value in _COMPUTED:
        return "" if _computed(field, value) else f"{value} is for {_COMPUTED[value]}"
    if isinstance(value, str) and value.startswith("$user."):
        return (
            f"{value} is not known; {did_you_mean(value, _COMPUTED) or 'there is $user.id, $user.unit and $user.email'}"
        )
    judges = {"integer": _number, "decimal": _number, "text": _text, "moment": _moment, "set": _other}
    judge = judges.get(rules_of(field).family)
    return judge(field, value) if judge else ""  # the type's own parser judges it when tables are planned


def _computed(field: Field, value: str) -> bool:
    if value == "$today":
        return field.type == "date"
    if value == "$now":
        return field.type == "datetime"
    if value == "$user.email":
        return field.type in ("text", "email")
    wanted = "user" if value == "$user.id" else "unit"
    return field.type == "relation" and (wanted in field.to or field.to == ("*",))


def _number(field: Field, value: Any) -> str:
    if field.type == "money" and isinstance(value, dict):
        if set(value) - {"amount", "currency"} or not isinstance(value.get("currency", ""), str):
            return "money is {amount: …, currency: …}"
        value = value.get("amount")
    number = number_of(value)
    if number is None or (isinstance(value, str) and _is_whole(field)):
        return f"{value!r} is not a number"
    if _is_whole(field) and number != number.to_integral_value():
        return f"{value} is not a whole number"
    return _digits(field, number) or _between(field, number, number_of)


def _is_whole(field: Field) -> bool:
    return rules_of(field).family == "integer"


def _digits(field: Field, number: Decimal) -> str:
    if _is_whole(field):
        return "" if -_INT64 <= number < _INT64 else f"{number} is too large"
    exponent = number.normalize().as_tuple().exponent
    if isinstance(exponent, int) and -exponent > field.scale:
        return f"{number} has more than {field.scale} digits after the point"
    return "" if abs(number) < Decimal(10) ** (field.precision - field.scale) else f"{number} has more digits than fit"


def number_of(value: Any) -> Decimal | None:
    """Return a number written as a number or as text, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def moment_of(kind: str, value: Any) -> Any:
    """Return the date, time or datetime of an ISO 8601 text, or None."""
    try:
        return _MOMENTS[kind](value)
    except (TypeError, ValueError):
        return None


def _between(field: Field, value: Any, read: Callable[[Any], Any]) -> str:
    least, most = read(field.min), read(field.max)
    try:
        if least is not None and value < least:
            return f"{value} is less than {field.min}"
        if most is not None and value > most:
            return f"{value} is more than {field.max}"
    except TypeError:  # one time has a zone, the other has not
        return f"{value} cannot be compared with the limits"
    return ""


def _text(field: Field, value: Any) -> str:
    if not isinstance(value, str):
        return f"{value!r} is not a text; put it in quotes"
    if isinstance(field.max, int) and len(value) > field.max:
        return f"the text is longer than {field.max} characters"
    if field.pattern and not matches(field.pattern, value):
        return f"{value!r} does not match the pattern"
    return ""


def _moment(field: Field, value: Any) -> str:
    moment = moment_of(field.type, value)
    if moment is None:
        return f"{value!r} is not a {field.type} in ISO 8601, such as {_EXAMPLES[field.type]}"
    return _between(field, moment, lambda limit: moment_of(field.type, limit))


_EXAMPLES = MappingProxyType(
    {"date": "2026-01-31", "time": "14:30", "datetime": "2026-01-31T14:30:00Z", "year_month": "2026-01"}
)


def _other(field: Field, value: Any) -> str:
    if field.type == "boolean":
        return "" if isinstance(value, bool) else f"{value!r} is neither true nor false"
    if field.type == "choice":
        return _choice(field, value)
    if field.type == "choices":
        return (
            next(filter(None, (_choice(field, item) for item in value)), "")
            if isinstance(value, list)
            else "a list is needed"
        )
    if field.type == "tags":
        good = isinstance(value, list) and all(isinstance(item, str) for item in value)
        return "" if good else "a list of texts is needed"
    if field.type == "relation" and isinstance(value, dict):
        return "" if len(value) == 1 else "a record is named by its id or by one unique field"
    if field.type == "json" and field.json_schema and not schema_fault(field.json_schema):
        return next((f"{place or 'it'}: {why}" for place, why in faults(field.json_schema, value)), "")
    if field.type in ("relation", "uuid"):
        return "" if _is_uuid(value) else f"{value!r} is not an id"
    return "a number is given by itself" if field.type == "auto_number" else ""


def _choice(field: Field, value: Any) -> str:
    names = [choice.name for choice in field.choices]
    return (
        ""
        if value in names
        else f"{value!r} is not one of the choices; {did_you_mean(value, names) or ', '.join(names[:20])}"
    )


def _is_uuid(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(UUID(value))
    except ValueError:
        return False
