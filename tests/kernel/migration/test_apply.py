"""A change of the model on a real database, SQLite and PostgreSQL: what happens to tables, records and journal."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.kernel.migration.planning import agree, cells, entity, field, look, model, one, put
from xrm.errors import Conflict, ModelError, Unavailable
from xrm.kernel.change import SYSTEM, Actor, uuid7
from xrm.kernel.migration.apply import Applied, _perform, apply
from xrm.kernel.migration.ddl import operations
from xrm.kernel.migration.impact import assess
from xrm.kernel.migration.journal import Generation, current, generation_number, history
from xrm.kernel.migration.plan import propose
from xrm.kernel.store.errors import ForeignKeyViolation, UniqueViolation
from xrm.kernel.store.schema import Column, ColumnType, Schema, Table
from xrm.kernel.store.store import Store, StoreOptions, open_store
from xrm.kernel.store.system import SYSTEM as KERNEL_SCHEMA
from xrm.kernel.values import Parsing
from xrm.metadata.model import Choice, Model


async def take(store: Store, made: Model, **options: Any) -> Generation:
    """Apply, and see that the database now is what the journal says."""
    applied = await apply(store, made, SYSTEM, **options)
    await agree(store)
    return applied.generation


async def refused(store: Store, made: Model, **options: Any) -> ModelError:
    """Apply what must be refused; see that nothing changed."""
    before, journal = await look(store), await history(store)
    with pytest.raises(ModelError) as error:
        await apply(store, made, SYSTEM, **options)
    assert await look(store) == before
    assert await history(store) == journal
    return error.value


def codes(error: ModelError | Conflict) -> list[tuple[str, str]]:
    return [(issue.path, issue.code) for issue in error.issues]


class TestFirst:
    async def test_makes_all_tables_and_the_journal(self, store: Store):
        assert await current(store) is None
        assert await history(store) == []
        made = model(entity("deal", field("name", required=True)), entity("user"))
        moment = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)
        ann = Actor(uuid7(), "Ann")
        applied = await apply(store, made, ann, clock=lambda: moment)
        await agree(store)
        found = await current(store)
        assert applied.changed
        assert found == applied.generation
        assert (found.number, found.at, found.actor, found.actor_name) == (1, moment, ann.id, "Ann")
        assert found.sources == made.sources
        assert [step["description"] for step in found.steps] == ["Create deal.", "Create user."]
        assert {t.name for t in found.schema.tables.values()} == {"deal", "user"}
        assert await generation_number(store) == 1

    async def test_again_does_nothing(self, store: Store):
        first = await take(store, one(field("a")))
        again = await apply(store, one(field("a")), SYSTEM)
        assert not again.changed
        assert again.steps == ()
        assert again.generation == first
        assert await generation_number(store) == 1

    async def test_another_title_is_another_generation_without_steps(self, store: Store):
        await take(store, one(field("a")))
        found = await take(store, one(field("a"), description="New"))
        assert (found.number, found.steps) == (2, ())
        assert [g.number for g in await history(store)] == [2, 1]

    async def test_a_table_that_is_not_ours_is_left_alone(self, store: Store):
        await store.execute('CREATE TABLE "thing" ("x" INTEGER)')
        error = await refused(store, one(field("a")))
        assert codes(error) == [("thing", "table_exists")]
        await apply(store, model(entity("other")), SYSTEM)
        error = await refused(store, model(entity("thing", was="other")))
        assert codes(error) == [("thing", "table_exists")]

    async def test_a_newer_kernel_brings_its_own_tables_up_to_date(self, store: Store, monkeypatch):
        await take(store, one(field("a")))
        journal = KERNEL_SCHEMA.tables["xrm_journal"]
        note = Column("note", "note", ColumnType("text"))
        fewer = {id: table for id, table in KERNEL_SCHEMA.tables.items() if id != "xrm_idempotency"}
        newer = {
            **fewer,
            "xrm_journal": dataclasses.replace(journal, columns=(note, *journal.columns)),
            "xrm_new": Table("xrm_new", "xrm_new", (Column("id", "id", ColumnType("int"), null=False, primary=True),)),
        }
        monkeypatch.setattr("xrm.kernel.migration.plan.SYSTEM", Schema(newer))
        applied = await apply(store, one(field("a")), SYSTEM)
        await agree(store)
        assert (applied.changed, applied.steps, applied.generation.number) == (True, (), 2)
        names = {table.name for table in applied.generation.full_schema.tables.values()}
        assert {"xrm_new", "xrm_idempotency"} <= names
        assert (await current(store)) == applied.generation

    async def test_tables_with_hard_names_in_a_circle(self, store: Store):
        found = await take(
            store,
            model(
                entity("order", field("group", "relation", to="group"), field("select", "money")),
                entity("group", field("order", "relation", to="order", required=True), field("from", unique=True)),
                entity("e1_pkey"),
            ),
        )
        order = await put(store, found, "order")
        group = await put(store, found, "group", order=order)
        await store.execute(f"""UPDATE "order" SET "group" = '{group}'""")
        assert await cells(store, found, "order", "group") == [group]


class TestRenames:
    async def test_keep_records_references_and_uniqueness(self, store: Store):
        found = await take(
            store,
            model(
                entity(
                    "deal", field("party", "relation", to="party"), field("price", "money"), field("name", unique=True)
                ),
                entity("party", field("name")),
            ),
        )
        ann = await put(store, found, "party", name="Ann")
        await put(store, found, "deal", party=ann, price=Decimal("1.50"), price_currency="CHF", name="x")
        found = await take(
            store,
            model(
                entity(
                    "sale",
                    field("customer", "relation", to="person", was="party"),
                    field("amount", "money", was="price"),
                    field("title", unique=True, was="name"),
                    was="deal",
                ),
                entity("person", field("name"), was="party"),
            ),
        )
        assert [s["kind"] for s in found.steps] == [
            "rename_table",
            "rename_field",
            "rename_field",
            "rename_field",
            "rename_table",
        ]
        assert await cells(store, found, "sale", "customer", "amount", "amount_currency", "title") == [
            (ann, Decimal("1.50"), "CHF", "x")
        ]
        with pytest.raises(UniqueViolation):
            await put(store, found, "sale", title="x")
        with pytest.raises(ForeignKeyViolation):
            await put(store, found, "sale", customer=uuid7())

    async def test_may_form_a_chain(self, store: Store):
        found = await take(store, one(field("a"), field("b")))
        await put(store, found, "thing", a="1", b="2")
        found = await take(store, one(field("b", was="a"), field("c", was="b")))
        assert await cells(store, found, "thing", "b", "c") == [("1", "2")]

    async def test_may_free_a_name_for_something_new(self, store: Store):
        found = await take(store, one(field("a")))
        await put(store, found, "thing", a="1")
        found = await take(store, one(field("b", was="a"), field("a", "integer", default=3)))
        assert await cells(store, found, "thing", "a", "b") == [(3, "1")]

    async def test_of_tables_may_form_a_chain(self, store: Store):
        found = await take(store, model(entity("a", field("x")), entity("b", field("y"))))
        await put(store, found, "a", x="1")
        await put(store, found, "b", y="2")
        found = await take(store, model(entity("b", field("x"), was="a"), entity("c", field("y"), was="b")))
        assert await cells(store, found, "b", "x") == ["1"]
        assert await cells(store, found, "c", "y") == ["2"]

    async def test_are_followed_by_polymorphic_references_history_and_numbers(self, store: Store):
        def site(name, number, old="", was=""):
            return model(
                entity(name, field(number, "auto_number", number="T-{0}", was=was), was=old),
                entity("note", field("about", "relation", to="*")),
            )

        found = await take(store, site("deal", "number"))
        deal = await put(store, found, "deal")
        await put(store, found, "note", about=deal, about_entity="deal")
        await put(store, found, "note", about=deal, about_entity="note")
        await store.execute("INSERT INTO xrm_sequence VALUES ('deal.number', 7), ('note.number', 1)")
        found = await take(store, site("sale", "code", "deal", "number"))
        assert await cells(store, found, "note", "about_entity") == ["sale", "note"]
        rows = await store.fetch('SELECT "name", "value" FROM "xrm_sequence" ORDER BY "name"')
        assert [tuple(row) for row in rows] == [("note.number", 1), ("sale.code", 7)]


class TestFields:
    async def test_new_ones_are_filled(self, store: Store):
        found = await take(store, one())
        await put(store, found, "thing")
        found = await take(
            store,
            one(
                field("plain"),
                field("name", required=True, default="O'Brien"),
                field("due", "date", backfill="2026-01-31"),
                field("size", "integer", required=True, backfill=3),
                field("tags", "tags", default=["a", "b's"]),
                field("price", "money", default={"amount": "2", "currency": "CHF"}, backfill="1"),
                field("active", "boolean", required=True, default=True, backfill=False),
                field("parent", "relation", to="thing"),
                field("extra", "json", default={"a": "x'y"}),
                field("unit", required=True, backfill="kg", unique=True),
            ),
            parsing=Parsing("USD"),
        )
        assert await cells(
            store,
            found,
            "thing",
            "plain",
            "name",
            "size",
            "due",
            "tags",
            "price",
            "price_currency",
            "active",
            "extra",
            "unit",
        ) == [(None, "O'Brien", 3, date(2026, 1, 31), ("a", "b's"), Decimal("1.00"), "USD", False, {"a": "x'y"}, "kg")]
        await put(store, found, "thing", size=1, unit="m")
        assert await cells(store, found, "thing", "name", "due", "price", "price_currency", "active") == [
            ("O'Brien", date(2026, 1, 31), Decimal("1.00"), "USD", False),
            ("O'Brien", None, Decimal("2.00"), "CHF", True),
        ]

    async def test_a_required_one_needs_a_value_only_where_records_are(self, store: Store):
        await take(store, one())
        found = await take(store, one(field("a", required=True)))
        await put(store, found, "thing", a="x")
        error = await refused(store, one(field("a", required=True), field("b", required=True)))
        assert codes(error) == [("thing.b", "needs_value")]
        assert "1 record " in error.issues[0].message
        assert "backfill" in error.issues[0].hint

    async def test_becomes_required(self, store: Store):
        found = await take(store, one(field("a"), field("price", "money")))
        await put(store, found, "thing", a="x", price=Decimal(1), price_currency="CHF")
        await put(store, found, "thing")
        await put(store, found, "thing")
        error = await refused(store, one(field("a", required=True), field("price", "money", required=True)))
        assert codes(error) == [("thing.a", "needs_value"), ("thing.price", "needs_value")]
        assert "2 records" in error.issues[0].message
        found = await take(
            store,
            one(
                field("a", required=True, backfill="O'Brien"),
                field("price", "money", required=True, default="2"),
            ),
        )
        assert await cells(store, found, "thing", "a", "price", "price_currency") == [
            ("x", Decimal(1), "CHF"),
            ("O'Brien", Decimal(2), "EUR"),
            ("O'Brien", Decimal(2), "EUR"),
        ]
        assert [(s["kind"], s["rows"], s["affected"]) for s in found.steps] == [
            ("require", 3, 2),
            ("require", 3, 2),
            ("change_default", 3, 0),
        ]

    async def test_becomes_optional_and_changes_its_default(self, store: Store):
        found = await take(store, one(field("a", required=True, default="x")))
        await put(store, found, "thing")
        found = await take(store, one(field("a", default="y")))
        await put(store, found, "thing")
        await put(store, found, "thing", a=None)
        assert await cells(store, found, "thing", "a") == ["x", "y", None]

    async def test_becomes_unique(self, store: Store):
        found = await take(store, one(field("a"), field("b", "integer")))
        ids = [await put(store, found, "thing", a=a, b=b) for a, b in [("x", 1), ("x", 1), ("x", 2), (None, 3)]]
        error = await refused(store, one(field("a", unique=True), field("b", "integer"), unique=(("a", "b"),)))
        assert codes(error) == [("thing.a", "not_unique"), ("thing", "not_unique")]
        assert "3 records" in error.issues[0].message
        assert "2 records" in error.issues[1].message
        assert "x, 1" in error.issues[1].message
        await store.execute(f"""UPDATE "thing" SET "deleted_at" = "created_at" WHERE "id" = '{ids[0]}'""")
        found = await take(store, one(field("a"), field("b", "integer"), unique=(("a", "b"),)))
        await put(store, found, "thing", b=3)  # a null is like no other
        with pytest.raises(UniqueViolation):
            await put(store, found, "thing", a="x", b=2)

    @pytest.mark.parametrize("rows", [1, 2])
    async def test_a_new_unique_one_cannot_have_one_value_for_all(self, store: Store, rows):
        found = await take(store, one())
        for _ in range(rows):
            await put(store, found, "thing")
        aim = one(field("a", unique=True, default="x"))
        if rows == 1:
            await take(store, aim)
        else:
            assert codes(await refused(store, aim)) == [("thing.a", "not_unique")]

    async def test_unique_is_counted_with_the_values_filled_in(self, store: Store):
        found = await take(store, one(field("a")))
        await put(store, found, "thing", a="x")
        await put(store, found, "thing")
        error = await refused(store, one(field("a", unique=True, required=True, backfill="x")))
        assert codes(error) == [("thing.a", "not_unique")]

    async def test_indexes_come_and_go(self, store: Store):
        await take(store, one(field("a", index=True), field("tags", "tags")))
        await take(store, one(field("a"), field("tags", "tags", index=True), indexes=(("a", "tags"),)))
        found = await take(store, one(field("a"), field("tags", "tags")))
        assert [i.id for i in found.schema.tables["e1"].indexes] == ["ix_created_at_id"]


CONVERTED: Sequence[tuple[dict[str, Any], dict[str, Any], Any, Any]] = [
    ({}, {"kind": "integer"}, " 42", 42),
    ({"kind": "integer"}, {}, 42, "42"),
    ({}, {"kind": "decimal"}, "1.5", Decimal("1.50")),
    ({}, {"kind": "date"}, "2026-02-28", date(2026, 2, 28)),
    ({"kind": "date"}, {}, date(2026, 2, 28), "2026-02-28"),
    ({"kind": "integer"}, {"kind": "decimal"}, 3, Decimal("3.00")),
    ({"kind": "decimal"}, {"kind": "decimal", "scale": 4}, Decimal("1.25"), Decimal("1.2500")),
    ({"kind": "decimal", "scale": 4}, {"kind": "decimal"}, Decimal("1.2500"), Decimal("1.25")),
    ({"kind": "choice", "choices": (Choice("a", "A"),)}, {}, "a", "a"),
    ({}, {"kind": "choice", "choices": (Choice("a", "A"),)}, "a", "a"),
    ({}, {"kind": "tags"}, "a", ("a",)),
    ({"kind": "boolean"}, {}, True, "true"),
    ({"kind": "datetime"}, {}, datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00Z"),
    ({"kind": "json"}, {}, {"a": 1}, '{"a": 1}'),
]


class TestTypes:
    @pytest.mark.parametrize(("before", "then", "value", "result"), CONVERTED)
    async def test_change_with_all_values(self, store: Store, before, then, value, result):
        found = await take(store, one(field("a", **before), field("b", "integer", default=1)))
        await put(store, found, "thing", a=value)
        await put(store, found, "thing", a=None)
        found = await take(store, one(field("a", **then), field("b", "integer", default=1)))
        assert await cells(store, found, "thing", "a", "b") == [(result, 1), (None, 1)]

    async def test_change_together_with_everything_else(self, store: Store):
        found = await take(store, one(field("a", index=True), field("b"), field("c"), field("d", unique=True)))
        await put(store, found, "thing", a="1", b="x", c="y", d="7")
        found = await take(
            store,
            one(
                field("n", "integer", required=True, default=5, unique=True, was="a"),
                field("b", removed=True),
                field("a", was="c"),
                field("d", "integer", unique=True),
                field("e", required=True, backfill="z"),
            ),
            consent=frozenset({"drop_field:e1.f3"}),
        )
        assert await cells(store, found, "thing", "n", "a", "d", "e") == [(1, "y", 7, "z")]

    async def test_more_than_one_page_of_values(self, store: Store, monkeypatch):
        monkeypatch.setattr("xrm.kernel.migration.impact.PAGE", 3)
        found = await take(store, one(field("a", "integer")))
        for number in range(7):
            await put(store, found, "thing", a=number)
        found = await take(store, one(field("a")))
        assert await cells(store, found, "thing", "a") == [str(n) for n in range(7)]
        assert found.steps[0]["affected"] == 7

    async def test_do_not_change_when_a_value_has_no_equal(self, store: Store):
        found = await take(store, one(field("a")))
        for value in ["1", "two", "3.5", "four", "five", None]:
            await put(store, found, "thing", a=value)
        plan = await assess(store, propose(one(field("a", "integer")), found))
        assert (plan.steps[0].rows, plan.steps[0].affected) == (6, 5)
        assert plan.steps[0].samples == ("two", "3.5", "four")
        error = await refused(store, one(field("a", "integer")))
        assert codes(error) == [("thing.a", "cannot_convert")]
        assert "4 records" in error.issues[0].message

    async def test_a_number_becomes_money_in_the_sites_currency(self, store: Store):
        found = await take(store, one(field("a", "decimal")))
        await put(store, found, "thing", a=Decimal(3))
        await put(store, found, "thing")
        found = await take(store, one(field("a", "money")), parsing=Parsing("CHF"))
        assert await cells(store, found, "thing", "a", "a_currency") == [(Decimal(3), "CHF"), (None, None)]

    async def test_a_relation_becomes_polymorphic_and_back(self, store: Store):
        def pointing(to):
            return model(entity("thing", field("who", "relation", to=to)), entity("party"), entity("user"))

        found = await take(store, pointing("party"))
        ann = await put(store, found, "party")
        await put(store, found, "thing", who=ann)
        await put(store, found, "thing")
        found = await take(store, pointing(("party", "user")))
        assert await cells(store, found, "thing", "who", "who_entity") == [(ann, "party"), (None, None)]
        back = pointing("party")
        with pytest.raises(Conflict):
            await apply(store, back, SYSTEM)
        found = await take(store, back, consent=frozenset({"drop_field:e1.f2.entity"}))
        assert await cells(store, found, "thing", "who") == [ann, None]

    async def test_a_relation_becomes_text(self, store: Store):
        found = await take(store, one(field("parent", "relation", to="thing")))
        top = await put(store, found, "thing")
        await put(store, found, "thing", parent=top)
        found = await take(store, one(field("parent")))
        assert await cells(store, found, "thing", "parent") == [None, str(top)]
        found = await take(store, one(field("parent", "relation", to="thing")))
        assert await cells(store, found, "thing", "parent") == [None, top]

    async def test_text_that_names_nobody_becomes_no_relation(self, store: Store):
        found = await take(store, one(field("parent")))
        await put(store, found, "thing", parent=str(uuid7()))
        error = await refused(store, one(field("parent", "relation", to="thing")))
        assert codes(error) == [("thing.parent", "dangling")]


class TestKeys:
    async def test_hold(self, store: Store):
        found = await take(store, model(entity("thing", field("who", "relation", to="party")), entity("party")))
        with pytest.raises(ForeignKeyViolation):
            await put(store, found, "thing", who=uuid7())
        ann = await put(store, found, "party")
        await put(store, found, "thing", who=ann)
        with pytest.raises(ForeignKeyViolation):
            await store.execute('DELETE FROM "party"')

    async def test_change_their_target_when_all_records_fit(self, store: Store):
        def pointing(to):
            return model(entity("thing", field("who", "relation", to=to)), entity("party"), entity("user"))

        found = await take(store, pointing("party"))
        ann = await put(store, found, "party")
        await put(store, found, "thing", who=ann)
        error = await refused(store, pointing("user"))
        assert codes(error) == [("thing.who", "dangling")]
        await put(store, found, "user", id=ann)
        found = await take(store, pointing("user"))
        with pytest.raises(ForeignKeyViolation):
            await store.execute('DELETE FROM "user"')

    async def test_are_checked_again_after_a_data_step(self, store: Store):
        await take(store, one(field("parent", "relation", to="thing")))
        before = await look(store)

        async def spoil(old: Generation | None, new: Generation) -> None:
            await put(store, new, "thing", parent=uuid7(), a="x")

        with pytest.raises(ForeignKeyViolation):
            await apply(store, one(field("parent", "relation", to="thing"), field("a")), SYSTEM, data_step=spoil)
        assert await look(store) == before
        assert await generation_number(store) == 1


class TestOmission:
    async def test_keeps_values_and_lets_records_be_made(self, store: Store):
        found = await take(
            store,
            one(
                field("a", required=True, unique=True),
                field("p", "relation", to="thing", required=True),
                field("b"),
            ),
        )
        first = UUID(int=0)
        await put(store, found, "thing", id=first, a="x", p=first)
        found = await take(store, one(field("b")))
        await put(store, found, "thing", b="y")
        assert await cells(store, found, "thing", "a", "p", "b") == [("x", first, None), (None, None, "y")]
        error = await refused(store, one(field("a", required=True), field("b")))
        assert codes(error) == [("thing.a", "needs_value")]
        found = await take(store, one(field("a", required=True, backfill="?", unique=True), field("b")))
        assert await cells(store, found, "thing", "a") == ["x", "?"]

    async def test_of_an_entity_keeps_its_records(self, store: Store):
        full = model(entity("thing", field("a", required=True)), entity("other"))
        found = await take(store, full)
        await put(store, found, "thing", a="x")
        await take(store, model(entity("other")))
        found = await take(store, full)
        assert await cells(store, found, "thing", "a") == ["x"]

    async def test_and_then_removal_drops(self, store: Store):
        found = await take(store, one(field("a"), field("b")))
        await put(store, found, "thing", a="x")
        await take(store, one(field("b")))
        found = await take(store, one(field("a", removed=True), field("b")), consent=frozenset({"drop_field:e1.f2"}))
        assert "a" not in [c.name for c in found.schema.tables["e1"].columns]
        again = await apply(store, one(field("b")), SYSTEM)
        assert (again.changed, again.steps) == (True, ())


class TestLoss:
    async def test_needs_consent_to_each_step(self, store: Store):
        found = await take(store, model(entity("thing", field("a", "money"), field("b")), entity("gone", field("c"))))
        await put(store, found, "thing", a=Decimal(1), a_currency="EUR")
        await put(store, found, "thing")
        await put(store, found, "gone")
        aim = model(entity("thing", field("a", "money", removed=True), field("b")), entity("gone", removed=True))
        before, rows = await look(store), await cells(store, found, "thing", "a", "a_currency")
        for consent in [frozenset(), frozenset({"drop_table:e4"}), frozenset({"drop_field:e1.f3", "drop_table:e9"})]:
            with pytest.raises(Conflict) as error:
                await apply(store, aim, SYSTEM, consent=consent)
            assert "drop_field:e1.f2" in error.value.details["steps"]
        assert codes(error.value) == [("thing.a", "needs_consent"), ("gone", "needs_consent")]
        assert "1 value leaves" in error.value.issues[0].message
        assert "1 record leaves" in error.value.issues[1].message
        assert (await look(store), await cells(store, found, "thing", "a", "a_currency")) == (before, rows)
        found = await take(store, aim, consent=frozenset({"drop_field:e1.f2", "drop_table:e4"}))
        assert {t.name for t in found.schema.tables.values()} == {"thing"}
        assert [c.name for c in found.schema.tables["e1"].columns][-1] == "b"

    async def test_a_refusal_leaves_the_file_as_it_was(self, tmp_path: Path):
        store = open_store(f"sqlite:///{tmp_path}/site.db")
        await store.start()
        found = await take(store, one(field("a"), field("b")))
        await put(store, found, "thing", a="x")
        before = _files(tmp_path)
        with pytest.raises(Conflict):
            await apply(store, one(field("a", removed=True), field("b")), SYSTEM)
        with pytest.raises(ModelError):
            await apply(store, one(field("a", "integer"), field("b")), SYSTEM)
        assert _files(tmp_path) == before
        await store.close()

    async def test_tables_that_point_to_each_other_can_go(self, store: Store):
        found = await take(
            store,
            model(
                entity("a", field("b", "relation", to="b")),
                entity("b", field("a", "relation", to="a")),
                entity("c"),
            ),
        )
        one_b = await put(store, found, "b")
        await put(store, found, "a", b=one_b)
        gone = model(entity("a", removed=True), entity("b", removed=True), entity("c"))
        await take(store, gone, consent=frozenset({"drop_table:e1", "drop_table:e3"}))


def _files(folder: Path) -> dict[str, bytes]:
    """Return the database and its log; the index of the log (-shm) is no part of what is stored."""
    return {path.name: path.read_bytes() for path in folder.glob("site.db*") if not path.name.endswith("-shm")}


class TestAllOrNothing:
    async def test_a_step_that_fails_undoes_all_before_it(self, store: Store, monkeypatch):
        found = await take(store, model(entity("thing", field("a"), field("b", unique=True)), entity("gone")))
        await put(store, found, "thing", a="1")
        aim = model(
            entity(
                "item", field("c", "integer", was="a"), field("b", required=True, backfill="x"), field("d"), was="thing"
            ),
            entity("gone", removed=True),
            entity("new", field("of", "relation", to="item")),
        )
        before, journal = await look(store), await history(store)
        for last in range(1, 200):
            with _failing(monkeypatch, store, last) as done, contextlib.suppress(_BrokenError):
                await apply(store, aim, SYSTEM, consent=frozenset({"drop_table:e4"}))
            if done.count < last:
                break
            assert await look(store) == before
            assert await history(store) == journal
        assert last > 12
        await agree(store)
        assert await generation_number(store) == 2
        assert await cells(store, await _now(store), "item", "b", "c") == [("x", 1)]

    async def test_a_data_step_belongs_to_it(self, store: Store):
        seen: list[tuple[int | None, int]] = []

        async def label(old: Generation | None, new: Generation) -> None:
            seen.append((old and old.number, new.number))
            await store.execute('''UPDATE "thing" SET "label" = "a"''')

        found = await take(store, one(field("a")), data_step=label)
        await put(store, found, "thing", a="x")
        found = await take(store, one(field("a"), field("b", required=True, backfill="y")), data_step=label)
        assert seen == [(None, 1), (1, 2)]
        assert await cells(store, found, "thing", "label", "b") == [("x", "y")]

        async def fail(old: Generation | None, new: Generation) -> None:
            await label(old, new)
            raise _BrokenError

        with pytest.raises(_BrokenError):
            await apply(store, one(field("b")), SYSTEM, data_step=fail)
        assert await generation_number(store) == 2
        await agree(store)

    async def test_a_data_step_may_read_what_changed_its_type(self, store: Store):
        found = await take(store, one(field("a")))
        await put(store, found, "thing", a="1")
        for _ in range(12):  # each connection has the statement prepared
            await store.fetch('SELECT "a" FROM "thing"')
        read: list[Any] = []

        async def look_at(old: Generation | None, new: Generation) -> None:
            read.extend(row[0] for row in await store.fetch('SELECT "a" FROM "thing"'))

        await take(store, one(field("a", "integer")), data_step=look_at)
        assert read == [1]
        assert [row[0] for row in await store.fetch('SELECT "a" FROM "thing"')] == [1]

    async def test_needs_a_transaction_of_its_own(self, store: Store):
        async with store.transaction():
            with pytest.raises(RuntimeError):
                await apply(store, one(field("a")), SYSTEM)


class TestSeal:
    async def test_lets_pass_what_was_shown(self, store: Store):
        found = await take(store, one(field("a")))
        aim = one(field("a"), field("b"))
        await take(store, aim, expected_hash=propose(aim, found).hash)

    async def test_refuses_when_the_world_moved(self, store: Store):
        found = await take(store, one(field("a")))
        aim = one(field("a"), field("b"))
        shown = propose(aim, found).hash
        await take(store, one(field("a"), field("c")))
        for made in [aim, one(field("a"), field("c"))]:
            with pytest.raises(Conflict, match="changed since"):
                await apply(store, made, SYSTEM, expected_hash=shown)
        assert await generation_number(store) == 2


FULL = model(
    entity(
        "thing",
        field("a", required=True, default="O'Brien", unique=True),
        field("n", "decimal", scale=3, index=True),
        field("who", "relation", to="party", required=True),
        field("tags", "tags", index=True),
        field("p", "money"),
        unique=(("n", "who"),),
    ),
    entity("party", field("at", "datetime", default="2026-01-01T00:00:00Z"), field("last", "relation", to="thing")),
    entity("gone", field("x", "json", default=[1])),
)
BACK: dict[str, Model] = {
    "add": model(*FULL.entities.values(), entity("extra", field("of", "relation", to="thing"))),
    "fields": model(
        entity(
            "thing",
            *(f for f in FULL.entities["thing"].fields.values() if not f.system),
            field("m", "integer", required=True, default=1, unique=True),
            field("q", "relation", to="gone"),
            unique=(("n", "who"),),
        ),
        FULL.entities["party"],
        FULL.entities["gone"],
    ),
    "everything": model(
        entity(
            "item",
            field("b", "long_text", was="a"),
            field("n", "decimal", scale=5),
            field("p", "decimal"),
            field("who", "relation", to="*"),
            field("tags", "json", index=True),
            was="thing",
        ),
        entity("party", field("at"), field("last")),
        entity("gone", removed=True),
    ),
}


class TestBack:
    @pytest.mark.parametrize("way", BACK)
    async def test_gives_the_identical_schema(self, store: Store, way):
        found = await take(store, FULL)
        first = await look(store)
        plan = propose(BACK[way], found)
        await take(store, BACK[way], consent=frozenset(s.id for s in plan.destructive))
        assert await look(store) != first
        await _go_back(store, found)
        assert await look(store) == first


async def _go_back(store: Store, aim: Generation) -> None:
    """Undo the last change in the database alone, as a rollback will."""
    now = await _now(store)
    async with store.schema_transaction():
        for operation in operations(now.full_schema, aim.full_schema, store.dialect):
            await _perform(store, operation)


async def _now(store: Store) -> Generation:
    found = await current(store)
    assert found is not None
    return found


class _BrokenError(Exception):
    pass


class _Counted:
    count = 0


@contextlib.contextmanager
def _failing(monkeypatch: pytest.MonkeyPatch, store: Store, last: int):
    """Let the writing statement number `last` fail, after it was run."""
    done, execute = _Counted(), store.execute

    async def counted(sql: str, args: Sequence[Any] = ()) -> int:
        result = await execute(sql, args)
        done.count += 1
        if done.count == last:
            raise _BrokenError
        return result

    with monkeypatch.context() as patch:
        patch.setattr(store, "execute", counted)
        yield done


async def test_a_busy_database_is_an_answer(store: Store, database_url: str, monkeypatch):
    await take(store, one(field("a")))
    other = open_store(database_url, options=StoreOptions(wait=0.2, busy_timeout=0.2))
    await other.start()
    try:
        async with store.schema_transaction():
            await store.lock("xrm.schema")
            with pytest.raises(Unavailable):
                await apply(other, one(field("a"), field("b")), SYSTEM)
    finally:
        await other.close()
    applied: Applied = await apply(store, one(field("a"), field("b")), SYSTEM)
    assert applied.changed
