"""Folding: the form of a text in which case and accents do not count, alike in Python, SQLite and PostgreSQL.

Decompose (NFKD), drop the combining diacritical marks, fold the case: ``Ångström`` → ``angstrom``, ``Straße`` →
``strasse``. Only diacritical marks are dropped, not the vowel signs of other scripts, whose loss would change words.
PostgreSQL has no such function that works in every build (without ICU, without the extension unaccent), so one is
made from the same tables as here; it covers the Latin, Greek and Cyrillic scripts.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

FOLD_FUNCTION = "xrm_fold"

_MARKS = ((0x0300, 0x036F), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20FF), (0xFE20, 0xFE2F))
_MARK = re.compile("[" + "".join(f"{chr(first)}-{chr(last)}" for first, last in _MARKS) + "]+")
_CASED = (
    (0x0080, 0x052F),
    (0x1C80, 0x1C8F),
    (0x1D00, 0x1FFF),
    (0x2100, 0x218F),
    (0x2C60, 0x2C7F),
    (0xA640, 0xA69F),
    (0xA720, 0xA7FF),
)


def fold(text: str) -> str:
    """Return the folded form of `text`. Folding twice changes nothing.

    Source: Unicode Standard, section 3.13 (default caseless matching) and annex 15 (NFKD).
    """
    if text.isascii():
        return text.lower()
    return _MARK.sub("", unicodedata.normalize("NFKD", text)).casefold()


def fold_cell(stored: object) -> object:
    """Fold a cell of SQLite: a text; anything else (null, a damaged cell) comes back as it is."""
    return fold(stored) if isinstance(stored, str) else stored


def fold_ddl() -> str:
    """Return the statement that makes the function on PostgreSQL (version 13 or newer, database in UTF-8)."""
    singles, several = _case_pairs()
    marks = "".join(f"\\u{first:04X}-\\u{last:04X}" for first, last in _MARKS)
    bare = f"""lower(regexp_replace(normalize(value, NFKD), '[{marks}]+', '', 'g') COLLATE "C")"""
    folded = f"translate({bare}, '{''.join(singles)}', '{''.join(singles.values())}')"
    for before, after in several.items():
        folded = f"replace({folded}, '{before}', '{after}')"
    return (
        f"CREATE OR REPLACE FUNCTION {FOLD_FUNCTION}(value text) RETURNS text"
        " LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $fold$"
        f""" SELECT CASE WHEN octet_length(value) = length(value) THEN lower(value COLLATE "C") ELSE {folded} END"""
        " $fold$"
    )


def fold_version() -> str:
    """Return a short mark of the function's text, kept as its comment, to tell whether it must be made anew."""
    return hashlib.sha256(fold_ddl().encode()).hexdigest()[:16]


def _case_pairs() -> tuple[dict[str, str], dict[str, str]]:
    """Return what folding the case does to the letters left after decomposition: one to one, one to several."""
    singles: dict[str, str] = {}
    several: dict[str, str] = {}
    for first, last in _CASED:
        for letter in map(chr, range(first, last + 1)):
            folded = letter.casefold()
            if folded != letter and unicodedata.normalize("NFKD", letter) == letter and not _MARK.match(letter):
                (singles if len(folded) == 1 else several)[letter] = folded
    return singles, several
