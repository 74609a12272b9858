"""What only PostgreSQL can do to a store: abort a transaction, go away and come back, refuse a password."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

import pytest

from tests.kernel.store.support import INT, TEXT, TEXTS, make, table, together
from xrm.errors import StorageFull, Unavailable
from xrm.kernel.store.errors import TransactionError, UniqueViolation
from xrm.kernel.store.store import StoreOptions, open_store

COUNTER = table("counter", id=INT, n=INT, name=TEXT)


@pytest.fixture
async def counter(postgres_url):
    store = open_store(postgres_url)
    await store.start()
    await make(store, COUNTER)
    await store.execute("INSERT INTO counter VALUES (1, 0, 'one')")
    yield store
    await store.close()


async def test_an_error_that_was_swallowed_cannot_be_committed(counter):
    """The server answers COMMIT with a silent rollback."""

    async def swallow():
        async with counter.transaction():
            await counter.execute("UPDATE counter SET n = 5")
            with pytest.raises(UniqueViolation):
                await counter.execute("INSERT INTO counter VALUES (1, 0, 'x')")
            with pytest.raises(TransactionError, match="can only be rolled back"):
                await counter.fetch("SELECT 1")

    with pytest.raises(TransactionError, match="rolled this transaction back"):
        await swallow()
    assert (await counter.fetch("SELECT n FROM counter"))[0][0] == 0


async def test_a_commit_under_way_is_not_cancelled(counter):
    """Whoever is cancelled then is told so after the commit, and the connection can be used again."""
    await counter.execute(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.3); RETURN NULL; END $$"
    )
    await counter.execute(
        "CREATE CONSTRAINT TRIGGER slow AFTER UPDATE ON counter DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION slow()"
    )
    task = asyncio.create_task(together(counter, "UPDATE counter SET n = 7"))
    await asyncio.sleep(0.15)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await counter.fetch("SELECT n FROM counter"))[0][0] == 7


async def test_text_sorts_by_code_point_whatever_the_database_is_set_to(counter):
    await make(counter, table("words", id=INT, one=TEXT, many=TEXTS))
    found = await counter.fetch(
        "SELECT collname FROM pg_attribute JOIN pg_collation c ON c.oid = attcollation"
        " WHERE attrelid = 'words'::regclass AND attname IN ('one', 'many')"
    )
    assert [row[0] for row in found] == ["C", "C"]


async def stop_within(store, stop):
    async with store.transaction():
        await store.execute("UPDATE counter SET n = 2")
        await stop()
        await store.execute("UPDATE counter SET n = 3")


async def test_it_heals_after_the_server_restarted(counter, postgres_server):
    await asyncio.gather(*(counter.fetch("SELECT pg_sleep(0.05)") for _ in range(5)))  # several connections
    async with counter.transaction():
        await counter.execute("UPDATE counter SET n = 1")
    try:
        with pytest.raises(Unavailable):
            await stop_within(counter, lambda: asyncio.to_thread(postgres_server.stop))
        for _ in range(3):
            with pytest.raises(Unavailable) as caught:
                await counter.fetch("SELECT 1")
            assert caught.value.details == {"retry_after": 1}
    finally:
        await asyncio.to_thread(postgres_server.start)
    async with asyncio.timeout(5):
        assert (await counter.fetch("SELECT n FROM counter"))[0][0] == 1
        async with counter.transaction():
            await counter.execute("UPDATE counter SET n = 2")
    assert (await counter.fetch("SELECT n FROM counter"))[0][0] == 2


async def test_a_connection_that_is_killed_is_replaced(counter):
    pid = (await counter.fetch("SELECT pg_backend_pid()"))[0][0]
    with pytest.raises(Unavailable):
        await together(
            counter,
            "UPDATE counter SET n = 8",
            "SELECT pg_terminate_backend(pg_backend_pid())",
            "UPDATE counter SET n = 9",
        )
    new = (await counter.fetch("SELECT pg_backend_pid(), n FROM counter"))[0]
    assert new[0] != pid
    assert new[1] == 0


async def test_a_server_that_is_not_there_is_unavailable():
    store = open_store("postgresql://somebody:hidden-word@127.0.0.1:9/nothing")
    with pytest.raises(Unavailable) as caught:
        await store.start()
    shown = f"{caught.value!r} {caught.value} {caught.value.__cause__!r} {store!r}"
    assert "hidden-word" not in shown


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:hidden-word@host:port/db",
        "postgresql://me:hidden-word@[host/db",
        "postgresql://me:hidden-word@host/db?sslmode=hidden-word",
    ],
)
async def test_a_url_that_cannot_be_read_is_not_repeated(url):
    with pytest.raises(ValueError, match="cannot be read") as caught:
        await open_store(url).start()
    assert "hidden-word" not in repr(caught.value)
    assert caught.value.__suppress_context__


async def test_a_database_that_does_not_exist_is_named_as_such(postgres_server):
    store = open_store(postgres_server.url("no_such_database"))
    with pytest.raises(Unavailable, match="no database of this name"):
        await store.start()


async def test_a_full_disk_is_told(counter):
    await counter.execute(
        "CREATE FUNCTION full_disk() RETURNS void LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$"
    )
    with pytest.raises(StorageFull):
        await counter.fetch("SELECT full_disk()")


async def test_a_locked_row_is_waited_for_only_so_long(postgres_url):
    store = open_store(postgres_url, options=StoreOptions(wait=0.3))
    await store.start()
    await make(store, COUNTER)
    await store.execute("INSERT INTO counter VALUES (1, 0, 'one')")
    holding, done = asyncio.Event(), asyncio.Event()

    async def hold():
        async with store.transaction():
            await store.execute("UPDATE counter SET n = 1")
            holding.set()
            await done.wait()

    holder = asyncio.create_task(hold())
    await holding.wait()
    with pytest.raises(Unavailable, match="busy"):
        await store.execute("UPDATE counter SET n = 2")
    done.set()
    await holder
    await store.close()


async def test_the_fold_function_is_made_once_by_many_and_mended(postgres_server):
    name = postgres_server.create()
    postgres_server.run("DROP FUNCTION xrm_fold(text)", database=name)
    stores = [open_store(postgres_server.url(name)) for _ in range(5)]
    await asyncio.gather(*(store.start() for store in stores))
    assert (await stores[0].fetch("SELECT xrm_fold('Å')"))[0][0] == "a"
    await stores[0].execute("COMMENT ON FUNCTION xrm_fold(text) IS 'older'")
    await asyncio.gather(*(store.close() for store in stores))
    again = open_store(postgres_server.url(name))
    await again.start()
    assert (await again.fetch("SELECT obj_description('xrm_fold(text)'::regprocedure)"))[0][0] != "older"
    await again.close()
    postgres_server.drop(name)


async def test_a_password_works_and_is_not_shown(postgres_server, postgres_url):
    """The test server trusts everybody; what matters is that a quoted password is read and kept to itself."""
    url = postgres_url.replace("postgres:@", f"postgres:{quote('p@ss/word', safe='')}@")
    store = open_store(url)
    await store.start()
    assert "ss" not in repr(store)
    await store.close()


@pytest.fixture
async def narrow(postgres_url):
    """A store of two connections, for which one waits a moment."""
    store = open_store(postgres_url, options=StoreOptions(connections=2, wait=0.3, read_timeout=1))
    await store.start()
    yield store
    await store.close()


async def test_many_share_few_connections(narrow):
    texts = [f"SELECT {number}, pg_backend_pid() FROM pg_sleep(0.001)" for number in range(60)]
    rows = await asyncio.gather(*(narrow.fetch(text) for text in texts))
    assert [row[0][0] for row in rows] == list(range(60))
    assert len({row[0][1] for row in rows}) <= 2


async def test_who_waits_too_long_for_a_connection_is_told_and_takes_none_along(narrow):
    async def hold(seconds):
        async with narrow.transaction():
            await narrow.fetch(f"SELECT pg_sleep({seconds})")

    holding = [asyncio.create_task(hold(0.8)) for _ in range(2)]
    await asyncio.sleep(0.1)
    waiting = [asyncio.create_task(narrow.fetch("SELECT 1")) for _ in range(5)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert all(isinstance(error, Unavailable) for error in found[1:])
    await asyncio.gather(*holding)
    assert len(await asyncio.gather(*(narrow.fetch("SELECT 1") for _ in range(20)))) == 20


async def test_a_connection_is_good_after_a_read_that_took_too_long_or_was_given_up(narrow):
    late = await asyncio.gather(*(narrow.fetch("SELECT pg_sleep(5)") for _ in range(2)), return_exceptions=True)
    assert all(isinstance(error, Unavailable) for error in late)
    given_up = [asyncio.create_task(narrow.fetch("SELECT pg_sleep(5)")) for _ in range(2)]
    await asyncio.sleep(0.1)
    for task in given_up:
        task.cancel()
    await asyncio.gather(*given_up, return_exceptions=True)
    rows = await asyncio.gather(*(narrow.fetch(f"SELECT {number}") for number in range(10)))
    assert [row[0][0] for row in rows] == list(range(10))


async def test_statements_under_way_end_before_the_store_is_closed(postgres_url):
    store = open_store(postgres_url, options=StoreOptions(connections=1))
    await store.start()
    under_way = asyncio.create_task(store.fetch("SELECT 5 FROM pg_sleep(0.2)"))
    waiting = asyncio.create_task(store.fetch("SELECT 6"))
    await asyncio.sleep(0.05)
    await store.close()
    assert (await under_way)[0][0] == 5
    with pytest.raises(Unavailable, match="closed"):
        await waiting
