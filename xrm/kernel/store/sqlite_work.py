"""What runs on SQLite's threads: plain functions of a connection, for `ConnectionThread.run`."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Concatenate, ParamSpec, TypeVar

from xrm.kernel.store.errors import ForeignKeyViolation, TransactionError
from xrm.kernel.store.store import Arguments

P = ParamSpec("P")
T = TypeVar("T")
Work = Callable[Concatenate[sqlite3.Connection, P], T]

_NATIVE = frozenset({type(None), int, float, str, bytes, bool})


class WritesError(Exception):
    """A statement tried to write through a connection that only reads."""


def begin(database: sqlite3.Connection, work: Work[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `work` as the first of a transaction."""
    database.execute("BEGIN IMMEDIATE")
    return work(database, *args, **kwargs)


def begin_unchecked(database: sqlite3.Connection, work: Work[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `work` as the first of a transaction in which references are not enforced."""
    database.execute("PRAGMA foreign_keys=OFF")  # has no effect inside a transaction
    return begin(database, work, *args, **kwargs)


def within(database: sqlite3.Connection, work: Work[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `work` as one more of a transaction."""
    check_open(database)
    return work(database, *args, **kwargs)


def check_open(database: sqlite3.Connection) -> None:
    """Refuse to go on after SQLite rolled back by itself: the statement would take effect alone."""
    if not database.in_transaction:
        raise TransactionError("The database rolled this transaction back after an earlier error")


def commit(database: sqlite3.Connection) -> None:
    """Commit; if that fails, roll back and raise."""
    check_open(database)
    try:
        database.execute("COMMIT")
    except BaseException:
        rollback(database)
        raise


def commit_checked(database: sqlite3.Connection) -> None:
    """Commit a transaction begun unchecked; if a reference dangles, roll back and raise."""
    check_open(database)
    if broken := database.execute("PRAGMA foreign_key_check").fetchone():
        rollback(database)
        raise ForeignKeyViolation(f"{broken[0]} → {broken[2]}")
    commit(database)
    database.execute("PRAGMA foreign_keys=ON")


def rollback(database: sqlite3.Connection) -> None:
    """Roll back, if SQLite has not done so itself."""
    if database.in_transaction:
        database.execute("ROLLBACK")
    database.execute("PRAGMA foreign_keys=ON")  # a schema transaction had it off


def keep(database: sqlite3.Connection, savepoint: str) -> None:
    """End a savepoint and keep what was done."""
    check_open(database)
    database.execute(f"RELEASE {savepoint}")


def undo(database: sqlite3.Connection, savepoint: str) -> None:
    """End a savepoint and undo what was done; nothing is left to undo if SQLite rolled back itself."""
    if database.in_transaction:
        database.execute(f"ROLLBACK TO {savepoint}")
        database.execute(f"RELEASE {savepoint}")


def _check_native(args: Arguments) -> None:
    """Refuse arguments that are no stored values: sqlite3 would let an adapter change them (a Decimal to a float)."""
    if not _NATIVE.issuperset(map(type, args)):
        names = sorted({type(arg).__name__ for arg in args if type(arg) not in _NATIVE})
        raise TypeError(f"not stored values: {', '.join(names)}; use Dialect.encode")


def fetch(database: sqlite3.Connection, sql: str, args: Arguments) -> list[tuple[Any, ...]]:
    """Return the rows of a statement."""
    _check_native(args)
    changes = database.total_changes
    try:
        return database.execute(sql, args).fetchall()
    except sqlite3.OperationalError as error:
        if "decode to UTF-8" not in str(error) or database.total_changes != changes:
            raise
        return _fetch_damaged(database, sql, args)


def _fetch_damaged(database: sqlite3.Connection, sql: str, args: Arguments) -> list[tuple[Any, ...]]:
    """Read rows in which a text is not UTF-8, with marks where it is not."""
    database.text_factory = lambda raw: raw.decode("utf-8", "replace")
    try:
        return database.execute(sql, args).fetchall()
    finally:
        database.text_factory = str


def fetch_named(database: sqlite3.Connection, sql: str, args: Arguments) -> list[dict[str, Any]]:
    """Return the rows of a statement as dicts."""
    _check_native(args)
    cursor = database.execute(sql, args)
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def reading(database: sqlite3.Connection, work: Callable[..., T], sql: str, args: Arguments) -> T:
    """Run `work` on a connection that only reads; raises WritesError if the statement writes."""
    try:
        return work(database, sql, args)
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_READONLY:
            raise WritesError from error
        raise


def execute(database: sqlite3.Connection, sql: str, args: Arguments) -> int:
    """Run a statement; return how many rows it inserted, changed or deleted."""
    _check_native(args)
    cursor = database.execute(sql, args)
    cursor.fetchall()  # a statement with RETURNING is done only when its rows were read
    return max(cursor.rowcount, 0)


def execute_many(database: sqlite3.Connection, sql: str, rows: Sequence[Arguments]) -> None:
    """Run a statement once per row of arguments, all or none."""
    for args in rows:
        _check_native(args)
    with _together(database):
        database.executemany(sql, rows)


def batch(database: sqlite3.Connection, statements: Sequence[tuple[str, Arguments]]) -> list[int]:
    """Run statements in order, all or none; return the number of rows of each."""
    with _together(database):
        return [execute(database, sql, args) for sql, args in statements]


@contextmanager
def _together(database: sqlite3.Connection) -> Iterator[None]:
    """Make several statements one: a savepoint in the open transaction, or a transaction of their own."""
    if not database.in_transaction:
        database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            rollback(database)
            raise
        commit(database)
        return
    database.execute("SAVEPOINT xrm_batch")
    try:
        yield
    except BaseException:
        undo(database, "xrm_batch")
        raise
    keep(database, "xrm_batch")
