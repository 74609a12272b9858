"""Words of a search: what is kept of a record to be found by, and what is looked for; alike on both databases.

A record keeps its words in its column ``search``, each with the field it is from: ``name=angstrom phone=301234``. So a
hit can be limited to the fields the actor may read, without another look at them. Words are folded (store/folding.py).
What is written together (``M-0042``, ``jean-claude``) is kept in parts and as one word (``m``, ``0042``, ``m0042``),
numbers also without leading zeros; characters of scripts that are written without spaces are words by themselves.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from xrm.kernel.store.folding import fold

MAX_WORDS = 6  # of a search
MAX_PIECES = 8  # of one word of a search
MAX_WORD = 40  # characters of a word that count
AROUND = 40  # characters of an excerpt before and after what was found
MAX_KEPT = 8_000  # characters that are kept of a record

_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # kana and Han
_PIECE = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")
_TELEPHONE = re.compile(r"[+(]*[\d()/.\-]{3,}")


# Letters that are no letter with an accent and yet are typed as others, and what German writes for an umlaut.
_PLAIN = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ð": "d", "ħ": "h", "\u0131": "i", "æ": "ae", "œ": "oe", "þ": "th"}
)
_SPELT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "ae", "Ö": "oe", "Ü": "ue"})


@dataclass(frozen=True, slots=True)
class Sought:
    """One word of a search: the ways in which it may be found, each of pieces that all must begin a word."""

    ways: tuple[tuple[str, ...], ...]


def kept_words(texts: Iterable[tuple[str, str]]) -> str | None:
    """Return what the column ``search`` holds: the words of ``(field, text)``, each once, until it is full."""
    found: dict[str, None] = {}
    size = 0
    for field, text in texts:
        for word in words_in(text):
            tagged = f"{field}={word}"
            if tagged not in found:
                size += len(tagged) + 1
                if size > MAX_KEPT:
                    return " ".join(found) or None
                found[tagged] = None
    return " ".join(found) or None


def words_in(text: str) -> Iterator[str]:
    """Yield the words of a text, folded; those with umlauts also as they are spelt without."""
    for chunk in _chunks(text):
        pieces = _PIECE.findall(chunk)
        for piece in pieces:
            yield piece[:MAX_WORD]
            if piece.isdigit() and piece.startswith("0") and (short := piece.lstrip("0")):
                yield short[:MAX_WORD]
        if len(pieces) > 1:
            yield "".join(pieces)[:MAX_WORD]


def _chunks(text: str) -> Iterator[str]:
    for chunk in text.split():
        for spelling in _spellings(chunk):
            yield from spelling.split()


def _spellings(chunk: str) -> tuple[str, ...]:
    """Return a word folded, and, if it has umlauts, as it is spelt without them."""
    composed = unicodedata.normalize("NFC", chunk)
    spelt = composed.translate(_SPELT)
    return tuple(fold(form).translate(_PLAIN) for form in ([chunk] if spelt == composed else [chunk, spelt]))


def sought_in(text: str) -> tuple[Sought, ...]:
    """Return the words that a search asks for; all of them must be found."""
    found = (Sought(tuple(way for form in _spellings(chunk) for way in _ways_of(form))) for chunk in text.split())
    return tuple(word for word in found if word.ways)[:MAX_WORDS]


def _ways_of(chunk: str) -> tuple[tuple[str, ...], ...]:
    pieces = _PIECE.findall(chunk)[:MAX_PIECES]
    ways = [tuple(piece[:MAX_WORD] for piece in pieces), ("".join(pieces)[:MAX_WORD],)]
    if _TELEPHONE.fullmatch(chunk):
        digits = re.sub(r"\D", "", chunk.replace("(0)", "")).lstrip("0")
        ways.append((digits[:MAX_WORD],) if digits else ())
    return tuple(way for way in dict.fromkeys(ways) if way and all(way))


def matching(dialect: str, words: Sequence[Sought], fields: Sequence[str], *, whole: bool = False) -> str:
    """Return what the index of words is asked: an FTS5 expression, or a tsquery.

    Args:
        dialect: Of the database.
        words: All of them must be found.
        fields: Where.
        whole: Whether words must be the same to their end, instead of beginning so.
    """
    return _and(dialect, (_or(dialect, _ways(dialect, word, fields, whole=whole)) for word in words))


def _ways(dialect: str, word: Sought, fields: Sequence[str], *, whole: bool) -> Iterator[str]:
    for *before, last in word.ways:  # only the last piece may go on: what stood before a sign was typed to its end
        pieces = ((piece, True) for piece in before), ((last, whole),)
        yield _and(dialect, (_piece(dialect, fields, *each) for some in pieces for each in some))


def _piece(dialect: str, fields: Sequence[str], piece: str, whole: bool) -> str:  # noqa: FBT001 - as of `matching`
    return _or(dialect, (_term(dialect, f"{field}={piece}", whole=whole) for field in fields))


def _term(dialect: str, word: str, *, whole: bool) -> str:
    if dialect == "sqlite":
        return f'"{word}"' if whole else f'"{word}" *'
    return f"'{word}'" if whole else f"'{word}':*"


def _and(dialect: str, terms: Iterable[str]) -> str:
    return "(" + (" AND " if dialect == "sqlite" else " & ").join(terms) + ")"


def _or(dialect: str, terms: Iterable[str]) -> str:
    return "(" + (" OR " if dialect == "sqlite" else " | ").join(terms) + ")"


def excerpt(text: str, search: str) -> str:
    """Return the part of a text around the first word that the search finds, or empty when it finds none."""
    pieces = tuple(piece for word in sought_in(search) for way in word.ways for piece in way)
    for match in re.finditer(r"\S+", text):
        if any(word.startswith(pieces) for word in words_in(match[0])):
            start, end = max(0, match.start() - AROUND), match.end() + AROUND
            return ("…" if start else "") + text[start:end].strip() + ("…" if end < len(text) else "")
    if not re.sub(r"ext=|[\d\s()+/.;\-]", "", text) and any(
        p in re.sub(r"\D", "", text) for p in pieces if p.isdigit()
    ):
        return text  # a telephone number
    return ""
