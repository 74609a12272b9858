"""What a database complains of, in the platform's own words.

`sqlite_error` and `postgres_error` translate a driver's exception into one of ours, or return it as it is when it
tells of a defect (bad SQL, a null where none may be). Messages never carry a value, an address or a password.
"""

from __future__ import annotations

import re
import sqlite3

from xrm.errors import Conflict, StorageFull, Unavailable

RETRY_AFTER = 1  # seconds; what a caller is told to wait when the database is busy or away


class UniqueViolation(Conflict):
    """A value that must be unique is there already. `index` is the name of the index that refused."""

    def __init__(self, index: str) -> None:
        super().__init__("A record with this value exists already", index=index)
        self.index = index


class ForeignKeyViolation(Conflict):
    """A record points to one that is not there, or is still pointed to. `key` is the key's name, if it is known."""

    def __init__(self, key: str = "") -> None:
        super().__init__("A record points to one that does not exist or must stay", key=key)
        self.key = key


class TransactionError(RuntimeError):
    """A transaction was used in a way that cannot work; a defect of the calling code, not of its input."""


class TablesChanged(Unavailable):
    """A statement met other tables than it was written for, since another process changed the model."""

    def __init__(self) -> None:
        super().__init__("The model was changed just now", retry_after=RETRY_AFTER)


class OtherGeneration(TablesChanged):
    """The database is on another generation than what was read or written was made for: the values may be misread."""


def met_other_tables(error: BaseException) -> bool:
    """Return whether an error may come of tables that are not what a statement was written for."""
    if isinstance(error, OtherGeneration):
        return True
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None:
        return code in _OTHER_TABLES or (code == sqlite3.SQLITE_ERROR and bool(_NO_SUCH.search(str(error))))
    return getattr(error, "sqlstate", None) in _OTHER_SCHEMA or must_prepare_anew(error)


def must_prepare_anew(error: BaseException) -> bool:
    """Return whether only what the driver had prepared is out of date."""
    return type(error).__name__ in _PREPARED


class TookTooLong(Unavailable):
    """A statement was given up after its time."""


def unavailable(message: str) -> Unavailable:
    """Return the error of a database that cannot answer just now."""
    return Unavailable(message, retry_after=RETRY_AFTER)


# --- SQLite

_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_AWAY = {
    sqlite3.SQLITE_CANTOPEN: "The database file cannot be opened",
    sqlite3.SQLITE_READONLY: "The database file cannot be written to",
    sqlite3.SQLITE_PERM: "The database file may not be used",
    sqlite3.SQLITE_IOERR: "The disk of the database reports an error",
    sqlite3.SQLITE_CORRUPT: "The database file is damaged",
    sqlite3.SQLITE_NOTADB: "The database file is not a SQLite database",
    sqlite3.SQLITE_PROTOCOL: "The database is locked",
    sqlite3.SQLITE_NOMEM: "The database ran out of memory",
}
_UNIQUE = frozenset(
    {
        sqlite3.SQLITE_CONSTRAINT_UNIQUE,
        sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY,
        sqlite3.SQLITE_CONSTRAINT_ROWID,
    }
)
_REFERENCE = frozenset({sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY, sqlite3.SQLITE_CONSTRAINT_TRIGGER})  # last: RESTRICT
_DATATYPE = 3091  # SQLITE_CONSTRAINT_DATATYPE, of STRICT tables; sqlite3 has no name for it
_OTHER_TABLES = frozenset({sqlite3.SQLITE_CONSTRAINT_NOTNULL, _DATATYPE})
_NO_SUCH = re.compile("no such (column|table)|has no column named")
_NAMED_INDEX = re.compile(r"index '(.+)'")
_COLUMNS = re.compile(r"failed: (.+)")


def sqlite_error(error: BaseException, database: sqlite3.Connection | None = None) -> BaseException:
    """Return the error to raise for one of sqlite3; `database` is asked for the name of the index."""
    code = getattr(error, "sqlite_errorcode", None)
    if not isinstance(error, sqlite3.Error) or code is None:
        return error
    primary = code & 0xFF
    if code in _UNIQUE:
        return UniqueViolation(_sqlite_index(str(error), database))
    if code in _REFERENCE and "FOREIGN KEY" in str(error):
        return ForeignKeyViolation()
    if primary == sqlite3.SQLITE_FULL:
        return StorageFull()
    if primary in _BUSY:
        return unavailable("The database is busy")
    return unavailable(_AWAY[primary]) if primary in _AWAY else error


def _sqlite_index(message: str, database: sqlite3.Connection | None) -> str:
    """Return the index a message speaks of; SQLite names the columns, and only for expressions the index."""
    if named := _NAMED_INDEX.search(message):
        return named[1]
    if not (listed := _COLUMNS.search(message)) or database is None:
        return ""
    places = [place.rpartition(".") for place in listed[1].split(", ")]
    table, columns = places[0][0], [column for _, _, column in places]
    found = database.execute(
        'SELECT l.name, l.origin FROM pragma_index_list(?1) l WHERE l."unique" AND'
        " (SELECT group_concat(name, ',') FROM (SELECT name FROM pragma_index_info(l.name) ORDER BY seqno)) = ?2",
        (table, ",".join(columns)),
    ).fetchall()
    return next((name for name, origin in found if origin == "c"), f"{table}_pkey")


# --- PostgreSQL, by SQLSTATE (PostgreSQL manual, appendix A)

_FOREIGN_KEY = frozenset({"23503", "23001"})
# undefined column, table, function; datatype mismatch; null where none may be
_OTHER_SCHEMA = frozenset({"42703", "42P01", "42883", "42804", "23502"})
_PREPARED = frozenset({"InvalidCachedStatementError", "OutdatedSchemaCacheError"})
_STATES = {
    "40001": "The database is busy",
    "40P01": "The database is busy",
    "55P03": "The database is busy",
    "53300": "The database has too many connections",
    "53200": "The database ran out of memory",
    "57014": "The database took too long",
    "57P01": "The database is restarting",
    "57P02": "The database is restarting",
    "57P03": "The database is starting",
    "3D000": "There is no database of this name",
    "25006": "The database takes no writes just now",
    "25P03": "The database took too long",
}


def postgres_error(error: BaseException) -> BaseException:
    """Return the error to raise for one of asyncpg or of the network."""
    state = getattr(error, "sqlstate", None)
    if isinstance(state, str):
        return _postgres_state(error, state)
    if isinstance(error, TimeoutError):
        return TookTooLong("The database took too long", retry_after=RETRY_AFTER)
    if isinstance(error, OSError):
        return unavailable("The database cannot be reached")
    return error


def _postgres_state(error: BaseException, state: str) -> BaseException:
    if state == "23505":
        return UniqueViolation(str(getattr(error, "constraint_name", "")))
    if state in _FOREIGN_KEY:
        return ForeignKeyViolation(str(getattr(error, "constraint_name", "")))
    if state == "53100":
        return StorageFull()
    if state == "25P02":
        return TransactionError("A statement of this transaction failed before; it can only be rolled back")
    if state.startswith("28"):
        return unavailable("The database refuses the user or the password")
    if state.startswith("08"):
        return unavailable("The connection to the database was lost")
    return unavailable(_STATES[state]) if state in _STATES else error
