"""Postal addresses, in the parts and the order of their country."""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from xrm.errors import Issue
from xrm.kernel.fieldtypes.base import FieldType, Parsing, Part, Refused, constant, register, shape
from xrm.kernel.fieldtypes.compound import line, lines, only_known
from xrm.kernel.fieldtypes.countries import countries, country_code
from xrm.kernel.store.schema import ColumnType
from xrm.metadata.model import Field

MAX_STREET = 500  # characters, over all its lines
PARTS = ("street", "postal_code", "city", "region", "country")


class Address(NamedTuple):
    """An address; a part that is not known is None."""

    street: str | None = None
    postal_code: str | None = None
    city: str | None = None
    region: str | None = None
    country: str | None = None

    @property
    def leading(self) -> str | None:
        """The street."""
        return self.street


def _parse_address(field: Field, value: Any, parsing: Parsing) -> Address | None:
    if isinstance(value, Address):
        return value
    if not isinstance(value, Mapping):
        raise Refused("not_address", "This is not an address.", 'like {"street": "…", "city": "…", "country": "DE"}')
    only_known(value, PARTS, "An address")
    country = _country(line(value.get("country"), "country"))
    found = Address(
        lines(value.get("street"), "street", MAX_STREET),
        _postal_code(line(value.get("postal_code"), "postal_code", 20), country),
        line(value.get("city"), "city"),
        line(value.get("region"), "region"),
        country,
    )
    return found if any(found) else None


def _country(text: str | None) -> str | None:
    if text is None:
        return None
    code = country_code(text)
    if code is None:
        raise Refused(
            "not_country", f"There is no country {text[:40]!r}.", "two letters of ISO 3166-1, as DE", "country"
        )
    return code


def _postal_code(text: str | None, country: str | None) -> str | None:
    """Return a postal code as its country writes it; raises `Refused` where that has none such."""
    pattern = countries()[country].postal_code if text and country else None
    if text is None or country is None or pattern is None:
        return text
    for written in (text, text.upper(), text.upper().removeprefix(f"{country}-")):
        if pattern.fullmatch(written):
            return written
    known = countries()[country]
    raise Refused(
        "not_postal_code",
        f"{known.name} has no such postal code.",
        f"like {known.example}" if known.example else "",
        "postal_code",
    )


def _doubts(field: Field, value: Address) -> Iterator[Issue]:
    """Yield a warning per part that a letter to this country needs."""
    country = countries().get(value.country or "")
    for part in PARTS:
        if country and part in country.required and not getattr(value, part):
            message = f"A letter to {country.name} also needs the {part.replace('_', ' ')}."
            yield Issue(f"{field.name}.{part}", "incomplete_address", message, severity="warning")


def written(value: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the lines of an address as its country writes them, the country's name last."""
    country = countries().get(value.get("country") or "")
    given = {part: str(value.get(part) or "") for part in PARTS[:4]}
    pattern = country.format if country else ("{street}", "{postal_code} {city}", "{region}")
    order = country.order if country else PARTS[:4]
    rows = [*pattern, *(f"{{{part}}}" for part in given if part not in order)]
    found = [row for template in rows for row in _filled(template, given).splitlines()]
    return (*filter(None, found), *([country.name] if country else []))


def _filled(template: str, given: Mapping[str, str]) -> str:
    """Return a line with its parts put in; what stands before a part is left out with it."""
    if "{" not in template:
        return template
    found = ""
    for number, (text, name, _, _) in enumerate(string.Formatter().parse(template)):
        if name and given[name]:
            found += (text if found or number == 0 else "") + given[name]
    return found


def _order(field: Field, held: Mapping[str, Any]) -> tuple[str, ...]:
    country = countries().get(str(held.get("country") or ""))
    order = country.order if country else PARTS[:4]
    return (*order, *(part for part in PARTS[:4] if part not in order), "country")


def _names() -> list[tuple[str, str]]:
    return [(country.code, country.name) for country in countries().values()]


_TEXT = ColumnType("text")
_OR_NULL = {"type": ["string", "null"]}

register(
    FieldType(
        "address",
        constant("text"),
        _parse_address,
        shape(
            type="object", properties={**dict.fromkeys(PARTS, _OR_NULL), "country": {**_OR_NULL, "examples": ["DE"]}}
        ),
        "text",
        "parts",
        first="street",
        parts=(
            Part("postal_code", _TEXT),
            Part("city", _TEXT),
            Part("region", _TEXT),
            Part("country", _TEXT, choices=_names),
        ),
        make=Address,
        whole=False,
        holds="a postal address; the country is a code of ISO 3166-1",
        leading=Part("street", _TEXT, lines=True),
        text=lambda field, value: ", ".join(written(value)),
        order=_order,
        doubts=_doubts,
    )
)
