"""What a store promises of statements, transactions and errors, on both databases."""

from __future__ import annotations

import asyncio
import contextvars

import pytest

from tests.kernel.store.support import INT, TEXT, Stop, make, sql, table, together
from xrm.errors import Unavailable
from xrm.kernel.store.errors import ForeignKeyViolation, TransactionError, UniqueViolation
from xrm.kernel.store.store import StoreOptions, open_store

COUNTER = table("counter", id=INT, n=INT, name=TEXT)
LONG_QUERY = {
    "sqlite": "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 9999999999) SELECT max(n) FROM c",
    "postgresql": "SELECT pg_sleep(120)",
}


@pytest.fixture
async def counter(store):
    """The store with one table of one row: 1, 0, 'one'."""
    await make(store, COUNTER)
    await store.execute("INSERT INTO counter VALUES (1, 0, 'one')")
    return store


async def numbers(store):
    return [row[0] for row in await store.fetch("SELECT n FROM counter ORDER BY id")]


async def add_row(store, key, name="x"):
    await store.execute(*sql(store, "INSERT INTO counter VALUES ({}, {}, {})", (key, INT), (0, INT), (name, TEXT)))


# --- statements


async def test_counts_of_rows(counter):
    assert await counter.execute("INSERT INTO counter VALUES (2, 0, 'two'), (3, 0, 'three')") == 2
    assert await counter.execute("UPDATE counter SET n = 5 WHERE id > 1") == 2
    assert await counter.execute("UPDATE counter SET n = 5 WHERE id > 99") == 0
    assert await counter.execute("DELETE FROM counter WHERE id = 3 RETURNING id") == 1
    assert await counter.execute("CREATE INDEX ix ON counter (n)") == 0


async def test_rows_come_by_position_and_by_name(counter):
    [row] = await counter.fetch("SELECT id, n, name FROM counter")
    assert (row[0], row[1], row[2], len(row)) == (1, 0, "one", 3)
    assert list(row) == [1, 0, "one"]
    assert await counter.fetch_named("SELECT id AS key, name FROM counter") == [{"key": 1, "name": "one"}]
    assert await counter.fetch("SELECT 1 FROM counter WHERE id = 99") == []


async def test_fetch_may_write_outside_and_inside_a_transaction(counter):
    assert (await counter.fetch("UPDATE counter SET n = 7 RETURNING n"))[0][0] == 7
    assert await counter.fetch_named("UPDATE counter SET n = 8 RETURNING n") == [{"n": 8}]
    async with counter.transaction():
        assert (await counter.fetch("UPDATE counter SET n = n + 1 RETURNING n"))[0][0] == 9
        assert await counter.fetch_named("SELECT n FROM counter") == [{"n": 9}]
    assert await numbers(counter) == [9]


async def test_placeholders_may_repeat_and_come_in_any_order(counter):
    text, args = sql(counter, "SELECT {1}, {0}, {1}", ("a", TEXT), (2, INT))
    assert list((await counter.fetch(text, args))[0]) == [2, "a", 2]


async def test_batch_is_all_or_nothing(counter):
    good = ("UPDATE counter SET n = n + 1", ())
    bad = ("INSERT INTO counter VALUES (1, 0, 'again')", ())
    assert await counter.batch([good, good, ("DELETE FROM counter WHERE id = 99", ())]) == [1, 1, 0]
    with pytest.raises(UniqueViolation):
        await counter.batch([good, bad])
    assert await numbers(counter) == [2]
    assert await counter.batch([]) == []


async def test_a_failed_batch_in_a_nested_transaction_leaves_the_outer_one(counter):
    good, bad = ("UPDATE counter SET n = n + 1", ()), ("INSERT INTO counter VALUES (1, 0, 'again')", ())
    async with counter.transaction():
        await counter.batch([good])
        with pytest.raises(UniqueViolation):
            await batch_inside(counter, [good, bad])
        await counter.batch([good])
    assert await numbers(counter) == [2]


async def batch_inside(store, statements):
    async with store.transaction():
        await store.batch(statements)


async def test_execute_many_is_all_or_nothing(counter):
    text, _ = sql(counter, "INSERT INTO counter VALUES ({}, 0, {})", (0, INT), ("", TEXT))
    await counter.execute_many(text, ([key, f"name {key}"] for key in range(10, 20)))
    assert len(await numbers(counter)) == 11
    for inside in (False, True):
        with pytest.raises(UniqueViolation):
            await (many_inside(counter, text) if inside else counter.execute_many(text, [[30, "x"], [1, "x"]]))
        assert len(await numbers(counter)) == 11
    await counter.execute_many(text, [])


async def many_inside(store, text):
    async with store.transaction():
        await store.execute_many(text, [[30, "x"], [1, "x"]])


# --- transactions


async def test_commit_and_roll_back(counter):
    async with counter.transaction():
        assert counter.in_transaction
        await counter.execute("UPDATE counter SET n = 1")
        assert await numbers(counter) == [1]  # it sees its own writes
    assert not counter.in_transaction
    assert await numbers(counter) == [1]
    with pytest.raises(Stop):
        await together(counter, "UPDATE counter SET n = 2", error=Stop())
    assert await numbers(counter) == [1]
    assert not counter.in_transaction


async def test_an_empty_transaction_is_fine(counter):
    async with counter.transaction(), counter.transaction():
        assert counter.in_transaction


async def test_nobody_sees_what_is_not_committed(counter):
    async def look():
        return await numbers(counter)

    async with counter.transaction():
        await counter.execute("UPDATE counter SET n = 1")
        seen = await asyncio.create_task(look(), context=contextvars.Context())
    assert seen == [0]


async def ten_and_hundred(store, error=None):
    async with store.transaction():
        await store.execute("UPDATE counter SET n = n + 10")
        await together(store, "UPDATE counter SET n = n + 100")
        if error:
            raise error


async def test_nested_transactions_roll_back_alone(counter):
    async with counter.transaction():
        await counter.execute("UPDATE counter SET n = n + 1")
        with pytest.raises(Stop):
            await ten_and_hundred(counter, Stop())
        await ten_and_hundred(counter)
        with pytest.raises(Stop):
            await ten_and_hundred(counter, Stop())
        await counter.execute("UPDATE counter SET n = n + 1")
    assert await numbers(counter) == [112]


async def test_a_failed_statement_in_a_nested_transaction_leaves_the_outer_one_usable(counter):
    async with counter.transaction():
        with pytest.raises(UniqueViolation):
            await together(counter, "INSERT INTO counter VALUES (1, 0, 'again')")
        await add_row(counter, 2)
    assert len(await numbers(counter)) == 2


async def test_twenty_tasks_read_change_and_write(counter):
    async def increase():
        async with counter.transaction():
            lock = "" if counter.dialect.name == "sqlite" else " FOR UPDATE"
            [(n,)] = await counter.fetch(f"SELECT n FROM counter WHERE id = 1{lock}")
            await asyncio.sleep(0)
            await counter.execute(*sql(counter, "UPDATE counter SET n = {} WHERE id = 1", (n + 1, INT)))

    await asyncio.gather(*(increase() for _ in range(20)))
    assert await numbers(counter) == [20]


async def test_tasks_of_one_transaction_share_it(counter):
    async with counter.transaction():
        await asyncio.gather(*(counter.execute("UPDATE counter SET n = n + 1") for _ in range(10)))
        assert await numbers(counter) == [10]


async def test_a_failing_commit_rolls_back_and_leaves_all_usable(store):
    await store.execute("CREATE TABLE parent (id integer PRIMARY KEY)")
    await store.execute(
        "CREATE TABLE child (id integer PRIMARY KEY,"
        " parent integer REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)"
    )
    for _ in range(15):  # more often than there are connections
        with pytest.raises(ForeignKeyViolation):
            await together(store, "INSERT INTO child VALUES (1, 99)")
        assert not store.in_transaction
    async with store.transaction():
        await store.execute("INSERT INTO parent VALUES (1)")
    assert await store.fetch("SELECT * FROM child") == []


async def test_a_task_that_outlives_its_transaction_is_told_so(counter):
    go_on = asyncio.Event()

    async def late():
        await go_on.wait()
        await counter.execute("UPDATE counter SET n = 99")

    async with counter.transaction():
        task = asyncio.create_task(late())
        await counter.execute("UPDATE counter SET n = 1")
    go_on.set()
    with pytest.raises(TransactionError, match="outlived"):
        await task
    assert await numbers(counter) == [1]


async def test_a_nested_transaction_that_outlives_the_outer_one_is_told_so(counter):
    go_on, inside = asyncio.Event(), asyncio.Event()

    async def late():
        async with counter.transaction():
            inside.set()
            await go_on.wait()

    async with counter.transaction():
        task = asyncio.create_task(late())
        await inside.wait()
    async with counter.transaction():  # another one, on the same connection: the late end must not touch it
        await counter.execute("UPDATE counter SET n = 1")
        go_on.set()
        with pytest.raises(TransactionError, match="ended before"):
            await task
    assert await numbers(counter) == [1]


# --- cancelling and waiting


@pytest.mark.parametrize("inside", [True, False], ids=["in a transaction", "alone"])
async def test_a_cancelled_query_stops_at_once(counter, inside):
    async def work():
        if inside:
            async with counter.transaction():
                await counter.execute("UPDATE counter SET n = 5")
                await counter.fetch(LONG_QUERY[counter.dialect.name])
        else:
            await counter.fetch(LONG_QUERY[counter.dialect.name])

    task = asyncio.create_task(work())
    await asyncio.sleep(0.1)
    task.cancel()
    async with asyncio.timeout(2):
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await numbers(counter) == [0]
        async with counter.transaction():
            await counter.execute("UPDATE counter SET n = 1")
    assert await numbers(counter) == [1]


async def cancel_one_that_waits(store):
    async with store.transaction():
        await store.execute("UPDATE counter SET n = 1")
        long = asyncio.create_task(store.fetch(LONG_QUERY[store.dialect.name]))
        waiting = asyncio.create_task(store.fetch("SELECT count(*) FROM counter"))
        await asyncio.sleep(0.05)
        waiting.cancel()
        await asyncio.sleep(0.1)
        assert not long.done()
        long.cancel()
        await long


async def test_cancelling_a_task_that_waits_does_not_stop_the_query_of_another(counter):
    with pytest.raises(asyncio.CancelledError):
        await cancel_one_that_waits(counter)
    assert await numbers(counter) == [0]


async def test_a_hundred_cancelled_writers_leave_no_lock_behind(counter):
    async def write(delay):
        async with counter.transaction():
            await counter.execute("UPDATE counter SET n = n + 1")
            await asyncio.sleep(delay)

    tasks = [asyncio.create_task(write(0.001)) for _ in range(100)]
    for number, task in enumerate(tasks):
        await asyncio.sleep(0)
        if number % 2:
            task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    done = sum(outcome is None for outcome in outcomes)
    assert await numbers(counter) == [done]
    assert done >= 50


async def test_a_read_that_takes_too_long_is_ended(database_url):
    store = open_store(database_url, options=StoreOptions(read_timeout=0.2))
    await store.start()
    with pytest.raises(Unavailable, match="too long"):
        await store.fetch(LONG_QUERY[store.dialect.name])
    assert (await store.fetch("SELECT 1"))[0][0] == 1
    async with store.transaction():  # no limit inside: it may well be an import
        await store.fetch(*sql(store, "SELECT {}", (1, INT)))
    await store.close()


async def test_waiting_for_ones_turn_ends(database_url):
    store = open_store(database_url, options=StoreOptions(wait=0.2, connections=1))
    await store.start()
    await make(store, COUNTER)

    async def write():
        async with store.transaction():
            await store.execute("UPDATE counter SET n = 1")

    async with store.transaction():
        await store.execute("UPDATE counter SET n = 2")
        with pytest.raises(Unavailable) as caught:
            await asyncio.create_task(write(), context=contextvars.Context())
        assert caught.value.details == {"retry_after": 1}
    await store.close()


# --- errors


async def test_a_unique_violation_names_its_index(counter):
    await counter.execute("CREATE UNIQUE INDEX uq_n_name ON counter (n, name)")
    await counter.execute("CREATE UNIQUE INDEX uq_name ON counter (name) WHERE n < 100")
    await counter.execute(f"CREATE UNIQUE INDEX uq_fold ON counter ({counter.dialect.fold('name')}) WHERE n > 100")
    await counter.execute("INSERT INTO counter VALUES (2, 101, 'Ä')")
    for row, index in (
        ("1, 5, 'y'", "counter_pkey"),
        ("3, 0, 'one'", None),
        ("3, 5, 'one'", "uq_name"),
        ("3, 102, 'a'", "uq_fold"),
    ):
        with pytest.raises(UniqueViolation) as caught:
            await counter.execute(f"INSERT INTO counter VALUES ({row})")
        assert caught.value.index in ((index,) if index else ("uq_n_name", "uq_name"))
        assert caught.value.status == 409


async def test_foreign_keys_are_enforced(store):
    await store.execute("CREATE TABLE parent (id integer PRIMARY KEY)")
    await store.execute(
        "CREATE TABLE child (id integer PRIMARY KEY, parent integer REFERENCES parent (id) ON DELETE RESTRICT)"
    )
    await store.execute("INSERT INTO parent VALUES (1)")
    await store.execute("INSERT INTO child VALUES (1, 1)")
    for text in ("INSERT INTO child VALUES (2, 99)", "DELETE FROM parent", "UPDATE child SET parent = 99"):
        with pytest.raises(ForeignKeyViolation):
            await store.execute(text)


async def change_tables(store, *statements, error=None):
    async with store.schema_transaction():
        for text in statements:
            await store.execute(text)
        if error:
            raise error


@pytest.fixture
async def family(store):
    await store.execute("CREATE TABLE parent (id integer PRIMARY KEY)")
    await store.execute("CREATE TABLE child (id integer PRIMARY KEY, parent integer REFERENCES parent (id))")
    await store.execute("INSERT INTO parent VALUES (1)")
    await store.execute("INSERT INTO child VALUES (1, 1)")
    return store


async def test_a_schema_transaction_rolls_back_and_references_hold_again_after_it(family):
    with pytest.raises(Stop):
        await change_tables(family, "ALTER TABLE child ADD COLUMN more text", error=Stop())
    assert len((await family.fetch("SELECT * FROM child"))[0]) == 2
    with pytest.raises(ForeignKeyViolation):
        await family.execute("DELETE FROM parent")
    await change_tables(family, "ALTER TABLE child ADD COLUMN more text")
    assert len((await family.fetch("SELECT * FROM child"))[0]) == 3
    with pytest.raises(ForeignKeyViolation):
        await family.execute("DELETE FROM parent")


async def test_a_schema_transaction_is_a_transaction_of_its_own(family):
    async with family.transaction():
        with pytest.raises(TransactionError):
            await change_tables(family)
    with pytest.raises(ForeignKeyViolation):  # at once on PostgreSQL, before the commit on SQLite
        await change_tables(family, "DELETE FROM parent")
    assert len(await family.fetch("SELECT * FROM parent")) == 1


async def test_tables_may_change_under_prepared_statements(counter):
    for _ in range(3):
        await counter.fetch("SELECT * FROM counter")
        async with counter.transaction():
            await counter.fetch("SELECT * FROM counter")
    async with counter.schema_transaction():
        await counter.execute("ALTER TABLE counter ADD COLUMN more text")
    await counter.tables_changed()
    async with counter.transaction():
        assert len((await counter.fetch("SELECT * FROM counter"))[0]) == 4
    assert len((await counter.fetch("SELECT * FROM counter"))[0]) == 4


async def test_lock_needs_a_transaction_and_keeps_others_out(counter):
    with pytest.raises(TransactionError, match="none is open"):
        await counter.lock("numbers")
    order = []

    async def work(name):
        async with counter.transaction():
            await counter.lock("numbers")
            order.append(f"{name} in")
            await asyncio.sleep(0.05)
            order.append(f"{name} out")

    await asyncio.gather(work("a"), work("b"))
    assert [entry.split()[1] for entry in order] == ["in", "out", "in", "out"]


async def test_a_store_that_is_not_started_says_so(database_url):
    store = open_store(database_url)
    with pytest.raises(RuntimeError, match="not started"):
        await store.fetch("SELECT 1")
    with pytest.raises(RuntimeError, match="not started"):
        await store.execute("SELECT 1")
    await store.start()
    await store.start()  # again is nothing
    await store.close()
    await store.close()
    with pytest.raises(RuntimeError, match="not started"):
        await store.fetch("SELECT 1")
    await store.start()
    assert (await store.fetch("SELECT 1"))[0][0] == 1
    await store.close()


@pytest.mark.parametrize("url", ["mysql://u:secret@host/db", "", "sqlite://", "sqlite:///:memory:", ":memory:"])
def test_a_url_that_is_none_is_refused_without_repeating_it(url):
    with pytest.raises(ValueError, match="The database must be") as caught:
        open_store(url)
    assert "secret" not in str(caught.value)
