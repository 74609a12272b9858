"""A mapping guessed from the names of the columns: what an import without a mapping file uses, and a start for one."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from xrm.builtin.transfer.mapping import FieldRule, ImportMapping, is_unique, part_names
from xrm.kernel.store.folding import fold
from xrm.kernel.values import keys
from xrm.metadata.model import Entity, Field

NEAR = 0.85  # how alike a column and a field must be, from 0 to 1

_SAME: Mapping[str, tuple[str, ...]] = {
    "name": ("full name", "company", "company name", "account", "account name", "organisation", "organization"),
    "first_name": ("firstname", "given name", "forename"),
    "last_name": ("lastname", "surname", "family name"),
    "email": ("e mail", "mail", "email address", "e mail address"),
    "phone": ("telephone", "phone number", "tel", "business phone"),
    "mobile": ("mobile phone", "cell", "cell phone", "mobile number"),
    "street": ("address", "street address", "address line 1"),
    "postal_code": ("postcode", "zip", "zip code", "plz"),
    "city": ("town", "place", "ort"),
    "region": ("state", "province", "county"),
    "country": ("country code",),
    "website": ("url", "web", "homepage", "web page", "web site"),
    "number": ("no", "id", "customer number", "customer id", "article number", "sku"),
    "notes": ("note", "comment", "comments", "remarks"),
}


def suggest(entity: Entity, header: Sequence[str], key: str = "") -> ImportMapping:
    """Return a mapping of columns to the fields they are named after; the rest is to be ignored.

    Args:
        entity: Where the records go.
        header: The columns of the file.
        key: The field by which records are found; empty = the first unique field that has a column, or none, and then
            every row becomes a new record.
    """
    names = _names(entity)
    rules: dict[str, FieldRule] = {}
    if key in ("", "id") and {"id", "version"} <= set(header):  # a file we exported
        rules["id"] = FieldRule("id", column="id")
    for column in sorted(header, key=lambda column: column not in entity.fields):
        if column != "id" or "id" not in rules:
            rule = _rule(column, entity, names, header)
            if rule is not None:
                rules.setdefault(rule.field, rule)
    used = {name for rule in rules.values() for name in rule.columns()}
    found = key or next((name for name in rules if is_unique(entity, name)), "")
    return ImportMapping(
        name=entity.name,
        entity=entity.name,
        rules=tuple(rules.values()),
        key=(found,) if found else (),
        mode="upsert" if found else "create",
        ignore=tuple(column for column in header if column not in used and not column.startswith("_")),
    )


def _rule(column: str, entity: Entity, names: Mapping[str, str], header: Sequence[str]) -> FieldRule | None:
    name, by = _target(column, entity, names)
    field = entity.fields.get(name.partition(".")[0])
    if field is None or not field.writable or field.polymorphic or column.startswith("_"):
        return None
    if keys(field) and field.type != "relation" and not part_names(field):
        return None  # the platform works it out, or a file holds it
    if _goes_with_the_amount(name, field, names, header):
        return None
    named = f"{_plain(column)} currency"
    currency = (
        next((c for c in header if _plain(c) == named), "") if name == field.name and field.type == "money" else ""
    )
    return FieldRule(name, column=column, by=by, currency_column=currency)


def _target(column: str, entity: Entity, names: Mapping[str, str]) -> tuple[str, str]:
    """Return the field a column is named after, and the key field in ``owner.email``."""
    first, _, rest = column.partition(".")
    field = entity.fields.get(first)
    if rest and field is not None and field.type in ("links", "relation"):
        return (first, rest) if rest != "label" else ("", "")
    plain = _plain(column)
    if plain in names:
        return names[plain], ""
    near = difflib.get_close_matches(plain, names, 1, NEAR) if len(plain) > 3 else []
    return (names[near[0]], "") if near else ("", "")


def _names(entity: Entity) -> Mapping[str, str]:
    """Return what a column may be called → field; a field's own name and title come before what others call it."""
    names: dict[str, str] = {}
    fields = [field for field in entity.fields.values() if field.writable]
    for field in fields:
        names.setdefault(_plain(field.name), field.name)
    for field in fields:
        names.setdefault(_plain(field.title), field.name)
    for field in fields:
        names |= {n: path for n, path in _parts(field) if n not in names}
    for field in fields:
        for other in _SAME.get(field.name, ()):
            names.setdefault(other, field.name)
    return names


def _parts(field: Field) -> Iterator[tuple[str, str]]:
    """Yield what columns with a part of a field may be called → the path of the part."""
    for part in part_names(field):
        yield from ((_plain(f"{called} {part}"), f"{field.name}.{part}") for called in (field.name, field.title))


def _goes_with_the_amount(name: str, field: Field, names: Mapping[str, str], header: Sequence[str]) -> bool:
    """Whether a column of currencies stands beside one of amounts, which then reads it."""
    return name == f"{field.name}.currency" and any(names.get(_plain(column)) == field.name for column in header)


def _plain(text: str) -> str:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text)
    return " ".join(re.sub(r"[^a-z0-9]+", " ", fold(words) or "").split())


def mapping_data(mapping: ImportMapping) -> dict[str, Any]:
    """Return a mapping as the plain data of its file, for `xrm.metadata.write.render` or JSON."""
    data: dict[str, Any] = {"import": mapping.name, "entity": mapping.entity, "mode": mapping.mode}
    if mapping.key:
        data["key"] = list(mapping.key)
    data["fields"] = {rule.field: _rule_data(rule) for rule in mapping.rules}
    if mapping.ignore:
        data["ignore"] = list(mapping.ignore)
    return data


def _rule_data(rule: FieldRule) -> Any:
    texts = ("column", "template", "case", "prefix", "suffix", "split", "currency", "currency_column", "by", "entity")
    data: dict[str, Any] = {name: getattr(rule, name) for name in texts if getattr(rule, name)}
    if rule.values:
        data |= {"values": dict(rule.values), "otherwise": rule.otherwise}
    if rule.dates:
        data["date"] = list(rule.dates)
    data |= {name: getattr(rule, name) for name in ("value", "default") if getattr(rule, name) is not None}
    if rule.only_new:
        data["only_new"] = True
    return data["column"] if list(data) == ["column"] else data
