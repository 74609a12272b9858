"""Every kind of change of a model: what is there, what changes, what the plan says, what is there afterwards.

Definitions are the bodies of YAML files. A case says only what it is about: see `Case`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Rows = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True)
class Case:
    """One change.

    Attributes:
        name: What it is about.
        before: The definitions before.
        after: The definitions after.
        rows: The records that are there, by entity; a relation names a record by its position (``"#0"``).
        steps: What the plan says, one text per step: kind, entity.field, severity, affected, lost ("" = not at all).
        says: Parts of what the plan tells people.
        issues: Code and path of the findings of the plan, and a part of each message.
        then: Records afterwards, in the order in which they were made; None where the change is refused.
        back: Definitions that lead back; "" = `before`.
    """

    name: str
    before: str
    after: str
    rows: Rows
    steps: Sequence[str] = ()
    says: Sequence[str] = ()
    issues: Sequence[tuple[str, str, str]] = ()
    then: Rows | None = None
    back: str = ""


@dataclass(frozen=True)
class Thing:
    """A case about one field `a` of one entity `thing`: short for most of them."""

    name: str
    before: str
    after: str
    values: Sequence[Any]
    steps: Sequence[str] = ()
    says: Sequence[str] = ()
    issues: Sequence[tuple[str, str, str]] = ()
    then: Sequence[Any] | None = None
    back: str = ""
    more: Mapping[str, Sequence[Any]] = field(default_factory=dict)  # values of further fields
    fields: str = ""  # their definitions

    def case(self) -> Case:
        """Return the case in full."""
        rows = [{"a": value} for value in self.values]
        for name, values in self.more.items():
            rows = [{**row, name: value} for row, value in zip(rows, values, strict=True)]
        then = None if self.then is None else {"thing": [{"a": value} for value in self.then]}
        back = self._text(self.back) if self.back else ""
        return Case(
            self.name,
            self._text(self.before),
            self._text(self.after),
            {"thing": rows},
            self.steps,
            self.says,
            self.issues,
            then,
            back,
        )

    def _text(self, a: str) -> str:
        return f"entity: thing\nlabel: '{{id}}'\nfields:\n  a: {a}\n{self.fields}"


SMALL_BIG = "{type: choice, choices: [small, big]}"
STATES = """
entity: job
label: "{{name}}"
fields: {{name: text}}
workflow:
  states: {states}
  transitions:
    go: {{from: {first}, to: {last}}}
"""
PARTIES = """
entity: party
label: "{name}"
fields: {name: text, code: {type: text, unique: true}, country: text}
---
entity: firm
label: "{name}"
fields: {name: text, code: {type: text, unique: true}}
---
"""
DEAL = PARTIES + "entity: deal\nlabel: '{name}'\nfields:\n  name: text\n  who: "
ANN_BOB = [{"name": "Ann", "code": "A", "country": "DE"}, {"name": "Bob", "code": "B", "country": "FR"}]
FIRMS = [{"name": "Acme", "code": "A"}]
DEALS: Rows = {
    "party": ANN_BOB,
    "firm": FIRMS,
    "deal": [{"name": "x", "who": "#party.0"}, {"name": "y", "who": "#party.1"}],
}

CHOICES: list[Thing] = [
    Thing(
        "a choice is renamed",
        SMALL_BIG,
        "{type: choice, choices: [{name: tiny, was: small}, big]}",
        ["small", "big", "small", None],
        ["map_values thing.a slow 2"],
        ["small becomes tiny"],
        then=["tiny", "big", "tiny", None],
        back="{type: choice, choices: [{name: small, was: tiny}, big]}",
    ),
    Thing(
        "choices become one",
        "{type: choice, choices: [small, big, huge]}",
        "{type: choice, choices: {small: Small, large: {title: Large, was: [big, huge]}}}",
        ["small", "big", "huge"],
        ["map_values thing.a slow 2"],
        ["big, huge become large"],
        then=["small", "large", "large"],
        back="{type: choice, choices: [small, big, huge], convert: {map: {large: huge}}}",
    ),
    Thing(
        "a choice is split by an expression",
        SMALL_BIG,
        "{type: choice, choices: [small, big, huge], convert: \"a == 'big' && n > 10 ? 'huge' : a\"}",
        ["small", "big", "big"],
        ["map_values thing.a slow 1"],
        then=["small", "big", "huge"],
        back="{type: choice, choices: [small, big], convert: {map: {huge: big}}}",
        more={"n": [1, 2, 30]},
        fields="  n: integer\n",
    ),
    Thing(
        "a choice that records have goes",
        SMALL_BIG,
        "{type: choice, choices: [big]}",
        ["small", "big", "small"],
        ["map_values thing.a slow 2"],
        issues=[("not_a_choice", "thing.a", "2 records have a value that is none of the choices, like 'small'.")],
    ),
    Thing(
        "a choice that no record has goes",
        SMALL_BIG,
        "{type: choice, choices: [big]}",
        ["big", None],
        ["map_values thing.a slow 0"],
        then=["big", None],
    ),
    Thing(
        "a choice that records have goes, and they lose it",
        SMALL_BIG,
        "{type: choice, choices: [big], convert: {otherwise: clear}}",
        ["small", "big"],
        ["map_values thing.a destructive 1 1"],
        then=[None, "big"],
    ),
    Thing(
        "a choice is mapped to nothing",
        SMALL_BIG,
        "{type: choice, choices: [big], convert: {map: {small: null}}}",
        ["small", "big"],
        ["map_values thing.a destructive 1 1"],
        then=[None, "big"],
    ),
    Thing(
        "sets of choices are mapped",
        "{type: choices, choices: [a, b, c]}",
        "{type: choices, choices: [{name: x, was: [a, b]}, c]}",
        [["a", "b"], ["b", "c"], ["c"], None],
        ["map_values thing.a slow 2"],
        then=[["x"], ["x", "c"], ["c"], None],
        back="{type: choices, choices: [a, b, c], convert: {map: {x: a}}}",
    ),
]
RETYPES: list[Thing] = [
    Thing(
        "text becomes a choice, by name and by title",
        "text",
        "{type: choice, choices: {de: Germany, fr: France}}",
        ["de", "France", None],
        ["change_type thing.a slow 1"],
        then=["de", "fr", None],
    ),
    Thing(
        "text that is no choice",
        "text",
        "{type: choice, choices: [de, fr]}",
        ["de", "xx", "yy"],
        ["change_type thing.a slow 2"],
        issues=[("not_a_choice", "thing.a", "2 records have a value that is none of the choices, like 'xx', 'yy'.")],
    ),
    Thing(
        "text becomes a choice by a map, the rest is emptied",
        "text",
        "{type: choice, choices: [de, fr], convert: {map: {Deutschland: de}, otherwise: clear}}",
        ["Deutschland", "fr", "xx"],
        ["change_type thing.a destructive 2 1"],
        then=["de", "fr", None],
    ),
    Thing(
        "a choice becomes text",
        SMALL_BIG,
        "text",
        ["small", None],
        ["change_type thing.a safe"],
        then=["small", None],
    ),
    Thing(
        "a choice becomes choices",
        SMALL_BIG,
        "{type: choices, choices: [small, big]}",
        ["small", None],
        ["change_type thing.a slow 1"],
        then=[["small"], None],
    ),
    Thing(
        "choices become one choice",
        "{type: choices, choices: [small, big]}",
        SMALL_BIG,
        [["small"], None],
        ["change_type thing.a slow 1"],
        then=["small", None],
    ),
    Thing(
        "several choices are not one",
        "{type: choices, choices: [small, big]}",
        SMALL_BIG,
        [["small"], ["small", "big"]],
        ["change_type thing.a slow 2"],
        issues=[("not_a_choice", "thing.a", "1 record have a value that is none of the choices, like 'small, big'.")],
    ),
    Thing(
        "a number becomes a choice by an expression",
        "integer",
        "{type: choice, choices: [small, big], convert: \"a > 10 ? 'big' : 'small'\"}",
        [1, 20],
        ["change_type thing.a slow 2"],
        then=["small", "big"],
        back="{type: integer, convert: \"a == 'big' ? 20 : 1\"}",
    ),
    Thing(
        "text becomes a number",
        "text",
        "integer",
        ["1", "20"],
        ["change_type thing.a slow 2"],
        then=[1, 20],
    ),
    Thing(
        "text that is no number",
        "text",
        "integer",
        ["1", "many"],
        ["change_type thing.a slow 2"],
        issues=[("cannot_convert", "thing.a", "1 record cannot be converted, like 'many'.")],
    ),
    Thing(
        "text that is no number is emptied",
        "text",
        "{type: integer, convert: {map: {many: 99}, otherwise: clear}}",
        ["1", "many", "few"],
        ["change_type thing.a destructive 3 1"],
        then=[1, 99, None],
        back="text",
    ),
    Thing(
        "a number gets fewer digits",
        "{type: decimal, scale: 3}",
        "{type: decimal, scale: 1, convert: {otherwise: clear}}",
        ["1.500", "1.234"],
        ["change_type thing.a destructive 2 1"],
        then=["1.5", None],
        back="{type: decimal, scale: 3}",
    ),
    Thing(
        "an integer becomes a decimal",
        "integer",
        "{type: decimal, scale: 2}",
        [1, None],
        ["change_type thing.a slow 1"],
        then=["1.00", None],
    ),
    Thing(
        "a decimal becomes money",
        "decimal",
        "money",
        ["1.00", None],
        ["add_field thing.a slow 2"],
        then=[{"amount": "1.00", "currency": "EUR"}, None],
    ),
    Thing(
        "a date becomes a moment",
        "date",
        "datetime",
        ["2026-01-31"],
        ["change_type thing.a slow 1"],
        then=["2026-01-31T00:00:00.000000Z"],
    ),
    Thing(
        "a moment that is no day",
        "datetime",
        "date",
        ["2026-01-31T00:00:00.000000Z", "2026-01-31T10:00:00.000000Z"],
        ["change_type thing.a slow 2"],
        issues=[("cannot_convert", "thing.a", "1 record cannot be converted")],
    ),
    Thing(
        "text becomes an e-mail address",
        "text",
        "email",
        ["ann@example.com", "ann"],
        ["change_type thing.a safe"],
        issues=[("breaks_rule", "thing.a", "1 record does not meet the new rules of thing.a: 'ann'.")],
        then=["ann@example.com", "ann"],
    ),
    Thing(
        "a limit is narrowed",
        "text",
        "{type: text, max: 3}",
        ["abc", "abcd"],
        issues=[("breaks_rule", "thing.a", "1 record does not meet the new rules of thing.a: 'abcd'.")],
        then=["abc", "abcd"],
    ),
    Thing(
        "a limit is narrowed, and what breaks it is emptied",
        "text",
        "{type: text, max: 3, convert: {otherwise: clear}}",
        ["abc", "abcd"],
        ["convert_values thing.a destructive 1 1"],
        then=["abc", None],
    ),
]
FILLS: list[Thing] = [
    Thing(
        "a new field is computed from others",
        "integer",
        'integer\n  b: {type: integer, backfill: {expression: "a * 2"}}',
        [1, None],
        ["add_field thing.b slow 1"],
        ["records get a * 2"],
        then=[1, None],
        back="integer\n  b: {type: integer, removed: true}",
    ),
    Thing(
        "a required field is computed from others",
        "integer",
        "integer\n  b: {type: text, required: true, backfill: {expression: \"a > 1 ? 'many' : 'one'\"}}",
        [1, 2],
        ["add_field thing.b slow 2"],
        then=[1, 2],
        back="integer\n  b: {type: text, removed: true}",
    ),
    Thing(
        "a required field that cannot be computed everywhere",
        "integer",
        'integer\n  b: {type: integer, required: true, backfill: {expression: "a * 2"}}',
        [1, None],
        ["add_field thing.b slow 1"],
        issues=[("needs_value", "thing.b", "1 record would have no value")],
    ),
    Thing(
        "a field becomes required and its gaps are computed",
        "text",
        "{type: text, required: true, backfill: {expression: \"'nr ' + text(n)\"}}",
        ["x", None],
        ["require thing.a slow 1"],
        then=["x", "nr 2"],
        more={"n": [1, 2]},
        fields="  n: integer\n",
    ),
    Thing(
        "a field becomes required with a value",
        "text",
        "{type: text, required: true, backfill: none}",
        ["x", None],
        ["require thing.a slow 1"],
        then=["x", "none"],
    ),
    Thing(
        "a field becomes required and gaps stay",
        "text",
        "{type: text, required: true}",
        ["x", None],
        ["require thing.a slow 1"],
        issues=[("needs_value", "thing.a", "1 record would have no value")],
    ),
    Thing(
        "a field becomes unique",
        "text",
        "{type: text, unique: true}",
        ["x", "y", "x"],
        ["add_unique thing.a slow 2"],
        issues=[("not_unique", "thing.a", "2 records share their value with another, like x.")],
    ),
    Thing("a field gets an index", "text", "{type: text, index: true}", ["x"], ["add_index thing.a slow"], then=["x"]),
    Thing(
        "a field is dropped",
        "text\n  b: text",
        "text\n  b: {type: text, removed: true}",
        ["x", "y"],
        ["drop_field thing.b destructive 1"],
        then=["x", "y"],
        more={"b": ["lost", None]},
    ),
    Thing(
        "a field is renamed",
        "text\n  b: text",
        "text\n  c: {type: text, was: b}",
        ["x"],
        ["rename_field thing.c safe"],
        then=["x"],
        back="text\n  b: {type: text, was: c}",
    ),
    Thing(
        "a default changes", "text", "{type: text, default: new}", ["x"], ["change_default thing.a safe"], then=["x"]
    ),
]
STATE_CASES = [
    Case(
        "a state is renamed and others become one",
        STATES.format(states="{new: {}, doing: {}, done: {final: done}}", first="[new, doing]", last="done"),
        STATES.format(states="{open: {was: [new, doing]}, done: {final: done}}", first="open", last="done"),
        {"job": [{"name": "a"}, {"name": "b"}]},
        ["change_default job.state safe", "map_values job.state slow 2"],
        then={"job": [{"state": "open"}, {"state": "open"}]},
        back=STATES.format(
            states="{new: {was: open}, doing: {}, done: {final: done}}", first="[new, doing]", last="done"
        ),
    ),
    Case(
        "a state that records are in goes",
        STATES.format(states="{new: {}, done: {final: done}}", first="new", last="done"),
        STATES.format(states="{open: {}, done: {final: done}}", first="open", last="done"),
        {"job": [{"name": "a"}]},
        ["change_default job.state safe", "map_values job.state slow 1"],
        issues=[("not_a_choice", "job.state", "1 record")],
    ),
]
RELATIONS = [
    Case(
        "a relation becomes text: what the record is called",
        DEAL + "{type: relation, to: party}",
        DEAL + "text",
        DEALS,
        ["change_type deal.who slow 2"],
        then={"deal": [{"who": "Ann"}, {"who": "Bob"}]},
        back=DEAL + "{type: relation, to: party}",
    ),
    Case(
        "text becomes a relation by a unique field",
        DEAL + "text",
        DEAL + "{type: relation, to: party, convert: {by: code}}",
        {"party": ANN_BOB, "deal": [{"who": "B"}, {"who": None}, {"who": "A"}]},
        ["change_type deal.who slow 2"],
        ["values name a party by code"],
        then={"deal": [{"who": "#party.1"}, {"who": None}, {"who": "#party.0"}]},
    ),
    Case(
        "text that names no record",
        DEAL + "text",
        DEAL + "{type: relation, to: party}",
        {"party": ANN_BOB, "deal": [{"who": "Ann"}, {"who": "Zoe"}]},
        ["change_type deal.who slow 2"],
        issues=[("no_such_record", "deal.who", "1 record have a value that names no record, or several, like 'Zoe'.")],
    ),
    Case(
        "a relation gets another target, found by a field of both",
        DEAL + "{type: relation, to: party}",
        DEAL + "{type: relation, to: firm, convert: {by: code, otherwise: clear}}",
        DEALS,
        ["change_target deal.who destructive 2 1"],
        then={"deal": [{"who": "#firm.0"}, {"who": None}]},
        back=DEAL + "{type: relation, to: party, convert: {by: code}}",
    ),
    Case(
        "a relation gets another target and values would be lost",
        DEAL + "{type: relation, to: party}",
        DEAL + "{type: relation, to: firm}",
        DEALS,
        ["change_target deal.who slow 2"],
        issues=[("points_elsewhere", "deal.who", "2 records point to a record that it may no longer point to")],
    ),
    Case(
        "a relation may point to more",
        DEAL + "{type: relation, to: party}",
        DEAL + "{type: relation, to: [party, firm]}",
        DEALS,
        ["add_field deal.who slow 2"],
        then={"deal": [{"who": "#party.0"}, {"who": "#party.1"}]},
    ),
    Case(
        "a relation may point to fewer",
        DEAL + "{type: relation, to: [party, firm]}",
        DEAL + "{type: relation, to: party, convert: {otherwise: clear}}",
        {"party": ANN_BOB, "firm": FIRMS, "deal": [{"who": "#party.0"}, {"who": "#firm.0"}]},
        ["change_target deal.who destructive 1 1"],
        then={"deal": [{"who": "#party.0"}, {"who": None}]},
    ),
    Case(
        "a relation acts differently on delete",
        DEAL + "{type: relation, to: party}",
        DEAL + "{type: relation, to: party, on_delete: clear}",
        DEALS,
        ["change_on_delete deal.who safe 2"],
        ["Deleting what deal.who points to empties the field from now on. So far it is refused."],
        then={"deal": [{"who": "#party.0"}, {"who": "#party.1"}]},
    ),
    Case(
        "a relation becomes required, filled by a unique key",
        DEAL + "{type: relation, to: party}",
        DEAL + "{type: relation, to: party, required: true, backfill: {code: B}}",
        {"party": ANN_BOB, "deal": [{"who": "#party.0"}, {"who": None}]},
        ["require deal.who slow 1"],
        then={"deal": [{"who": "#party.0"}, {"who": "#party.1"}]},
    ),
    Case(
        "a field moves to the records that point here",
        DEAL + "{type: relation, to: party}",
        DEAL.replace("country: text", "country: {type: text, removed: true}")
        + "{type: relation, to: party}\n  country: {type: text, was: who.country}",
        DEALS,
        ["drop_field party.country destructive 2", "add_field deal.country slow 2"],
        ["records get who.country"],
        then={"deal": [{"country": "DE"}, {"country": "FR"}]},
        back=DEAL.replace("country: text", "country: {type: text, was: deals.country}")
        + "{type: relation, to: party}\n  country: {type: text, removed: true}",
    ),
    Case(
        "a field moves to the record it points to, but values differ",
        DEAL + "{type: relation, to: party, inverse: deals}",
        DEAL.replace("country: text", "country: text, last_name: {type: text, was: deals.name}")
        + "{type: relation, to: party, inverse: deals}",
        {"party": ANN_BOB, "deal": [{"name": "x", "who": "#party.0"}, {"name": "y", "who": "#party.0"}]},
        ["add_field party.last_name slow 1"],
        issues=[("values_differ", "party.last_name", "1 record would get one of several different values, like 'x'.")],
    ),
    Case(
        "a field moves to the record it points to, the last one counts",
        DEAL + "{type: relation, to: party, inverse: deals}",
        DEAL.replace("country: text", "country: text, last_name: {type: text, was: deals.name, convert: {take: last}}")
        + "{type: relation, to: party, inverse: deals}",
        {"party": ANN_BOB, "deal": [{"name": "x", "who": "#party.0"}, {"name": "y", "who": "#party.0"}]},
        ["add_field party.last_name slow 1"],
        then={"party": [{"last_name": "y"}, {"last_name": None}]},
        back=DEAL.replace("country: text", "country: text, last_name: {type: text, removed: true}")
        + "{type: relation, to: party, inverse: deals}",
    ),
    Case(
        "a new field reads across a relation",
        DEAL + "{type: relation, to: party}",
        DEAL + '{type: relation, to: party}\n  land: {type: text, backfill: {expression: "who.country"}}',
        DEALS,
        ["add_field deal.land slow 2"],
        then={"deal": [{"land": "DE"}, {"land": "FR"}]},
        back=DEAL + "{type: relation, to: party}\n  land: {type: text, removed: true}",
    ),
    Case(
        "an entity is renamed",
        "entity: old\nlabel: '{name}'\nfields: {name: text}",
        "entity: young\nwas: old\nlabel: '{name}'\nfields: {name: text}",
        {"old": [{"name": "x"}]},
        ["rename_table young safe"],
        then={"young": [{"name": "x"}]},
        back="entity: old\nwas: young\nlabel: '{name}'\nfields: {name: text}",
    ),
    Case(
        "an entity is dropped",
        PARTIES + "entity: old\nlabel: '{name}'\nfields: {name: text}",
        PARTIES + "entity: old\nremoved: true",
        {"party": ANN_BOB, "old": [{"name": "x"}]},
        ["drop_table old destructive 1"],
        then={"party": [{"name": "Ann"}, {"name": "Bob"}]},
    ),
]
CASES: list[Case] = [
    *(thing.case() for thing in (*CHOICES, *RETYPES, *FILLS)),
    *STATE_CASES,
    *RELATIONS,
]
