"""Folding gives the same in Python, SQLite and PostgreSQL."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kernel.store.support import TEXT, sql
from xrm.kernel.store.folding import fold, fold_cell, fold_ddl

WORDS = {
    "Ångström": "angstrom",
    "STRASSE": "strasse",
    "Straße": "strasse",
    "GROẞ": "gross",
    "İstanbul": "istanbul",
    "Łódź": "łodz",
    "Øre": "øre",
    "Æsir": "æsir",
    "Dvořák": "dvorak",
    "Nguyễn": "nguyen",
    "ﬁn": "fin",
    "Ⅷ": "viii",
    "\uff21\uff22\uff23": "abc",
    "Ǆ": "dz",
    "ΑΘΉΝΑ": "αθηνα",
    "Москва́": "москва",
    "Йод": "иод",
    "東京": "東京",
    "": "",
    "a\u0301": "a",
    "हिन्दी": "हिन्दी",
    "O'Brien": "o'brien",
    "Ⱥ": "ⱥ",
    "½": "1\u20442",
}
SCRIPTS = [
    (0x0020, 0x024F),
    (0x0250, 0x052F),
    (0x1D00, 0x1FFF),
    (0x2000, 0x218F),
    (0x2C60, 0x2C7F),
    (0xA640, 0xA7FF),
    (0xFB00, 0xFB06),
    (0xFF01, 0xFF5E),
]


@pytest.mark.parametrize(("text", "folded"), WORDS.items())
def test_words(text, folded):
    assert fold(text) == folded


@given(st.text())
def test_folding_twice_changes_nothing_and_composition_does_not_matter(text):
    assert fold(fold(text)) == fold(text)
    assert fold(unicodedata.normalize("NFC", text)) == fold(unicodedata.normalize("NFD", text))


def letters():
    """Every assigned character of the Latin, Greek and Cyrillic blocks that Python's Unicode knows."""
    for first, last in SCRIPTS:
        yield from (c for c in map(chr, range(first, last + 1)) if unicodedata.category(c) not in ("Cn", "Cs", "Co"))


async def test_the_database_folds_as_python_does(store):
    """Character by character, alone and between others, and as words."""
    corpus = [*letters(), *(f"xX{c}Yy" for c in letters()), *WORDS]
    folded = store.dialect.fold(store.dialect.placeholder(1, TEXT))
    wrong = []
    async with store.transaction():
        for text in corpus:
            found = (await store.fetch(f"SELECT {folded}", [text]))[0][0]
            if found != fold(text):
                wrong.append((text, found, fold(text)))
    assert wrong == []
    assert len(corpus) > 4000


async def test_null_and_numbers(store):
    assert (await store.fetch(*sql(store, f"SELECT {store.dialect.fold('{}')}", (None, TEXT))))[0][0] is None
    assert fold_cell(None) is None
    assert fold_cell(5) == 5


async def test_an_index_may_use_it(store):
    await store.execute("CREATE TABLE t (name text)")
    await store.execute(f"CREATE INDEX ix ON t ({store.dialect.fold('name')})")
    await store.execute("INSERT INTO t VALUES ('Ångström')")
    found = await store.fetch(f"SELECT name FROM t WHERE {store.dialect.fold('name')} LIKE 'ang%'")
    assert found[0][0] == "Ångström"


def test_the_function_is_plain_sql():
    assert fold_ddl() == fold_ddl()
    assert "$fold$" in fold_ddl()
    assert fold_ddl().count("$fold$") == 2
