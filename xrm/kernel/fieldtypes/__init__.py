"""The field types: one module per subject, each registering what it defines. See base.py for what a type is."""

from __future__ import annotations

from xrm.kernel.fieldtypes import (
    addresses,
    choices,
    files,
    json,
    links,
    markup,
    moments,
    money,
    numbers,
    person_names,
    phone,
    places,
    pointers,
    ranges,
    sealed,
    signs,
    text,
)

__all__ = [
    "addresses",
    "choices",
    "files",
    "json",
    "links",
    "markup",
    "moments",
    "money",
    "numbers",
    "person_names",
    "phone",
    "places",
    "pointers",
    "ranges",
    "sealed",
    "signs",
    "text",
]
