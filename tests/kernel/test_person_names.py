"""Names of people: split and put together again, in either order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from xrm.kernel.fieldtypes.person_names import split
from xrm.kernel.values import Parsing, parse
from xrm.metadata.model import Field

NAME = Field("name", "person_name", "Name")
FAMILY_FIRST = replace(NAME, order="family_first")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Ann Smith", {"given": "Ann", "family": "Smith"}),
        ("Ann Maria Smith", {"given": "Ann", "middle": "Maria", "family": "Smith"}),
        ("Ludwig van Beethoven", {"given": "Ludwig", "family": "van Beethoven"}),
        ("Prof. Dr. Ada Lovelace", {"prefix": "Prof. Dr.", "given": "Ada", "family": "Lovelace"}),
        ("Dr. Dr.", {"prefix": "Dr.", "given": "Dr."}),
        ("Madonna", {"given": "Madonna"}),
        ("山田太郎", {"given": "山田太郎"}),
        ("John Smith III", {"given": "John", "family": "Smith", "suffix": "III"}),
    ],
)
def test_a_name_is_split_so_that_its_parts_make_it_again(text: str, parts: dict[str, str]) -> None:
    assert split(NAME, text) == parts
    assert parse(NAME, text, Parsing()).full == text


def test_a_name_with_a_comma_is_turned_round() -> None:
    assert parse(NAME, "Smith, Ann Maria", Parsing()).full == "Ann Maria Smith"
    assert parse(NAME, "Martin Luther King, Jr.", Parsing()).full == "Martin Luther King Jr."


def test_the_family_name_comes_first_where_the_field_says_so() -> None:
    made = parse(FAMILY_FIRST, "Nagy Anna Mária", Parsing())
    assert (made.family, made.given, made.middle, made.full) == ("Nagy", "Anna", "Mária", "Nagy Anna Mária")
    assert parse(FAMILY_FIRST, {"given": "Anna", "family": "Nagy"}, Parsing()).full == "Nagy Anna"


@pytest.mark.parametrize(
    "text", [",", " , ", "Dr.", ", Ann", "Smith,", "Jr.", "Smith, Jr.", "a, b, c", "von", "von der"]
)
def test_whatever_is_sent_makes_a_name_or_none(text: str) -> None:
    for field in (NAME, FAMILY_FIRST):
        made = parse(field, text, Parsing())
        assert made is None or made.full
