"""Texts, and texts of a form: e-mail, web address."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from xrm.kernel.fieldtypes.base import FieldType, Parsing, Refused, constant, register, shape
from xrm.metadata.model import Field
from xrm.metadata.pattern import matches

_HALF = re.compile("[\ud800-\udfff]")  # of a surrogate pair
MAX_TEXT = 100_000  # characters, where a field sets no smaller limit


def clean_text(value: Any, limit: int) -> str:
    """Return a text that can be stored.

    Raises:
        Refused: not a text, too long, or with NUL or half a surrogate pair.
    """
    if not isinstance(value, str):
        raise Refused("not_text", "This must be text.")
    if "\x00" in value or not (value.isascii() or _HALF.search(value) is None):
        raise Refused(
            "bad_character", "This text has a character that cannot be stored.", "remove NUL and lone surrogates"
        )
    if len(value) > limit:
        raise Refused("too_long", f"This text has {len(value)} characters; {limit} are allowed.")
    return value


def parse_text(field: Field, value: Any, parsing: Parsing) -> str | None:
    """Return a text without spaces around it; raises `Refused` when it is too long or of another form."""
    text = clean_text(value, int(field.max or MAX_TEXT)).strip()
    if field.pattern and text and not matches(field.pattern, text):
        raise Refused("wrong_pattern", "This does not have the expected form.", f"it must match {field.pattern}")
    return text or None


_EMAIL = re.compile(r"[^@\s<>(),;:\\\"\[\]]{1,64}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W\d_]{2,63}")


def _parse_email(field: Field, value: Any, parsing: Parsing) -> str:
    text = clean_text(value, 254).strip()
    name, _, domain = text.rpartition("@")
    address = f"{name}@{domain_name(domain)}"
    if not _EMAIL.fullmatch(address):
        raise Refused("not_email", "This is not an e-mail address.", "like name@example.com")
    return address


def domain_name(text: str) -> str:
    """Return a domain in the one form it is kept in: small letters, and the letters of its language instead of xn--."""
    return ".".join(_label(label) for label in unicodedata.normalize("NFKC", text).lower().split("."))


def _label(label: str) -> str:
    """Return one label of a domain; one that claims to be encoded and is not stays as it is (RFC 3492)."""
    if not label.startswith("xn--"):
        return label
    try:
        plain = label.removeprefix("xn--").encode("ascii").decode("punycode")
    except (UnicodeError, ValueError, OverflowError):
        return label
    honest = plain == unicodedata.normalize("NFKC", plain).lower() and re.fullmatch(r"[\w-]+", plain)
    return plain if honest and not plain.isascii() else label


_URL = re.compile(r"(https?)://([^\s/?#\"<>]+)([/?#][^\s\"<>]*)?", re.IGNORECASE)


def _parse_url(field: Field, value: Any, parsing: Parsing) -> str:
    found = _URL.fullmatch(clean_text(value, 2000).strip())
    if not found:
        raise Refused("not_url", "This is not a web address.", "it begins with https:// or http://")
    user, at, host = found[2].rpartition("@")
    return f"{found[1].lower()}://{user}{at}{domain_name(host)}{found[3] or ''}"


def text_shape(field: Field) -> Mapping[str, Any]:
    """Return the JSON Schema of a text field."""
    return {"type": "string", "maxLength": int(field.max or MAX_TEXT)}


_TEXT = constant("text")
_STRING = shape(type="string")

register(
    FieldType("text", _TEXT, parse_text, text_shape, "text", "text", holds="one line of text"),
    FieldType(
        "long_text",
        _TEXT,
        parse_text,
        text_shape,
        "text",
        "textarea",
        cell="long",
        ordered=False,
        holds="text of several lines",
    ),
    FieldType(
        "email", _TEXT, _parse_email, shape(type="string", format="email"), "text", "email", holds="an e-mail address"
    ),
    FieldType("url", _TEXT, _parse_url, shape(type="string", format="uri"), "text", "url", holds="a web address"),
    FieldType(
        "auto_number",
        _TEXT,
        parse_text,
        _STRING,
        "text",
        "text",
        holds="a number the platform gives, after the field's pattern",
    ),
)
