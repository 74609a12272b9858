"""Going back to an earlier generation: tables, ids and values as they were, on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from io import StringIO
from typing import Any

import pytest

from tests.kernel.migration.planning import agree, cells, entity, field, model, one, put
from xrm.errors import Conflict, ModelError
from xrm.kernel.change import SYSTEM
from xrm.kernel.migration.apply import Applied, Order, Progress, apply, carry_out, measure
from xrm.kernel.migration.journal import Generation, current, history
from xrm.kernel.migration.kept import origin
from xrm.kernel.migration.plan import Plan, propose
from xrm.kernel.migration.purge import Selection, list_kept, purge, purged_since
from xrm.kernel.migration.rollback import propose_rollback
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.store import Store
from xrm.metadata.model import Model
from xrm.printing import progress_line

ALL = Selection()


async def take(store: Store, made: Model, *consent: str) -> Generation:
    applied = await apply(store, made, SYSTEM, consent=frozenset(consent))
    await agree(store)
    return applied.generation


async def plan_back(store: Store, made: Model, number: int) -> Plan:
    return await measure(store, (await _proposer(store, made, number))(await current(store)))


async def back(store: Store, made: Model, number: int, *consent: str) -> Generation:
    """Go back to a generation, and see that tables and ids are those of it."""
    applied = await go(store, made, number, *consent)
    await agree(store)
    found = {g.number: g for g in await history(store)}
    then = found[number]
    assert tables(found[applied.generation.number]) == tables(then)
    assert applied.generation.ids.entities == then.ids.entities
    assert applied.generation.sources == then.sources
    return applied.generation


async def go(store: Store, made: Model, number: int, *consent: str) -> Applied:
    return await carry_out(store, await _proposer(store, made, number), Order(SYSTEM, frozenset(consent)))


async def _proposer(store: Store, made: Model, number: int) -> Any:
    found = await history(store)
    target = next(g for g in found if g.number == number)
    return partial(propose_rollback, made, target, purged=purged_since(found, number))


def tables(generation: Generation) -> Any:
    """Return a schema as sets: the order of columns is no difference."""
    return {
        t.id: (t.name, set(t.columns), set(t.indexes), set(t.foreign_keys)) for t in generation.schema.tables.values()
    }


def kept(generation: Generation) -> list[str]:
    return sorted(id for id in generation.full_schema.tables if origin(id))


AB = one(field("a"), field("b", "integer"))
A = one(field("a"), field("b", "integer", removed=True))
DROP_B = "drop_field:e1.f3"


class TestAField:
    async def test_that_was_dropped_comes_back_with_its_values(self, store: Store):
        found = await take(store, AB)
        await put(store, found, "thing", a="x", b=1)
        await put(store, found, "thing", a="y")
        found = await take(store, A, DROP_B)
        assert kept(found) == ["xrm_kept_2_e1"]
        await put(store, found, "thing", a="new")
        shown = await plan_back(store, AB, 1)
        assert [(s.id, s.rows, s.affected) for s in shown.steps] == [("restore_field:e1.f3", 3, 1)]
        assert "Bring thing.b back with its values." in shown.steps[0].description
        found = await back(store, AB, 1)
        assert found.number == 3
        assert await cells(store, found, "thing", "a", "b") == [("x", 1), ("y", None), ("new", None)]

    async def test_of_two_columns_comes_back(self, store: Store):
        first = one(field("a"), field("m", "money"))
        found = await take(store, first)
        await put(store, found, "thing", a="x", m=Decimal("12.34"), m_currency="CHF")
        await put(store, found, "thing", a="y")
        await take(store, one(field("a"), field("m", "money", removed=True)), DROP_B)
        found = await back(store, first, 1)
        assert await cells(store, found, "thing", "m", "m_currency") == [(Decimal("12.34"), "CHF"), (None, None)]

    @pytest.mark.parametrize("kind", ["boolean", "date", "time", "datetime", "json", "tags", "decimal", "long_text"])
    async def test_of_every_type_comes_back(self, store: Store, kind: str):
        value: Any = {
            "boolean": False,
            "date": date(2026, 2, 28),
            "time": time(1, 2, 3, 4),
            "datetime": datetime(2026, 2, 28, 1, 2, 3, 4, tzinfo=UTC),
            "json": {"a": ["'", None, 1.5]},
            "tags": ("x", 'y"z'),
            "decimal": Decimal("-0.01"),
            "long_text": "It's\n\\ a \u00e9",
        }[kind]
        first = one(field("a"), field("b", kind))
        found = await take(store, first)
        await put(store, found, "thing", b=value)
        await take(store, A, DROP_B)
        found = await back(store, first, 1)
        assert await cells(store, found, "thing", "b") == [value]

    async def test_records_made_since_get_the_default(self, store: Store):
        first = one(field("a"), field("b", "integer", required=True, default=7))
        found = await take(store, first)
        await put(store, found, "thing", b=1)
        found = await take(store, A, DROP_B)
        await put(store, found, "thing")
        found = await back(store, first, 1)
        assert await cells(store, found, "thing", "b") == [1, 7]

    async def test_an_empty_value_stays_empty_although_there_is_a_default(self, store: Store):
        first = one(field("a"), field("b", "integer", default=7))
        found = await take(store, first)
        await put(store, found, "thing", b=None)
        found = await take(store, A, DROP_B)
        await put(store, found, "thing")
        found = await back(store, first, 1)
        assert await cells(store, found, "thing", "b") == [None, 7]

    async def test_that_is_required_is_refused_where_records_have_no_value(self, store: Store):
        first = one(field("a"), field("b", "integer", required=True))
        found = await take(store, first)
        await put(store, found, "thing", b=1)
        found = await take(store, A, DROP_B)
        await put(store, found, "thing", a="new")
        with pytest.raises(ModelError) as error:
            await go(store, first, 1)
        assert [(i.path, i.code) for i in error.value.issues] == [("thing.b", "needs_value")]
        assert "1 record " in error.value.issues[0].message
        await agree(store)
        await store.execute("""DELETE FROM "thing" WHERE "a" = 'new'""")
        found = await back(store, first, 1)
        assert await cells(store, found, "thing", "b") == [1]

    async def test_a_new_field_of_the_same_name_makes_room(self, store: Store):
        found = await take(store, AB)
        await put(store, found, "thing", a="x", b=1)
        await take(store, A, DROP_B)
        found = await take(store, one(field("a"), field("b", "date")))
        await put(store, found, "thing", a="y")
        with pytest.raises(Conflict) as error:
            await go(store, AB, 1)
        assert [i.path for i in error.value.issues] == ["thing.b"]
        found = await back(store, AB, 1, "drop_field:e1.f4")
        assert await cells(store, found, "thing", "a", "b") == [("x", 1), ("y", None)]

    async def test_a_rename_goes_back(self, store: Store):
        found = await take(store, AB)
        await put(store, found, "thing", a="x", b=1)
        await take(store, model(entity("item", field("z", was="a"), field("b", "integer"), was="thing")))
        found = await back(store, AB, 1)
        assert await cells(store, found, "thing", "a", "b") == [("x", 1)]


class TestAnEntity:
    async def test_that_was_dropped_comes_back_with_its_records_and_keys(self, store: Store):
        first = model(
            entity("party", field("name", unique=True)),
            entity("deal", field("of", "relation", to="party"), field("next", "relation", to="deal")),
        )
        found = await take(store, first)
        ann, bob = [await put(store, found, "party", name=name) for name in ("Ann", "Bob")]
        deal = await put(store, found, "deal", of=ann)
        await put(store, found, "deal", of=bob, next=deal)
        second = model(entity("party", field("name", unique=True)), entity("deal", removed=True))
        found = await take(store, second, "drop_table:e3")
        assert kept(found) == ["xrm_gone_2_e3"]
        key = store.dialect.placeholder(1, found.schema.tables["e1"].columns[0].type)
        await store.execute(f'DELETE FROM "party" WHERE "id" = {key}', [store.dialect.encode(_UUID, bob)])
        shown = await plan_back(store, first, 1)
        assert [(s.id, s.rows, s.affected) for s in shown.steps] == [("restore_table:e3", 2, 2)]
        found = await back(store, first, 1)
        assert kept(found) == []
        assert await cells(store, found, "deal", "of", "next") == [(ann, None), (None, deal)]

    async def test_both_ends_of_a_key_come_back(self, store: Store):
        first = model(entity("party", field("name")), entity("deal", field("of", "relation", to="party")))
        found = await take(store, first)
        ann = await put(store, found, "party", name="Ann")
        await put(store, found, "deal", of=ann)
        gone = model(entity("party", removed=True), entity("deal", removed=True))
        await take(store, gone, "drop_table:e1", "drop_table:e3")
        found = await back(store, first, 1)
        assert await cells(store, found, "deal", "of") == [ann]
        assert await cells(store, found, "party", "name") == ["Ann"]

    async def test_that_had_fewer_fields_before_it_was_dropped(self, store: Store):
        other = entity("other")
        first = model(entity("thing", field("a"), field("b", "integer")), other)
        found = await take(store, first)
        await put(store, found, "thing", a="x", b=5)
        await take(store, model(entity("thing", field("a"), field("b", "integer", removed=True)), other), DROP_B)
        await take(store, model(entity("thing", removed=True), other), "drop_table:e1")
        found = await back(store, first, 1)
        assert await cells(store, found, "thing", "a", "b") == [("x", 5)]

    async def test_that_had_more_fields_when_it_was_dropped_keeps_their_values(self, store: Store):
        other = entity("other")
        first = model(entity("thing", field("a")), other)
        await take(store, first)
        second = model(entity("thing", field("a"), field("b", "integer")), other)
        found = await take(store, second)
        await put(store, found, "thing", a="x", b=5)
        await take(store, model(entity("thing", removed=True), other), "drop_table:e1")
        await back(store, first, 1)
        found = await back(store, second, 2)
        assert await cells(store, found, "thing", "a", "b") == [("x", 5)]

    async def test_made_since_goes_and_can_come_again(self, store: Store):
        await take(store, AB)
        second = model(entity("thing", field("a"), field("b", "integer")), entity("more", field("n")))
        found = await take(store, second)
        await put(store, found, "more", n="kept")
        with pytest.raises(Conflict):
            await go(store, AB, 1)
        found = await back(store, AB, 1, "drop_table:e4")
        assert kept(found) == ["xrm_gone_3_e4"]
        found = await back(store, second, 2)
        assert await cells(store, found, "more", "n") == ["kept"]


_UUID = ColumnType("uuid")

TEXT = one(field("a", unique=True))
NUMBER = one(field("a", "integer", unique=True))


class TestAType:
    async def test_goes_back_exactly_where_nothing_changed_since(self, store: Store):
        found = await take(store, TEXT)
        for text in (" 1", "2", "+3", None):
            await put(store, found, "thing", a=text)
        found = await take(store, NUMBER)
        assert kept(found) == ["xrm_kept_2_e1"]
        await put(store, found, "thing", a=5)
        await store.execute('UPDATE "thing" SET "a" = 33 WHERE "a" = 3')
        shown = await plan_back(store, TEXT, 1)
        assert [(s.kind, s.rows, s.affected) for s in shown.steps] == [("restore_type", 5, 1)]
        found = await back(store, TEXT, 1)
        assert await cells(store, found, "thing", "a") == [" 1", "2", "33", None, "5"]

    async def test_and_forth_and_back(self, store: Store):
        found = await take(store, TEXT)
        for text in (" 1", "+2"):
            await put(store, found, "thing", a=text)
        await take(store, NUMBER)
        await back(store, TEXT, 1)
        found = await back(store, NUMBER, 2)
        assert await cells(store, found, "thing", "a") == [1, 2]
        found = await back(store, TEXT, 1)
        assert await cells(store, found, "thing", "a") == [" 1", "+2"]
        assert found.number == 5

    async def test_and_so_on_for_long(self, store: Store):
        """The way back goes through forty changes; each kept its values."""
        found = await take(store, TEXT)
        for text in (" 1", "+2"):
            await put(store, found, "thing", a=text)
        await take(store, NUMBER)
        for _ in range(20):
            await go(store, TEXT, 1)
            await go(store, NUMBER, 2)
        found = await back(store, TEXT, 1)
        assert await cells(store, found, "thing", "a") == [" 1", "+2"]

    async def test_goes_back_over_a_drop(self, store: Store):
        first = one(field("a"), field("b"))
        found = await take(store, first)
        await put(store, found, "thing", b=" 1")
        await put(store, found, "thing", b="+2")
        found = await take(store, AB)
        await store.execute('UPDATE "thing" SET "b" = 22 WHERE "b" = 2')
        await take(store, A, DROP_B)
        found = await back(store, first, 1)
        assert await cells(store, found, "thing", "b") == [" 1", "22"]

    async def test_that_loses_form_has_its_values_kept(self, store: Store):
        first = one(field("a", "tags"))
        found = await take(store, first)
        await put(store, found, "thing", a=())
        await put(store, found, "thing", a=("x",))
        await put(store, found, "thing", a=None)
        await take(store, one(field("a")))
        found = await back(store, first, 1)
        assert await cells(store, found, "thing", "a") == [(), ("x",), None]

    async def test_is_refused_for_what_was_changed_since(self, store: Store):
        found = await take(store, NUMBER)
        await put(store, found, "thing", a=1)
        found = await take(store, TEXT)
        await put(store, found, "thing", a="many")
        with pytest.raises(ModelError) as error:
            await go(store, NUMBER, 1)
        assert [i.code for i in error.value.issues] == ["cannot_convert"]


class TestWhatWasFilledIn:
    async def test_is_empty_again_unless_changed(self, store: Store):
        found = await take(store, one(field("a")))
        for value in ("x", None, None):
            await put(store, found, "thing", a=value)
        required = one(field("a", required=True, backfill="?"))
        found = await take(store, required)
        assert kept(found) == ["xrm_kept_2_e1"]
        ids = await cells(store, found, "thing", "id")
        key = store.dialect.encode(_UUID, ids[2])
        await store.execute(f"""UPDATE "thing" SET "a" = 'now' WHERE "id" = '{key}'""")
        found = await back(store, one(field("a")), 1)
        assert await cells(store, found, "thing", "a") == ["x", None, "now"]
        found = await back(store, required, 2)
        assert await cells(store, found, "thing", "a") == ["x", "?", "now"]

    async def test_nothing_is_kept_where_nothing_was_filled_in(self, store: Store):
        found = await take(store, one(field("a")))
        await put(store, found, "thing", a="x")
        found = await take(store, one(field("a", required=True, backfill="?")))
        assert kept(found) == []


class TestRollbackOfARollback:
    async def test_brings_back_what_it_dropped(self, store: Store):
        await take(store, A)
        found = await take(store, one(field("a"), field("c", "integer")))
        await put(store, found, "thing", a="x", c=9)
        added = one(field("a"), field("c", "integer"))
        with pytest.raises(Conflict) as error:
            await go(store, A, 1)
        assert "1 value leaves the records, kept until purged" in error.value.issues[0].message
        await back(store, A, 1, "drop_field:e1.f3")
        found = await back(store, added, 2)
        assert await cells(store, found, "thing", "a", "c") == [("x", 9)]
        assert found.number == 4

    async def test_the_last_values_count(self, store: Store):
        found = await take(store, AB)
        await put(store, found, "thing", b=1)
        await take(store, A, DROP_B)
        await back(store, AB, 1)
        await store.execute('UPDATE "thing" SET "b" = 2')
        await back(store, A, 2, DROP_B)
        found = await back(store, AB, 1)
        assert await cells(store, found, "thing", "b") == [2]

    async def test_to_the_generation_in_force_does_nothing(self, store: Store):
        await take(store, AB)
        assert not (await go(store, AB, 1)).changed


class TestPurge:
    async def test_removes_for_good_and_the_plan_says_so(self, store: Store):
        found = await take(store, AB)
        await put(store, found, "thing", b=1)
        await put(store, found, "thing", b=2)
        await take(store, A, DROP_B)
        await take(store, model(entity("thing", removed=True), entity("other")), "drop_table:e1")
        held = await list_kept(store, ALL)
        assert [one.description for one in held] == ["2 values of thing.b", "2 records of thing"]
        assert await list_kept(store, Selection(generation=3)) == held[1:]
        assert await list_kept(store, Selection(before=datetime.now(UTC) - timedelta(days=1))) == []
        generation, gone = await purge(store, SYSTEM, Selection(generation=2), lambda: datetime.now(UTC))
        assert gone == held[:1]
        assert generation is not None
        assert [s["description"] for s in generation.steps] == ["Remove what generation 2 kept: 2 values of thing.b."]
        assert [(s["rows"], s["affected"]) for s in generation.steps] == [(2, 2)]
        await agree(store)
        shown = await plan_back(store, AB, 1)
        assert any("its 2 values were purged" in s.description for s in shown.steps) or shown.restores is not None
        await purge(store, SYSTEM, ALL, lambda: datetime.now(UTC))
        await agree(store)
        shown = await plan_back(store, AB, 1)
        assert "its 2 records were purged" in next(s for s in shown.steps if s.table == "e1").description
        found = await back(store, AB, 1, "drop_table:e4")
        assert await cells(store, found, "thing", "b") == []

    async def test_of_a_field_is_told_by_the_plan_back(self, store: Store):
        found = await take(store, AB)
        await put(store, found, "thing", b=1)
        await take(store, A, DROP_B)
        await purge(store, SYSTEM, ALL, lambda: datetime.now(UTC))
        shown = await plan_back(store, AB, 1)
        assert [s.description for s in shown.steps] == ["Add thing.b, int; its 1 values were purged."]
        found = await back(store, AB, 1)
        assert await cells(store, found, "thing", "b") == [None]

    async def test_of_nothing_is_no_generation(self, store: Store):
        await take(store, AB)
        assert await purge(store, SYSTEM, ALL, lambda: datetime.now(UTC)) == (None, [])
        assert len(await history(store)) == 1


async def test_progress_is_told_by_statement_and_by_record(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("xrm.kernel.migration.impact.PAGE", 3)
    found = await take(store, TEXT)
    for number in range(7):
        await put(store, found, "thing", a=str(number))
    told: list[Progress] = []
    await carry_out(store, partial(propose, NUMBER), Order(SYSTEM, tell=told.append))
    assert [(p.rows, p.of) for p in told if p.of] == [(3, 7), (6, 7), (7, 7)]
    assert told[-1].step == told[-1].steps


def test_progress_is_one_line_of_a_terminal():
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    tell = progress_line(out)
    tell(Progress(1, 2, "…", 3, 7))
    assert "1 of 2: 3 of 7 records" in out.getvalue()
    tell(Progress(2, 2, "…"))
    assert out.getvalue().endswith("\x1b[K")
    assert progress_line(StringIO()) is not tell
