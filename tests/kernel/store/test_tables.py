"""Piccolo's queries over the generated classes: same rows, same types on both databases."""

from __future__ import annotations

import gc
import weakref
from datetime import UTC, date, datetime, time
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from piccolo.query import Avg, Max, Sum
from piccolo.querystring import QueryString
from piccolo.table import TABLE_REGISTRY

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
    make,
    schema,
    table,
)
from tests.kernel.store.support import (
    UUID as UUID_TYPE,
)
from xrm.kernel.store.errors import UniqueViolation
from xrm.kernel.store.schema import Column, ForeignKey, Table
from xrm.kernel.store.tables import piccolo_tables

AT = datetime(2026, 1, 31, 13, 5, 0, 123456, tzinfo=UTC)
PARTY = table("party", id=UUID_TYPE, name=TEXT, limit=MONEY, boss=UUID_TYPE)
PARTY = Table("party", "party", PARTY.columns, (), (ForeignKey("k0", "boss", "user"),))
USER = table("user", id=UUID_TYPE, name=TEXT, party=UUID_TYPE)
USER = Table("user", "user", USER.columns, (), (ForeignKey("k2", "party", "party"),))
DEAL = table(
    "deal",
    id=UUID_TYPE,
    select=TEXT,
    amount=MONEY,
    count=INT,
    won=BOOL,
    day=DATE,
    hour=TIME,
    at=DATETIME,
    tags=TEXTS,
    extra=JSON,
    party=UUID_TYPE,
)
DEAL = Table("deal", "deal", DEAL.columns, (), (ForeignKey("k1", "party", "party"),))
VALUES = {
    "c_select": "Größe",
    "c_amount": Decimal("12.30"),
    "c_count": 7,
    "c_won": True,
    "c_day": date(2026, 1, 31),
    "c_hour": time(13, 5),
    "c_at": AT,
    "c_tags": ["a", "machinery"],
    "c_extra": {"a": [1, None]},
}


@pytest.fixture
async def tables(store):
    await make(store, PARTY, USER, DEAL)
    return piccolo_tables(schema(PARTY, USER, DEAL), store.engine)


@pytest.fixture
async def deal(tables):
    party, user = uuid4(), uuid4()
    await tables["user"].insert(tables["user"](id=user, c_name="Ada", c_party=party))
    await tables["party"].insert(tables["party"](id=party, c_name="ACME", c_limit=Decimal("5.00"), c_boss=user))
    made = tables["deal"](id=uuid4(), c_party=party, **VALUES)
    await made.save()
    return made


async def test_select_gives_typed_values(tables, deal):
    row = await tables["deal"].select().first()
    expected = {key.removeprefix("c_"): value for key, value in VALUES.items()} | {"id": deal.id, "party": deal.c_party}
    assert row == expected
    assert {key: type(value) for key, value in row.items() if key not in ("id", "party")} == {
        key: type(value) for key, value in expected.items() if key not in ("id", "party")
    }
    assert isinstance(row["id"], UUID)
    assert str(row["amount"]) == "12.30"


async def test_objects_change_and_save(tables, deal):
    found = await tables["deal"].objects().get(tables["deal"].id == deal.id)
    assert found.c_amount == Decimal("12.30")
    found.c_amount = Decimal("99.99")
    await found.save()
    assert (await tables["deal"].select(tables["deal"].c_amount).first())["amount"] == Decimal("99.99")


async def test_conditions_are_encoded(tables, deal):
    Deal = tables["deal"]  # noqa: N806 - a class
    for condition in (
        Deal.c_amount > Decimal("12.29"),
        Deal.c_amount.is_in([Decimal("12.3")]),
        Deal.c_at <= AT,
        Deal.c_won == True,  # noqa: E712
        Deal.c_day != date(2000, 1, 1),
        Deal.c_hour == time(13, 5),
        Deal.id == deal.id,
        Deal.c_select.like("Gr%"),
        Deal.c_tags.any("machinery"),
        Deal.c_tags.not_any("mach"),
        Deal.c_party == deal.c_party,
        (Deal.c_count >= 7) & (Deal.c_count < 8),
    ):
        assert await Deal.exists().where(condition), str(condition)
    for condition in (
        Deal.c_amount > Decimal("12.30"),
        Deal.c_tags.any("mach"),
        Deal.c_amount.not_in([Decimal("12.3")]),
    ):
        assert not await Deal.exists().where(condition), str(condition)


async def test_a_value_of_another_type_is_refused(tables, deal):
    Deal = tables["deal"]  # noqa: N806
    with pytest.raises(TypeError, match="decimal wanted"):
        await Deal.select().where(Deal.c_amount == "12.30")
    with pytest.raises(TypeError, match="date wanted"):
        await Deal.insert(Deal(id=uuid4(), c_day="2026-01-31"))
    with pytest.raises(ValueError, match="after the point"):
        await Deal.update({Deal.c_amount: Decimal("1.001")}).where(Deal.id == deal.id)


async def test_update_and_delete_return_typed_values(tables, deal):
    Deal = tables["deal"]  # noqa: N806
    changed = (
        await Deal.update({Deal.c_amount: Decimal("1.5"), Deal.c_count: Deal.c_count + 1})
        .where(Deal.id == deal.id)
        .returning(Deal.c_amount, Deal.c_count, Deal.id.as_alias("key"))
    )
    assert changed == [{"amount": Decimal("1.50"), "count": 8, "key": deal.id}]
    assert await Deal.delete().where(Deal.c_won == True).returning(Deal.c_at) == [{"at": AT}]  # noqa: E712
    assert await Deal.count() == 0


async def test_joins_are_typed_and_may_go_in_circles(tables, deal):
    Deal = tables["deal"]  # noqa: N806
    row = (
        await Deal.select(
            Deal.c_party.c_limit, Deal.c_party.c_boss.c_name, Deal.c_party.c_boss.c_party.c_limit.as_alias("again")
        )
        .where(Deal.c_party.c_boss.c_name == "Ada")
        .first()
    )
    assert row == {"party.limit": Decimal("5.00"), "party.boss.name": "Ada", "again": Decimal("5.00")}
    with_party = await Deal.objects(Deal.c_party).first()
    assert with_party.c_party.c_limit == Decimal("5.00")


async def test_joins_over_long_names_stay_apart(store):
    """PostgreSQL cuts names at 63 bytes, and Piccolo joins under the names of all tables and columns on the way."""
    long = "a_rather_long_name_of_a_table_and_field"
    other = f"{long[:-1]}x"
    far = table("far", id=INT, name=TEXT)
    middle = Table(
        long,
        long,
        table(long, id=INT, **{long: INT, other: INT}).columns,
        (),
        (
            ForeignKey("k1", long, "far"),
            ForeignKey("k2", other, "far"),
        ),
    )
    near = Table("near", "near", table("near", id=INT, **{long: INT}).columns, (), (ForeignKey("k3", long, long),))
    await make(store, far, middle, near)
    await store.batch(
        [
            ("INSERT INTO far VALUES (1, 'one'), (2, 'two')", ()),
            (f"INSERT INTO {long} VALUES (1, 1, 2)", ()),
            ("INSERT INTO near VALUES (1, 1)", ()),
        ]
    )
    Near = piccolo_tables(schema(far, middle, near), store.engine)["near"]  # noqa: N806
    way = getattr(Near, f"c_{long}")
    row = await Near.select(
        getattr(way, f"c_{long}").c_name.as_alias("a"), getattr(way, f"c_{other}").c_name.as_alias("b")
    ).first()
    assert row == {"a": "one", "b": "two"}


async def test_aggregates_are_typed(tables, deal):
    Deal = tables["deal"]  # noqa: N806
    await Deal.insert(Deal(id=uuid4(), c_amount=Decimal("0.20"), c_count=1, c_at=AT))
    row = await Deal.select(
        Sum(Deal.c_amount), Avg(Deal.c_amount), Max(Deal.c_at), Sum(Deal.c_count, alias="counts")
    ).first()
    assert row == {"sum": Decimal("12.50"), "avg": Decimal("6.25"), "max": AT, "counts": 8}
    assert type(row["counts"]) is int


async def test_transactions_of_piccolo_are_those_of_the_store(store, tables, deal):
    Deal = tables["deal"]  # noqa: N806

    async def change_and_fail():
        async with store.engine.transaction():
            await Deal.update({Deal.c_count: 100}, force=True)
            assert store.in_transaction
            assert store.engine.transaction_exists()
            raise KeyError

    with pytest.raises(KeyError):
        await change_and_fail()
    assert (await Deal.select(Deal.c_count).first())["count"] == 7
    atomic = store.engine.atomic()
    atomic.add(Deal.update({Deal.c_count: 8}, force=True))
    await atomic.run()
    assert (await Deal.select(Deal.c_count).first())["count"] == 8


async def test_batch_pages_get_or_create_and_raw(tables, deal):
    Deal = tables["deal"]  # noqa: N806
    for number in range(5):
        await Deal.insert(Deal(id=uuid4(), c_count=number))
    async with await Deal.select(Deal.c_count).order_by(Deal.c_count).batch(batch_size=4) as pages:
        assert [len(page) async for page in pages] == [4, 2]
    found = await Deal.objects().get_or_create(Deal.c_amount == Decimal("12.30"))
    assert (found.id, found._was_created) == (deal.id, False)
    raw = await Deal.raw('SELECT "count" FROM "deal" WHERE "id" = {}', deal.id)
    assert raw == [{"count": 7}]


async def test_violations_are_ours(tables, deal):
    Deal = tables["deal"]  # noqa: N806
    with pytest.raises(UniqueViolation):
        await Deal.insert(Deal(id=deal.id))


async def test_raw_sql_on_sqlite_refuses_a_decimal_that_would_become_a_float(tables, deal, store):
    Deal = tables["deal"]  # noqa: N806
    if store.dialect.name == "sqlite":
        with pytest.raises(TypeError, match="Decimal"):
            await Deal.select(QueryString("{}", Decimal("1.5"))).first()
    else:
        await Deal.select(QueryString("{}::numeric", Decimal("1.5"))).first()


async def test_classes_leave_nothing_behind(store):
    before = len(TABLE_REGISTRY)
    made = piccolo_tables(schema(PARTY, USER, DEAL), store.engine)
    gone = weakref.ref(made["deal"])
    assert len(TABLE_REGISTRY) == before
    del made
    gc.collect()
    assert gone() is None


async def test_defaults_of_the_schema_are_used(store):
    things = Table(
        "thing",
        "thing",
        (
            Column("id", "id", INT, null=False, primary=True),
            Column("n", "n", TEXT, default="O'Brien"),
        ),
    )
    await make(store, things)
    Thing = piccolo_tables(schema(things), store.engine)["thing"]  # noqa: N806
    await Thing.insert(Thing(id=1))
    await store.execute("INSERT INTO thing (id) VALUES (2)")
    assert await Thing.select(Thing.c_n).output(as_list=True) == ["O'Brien", "O'Brien"]
