"""Field types: what each holds, from JSON to Python to columns and back.

One `FieldType` per type is the only place that knows the type. Everything else (tables, forms, OpenAPI, filters,
import) asks it. A record's values are Python values: `str`, `int`, `Decimal`, `bool`, `date`, `time`, aware
`datetime`, `UUID`, `tuple[str, ...]`, JSON, `Money` or `Ref`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple
from uuid import UUID

from xrm.errors import Issue
from xrm.kernel.store.schema import ColumnType
from xrm.metadata.model import Field
from xrm.metadata.pattern import matches

INT64 = 2**63
MAX_TEXT = 100_000  # characters, where a field sets no smaller limit
MAX_SET = 200  # values in a choices or tags field
MAX_JSON_DEPTH = 20


class Money(NamedTuple):
    """An amount and its currency (ISO 4217 code)."""

    amount: Decimal
    currency: str


class Ref(NamedTuple):
    """A pointer to a record of any entity: the value of a polymorphic relation."""

    entity: str
    id: UUID


class Lookup(NamedTuple):
    """A relation given by a unique key instead of an id; the records door looks it up."""

    entity: str
    key: str
    value: Any


class ColumnSpec(NamedTuple):
    """One column of a field: its name and type."""

    name: str
    type: ColumnType


class Refused(ValueError):
    """A value that does not fit its field; becomes an `Issue` beside the field."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.hint = code, message, hint

    def issue(self, path: str) -> Issue:
        """Return the finding for the field at `path`."""
        return Issue(path, self.code, self.message, self.hint)


@dataclass(frozen=True, slots=True)
class Parsing:
    """What reading a value may need to know about the site."""

    currency: str = "EUR"


@dataclass(frozen=True, slots=True)
class FieldType:
    """Everything the platform knows about one type of field.

    Attributes:
        name: As written in YAML.
        column: The type of its (first) column.
        parse: JSON value → Python value; raises `Refused`. Never called with null.
        schema: The JSON Schema (2020-12) of its value in the API.
        expression: Its type in the expression language.
        widget: Name of the form widget.
        ordered: Whether a list may be sorted by it.
    """

    name: str
    column: Callable[[Field], ColumnType]
    parse: Callable[[Field, Any, Parsing], Any]
    schema: Callable[[Field], Mapping[str, Any]]
    expression: str
    widget: str
    ordered: bool = True


def columns(field: Field) -> tuple[ColumnSpec, ...]:
    """Return the columns that hold a field: one, or two for money and polymorphic relations."""
    first = ColumnSpec(field.name, TYPES[field.type].column(field))
    if field.type == "money":
        return (first, ColumnSpec(f"{field.name}_currency", ColumnType("text")))
    if field.polymorphic:
        return (first, ColumnSpec(f"{field.name}_entity", ColumnType("text")))
    return (first,)


def pack(field: Field, value: Any) -> tuple[Any, ...]:
    """Return the column values of a Python value, in the order of `columns`."""
    if field.type == "money":
        return (value.amount, value.currency) if value is not None else (None, None)
    if field.polymorphic:
        return (value.id, value.entity) if value is not None else (None, None)
    return (value,)


def unpack(field: Field, cells: tuple[Any, ...]) -> Any:
    """Return the Python value of column values: the inverse of `pack`."""
    if len(cells) == 1:
        return cells[0]
    first, second = cells
    if first is None or second is None:
        return None
    return Money(first, second) if field.type == "money" else Ref(second, first)


def parse(field: Field, value: Any, parsing: Parsing) -> Any:
    """Return the Python value of a JSON value; null, empty text and an empty list mean "no value".

    Raises:
        Refused: the value does not fit the field.
    """
    if value is None or value == "" or value == []:
        return None
    return TYPES[field.type].parse(field, value, parsing)


def to_json(value: Any) -> Any:
    """Return a Python value as JSON data, as change rows and API answers hold it (without relation labels)."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, Money):
        return {"amount": str(value.amount), "currency": value.currency}
    if isinstance(value, Ref):
        return {"entity": value.entity, "id": str(value.id)}
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, (Decimal, UUID)):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


# --- text --------------------------------------------------------------------------------------------------------


def _clean_text(value: Any, limit: int) -> str:
    if not isinstance(value, str):
        raise Refused("not_text", "This must be text.")
    if "\x00" in value or any("\ud800" <= c <= "\udfff" for c in value):
        raise Refused(
            "bad_character", "This text has a character that cannot be stored.", "remove NUL and lone surrogates"
        )
    if len(value) > limit:
        raise Refused("too_long", f"This text has {len(value)} characters; {limit} are allowed.")
    return value


def _parse_text(field: Field, value: Any, parsing: Parsing) -> str | None:
    text = _clean_text(value, int(field.max or MAX_TEXT)).strip()
    if field.pattern and text and not matches(field.pattern, text):
        raise Refused("wrong_pattern", "This does not have the expected form.", f"it must match {field.pattern}")
    return text or None


_EMAIL = re.compile(r"[^@\s<>(),;:\\\"\[\]]{1,64}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W\d_]{2,63}")


def _parse_email(field: Field, value: Any, parsing: Parsing) -> str:
    text = _clean_text(value, 254).strip()
    if not _EMAIL.fullmatch(text):
        raise Refused("not_email", "This is not an e-mail address.", "like name@example.com")
    return text


def _parse_phone(field: Field, value: Any, parsing: Parsing) -> str:
    text = _clean_text(value, 60).strip()
    if sum(c.isdigit() for c in text) < 2:
        raise Refused("not_phone", "This is not a telephone number.", "like +49 30 123456")
    return text


def _parse_url(field: Field, value: Any, parsing: Parsing) -> str:
    text = _clean_text(value, 2000).strip()
    if not re.fullmatch(r"https?://[^\s/?#\"<>]+(?:[/?#][^\s\"<>]*)?", text, re.IGNORECASE):
        raise Refused("not_url", "This is not a web address.", "it begins with https:// or http://")
    return text


# --- numbers -----------------------------------------------------------------------------------------------------


def _in_range(field: Field, number: Any) -> Any:
    if field.min is not None and number < field.min:
        raise Refused("too_small", f"This must be at least {field.min}.")
    if field.max is not None and number > field.max:
        raise Refused("too_large", f"This must be at most {field.max}.")
    return number


def _parse_integer(field: Field, value: Any, parsing: Parsing) -> int:
    if isinstance(value, str) and re.fullmatch(r"[+-]?\d{1,19}", value.strip()):
        value = int(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Refused("not_integer", "This must be a whole number.")
    if not -INT64 <= value < INT64:
        raise Refused("too_large", "This number is too large.")
    return int(_in_range(field, value))


def parse_decimal(value: Any, precision: int, scale: int) -> Decimal:
    """Return an exact decimal with exactly `scale` digits after the point.

    Raises:
        Refused: not a number, or it has more digits than the field keeps (never rounded silently).
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str, Decimal)):
        raise Refused("not_number", "This must be a number.")
    text = repr(value) if isinstance(value, float) else str(value).strip()
    if len(text) > 60 or not re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?", text):
        raise Refused("not_number", "This must be a number.", "like 1234.50")
    try:
        number = Decimal(text)
        exact = number.quantize(Decimal(1).scaleb(-scale))
    except InvalidOperation:
        raise Refused("too_large", "This number is too large.") from None
    if exact != number:
        raise Refused("too_precise", f"At most {scale} digits after the point are kept.")
    if exact and exact.adjusted() + 1 > precision - scale:
        raise Refused("too_large", f"At most {precision - scale} digits before the point are kept.")
    return exact


def _parse_decimal(field: Field, value: Any, parsing: Parsing) -> Decimal:
    return Decimal(_in_range(field, parse_decimal(value, field.precision, field.scale)))


def _parse_money(field: Field, value: Any, parsing: Parsing) -> Money | None:
    currency: Any = parsing.currency
    if isinstance(value, Mapping):
        if unknown := set(value) - {"amount", "currency"}:
            raise Refused("unknown_key", f"Money has no {min(unknown)!r}.", "give amount and currency")
        value, currency = value.get("amount"), value.get("currency") or parsing.currency
        if value is None or value == "":
            return None
    if not isinstance(currency, str) or not re.fullmatch(r"[A-Z]{3}", currency):
        raise Refused("not_currency", "This is not a currency code.", "three capital letters, like EUR (ISO 4217)")
    return Money(_in_range(field, parse_decimal(value, field.precision, field.scale)), currency)


def _parse_boolean(field: Field, value: Any, parsing: Parsing) -> bool:
    words = {True: True, False: False, "true": True, "false": False}
    if isinstance(value, (bool, str)) and value in words:
        return words[value]
    raise Refused("not_boolean", "This must be true or false.")


# --- times -------------------------------------------------------------------------------------------------------


def _parse_date(field: Field, value: Any, parsing: Parsing) -> date:
    text = _clean_text(value, 40).strip()
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        raise Refused("not_date", "This is not a date.", "like 2026-12-31")
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise Refused("not_date", "There is no such day.", "like 2026-12-31") from None
    _in_range_text(field, text)
    return day


def _in_range_text(field: Field, text: str) -> None:
    if field.min is not None and text < str(field.min):
        raise Refused("too_small", f"This must not be before {field.min}.")
    if field.max is not None and text > str(field.max):
        raise Refused("too_large", f"This must not be after {field.max}.")


def _parse_time(field: Field, value: Any, parsing: Parsing) -> time:
    text = _clean_text(value, 40).strip()
    if not re.fullmatch(r"\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?", text):
        raise Refused("not_time", "This is not a time of day.", "like 14:30")
    try:
        return time.fromisoformat(text)
    except ValueError:
        raise Refused("not_time", "There is no such time of day.", "like 14:30") from None


def _parse_datetime(field: Field, value: Any, parsing: Parsing) -> datetime:
    text = _clean_text(value, 60).strip()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Refused("not_datetime", "This is not a date and time.", "like 2026-12-31T14:30:00+01:00") from None
    if moment.tzinfo is None:
        raise Refused("no_time_zone", "This time has no time zone.", "end it with Z or an offset like +01:00")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise Refused("not_datetime", "This date is out of range.") from None


# --- choices and structures ---------------------------------------------------------------------------------------


def _parse_choice(field: Field, value: Any, parsing: Parsing) -> str:
    names = [choice.name for choice in field.choices]
    if not isinstance(value, str) or value not in names:
        raise Refused("not_a_choice", "This is not one of the choices.", "one of " + ", ".join(names[:20]))
    return value


def _text_set(value: Any) -> list[str]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(v, str) for v in value):
        raise Refused("not_list", "This must be a list of texts.")
    if len(value) > MAX_SET:
        raise Refused("too_many", f"At most {MAX_SET} values are allowed.")
    return list(dict.fromkeys(_clean_text(v, 200).strip() for v in value))


def _parse_choices(field: Field, value: Any, parsing: Parsing) -> tuple[str, ...] | None:
    given = _text_set(value)
    order = [choice.name for choice in field.choices]
    for name in given:
        if name not in order:
            raise Refused("not_a_choice", f"{name!r} is not one of the choices.", "any of " + ", ".join(order[:20]))
    return tuple(sorted(given, key=order.index)) or None


def _parse_tags(field: Field, value: Any, parsing: Parsing) -> tuple[str, ...] | None:
    return tuple(v for v in _text_set(value) if v) or None


def _depth(value: Any, level: int = 0) -> int:
    if level > MAX_JSON_DEPTH or not isinstance(value, (dict, list)):
        return level
    inner = value.values() if isinstance(value, dict) else value
    return max((_depth(v, level + 1) for v in inner), default=level + 1)


def _no_bad_text(value: Any) -> None:
    if isinstance(value, str):
        _clean_text(value, MAX_TEXT)
    elif isinstance(value, dict):
        for key, inner in value.items():
            _no_bad_text(key)
            _no_bad_text(inner)
    elif isinstance(value, list):
        for inner in value:
            _no_bad_text(inner)


def _parse_json(field: Field, value: Any, parsing: Parsing) -> Any:
    if _depth(value) > MAX_JSON_DEPTH:
        raise Refused("too_deep", f"This is nested deeper than {MAX_JSON_DEPTH} levels.")
    _no_bad_text(value)
    return value


# --- pointers ----------------------------------------------------------------------------------------------------


def _uuid(value: Any) -> UUID:
    try:
        return UUID(value) if isinstance(value, str) and len(value) == 36 else _not_uuid()
    except ValueError:
        return _not_uuid()


def _not_uuid() -> UUID:
    raise Refused("not_id", "This is not the id of a record.", "an id is a UUID")


def _parse_uuid(field: Field, value: Any, parsing: Parsing) -> UUID:
    return value if isinstance(value, UUID) else _uuid(value)


def _parse_relation(field: Field, value: Any, parsing: Parsing) -> UUID | Ref | Lookup:
    if isinstance(value, UUID) and not field.polymorphic:
        return value
    if isinstance(value, Ref) and field.polymorphic:
        return value
    if isinstance(value, Mapping):
        return _parse_pointer(field, {k: v for k, v in value.items() if k != "label"})
    if field.polymorphic:
        raise Refused("not_relation", "Say which entity this points to.", 'like {"entity": "deal", "id": "…"}')
    return _uuid(value)


def _parse_pointer(field: Field, value: Mapping[str, Any]) -> UUID | Ref | Lookup:
    entity = value.get("entity", field.to[0] if not field.polymorphic else None)
    if not isinstance(entity, str) or (field.to != ("*",) and entity not in field.to):
        raise Refused("wrong_entity", "This may not point to a record of that entity.", "one of " + ", ".join(field.to))
    if "id" in value:
        found = value["id"] if isinstance(value["id"], UUID) else _uuid(value["id"])
        return Ref(entity, found) if field.polymorphic else found
    keys = [k for k in value if k != "entity"]
    if len(keys) != 1 or value[keys[0]] is None:
        raise Refused("not_relation", "This is neither an id nor one unique key.", 'like {"email": "ann@example.com"}')
    return Lookup(entity, keys[0], value[keys[0]])


# --- the table ---------------------------------------------------------------------------------------------------


def _is(name: str) -> Callable[[Field], ColumnType]:
    kind = ColumnType(name)
    return lambda field: kind


def _numeric(field: Field) -> ColumnType:
    return ColumnType("decimal", field.precision, field.scale)


def _shape(**schema: Any) -> Callable[[Field], Mapping[str, Any]]:
    return lambda field: schema


def _text_shape(field: Field) -> Mapping[str, Any]:
    return {"type": "string", "maxLength": int(field.max or MAX_TEXT)}


def _integer_shape(field: Field) -> Mapping[str, Any]:
    bounds = {"minimum": field.min, "maximum": field.max}
    return {"type": "integer", "format": "int64", **{k: v for k, v in bounds.items() if v is not None}}


def _decimal_shape(field: Field) -> Mapping[str, Any]:
    return {"type": "string", "format": "decimal", "examples": [str(Decimal(0).scaleb(-field.scale))]}


def _money_shape(field: Field) -> Mapping[str, Any]:
    return {
        "type": "object",
        "required": ["amount", "currency"],
        "properties": {
            "amount": {"type": "string", "format": "decimal"},
            "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
        },
    }


def _choice_shape(field: Field) -> Mapping[str, Any]:
    return {"type": "string", "enum": [choice.name for choice in field.choices]}


def _choices_shape(field: Field) -> Mapping[str, Any]:
    return {"type": "array", "items": _choice_shape(field)}


def _relation_shape(field: Field) -> Mapping[str, Any]:
    properties: dict[str, Any] = {"id": {"type": "string", "format": "uuid"}, "label": {"type": "string"}}
    if field.polymorphic:
        properties["entity"] = {"type": "string"}
    return {"type": "object", "properties": properties}


TYPES: Mapping[str, FieldType] = {
    t.name: t
    for t in (
        FieldType("text", _is("text"), _parse_text, _text_shape, "text", "text"),
        FieldType("long_text", _is("text"), _parse_text, _text_shape, "text", "textarea", ordered=False),
        FieldType("email", _is("text"), _parse_email, _shape(type="string", format="email"), "text", "email"),
        FieldType("phone", _is("text"), _parse_phone, _shape(type="string"), "text", "phone"),
        FieldType("url", _is("text"), _parse_url, _shape(type="string", format="uri"), "text", "url"),
        FieldType("auto_number", _is("text"), _parse_text, _shape(type="string"), "text", "text"),
        FieldType("integer", _is("int"), _parse_integer, _integer_shape, "int", "integer"),
        FieldType("duration", _is("int"), _parse_integer, _integer_shape, "int", "duration"),
        FieldType("decimal", _numeric, _parse_decimal, _decimal_shape, "decimal", "decimal"),
        FieldType("percent", _numeric, _parse_decimal, _decimal_shape, "decimal", "percent"),
        FieldType("money", _numeric, _parse_money, _money_shape, "decimal", "money"),
        FieldType("boolean", _is("bool"), _parse_boolean, _shape(type="boolean"), "bool", "checkbox"),
        FieldType("date", _is("date"), _parse_date, _shape(type="string", format="date"), "date", "date"),
        FieldType("time", _is("time"), _parse_time, _shape(type="string", format="time"), "time", "time"),
        FieldType(
            "datetime",
            _is("datetime"),
            _parse_datetime,
            _shape(type="string", format="date-time"),
            "datetime",
            "datetime",
        ),
        FieldType("choice", _is("text"), _parse_choice, _choice_shape, "text", "choice"),
        FieldType("choices", _is("texts"), _parse_choices, _choices_shape, "texts", "choices", ordered=False),
        FieldType(
            "tags",
            _is("texts"),
            _parse_tags,
            _shape(type="array", items={"type": "string"}),
            "texts",
            "tags",
            ordered=False,
        ),
        FieldType("json", _is("json"), _parse_json, _shape(), "json", "json", ordered=False),
        FieldType("uuid", _is("uuid"), _parse_uuid, _shape(type="string", format="uuid"), "uuid", "text"),
        FieldType("relation", _is("uuid"), _parse_relation, _relation_shape, "uuid", "relation"),
    )
}
