"""Conversions in SQL say what those in Python say: which values fit, and what they become, on both databases."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from xrm.kernel.migration.direct import direct
from xrm.kernel.migration.retype import Unconvertible, convert
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.sql import Binder
from xrm.kernel.store.store import Store

INT, TEXT = ColumnType("int"), ColumnType("text")
NUMBERS = [0, 1, -1, 9, 10, 99, 100, -100, 999, 1000, 12345, 10**15, 2**63 - 1, -(2**63)]


def decimal(precision: int, scale: int) -> ColumnType:
    return ColumnType("decimal", precision, scale)


PAIRS = [
    (INT, TEXT),
    (INT, decimal(5, 2)),
    (INT, decimal(18, 0)),
    (INT, decimal(18, 15)),
    (decimal(6, 2), decimal(6, 4)),
    (decimal(6, 4), decimal(6, 2)),
    (decimal(6, 4), decimal(12, 4)),
    (decimal(18, 2), decimal(5, 0)),
    (decimal(18, 0), INT),
    (decimal(6, 3), INT),
]


def _samples(type: ColumnType) -> list[Any]:
    if type.name == "int":
        return NUMBERS
    return [Decimal(n).scaleb(-type.scale) for n in NUMBERS if abs(n) < 10**type.precision]


@pytest.mark.parametrize(("old", "new"), PAIRS, ids=str)
async def test_the_database_converts_as_python_does(store: Store, old: ColumnType, new: ColumnType) -> None:
    dialect, samples = store.dialect, _samples(old)
    await store.execute(f"CREATE TABLE t (n integer, v {dialect.column_type(old)})")
    for number, value in enumerate(samples):
        sql = Binder(dialect)
        await store.execute(f"INSERT INTO t VALUES ({number}, {sql.bind(value, old)})", sql.params)
    how = direct(dialect, old, new, "v")
    assert how is not None
    rows = await store.fetch(f"SELECT n FROM t WHERE NOT ({how.unfit or '1 = 0'}) ORDER BY n")
    fitting = [row[0] for row in rows]
    await store.execute(f"DELETE FROM t WHERE {how.unfit or '1 = 0'}")
    decode = dialect.decode(new) or (lambda cell: cell)
    rows = await store.fetch(f"SELECT {how.value} FROM t ORDER BY n")
    expected = {}
    for number, value in enumerate(samples):
        try:
            expected[number] = convert(value, old, new)
        except Unconvertible:
            continue
    assert fitting == list(expected)
    assert [decode(row[0]) for row in rows] == list(expected.values())


def test_what_only_python_can_do_is_left_to_it(store: Store) -> None:
    assert direct(store.dialect, TEXT, INT, "v") is None
    assert direct(store.dialect, decimal(5, 2), TEXT, "v") is None
