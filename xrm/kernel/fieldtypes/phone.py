"""Telephone numbers, in the one form every program can dial: E.164, such as +4930123456.

Numbers written without a country are those of the site's country. A number of a length that its country does not have
is taken with a warning, so that the lists people come with are not refused for it; what is no number at all is. An
extension is kept as in a tel: address (RFC 3966): ``+4930123456;ext=12``. The numbering plans come from
phonenumbers (libphonenumber).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import phonenumbers
from phonenumbers import PhoneNumber, PhoneNumberFormat

from xrm.errors import Issue
from xrm.kernel.fieldtypes.base import FieldType, Parsing, Refused, constant, register, shape
from xrm.kernel.fieldtypes.text import clean_text
from xrm.metadata.model import Field

MAX_PHONE = 60  # characters as typed
_EXTENSION = re.compile(r"\+\d{2,15}(?:;ext=\d{1,10})?")


def parse_phone(field: Field, value: Any, parsing: Parsing) -> str:
    """Return a telephone number in E.164, with ``;ext=`` where it has an extension.

    Raises:
        Refused: it is no number, or none that any country could have.
    """
    text = clean_text(value, MAX_PHONE).strip()
    try:
        number = phonenumbers.parse(text, parsing.country)
    except phonenumbers.NumberParseException:
        raise Refused("not_phone", "This is not a telephone number.", "like +49 30 123456") from None
    kept = dialled(number)
    if not len(phonenumbers.national_significant_number(number)) >= 3 or not _EXTENSION.fullmatch(kept):
        where = f"+{number.country_code}"
        hint = f"as it is dialled after {where}; numbers of other countries begin with + and their code"
        raise Refused("impossible_phone", "No telephone number is that long or short.", hint)
    return kept


def _doubts(field: Field, value: str) -> Iterator[Issue]:
    """Yield a warning when no number of the country is that long or short."""
    number = read(value)
    if number is not None and not phonenumbers.is_possible_number(number):
        message = f"No telephone number of +{number.country_code} is that long or short."
        yield Issue(field.name, "doubtful_phone", message, "check it when you next speak", "warning")


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


@lru_cache(maxsize=1024)
def read(text: str) -> PhoneNumber | None:
    """Return the number of a kept text, or None: numbers kept before they had one form are left as they are."""
    if not _EXTENSION.fullmatch(text):
        return None
    try:
        return phonenumbers.parse(text)
    except phonenumbers.NumberParseException:
        return None


def _sought(text: str) -> str:
    """Return a kept number in every form it is looked for: its digits from each place on, as many as four are left.

    So it is found with and without the country's and the city's code, and by the last digits, which a caller may give.
    """
    number, _, extension = text.partition(";ext=")
    digits = re.sub(r"\D", "", number)
    ends = (digits[start:] for start in range(max(1, len(digits) - 3)))
    return " ".join([*ends, extension])


register(
    FieldType(
        "phone",
        constant("text"),
        parse_phone,
        shape(type="string", examples=["+4930123456"]),
        "text",
        "phone",
        sought=_sought,
        doubts=_doubts,
        holds="a telephone number, kept as +4930123456 (E.164), with ;ext= before an extension",
    )
)
