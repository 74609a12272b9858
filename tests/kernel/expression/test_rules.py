"""The rules of the language, each by example, in memory, in SQLite and in PostgreSQL.

Every table is for one record: one with all values, one of nulls only, one with values at the ends of their ranges.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.kernel.expression.samples import EDGE, FULL, IDS, NULLS, ROWS
from tests.kernel.expression.worlds import NOBODY, NOW, SCOPE, SOMEBODY, World, exact, in_memory
from xrm.kernel.expression import DATE, INT, TEXT, UUID, compile, decimal

FULL_RULES: Mapping[str, Any] = {
    # comparisons
    "amount == 100": True, "amount == 100.00": True, "amount == 100.001": False, "amount != 100.001": True,
    "amount > 99.999": True, "amount < 100.001": True, "amount >= 100.001": False, "100 <= amount": True,
    "amount > price": True, "amount == qty": False, "price == 0.125": True, "qty > 6.5": True, "qty >= 7.5": False,
    "qty == 7.0": True, "qty < 7.000001": True, "-3 == stock": True, "units == 3": True,
    "state == 'open'": True, "state != 'open'": False, "state < 'p'": True, "name < 'a'": True, "'Acme' < name": True,
    "active == true": True, "active != done": True, "done == false": True, "active": True, "done": False,
    "!done": True,
    "due > '2026-04-03'": True, "since == '2026-03-01'": True, "opens == '08:30'": True, "opens < closes": True,
    "at > '2026-03-05'": True, "at == '2026-03-05T14:30:15.123456Z'": True,
    "at == '2026-03-05T16:30:15.123456+02:00'": True,
    "at > seen": True, "at > today()": True, "seen < today()": True, "at > since": True, "since <= at": True,
    f"owner == '{IDS[0]}'": True, "owner == user.id": True, "owner != buyer": True, "owner == buyer": False,
    # logic
    "active && !done": True, "active || done": True, "done || done": False, "(done ? active : done) == false": True,
    "amount > 1000 || state == 'open' && qty == 7": True, "(amount > 1000 || state == 'open') && qty == 8": False,
    "active ? 'yes' : 'no'": "yes", "done ? 1 : 2.5": Decimal("2.5"), "active ? 1 : 2.5": Decimal("1.0"),
    # membership
    "state in ['new', 'open']": True, "state in ['new']": False, "qty in [1, 7.0, 7.5]": True, "qty in [7.5]": False,
    "amount in [100, 0.001]": True, "!(state in ['new'])": True, "'open' in [state, name]": True,
    "state in [name, 'open', user.name]": True, "owner in [buyer, user.id]": True, "5 in [4, 5]": True,
    "'vip' in tags": True, "'a' in tags": False, "'a,b' in tags": True, "state in tags": False, "'' in value": False,
    "owner in user.teams": False, "buyer in user.teams": True, "!(owner in user.teams)": True,
    # texts
    "name.startsWith('Ac')": True, "name.startsWith('ac')": False, "name.startsWith('')": True,
    "name.endsWith('AG')": True,
    "name.endsWith('')": True, "name.endsWith('xAcme AG')": False, "name.contains('me A')": True,
    "name.contains('')": True,
    "name.contains('%')": False, "name.startsWith(state)": False, "(name + state).endsWith(state)": True,
    "user.name.startsWith('A')": True, "lower(name)": "acme ag", "upper(name + '!')": "ACME AG!", "size(name)": 7,
    "size(name) == 7": True, "size(tags)": 2, "size(value)": 0, "isEmpty(name)": False, "isEmpty(value)": True,
    "isEmpty(tags)": False, "isEmpty(qty)": False, "partner.country == 'DE'": True, "lower(partner.country)": "de",
    # numbers
    "qty + stock": 4, "qty - 10": -3, "qty * stock": -21, "qty % 4": 3, "-qty % 4": -3, "qty % stock": 1, "-qty": -7,
    "qty / 2": Decimal("3.500000"), "stock / qty": Decimal("-0.428571"), "2 / 3": Decimal("0.666667"),
    "-2 / 3": Decimal("-0.666667"), "amount / qty": Decimal("14.285714"), "amount * price": Decimal("12.500000"),
    "amount + price": Decimal("100.1250"), "amount - 0.5": Decimal("99.50"), "amount % 7": Decimal("2.00"),
    "total % 2": Decimal("-1.50"), "-total": Decimal("7.50"), "abs(total)": Decimal("7.50"), "abs(stock)": 3,
    "round(price, 2)": Decimal("0.13"), "round(-price, 2)": Decimal("-0.13"), "round(total)": -8, "round(7.4)": 7,
    "round(price, 3)": Decimal("0.125"), "round(qty, 2)": 7, "min(qty, stock, 0)": -3,
    "max(qty, amount)": Decimal("100.00"),
    "coalesce(amount, 0)": Decimal("100.00"), "tiny * 0.5 > 0": True, "tiny * 0.4 > 0": False,
    "amount * 2 / 100 > 1.99": True,
    "amount * user.limit": Decimal("1000.0000"), "partner.rating * 2": Decimal("9.000"),
    # dates
    "since + 34": date(2026, 4, 4), "due - 34": date(2026, 3, 1), "due - since": 34, "days(due, since)": 34,
    "days(at, seen)": 1, "days(since, at)": -4, "days(due, today())": 30, "days('2026-03-08', since)": 7,
    "at + 1": NOW + timedelta(days=1), "at - 366": NOW - timedelta(days=366), "now() == at": True,
    "today()": NOW.date(),
    "year(due)": 2026, "month(due)": 4, "year(at)": 2026, "month(seen)": 3, "due < today() + 30": False,
    "due <= today() + 30": True, "at >= today() - 7": True, "midnight(since)": datetime(2026, 3, 1, tzinfo=UTC),
    "max(since, due)": date(2026, 4, 4), "min(at, since)": datetime(2026, 3, 1, tzinfo=UTC),
    "user.since == today()": True, "today() - user.since": 0,
    # null beside values
    "amount == null": False, "null != amount": True, "null == null": True, "null != null": False,
    "coalesce(null, state)": "open", "(active ? null : 1) == null": True, "(done ? null : 1) == null": False,
}
NULL_RULES: Mapping[str, Any] = {
    "amount > 0": False, "amount <= 0": False, "amount == 0": False, "amount != 0": True, "!(amount > 0)": True,
    "amount == total": False, "amount != total": True, "amount == null": True, "amount != null": False,
    "null == name": True,
    "owner == buyer": False, "owner != buyer": True, "owner == user.id": False, "owner != user.id": True,
    "state in ['a']": False, "!(state in ['a'])": True, "state in [name, 'a']": False, "'a' in [name, 'a']": True,
    "'a' in tags": False, "name in tags": False, "owner in user.teams": False, "!(owner in user.teams)": True,
    "active": False, "!active": True, "active == false": False, "active != false": True, "active == null": True,
    "active && true": False, "active || true": True, "active ? 1 : 2": 2, "(active && done) == null": False,
    "name.startsWith('')": False, "!name.contains('a')": True, "'abc'.contains(name)": False,
    "name.endsWith(state)": False,
    "lower(name)": None, "lower(name) == null": True, "size(name)": None, "size(name) == 0": False,
    "size(tags)": None,
    "isEmpty(name)": True, "isEmpty(tags)": True, "isEmpty(qty)": True, "isEmpty(active)": True,
    "details == null": True,
    "tags == null": True, "name + 'x'": None, "amount + 1": None, "-qty": None, "qty * 0": None, "qty % 1": None,
    "qty == qty": False, "qty * 2 != qty * 2": True, "abs(qty)": None, "round(amount, 1)": None, "min(qty, 1)": None,
    "max(qty, 1) == null": True, "max(since, due)": None, "coalesce(amount, 0)": Decimal("0.00"),
    "coalesce(qty, stock)": None,
    "coalesce(qty, stock, 5)": 5, "coalesce(name, '')": "", "coalesce(active, true)": True,
    "coalesce(active, done)": False,
    "coalesce(active, done) == null": True, "since + 1": None, "due - since": None, "at - 1": None,
    "days(due, at)": None,
    "year(due)": None, "month(at)": None, "midnight(due)": None, "due < today()": False,
    "partner.country == null": True,
    "partner.country != 'DE'": True, "partner.rating * 2": None, "opens < closes": False,
}
EDGE_RULES: Mapping[str, Any] = {
    # whole numbers: 64 bits
    "qty": 2**63 - 1, "stock": -(2**63), "qty + 1": None, "qty - 1": 2**63 - 2, "qty * 2": None, "-qty": 1 - 2**63,
    "-stock": None, "abs(stock)": None, "stock - 1": None, "stock + 1": 1 - 2**63, "qty + stock": -1,
    "qty * qty": None,
    "stock % -1": 0, "qty % 10": 7, "qty + 1 == null": True, "qty + 1 > 0": False, "qty == 9223372036854775807": True,
    "stock < -9223372036854775807": True, "qty < 9223372036854775807": False, "qty / 1 == null": True,
    "qty * 0.1 > 922337203685477580": True, "qty * 0.1 * 10 == null": True,
    # decimals: 18 digits leave the expression, 10^18 within it
    "amount": Decimal("9999999999999999.99"), "amount + 0.01": None, "amount + 0.01 > amount": True,
    "amount * 100 > amount": True, "amount * 101 == null": True, "amount / 0.001 == null": True,
    "amount < 10000000000000000": True, "amount < 999999999999999999": True, "amount > 999999999999999999": False,
    "amount <= 9999999999999999.99": True, "amount == 99999999999999999": False, "price > -100000000000000": True,
    "price >= -99999999999999.9999": True, "price < -999999999999999999": False,
    "-price": Decimal("99999999999999.9999"),
    "tiny < 999999999999999999": True, "tiny * tiny > 999999999998": True, "units + 1 == null": True,
    "amount * price == null": True, "total / total": None, "amount / total": None, "amount % total": None,
    "1 / 0": None,
    "1 / 0 == null": True, "total == 0": True, "-total": Decimal("0.00"), "total * -1": Decimal("0.00"),
    "round(amount)": 10**16, "round(tiny, 3) == 1000000": True, "amount * tiny == null": True,
    # dates: the years 1 to 9999
    "since": date.min, "due": date.max, "since - 1": None, "due + 1": None, "due - 0": date.max,
    "since + 3652058": date.max,
    "due - 3652058": date.min, "since + 3652059": None, "due - 3652059": None, "since + qty": None,
    "since + stock": None,
    "days(due, since)": 3652058, "year(since)": 1, "month(due)": 12, "due > since": True,
    "at + 0": datetime(9999, 12, 31, 23, 59, 59, 999998, tzinfo=UTC), "at + 1": None, "at - stock": None,
    "at + qty": None,
    "seen - 1": None, "seen - 3652058": None, "seen + 3652058": datetime(9999, 12, 31, 0, 0, 0, 1, tzinfo=UTC),
    "at - 3652058": datetime(1, 1, 1, 23, 59, 59, 999998, tzinfo=UTC), "midnight(since)": None, "at > since": False,
    "midnight(due)": datetime(9999, 12, 31, tzinfo=UTC), "at > due": True, "days(at, seen)": 3652058, "year(seen)": 1,
    # texts
    "name == ''": True, "isEmpty(name)": True, "name.contains('')": True, "state.endsWith(name)": True,
    "size(name)": 0,
    "'' in tags": False, "'' in value": True, "lower(state)": "ångström", "upper(state)": "ÅNGSTRÖM",
    "size(state)": 8,
    "state > 'z'": True, "state < '\uffff'": True, "state.startsWith('Å')": True, "state.startsWith('A')": False,
    "lower('İSTANBUL ßẞ ÉÑ ǅ')": "İstanbul ßẞ éñ ǅ", "upper('straße ŉ éñ \ufb01')": "STRAßE ŉ ÉÑ \ufb01",
    "'\U00010000' > '\uffff'": True, "'\U00010000' > name + '\uffff'": True,
}
TABLES = {"full": (FULL, FULL_RULES), "nulls": (NULLS, NULL_RULES), "edge": (EDGE, EDGE_RULES)}


@pytest.mark.parametrize("table", TABLES)
def test_in_memory(table: str) -> None:
    row, rules = TABLES[table]
    user = NOBODY if row is NULLS else SOMEBODY
    found = {source: exact(in_memory(compile(source, SCOPE), [row], user)[0]) for source in rules}
    assert found == {source: exact(value) for source, value in rules.items()}
    assert {source: type(value) for source, value in found.items()} == {s: type(exact(v)) for s, v in rules.items()}


@pytest.mark.parametrize("table", TABLES)
async def test_in_databases(world: World, table: str) -> None:
    row, rules = TABLES[table]
    user = NOBODY if row is NULLS else SOMEBODY
    found = {}
    for source in rules:
        found[source] = exact((await world.values(compile(source, SCOPE), user))[ROWS.index(row)])
    assert found == {source: exact(value) for source, value in rules.items()}


EXPECTED_RESULTS = (
    ("amount * price", decimal(2), Decimal("12.50")), ("price", decimal(2), Decimal("0.13")),
    ("qty", decimal(2), Decimal("7.00")),
    ("price * price", decimal(8), Decimal("0.01562500")), ("null", INT, None), ("null", decimal(2), None),
    ("null", TEXT, None),
    ("null", DATE, None), ("5", decimal(1), Decimal("5.0")), ("'2026-01-31'", DATE, date(2026, 1, 31)),
    ("owner", UUID, IDS[0]),
    (f"'{IDS[3]}'", UUID, IDS[3]), ("amount * 100000000000000", decimal(2), None),
    ("amount * 10000000000000", decimal(2), Decimal("1000000000000000.00")),
)


async def test_results_of_an_expected_type(world: World) -> None:
    for source, expected, value in EXPECTED_RESULTS:
        expression = compile(source, SCOPE, expected)
        assert exact(in_memory(expression, [FULL], SOMEBODY)[0]) == exact(value), source
        assert exact((await world.values(expression, SOMEBODY))[0]) == exact(value), source


def test_today_is_the_date_of_the_given_moment_where_it_is() -> None:
    late = datetime.fromisoformat("2026-03-05T23:30:00-05:00")
    read = {}.__getitem__
    assert compile("today()", SCOPE).evaluate(read, late) == date(2026, 3, 5)
    assert compile("now()", SCOPE).evaluate(read, late) == datetime(2026, 3, 6, 4, 30, tzinfo=UTC)
