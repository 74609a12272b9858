"""The field types: one module per subject, each registering what it defines. See base.py for what a type is."""

from __future__ import annotations

from xrm.kernel.fieldtypes import (
    addresses,
    choices,
    json,
    links,
    moments,
    money,
    numbers,
    person_names,
    places,
    pointers,
    ranges,
    text,
)

__all__ = [
    "addresses",
    "choices",
    "json",
    "links",
    "moments",
    "money",
    "numbers",
    "person_names",
    "places",
    "pointers",
    "ranges",
    "text",
]
