"""Mapping files: how the columns of a foreign file become the fields of an entity. Reading and checking them; pure.

    import: shop_customers            # its name
    entity: party
    key: number                       # how a record that is here already is found; a list = all of them together
    mode: upsert                      # upsert | create | update
    file: {format: csv, encoding: cp1252, delimiter: ";"}
    empty: ["", "NULL", "n/a"]        # texts that mean "no value"
    empty_cells: keep                 # keep | clear: what an empty cell does to a value that is here already
    decimal: ","                      # the decimal sign of the file's numbers
    time_zone: Europe/Prague          # of date-times without one
    fields:
      number:   {column: CustomerId, prefix: "SHOP-"}
      name:     "{FirstName} {LastName}"            # several columns in one field
      email:    Email                               # short for {column: Email}
      kind:     {value: person}                     # the same for every row
      country:  {column: Country, values: {Brazil: BR, Germany: DE}, otherwise: refuse}
      since:    {column: Since, date: "%d.%m.%Y"}
      revenue:  {column: Total, currency: EUR}      # or currency_column: Currency
      tags:     {column: Tags, split: "|"}
      owner:    {column: Rep, by: email}            # a relation, by a unique field of its target
      address.city: Town                            # one part of a field with several
      stage:    {value: commitment, only_new: true} # never changes a record that is here already
    ignore: [Fax]                     # columns left out on purpose

A field takes its text from a column, a template or a value; then `values` (with `otherwise`), `case`, `prefix` and
`suffix` are applied in this order, and the type of the field reads the rest (see shaping.py).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xrm.builtin.transfer.layout import FORMATS
from xrm.errors import Invalid, Issue
from xrm.kernel.values import all_parts, column_at, keys
from xrm.metadata.compose import compose
from xrm.metadata.model import Entity, Field, Model, Origin, Source, empty
from xrm.metadata.names import did_you_mean
from xrm.metadata.nodes import Node

MODES = ("upsert", "create", "update")
NOWHERE = Origin()
NOTHING = ("", "NULL", "null", "N/A", "n/a")

_PLACE = re.compile(r"\{([^{}]+)\}")
_TOP = (
    "import",
    "title",
    "description",
    "entity",
    "key",
    "mode",
    "file",
    "empty",
    "empty_cells",
    "decimal",
    "time_zone",
    "fields",
    "ignore",
)
_FILE = ("format", "encoding", "delimiter")
_RULE = (
    "column",
    "template",
    "value",
    "values",
    "otherwise",
    "case",
    "prefix",
    "suffix",
    "split",
    "date",
    "currency",
    "currency_column",
    "by",
    "entity",
    "default",
    "only_new",
)
_ALLOWED: Mapping[str, tuple[str, ...]] = {
    "mode": MODES,
    "empty_cells": ("keep", "clear"),
    "decimal": (".", ","),
    "otherwise": ("keep", "empty", "refuse"),
    "case": ("upper", "lower", "title"),
    "format": FORMATS,
}
_ONLY_FOR: Mapping[str, tuple[str, ...]] = {
    "split": ("choices", "links", "tags"),
    "date": ("date", "datetime", "time"),
    "currency": ("money",),
    "currency_column": ("money",),
    "by": ("links", "relation"),
    "entity": ("relation",),
}


@dataclass(frozen=True, slots=True)
class FieldRule:
    """Where one field's value comes from. Exactly one of `column`, `template` and `value` is given."""

    field: str
    column: str = ""
    template: str = ""
    value: Any = None
    values: Mapping[str, Any] = dataclasses.field(default_factory=empty)
    otherwise: str = "keep"  # what `values` does not know: keep | empty | refuse
    case: str = ""  # upper | lower | title
    prefix: str = ""
    suffix: str = ""
    split: str = ""
    dates: tuple[str, ...] = ()  # YAML: date; formats of strptime
    currency: str = ""
    currency_column: str = ""
    by: str = ""
    entity: str = ""  # of a relation to any entity
    default: Any = None  # when there is nothing in the file
    only_new: bool = False
    origin: Origin = NOWHERE

    @property
    def name(self) -> str:
        """The field's name, of a part that of the whole: ``address`` of ``address.city``."""
        return self.field.partition(".")[0]

    @property
    def part(self) -> str:
        """The part of a field with several columns it is about: ``city`` of ``address.city``; else empty."""
        return self.field.partition(".")[2]

    def columns(self) -> tuple[str, ...]:
        """Return the columns it reads."""
        read = [self.column, *_PLACE.findall(self.template), self.currency_column]
        return tuple(dict.fromkeys(name for name in read if name))


@dataclass(frozen=True, slots=True)
class ImportMapping:
    """A whole mapping file."""

    name: str
    entity: str
    rules: tuple[FieldRule, ...]
    title: str = ""
    description: str = ""
    key: tuple[str, ...] = ()
    mode: str = "upsert"
    format: str = ""
    encoding: str = ""
    delimiter: str = ""
    nothing: tuple[str, ...] = NOTHING  # YAML: empty
    clear: bool = False  # YAML: empty_cells
    decimal: str = "."
    time_zone: str = ""
    ignore: tuple[str, ...] = ()
    origin: Origin = NOWHERE

    def columns(self) -> frozenset[str]:
        """Return all columns it reads."""
        return frozenset(name for rule in self.rules for name in rule.columns())


def found(place: Origin, code: str, message: str, hint: str = "") -> Issue:
    """Return a finding at a place of the mapping file."""
    return Issue(str(place), code, message, hint)


# --- reading -----------------------------------------------------------------------------------------------------


def load_mapping(text: str, file: str = "mapping.yaml") -> ImportMapping:
    """Return the mapping a file holds.

    Raises:
        Invalid: everything that is wrong with it, each with ``file:line:column``.
    """
    documents, issues = compose(Source("site", file, text))
    if not issues and len(documents) != 1:
        issues = [found(Origin("site", file, 1, 1), "grammar", "A mapping file holds one mapping.")]
    if not issues:
        issues = list(_faults(documents[0]))
    if issues:
        raise Invalid("The mapping is not valid", issues)
    return _mapping(documents[0])


def _faults(root: Node) -> Iterator[Issue]:
    if not isinstance(root.value, dict):
        yield found(root.origin, "wrong_type", "a mapping is a table (key: value)")
        return
    yield from _unknown(root, _TOP)
    for key in ("import", "entity", "fields"):
        if root.get(key) is None:
            yield found(root.origin, "missing_key", f"{key!r} is missing")
    yield from _texts(root, ("import", "title", "description", "entity", "mode", "empty_cells", "decimal", "time_zone"))
    yield from _text_lists(root, ("key", "empty", "ignore"))
    yield from _table_faults(root, "file", _file_faults)
    yield from _table_faults(root, "fields", _fields_faults)


def _unknown(node: Node, known: Sequence[str]) -> Iterator[Issue]:
    for key, child in node.value.items():
        if key not in known:
            hint = did_you_mean(key, known) or f"known here: {', '.join(known)}"
            yield found(child.key_origin, "unknown_key", f"unknown key {key!r}", hint)


def _texts(node: Node, keys: Iterable[str]) -> Iterator[Issue]:
    for key in keys:
        child = node.get(key)
        if child is None:
            continue
        allowed = _ALLOWED.get(key)
        if not isinstance(child.value, str):
            yield found(child.origin, "wrong_type", f"{key}: a text is expected here", "put it in quotes")
        elif allowed and child.value not in allowed:
            hint = f"one of {', '.join(allowed)}"
            yield found(child.origin, "not_allowed", f"{key}: {child.value!r} is not allowed here", hint)


def _text_lists(node: Node, keys: Iterable[str]) -> Iterator[Issue]:
    for key in keys:
        child = node.get(key)
        if child is None:
            continue
        for item in child.value if isinstance(child.value, list) else [child]:
            if not isinstance(item.value, str):
                yield found(item.origin, "wrong_type", f"{key}: a text is expected here", "put it in quotes")


def _table_faults(root: Node, key: str, faults: Any) -> Iterator[Issue]:
    child = root.get(key)
    if child is None:
        return
    if not isinstance(child.value, dict) or not child.value:
        yield found(child.origin, "wrong_type", f"{key}: a table (key: value) is expected here")
        return
    yield from faults(child)


def _file_faults(node: Node) -> Iterator[Issue]:
    yield from _unknown(node, _FILE)
    yield from _texts(node, _FILE)
    delimiter = node.get("delimiter")
    if delimiter is not None and isinstance(delimiter.value, str) and len(delimiter.value) != 1:
        yield found(delimiter.origin, "out_of_range", "delimiter: one character is expected", 'such as ";" or "\\t"')


def _fields_faults(node: Node) -> Iterator[Issue]:
    for name, child in node.value.items():
        if isinstance(child.value, str) and child.value:
            continue
        if not isinstance(child.value, dict):
            yield found(child.origin, "wrong_type", f"{name}: a column or a table (key: value) is expected here")
            continue
        yield from _rule_faults(name, child)


def _rule_faults(name: str, node: Node) -> Iterator[Issue]:
    yield from _unknown(node, _RULE)
    yield from _texts(
        node,
        (
            "column",
            "template",
            "otherwise",
            "case",
            "prefix",
            "suffix",
            "split",
            "currency",
            "currency_column",
            "by",
            "entity",
        ),
    )
    yield from _text_lists(node, ("date",))
    given = [key for key in ("column", "template", "value") if node.get(key) is not None]
    if len(given) != 1:
        wrong = "give a column, a template or a value" if not given else f"give only one of {' and '.join(given)}"
        yield found(node.key_origin, "missing_key" if not given else "not_allowed", f"{name}: {wrong}")
    values, only_new = node.get("values"), node.get("only_new")
    if values is not None and not isinstance(values.value, dict):
        yield found(values.origin, "wrong_type", f"{name}.values: a table (text in the file: value here) is expected")
    if node.get("otherwise") is not None and values is None:
        yield found(node.key_origin, "missing_key", f"{name}: 'otherwise' is about texts that 'values' does not know")
    if only_new is not None and not isinstance(only_new.value, bool):
        yield found(only_new.origin, "wrong_type", f"{name}.only_new: true or false is expected here")


def _mapping(root: Node) -> ImportMapping:
    data = root.plain()
    layout = data.get("file") or {}
    return ImportMapping(
        name=data["import"],
        entity=data["entity"],
        rules=tuple(_rule(name, child) for name, child in root.value["fields"].value.items()),
        title=data.get("title", ""),
        description=data.get("description", ""),
        key=_many(data.get("key")),
        mode=data.get("mode", "upsert"),
        format=layout.get("format", ""),
        encoding=layout.get("encoding", ""),
        delimiter=layout.get("delimiter", ""),
        nothing=_many(data["empty"]) if "empty" in data else NOTHING,
        clear=data.get("empty_cells") == "clear",
        decimal=data.get("decimal", "."),
        time_zone=data.get("time_zone", ""),
        ignore=_many(data.get("ignore")),
        origin=root.origin,
    )


def _many(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value or ())


def _rule(name: str, node: Node) -> FieldRule:
    if isinstance(node.value, str):
        if _PLACE.search(node.value):
            return FieldRule(name, template=node.value, origin=node.origin)
        return FieldRule(name, column=node.value, origin=node.origin)
    data = node.plain()
    dates = _many(data.pop("date", None))
    return FieldRule(name, dates=dates, origin=node.origin, **data)


# --- checking ----------------------------------------------------------------------------------------------------


def check_mapping(mapping: ImportMapping, model: Model, header: Sequence[str] = ()) -> list[Issue]:
    """Return what is wrong with a mapping for this model and, when given, for this header.

    A column that nobody reads is a warning, since data would be left behind without a word.
    """
    entity = model.entity(mapping.entity)
    if entity is None:
        hint = did_you_mean(mapping.entity, model.entities)
        return [found(mapping.origin, "unknown_entity", f"there is no entity {mapping.entity!r}", hint)]
    issues = [issue for rule in mapping.rules for issue in _rule_issues(rule, mapping, entity, model)]
    issues.extend(_key_issues(mapping, entity))
    if header:
        issues.extend(_header_issues(mapping, header))
    return issues


def _rule_issues(rule: FieldRule, mapping: ImportMapping, entity: Entity, model: Model) -> Iterator[Issue]:
    target = entity.fields.get(rule.name)
    if target is None:
        hint = did_you_mean(rule.field, entity.fields)
        yield found(rule.origin, "unknown_field", f"{entity.name} has no field {rule.field!r}", hint)
        return
    if rule.part and rule.part not in part_names(target):
        hint = did_you_mean(rule.part, part_names(target)) or f"parts: {', '.join(part_names(target)) or 'none'}"
        yield found(rule.origin, "unknown_field", f"{rule.name} has no part {rule.part!r}", hint)
        return
    if not target.writable and not (rule.field in mapping.key and is_unique(entity, rule.field)):
        yield found(rule.origin, "read_only", f"{rule.field} is kept by the platform and cannot be imported")
    for option, types in _ONLY_FOR.items():
        given = rule.dates if option == "date" else getattr(rule, option)
        if given and _read_as(target, rule) not in types:
            message = f"{rule.field}: {option!r} is for fields of type {' or '.join(types)}"
            yield found(rule.origin, "not_allowed", message)
    if target.type in ("links", "relation"):
        yield from _relation_issues(rule, target, model)


def part_names(target: Field) -> tuple[str, ...]:
    """Return the parts of a field that a file may give; a relation is given whole."""
    return () if target.type == "relation" else tuple(part.name for part in all_parts(target) if part.written)


def _read_as(target: Field, rule: FieldRule) -> str:
    """Return the type a cell is read as: the field's, of a part that of its column."""
    return column_at(target, rule.part).name if rule.part else target.type


def _relation_issues(rule: FieldRule, target: Field, model: Model) -> Iterator[Issue]:
    if target.polymorphic and not rule.entity:
        yield found(rule.origin, "missing_key", f"{rule.field}: say which entity it points to", "entity: party")
        return
    name = rule.entity or target.to[0]
    pointed = model.entity(name)
    if pointed is None:
        yield found(rule.origin, "unknown_entity", f"there is no entity {name!r}", did_you_mean(name, model.entities))
    elif rule.by and not is_unique(pointed, rule.by):
        usable = ", ".join(f for f in pointed.fields if is_unique(pointed, f)) or "none"
        yield found(rule.origin, "not_unique", f"{rule.by!r} is no unique field of {name}", f"unique here: {usable}")


def is_unique(entity: Entity, name: str) -> bool:
    """Return whether at most one record can have a given value in this field."""
    target = entity.fields.get(name)
    if target is None:
        return False
    return name == "id" or entity.key((name,)) is not None


def _key_issues(mapping: ImportMapping, entity: Entity) -> Iterator[Issue]:
    if mapping.mode != "create" and not mapping.key:
        yield found(mapping.origin, "missing_key", f"mode {mapping.mode} needs a key", "key: number, or mode: create")
    rules = {rule.field: rule for rule in mapping.rules}
    for name in mapping.key:
        if name not in rules:
            yield found(mapping.origin, "unknown_field", f"the key {name!r} is not among the fields of this mapping")
        elif name in entity.fields and _no_key(entity.fields[name]):
            hint = "a key is a short text, a number, a date or a relation"
            yield found(rules[name].origin, "not_allowed", f"{name} cannot be a key", hint)


def _no_key(target: Field) -> bool:
    several = bool(keys(target)) and target.type != "relation"
    return several or target.type in ("json", "links", "long_text", "choices", "tags")


def _header_issues(mapping: ImportMapping, header: Sequence[str]) -> Iterator[Issue]:
    for rule in mapping.rules:
        for column in rule.columns():
            if column not in header:
                hint = did_you_mean(column, header) or f"the file has {', '.join(header[:20])}"
                yield found(rule.origin, "unknown_column", f"the file has no column {column!r}", hint)
    known = mapping.columns() | set(mapping.ignore)
    for column in header:
        if column not in known and not column.startswith("_"):
            message = f"the column {column!r} is not imported"
            yield Issue(str(mapping.origin), "unused_column", message, "map it, or name it under ignore", "warning")
