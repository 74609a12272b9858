"""Telephone numbers, in the one form every program can dial: E.164, such as +4930123456.

Numbers written without a country are those of the site's country. An extension is kept as in a tel: address (RFC 3966):
``+4930123456;ext=12``. The numbering plans of all countries come from phonenumbers (Google's libphonenumber).
"""

from __future__ import annotations

import re
from typing import Any

import phonenumbers
from phonenumbers import PhoneNumber, PhoneNumberFormat

from xrm.kernel.fieldtypes.base import FieldType, Parsing, Refused, constant, register, shape
from xrm.kernel.fieldtypes.text import clean_text
from xrm.metadata.model import Field

MAX_PHONE = 60  # characters as typed
_EXTENSION = re.compile(r"\+\d{2,15}(?:;ext=\d{1,10})?")


def parse_phone(field: Field, value: Any, parsing: Parsing) -> str:
    """Return a telephone number in E.164, with ``;ext=`` where it has an extension.

    Raises:
        Refused: it is no number, or none that its country could have.
    """
    text = clean_text(value, MAX_PHONE).strip()
    try:
        number = phonenumbers.parse(text, parsing.country)
    except phonenumbers.NumberParseException:
        raise Refused("not_phone", "This is not a telephone number.", "like +49 30 123456") from None
    if not phonenumbers.is_possible_number(number):
        where = f"+{number.country_code}"
        hint = f"as it is dialled after {where}; numbers of other countries begin with + and their code"
        raise Refused("impossible_phone", f"No telephone number of {where} is that long or short.", hint)
    return dialled(number)


def dialled(number: PhoneNumber) -> str:
    """Return a number as it is kept."""
    text = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    return f"{text};ext={number.extension}" if number.extension else text


def shown(text: str, country: str) -> str:
    """Return a kept number as people of `country` (ISO 3166-1 alpha-2) write it; other texts as they are."""
    number = read(text)
    if number is None:
        return text
    at_home = number.country_code == phonenumbers.country_code_for_region(country)
    form = PhoneNumberFormat.NATIONAL if at_home else PhoneNumberFormat.INTERNATIONAL
    return str(phonenumbers.format_number(number, form))


def read(text: str) -> PhoneNumber | None:
    """Return the number of a kept text, or None: numbers kept before they had one form are left as they are."""
    if not _EXTENSION.fullmatch(text):
        return None
    try:
        return phonenumbers.parse(text)
    except phonenumbers.NumberParseException:
        return None


def _sought(text: str) -> str:
    """Return a kept number in every form it is looked for: all digits, and those dialled inside the country."""
    number = read(text)
    home = phonenumbers.national_significant_number(number) if number else ""
    return " ".join([text, re.sub(r"\D", "", text), *([f"0{home}"] if home else [])])


register(
    FieldType(
        "phone",
        constant("text"),
        parse_phone,
        shape(type="string", examples=["+4930123456"]),
        "text",
        "phone",
        sought=_sought,
        holds="a telephone number, kept as +4930123456 (E.164), with ;ext= before an extension",
    )
)
