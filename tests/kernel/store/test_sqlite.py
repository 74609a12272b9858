"""What only SQLite can do to a store: fill up, be held by another process, be damaged, roll back by itself."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from decimal import Decimal

import pytest

from tests.kernel.store.support import INT, TEXT, make, sql, table, together
from xrm.errors import StorageFull, Unavailable
from xrm.kernel.store.errors import ForeignKeyViolation, TransactionError, UniqueViolation
from xrm.kernel.store.store import StoreOptions, open_store

THING = table("thing", id=INT, name=TEXT)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "site.db"


@pytest.fixture
async def things(path):
    store = open_store(str(path), options=StoreOptions(busy_timeout=0.3))
    await store.start()
    await make(store, THING)
    await store.execute("INSERT INTO thing VALUES (1, 'one')")
    yield store
    await store.close()


async def test_what_the_connections_are_set_to(things):
    async with things.transaction():
        writer = {name: (await things.fetch(f"PRAGMA {name}"))[0][0] for name in ("synchronous", "foreign_keys")}
    assert writer == {"synchronous": 2, "foreign_keys": 1}
    assert (await things.fetch("PRAGMA journal_mode"))[0][0] == "wal"
    assert (await things.fetch("PRAGMA query_only"))[0][0] == 1


async def test_synchronous_normal_is_a_setting(path):
    store = open_store(f"sqlite:///{path}", options=StoreOptions(synchronous="normal"))
    await store.start()
    async with store.transaction():
        assert (await store.fetch("PRAGMA synchronous"))[0][0] == 1
    await store.close()
    with pytest.raises(ValueError, match="full or normal"):
        open_store(str(path), options=StoreOptions(synchronous="off"))


async def test_a_full_disk_is_told_and_leaves_all_usable(things):
    pages = (await things.fetch("PRAGMA page_count"))[0][0]
    await things.execute(f"PRAGMA max_page_count = {pages + 20}")
    big = sql(things, "INSERT INTO thing VALUES ({}, {})", (2, INT), ("x" * 500_000, TEXT))
    with pytest.raises(StorageFull):
        await things.execute(*big)
    with pytest.raises(StorageFull):
        await things.batch([("INSERT INTO thing VALUES (3, 'x')", ()), big])
    with pytest.raises(StorageFull):
        await together(things, "INSERT INTO thing VALUES (3, 'x')", f"INSERT INTO thing VALUES (2, '{'x' * 500_000}')")
    assert [tuple(row) for row in await things.fetch("SELECT id FROM thing")] == [(1,)]
    await things.execute(f"PRAGMA max_page_count = {pages + 2000}")
    assert await things.execute(*big) == 1
    assert (await things.fetch("PRAGMA integrity_check"))[0][0] == "ok"


async def test_nothing_takes_effect_after_sqlite_rolled_back_by_itself(things):
    """An interrupted INSERT ends the whole transaction; what followed would be committed one by one."""
    await things.execute("CREATE TABLE many (n INTEGER)")
    endless = "INSERT INTO many WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n FROM c"

    async def go_on_regardless():
        async with things.transaction():
            await things.execute("INSERT INTO thing VALUES (2, 'two')")
            task = asyncio.create_task(things.execute(endless))
            await asyncio.sleep(0.1)
            task.cancel()
            await asyncio.wait([task])
            with pytest.raises(TransactionError, match="rolled this transaction back"):
                await things.execute("INSERT INTO thing VALUES (3, 'three')")

    with pytest.raises(TransactionError, match="rolled this transaction back"):
        await go_on_regardless()
    assert len(await things.fetch("SELECT * FROM thing")) == 1
    assert await things.fetch("SELECT * FROM many") == []


async def test_another_process_is_waited_for_and_then_the_database_is_busy(things, path):
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    assert len(await things.fetch("SELECT * FROM thing")) == 1  # reading goes on
    with pytest.raises(Unavailable, match="busy") as caught:
        await together(things, "INSERT INTO thing VALUES (2, 'two')")
    assert caught.value.details == {"retry_after": 1}
    release = threading.Timer(0.1, other.execute, ["COMMIT"])
    release.start()
    await together(things, "INSERT INTO thing VALUES (2, 'two')")
    release.join()
    other.close()
    assert len(await things.fetch("SELECT * FROM thing")) == 2


async def test_tables_can_be_rebuilt_in_a_schema_transaction_but_not_with_dangling_references(things):
    await things.execute("CREATE TABLE part (id INTEGER PRIMARY KEY, thing INTEGER REFERENCES thing (id))")
    await things.execute("INSERT INTO part VALUES (1, 1)")

    async def rebuild(copy):
        async with things.schema_transaction():
            await things.execute("CREATE TABLE thing_2 (id INTEGER PRIMARY KEY, name TEXT, more TEXT)")
            await things.execute(f"INSERT INTO thing_2 SELECT id, name, 'x' FROM thing WHERE {copy}")
            await things.execute("DROP TABLE thing")
            await things.execute("ALTER TABLE thing_2 RENAME TO thing")

    with pytest.raises(ForeignKeyViolation) as caught:
        await rebuild("id > 1")
    assert caught.value.key == "part → thing"
    assert [tuple(row) for row in await things.fetch("SELECT * FROM thing")] == [(1, "one")]
    await rebuild("true")
    assert [tuple(row) for row in await things.fetch("SELECT * FROM thing")] == [(1, "one", "x")]
    with pytest.raises(ForeignKeyViolation):
        await things.execute("DELETE FROM thing")


async def test_arguments_that_are_no_stored_values_are_refused(things):
    for value in (Decimal("1.5"), object(), [1]):
        with pytest.raises(TypeError, match=type(value).__name__):
            await things.execute("INSERT INTO thing VALUES (2, ?1)", [value])
        with pytest.raises(TypeError):
            await things.execute_many("INSERT INTO thing VALUES (?1, ?2)", [[2, "x"], [3, value]])
    assert len(await things.fetch("SELECT * FROM thing")) == 1


async def test_functions_can_be_added_and_indexed(path):
    store = open_store(str(path), functions={"double": (1, lambda n: n * 2)})
    await store.start()
    await make(store, THING)
    await store.execute("CREATE UNIQUE INDEX uq ON thing (double(id))")
    await store.execute("INSERT INTO thing VALUES (1, 'one')")
    assert (await store.fetch("SELECT double(id) FROM thing WHERE double(id) = 2"))[0][0] == 2
    await store.execute("CREATE UNIQUE INDEX uq_half ON thing (double(id) / 4)")
    with pytest.raises(UniqueViolation) as caught:
        await store.execute("INSERT INTO thing VALUES (0, 'zero')")
    assert caught.value.index == "uq_half"
    await store.close()


async def test_a_text_that_is_not_utf_8_does_not_hide_the_row(things):
    await things.execute("INSERT INTO thing VALUES (2, CAST(x'61ff62' AS TEXT)), (3, x'ff')")
    expected = [(1, "one"), (2, "a\ufffdb"), (3, b"\xff")]
    assert await things.fetch("SELECT * FROM thing ORDER BY id") == expected
    async with things.transaction():
        assert await things.fetch("SELECT * FROM thing ORDER BY id") == expected
    assert await things.fetch("SELECT name FROM thing WHERE id = 1") == [("one",)]


@pytest.mark.parametrize("damage", ["folder", "no database", "torn"])
async def test_a_file_that_cannot_be_used_is_unavailable(path, damage):
    if damage == "folder":
        path.write_text("a file where the folder should be")
        path = path / "site.db"
    elif damage == "no database":
        path.write_bytes(b"this is a letter to my aunt, not a database" * 100)
    else:
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE t (a)")
            database.executemany("INSERT INTO t VALUES (?)", [["x" * 1000]] * 100)
        database.close()
        path.write_bytes(path.read_bytes()[:4096] + b"\xff" * 20000)
    store = open_store(str(path))

    async def use():
        await store.start()
        await store.fetch("SELECT sum(length(a)) FROM t")

    with pytest.raises(Unavailable, match="database"):
        await use()
    await store.close()


async def test_it_heals_when_the_file_can_be_opened_again(path):
    path.write_text("a file where the folder should be")
    store = open_store(str(path / "site.db"))
    with pytest.raises(Unavailable):
        await store.start()
    path.unlink()
    await store.start()
    assert (await store.fetch("SELECT 1"))[0][0] == 1
    await store.close()


async def test_no_thread_stays_behind(path):
    before = threading.active_count()
    store = open_store(str(path))
    await store.start()
    assert threading.active_count() > before
    await store.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "xrm-sqlite"]


async def test_an_index_serves_folded_beginnings(things):
    await things.execute("CREATE INDEX ix ON thing (fold(name))")
    plan = await things.fetch("EXPLAIN QUERY PLAN SELECT * FROM thing WHERE fold(name) LIKE 'ang%'")
    assert "USING INDEX ix" in plan[0][3]
