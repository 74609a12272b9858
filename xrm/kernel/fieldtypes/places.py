"""Points on the earth: latitude and longitude in degrees (WGS 84), exact to six digits, which is 0.1 m."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple

from xrm.kernel.fieldtypes.base import FieldType, Parsing, Part, Refused, register, shape
from xrm.kernel.fieldtypes.compound import only_known
from xrm.kernel.fieldtypes.numbers import parse_decimal
from xrm.kernel.store.schema import ColumnType
from xrm.metadata.model import Field

DEGREES = ColumnType("decimal", 9, 6)
_LIMITS: Mapping[str, int] = {"lat": 90, "lng": 180}
_STEP = Decimal("0.000001")
_PAIR = re.compile(r"\s*([+-]?\d{1,3}(?:\.\d{1,20})?)\s*[,; ]\s*([+-]?\d{1,3}(?:\.\d{1,20})?)\s*")
_HINT = 'like "52.52, 13.405": latitude, then longitude'


class GeoPoint(NamedTuple):
    """Latitude and longitude in degrees."""

    lat: Decimal
    lng: Decimal

    @property
    def leading(self) -> Decimal:
        """The latitude."""
        return self.lat


def _parse_point(field: Field, value: Any, parsing: Parsing) -> GeoPoint | None:
    if isinstance(value, GeoPoint):
        return value
    if isinstance(value, str):
        pair = _PAIR.fullmatch(value)
        if pair is None:
            raise Refused("not_point", "This is not a place in degrees.", _HINT)
        value = {"lat": pair[1], "lng": pair[2]}
    if not isinstance(value, Mapping):
        raise Refused("not_point", "This is not a place in degrees.", _HINT)
    only_known(value, _LIMITS, "A place")
    given = {name: value.get(name) for name in _LIMITS}
    if all(part is None or part == "" for part in given.values()):
        return None
    return GeoPoint(**{name: _degrees(name, part) for name, part in given.items()})


def _degrees(name: str, value: Any) -> Decimal:
    """Return degrees, rounded to what is kept: maps and phones give more digits than mean anything."""
    if value is None or value == "":
        raise Refused("not_point", "Both latitude and longitude are needed.", _HINT, name)
    try:
        number = parse_decimal(value, 60, 20)
    except Refused as refused:
        raise Refused(refused.code, str(refused), refused.hint, name) from None
    if abs(number) > _LIMITS[name]:
        raise Refused("out_of_range", f"This must be from -{_LIMITS[name]} to {_LIMITS[name]} degrees.", part=name)
    return number.quantize(_STEP, ROUND_HALF_UP)


def _one_line(field: Field, value: Mapping[str, Any]) -> str:
    return ", ".join(f"{Decimal(str(value[name])).normalize():f}" for name in _LIMITS)


_DEGREES = {"type": "string", "format": "decimal"}

register(
    FieldType(
        "geo_point",
        lambda field: DEGREES,
        _parse_point,
        shape(type="object", required=["lat", "lng"], properties={"lat": _DEGREES, "lng": _DEGREES}),
        "decimal",
        "parts",
        first="lat",
        parts=(Part("lng", DEGREES, title="Longitude"),),
        make=GeoPoint,
        holds="latitude and longitude in degrees (WGS 84), rounded to six digits",
        ordered=False,
        leading=Part("lat", DEGREES, title="Latitude"),
        text=_one_line,
        accepts=("string",),
    )
)
