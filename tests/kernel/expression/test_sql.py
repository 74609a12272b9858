"""The SQL itself: what an index serves, what is bound, how it grows, and that nothing is too deep for the databases."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from tests.kernel.expression.samples import FULL, IDS, ROWS
from tests.kernel.expression.worlds import NOBODY, NOW, SCOPE, SOMEBODY, World, in_memory
from xrm.kernel.expression import Expression, compile
from xrm.kernel.store.codec import POSTGRESQL, SQLITE, Dialect
from xrm.kernel.store.sql import Binder, Var, quote

DIALECTS = pytest.mark.parametrize("dialect", [SQLITE, POSTGRESQL], ids=["sqlite", "postgresql"])
INDEXED = ("amount", "qty", "name", "state", "active", "due", "at", "owner")


def sql(source: str, dialect: Dialect = SQLITE) -> tuple[str, list[object]]:
    binder = Binder(dialect)
    return compile(source, SCOPE).sql(binder, lambda path: quote("_".join(path))), binder.params


# --- indexes


@pytest.mark.parametrize(
    "source",
    [
        "amount > 100",
        "amount > 1.005",
        "100 <= amount",
        "amount == 2 * 50",
        "qty > 2.5",
        "qty in [1, 2.5, 3]",
        "name == 'Acme AG'",
        "state in ['open', 'won']",
        "due < today() + 30",
        "due >= '2026-01-01'",
        "at > today() - 7",
        "at > now()",
        "at >= today()",
        f"owner == '{IDS[0]}'",
        "owner == user.id",
        "owner in user.teams",
        "owner in [user.id]",
        "name.startsWith('Ac')",
        "name == user.name",
        "active == true",
        "amount > user.limit",
        "state == null",
        "state == 'open' && size(name) > 3",
        "state == 'open' || qty == 3",
        "state in ['open', user.name]",
    ],
)
async def test_a_comparison_of_a_column_uses_its_index(lite_world: World, far_world: World, source: str) -> None:
    expression = compile(source, SCOPE)
    column = next(iter(path[0] for path in expression.paths if path[0] in INDEXED))
    lite, far = await lite_world.plan(expression), await far_world.plan(expression)
    assert f"USING INDEX ix_{column}" in lite or "ix_" in lite, lite
    assert "SCAN t" not in lite, lite
    assert "Index Cond" in far, far
    assert "Seq Scan on t" not in far, far


async def test_a_tag_uses_a_gin_index(far_world: World) -> None:
    await far_world.store.execute('CREATE INDEX ix_tags ON "t" USING gin ("tags")')
    assert "ix_tags" in await far_world.plan(compile("'vip' in tags", SCOPE))


async def test_a_constant_is_computed_once_on_sqlite(lite_world: World) -> None:
    text, args = lite_world.condition(compile("due < today() + 30", SCOPE))
    steps = [row[1] for row in await lite_world.store.fetch(f"EXPLAIN {text}", args)]
    loop = steps[steps.index("Rewind") if "Rewind" in steps else steps.index("SeekGT") :]
    init = steps.index("Init")
    assert steps.count("Function") <= 2
    assert "Function" not in loop[: loop.index("Next")] or init == 0


# --- what is bound


@DIALECTS
def test_no_text_of_the_author_is_in_the_sql(dialect: Dialect) -> None:
    source = "name == 'x\\'; DROP' || name.startsWith('p\"fix') || lower(state) == '%zz' || 'ta,g' in tags"
    text, params = sql(source, dialect)
    for part in ("DROP", "fix", "zz", "ta,g"):
        assert part not in text
        assert any(part in str(param) for param in params)


@DIALECTS
def test_the_moment_is_a_parameter_unless_it_is_given(dialect: Dialect) -> None:
    expression = compile("due == today() || at < now() || since == today()", SCOPE)
    binder = Binder(dialect)
    expression.sql(binder, lambda path: quote(path[0]))
    assert [param.name for param in binder.params if isinstance(param, Var)] == ["today", "now"]
    given = Binder(dialect)
    expression.sql(given, lambda path: quote(path[0]), NOW)
    encoded = [
        dialect.encode(type.column, value)
        for type, value in ((compile("today()", SCOPE).type, NOW.date()), (compile("now()", SCOPE).type, NOW))
    ]
    assert given.params == encoded


@DIALECTS
def test_all_that_is_bound_is_used(dialect: Dialect) -> None:
    source = "round(price, 2) > 1 && max(amount, 3) in [4, 5.5] && coalesce(name, 'a') + 'b' != lower('C' + name)"
    text, params = sql(source, dialect)
    mark = "?" if dialect is SQLITE else "$"
    assert all(f"{mark}{number}" in text for number in range(1, len(params) + 1))


@pytest.mark.parametrize(
    ("source", "stored"),
    [
        ("amount > 1.005", [100]),
        ("amount < 1.005", [101]),
        ("amount >= 1.005", [101]),
        ("amount <= 1.005", [100]),
        ("amount == 1.50", [150]),
        ("qty > 2.5", [2]),
        ("qty <= -2.5", [-3]),
        ("amount in [1, 1.005, 2.5]", [100, 250]),
        ("amount < 99999999999999999", [10**18 - 1]),
        ("amount == 1.005", []),
        ("amount in [1.005]", []),
    ],
)
def test_a_constant_is_bound_as_the_column_is_stored(source: str, stored: list[int]) -> None:
    text, params = sql(source)
    assert params == stored
    assert "xrm_value" not in text


def test_the_sql_of_a_path_is_asked_for_once() -> None:
    asked = []
    compile("owner == user.id || buyer == user.id || owner == null", SCOPE).sql(
        Binder(SQLITE), lambda path: asked.append(path) or quote("_".join(path))
    )
    assert sorted(asked) == [("buyer",), ("owner",), ("user", "id")]


# --- what is computed


@pytest.mark.parametrize(
    "source",
    [
        "amount > 100",
        "amount == total",
        "name < state",
        "state in ['a', 'b']",
        "name.startsWith('a')",
        "name.contains(state)",
        "name.endsWith('x')",
        "size(name) > 3",
        "isEmpty(name)",
        "isEmpty(amount)",
        "active && !done",
        "active ? done : qty == 1",
        "coalesce(name, 'a') == 'a'",
        "coalesce(amount, total) > 3",
        "owner in user.teams",
        "due == null",
        "active == done",
    ],
)
def test_sqlite_computes_only_what_it_must(source: str) -> None:
    assert "xrm_value" not in sql(source)[0]


@pytest.mark.parametrize(
    ("source", "calls"),
    [
        ("amount * price / 100 + qty > 1000", 1),
        ("lower(name) == 'a' && state == 'open'", 1),
        ("amount > price", 1),
        ("'a' in tags", 1),
        ("amount + 1 == null", 1),
        ("(amount + 1) * 2 > 3 || amount - 1 < 3", 2),
    ],
)
def test_sqlite_computes_a_part_in_one_call(source: str, calls: int) -> None:
    assert sql(source)[0].count("xrm_value(") == calls


@pytest.mark.parametrize(
    "nested",
    [
        lambda inner: f"({inner} / 3 + 1)",
        lambda inner: f"max({inner}, 1, qty)",
        lambda inner: f"abs(-({inner}))",
        lambda inner: f"(amount > 1 ? {inner} : coalesce(qty, 1))",
        lambda inner: f"round({inner} % 7, 2)",
    ],
)
def test_the_sql_grows_with_the_expression_and_no_faster(nested) -> None:
    lengths = []
    source = "amount"
    for _ in range(12):
        source = nested(source)
        lengths.append(len(sql(f"{source} > 1", POSTGRESQL)[0]))
    steps = [after - before for before, after in pairwise(lengths)]
    assert max(steps) <= 2 * min(steps)


def deep() -> list[str]:
    """Return expressions as deep and as long as they may be."""
    tests = "qty > 0", "name.contains('a')", "done", "owner in user.teams", "'vip' in tags", "lower(name) > 'a'"
    alternating = "active"
    for n in range(28):
        alternating = f"({tests[n % 6]} {'&&' if n % 2 else '||'} {alternating})"
    chosen = "amount > 1"
    for n in range(28):
        chosen = f"({tests[n % 6]} ? {chosen} : done)" if n % 2 else f"({tests[n % 6]} ? done : {chosen})"
    number = "amount"
    for _ in range(13):
        number = f"max(abs({number} / 3 + qty), 1)"
    text = "name"
    for _ in range(28):
        text = f"lower(coalesce({text}, state))"
    return [
        alternating,
        chosen,
        f"{number} > 1",
        f"{text}.contains('a')",
        f"({number} + 1) * 2 == null",
        "!" * 57 + "active",
        "-" * 57 + "qty > 0",
        "qty" + " + 1" * 56 + " > 0",
        "due" + " + 1" * 56 + " > since",
        "at" + " - 1" * 56 + " > seen",
        "name" + " + state" * 56 + " == name",
        "qty" + ".abs()" * 57 + " > 1",
        " || ".join(["qty == 1"] * 330),
        " && ".join(["name != 'a'"] * 260),
        " || ".join(["owner in user.teams"] * 98),
        f"qty in [{', '.join(['1'] * 1300)}]",
        f"qty + 1 in [{', '.join(['stock'] * 450)}]",
        f"name in [{', '.join(['state'] * 450)}]",
        f"max({', '.join(['qty'] * 100)}) > 1",
        f"coalesce({', '.join(['name'] * 100)}) == name",
        f"({' ? 1 : '.join(['active'] * 40)} ? 1 : 2) == 1",
    ]


@pytest.mark.parametrize("index", range(len(deep())))
def test_the_deepest_are_within_the_limits(index: int) -> None:
    source = deep()[index]
    assert len(source) <= 4000
    assert compile(source, SCOPE)


async def test_databases_take_the_deepest_and_the_longest(world: World) -> None:
    for source in deep():
        expression = compile(source, SCOPE)
        for user in (SOMEBODY, NOBODY):
            assert await world.values(expression, user) == in_memory(expression, ROWS, user), source[:80]


async def test_a_filter_may_stand_anywhere(world: World) -> None:
    expression = compile("amount > 0 && (name == 'x' || state != 'y') && owner in user.teams", SCOPE)
    text, args = world.condition(expression)
    where = text.partition(" WHERE ")[2]
    rest = f'SELECT count(*) FROM "t" WHERE NOT (NOT {where}) OR ({where}) = ({where} AND {where})'
    assert (await world.store.fetch(rest, args))[0][0] == len(ROWS)


async def test_damaged_cells_are_null_to_sqlite(lite_world: World) -> None:
    await lite_world.store.execute('UPDATE "t" SET "amount" = \'x\', "due" = \'soon\', "tags" = \'{\', "at" = 5')
    for source in ("amount * 2 > 1", "due + 1 > due", "'a' in tags", "year(at) == 2026"):
        assert await lite_world.values(compile(source, SCOPE), SOMEBODY) == [False] * len(ROWS)


async def test_the_moment_moves_with_its_parameter(world: World) -> None:
    expression: Expression = compile("due - today() <= 30", SCOPE)
    text, args = world.condition(expression)
    assert [row[0] for row in await world.store.fetch(text, args)] == [0]
    days = expression.evaluate(lambda path: FULL[path[0]], NOW - timedelta(days=1))
    earlier = [date(2026, 3, 4) if arg == NOW.date() else arg for arg in args]
    earlier = ["2026-03-04" if arg == "2026-03-05" else arg for arg in earlier]
    assert days is False
    assert await world.store.fetch(text, earlier) == []


def test_decimals_of_the_user_are_compared_as_they_are() -> None:
    text, params = sql("amount > user.limit && price > user.limit")
    assert text.count("xrm_value") == 1
    assert Decimal(0) not in params
