"""What goes into a column comes out again, alike on both databases; what is not of the type goes nowhere."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import uuid
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal

import msgspec
import pytest

from tests.kernel.store.support import (
    BOOL,
    DATE,
    DATETIME,
    INT,
    JSON,
    MONEY,
    TEXT,
    TEXTS,
    TIME,
    UUID,
    cells,
    make,
    sql,
    table,
)
from xrm.kernel.store.codec import POSTGRESQL, SQLITE
from xrm.kernel.store.schema import ColumnType

WHOLE, SMALL = ColumnType("decimal", 18, 0), ColumnType("decimal", 18, 18)
INDIA = timezone(timedelta(hours=5, minutes=30))
KEY = uuid.UUID("01890a5d-ac96-774b-bcce-b302099a8057")

# type, value, what the API shows
VALUES = [
    (TEXT, "", ""),
    (TEXT, "O'Brien \\ \" % _ {} ; -- Ångström 東京 🜁\n\t", "O'Brien \\ \" % _ {} ; -- Ångström 東京 🜁\n\t"),
    (TEXT, "x" * 100_000, "x" * 100_000),
    (INT, 0, 0),
    (INT, 2**63 - 1, 2**63 - 1),
    (INT, -(2**63), -(2**63)),
    (MONEY, Decimal("9999999999999999.99"), "9999999999999999.99"),
    (MONEY, Decimal("-9999999999999999.99"), "-9999999999999999.99"),
    (MONEY, Decimal("0.1"), "0.10"),
    (MONEY, Decimal("-0.05"), "-0.05"),
    (MONEY, Decimal("1E+3"), "1000.00"),
    (MONEY, Decimal("1.50000"), "1.50"),
    (MONEY, Decimal("-0"), "0.00"),
    (MONEY, 5, "5.00"),
    (SMALL, Decimal(0), "0." + "0" * 18),
    (SMALL, Decimal("-1E-18"), "-0." + "0" * 17 + "1"),
    (WHOLE, Decimal(999999999999999999), "999999999999999999"),
    (SMALL, Decimal("0.000000000000000001"), "0.000000000000000001"),
    (SMALL, Decimal("-0.999999999999999999"), "-0.999999999999999999"),
    (BOOL, True, True),
    (BOOL, False, False),
    (DATE, date.min, "0001-01-01"),
    (DATE, date.max, "9999-12-31"),
    (DATE, date(2024, 2, 29), "2024-02-29"),
    (TIME, time(0), "00:00:00"),
    (TIME, time(23, 59, 59, 999999), "23:59:59.999999"),
    (DATETIME, datetime(2026, 1, 31, 13, 5, tzinfo=UTC), "2026-01-31T13:05:00.000000Z"),
    (DATETIME, datetime(2026, 1, 31, 13, 5, 0, 1, tzinfo=UTC), "2026-01-31T13:05:00.000001Z"),
    (DATETIME, datetime(2026, 1, 31, 1, tzinfo=INDIA), "2026-01-30T19:30:00.000000Z"),
    (DATETIME, datetime(1, 1, 1, 0, 0, 0, 1, UTC), "0001-01-01T00:00:00.000001Z"),
    (DATETIME, datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), "9999-12-31T23:59:59.000000Z"),
    (UUID, KEY, str(KEY)),
    (JSON, {"b": [1, 2.5, None, True, "é\\u0000 '"], "a": {}}, {"b": [1, 2.5, None, True, "é\\u0000 '"], "a": {}}),
    (JSON, [], []),
    (JSON, "plain", "plain"),
    (JSON, 10**30, 10**30),
    (JSON, False, False),
    (TEXTS, (), []),
    (TEXTS, ("a", "", 'q"{},\\', "NULL", "ß"), ["a", "", 'q"{},\\', "NULL", "ß"]),
]
TYPES = [TEXT, INT, MONEY, BOOL, DATE, TIME, DATETIME, UUID, JSON, TEXTS]

REFUSED = [
    (TEXT, 5, TypeError),
    (TEXT, b"x", TypeError),
    (TEXT, "a\0b", ValueError),
    (TEXT, "\ud800", ValueError),
    (INT, "5", TypeError),
    (INT, 5.0, TypeError),
    (INT, True, TypeError),
    (INT, 2**63, ValueError),
    (INT, Decimal(5), TypeError),
    (MONEY, 1.5, TypeError),
    (MONEY, "1.50", TypeError),
    (MONEY, True, TypeError),
    (MONEY, Decimal("1.001"), ValueError),
    (MONEY, Decimal("1E16"), ValueError),
    (MONEY, Decimal("NaN"), ValueError),
    (MONEY, Decimal("Infinity"), ValueError),
    (MONEY, Decimal("1E-999999"), ValueError),
    (MONEY, Decimal("1E+999999"), ValueError),
    (MONEY, Decimal("0." + "1" * 80), ValueError),
    (MONEY, 10**16, ValueError),
    (BOOL, 1, TypeError),
    (BOOL, "true", TypeError),
    (DATE, "2026-01-31", TypeError),
    (DATE, datetime(2026, 1, 31, tzinfo=UTC), TypeError),
    (TIME, "13:05", TypeError),
    (TIME, time(13, 5, tzinfo=UTC), ValueError),
    (DATETIME, date(2026, 1, 31), TypeError),
    (DATETIME, datetime(2026, 1, 31), ValueError),  # noqa: DTZ001 - refused for that
    (DATETIME, datetime.min.replace(tzinfo=timezone(timedelta(hours=1))), ValueError),
    (DATETIME, datetime.max.replace(tzinfo=UTC), ValueError),
    (DATETIME, datetime.min.replace(tzinfo=UTC), ValueError),
    (UUID, str(KEY), TypeError),
    (JSON, {1, 2}, TypeError),
    (JSON, {"a": KEY}, TypeError),
    (JSON, float("nan"), ValueError),
    (JSON, ["a\0"], ValueError),
    (JSON, {"a\0": 1}, ValueError),
    (JSON, "\ud800", ValueError),
    (TEXTS, "abc", TypeError),
    (TEXTS, ["a", None], TypeError),
    (TEXTS, ["a\0"], ValueError),
    (TEXTS, {"a"}, TypeError),
]


@pytest.mark.parametrize("kind", [*TYPES, WHOLE, SMALL], ids=lambda kind: f"{kind.name}{kind.scale or ''}")
async def test_round_trip(store, kind):
    """As an argument, as a literal, in a condition, and as the API shows it."""
    await make(store, table("t", id=INT, v=kind, w=kind))
    insert = "INSERT INTO t VALUES ({}, {}, {})"
    for number, (value, shown) in enumerate((value, shown) for of, value, shown in VALUES if of is kind):
        literal = store.dialect.literal(value, kind).replace("{", "{{").replace("}", "}}")
        await store.execute(*sql(store, insert.replace("{}, {})", f"{{}}, {literal})"), (number, INT), (value, kind)))
        same = "UPDATE t SET v = {} WHERE id = {} AND v = {} AND v = w"
        assert await store.execute(*sql(store, same, (value, kind), (number, INT), (value, kind))) == 1
        [(read,)] = await cells(store, f"SELECT v FROM t WHERE id = {number}", [kind])
        assert read == value
        assert type(read) is (Decimal if kind.name == "decimal" else type(value)) or isinstance(read, uuid.UUID)
        [(stored,)] = await store.fetch(f"SELECT v FROM t WHERE id = {number}")
        show = store.dialect.jsonable(kind)
        assert json.loads(msgspec.json.encode(show(stored) if show else stored)) == shown


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)
async def test_null_stays_null(store, kind):
    await make(store, table("t", id=INT, v=kind))
    await store.execute(*sql(store, "INSERT INTO t VALUES ({}, {})", (1, INT), (None, kind)))
    await store.execute(f"INSERT INTO t VALUES (2, {store.dialect.literal(None, kind)})")
    assert await cells(store, "SELECT v FROM t WHERE v IS NULL", [kind]) == [(None,), (None,)]


@pytest.mark.parametrize("dialect", [SQLITE, POSTGRESQL], ids=lambda dialect: dialect.name)
@pytest.mark.parametrize(("kind", "value", "error"), REFUSED, ids=lambda value: str(value)[:20].replace("\0", "NUL"))
def test_a_wrong_value_is_refused(dialect, kind, value, error):
    with pytest.raises(error):
        dialect.encode(kind, value)
    with pytest.raises(error):
        dialect.literal(value, kind)


async def test_the_last_day_is_a_day_like_others(store):
    await make(store, table("t", id=INT, v=DATE))
    await store.execute(*sql(store, "INSERT INTO t VALUES ({}, {})", (1, INT), (date.max, DATE)))
    await store.execute(f"INSERT INTO t VALUES (2, {store.dialect.literal(date.max, DATE)})")
    assert len(await store.fetch(*sql(store, "SELECT id FROM t WHERE v = {}", (date.max, DATE)))) == 2


def test_json_that_only_looks_like_nul_is_let_through():
    assert json.loads(SQLITE.encode(JSON, {"a": "\\u0000"})) == {"a": "\\u0000"}


def test_deep_json_is_refused_and_not_a_crash():
    value: list = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(ValueError, match="deep"):
        SQLITE.encode(JSON, value)
    assert SQLITE.decode(JSON)("[" * 100_000) is None


@pytest.mark.parametrize("dialect", [SQLITE, POSTGRESQL], ids=lambda dialect: dialect.name)
def test_more_than_18_digits_are_refused_at_once(dialect):
    with pytest.raises(ValueError, match="18 digits"):
        dialect.column_type(ColumnType("decimal", 19, 2))
    with pytest.raises(ValueError, match="scale"):
        dialect.column_type(ColumnType("decimal", 4, 5))


SORTED = {
    TEXT: ["", "A", "Z", "a", "z", "Ä", "ä", "東", "🜁"],
    MONEY: [Decimal(-10), Decimal("-9.99"), Decimal(0), Decimal("9.5"), Decimal(10)],
    DATE: [date.min, date(999, 12, 31), date(2026, 1, 31), date.max],
    TIME: [time(0), time(13, 5), time(13, 5, 0, 250000), time(13, 5, 0, 500000), time(13, 5, 1)],
    DATETIME: [
        datetime(999, 1, 1, tzinfo=UTC),
        datetime(2026, 1, 1, tzinfo=UTC),
        datetime(2026, 1, 1, 0, 0, 0, 5, UTC),
    ],
    BOOL: [False, True],
    UUID: [uuid.UUID(int=1), KEY, uuid.UUID(int=2**128 - 1)],
}


@pytest.mark.parametrize("kind", SORTED, ids=lambda kind: kind.name)
async def test_order_is_the_values_order(store, kind):
    values = SORTED[kind]
    await make(store, table("t", id=INT, v=kind))
    for number, value in enumerate(reversed(values)):
        await store.execute(*sql(store, "INSERT INTO t VALUES ({}, {})", (number, INT), (value, kind)))
    assert [row[0] for row in await cells(store, "SELECT v FROM t ORDER BY v", [kind])] == values
    less = sql(store, "SELECT count(*) FROM t WHERE v < {}", (values[1], kind))
    assert (await store.fetch(*less))[0][0] == 1


DAMAGE = [
    "'garbage'",
    "x'ff00'",
    "1.5",
    "5",
    "'[1]'",
    "'[\"a\"'",
    "'2026-13-45'",
    "'2026-01-31T00:00:00'",
    "CAST(x'ff' AS TEXT)",
]


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)
@pytest.mark.parametrize("cell", DAMAGE)
async def test_a_damaged_cell_reads_as_null_or_as_a_value_of_the_type(tmp_path, kind, cell):
    from xrm.kernel.store.store import open_store

    store = open_store(f"sqlite:///{tmp_path}/damaged.db")
    await store.start()
    await store.execute(f"CREATE TABLE t (id INTEGER, v {SQLITE.column_type(kind)}) STRICT")
    with contextlib.suppress(sqlite3.IntegrityError):  # a STRICT table refuses some of it
        await store.execute(f"INSERT INTO t VALUES (1, {cell})")
    for (stored,) in await store.fetch("SELECT v FROM t"):
        value = SQLITE.decode(kind)(stored)
        assert value is None or SQLITE.encode(kind, value) is not None
        show = SQLITE.jsonable(kind)
        msgspec.json.encode(show(stored) if show else stored)
    await store.close()


def test_like_escape(tmp_path):
    with sqlite3.connect(tmp_path / "x.db") as database:
        hit = "SELECT ?1 LIKE ?2 ESCAPE '\\'"
        pattern = "%" + SQLITE.like_escape("50%_\\") + "%"
        assert database.execute(hit, ("at 50%_\\ off", pattern)).fetchone() == (1,)
        assert database.execute(hit, ("at 50xx\\ off", pattern)).fetchone() == (0,)
    database.close()
