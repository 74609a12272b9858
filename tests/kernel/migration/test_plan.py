"""Ids, tables and steps: everything about a change of the model that needs no database."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from uuid import UUID

import pytest

from tests.kernel.migration.planning import entity, field, model, one
from xrm.errors import ModelError
from xrm.kernel.migration.ddl import in_order, index_name, operations
from xrm.kernel.migration.journal import (
    Generation,
    ids_from_json,
    ids_to_json,
    schema_from_json,
    schema_to_json,
    sources_hash,
)
from xrm.kernel.migration.physical import EntityIds, Ids, identify, physical
from xrm.kernel.migration.plan import Plan, propose
from xrm.kernel.migration.retype import Unconvertible, convert, convertible
from xrm.kernel.store.codec import POSTGRESQL, SQLITE
from xrm.kernel.store.schema import Column, ColumnType, Index, Schema, Table
from xrm.kernel.values import Parsing
from xrm.metadata.model import Choice, Model, State, View, Workflow


def fields(ids: Ids, name: str = "thing") -> dict[str, str]:
    return dict(ids.entities[name].fields)


def after(plan: Plan) -> Generation:
    """The generation an applied plan leaves behind."""
    return Generation(
        plan.base + 1,
        datetime(2026, 1, 1, tzinfo=UTC),
        None,
        "",
        sources_hash(plan.sources),
        plan.sources,
        ids_from_json(ids_to_json(plan.ids)),
        schema_from_json(schema_to_json(plan.new)),
        (),
    )


def change(*models: Model) -> Plan:
    """The plan to the last of several models that were applied in turn."""
    current = None
    for each in models[:-1]:
        current = after(propose(each, current))
    return propose(models[-1], current)


def kinds(plan: Plan) -> list[tuple[str, str, str]]:
    return [(s.kind, f"{s.entity}.{s.field}".rstrip("."), s.severity) for s in plan.shown]


class TestIds:
    def test_are_counted_in_the_order_of_the_model(self):
        ids = identify(model(entity("deal", field("name"), field("amount", "money")), entity("party", field("name"))))
        assert ids.entities == {
            "deal": EntityIds("e1", {"name": "f2", "amount": "f3"}),
            "party": EntityIds("e4", {"name": "f5"}),
        }
        assert ids.last == 5

    def test_stay_when_the_order_changes_and_something_is_added(self):
        first = identify(one(field("a"), field("b")))
        second = identify(one(field("c"), field("b"), field("a")), first)
        assert fields(second) == {"c": "f4", "b": fields(first)["b"], "a": fields(first)["a"]}

    def test_follow_was(self):
        first = identify(one(field("a")))
        second = identify(one(field("b", was="a")), first)
        third = identify(one(field("b", was="a")), second)
        assert fields(first)["a"] == fields(second)["b"] == fields(third)["b"]
        assert not second.entities["thing"].kept

    def test_of_an_entity_follow_was_with_its_fields(self):
        first = identify(one(field("a")))
        second = identify(model(entity("item", field("b", was="a"), was="thing")), first)
        assert second.entities == {"item": EntityIds("e1", {"b": "f2"})}

    def test_a_name_that_came_free_may_be_given_to_something_new(self):
        first = identify(one(field("a")))
        second = identify(one(field("a"), field("b", was="a")), first)
        assert fields(second) == {"a": "f3", "b": "f2"}
        assert identify(one(field("a"), field("b", was="a")), second) == second

    def test_renames_may_form_a_chain(self):
        first = identify(one(field("a"), field("b")))
        assert fields(identify(one(field("b", was="a"), field("c", was="b")), first)) == {"b": "f2", "c": "f3"}

    def test_omitted_names_are_kept_and_found_again(self):
        first = identify(one(field("a"), field("b")))
        without = identify(one(field("b")), first)
        assert without.entities["thing"] == EntityIds("e1", {"b": "f3", "a": "f2"}, frozenset({"a"}))
        assert identify(one(field("a"), field("b")), without) == first

    def test_an_omitted_entity_is_kept_with_its_fields(self):
        first = identify(model(entity("thing", field("a")), entity("other")))
        without = identify(model(entity("other")), first)
        assert without.kept == {"thing"}
        assert fields(without) == {"a": "f2"}
        assert identify(model(entity("thing", field("a")), entity("other")), without) == first

    def test_something_kept_may_come_back_under_another_name(self):
        first = identify(one(field("a"), field("b")))
        without = identify(one(field("b")), first)
        assert fields(identify(one(field("b"), field("c", was="a")), without)) == {"b": "f3", "c": "f2"}

    def test_a_stale_was_does_not_take_the_place_of_another(self):
        first = identify(one(field("a")))
        renamed = identify(one(field("a"), field("b", was="a")), first)  # b has a's values, a is new
        without = identify(one(field("a")), renamed)
        assert identify(one(field("a"), field("b", was="a")), without) == renamed

    def test_removed_ids_are_never_used_again(self):
        first = identify(one(field("a"), field("b")))
        second = identify(one(field("a"), field("b", removed=True)), first)
        assert fields(second) == {"a": "f2"}
        assert fields(identify(one(field("a"), field("b")), second)) == {"a": "f2", "b": "f4"}

    def test_a_removed_entity_takes_its_fields_along(self):
        first = identify(model(entity("thing", field("a")), entity("other")))
        second = identify(model(entity("thing", field("a"), removed=True), entity("other")), first)
        assert set(second.entities) == {"other"}
        assert second.last == first.last

    def test_a_rename_to_a_name_that_still_holds_values_is_refused(self):
        first = identify(one(field("a"), field("b")))
        without = identify(one(field("a")), first)
        with pytest.raises(ModelError) as refused:
            identify(one(field("b", was="a")), without)
        assert [(i.path, i.code) for i in refused.value.issues] == [("thing.b", "name_kept")]

    def test_survive_json(self):
        ids = identify(one(field("b")), identify(model(entity("thing", field("a")), entity("other"))))
        assert ids_from_json(ids_to_json(ids)) == ids
        assert ids.kept
        assert ids.entities["thing"].kept


def table(made: Model, name: str = "thing", parsing: Parsing | None = None) -> Table:
    found = physical(made, identify(made), parsing)
    return next(t for t in found.tables.values() if t.name == name)


def column(made: Model, name: str) -> Column:
    return next(c for c in table(made).columns if c.name == name)


class TestPhysical:
    def test_the_system_columns_come_first(self):
        columns = table(one(field("a"))).columns
        assert [c.name for c in columns][:3] == ["id", "version", "created_at"]
        assert [c.name for c in columns if c.primary] == ["id"]
        assert [c.name for c in columns if not c.null] == ["id", "version", "created_at", "updated_at"]
        assert next(c for c in columns if c.name == "version").default == 1

    def test_money_has_two_columns(self):
        made = one(field("price", "money", required=True, default={"amount": "1.50", "currency": "CHF"}, backfill="2"))
        amount, currency = table(made).columns[-2:]
        assert amount == Column(
            "f2", "price", ColumnType("decimal", 18, 2), null=False, default=Decimal("1.50"), backfill=Decimal("2.00")
        )
        assert currency == Column(
            "f2.currency", "price_currency", ColumnType("text"), null=False, default="CHF", backfill="EUR"
        )

    def test_money_takes_the_currency_of_the_site(self):
        made = one(field("price", "money", default="1"))
        assert table(made, parsing=Parsing("USD")).columns[-1].default == "USD"

    def test_a_relation_has_a_key_and_an_index(self):
        made = model(entity("thing", field("party", "relation", to="party")), entity("party"))
        found = table(made)
        assert [(k.id, k.column, k.table) for k in found.foreign_keys] == [("fk_f2", "f2", "e3")]
        assert Index("ix_f2", ("f2",)) in found.indexes

    @pytest.mark.parametrize("to", ["*", ("thing", "party")])
    def test_a_polymorphic_relation_has_no_key(self, to):
        found = table(model(entity("thing", field("about", "relation", to=to)), entity("party")))
        assert found.foreign_keys == ()
        assert [(c.id, c.name) for c in found.columns[-2:]] == [("f2", "about"), ("f2.entity", "about_entity")]

    def test_who_wrote_a_record_has_no_key(self):
        found = table(model(entity("thing"), entity("user")))
        assert found.foreign_keys == ()

    def test_unique_counts_only_what_is_not_in_the_trash(self):
        found = table(one(field("a", unique=True), field("b", "money"), unique=(("a", "b"),)))
        assert Index("uq_f2", ("f2",), unique=True, live=True) in found.indexes
        assert Index("uq_f2_f3_f3_currency", ("f2", "f3", "f3.currency"), unique=True, live=True) in found.indexes

    def test_indexes_of_fields_lists_workflow_and_order(self):
        states = tuple(State(n, n) for n in ("new", "won"))
        view = View("list", "list", sort=("-due", "-amount"))
        found = table(
            one(
                field("a", index=True),
                field("state", "choice", choices=(Choice("new", "New"), Choice("won", "Won"))),
                field("due", "date"),
                field("amount", "money"),
                indexes=(("a", "due"),),
                views={"list": view},
                workflow=Workflow("state", "new", states, ()),
            )
        )
        assert {i.id: (i.columns, i.unique, i.live) for i in found.indexes} == {
            "ix_f2": (("f2",), False, True),
            "ix_f3": (("f3",), False, True),
            "ix_f2_f4": (("f2", "f4"), False, True),
            "ix_created_at_id": (("created_at", "id"), False, True),
            "ix_f4_f5_id": (("f4", "f5", "id"), False, True),
        }
        assert next(c for c in found.columns if c.name == "state").default == "new"

    @pytest.mark.parametrize("sort", [("a", "-due"), ("party.name",), ("about",), ("tags",)])
    def test_no_index_where_it_could_not_serve_the_order(self, sort):
        found = table(
            one(
                field("a"),
                field("due", "date"),
                field("party", "relation", to="thing"),
                field("tags", "tags"),
                field("about", "relation", to="*"),
                views={"list": View("list", "list", sort=sort)},
            )
        )
        assert [i.id for i in found.indexes if i.id.endswith("_id")] == ["ix_created_at_id"]

    @pytest.mark.parametrize("options", [{"formula": "1"}, {"kind": "auto_number", "number": "T-{000}"}])
    def test_what_is_computed_later_may_be_null(self, options):
        assert column(one(field("a", required=True, **options)), "a").null

    def test_defaults_of_the_moment_are_not_the_databases(self):
        made = one(field("at", "datetime", default="$now"), field("owner", "relation", to="thing", default="$user.id"))
        assert column(made, "at").default is None
        assert column(made, "owner").default is None

    def test_a_default_that_does_not_fit_is_refused_with_its_field(self):
        with pytest.raises(ModelError) as refused:
            table(one(field("n", "integer", default="many"), field("d", "date", backfill="soon")))
        assert [(i.path, i.code) for i in refused.value.issues] == [
            ("thing.n", "not_integer"),
            ("thing.d", "not_date"),
        ]

    def test_two_fields_cannot_have_the_same_column(self):
        with pytest.raises(ModelError) as refused:
            table(one(field("price", "money"), field("price_currency")))
        assert [(i.path, i.code) for i in refused.value.issues] == [("thing.price_currency", "name_taken")]

    def test_removed_fields_and_entities_have_no_place(self):
        made = model(entity("thing", field("a", removed=True)), entity("gone", removed=True))
        found = physical(made, identify(made))
        assert [t.name for t in found.tables.values()] == ["thing"]
        assert "a" not in [c.name for c in table(made).columns]


TYPED = [
    ("text", "O'Brien; DROP TABLE x"),
    ("integer", -3),
    ("decimal", "1.25"),
    ("percent", 10),
    ("boolean", False),
    ("date", "2026-02-28"),
    ("time", "13:05"),
    ("datetime", "2026-02-28T13:05:00+01:00"),
    ("tags", ["a", "b"]),
    ("json", {"a": [1, None]}),
    ("uuid", "018f3c4e-0000-7000-8000-000000000001"),
    ("money", "3.10"),
]


class TestSchemaJson:
    def test_gives_the_same_schema(self):
        made = model(
            entity("thing", *(field(f"f_{kind}", kind, default=value, unique=True) for kind, value in TYPED)),
            entity("party", field("thing", "relation", to="thing", on_delete="cascade")),
        )
        found = propose(made, None).new
        back = schema_from_json(schema_to_json(found))
        strip = {  # a backfill belongs to the step that used it
            id: dataclasses.replace(t, columns=tuple(dataclasses.replace(c, backfill=None) for c in t.columns))
            for id, t in found.tables.items()
        }
        assert dict(back.tables) == strip


class TestSteps:
    def test_from_nothing_are_tables(self):
        plan = change(model(entity("deal"), entity("party")))
        assert kinds(plan) == [("create_table", "deal", "safe"), ("create_table", "party", "safe")]
        assert [s.id for s in plan.shown] == ["create_table:e1", "create_table:e2"]
        assert any(s.internal for s in plan.steps)

    def test_of_the_same_model_are_none(self):
        plan = change(one(field("a")), one(field("a")))
        assert plan.empty
        assert plan.steps == ()

    def test_another_title_is_a_change_without_steps(self):
        plan = change(one(field("a")), one(field("a"), description="New words"))
        assert plan.steps == ()
        assert not plan.empty

    @pytest.mark.parametrize(
        ("before", "then", "step", "text"),
        [
            ([], [field("a")], ("add_field", "thing.a", "safe"), "Add thing.a, text."),
            (
                [],
                [field("a", default="x", required=True)],
                ("add_field", "thing.a", "safe"),
                "Add thing.a, required text; existing records get 'x'.",
            ),
            (
                [],
                [field("a", "money", backfill="2")],
                ("add_field", "thing.a", "slow"),
                "Add thing.a, money; existing records get 2.00.",
            ),
            (
                [],
                [field("a", "relation", to="thing", required=True)],
                ("add_field", "thing.a", "safe"),
                "Add thing.a, required relation to thing.",
            ),
            ([], [field("a", "relation", to="*")], ("add_field", "thing.a", "safe"), "Add thing.a, relation to any."),
            (
                [field("a", "decimal")],
                [field("a", "money")],
                ("add_field", "thing.a", "slow"),
                "Add thing.a_currency, text.",
            ),
            (
                [field("a")],
                [field("b", was="a")],
                ("rename_field", "thing.b", "safe"),
                "Rename thing.a to b; its values stay.",
            ),
            (
                [field("a", "money")],
                [field("b", "money", was="a")],
                ("rename_field", "thing.b", "safe"),
                "Rename thing.a to b; its values stay.",
            ),
            (
                [field("a")],
                [field("a", "integer")],
                ("change_type", "thing.a", "slow"),
                "Change thing.a from text to int.",
            ),
            (
                [field("a", "decimal")],
                [field("a", "decimal", scale=4)],
                ("change_type", "thing.a", "slow"),
                "Change thing.a from decimal(18,2) to decimal(18,4).",
            ),
            ([field("a")], [field("a", required=True)], ("require", "thing.a", "slow"), "Make thing.a required."),
            (
                [field("a")],
                [field("a", required=True, backfill="?")],
                ("require", "thing.a", "slow"),
                "Make thing.a required; records without a value get '?'.",
            ),
            ([field("a", required=True)], [field("a")], ("relax", "thing.a", "safe"), "thing.a is no longer required."),
            (
                [field("a")],
                [field("a", default="x")],
                ("change_default", "thing.a", "safe"),
                "Give thing.a the default 'x'; existing values stay.",
            ),
            (
                [field("a", default="x")],
                [field("a")],
                ("change_default", "thing.a", "safe"),
                "Give thing.a no default; existing values stay.",
            ),
            ([field("a")], [field("a", index=True)], ("add_index", "thing.a", "slow"), "Index thing by a."),
            (
                [field("a", index=True)],
                [field("a")],
                ("drop_index", "thing.a", "safe"),
                "Drop the index of thing by a.",
            ),
            ([field("a")], [field("a", unique=True)], ("add_unique", "thing.a", "slow"), "Make a unique in thing."),
            (
                [field("a", unique=True)],
                [field("a")],
                ("drop_unique", "thing.a", "safe"),
                "a need no longer be unique in thing.",
            ),
            (
                [field("a", "money")],
                [field("a", "money", removed=True)],
                ("drop_field", "thing.a", "destructive"),
                "Drop thing.a with all its values.",
            ),
        ],
    )
    def test_of_a_field(self, before, then, step, text):
        plan = change(one(*before), one(*then))
        assert kinds(plan) == [step]
        assert plan.shown[0].description == text
        assert plan.issues == ()

    def test_types_kept_alike_are_no_change(self):
        plan = change(one(field("a", "choice", choices=(Choice("x", "X"),))), one(field("a", "email")))
        assert plan.steps == ()

    def test_of_an_entity(self):
        first = model(entity("deal", field("party", "relation", to="party")), entity("party"))
        second = model(entity("sale", field("party", "relation", to="party"), was="deal"), entity("party"))
        assert kinds(change(first, second)) == [("rename_table", "sale", "safe")]
        gone = model(entity("deal", removed=True), entity("party"))
        assert kinds(change(first, gone)) == [("drop_table", "deal", "destructive")]

    def test_what_comes_with_a_new_field_is_part_of_it(self):
        plan = change(one(), one(field("parent", "relation", to="thing"), field("a", index=True)))
        assert kinds(plan) == [("add_field", "thing.parent", "safe"), ("add_field", "thing.a", "safe")]

    def test_but_unique_speaks_for_itself(self):
        plan = change(one(), one(field("a", unique=True)))
        assert kinds(plan) == [("add_field", "thing.a", "safe"), ("add_unique", "thing.a", "slow")]

    def test_another_target_is_another_key(self):
        def pointing(to):
            return model(entity("thing", field("who", "relation", to=to)), entity("party"), entity("user"))

        assert kinds(change(pointing("party"), pointing("user"))) == [
            ("add_key", "thing.who", "slow"),
            ("drop_key", "thing.who", "safe"),
        ]

    def test_another_rule_on_delete_is_no_matter_of_tables(self):
        def ruled(rule):
            return one(field("parent", "relation", to="thing", on_delete=rule))

        assert change(ruled("restrict"), ruled("cascade")).steps == ()

    def test_what_cannot_be_converted_at_all_is_refused(self):
        plan = change(one(field("a", "date")), one(field("a", "boolean")))
        assert [(i.path, i.code) for i in plan.blocking] == [("thing.a", "no_conversion")]

    def test_an_omitted_field_stays_without_duties(self):
        parent = field("a", "relation", to="thing", required=True, unique=True)
        plan = change(one(parent, field("b", required=True, default="x")), one())
        assert kinds(plan) == [
            ("relax", "thing.a", "safe"),
            ("relax", "thing.b", "safe"),
            ("change_default", "thing.b", "safe"),
            ("drop_index", "thing.a", "safe"),
            ("drop_unique", "thing.a", "safe"),
            ("drop_key", "thing.a", "safe"),
        ]
        assert [(i.path, i.code, i.severity) for i in plan.issues] == [
            ("thing.a", "kept", "warning"),
            ("thing.b", "kept", "warning"),
        ]
        assert change(one(parent), one(), one(field("c"))).issues == ()

    def test_an_omitted_entity_stays_as_it_is(self):
        full = model(entity("thing", field("a", required=True)), entity("other"))
        plan = change(full, model(entity("other")))
        assert plan.steps == ()
        assert [(i.path, i.code) for i in plan.issues] == [("thing", "kept")]
        assert change(full, model(entity("other")), full).steps == ()

    def test_a_kept_table_loses_its_key_to_a_dropped_one(self):
        full = model(entity("thing", field("of", "relation", to="other")), entity("other"))
        plan = change(full, model(entity("other", removed=True)))
        assert kinds(plan) == [("drop_key", "thing.of", "safe"), ("drop_table", "other", "destructive")]

    def test_a_second_column_may_not_take_a_kept_name(self):
        plan = change(one(field("a_currency")), one(field("a", "money")))
        assert [(i.path, i.code) for i in plan.blocking] == [("thing.a_currency", "name_kept")]


def test_a_plan_is_json():
    plan = change(one(field("a")), one(field("a", removed=True)))
    assert json.loads(json.dumps(plan.to_dict())) == {
        "base": 1,
        "hash": plan.hash,
        "issues": [],
        "steps": [
            {
                "id": "drop_field:e1.f2",
                "kind": "drop_field",
                "entity": "thing",
                "field": "a",
                "description": "Drop thing.a with all its values.",
                "severity": "destructive",
            }
        ],
    }


class TestSeal:
    def test_is_stable(self):
        assert change(one(field("a"))).hash == change(one(field("a"))).hash

    def test_tells_the_base_and_the_aim_apart(self):
        plans = [
            change(one(field("a"))),
            change(one(field("b"))),
            change(one(field("a"), description="x")),
            change(one(), one(field("a"))),
            change(one(field("b")), one(field("a"))),
        ]
        assert len({p.hash for p in plans}) == len(plans)


class TestConversion:
    @pytest.mark.parametrize(
        ("old", "new", "value", "result"),
        [
            ("text", "int", " 42 ", 42),
            ("text", "int", "-7.00", -7),
            ("int", "text", 42, "42"),
            ("text", "decimal", "1.5", Decimal("1.50")),
            ("decimal", "text", Decimal("1.50"), "1.50"),
            ("int", "decimal", 3, Decimal("3.00")),
            ("decimal", "int", Decimal("3.00"), 3),
            ("decimal", "decimal", Decimal("1.5000"), Decimal("1.50")),
            ("text", "date", "2026-02-28", date(2026, 2, 28)),
            ("date", "text", date(2026, 2, 28), "2026-02-28"),
            ("text", "time", "13:05", time(13, 5)),
            ("text", "bool", "True", True),
            ("bool", "text", False, "false"),
            ("text", "datetime", "2026-01-01T01:00:00+01:00", datetime(2026, 1, 1, tzinfo=UTC)),
            ("datetime", "text", datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00Z"),
            ("date", "datetime", date(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC)),
            ("datetime", "date", datetime(2026, 1, 1, tzinfo=UTC), date(2026, 1, 1)),
            ("text", "texts", "a", ("a",)),
            ("texts", "text", ("a",), "a"),
            ("texts", "text", (), None),
            ("texts", "json", ("a",), ["a"]),
            ("json", "texts", ["a"], ("a",)),
            ("json", "text", {"ä": 1}, '{"ä": 1}'),
            ("text", "uuid", "018f3c4e-0000-7000-8000-000000000001", UUID("018f3c4e-0000-7000-8000-000000000001")),
            ("int", "bool", 1, True),
            ("bool", "int", True, 1),
            ("text", "json", "a", "a"),
            ("int", "text", None, None),
        ],
    )
    def test_is_exact(self, old, new, value, result):
        made = convert(value, ColumnType(old, 18, 2), ColumnType(new, 18, 2))
        assert (made, type(made)) == (result, type(result))

    @pytest.mark.parametrize(
        ("old", "new", "value"),
        [
            ("text", "int", "many"),
            ("text", "int", "1.5"),
            ("text", "int", "1_000"),
            ("text", "int", "9" * 19),
            ("text", "int", "nan"),
            ("text", "int", ""),
            ("text", "decimal", "1.555"),
            ("text", "decimal", "Infinity"),
            ("text", "date", "20260228"),
            ("text", "date", "2026-02-30"),
            ("text", "bool", "yes"),
            ("text", "datetime", "2026-01-01T00:00:00"),
            ("text", "time", "12:00+01:00"),
            ("text", "uuid", "1"),
            ("decimal", "int", Decimal("1.50")),
            ("decimal", "decimal", Decimal("1.555")),
            ("int", "decimal", 10**17),
            ("datetime", "date", datetime(2026, 1, 1, 1, tzinfo=UTC)),
            ("texts", "text", ("a", "b")),
            ("int", "bool", 2),
            ("json", "texts", ["a", 1]),
            ("json", "texts", "a"),
        ],
    )
    def test_or_refused(self, old, new, value):
        with pytest.raises(Unconvertible):
            convert(value, ColumnType(old, 18, 3), ColumnType(new, 18, 2))

    def test_everything_becomes_text_and_back(self):
        names = ("int", "decimal", "bool", "date", "time", "datetime", "uuid", "json", "texts")
        assert all(convertible(ColumnType(n), ColumnType("text")) for n in names)
        assert all(convertible(ColumnType("text"), ColumnType(n)) for n in names)
        assert not convertible(ColumnType("date"), ColumnType("int"))


class TestSql:
    @pytest.mark.parametrize(
        "pairs",
        [
            {"a": "b"},
            {"a": "b", "b": "c"},
            {"a": "b", "b": "a"},
            {"a": "b", "b": "c", "c": "a", "x": "y"},
        ],
    )
    def test_renames_never_meet(self, pairs):
        there = {name: name for name in pairs}
        for old, new in in_order(pairs):
            assert new not in there
            there[new] = there.pop(old)
        assert {origin: now for now, origin in there.items()} == pairs

    def test_names_are_short_and_the_kernels_own(self):
        index = Index("ix_" + "_".join(f"f{n}" for n in range(100, 140)), ("id",))
        other = Index(index.id + "_f999", ("id",))
        names = {index_name("e7", index), index_name("e7", other)}
        assert len(names) == 2
        assert all(len(n) <= 60 and n.startswith("xrm_e7_") for n in names)

    @pytest.mark.parametrize("dialect", [SQLITE, POSTGRESQL], ids=lambda d: d.name)
    def test_a_hostile_default_is_data(self, dialect):
        made = propose(one(field("a", default="x'); DROP TABLE thing; --")), None)
        create = next(str(o) for o in operations(Schema(), made.new, dialect) if 'TABLE "thing"' in str(o))
        assert "DEFAULT 'x''); DROP TABLE thing; --'" in create

    @pytest.mark.parametrize("name", ['a"b', "a b", "Ä", "", "a;b", "1a"])
    def test_a_hostile_name_never_becomes_sql(self, name):
        made = Table("e1", name, (Column("id", "id", ColumnType("uuid"), null=False, primary=True),))
        with pytest.raises(ValueError, match="not an identifier"):
            operations(Schema(), Schema({"e1": made}), SQLITE)
