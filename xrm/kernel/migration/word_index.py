"""The index of the words records are found by (kernel/words.py), as SQL.

PostgreSQL indexes the column ``search`` as a set of lexemes. SQLite has a full-text table (FTS5) beside, which holds no
text, and a table that gives its numbers to records; triggers keep both up, so that whatever writes a record is followed
in the same transaction. Rows have numbers of their own because those of a table may change when it is compacted.
"""

from __future__ import annotations

from collections.abc import Iterator

from xrm.kernel.store.sql import quote

_TOKENS = "unicode61 remove_diacritics 0 categories 'L* M* N* P* S* C*'"  # words are folded: only spaces part them


def lexemes(alias: str) -> str:
    """Return the words of a row as PostgreSQL's index has them."""
    return f"array_to_tsvector(array_remove(string_to_array({alias}\"search\", ' '), ''))"


def full_text(name: str) -> str:
    """Return the name of SQLite's full-text table, by the name of the index."""
    return f"{name}_fts"


def create_on_postgresql(table: str, name: str) -> Iterator[str]:
    """Yield the statements that make the index; what earlier versions kept is cleared, it could be too long."""
    yield f"""UPDATE {quote(table)} SET "search" = NULL WHERE "search" !~ '^[a-z0-9_]+='"""
    yield f"CREATE INDEX {quote(name)} ON {quote(table)} USING gin ({lexemes('')})"


def create_on_sqlite(table: str, name: str) -> Iterator[str]:
    """Yield the statements that make the index and fill it, also where a rebuilt table left it behind."""
    yield from drop_on_sqlite(name)
    owner, numbers, text = quote(table), quote(name), quote(full_text(name))
    yield f'CREATE TABLE {numbers} ("n" INTEGER PRIMARY KEY, "id" TEXT NOT NULL UNIQUE)'
    options = f"""content='', detail=none, columnsize=0, tokenize="{_TOKENS}\""""
    yield f'CREATE VIRTUAL TABLE {text} USING fts5("words", {options})'
    yield f'INSERT INTO {numbers} ("id") SELECT "id" FROM {owner} WHERE "search" IS NOT NULL ORDER BY "id"'
    filled = f'SELECT k."n", t."search" FROM {owner} t JOIN {numbers} k ON k."id" = t."id"'
    yield f'INSERT INTO {text} (rowid, "words") {filled} ORDER BY k."n"'
    forget = (
        f'INSERT INTO {text} ({text}, rowid, "words") SELECT \'delete\', k."n", old."search"'
        f' FROM {numbers} k WHERE k."id" = old."id" AND old."search" IS NOT NULL;'
    )
    learn = (
        f'INSERT OR IGNORE INTO {numbers} ("id") SELECT new."id" WHERE new."search" IS NOT NULL;'
        f' INSERT INTO {text} (rowid, "words") SELECT k."n", new."search"'
        f' FROM {numbers} k WHERE k."id" = new."id" AND new."search" IS NOT NULL;'
    )
    gone = f'DELETE FROM {numbers} WHERE "id" = old."id";'
    differs = 'WHEN old."search" IS NOT new."search"'
    yield f"CREATE TRIGGER {numbers} AFTER INSERT ON {owner} BEGIN {learn} END"
    changed, deleted = quote(f"{name}_u"), quote(f"{name}_d")
    yield f'CREATE TRIGGER {changed} AFTER UPDATE OF "search" ON {owner} {differs} BEGIN {forget} {learn} END'
    yield f"CREATE TRIGGER {deleted} AFTER DELETE ON {owner} BEGIN {forget} {gone} END"


def drop_on_sqlite(name: str) -> Iterator[str]:
    """Yield the statements that remove the index, or what a dropped table left of it."""
    for trigger in (name, f"{name}_u", f"{name}_d"):
        yield f"DROP TRIGGER IF EXISTS {quote(trigger)}"
    yield f"DROP TABLE IF EXISTS {quote(full_text(name))}"
    yield f"DROP TABLE IF EXISTS {quote(name)}"
