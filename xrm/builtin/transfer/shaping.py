"""One row of a file → the JSON-shaped values of a record, as a mapping says. Pure; knows field types, not databases."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from xrm.builtin.transfer.mapping import FieldRule, ImportMapping
from xrm.errors import Issue
from xrm.kernel.values import TYPES, Refused, all_parts, asked, column_at, keys
from xrm.metadata.model import Entity, Field

_PLACE = re.compile(r"\{([^{}]+)\}")
_WORDS: Mapping[str, bool] = {
    **dict.fromkeys(("true", "yes", "y", "1", "x"), True),
    **dict.fromkeys(("false", "no", "n", "0"), False),
}
_TEXTUAL = frozenset({"text", "long_text", "email", "phone", "url", "uuid", "date", "time", "datetime", "choice"})
_NUMBER = {
    ".": re.compile(r"[+-]?(?:\d+|\d{1,3}(?:[, '\u00a0\u202f]\d{3})+)?(?:\.\d*)?"),
    ",": re.compile(r"[+-]?(?:\d+|\d{1,3}(?:[. '\u00a0\u202f]\d{3})+)?(?:,\d*)?"),
}
_MONEY = re.compile(r"(?P<before>[A-Z]{3}|[€$£¥])?\s*(?P<number>[^A-Za-z€$£¥]+?)\s*(?P<after>[A-Z]{3}|[€$£¥])?")


@dataclass(frozen=True, slots=True)
class Shaped:
    """The values of one row, what is wrong with them, and which of them only a new record gets."""

    values: dict[str, Any]
    issues: list[Issue]


@dataclass(frozen=True, slots=True)
class Cell:
    """One raw value on its way into one field, with everything that says how to read it."""

    mapping: ImportMapping
    rule: FieldRule
    field: Field
    raw: Any
    row: Mapping[str, Any]


def shape(mapping: ImportMapping, entity: Entity, row: Mapping[str, Any]) -> Shaped:
    """Return the record values of a row; every field that does not fit becomes an issue beside its field.

    Fields for which the file has nothing are left out, or null where the mapping says that empty cells clear.
    """
    shaped = Shaped({}, [])
    in_parts = {rule.name for rule in mapping.rules if rule.part}
    for rule in sorted(mapping.rules, key=lambda rule: bool(rule.part)):
        try:
            value = _value(mapping, rule, entity.fields[rule.name], row)
        except Refused as refused:
            shaped.issues.append(refused.issue(rule.field))
            continue
        if rule.name in in_parts:
            _put_part(shaped, rule, entity.fields[rule.name], value)
        elif value is not None:
            shaped.values[rule.name] = value
        if mapping.clear:
            shaped.values.setdefault(rule.name, None)
    return shaped


def _put_part(shaped: Shaped, rule: FieldRule, field: Field, value: Any) -> None:
    """Add what one column gives to a value of several: a part, by the field's own name the first, or a whole."""
    if value is None:
        return
    given = value if isinstance(value, dict) and not rule.part else {rule.part or TYPES[field.type].first: value}
    shaped.values[rule.name] = {**(shaped.values.get(rule.name) or {}), **given}


def partly(mapping: ImportMapping, entity: Entity) -> Mapping[str, frozenset[str]]:
    """Return the fields of several parts of which a file gives some but not all, each with the parts it gives."""
    found: dict[str, set[str]] = {}
    for rule in mapping.rules:
        if rule.part:
            found.setdefault(rule.name, set()).add(rule.part)
    for rule in mapping.rules:
        if rule.name in found and not rule.part:
            found[rule.name].add(TYPES[entity.fields[rule.name].type].first)
    return {name: frozenset(given) for name, given in found.items() if set(_written(entity.fields[name])) - given}


def _written(field: Field) -> tuple[str, ...]:
    return tuple(part.name for part in all_parts(field) if part.written)


def together(
    field: Field, held: Mapping[str, Any], value: Any, given: frozenset[str], mapping: ImportMapping
) -> dict[str, Any] | None:
    """Return the parts a record holds with those a file gives; where empty cells clear, they clear their part only.

    Args:
        field: The field.
        held: The JSON parts there are.
        value: Those the row gives, or None.
        given: The parts the file has columns for.
        mapping: The mapping.
    """
    first, open_parts = TYPES[field.type].first, {part.name for part in asked(field, held)}
    kept = {n: held.get(n) for n in _written(field) if n not in given and (n != first or n in open_parts)}
    cleared = dict.fromkeys(given) if mapping.clear else {n: held.get(n) for n in given if n in _written(field)}
    found = {name: part for name, part in {**kept, **cleared, **(value or {})}.items() if part is not None}
    return found or None


def _value(mapping: ImportMapping, rule: FieldRule, field: Field, row: Mapping[str, Any]) -> Any:
    if rule.value is not None:
        return rule.value
    raw = _raw(mapping, rule, row)
    if raw is None:
        return rule.default
    if rule.values:
        raw, known = _translated(rule, raw)
        if raw is None or (known and not isinstance(raw, str)):
            return raw
    cell = Cell(mapping, rule, field, _dressed(rule, raw), row)
    if rule.part:
        return _PARTS.get(column_at(field, rule.part).name, _part_text)(cell)
    return _SHAPES.get(field.type, _as_compound if keys(field) else _as_text)(cell)


def _raw(mapping: ImportMapping, rule: FieldRule, row: Mapping[str, Any]) -> Any:
    if rule.column:
        return _something(mapping, row.get(rule.column))
    cells = {name: _something(mapping, row.get(name)) for name in _PLACE.findall(rule.template)}
    if all(cell is None for cell in cells.values()):
        return None
    text = _PLACE.sub(lambda place: "" if cells[place[1]] is None else str(cells[place[1]]), rule.template)
    return " ".join(text.split())


def _something(mapping: ImportMapping, cell: Any) -> Any:
    """Return the cell, trimmed, or None when it means nothing."""
    if isinstance(cell, str):
        cell = cell.strip()
        return None if cell in mapping.nothing or not cell else cell
    return cell


def _translated(rule: FieldRule, raw: Any) -> tuple[Any, bool]:
    key = str(raw)
    if key in rule.values:
        return rule.values[key], True
    if rule.otherwise == "refuse":
        known = ", ".join(list(rule.values)[:20])
        raise Refused("unknown_value", f"{key[:60]!r} is not among the values of the mapping.", f"it knows {known}")
    return (None, True) if rule.otherwise == "empty" else (raw, False)


def _dressed(rule: FieldRule, raw: Any) -> Any:
    if not (rule.case or rule.prefix or rule.suffix):
        return raw
    text = str(raw)
    if rule.case:
        text = {"upper": text.upper, "lower": text.lower, "title": text.title}[rule.case]()
    return f"{rule.prefix}{text}{rule.suffix}"


# --- by type -----------------------------------------------------------------------------------------------------


def _as_text(cell: Cell) -> Any:
    if cell.field.type in _TEXTUAL and isinstance(cell.raw, (int, Decimal)) and not isinstance(cell.raw, bool):
        return str(cell.raw)
    return cell.raw


def _as_compound(cell: Cell) -> Any:
    """Return a value of several columns: an object as it is, also written as JSON; else what its type reads."""
    if isinstance(cell.raw, str) and cell.raw.startswith("{"):
        return _as_json(cell)
    return str(cell.raw) if isinstance(cell.raw, Decimal) else cell.raw


def _part_text(cell: Cell) -> Any:
    return str(cell.raw) if isinstance(cell.raw, (int, Decimal)) else cell.raw


def _part_int(cell: Cell) -> Any:
    number = _as_number(cell)
    return int(number) if isinstance(number, str) and re.fullmatch(r"[+-]?\d{1,19}", number) else number


def _as_number(cell: Cell) -> Any:
    if not isinstance(cell.raw, str):
        return str(cell.raw) if isinstance(cell.raw, Decimal) else cell.raw
    text = cell.raw.removesuffix("%").strip() if cell.field.type == "percent" else cell.raw
    return _number(text, cell.mapping.decimal)


def _number(text: str, sign: str) -> str:
    """Return a number as written in the file (with thousands separators and its decimal sign) in the plain form."""
    if not _NUMBER[sign].fullmatch(text) or not any(c.isdigit() for c in text):
        raise Refused("not_number", f"{text[:40]!r} is not a number.", f"the decimal sign of this file is {sign!r}")
    whole, _, fraction = text.partition(sign)
    digits = "".join(c for c in whole if c.isdigit() or c in "+-")
    return f"{digits}.{fraction}" if fraction else digits


def _as_money(cell: Cell) -> Any:
    if isinstance(cell.raw, dict):
        return cell.raw
    currency = _currency(cell)
    if not isinstance(cell.raw, str):
        amount = str(cell.raw)
    else:
        match = _MONEY.fullmatch(cell.raw)
        if match is None:
            raise Refused("not_number", f"{cell.raw[:40]!r} is not an amount.", "like 1234.50 or 1234.50 EUR")
        amount = _number(match["number"], cell.mapping.decimal)
        written = [m for m in (match["before"], match["after"]) if m and m.isalpha()]
        currency = written[0] if written else currency
    return {"amount": amount, "currency": currency} if currency else amount


def _currency(cell: Cell) -> Any:
    column = cell.rule.currency_column
    return _something(cell.mapping, cell.row.get(column)) if column else cell.rule.currency


def _as_boolean(cell: Cell) -> Any:
    return _WORDS.get(str(cell.raw).lower(), cell.raw)


def _as_date(cell: Cell) -> Any:
    text = str(cell.raw)
    if cell.rule.dates:
        return _by_format(cell.rule, text).date().isoformat()
    whole_day = re.fullmatch(r"(\d{4}-\d{2}-\d{2})[T ]00:00(?::00(?:\.0+)?)?(?:Z|[+-]00:?00)?", text)
    return whole_day[1] if whole_day else text


def _as_time(cell: Cell) -> Any:
    return _by_format(cell.rule, str(cell.raw)).time().isoformat() if cell.rule.dates else str(cell.raw)


def _as_datetime(cell: Cell) -> Any:
    text = str(cell.raw)
    try:
        moment = _by_format(cell.rule, text) if cell.rule.dates else datetime.fromisoformat(text)
    except ValueError as error:
        if isinstance(error, Refused):
            raise
        return text
    if moment.tzinfo is None and cell.mapping.time_zone:
        moment = moment.replace(tzinfo=_zone(cell.mapping.time_zone))
    return moment.isoformat() if moment.tzinfo is None else moment.astimezone(UTC).isoformat()


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise Refused("unknown_time_zone", f"There is no time zone {name!r}.", "such as Europe/Prague") from None


def _by_format(rule: FieldRule, text: str) -> datetime:
    for form in rule.dates:
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007  # the caller knows the zone
        except ValueError:
            continue
    hint = f"expected {' or '.join(rule.dates)}"
    raise Refused("not_date", f"{text[:40]!r} is not written as the mapping says.", hint)


def _as_choice(cell: Cell) -> Any:
    return _choice(cell.field, str(cell.raw))


def _choice(field: Field, text: str) -> str:
    """Return the name of the choice with this name or title, however it is capitalised; else the text."""
    wanted = text.casefold()
    return next((c.name for c in field.choices if wanted in (c.name.casefold(), c.title.casefold())), text)


def _as_list(cell: Cell) -> Any:
    parts = cell.raw if isinstance(cell.raw, list) else _parts(str(cell.raw), cell.rule.split)
    if cell.field.type != "choices":
        return parts
    return [_choice(cell.field, part) if isinstance(part, str) else part for part in parts]


def _parts(text: str, sign: str) -> list[str]:
    sign = sign or (";" if ";" in text else ",")
    return [part.strip() for part in text.split(sign) if part.strip()]


def _as_relation(cell: Cell) -> Any:
    if isinstance(cell.raw, dict):
        return cell.raw
    value = str(cell.raw) if isinstance(cell.raw, Decimal) else cell.raw
    pointer = {cell.rule.by or "id": value}
    if cell.field.polymorphic:
        return {"entity": cell.rule.entity, **pointer}
    return pointer if cell.rule.by else value


def _as_links(cell: Cell) -> Any:
    if not isinstance(cell.raw, (str, list)):
        return cell.raw
    found = cell.raw if isinstance(cell.raw, list) else _parts(cell.raw, cell.rule.split)
    return [{cell.rule.by: one} if cell.rule.by and not isinstance(one, dict) else one for one in found]


def _as_json(cell: Cell) -> Any:
    if not isinstance(cell.raw, str):
        return _without_decimals(cell.raw)
    try:
        return json.loads(cell.raw)
    except (ValueError, RecursionError):
        raise Refused("not_json", "This is not JSON.") from None


def _without_decimals(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {key: _without_decimals(inner) for key, inner in value.items()}
    return [_without_decimals(inner) for inner in value] if isinstance(value, list) else value


_PARTS: Mapping[str, Callable[[Cell], Any]] = {  # by the type of the part's column
    "int": _part_int,
    "decimal": _as_number,
    "bool": _as_boolean,
    "date": _as_date,
    "time": _as_time,
    "datetime": _as_datetime,
}
_SHAPES: Mapping[str, Callable[[Cell], Any]] = {
    "integer": _as_number,
    "duration": _as_number,
    "decimal": _as_number,
    "percent": _as_number,
    "money": _as_money,
    "boolean": _as_boolean,
    "date": _as_date,
    "time": _as_time,
    "datetime": _as_datetime,
    "choice": _as_choice,
    "choices": _as_list,
    "tags": _as_list,
    "relation": _as_relation,
    "links": _as_links,
    "json": _as_json,
}
