"""Upper and lower case, the same in Python, SQLite and PostgreSQL whatever their locales and versions.

Letters that have exactly one partner are changed: those of ASCII, and of the Latin, Greek and Cyrillic blocks below.
All others stay as they are: ß, the dotted and dotless i of Turkish, ligatures. PostgreSQL gets the same table as the
arguments of translate(), because its own lower() depends on the collation.
"""

from __future__ import annotations

from typing import Final

_BLOCKS = (
    range(0x00C0, 0x0250),  # Latin-1 letters, Latin Extended-A and -B
    range(0x0386, 0x0400),  # Greek
    range(0x0400, 0x0530),  # Cyrillic
    range(0x1E00, 0x1F00),  # Latin Extended Additional (Vietnamese)
)


def _pairs() -> tuple[str, str]:
    """Return the upper-case letters beyond ASCII that have one partner, and their partners."""
    found = [
        (upper, lower)
        for block in _BLOCKS
        for upper in map(chr, block)
        if (lower := upper.lower()) != upper
        and len(lower) == 1
        and lower.upper() == upper
        and any(ord(lower) in other for other in _BLOCKS)
    ]
    return "".join(upper for upper, _ in found), "".join(lower for _, lower in found)


_PAIRS: Final = _pairs()
UPPER: Final = _PAIRS[0]
LOWER: Final = _PAIRS[1]
USUAL: Final = " etaoinsrhldcumfpgwybvkxjqz0123456789.,-&/'@_()éüäöèàáíóßçñøåæêô"  # roughly by how often they occur
_ASCII_UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_TO_LOWER: Final = str.maketrans(_ASCII_UPPER + UPPER, _ASCII_UPPER.lower() + LOWER)
_TO_UPPER: Final = str.maketrans(_ASCII_UPPER.lower() + LOWER, _ASCII_UPPER + UPPER)


def lower(text: str) -> str:
    """Return `text` with every letter that has one lower-case partner replaced by it."""
    return text.lower() if text.isascii() else text.translate(_TO_LOWER)


def upper(text: str) -> str:
    """Return `text` with every letter that has one upper-case partner replaced by it."""
    return text.upper() if text.isascii() else text.translate(_TO_UPPER)
